//! [`Waiter`]: the future that carries out an [`Operation`].
//!
//! At its first poll it tries without joining the line; failing that it takes the lock and looks
//! there, and if it has to wait it is linked in the same critical section, so that no grant can
//! fall between the look and the queue. Whoever grants it writes into its node and wakes it; its
//! next poll sees the grant without taking the lock. A waiter that is dropped or expires unlinks
//! itself under the lock; if the grant came first it is kept (expiry) or given back (drop).

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::list::{GRANTED, List, Node, Standing, WAITING};
use super::operation::{Entry, Handed, Operation, Position, Start, Step};
use super::wakes::Spare;
use super::{Mutex, MutexGuard, Wakes};

/// Runs `f` under the lock until it is done, and wakes between times.
#[inline]
pub(crate) fn locked<G>(mutex: &Mutex<G>, mut f: impl FnMut(&mut G, &mut Wakes) -> Step) {
    let mut wakes = Wakes::new();
    while f(&mut mutex.lock(), &mut wakes) == Step::Again {
        wakes.wake();
    }
    wakes.finish();
}

/// As [`locked`], for one who has got something by it that a raised panic would lose.
#[inline]
pub(crate) fn locked_quietly<G>(mutex: &Mutex<G>, mut f: impl FnMut(&mut G, &mut Wakes) -> Step) {
    let mut wakes = Wakes::new();
    while f(&mut mutex.lock(), &mut wakes) == Step::Again {
        wakes.wake();
    }
    wakes.finish_quietly();
}

/// What becomes of the panic of a waker.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Panics {
    Raised,
    /// For one who has got something, or takes something back, that would be lost.
    LetGo,
}

/// Ends a critical section: serves until it is done, and wakes after the lock is released; first of
/// all `granted`, who was granted in it already.
#[inline]
pub(crate) fn served<G>(
    mutex: &Mutex<G>,
    mut guard: MutexGuard<'_, G>,
    granted: Option<Waker>,
    mut serve: impl FnMut(&mut G, &mut Wakes) -> Step,
) {
    let mut wakes = Wakes::new();
    if let Some(waker) = granted {
        wakes.push(waker);
    }
    let mut step = serve(&mut guard, &mut wakes);
    drop(guard);
    while step == Step::Again {
        wakes.wake();
        step = serve(&mut mutex.lock(), &mut wakes);
    }
    wakes.finish();
}

/// Wakes, and goes on serving as long as there is more than one batch to do.
#[inline]
fn settle<O: Operation>(primitive: &O::Primitive, mut step: Step, wakes: &mut Wakes) {
    while step == Step::Again {
        wakes.wake();
        step = O::serve(primitive, &mut O::shared(primitive).lock(), wakes);
    }
    wakes.wake();
}

/// A future that waits in line.
///
/// The reference to the primitive lies between the node, most of which a new wait leaves
/// uninitialised, and the operation, which may carry an item. Side by side, the compiler would move
/// them together, uninitialised bytes and all, by way of the stack.
#[repr(C)]
pub struct Waiter<O: Operation> {
    node: Node<O::Slot>,
    /// Gone once the wait has returned.
    primitive_ref: Option<O::PrimitiveRef>,
    op: O,
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

/// A waiter taken apart. Of the fields only the node is pinned.
struct Parts<'a, O: Operation> {
    primitive_ref: &'a mut Option<O::PrimitiveRef>,
    op: &'a mut O,
    node: &'a Node<O::Slot>,
}

impl<O: Operation> Waiter<O> {
    #[inline]
    pub(crate) fn new(primitive_ref: O::PrimitiveRef, op: O) -> Self {
        Waiter { primitive_ref: Some(primitive_ref), op, node: Node::new() }
    }

    #[inline]
    fn parts(self: Pin<&mut Self>) -> Parts<'_, O> {
        // SAFETY: the node is handed out by shared reference only, and the other fields are never
        // pinned. `Waiter` is not `Unpin`, and its drop moves nothing.
        let Waiter { primitive_ref, op, node } = unsafe { self.get_unchecked_mut() };
        Parts { primitive_ref, op, node }
    }

    #[inline]
    pub(super) fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<O::Output>
    where
        O: Start,
    {
        let Parts { primitive_ref: place, op, node } = self.parts();
        match (node.standing(), place.take()) {
            (Standing::Outside, Some(primitive_ref)) => {
                let mut first_poll = FirstPoll { place: Some(place), node, waker: cx.waker() };
                op.begin(primitive_ref, &mut first_poll)
            }
            (_, primitive_ref) => {
                *place = primitive_ref;
                poll_in_line(place, op, node, cx.waker())
            }
        }
    }

    /// Ends the wait: the grant if it came in time, the operation's word for "too late" otherwise.
    pub(super) fn expire(self: Pin<&mut Self>) -> O::Timed {
        let Parts { primitive_ref, op, node } = self.parts();
        let Some(primitive) = primitive_ref.as_deref() else { polled_after_return() };
        let left = match node.standing() {
            Standing::Outside => Left::Nothing,
            Standing::InLine => leave(primitive, op, node, Leaving::Expired),
        };
        let grant = match left {
            Left::Granted(slot) => Some(op.granted(primitive, slot)),
            Left::Nothing => None,
        };
        node.stand(Standing::Outside);
        let Some(primitive_ref) = primitive_ref.take() else { polled_after_return() };
        match grant {
            Some(grant) => O::in_time(op.finish(primitive_ref, grant)),
            None => op.expired(primitive_ref),
        }
    }
}

/// What is left of a first poll while the operation [begins](Start::begin).
///
/// The reference to the primitive has been moved out. That it is gone is written once more when the
/// poll is over, so that the compiler, which may not look across an atomic operation, sees that
/// nothing is left to drop.
pub struct FirstPoll<'a, O: Operation> {
    /// Where the reference to the primitive belongs if the wait goes on.
    place: Option<&'a mut Option<O::PrimitiveRef>>,
    node: &'a Node<O::Slot>,
    waker: &'a Waker,
}

impl<O: Start> FirstPoll<'_, O> {
    /// Nothing was to be had at once. Not to be called twice.
    #[inline]
    pub(crate) fn go_on(&mut self, op: &mut O, primitive_ref: O::PrimitiveRef) -> Poll<O::Output> {
        let Some(place) = self.place.take() else { polled_after_return() };
        *place = Some(primitive_ref);
        poll_in_line(place, op, self.node, self.waker)
    }
}

impl<O: Operation> Drop for FirstPoll<'_, O> {
    #[inline]
    fn drop(&mut self) {
        if let Some(place) = &mut self.place {
            **place = None;
        }
    }
}

#[inline(never)]
fn poll_in_line<O: Start>(
    primitive_ref: &mut Option<O::PrimitiveRef>,
    op: &mut O,
    node: &Node<O::Slot>,
    waker: &Waker,
) -> Poll<O::Output> {
    let Some(primitive) = primitive_ref.as_deref() else { polled_after_return() };
    let grant = match node.standing() {
        Standing::Outside => join(primitive, op, node, waker),
        Standing::InLine => look_again(primitive, op, node, waker),
    };
    match grant {
        Some(grant) => {
            node.stand(Standing::Outside);
            let Some(primitive_ref) = primitive_ref.take() else { polled_after_return() };
            op.end(primitive_ref, grant)
        }
        None => Poll::Pending,
    }
}

impl<O: Operation> Drop for Waiter<O> {
    #[inline]
    fn drop(&mut self) {
        if let Some(primitive) = self.primitive_ref.as_deref()
            && self.node.standing() == Standing::InLine
        {
            drop_in_line(primitive, &mut self.op, &self.node);
        }
    }
}

#[cold]
#[inline(never)]
fn drop_in_line<O: Operation>(primitive: &O::Primitive, op: &mut O, node: &Node<O::Slot>) {
    if let Left::Granted(slot) = leave(primitive, op, node, Leaving::Dropped) {
        op.give_back(primitive, slot);
    }
}

#[cold]
#[inline(never)]
fn polled_after_return() -> ! {
    panic!("a wait was polled again after it had returned")
}

/// Where in its list a linked node stands.
#[inline]
fn position_of<S>(node: &Node<S>, list: &List<S>) -> Position {
    match list.is_front(node) {
        true => Position::Front,
        false => Position::Behind,
    }
}

fn take_up<O: Operation>(primitive: &O::Primitive, op: &mut O, node: &Node<O::Slot>) -> O::Grant {
    // SAFETY: the node is ours, and was seen to be granted.
    let slot = unsafe { node.take_slot() };
    op.granted(primitive, slot)
}

/// The first poll, when nothing was to be had without the lock.
fn join<O: Start>(
    primitive: &O::Primitive,
    op: &mut O,
    node: &Node<O::Slot>,
    waker: &Waker,
) -> Option<O::Grant> {
    let waker = waker.clone();
    let mut wakes = Wakes::new();
    let mut shared = O::shared(primitive).lock();
    let (grant, spare) = match op.enqueue(primitive, &mut shared, &mut wakes) {
        Entry::Ready(grant) => (Some(grant), Some(waker)),
        Entry::Queue(slot, end) => {
            // SAFETY: the node is pinned with the waiter, whose drop unlinks it under the lock of
            // the same primitive, which `primitive_ref` keeps alive and in place.
            unsafe { O::list(&mut shared, Handed::No).push(node, waker, slot, end) };
            let position = position_of(node, O::list(&mut shared, Handed::No));
            if O::is_served(primitive, &mut shared, position) {
                return None;
            }
            (None, None)
        }
    };
    let step = O::serve(primitive, &mut shared, &mut wakes);
    drop(shared);
    drop(Spare(spare));
    settle::<O>(primitive, step, &mut wakes);
    match grant {
        Some(_) => wakes.finish_quietly(),
        None => wakes.finish(),
    }
    grant
}

/// A later poll: a grant is seen without the lock; if there is none, the waker may have to be
/// replaced.
fn look_again<O: Operation>(
    primitive: &O::Primitive,
    op: &mut O,
    node: &Node<O::Slot>,
    waker: &Waker,
) -> Option<O::Grant> {
    // SAFETY: the node is in line, so it was pushed.
    if unsafe { node.state() } == GRANTED {
        return Some(take_up(primitive, op, node));
    }
    let mut fresh = Spare(None);
    loop {
        let mut shared = O::shared(primitive).lock();
        // SAFETY: as above.
        if unsafe { node.state() } != WAITING {
            drop(shared);
            return Some(take_up(primitive, op, node));
        }
        // SAFETY: the lock is held and the node is linked.
        let handed = unsafe { node.ask(|slot| O::handed(slot)) }.unwrap_or(Handed::No);
        let position = position_of(node, O::list(&mut shared, handed));
        if handed == Handed::Yes || may_go(primitive, op, &mut shared, node, position) {
            // SAFETY: the node is ours, and linked in the list that its slot tells.
            let (spare, slot) = unsafe { O::list(&mut shared, handed).remove(node) };
            let mut wakes = Wakes::new();
            let step = O::serve(primitive, &mut shared, &mut wakes);
            drop(shared);
            drop(Spare(Some(spare)));
            settle::<O>(primitive, step, &mut wakes);
            wakes.finish_quietly();
            return Some(op.granted(primitive, slot));
        }
        // SAFETY: the lock is held and the node is linked.
        if unsafe { node.would_wake(waker) } {
            return None;
        }
        // Cloning a waker is foreign code: it is done between two looks.
        let Some(clone) = fresh.0.take() else {
            drop(shared);
            fresh.0 = Some(waker.clone());
            continue;
        };
        // SAFETY: the lock is held and the node is linked.
        let stale = unsafe { node.replace_waker(clone) };
        drop(shared);
        // Should this panic, the wait is in line all the same, with its new waker.
        drop(stale);
        return None;
    }
}

/// Whether a linked node, whose owner calls, need not wait to be granted.
#[inline]
fn may_go<O: Operation>(
    primitive: &O::Primitive,
    op: &mut O,
    shared: &mut O::Shared,
    node: &Node<O::Slot>,
    position: Position,
) -> bool {
    // SAFETY: the node is ours and linked, `shared` shows that the lock is held, and `retry` looks
    // into no slot but the one that it is given.
    unsafe { node.ask(|slot| op.retry(primitive, shared, slot, position)) }.unwrap_or(false)
}

/// Gives up the place in line.
#[inline]
fn leave<O: Operation>(
    primitive: &O::Primitive,
    op: &mut O,
    node: &Node<O::Slot>,
    leaving: Leaving,
) -> Left<O::Slot> {
    let mut shared = O::shared(primitive).lock();
    // SAFETY: the node is in line, so it was pushed.
    if unsafe { node.state() } != WAITING {
        drop(shared);
        // SAFETY: the node is ours, and was seen to be granted.
        return Left::Granted(unsafe { node.take_slot() });
    }
    // SAFETY: the lock is held and the node is linked.
    let handed = unsafe { node.ask(|slot| O::handed(slot)) }.unwrap_or(Handed::No);
    let position = position_of(node, O::list(&mut shared, handed));
    let granted = handed == Handed::Yes
        || leaving == Leaving::Expired && may_go(primitive, op, &mut shared, node, position);
    // SAFETY: the node is ours, and linked in the list that its slot tells.
    let (waker, slot) = unsafe { O::list(&mut shared, handed).remove(node) };
    if !granted {
        op.left(primitive, &mut shared, slot.as_ref());
    }
    let panics = match leaving {
        Leaving::Dropped if !granted => Panics::Raised,
        _ => Panics::LetGo,
    };
    if !O::is_served(primitive, &mut shared, position) {
        let spare = Spare(Some(waker));
        serve_after::<O>(primitive, shared, panics);
        drop(spare);
    } else {
        drop(shared);
        match panics {
            // Nobody has anything to lose by it, and a wait that is dropped is to cost little.
            Panics::Raised => drop(waker),
            Panics::LetGo => drop(Spare(Some(waker))),
        }
    }
    if granted { Left::Granted(slot) } else { Left::Nothing }
}

/// Serves those whom a waiter who left has made way for. Not inlined: the batch of wakers would be
/// a part of every leaving.
#[inline(never)]
fn serve_after<O: Operation>(
    primitive: &O::Primitive,
    mut shared: MutexGuard<'_, O::Shared>,
    panics: Panics,
) {
    let mut wakes = Wakes::new();
    let step = O::serve(primitive, &mut shared, &mut wakes);
    drop(shared);
    settle::<O>(primitive, step, &mut wakes);
    match panics {
        Panics::Raised => wakes.finish(),
        Panics::LetGo => wakes.finish_quietly(),
    }
}
