//! [`Queue`], [`LifoQueue`] and [`PriorityQueue`]: pass items from putters to getters.
//!
//! The three differ only in the [`buffer`], which decides which item leaves next. The macro
//! `queue!` defines their common methods. [`shared`] explains how they work.

pub(crate) mod buffer;
pub(crate) mod items;
pub(crate) mod ops;
pub(crate) mod shared;
pub(crate) mod task;

use std::fmt;
use std::sync::Arc;

use buffer::{Fifo, Lifo, Priority};
use items::{Items, Iter};
use ops::{Get as GetOp, Join as JoinOp, PlainItem, Put as PutOp, Queued};
use shared::Core;
use task::Counted;

use crate::core::{Wait, Waiter, const_fn};
use crate::error::{TooManyDone, TryGetError, TryPutError};

/// Waits for an item of the queue `Q`.
pub type Get<'a, Q> = Wait<Waiter<GetOp<&'a Q, PlainItem>>>;
/// Waits for an item of a queue held by an `Arc`, and keeps it alive.
pub type GetOwned<Q> = Wait<Waiter<GetOp<Arc<Q>, PlainItem>>>;
/// Waits for an item of the queue `Q`, as a [`Task`](task::Task).
pub type GetTask<'a, Q> = Wait<Waiter<GetOp<&'a Q, Counted>>>;
/// Waits for an item of a queue held by an `Arc`, as a [`Task`](task::Task), and keeps the queue
/// alive.
pub type GetTaskOwned<Q> = Wait<Waiter<GetOp<Arc<Q>, Counted>>>;
/// Waits for room in the queue `Q`.
pub type Put<'a, Q> = Wait<Waiter<PutOp<&'a Q>>>;
/// Waits for room in a queue held by an `Arc`, and keeps it alive.
pub type PutOwned<Q> = Wait<Waiter<PutOp<Arc<Q>>>>;
/// Waits until all items of the queue `Q` are done.
pub type Join<'a, Q> = Wait<Waiter<JoinOp<&'a Q>>>;

macro_rules! queue {
    (
        $(#[$attribute:meta])*
        $queue:ident<T $(: $bound:ident)?>, $buffer:ident
    ) => {
        $(#[$attribute])*
        pub struct $queue<T> {
            core: Core<$buffer<T>>,
        }

        impl<T $(: $bound)?> Queued for $queue<T> {
            type Buffer = $buffer<T>;
            type Item = T;

            #[inline]
            fn core(&self) -> &Core<$buffer<T>> {
                &self.core
            }
        }

        impl<T $(: $bound)?> $queue<T> {
            const_fn! {
                /// Creates a queue with room for `maxsize` items. With 0 it is unbounded.
                ///
                /// The queue can exceed `maxsize` in one case: a waiting getter was granted an
                /// item, a newcomer used the room of that item, and the getter was then dropped.
                /// Until there is room again, the queue accepts nothing.
                ///
                /// # Examples
                ///
                /// ```
                /// static JOBS: toro::Queue<u32> = toro::Queue::new(10);
                ///
                /// assert_eq!(JOBS.maxsize(), 10);
                /// ```
                #[doc(alias("channel", "bounded"))]
                pub const fn new(maxsize: usize) -> Self {
                    $queue { core: Core::new($buffer::new(), maxsize) }
                }
            }

            const_fn! {
                /// Creates a queue that is never full.
                ///
                /// # Examples
                ///
                /// ```
                /// let queue = toro::Queue::unbounded();
                /// queue.try_put(1)?;
                /// # Ok::<(), toro::TryPutError<u32>>(())
                /// ```
                #[doc(alias = "unbounded_channel")]
                pub const fn unbounded() -> Self {
                    Self::new(0)
                }
            }

            /// Waits for room, and puts an item.
            ///
            /// A waiting put is let in once the queue holds fewer items than it has room for. Items
            /// that were granted to a waiting getter and not taken yet count as well. So a granted
            /// get that is neither polled nor dropped holds up waiting puts.
            ///
            /// # Errors
            ///
            /// [`Closed`](crate::PutError::Closed) when the queue is closed, now or later. With a
            /// time limit, [`Timeout`](crate::PutError::Timeout). Both return the item.
            ///
            /// # Cancel safety
            ///
            /// An item enters the queue only when this wait returns `Ok`. Dropping the wait drops
            /// the item.
            ///
            /// # Examples
            ///
            /// ```
            /// let queue = toro::Queue::new(1);
            /// queue.put("item").wait()?;
            /// assert!(queue.is_full());
            /// # Ok::<(), toro::PutError<&str>>(())
            /// ```
            #[doc(alias("send", "push"))]
            #[inline]
            pub fn put(&self, item: T) -> Put<'_, Self> {
                Wait::new(Waiter::new(self, PutOp::new(item)))
            }

            /// Like [`put`](Self::put), but keeps the queue alive, so the wait is `'static`.
            ///
            /// # Examples
            ///
            /// ```
            /// let queue = std::sync::Arc::new(toro::Queue::new(1));
            /// let put = queue.put_owned("item");
            /// std::thread::spawn(|| put.wait()).join().unwrap()?;
            /// assert_eq!(queue.len(), 1);
            /// # Ok::<(), toro::PutError<&str>>(())
            /// ```
            #[inline]
            pub fn put_owned(self: &Arc<Self>, item: T) -> PutOwned<Self> {
                Wait::new(Waiter::new(Arc::clone(self), PutOp::new(item)))
            }

            /// Puts an item if there is room now and nobody waits to put.
            ///
            /// # Errors
            ///
            /// [`Full`](TryPutError::Full) or [`Closed`](TryPutError::Closed). Both return the
            /// item.
            ///
            /// # Examples
            ///
            /// ```
            /// let queue = toro::Queue::new(1);
            /// assert_eq!(queue.try_put(1), Ok(()));
            /// assert_eq!(queue.try_put(2), Err(toro::TryPutError::Full(2)));
            /// ```
            #[doc(alias("try_send", "try_push"))]
            #[inline]
            pub fn try_put(&self, item: T) -> Result<(), TryPutError<T>> {
                self.core.try_put(item)
            }

            /// Waits for an item, and takes it.
            ///
            /// # Errors
            ///
            /// [`Closed`](crate::Closed) when the queue is closed and empty.
            ///
            /// # Cancel safety
            ///
            /// An item leaves the queue only when this wait returns it. Dropping the wait loses
            /// nothing.
            ///
            /// # Examples
            ///
            /// ```
            /// let queue = toro::Queue::unbounded();
            /// queue.try_put("item").unwrap();
            /// assert_eq!(queue.get().wait()?, "item");
            /// # Ok::<(), toro::Closed>(())
            /// ```
            #[doc(alias("recv", "receive", "pop"))]
            #[inline]
            pub fn get(&self) -> Get<'_, Self> {
                Wait::new(Waiter::new(self, GetOp::new()))
            }

            /// Like [`get`](Self::get), but keeps the queue alive, so the wait is `'static`.
            ///
            /// # Examples
            ///
            /// ```
            /// let queue = std::sync::Arc::new(toro::Queue::unbounded());
            /// let get = queue.get_owned();
            /// let getter = std::thread::spawn(|| get.wait());
            /// queue.try_put("item").unwrap();
            /// assert_eq!(getter.join().unwrap()?, "item");
            /// # Ok::<(), toro::Closed>(())
            /// ```
            #[inline]
            pub fn get_owned(self: &Arc<Self>) -> GetOwned<Self> {
                Wait::new(Waiter::new(Arc::clone(self), GetOp::new()))
            }

            /// Takes an item if there is one now that does not belong to an earlier waiter.
            ///
            /// # Errors
            ///
            /// [`Empty`](TryGetError::Empty) or [`Closed`](TryGetError::Closed).
            ///
            /// # Examples
            ///
            /// ```
            /// let queue = toro::Queue::<u8>::unbounded();
            /// assert_eq!(queue.try_get(), Err(toro::TryGetError::Empty));
            /// ```
            #[doc(alias("try_recv", "try_pop"))]
            #[inline]
            pub fn try_get(&self) -> Result<T, TryGetError> {
                self.core.try_get()
            }

            /// Like [`get`](Self::get), but the item is reported [done](Self::task_done) when it is
            /// dropped.
            ///
            /// # Examples
            ///
            /// ```
            /// let queue = toro::Queue::unbounded();
            /// queue.try_put("item").unwrap();
            /// let task = queue.get_task().wait()?;
            /// assert_eq!(queue.unfinished(), 1);
            /// drop(task);
            /// assert_eq!(queue.unfinished(), 0);
            /// # Ok::<(), toro::Closed>(())
            /// ```
            #[inline]
            pub fn get_task(&self) -> GetTask<'_, Self> {
                Wait::new(Waiter::new(self, GetOp::new()))
            }

            /// Like [`get_task`](Self::get_task), but keeps the queue alive, so the wait is
            /// `'static`.
            ///
            /// # Examples
            ///
            /// ```
            /// let queue = std::sync::Arc::new(toro::Queue::unbounded());
            /// queue.try_put("item").unwrap();
            /// let task = queue.get_task_owned().wait()?;
            /// std::thread::spawn(move || drop(task)).join().unwrap();
            /// assert_eq!(queue.unfinished(), 0);
            /// # Ok::<(), toro::Closed>(())
            /// ```
            #[inline]
            pub fn get_task_owned(self: &Arc<Self>) -> GetTaskOwned<Self> {
                Wait::new(Waiter::new(Arc::clone(self), GetOp::new()))
            }

            /// Reports that the work on one item is done. [`get_task`](Self::get_task) does so
            /// automatically.
            ///
            /// # Errors
            ///
            /// [`TooManyDone`] if all items have been reported already.
            ///
            /// # Examples
            ///
            /// ```
            /// let queue = toro::Queue::unbounded();
            /// queue.try_put("item").unwrap();
            /// let _item = queue.get().wait().unwrap();
            /// assert_eq!(queue.task_done(), Ok(()));
            /// assert_eq!(queue.task_done(), Err(toro::TooManyDone));
            /// ```
            pub fn task_done(&self) -> Result<(), TooManyDone> {
                self.core.task_done()
            }

            /// Waits until all items have been reported [done](Self::task_done). Returns
            /// immediately if nothing was put.
            ///
            /// # Cancel safety
            ///
            /// Dropping the wait loses nothing.
            ///
            /// # Examples
            ///
            /// ```
            /// let queue = toro::Queue::unbounded();
            /// queue.try_put("item").unwrap();
            /// std::thread::scope(|scope| {
            ///     scope.spawn(|| drop(queue.get_task().wait()));
            ///     queue.join().wait();
            /// });
            /// ```
            pub fn join(&self) -> Join<'_, Self> {
                Wait::new(Waiter::new(self, JoinOp::new()))
            }

            /// The number of items that were put and not yet reported [done](Self::task_done).
            ///
            /// # Examples
            ///
            /// ```
            /// let queue = toro::Queue::unbounded();
            /// queue.try_put("item").unwrap();
            /// assert_eq!(queue.unfinished(), 1);
            /// ```
            pub fn unfinished(&self) -> usize {
                self.core.unfinished()
            }

            /// The items in the queue, as a stream. It ends when the queue is closed and empty.
            ///
            /// # Examples
            ///
            /// ```
            /// # futures_executor::block_on(async {
            /// use futures_util::StreamExt;
            ///
            /// let queue = toro::Queue::unbounded();
            /// queue.try_put(1).unwrap();
            /// queue.close();
            /// assert_eq!(queue.stream().collect::<Vec<_>>().await, [1]);
            /// # });
            /// ```
            pub fn stream(&self) -> Items<&Self> {
                Items::new(self)
            }

            /// Like [`stream`](Self::stream), but keeps the queue alive, so the stream is
            /// `'static`.
            ///
            /// # Examples
            ///
            /// ```
            /// # futures_executor::block_on(async {
            /// use futures_util::StreamExt;
            ///
            /// let queue = std::sync::Arc::new(toro::Queue::unbounded());
            /// queue.try_put(1).unwrap();
            /// let mut stream = std::pin::pin!(queue.stream_owned());
            /// drop(queue);
            /// assert_eq!(stream.next().await, Some(1));
            /// # });
            /// ```
            pub fn stream_owned(self: &Arc<Self>) -> Items<Arc<Self>> {
                Items::new(Arc::clone(self))
            }

            /// The items in the queue, as an iterator that blocks the thread. It ends when the
            /// queue is closed and empty.
            ///
            /// # Examples
            ///
            /// ```
            /// let queue = toro::Queue::unbounded();
            /// queue.try_put(1).unwrap();
            /// queue.close();
            /// assert_eq!(queue.iter().collect::<Vec<_>>(), [1]);
            /// ```
            pub fn iter(&self) -> Iter<'_, Self> {
                Iter(self)
            }

            /// Closes the queue: it accepts no more items. Present and future puts fail with
            /// `Closed`, and gets fail so once the queue is empty.
            ///
            /// # Examples
            ///
            /// ```
            /// let queue = toro::Queue::unbounded();
            /// queue.try_put("last").unwrap();
            /// queue.close();
            /// assert_eq!(queue.get().wait(), Ok("last"));
            /// assert_eq!(queue.get().wait(), Err(toro::Closed));
            /// ```
            pub fn close(&self) {
                self.core.close();
            }

            /// Whether [`close`](Self::close) has been called.
            ///
            /// # Examples
            ///
            /// ```
            /// let queue = toro::Queue::<u8>::unbounded();
            /// queue.close();
            /// assert!(queue.is_closed());
            /// ```
            pub fn is_closed(&self) -> bool {
                self.core.is_closed()
            }

            /// The number of items in the queue. Items granted to a waiting getter do not count.
            ///
            /// # Examples
            ///
            /// ```
            /// let queue = toro::Queue::unbounded();
            /// queue.try_put("item").unwrap();
            /// assert_eq!(queue.len(), 1);
            /// ```
            pub fn len(&self) -> usize {
                self.core.len()
            }

            /// Whether the queue holds no item.
            ///
            /// # Examples
            ///
            /// ```
            /// assert!(toro::Queue::<u8>::unbounded().is_empty());
            /// ```
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Whether the queue holds `maxsize` items or more. Never true if it is unbounded.
            ///
            /// False does not mean that `try_put` succeeds: waiting putters come first, and a place
            /// may be promised to one of them.
            ///
            /// # Examples
            ///
            /// ```
            /// let queue = toro::Queue::new(1);
            /// queue.try_put("item").unwrap();
            /// assert!(queue.is_full());
            /// ```
            pub fn is_full(&self) -> bool {
                self.maxsize() != 0 && self.len() >= self.maxsize()
            }

            /// The number of items that the queue has room for, or 0 if it is unbounded.
            ///
            /// # Examples
            ///
            /// ```
            /// assert_eq!(toro::Queue::<u8>::new(3).maxsize(), 3);
            /// ```
            #[doc(alias = "capacity")]
            pub fn maxsize(&self) -> usize {
                self.core.maxsize()
            }
        }

        impl<T $(: $bound)?> Default for $queue<T> {
            fn default() -> Self {
                $queue::unbounded()
            }
        }

        impl<'a, T $(: $bound)?> IntoIterator for &'a $queue<T> {
            type Item = T;
            type IntoIter = Iter<'a, $queue<T>>;

            fn into_iter(self) -> Self::IntoIter {
                self.iter()
            }
        }

        impl<T $(: $bound)?> fmt::Debug for $queue<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($queue))
                    .field("len", &self.len())
                    .field("maxsize", &self.maxsize())
                    .field("unfinished", &self.unfinished())
                    .field("closed", &self.is_closed())
                    .finish_non_exhaustive()
            }
        }
    };
}

queue! {
    /// A first-in, first-out queue with any number of putters and getters.
    ///
    /// Those who wait to get or to put are served in order of arrival, and newcomers cannot
    /// overtake. Waiting allocates nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use toro::Queue;
    ///
    /// static JOBS: Queue<u32> = Queue::new(2);
    ///
    /// let worker = std::thread::spawn(|| JOBS.iter().sum::<u32>());
    /// for job in 1..=10 {
    ///     JOBS.put(job).wait()?; // Waits while there are two in the queue.
    /// }
    /// JOBS.close();
    /// assert_eq!(worker.join().unwrap(), 55);
    /// # Ok::<(), toro::PutError<u32>>(())
    /// ```
    #[doc(alias("channel", "mpsc", "mpmc"))]
    Queue<T>, Fifo
}

queue! {
    /// A last-in, first-out queue. Otherwise like [`Queue`].
    ///
    /// # Examples
    ///
    /// ```
    /// let stack = toro::LifoQueue::unbounded();
    /// stack.try_put(1)?;
    /// stack.try_put(2)?;
    /// assert_eq!(stack.try_get(), Ok(2));
    /// # Ok::<(), toro::TryPutError<u8>>(())
    /// ```
    #[doc(alias = "stack")]
    LifoQueue<T>, Lifo
}

queue! {
    /// A queue in which the lowest item leaves first, and of equal items the oldest. Otherwise like
    /// [`Queue`].
    ///
    /// Items are compared while the queue is locked. Their `Ord` must neither use this queue nor
    /// panic.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = toro::PriorityQueue::unbounded();
    /// queue.try_put((2, "later"))?;
    /// queue.try_put((1, "first"))?;
    /// assert_eq!(queue.try_get(), Ok((1, "first")));
    /// # Ok::<(), toro::TryPutError<(u8, &str)>>(())
    /// ```
    #[doc(alias = "BinaryHeap")]
    PriorityQueue<T: Ord>, Priority
}
