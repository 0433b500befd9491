//! Waiting for permits: one operation for all primitives that are built on [`Permits`].

use std::marker::PhantomData;

use super::{Line, Need, Permits, Refusal};
use crate::core::{
    End, Entry, Handed, List, Mutex, Operation, Position, PrimitiveRef, Start, Step, Wakes,
};
use crate::error::Closed;

/// The use of permits by a primitive: their place, and the value it returns for a grant.
pub trait PermitUse {
    type PrimitiveRef: PrimitiveRef<Target = Self::Primitive>;
    type Primitive: ?Sized;
    type Output;
    type Timed;

    fn permits(primitive: &Self::Primitive) -> &Permits;

    #[inline]
    fn attempt(permits: &Permits, count: u32) -> Result<(), Refusal> {
        permits.try_acquire(count)
    }

    /// Makes the guard. `granted` is `Err` only if the permits can be closed.
    fn finish(
        primitive_ref: Self::PrimitiveRef,
        count: u32,
        granted: Result<(), Closed>,
    ) -> Self::Output;

    fn in_time(output: Self::Output) -> Self::Timed;

    fn expired(primitive_ref: Self::PrimitiveRef) -> Self::Timed;
}

/// Waits for a number of permits.
pub struct Acquire<F> {
    count: u32,
    end: End,
    usage: PhantomData<fn() -> F>,
}

impl<F: PermitUse> Acquire<F> {
    #[inline]
    pub(crate) fn new(count: u32) -> Self {
        Acquire { count, end: End::Back, usage: PhantomData }
    }

    /// Joins before all others: for a waiter that holds what the others wait for.
    pub(crate) fn before_all(count: u32) -> Self {
        Acquire { count, end: End::Front, usage: PhantomData }
    }
}

// SAFETY: the permits of a primitive have one list, in their mutex. No slot is accessed through it.
#[expect(unsafe_code, reason = "the rules in `core` rely on the implementation")]
unsafe impl<F: PermitUse> Operation for Acquire<F> {
    type PrimitiveRef = F::PrimitiveRef;
    type Primitive = F::Primitive;
    type Shared = Line;
    type Slot = Need;
    type Grant = Result<(), Closed>;
    type Output = F::Output;
    type Timed = F::Timed;

    #[inline]
    fn shared(primitive: &F::Primitive) -> &Mutex<Line> {
        &F::permits(primitive).line
    }

    #[inline]
    fn list(line: &mut Line, _: Handed) -> &mut List<Need> {
        &mut line.waiters
    }

    fn retry(
        &mut self,
        primitive: &F::Primitive,
        _: &mut Line,
        need: &mut Need,
        position: Position,
    ) -> bool {
        F::permits(primitive).retry(need, position)
    }

    #[inline]
    fn granted(&mut self, _: &F::Primitive, slot: Option<Need>) -> Self::Grant {
        match slot {
            Some(Need::Permits(_)) => Ok(()),
            Some(Need::Closed) | None => Err(Closed),
        }
    }

    fn give_back(&mut self, primitive: &F::Primitive, slot: Option<Need>) {
        if let Some(Need::Permits(count)) = slot {
            F::permits(primitive).release(count);
        }
    }

    fn left(&mut self, primitive: &F::Primitive, _: &mut Line, _: Option<&Need>) {
        F::permits(primitive).left();
    }

    #[inline]
    fn is_served(primitive: &F::Primitive, line: &mut Line, changed: Position) -> bool {
        let permits = F::permits(primitive);
        // Only the oldest waiter can be served, and a change behind it does not help it. With
        // barging, the waiter that left may have been nudged when it was first. Then the nudge must
        // go to the waiter that is first now.
        changed == Position::Behind && !permits.is_barging() || permits.is_served(line)
    }

    #[inline]
    fn serve(primitive: &F::Primitive, line: &mut Line, wakes: &mut Wakes) -> Step {
        F::permits(primitive).serve(line, wakes)
    }

    #[inline]
    fn finish(&mut self, primitive_ref: F::PrimitiveRef, grant: Self::Grant) -> F::Output {
        F::finish(primitive_ref, self.count, grant)
    }

    #[inline]
    fn in_time(output: F::Output) -> F::Timed {
        F::in_time(output)
    }

    fn expired(&mut self, primitive_ref: F::PrimitiveRef) -> F::Timed {
        F::expired(primitive_ref)
    }
}

impl<F: PermitUse> Start for Acquire<F> {
    #[inline]
    fn attempt(&mut self, primitive: &F::Primitive) -> Option<Self::Grant> {
        match F::attempt(F::permits(primitive), self.count) {
            Ok(()) => Some(Ok(())),
            Err(Refusal::Closed) => Some(Err(Closed)),
            Err(Refusal::NoPermits) => None,
        }
    }

    fn enqueue(
        &mut self,
        primitive: &F::Primitive,
        _: &mut Line,
        _: &mut Wakes,
    ) -> Entry<Self::Grant, Need> {
        match F::permits(primitive).enqueue(self.count, self.end) {
            Entry::Ready(taken) => Entry::Ready(taken.map_err(|_| Closed)),
            Entry::Queue(need, end) => Entry::Queue(need, end),
        }
    }
}
