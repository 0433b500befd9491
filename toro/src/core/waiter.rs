//! [`Waiter`]: the future that carries out an [`Operation`].
//!
//! The first poll tries without joining the line. If that fails, it takes the lock and tries again.
//! If it must wait, it is linked in the same critical section, so no grant falls between the
//! attempt and the queue. The granting thread writes into the node and wakes the waiter, whose next
//! poll sees the grant without the lock. A waiter that is dropped or expires unlinks itself under
//! the lock. If the grant came first, an expired wait keeps it, and a dropped one gives it back.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::list::{GRANTED, List, Node, Standing, WAITING};
use super::operation::{Entry, Handed, Operation, Position, Start, Step};
use super::wakes::Spare;
use super::{Mutex, MutexGuard, Wakes};

/// Runs `f` under the lock until it is done, and wakes the collected wakers between the runs.
#[inline]
pub(crate) fn locked<G>(mutex: &Mutex<G>, mut f: impl FnMut(&mut G, &mut Wakes) -> Step) {
    let mut wakes = Wakes::new();
    while f(&mut mutex.lock(), &mut wakes) == Step::Again {
        wakes.wake();
    }
    wakes.finish();
}

/// Like [`locked`], for a caller that holds something which a raised panic would lose.
#[inline]
pub(crate) fn locked_quietly<G>(mutex: &Mutex<G>, mut f: impl FnMut(&mut G, &mut Wakes) -> Step) {
    let mut wakes = Wakes::new();
    while f(&mut mutex.lock(), &mut wakes) == Step::Again {
        wakes.wake();
    }
    wakes.finish_quietly();
}

/// The handling of a waker's panic.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Panics {
    Raised,
    /// For a caller that holds, or takes back, something which a raised panic would lose.
    LetGo,
}

/// Ends a critical section: serves until it is done, and wakes after releasing the lock. `granted`
/// is the waker of a waiter that was granted in it already; it is woken first.
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

/// Wakes, and keeps serving while there is more than one batch.
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
/// The reference to the primitive lies between the node and the operation. The node is mostly
/// uninitialised in a new wait, and the operation may carry an item. Side by side, the compiler
/// would move both through the stack, uninitialised bytes included.
#[repr(C)]
pub struct Waiter<O: Operation> {
    node: Node<O::Slot>,
    /// `None` once the wait has returned.
    primitive_ref: Option<O::PrimitiveRef>,
    op: O,
}

/// Why a waiter gives up its place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaving {
    /// The wait still takes what it can get at the last moment.
    Expired,
    Dropped,
}

/// The result of giving up a place.
enum Left<S> {
    Granted(Option<S>),
    Nothing,
}

/// The fields of a waiter. Only the node is pinned.
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
        // SAFETY: only shared references to the node are handed out, and the other fields are never
        // pinned. `Waiter` is not `Unpin`, and its drop moves nothing.
        let Waiter { primitive_ref, op, node } = unsafe { self.get_unchecked_mut() };
        Parts { primitive_ref, op, node }
    }

    #[inline]
    pub(super) fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<O::Output>
    where
        O: Start,
    {
        let Parts { primitive_ref: stored_ref, op, node } = self.parts();
        match (node.standing(), stored_ref.take()) {
            (Standing::Outside, Some(primitive_ref)) => {
                let mut first_poll =
                    FirstPoll { stored_ref: Some(stored_ref), node, waker: cx.waker() };
                op.begin(primitive_ref, &mut first_poll)
            }
            (_, primitive_ref) => {
                *stored_ref = primitive_ref;
                poll_in_line(stored_ref, op, node, cx.waker())
            }
        }
    }

    /// Ends the wait: with the grant if it came in time, with [`Operation::expired`] otherwise.
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

/// The parts of a wait during its first poll, while the operation [begins](Start::begin).
///
/// The reference to the primitive has been moved out. When the poll ends, `None` is written in its
/// place once more. The compiler cannot see past an atomic operation, and so learns that nothing is
/// left to drop.
pub struct FirstPoll<'a, O: Operation> {
    /// Where the reference to the primitive belongs if the wait continues.
    stored_ref: Option<&'a mut Option<O::PrimitiveRef>>,
    node: &'a Node<O::Slot>,
    waker: &'a Waker,
}

impl<O: Start> FirstPoll<'_, O> {
    /// Continues the wait, because nothing was available at once. Must be called at most once.
    #[inline]
    pub(crate) fn go_on(&mut self, op: &mut O, primitive_ref: O::PrimitiveRef) -> Poll<O::Output> {
        let Some(stored_ref) = self.stored_ref.take() else { polled_after_return() };
        *stored_ref = Some(primitive_ref);
        poll_in_line(stored_ref, op, self.node, self.waker)
    }
}

impl<O: Operation> Drop for FirstPoll<'_, O> {
    #[inline]
    fn drop(&mut self) {
        if let Some(stored_ref) = &mut self.stored_ref {
            **stored_ref = None;
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

/// The position of a linked node in its list.
#[inline]
fn position_of<S>(node: &Node<S>, list: &List<S>) -> Position {
    if list.is_front(node) { Position::Front } else { Position::Behind }
}

fn take_up<O: Operation>(primitive: &O::Primitive, op: &mut O, node: &Node<O::Slot>) -> O::Grant {
    // SAFETY: the caller owns the node and has seen that it is granted.
    let slot = unsafe { node.take_slot() };
    op.granted(primitive, slot)
}

/// The first poll, when nothing was available without the lock.
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
            // SAFETY: the node is pinned with the waiter. It was never pushed before: a wait joins
            // only while its node stands outside, and when a node stands outside again, the
            // reference to the primitive is gone. The waiter's drop unlinks it under the lock of
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

/// A later poll. It sees a grant without the lock. Without a grant it may have to replace the
/// waker.
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
            // SAFETY: the caller owns the node, which is linked in the list that its slot names.
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
        // Cloning a waker runs user code, so it happens outside the lock.
        let Some(clone) = fresh.0.take() else {
            drop(shared);
            fresh.0 = Some(waker.clone());
            continue;
        };
        // SAFETY: the lock is held and the node is linked.
        let stale = unsafe { node.replace_waker(clone) };
        drop(shared);
        // If this panics, the wait is still in line, with its new waker.
        drop(stale);
        return None;
    }
}

/// Whether the caller, who owns this linked node, may go without waiting for a grant.
#[inline]
fn may_go<O: Operation>(
    primitive: &O::Primitive,
    op: &mut O,
    shared: &mut O::Shared,
    node: &Node<O::Slot>,
    position: Position,
) -> bool {
    // SAFETY: the caller owns the linked node, `shared` shows that the lock is held, and `retry`
    // accesses no slot but the one it is given.
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
        // SAFETY: the caller owns the node and has seen that it is granted.
        return Left::Granted(unsafe { node.take_slot() });
    }
    // SAFETY: the lock is held and the node is linked.
    let handed = unsafe { node.ask(|slot| O::handed(slot)) }.unwrap_or(Handed::No);
    let position = position_of(node, O::list(&mut shared, handed));
    let granted = handed == Handed::Yes
        || leaving == Leaving::Expired && may_go(primitive, op, &mut shared, node, position);
    // SAFETY: the caller owns the node, which is linked in the list that its slot names.
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
            // Nothing can be lost here, and dropping a wait should be cheap.
            Panics::Raised => drop(waker),
            Panics::LetGo => drop(Spare(Some(waker))),
        }
    }
    if granted { Left::Granted(slot) } else { Left::Nothing }
}

/// Serves the waiters that may go now that another has left. Not inlined: the batch of wakers would
/// be a part of every leave.
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
