//! [`Operation`]: what a primitive says about one kind of wait.

use std::ops::Deref;
use std::sync::Arc;
use std::task::Poll;

use super::{End, FirstPoll, List, Mutex, Wakes};

/// A reference to a primitive: borrowed, or counted, or a guard. It always leads to the same one,
/// which stays where it is.
pub trait PrimitiveRef: Deref {}

impl<P: ?Sized> PrimitiveRef for &P {}
impl<P: ?Sized> PrimitiveRef for Arc<P> {}

/// What is decided about a newcomer under the lock.
#[derive(Debug)]
pub enum Entry<G, S> {
    /// It need not wait.
    Ready(G),
    /// It joins the line, with this slot.
    Queue(S, End),
}

/// Whether a piece of work under the lock is finished.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Nothing is left to do.
    Done,
    /// The batch of wakers is full: release the lock, wake them, and come again.
    Again,
}

/// Whether a waiter that is still linked already holds what it waits for, and has been moved to the
/// second list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Handed {
    No,
    Yes,
}

/// Where in the line a waiter stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Position {
    Front,
    Behind,
}

/// One kind of wait on one primitive: what its waiters hold, and how they leave the line. [`Start`]
/// adds how they come.
///
/// What is given `shared` runs under the lock and must run no foreign code.
///
/// A [`Waiter`](super::Waiter) needs this trait to exist and to be dropped, so its implementations
/// decide which waits are `Send`. The compiler checks that for spawned tasks without knowing which
/// lifetimes are equal. Therefore the bounds of an implementation name each type once, and no
/// lifetimes that they can do without.
pub trait Operation: Sized {
    /// How the wait refers to its primitive.
    type PrimitiveRef: PrimitiveRef<Target = Self::Primitive>;
    /// What is waited on.
    type Primitive: ?Sized;
    /// What the primitive's lock guards.
    type Shared;
    /// What is kept for each waiter, in its node.
    type Slot;
    /// What a waiter gets when it need wait no longer.
    type Grant;
    /// What the wait returns: the grant, in a form that lives on.
    type Output;
    /// What a wait with an end returns.
    type Timed;

    fn shared(primitive: &Self::Primitive) -> &Mutex<Self::Shared>;

    /// The list that waiters join; or that to which they are moved once their slot is
    /// [`handed`](Operation::handed).
    fn list(shared: &mut Self::Shared, handed: Handed) -> &mut List<Self::Slot>;

    fn handed(_slot: &Self::Slot) -> Handed {
        Handed::No
    }

    /// A queued waiter was polled, or expires, without having been granted: may it go? Then it is
    /// unlinked, and granted what its slot says, which may be changed here.
    ///
    /// A primitive that grants many waiters at once does so in batches, and between two of them
    /// everyone can see that it is ready: a waiter whose batch has not come yet must be let go
    /// here, or its deadline would win over what is ready.
    ///
    /// The slot lies in the list: its slots must not be looked at by way of `shared`.
    fn retry(
        &mut self,
        _primitive: &Self::Primitive,
        _shared: &mut Self::Shared,
        _slot: &mut Self::Slot,
        _position: Position,
    ) -> bool {
        false
    }

    /// Takes up what was granted. Not under the lock.
    fn granted(&mut self, primitive: &Self::Primitive, slot: Option<Self::Slot>) -> Self::Grant;

    /// Gives back what was granted: nobody will take it up. Not under the lock.
    fn give_back(&mut self, primitive: &Self::Primitive, slot: Option<Self::Slot>);

    /// A waiter has been unlinked without a grant.
    fn left(
        &mut self,
        _primitive: &Self::Primitive,
        _shared: &mut Self::Shared,
        _slot: Option<&Self::Slot>,
    ) {
    }

    /// Grants whatever can be granted now. Called in the same critical section after each change
    /// above.
    fn serve(_primitive: &Self::Primitive, _shared: &mut Self::Shared, _wakes: &mut Wakes) -> Step {
        Step::Done
    }

    /// Whether there certainly is nothing to serve after a waiter has joined the line in this
    /// place, or left it: asked before a whole batch is made ready for it.
    fn is_served(
        _primitive: &Self::Primitive,
        _shared: &mut Self::Shared,
        _changed: Position,
    ) -> bool {
        false
    }

    fn finish(&mut self, primitive_ref: Self::PrimitiveRef, grant: Self::Grant) -> Self::Output;

    /// The last poll: [`finish`](Self::finish), in the place from which the poll returns the
    /// answer, as in [`begin`](Start::begin).
    #[inline]
    fn end(&mut self, primitive_ref: Self::PrimitiveRef, grant: Self::Grant) -> Poll<Self::Output> {
        Poll::Ready(self.finish(primitive_ref, grant))
    }

    fn in_time(output: Self::Output) -> Self::Timed;

    /// The wait has ended without a grant.
    fn expired(&mut self, primitive_ref: Self::PrimitiveRef) -> Self::Timed;
}

/// How a wait begins. Only polling needs this, so that its bounds may be what bounds of
/// [`Operation`] may not.
pub trait Start: Operation {
    /// Tries without joining the line, most of them without the lock.
    #[inline]
    fn attempt(&mut self, _primitive: &Self::Primitive) -> Option<Self::Grant> {
        None
    }

    /// The first poll: tries without joining the line, and goes on with the rest of the poll if
    /// that fails.
    ///
    /// Whoever waits for something large makes its answer here, in the place from which the poll
    /// returns it.
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

    /// Looks under the lock, and decides whether to queue.
    fn enqueue(
        &mut self,
        primitive: &Self::Primitive,
        shared: &mut Self::Shared,
        wakes: &mut Wakes,
    ) -> Entry<Self::Grant, Self::Slot>;
}
