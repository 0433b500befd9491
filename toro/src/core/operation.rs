//! [`Operation`]: how a primitive defines one kind of wait.

use std::ops::Deref;
use std::sync::Arc;
use std::task::Poll;

use super::{End, FirstPoll, List, Mutex, Wakes};

/// A reference to a primitive: a borrow, an `Arc` or a guard.
///
/// # Safety
///
/// `deref` always returns the same primitive, also after the reference has moved. The primitive is
/// alive and does not move as long as the reference exists.
pub unsafe trait PrimitiveRef: Deref {}

// SAFETY: the primitive is borrowed as long as the reference exists.
unsafe impl<P: ?Sized> PrimitiveRef for &P {}
// SAFETY: the allocation of an `Arc` does not move, and lives as long as the `Arc`.
unsafe impl<P: ?Sized> PrimitiveRef for Arc<P> {}

/// The decision about a new waiter, made under the lock.
#[derive(Debug)]
pub enum Entry<G, S> {
    /// It need not wait.
    Ready(G),
    /// It joins the line, with this slot.
    Queue(S, End),
}

/// Whether work under the lock is finished.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Nothing is left to do.
    Done,
    /// The batch of wakers is full: release the lock, wake the batch and continue.
    Again,
}

/// Whether a waiter that is still linked already holds what it waits for. Then it is in the second
/// list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Handed {
    No,
    Yes,
}

/// The position of a waiter in the line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Position {
    Front,
    Behind,
}

/// One kind of wait on one primitive: what its waiters hold, and how they leave the line. [`Start`]
/// adds how they join.
///
/// Methods with a `shared` argument run under the lock and must not run user code.
///
/// A [`Waiter`](super::Waiter) needs only this trait to exist and to be dropped, so its
/// implementations decide which waits are `Send`. For spawned tasks, the compiler checks that
/// without knowing which lifetimes are equal. Therefore the bounds of an implementation name each
/// type once, and name no lifetime that they can omit.
///
/// # Safety
///
/// [`Waiter`](super::Waiter) follows pointers between nodes on these promises:
///
/// - [`shared`](Operation::shared) returns the same mutex of the primitive in every call, and
///   [`list`](Operation::list) the same list of its data in every call with the same [`Handed`].
/// - A linked node is in the list that its slot names through [`handed`](Operation::handed). The
///   slot of a waiter that [joins](Start::enqueue) says `Handed::No`.
/// - `handed` and [`retry`](Operation::retry) access no slot but the one they are given.
pub unsafe trait Operation: Sized {
    /// The reference of the wait to its primitive.
    type PrimitiveRef: PrimitiveRef<Target = Self::Primitive>;
    /// The primitive.
    type Primitive: ?Sized;
    /// The data that the primitive's lock guards.
    type Shared;
    /// The data kept for each waiter, in its node.
    type Slot;
    /// The grant of a waiter.
    type Grant;
    /// The result of the wait, made from the grant.
    type Output;
    /// The result of a wait with a time limit.
    type Timed;

    fn shared(primitive: &Self::Primitive) -> &Mutex<Self::Shared>;

    /// The list that waiters join, or the one they move to once their slot is
    /// [`handed`](Operation::handed).
    fn list(shared: &mut Self::Shared, handed: Handed) -> &mut List<Self::Slot>;

    fn handed(_slot: &Self::Slot) -> Handed {
        Handed::No
    }

    /// Whether a queued waiter that is polled or expires without a grant may go. If so, it is
    /// unlinked and granted what its slot says. This method may change the slot.
    ///
    /// A primitive that grants many waiters does so in batches. Between two batches everyone can
    /// see that it is ready. A waiter of a later batch must be let go here, or its deadline would
    /// win over what is ready.
    ///
    /// The slot lies in the list, so the implementation must not access slots through `shared`.
    /// This is a condition of the trait's safety.
    fn retry(
        &mut self,
        _primitive: &Self::Primitive,
        _shared: &mut Self::Shared,
        _slot: &mut Self::Slot,
        _position: Position,
    ) -> bool {
        false
    }

    /// Takes the grant. Called without the lock.
    fn granted(&mut self, primitive: &Self::Primitive, slot: Option<Self::Slot>) -> Self::Grant;

    /// Gives the grant back, because nobody takes it. Called without the lock.
    fn give_back(&mut self, primitive: &Self::Primitive, slot: Option<Self::Slot>);

    /// Called after a waiter was unlinked without a grant.
    fn left(
        &mut self,
        _primitive: &Self::Primitive,
        _shared: &mut Self::Shared,
        _slot: Option<&Self::Slot>,
    ) {
    }

    /// Grants everything that can be granted now. Called in the same critical section after each
    /// change above.
    fn serve(_primitive: &Self::Primitive, _shared: &mut Self::Shared, _wakes: &mut Wakes) -> Step {
        Step::Done
    }

    /// Whether there is certainly nothing to serve after a waiter joined or left the line at this
    /// position. Asked before a whole batch is prepared.
    fn is_served(
        _primitive: &Self::Primitive,
        _shared: &mut Self::Shared,
        _changed: Position,
    ) -> bool {
        false
    }

    fn finish(&mut self, primitive_ref: Self::PrimitiveRef, grant: Self::Grant) -> Self::Output;

    /// The last poll: calls [`finish`](Self::finish) in the function whose result the poll returns,
    /// as [`begin`](Start::begin) does.
    #[inline]
    fn end(&mut self, primitive_ref: Self::PrimitiveRef, grant: Self::Grant) -> Poll<Self::Output> {
        Poll::Ready(self.finish(primitive_ref, grant))
    }

    fn in_time(output: Self::Output) -> Self::Timed;

    /// Called when the wait has ended without a grant.
    fn expired(&mut self, primitive_ref: Self::PrimitiveRef) -> Self::Timed;
}

/// The beginning of a wait. Only polling needs this trait, so its bounds need not follow the rule
/// for [`Operation`].
pub trait Start: Operation {
    /// Tries without joining the line, usually without the lock.
    #[inline]
    fn attempt(&mut self, _primitive: &Self::Primitive) -> Option<Self::Grant> {
        None
    }

    /// The first poll: tries without joining the line, and continues with the rest of the poll if
    /// that fails.
    ///
    /// A wait for something large overrides this, to build its result in the function whose result
    /// the poll returns.
    #[inline]
    fn begin(
        &mut self,
        primitive_ref: Self::PrimitiveRef,
        first_poll: &mut FirstPoll<'_, Self>,
    ) -> Poll<Self::Output> {
        match self.attempt(&primitive_ref) {
            Some(grant) => Poll::Ready(self.finish(primitive_ref, grant)),
            None => first_poll.go_on(self, primitive_ref),
        }
    }

    /// Tries under the lock, and decides whether to queue.
    fn enqueue(
        &mut self,
        primitive: &Self::Primitive,
        shared: &mut Self::Shared,
        wakes: &mut Wakes,
    ) -> Entry<Self::Grant, Self::Slot>;
}
