//! The state of a queue: one lock around its items and the three lines of those who get, put and
//! join.
//!
//! A queue notifies; it does not deliver. An item stays in the buffer until a getter's poll takes
//! it. What a waiting getter is granted is a *promise* of one item, what a waiting putter is
//! granted a promise of one place: newcomers see only what has not been promised, so that they
//! cannot overtake, and a promise whose waiter has gone passes to the next. The item of a waiting
//! putter lies in its own future, so that a put that is dropped, or expires, never happened.
//!
//! How many items there are to be had, and whether there is no place, is also kept where it can be
//! read without the lock: as a hint, by which a wait that would find nothing spares itself a look.
//! Whoever it turns away decides under the lock, in the same step in which it queues. Who queues
//! found nothing there, and holds nothing until it is granted: so nobody else can profit from its
//! coming or going, and every change that somebody can profit from serves them itself.
//!
//! A promised item has left the queue as far as a newcomer is concerned: while nobody waits to put
//! it takes up no place, so that a putter which has woken a getter can put the next item without
//! waiting for that getter to run. Those who do wait to put are let in when the item has been
//! taken, not before: otherwise whoever puts an item would wake two at once, the getter and the
//! next putter, and an executor with a second thread would wake that too, for work that one thread
//! does in half the time. If the getter goes away, and nobody else waits for its item, that may be
//! one more in the queue than there are places; until so many have been taken nothing is let in.
//!
//! Whenever the lock is free, and the queue is not being closed,
//!
//! - if somebody waits to get, each item in the buffer is promised;
//! - if somebody waits to put, the items in the buffer and the places that are promised are as many
//!   as there are places, or more.
//!
//! So one who puts an item has one getter to serve, and one who takes an item one putter.

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
    /// How many items are to be had, or were a moment ago; written under the lock.
    len: AtomicUsize,
    /// Whether there is no place for a newcomer, or was none a moment ago; written under the lock.
    full: AtomicBool,
    shared: Mutex<Shared<B>>,
}

/// Why an item was not put.
pub(crate) enum Refused {
    Full,
    Closed,
}

/// What the lock guards.
pub struct Shared<B> {
    buffer: B,
    maxsize: usize,
    closed: bool,
    /// Items in the buffer that belong to getters who were granted and have not looked yet.
    promised_items: usize,
    /// Places kept for putters who were granted and have not looked yet.
    promised_places: usize,
    /// Items that were put and not yet reported done.
    unfinished: usize,
    /// How often the last of them was while somebody had joined; wraps. Whoever joined before such
    /// an end is let go, whatever was put after it.
    ends: u32,
    pub(super) getters: List<Promise>,
    pub(super) putters: List<Promise>,
    /// With the number of ends when they came.
    pub(super) joiners: List<u32>,
}

/// What a getter or a putter is granted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Promise {
    /// An item, or a place for one.
    Kept,
    /// Nothing more: the queue is closed.
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

    /// Puts the item. If it is refused, it stays in `pending`.
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

    /// Takes an item that was not promised, if there is one, or the news that there will be none.
    #[inline]
    pub(super) fn get_now(&self) -> Option<Result<B::Item, Closed>> {
        match self.find() {
            Found::Item(mut claim) => Some(claim.take()),
            Found::Closed => Some(Err(Closed)),
            Found::Nothing => None,
        }
    }

    /// Looks for an item that was not promised.
    #[inline]
    pub(super) fn find(&self) -> Found<'_, B> {
        let shared = self.shared.lock();
        match shared.has_item() {
            true => Found::Item(Claim { core: self, shared: Some(shared) }),
            false if shared.closed => Found::Closed,
            false => Found::Nothing,
        }
    }

    /// Under the lock: keeps what there is known to those who do not hold it.
    #[inline]
    pub(super) fn note(&self, shared: &Shared<B>) {
        self.len.store(shared.to_be_had(), Ordering::Relaxed);
        self.full.store(!shared.has_place(), Ordering::Relaxed);
    }

    /// Whether there was nothing to be had a moment ago: a hint. Who is turned away by it looks
    /// under the lock, in the same step in which it queues.
    #[inline]
    pub(super) fn seems_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there was no place a moment ago: see [`seems_empty`](Self::seems_empty).
    #[inline]
    pub(super) fn seems_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// An item has been pushed: one getter can profit from that, and nobody else.
    #[inline]
    fn pushed(&self, shared: MutexGuard<'_, Shared<B>>) {
        match shared.getters.is_empty() {
            true => self.note(&shared),
            false => self.hand_item(shared),
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

    /// An item has been taken: one putter can profit from that, and nobody else.
    #[inline]
    fn popped(&self, shared: MutexGuard<'_, Shared<B>>) {
        match shared.putters.is_empty() {
            true => self.note(&shared),
            false => self.hand_place(shared),
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

    /// The item that was promised to a getter, which calls this once: it is there.
    #[inline]
    pub(super) fn promised(&self) -> Option<Claim<'_, B>> {
        let mut shared = self.shared.lock();
        let is_there = (1..=shared.buffer.len()).contains(&shared.promised_items);
        debug_assert!(is_there, "an item was promised");
        // This tells the compiler that the buffer is not empty, and so that there is one way to go
        // with the item.
        if !is_there {
            return None;
        }
        shared.promised_items -= 1;
        Some(Claim { core: self, shared: Some(shared) })
    }

    /// Takes the item that was promised.
    #[inline]
    pub(super) fn take_promised(&self) -> Result<B::Item, Closed> {
        self.promised().map_or(Err(Closed), |mut claim| claim.take())
    }

    /// Puts into the place that was promised; refused if the queue was closed meanwhile.
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

    /// Changes something under the lock, and serves whoever profits.
    fn change(&self, f: impl FnOnce(&mut Shared<B>)) {
        let mut f = Some(f);
        locked(&self.shared, |shared, wakes| {
            if let Some(f) = f.take() {
                f(shared);
            }
            self.serve_once(shared, wakes)
        });
    }

    /// Serves as many as one batch of wakers has room for.
    pub(super) fn serve_once(&self, shared: &mut Shared<B>, wakes: &mut Wakes) -> Step {
        let step = shared.serve(wakes);
        self.note(shared);
        step
    }
}

/// What a getter finds.
pub(crate) enum Found<'a, B: Buffer> {
    Item(Claim<'a, B>),
    Nothing,
    Closed,
}

/// The right to one item, under the lock: taking it is the getter's, and what follows from it is
/// done when the claim goes.
pub(crate) struct Claim<'a, B: Buffer> {
    core: &'a Core<B>,
    /// Gone when the claim goes.
    shared: Option<MutexGuard<'a, Shared<B>>>,
}

impl<B: Buffer> Claim<'_, B> {
    /// Takes the item. Not to be called twice.
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

    /// Tells one who waits, and whose slot this is, if the queue is closed. A getter waits only
    /// where each item is promised to others, so that nothing more comes for it.
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

    /// How many items were not promised.
    #[inline]
    fn to_be_had(&self) -> usize {
        self.buffer.len() - self.promised_items
    }

    /// Whether there is an item that was not promised.
    #[inline]
    fn has_item(&self) -> bool {
        // Not written by way of `to_be_had`: this tells the compiler that the buffer is not empty.
        self.buffer.len() > self.promised_items
    }

    /// How many places are taken or promised, as a newcomer sees it: a promised item is on its way
    /// out.
    #[inline]
    fn places_taken(&self) -> usize {
        self.to_be_had() + self.promised_places
    }

    /// Whether there is a place for one who comes now.
    #[inline]
    pub(super) fn has_place(&self) -> bool {
        self.maxsize == 0 || self.places_taken() < self.maxsize && self.putters.is_empty()
    }

    /// Whether one who waits to put can be let in: a promised item takes up its place until it is
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

    /// Promises an item that was not promised to anybody, if there is one.
    #[inline]
    pub(super) fn promise_item(&mut self) -> bool {
        let has_item = self.has_item();
        self.promised_items += usize::from(has_item);
        has_item
    }

    /// Promises an item, which is there, to the first getter. Its waker is to be woken after the
    /// lock.
    #[inline]
    fn grant_item(&mut self) -> Option<Waker> {
        let waker = self.getters.grant_alone();
        self.promised_items += usize::from(waker.is_some());
        waker
    }

    /// Promises a place, which is there, to the first putter. Its waker is to be woken after the
    /// lock.
    #[inline]
    fn grant_place(&mut self) -> Option<Waker> {
        let waker = self.putters.grant_alone();
        self.promised_places += usize::from(waker.is_some());
        waker
    }

    /// Grants whatever can be granted: items, places, the end of the work, the news that all is
    /// over.
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
                return match self.joiners.is_empty() {
                    true => Step::Done,
                    false => self.joiners.grant_while(wakes, |joined| *joined != ends),
                };
            };
            wakes.push(waker);
        }
        Step::Again
    }
}

/// Tells the first in a line that the queue is closed. Its waker is to be woken after the lock.
fn tell(line: &mut List<Promise>) -> Option<Waker> {
    *line.front()? = Promise::Closed;
    line.grant_alone()
}
