//! [`Queue`], [`LifoQueue`] and [`PriorityQueue`]: items on their way from those who put to those who get.
//!
//! The three differ in nothing but the [`buffer`] that decides which item leaves next; `queue!`
//! writes their common face. How they work is told in [`shared`].

pub(crate) mod buffer;
pub(crate) mod items;
pub(crate) mod ops;
pub(crate) mod shared;
pub(crate) mod task;

use std::fmt;
use std::sync::Arc;

use buffer::{Fifo, Lifo, Priority};
use items::{Items, Iter};
use ops::{Get as GetOp, Join as JoinOp, Plain, Put as PutOp, Queued};
use shared::Core;
use task::Counted;

use crate::core::{Wait, Waiter, const_fn};
use crate::error::{TooManyDone, TryGetError, TryPutError};

/// Waits for an item of the queue `Q`.
pub type Get<'a, Q> = Wait<Waiter<GetOp<&'a Q, Plain>>>;
/// Waits for an item of a counted queue, and keeps it alive.
pub type GetOwned<Q> = Wait<Waiter<GetOp<Arc<Q>, Plain>>>;
/// Waits for an item of the queue `Q`, to be worked on.
pub type GetTask<'a, Q> = Wait<Waiter<GetOp<&'a Q, Counted>>>;
/// Waits for an item of a counted queue, to be worked on, and keeps the queue alive.
pub type GetTaskOwned<Q> = Wait<Waiter<GetOp<Arc<Q>, Counted>>>;
/// Waits for a place in the queue `Q`.
pub type Put<'a, Q> = Wait<Waiter<PutOp<&'a Q>>>;
/// Waits for a place in a counted queue, and keeps it alive.
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
                /// A queue with room for `maxsize` items; with 0 it is unbounded and never full.
                ///
                /// While nobody waits to put, an item takes up no room from the moment it is meant for a getter that has been
                /// waiting. If that getter is dropped, and nobody else waits, the item is back in its order: the queue may then
                /// hold one more for each getter so dropped, and lets nothing in until there is room again.
                pub const fn new(maxsize: usize) -> Self {
                    $queue { core: Core::new($buffer::new(), maxsize) }
                }
            }

            const_fn! {
                /// A queue that is never full.
                pub const fn unbounded() -> Self {
                    Self::new(0)
                }
            }

            /// Waits for room, and puts an item.
            ///
            /// Who has to wait is let in once the queue holds fewer items than it has room for, those included that a waiting getter
            /// has been granted and has not taken yet: a granted get that is neither polled nor dropped holds up those who wait to put.
            ///
            /// # Errors
            ///
            /// [`Closed`](crate::PutError::Closed) when the queue is closed, now or later, and, if the wait has an end,
            /// [`Timeout`](crate::PutError::Timeout); both give the item back.
            ///
            /// # Cancel safety
            ///
            /// An item enters the queue only when this wait returns `Ok`. If the wait is dropped the item is dropped with it.
            #[inline]
            pub fn put(&self, item: T) -> Put<'_, Self> {
                Wait::new(Waiter::new(self, PutOp::new(item)))
            }

            /// As [`put`](Self::put), keeping the queue alive.
            #[inline]
            pub fn put_owned(self: &Arc<Self>, item: T) -> PutOwned<Self> {
                Wait::new(Waiter::new(Arc::clone(self), PutOp::new(item)))
            }

            /// Puts an item if there is room for it now, and nobody waits to put.
            ///
            /// # Errors
            ///
            /// [`Full`](TryPutError::Full), [`Closed`](TryPutError::Closed); both give the item back.
            #[inline]
            pub fn try_put(&self, item: T) -> Result<(), TryPutError<T>> {
                self.core.try_put(item)
            }

            /// Waits for an item, and takes it.
            ///
            /// # Errors
            ///
            /// [`Closed`](crate::Closed) when the queue is closed and nothing is left in it.
            ///
            /// # Cancel safety
            ///
            /// An item leaves the queue only when this wait returns it; dropping the wait loses nothing.
            #[inline]
            pub fn get(&self) -> Get<'_, Self> {
                Wait::new(Waiter::new(self, GetOp::new()))
            }

            /// As [`get`](Self::get), keeping the queue alive.
            #[inline]
            pub fn get_owned(self: &Arc<Self>) -> GetOwned<Self> {
                Wait::new(Waiter::new(Arc::clone(self), GetOp::new()))
            }

            /// Takes an item if there is one now that nobody has been waiting for.
            ///
            /// # Errors
            ///
            /// [`Empty`](TryGetError::Empty), [`Closed`](TryGetError::Closed).
            #[inline]
            pub fn try_get(&self) -> Result<T, TryGetError> {
                self.core.try_get()
            }

            /// As [`get`](Self::get), with an item that is reported [done](Self::task_done) when it is dropped.
            #[inline]
            pub fn get_task(&self) -> GetTask<'_, Self> {
                Wait::new(Waiter::new(self, GetOp::new()))
            }

            /// As [`get_task`](Self::get_task), keeping the queue alive.
            #[inline]
            pub fn get_task_owned(self: &Arc<Self>) -> GetTaskOwned<Self> {
                Wait::new(Waiter::new(Arc::clone(self), GetOp::new()))
            }

            /// Reports that the work on one item that was taken is done. [`get_task`](Self::get_task) does so by itself.
            ///
            /// # Errors
            ///
            /// [`TooManyDone`] if every item ever put has been reported already.
            pub fn task_done(&self) -> Result<(), TooManyDone> {
                self.core.task_done()
            }

            /// Waits until every item that was put has been reported [done](Self::task_done). Returns at once if nothing was put.
            ///
            /// # Cancel safety
            ///
            /// Dropping the wait loses nothing.
            pub fn join(&self) -> Join<'_, Self> {
                Wait::new(Waiter::new(self, JoinOp::new()))
            }

            /// The items that were put and not yet reported [done](Self::task_done).
            pub fn unfinished(&self) -> usize {
                self.core.unfinished()
            }

            /// The items in the queue, as a stream that ends when the queue is closed and empty.
            pub fn stream(&self) -> Items<&Self> {
                Items::new(self)
            }

            /// As [`stream`](Self::stream), keeping the queue alive.
            pub fn stream_owned(self: &Arc<Self>) -> Items<Arc<Self>> {
                Items::new(Arc::clone(self))
            }

            /// The items in the queue, as an iterator that blocks this thread for each, and ends when the queue is closed
            /// and empty.
            pub fn iter(&self) -> Iter<'_, Self> {
                Iter(self)
            }

            /// Lets no more items in. All who wait, or will, to put get `Closed`; so do getters once nothing is left.
            pub fn close(&self) {
                self.core.close();
            }

            /// Whether [`close`](Self::close) has been called.
            pub fn is_closed(&self) -> bool {
                self.core.is_closed()
            }

            /// How many items are in the queue. One that is on its way to a getter which has been waiting is not.
            pub fn len(&self) -> usize {
                self.core.len()
            }

            /// Whether no item is in the queue.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Whether the queue holds as many items as it may, or more; never if it is unbounded.
            pub fn is_full(&self) -> bool {
                self.maxsize() != 0 && self.len() >= self.maxsize()
            }

            /// How many items the queue has room for; 0 if it is unbounded.
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
    /// A queue: items leave in the order in which they came. Many may put and many may get.
    ///
    /// Those who wait to get, or to put, are served in the order in which they came; newcomers cannot overtake.
    /// Waiting allocates nothing.
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
    Queue<T>, Fifo
}

queue! {
    /// A queue of which the newest item leaves first; otherwise as [`Queue`].
    LifoQueue<T>, Lifo
}

queue! {
    /// A queue of which the lowest item leaves first, and among equals the oldest; otherwise as [`Queue`].
    ///
    /// Items are compared while the queue is locked: their `Ord` must neither use this queue nor panic.
    PriorityQueue<T: Ord>, Priority
}
