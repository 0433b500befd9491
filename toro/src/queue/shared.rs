//! The state of a queue: one lock around its items and its three lines of getters, putters and
//! joiners.
//!
//! A queue notifies; it does not deliver. An item stays in the buffer until a getter's poll takes
//! it. A waiting getter is granted a *promise* of one item, and a waiting putter a promise of one
//! place. Newcomers see only what has not been promised, so they cannot overtake. A promise whose
//! waiter has gone passes to the next. The item of a waiting putter lies in the putter's future, so
//! a put that is dropped or expires has no effect.
//!
//! The number of available items, and whether there is no place, are also kept in atomics outside
//! the lock. They are hints: a wait that would find nothing skips its first look. It then decides
//! under the lock, in the step in which it queues. A waiter that queues has found nothing and holds
//! nothing until it is granted. So its arrival or departure helps nobody else, and every change
//! that helps somebody serves them itself.
//!
//! For newcomers, a promised item has left the queue. While nobody waits to put, it takes up no
//! place. So a putter that has woken a getter can put the next item before the getter runs. Waiting
//! putters are let in only when the item has been taken. Otherwise each put would wake both a
//! getter and the next putter. An executor with a second thread would wake that too, for work that
//! one thread does in half the time. If the getter goes away and nobody else waits for its item,
//! the queue may hold one item more than it has places. Until that many have been taken, nothing is
//! let in.
//!
//! Whenever the lock is free and the queue is not being closed:
//!
//! - if somebody waits to get, every item in the buffer is promised;
//! - if somebody waits to put, the items in the buffer and the promised places together are at
//!   least as many as the places.
//!
//! So a put serves at most one getter, and a get serves at most one putter.

use std::task::Waker;

use super::buffer::Buffer;
use crate::core::{
    AtomicBool, AtomicUsize, List, Mutex, MutexGuard, Ordering, PendingItem, Step, Wakes, const_fn,
    locked, served, wake_alone, wake_alone_quietly,
};
use crate::error::{Closed, TooManyDone, TryGetError, TryPutError};

/// A queue whose items are kept in a `B`.
pub struct Core<B> {
    maxsize: usize,
    /// The number of available items, possibly a moment ago. Written under the lock.
    len: AtomicUsize,
    /// Whether there is no place for a newcomer, possibly a moment ago. Written under the lock.
    full: AtomicBool,
    shared: Mutex<Shared<B>>,
}

/// Why an item was not put.
pub(crate) enum Refused {
    Full,
    Closed,
}

/// The data behind the lock.
pub struct Shared<B> {
    buffer: B,
    maxsize: usize,
    closed: bool,
    /// Items in the buffer that belong to granted getters which have not taken them yet.
    promised_items: usize,
    /// Places reserved for granted putters which have not used them yet.
    promised_places: usize,
    /// Items that were put and not yet reported done.
    unfinished: usize,
    /// The number of times the last item was reported done while a task waited in `join`. Wraps
    /// around. Joiners from before such an end are released, even if more items were put later.
    ends: u32,
    pub(super) getters: List<Promise>,
    pub(super) putters: List<Promise>,
    /// The slot is the value of `ends` when the joiner came.
    pub(super) joiners: List<u32>,
}

/// The grant of a getter or a putter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Promise {
    /// An item, or a place for one.
    Kept,
    /// Nothing: the queue is closed.
    Closed,
}

impl<B> Core<B> {
    const_fn! {
        pub(super) const fn new(buffer: B, maxsize: usize) -> Self {
            Core {
                maxsize,
                len: AtomicUsize::new(0),
                full: AtomicBool::new(false),
                shared: Mutex::new(Shared {
                    buffer,
                    maxsize,
                    closed: false,
                    promised_items: 0,
                    promised_places: 0,
                    unfinished: 0,
                    ends: 0,
                    getters: List::new(),
                    putters: List::new(),
                    joiners: List::new(),
                }),
            }
        }
    }

    pub(super) fn maxsize(&self) -> usize {
        self.maxsize
    }

    pub(super) fn shared(&self) -> &Mutex<Shared<B>> {
        &self.shared
    }
}

impl<B: Buffer> Core<B> {
    pub(super) fn try_put(&self, item: B::Item) -> Result<(), TryPutError<B::Item>> {
        let mut pending = PendingItem::new(item);
        let error = match self.put_from(&mut pending) {
            Ok(()) => return Ok(()),
            Err(Refused::Full) => TryPutError::Full,
            Err(Refused::Closed) => TryPutError::Closed,
        };
        pending.take().map_or(Ok(()), |item| Err(error(item)))
    }

    /// Puts the item. A refused item stays in `pending`.
    #[inline]
    pub(super) fn put_from(&self, pending: &mut PendingItem<B::Item>) -> Result<(), Refused> {
        let mut shared = self.shared.lock();
        if shared.closed {
            return Err(Refused::Closed);
        }
        if !shared.has_place() {
            return Err(Refused::Full);
        }
        shared.push(pending);
        self.pushed(shared);
        Ok(())
    }

    pub(super) fn try_get(&self) -> Result<B::Item, TryGetError> {
        match self.get_now() {
            Some(Ok(item)) => Ok(item),
            Some(Err(Closed)) => Err(TryGetError::Closed),
            None => Err(TryGetError::Empty),
        }
    }

    /// Takes an item that is not promised, or `Closed` if the queue is closed and empty.
    #[inline]
    pub(super) fn get_now(&self) -> Option<Result<B::Item, Closed>> {
        match self.find() {
            Found::Item(mut claim) => Some(claim.take()),
            Found::Closed => Some(Err(Closed)),
            Found::Nothing => None,
        }
    }

    /// Looks for an item that is not promised.
    #[inline]
    pub(super) fn find(&self) -> Found<'_, B> {
        let shared = self.shared.lock();
        if shared.has_item() {
            Found::Item(Claim { core: self, shared: Some(shared) })
        } else if shared.closed {
            Found::Closed
        } else {
            Found::Nothing
        }
    }

    /// Under the lock: updates the hints for threads without the lock.
    #[inline]
    pub(super) fn note(&self, shared: &Shared<B>) {
        self.len.store(shared.to_be_had(), Ordering::Relaxed);
        self.full.store(!shared.has_place(), Ordering::Relaxed);
    }

    /// Whether nothing was available a moment ago. This is a hint: the caller then looks under the
    /// lock, in the step in which it queues.
    #[inline]
    pub(super) fn seems_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there was no place a moment ago. See [`seems_empty`](Self::seems_empty).
    #[inline]
    pub(super) fn seems_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Serves the one getter that an item just pushed can help.
    #[inline]
    fn pushed(&self, shared: MutexGuard<'_, Shared<B>>) {
        if shared.getters.is_empty() {
            self.note(&shared);
        } else {
            self.hand_item(shared);
        }
    }

    #[cold]
    #[inline(never)]
    fn hand_item(&self, mut shared: MutexGuard<'_, Shared<B>>) {
        let getter = shared.grant_item();
        self.note(&shared);
        drop(shared);
        if let Some(waker) = getter {
            wake_alone(waker);
        }
    }

    /// Serves the one putter that an item just taken can help.
    #[inline]
    fn popped(&self, shared: MutexGuard<'_, Shared<B>>) {
        if shared.putters.is_empty() {
            self.note(&shared);
        } else {
            self.hand_place(shared);
        }
    }

    #[cold]
    #[inline(never)]
    fn hand_place(&self, mut shared: MutexGuard<'_, Shared<B>>) {
        let putter = if shared.has_place_in_line() { shared.grant_place() } else { None };
        self.note(&shared);
        drop(shared);
        if let Some(waker) = putter {
            wake_alone_quietly(waker);
        }
    }

    /// Finds the item that was promised to a getter. The getter calls this once.
    #[inline]
    pub(super) fn promised(&self) -> Option<Claim<'_, B>> {
        let mut shared = self.shared.lock();
        let is_there = (1..=shared.buffer.len()).contains(&shared.promised_items);
        debug_assert!(is_there, "an item was promised");
        // This check tells the compiler that the buffer is not empty, so it generates one path for
        // the item.
        if !is_there {
            return None;
        }
        shared.promised_items -= 1;
        Some(Claim { core: self, shared: Some(shared) })
    }

    /// Takes the promised item.
    #[inline]
    pub(super) fn take_promised(&self) -> Result<B::Item, Closed> {
        self.promised().map_or(Err(Closed), |mut claim| claim.take())
    }

    /// Puts the item into the promised place. Refused if the queue was closed meanwhile.
    pub(super) fn put_promised(&self, pending: &mut PendingItem<B::Item>) -> Result<(), Refused> {
        let mut shared = self.shared.lock();
        shared.promised_places -= 1;
        if shared.closed {
            return Err(Refused::Closed);
        }
        shared.push(pending);
        self.pushed(shared);
        Ok(())
    }

    pub(super) fn give_back_item(&self) {
        self.change(|shared| shared.promised_items -= 1);
    }

    pub(super) fn give_back_place(&self) {
        self.change(|shared| shared.promised_places -= 1);
    }

    pub(super) fn close(&self) {
        self.change(|shared| shared.closed = true);
    }

    pub(super) fn task_done(&self) -> Result<(), TooManyDone> {
        let mut shared = self.shared.lock();
        shared.unfinished = shared.unfinished.checked_sub(1).ok_or(TooManyDone)?;
        if shared.unfinished == 0 && !shared.joiners.is_empty() {
            shared.ends = shared.ends.wrapping_add(1);
            served(&self.shared, shared, None, |shared, wakes| self.serve_once(shared, wakes));
        }
        Ok(())
    }

    pub(super) fn is_closed(&self) -> bool {
        self.shared.lock().closed
    }

    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    pub(super) fn unfinished(&self) -> usize {
        self.shared.lock().unfinished
    }

    /// Changes something under the lock, and serves the waiters that this helps.
    fn change(&self, f: impl FnOnce(&mut Shared<B>)) {
        let mut f = Some(f);
        locked(&self.shared, |shared, wakes| {
            if let Some(f) = f.take() {
                f(shared);
            }
            self.serve_once(shared, wakes)
        });
    }

    /// Serves as many waiters as one batch of wakers holds.
    pub(super) fn serve_once(&self, shared: &mut Shared<B>, wakes: &mut Wakes) -> Step {
        let step = shared.serve(wakes);
        self.note(shared);
        step
    }
}

/// The result of a getter's look.
pub(crate) enum Found<'a, B: Buffer> {
    Item(Claim<'a, B>),
    Nothing,
    Closed,
}

/// The right to one item, under the lock. The getter takes the item. Dropping the claim does the
/// follow-up work.
pub(crate) struct Claim<'a, B: Buffer> {
    core: &'a Core<B>,
    /// Taken when the claim is dropped.
    shared: Option<MutexGuard<'a, Shared<B>>>,
}

impl<B: Buffer> Claim<'_, B> {
    /// Takes the item. Must be called at most once.
    #[inline]
    pub(super) fn take(&mut self) -> Result<B::Item, Closed> {
        self.shared.as_mut().and_then(|shared| shared.buffer.pop()).ok_or(Closed)
    }
}

impl<B: Buffer> Drop for Claim<'_, B> {
    #[inline]
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            self.core.popped(shared);
        }
    }
}

impl<B: Buffer> Shared<B> {
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Grants `Closed` in the waiter's slot if the queue is closed. A getter waits only if every
    /// item is promised to others, so it gets no item any more.
    pub(super) fn is_over(&self, slot: &mut Promise) -> bool {
        if self.closed {
            *slot = Promise::Closed;
        }
        self.closed
    }

    pub(super) fn is_finished(&self) -> bool {
        self.unfinished == 0
    }

    pub(super) fn ends(&self) -> u32 {
        self.ends
    }

    /// The number of items that are not promised.
    #[inline]
    fn to_be_had(&self) -> usize {
        self.buffer.len() - self.promised_items
    }

    /// Whether there is an item that is not promised.
    #[inline]
    fn has_item(&self) -> bool {
        // Written without `to_be_had`: this form tells the compiler that the buffer is not empty.
        self.buffer.len() > self.promised_items
    }

    /// The number of places taken or promised, for a newcomer. A promised item does not count.
    #[inline]
    fn places_taken(&self) -> usize {
        self.to_be_had() + self.promised_places
    }

    /// Whether there is a place for a newcomer.
    #[inline]
    pub(super) fn has_place(&self) -> bool {
        self.maxsize == 0 || self.places_taken() < self.maxsize && self.putters.is_empty()
    }

    /// Whether a waiting putter can be let in. For it, a promised item keeps its place until it is
    /// taken.
    #[inline]
    fn has_place_in_line(&self) -> bool {
        self.buffer.len() + self.promised_places < self.maxsize
    }

    #[inline]
    pub(super) fn push(&mut self, pending: &mut PendingItem<B::Item>) {
        self.unfinished += 1;
        self.buffer.push(pending);
    }

    /// Promises an item that is not promised yet, if there is one.
    #[inline]
    pub(super) fn promise_item(&mut self) -> bool {
        let has_item = self.has_item();
        self.promised_items += usize::from(has_item);
        has_item
    }

    /// Promises an existing item to the first getter. The caller wakes the returned waker after the
    /// lock.
    #[inline]
    fn grant_item(&mut self) -> Option<Waker> {
        let waker = self.getters.grant_alone();
        self.promised_items += usize::from(waker.is_some());
        waker
    }

    /// Promises an existing place to the first putter. The caller wakes the returned waker after
    /// the lock.
    #[inline]
    fn grant_place(&mut self) -> Option<Waker> {
        let waker = self.putters.grant_alone();
        self.promised_places += usize::from(waker.is_some());
        waker
    }

    /// Grants everything that can be granted: items, places, the end of the work, the closing.
    fn serve(&mut self, wakes: &mut Wakes) -> Step {
        while !wakes.is_full() {
            let granted = if self.has_item() && !self.getters.is_empty() {
                self.grant_item()
            } else if self.closed {
                tell(&mut self.getters).or_else(|| tell(&mut self.putters))
            } else if self.has_place_in_line() {
                self.grant_place()
            } else {
                None
            };
            let Some(waker) = granted else {
                let ends = self.ends;
                return if self.joiners.is_empty() {
                    Step::Done
                } else {
                    self.joiners.grant_while(wakes, |joined| *joined != ends)
                };
            };
            wakes.push(waker);
        }
        Step::Again
    }
}

/// Grants `Closed` to the first waiter. The caller wakes the returned waker after the lock.
fn tell(line: &mut List<Promise>) -> Option<Waker> {
    *line.front()? = Promise::Closed;
    line.grant_alone()
}
