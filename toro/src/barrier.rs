//! [`Barrier`]: nobody passes until all have arrived.
//!
//! Those who have arrived are counted per generation. The last one ends the generation and passes
//! at once; those in line are released because theirs has ended, however many batches of wakers
//! that takes, and whoever arrives meanwhile belongs to the next.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::core::{
    End, Entry, Handed, List, Mutex, Operation, Position, PrimitiveRef, Start, Step, Wait, Waiter,
    Wakes, const_fn,
};
use crate::error::Timeout;

/// A meeting point: those who wait pass together, as soon as so many have come. Then it is ready
/// for the next round.
///
/// Waiting allocates nothing.
///
/// ```
/// let barrier = toro::Barrier::new(3);
/// let leaders = std::thread::scope(|scope| {
///     let parties: Vec<_> = (0..3).map(|_| scope.spawn(|| barrier.wait().wait())).collect();
///     parties.into_iter().map(|party| party.join().unwrap().is_leader()).filter(|leads| *leads).count()
/// });
/// assert_eq!(leaders, 1);
/// ```
pub struct Barrier {
    parties: usize,
    shared: Mutex<Shared>,
}

/// What the lock guards.
pub struct Shared {
    /// Of the present generation.
    arrived: usize,
    generation: u64,
    waiters: List<u64>,
}

/// How one arrived at a [`Barrier`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arrival {
    index: usize,
    parties: usize,
}

impl Arrival {
    /// How many had arrived before, from 0 to one less than the number of parties. If one who had
    /// arrived gave up, its index may have been given to another.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Whether this was the last, for whom all the others waited. There is exactly one in each
    /// round.
    pub fn is_leader(&self) -> bool {
        self.index + 1 >= self.parties
    }
}

/// Waits for all to arrive at a barrier.
pub type Arrive<'a> = Wait<Waiter<Arriving<&'a Barrier>>>;
/// Waits for all to arrive at a counted barrier, and keeps it alive.
pub type ArriveOwned = Wait<Waiter<Arriving<Arc<Barrier>>>>;

impl Barrier {
    const_fn! {
        /// A barrier for so many parties. With none or one, nobody waits.
        pub const fn new(parties: usize) -> Self {
            Barrier {
                parties,
                shared: Mutex::new(Shared { arrived: 0, generation: 0, waiters: List::new() }),
            }
        }
    }

    /// Arrives, and waits until all have arrived.
    ///
    /// # Cancel safety
    ///
    /// Dropping the wait before all have arrived takes the arrival back: one more must come in its
    /// place. One that is dropped after all have arrived, but before it noticed, has been
    /// counted.
    pub fn wait(&self) -> Arrive<'_> {
        Wait::new(Waiter::new(self, Arriving::new()))
    }

    /// As [`wait`](Barrier::wait), keeping the barrier alive.
    pub fn wait_owned(self: &Arc<Self>) -> ArriveOwned {
        Wait::new(Waiter::new(Arc::clone(self), Arriving::new()))
    }

    /// How many have to arrive.
    pub fn parties(&self) -> usize {
        self.parties
    }

    /// How many have arrived and wait for the others.
    pub fn arrived(&self) -> usize {
        self.shared.lock().arrived
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("parties", &self.parties)
            .field("arrived", &self.arrived())
            .finish_non_exhaustive()
    }
}

/// The wait at a barrier held through `H`.
pub struct Arriving<H> {
    generation: u64,
    index: usize,
    primitive_ref: PhantomData<fn() -> H>,
}

impl<H> Arriving<H> {
    fn new() -> Self {
        Arriving { generation: 0, index: 0, primitive_ref: PhantomData }
    }
}

impl<H: PrimitiveRef<Target = Barrier>> Operation for Arriving<H> {
    type PrimitiveRef = H;
    type Primitive = Barrier;
    type Shared = Shared;
    type Slot = u64;
    type Grant = usize;
    type Output = Arrival;
    type Timed = Result<Arrival, Timeout>;

    fn shared(barrier: &Barrier) -> &Mutex<Shared> {
        &barrier.shared
    }

    fn list(shared: &mut Shared, _: Handed) -> &mut List<u64> {
        &mut shared.waiters
    }

    fn retry(&mut self, _: &Barrier, shared: &mut Shared, _: &mut u64, _: Position) -> bool {
        self.generation < shared.generation
    }

    fn granted(&mut self, _: &Barrier, _: Option<u64>) -> usize {
        self.index
    }

    fn give_back(&mut self, _: &Barrier, _: Option<u64>) {}

    fn left(&mut self, _: &Barrier, shared: &mut Shared, _: Option<&u64>) {
        if self.generation == shared.generation {
            shared.arrived -= 1;
        }
    }

    fn serve(_: &Barrier, shared: &mut Shared, wakes: &mut Wakes) -> Step {
        let present = shared.generation;
        shared.waiters.grant_while(wakes, |generation| *generation < present)
    }

    fn finish(&mut self, barrier: H, index: usize) -> Arrival {
        Arrival { index, parties: barrier.parties }
    }

    fn in_time(arrival: Arrival) -> Self::Timed {
        Ok(arrival)
    }

    fn expired(&mut self, _: H) -> Self::Timed {
        Err(Timeout)
    }
}

impl<H: PrimitiveRef<Target = Barrier>> Start for Arriving<H> {
    fn attempt(&mut self, barrier: &Barrier) -> Option<usize> {
        (barrier.parties <= 1).then_some(0)
    }

    fn enqueue(
        &mut self,
        barrier: &Barrier,
        shared: &mut Shared,
        _: &mut Wakes,
    ) -> Entry<usize, u64> {
        self.generation = shared.generation;
        self.index = shared.arrived;
        shared.arrived += 1;
        if shared.arrived < barrier.parties {
            return Entry::Queue(self.generation, End::Back);
        }
        shared.arrived = 0;
        shared.generation += 1;
        Entry::Ready(self.index)
    }
}
