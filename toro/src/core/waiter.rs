//! [`Waiter`]: the future that carries out an [`Operation`].
//!
//! At its first poll it tries without the lock; failing that it takes the lock and looks again, and if it still has to
//! wait it is linked in the same critical section, so that no grant can fall between the look and the queue. Whoever
//! grants it writes into its node and wakes it; its next poll sees the grant without taking the lock. A waiter that is
//! dropped or expires unlinks itself under the lock; if the grant came first it is kept (expiry) or given back (drop).

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::list::{DONE, GRANTED, IDLE, Node, WAITING};
use super::operation::{Entry, Handed, Operation, Place, Step};
use super::{Mutex, Wakes};

/// Runs `f` under the lock until it is done, and wakes between times.
#[inline]
pub(crate) fn locked<G>(mutex: &Mutex<G>, mut f: impl FnMut(&mut G, &mut Wakes) -> Step) {
    let mut wakes = Wakes::new();
    while f(&mut mutex.lock(), &mut wakes) == Step::Again {
        wakes.wake();
    }
    wakes.finish();
}

/// Wakes, and goes on serving as long as there is more than one batch to do.
#[inline]
fn settle<O: Operation>(primitive: &O::Primitive, mut step: Step, mut wakes: Wakes) {
    while step == Step::Again {
        wakes.wake();
        step = O::serve(primitive, &mut O::shared(primitive).lock(), &mut wakes);
    }
    wakes.finish();
}

/// A future that waits in line.
pub struct Waiter<O: Operation> {
    /// Gone once the wait has returned.
    home: Option<O::Home>,
    op: O,
    node: Node<O::Slot>,
}

/// Why a waiter gives up its place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaving {
    /// What can be had at the last moment is still wanted.
    Expired,
    Dropped,
}

/// What a waiter takes along when it gives up its place.
enum Left<S> {
    Granted(Option<S>),
    Nothing,
}

impl<O: Operation> Waiter<O> {
    #[inline]
    pub(crate) fn new(home: O::Home, op: O) -> Self {
        Waiter { home: Some(home), op, node: Node::new() }
    }

    #[inline]
    fn parts(self: Pin<&mut Self>) -> (&mut Option<O::Home>, &mut O, &Node<O::Slot>) {
        // SAFETY: of the three only the node is pinned, and it is handed out by shared reference. `Waiter` is not
        // `Unpin`, and its drop moves nothing.
        let this = unsafe { self.get_unchecked_mut() };
        (&mut this.home, &mut this.op, &this.node)
    }

    #[inline]
    pub(super) fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<O::Output> {
        let (home, op, node) = self.parts();
        let Some(primitive) = home.as_deref() else { polled_after_return() };
        let grant = match node.state() {
            IDLE => match op.attempt(primitive) {
                Some(grant) => {
                    node.set_done();
                    Some(grant)
                }
                None => join(primitive, op, node, cx.waker()),
            },
            GRANTED => Some(take_up(primitive, op, node)),
            _ => look_again(primitive, op, node, cx.waker()),
        };
        match (grant, home.take()) {
            (Some(grant), Some(owned)) => Poll::Ready(op.finish(owned, grant)),
            (_, owned) => {
                *home = owned;
                Poll::Pending
            }
        }
    }

    /// Ends the wait: the grant if it came in time, the operation's word for "too late" otherwise.
    pub(super) fn expire(self: Pin<&mut Self>) -> O::Timed {
        let (home, op, node) = self.parts();
        let Some(primitive) = home.as_deref() else { polled_after_return() };
        let left = match node.state() {
            IDLE | DONE => Left::Nothing,
            _ => leave(primitive, op, node, Leaving::Expired),
        };
        node.set_done();
        let grant = match left {
            Left::Granted(slot) => Some(op.granted(primitive, slot)),
            Left::Nothing => None,
        };
        let Some(home) = home.take() else { polled_after_return() };
        match grant {
            Some(grant) => O::in_time(op.finish(home, grant)),
            None => op.expired(home),
        }
    }
}

impl<O: Operation> Drop for Waiter<O> {
    #[inline]
    fn drop(&mut self) {
        if let IDLE | DONE = self.node.state() {
            return;
        }
        let Some(primitive) = self.home.as_deref() else { return };
        if let Left::Granted(slot) = leave(primitive, &mut self.op, &self.node, Leaving::Dropped) {
            self.op.give_back(primitive, slot);
        }
    }
}

#[cold]
#[inline(never)]
fn polled_after_return() -> ! {
    panic!("a wait was polled again after it had returned")
}

fn take_up<O: Operation>(primitive: &O::Primitive, op: &mut O, node: &Node<O::Slot>) -> O::Grant {
    node.set_done();
    // SAFETY: the node is ours, and was seen to be granted.
    let slot = unsafe { node.take_slot() };
    op.granted(primitive, slot)
}

/// The first poll, when nothing was to be had without the lock.
fn join<O: Operation>(
    primitive: &O::Primitive,
    op: &mut O,
    node: &Node<O::Slot>,
    waker: &Waker,
) -> Option<O::Grant> {
    let waker = waker.clone();
    let mut wakes = Wakes::new();
    let mut shared = O::shared(primitive).lock();
    let (grant, spare) = match op.enqueue(primitive, &mut shared, &mut wakes) {
        Entry::Ready(grant) => {
            node.set_done();
            (Some(grant), Some(waker))
        }
        Entry::Queue(slot, end) => {
            // SAFETY: the node is pinned with the waiter, whose drop unlinks it under the lock of the same primitive,
            // which `home` keeps alive and in place.
            unsafe { O::list(&mut shared, Handed::No).push(node, waker, slot, end) };
            (None, None)
        }
    };
    let step = O::serve(primitive, &mut shared, &mut wakes);
    drop(shared);
    drop(spare);
    settle::<O>(primitive, step, wakes);
    grant
}

/// A later poll, when no grant was to be seen without the lock.
fn look_again<O: Operation>(
    primitive: &O::Primitive,
    op: &mut O,
    node: &Node<O::Slot>,
    waker: &Waker,
) -> Option<O::Grant> {
    let mut fresh = None;
    loop {
        let mut shared = O::shared(primitive).lock();
        if node.state() != WAITING {
            drop(shared);
            return Some(take_up(primitive, op, node));
        }
        // SAFETY: the lock is held and the node is linked.
        let handed = unsafe { node.peek_slot() }.map_or(Handed::No, O::handed);
        let list = O::list(&mut shared, handed);
        let place = if list.is_front(node) { Place::Front } else { Place::Behind };
        if handed == Handed::Yes || op.retry(primitive, &mut shared, place) {
            // SAFETY: the node is ours, and linked in the list that its slot tells.
            let (spare, slot) = unsafe { O::list(&mut shared, handed).remove(node) };
            let mut wakes = Wakes::new();
            let step = O::serve(primitive, &mut shared, &mut wakes);
            drop(shared);
            drop(spare);
            let grant = op.granted(primitive, slot);
            settle::<O>(primitive, step, wakes);
            return Some(grant);
        }
        // SAFETY: the lock is held and the node is linked.
        if unsafe { node.would_wake(waker) } {
            return None;
        }
        // Cloning a waker is foreign code: it is done between two looks.
        let Some(clone) = fresh.take() else {
            drop(shared);
            fresh = Some(waker.clone());
            continue;
        };
        // SAFETY: the lock is held and the node is linked.
        let stale = unsafe { node.replace_waker(Some(clone)) };
        drop(shared);
        drop(stale);
        return None;
    }
}

/// Gives up the place in line.
#[cold]
fn leave<O: Operation>(
    primitive: &O::Primitive,
    op: &mut O,
    node: &Node<O::Slot>,
    leaving: Leaving,
) -> Left<O::Slot> {
    let mut wakes = Wakes::new();
    let mut shared = O::shared(primitive).lock();
    if node.state() != WAITING {
        drop(shared);
        node.set_done();
        // SAFETY: the node is ours, and was seen to be granted.
        return Left::Granted(unsafe { node.take_slot() });
    }
    // SAFETY: the lock is held and the node is linked.
    let handed = unsafe { node.peek_slot() }.map_or(Handed::No, O::handed);
    let list = O::list(&mut shared, handed);
    let place = if list.is_front(node) { Place::Front } else { Place::Behind };
    let granted =
        handed == Handed::Yes || leaving == Leaving::Expired && op.retry(primitive, &mut shared, place);
    // SAFETY: the node is ours, and linked in the list that its slot tells.
    let (waker, slot) = unsafe { O::list(&mut shared, handed).remove(node) };
    if !granted {
        op.left(primitive, &mut shared, slot.as_ref());
    }
    let step = O::serve(primitive, &mut shared, &mut wakes);
    drop(shared);
    drop(waker);
    settle::<O>(primitive, step, wakes);
    if granted { Left::Granted(slot) } else { Left::Nothing }
}
