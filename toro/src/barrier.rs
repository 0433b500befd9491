//! [`Barrier`]: nobody passes until all have arrived.
//!
//! Arrivals are counted per generation. The last arrival ends the generation and passes at once.
//! The waiters in line are released because their generation has ended, in as many batches of
//! wakers as that takes. Tasks that arrive meanwhile belong to the next generation.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::core::{
    End, Entry, Handed, List, Mutex, Operation, Position, PrimitiveRef, Start, Step, Wait, Waiter,
    Wakes, const_fn,
};
use crate::error::Timeout;

/// A barrier: waiting tasks and threads pass together, as soon as the given number has arrived.
/// Then it is ready for the next round.
///
/// Waiting allocates nothing.
///
/// # Examples
///
/// ```
/// let barrier = toro::Barrier::new(3);
/// let leaders = std::thread::scope(|scope| {
///     let parties: Vec<_> = (0..3).map(|_| scope.spawn(|| barrier.wait().wait())).collect();
///     let arrivals = parties.into_iter().map(|party| party.join().unwrap());
///     arrivals.filter(toro::Arrival::is_leader).count()
/// });
/// assert_eq!(leaders, 1);
/// ```
#[doc(alias = "CyclicBarrier")]
pub struct Barrier {
    parties: usize,
    shared: Mutex<Shared>,
}

/// The data behind the lock.
pub struct Shared {
    /// In the current generation.
    arrived: usize,
    generation: u64,
    waiters: List<u64>,
}

/// The result of a wait at a [`Barrier`].
///
/// # Examples
///
/// ```
/// let arrival = toro::Barrier::new(1).wait().wait();
/// assert_eq!(arrival.index(), 0);
/// assert!(arrival.is_leader());
/// ```
#[doc(alias = "BarrierWaitResult")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arrival {
    index: usize,
    parties: usize,
}

impl Arrival {
    /// The number of earlier arrivals, from 0 to one less than the number of parties. If a party
    /// gave up after it had arrived, another may get its index.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Whether this was the last arrival, which released the others. Each round has exactly one
    /// leader.
    pub fn is_leader(&self) -> bool {
        self.index + 1 >= self.parties
    }
}

/// Waits for all parties to arrive at a barrier.
pub type Arrive<'a> = Wait<Waiter<Arriving<&'a Barrier>>>;
/// Waits for all parties to arrive at a barrier held by an `Arc`, and keeps it alive.
pub type ArriveOwned = Wait<Waiter<Arriving<Arc<Barrier>>>>;

impl Barrier {
    const_fn! {
        /// Creates a barrier for `parties` parties. With 0 or 1, nobody waits.
        ///
        /// # Examples
        ///
        /// ```
        /// static START: toro::Barrier = toro::Barrier::new(2);
        ///
        /// assert_eq!(START.parties(), 2);
        /// ```
        pub const fn new(parties: usize) -> Self {
            Barrier {
                parties,
                shared: Mutex::new(Shared { arrived: 0, generation: 0, waiters: List::new() }),
            }
        }
    }

    /// Arrives, and waits until all parties have arrived.
    ///
    /// # Cancel safety
    ///
    /// Dropping the wait before all have arrived takes the arrival back: another party must come in
    /// its place. If the wait is dropped after all have arrived, but before it noticed, it has been
    /// counted.
    ///
    /// # Examples
    ///
    /// ```
    /// let barrier = toro::Barrier::new(2);
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| barrier.wait().wait());
    ///     barrier.wait().wait(); // Returns when both have arrived.
    /// });
    /// ```
    pub fn wait(&self) -> Arrive<'_> {
        Wait::new(Waiter::new(self, Arriving::new()))
    }

    /// Like [`wait`](Barrier::wait), but keeps the barrier alive, so the wait is `'static`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use toro::Barrier;
    ///
    /// let barrier = Arc::new(Barrier::new(2));
    /// let waits = [barrier.wait_owned(), barrier.wait_owned()];
    /// drop(barrier);
    /// let threads = waits.map(|wait| std::thread::spawn(|| wait.wait().is_leader()));
    /// let leaders = threads.map(|thread| thread.join().unwrap());
    /// assert_ne!(leaders[0], leaders[1]);
    /// ```
    pub fn wait_owned(self: &Arc<Self>) -> ArriveOwned {
        Wait::new(Waiter::new(Arc::clone(self), Arriving::new()))
    }

    /// The number of parties.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(toro::Barrier::new(3).parties(), 3);
    /// ```
    pub fn parties(&self) -> usize {
        self.parties
    }

    /// The number of parties that have arrived and wait for the others.
    ///
    /// # Examples
    ///
    /// ```
    /// let barrier = toro::Barrier::new(3);
    /// assert_eq!(barrier.arrived(), 0);
    /// ```
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

/// A wait at a barrier held as `H`.
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

// SAFETY: each primitive has one such list, in its mutex. No slot is accessed through `shared`.
#[expect(unsafe_code, reason = "the rules in `core` rely on the implementation")]
unsafe impl<H: PrimitiveRef<Target = Barrier>> Operation for Arriving<H> {
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
