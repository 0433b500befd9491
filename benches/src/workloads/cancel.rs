//! Dropping waiting futures, per waiter.
//!
//! As with waking, the same number of waiters is spread over as many primitives as their lists'
//! length requires. They are dropped in the same order for every length: oldest first, newest
//! first, or at random. So a cost that grows with the length of the list becomes visible, and cache
//! misses do not.

use crate::drive::{WaiterSet, ready};
use crate::peers::queue::{
    AsyncChannel, AsyncbandUnbounded, CrossfireUnbounded, Flume, Kanal, Queue, Room,
    Toro as ToroQueue,
};
use crate::peers::semaphore::{AsyncLock, Asyncband, Semaphore, Tokio, Toro};
use crate::round::{Contender, Sample};
use std::future::Future;
use std::time::{Duration, Instant};

/// The number of concurrent waiters.
pub const CROWD: usize = 10_000;

/// The name of `toro` in [`long_and_short`] with short lists.
pub const AT_100: &str = "toro at 100";

/// The waiter that is dropped first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// The oldest.
    Oldest,
    /// The newest.
    Newest,
    /// A random one.
    Random,
}

impl First {
    /// The places of a crowd in the order of dropping, the same at every call.
    fn order(self) -> Vec<usize> {
        let mut places: Vec<usize> = (0..CROWD).collect();
        match self {
            Self::Oldest => {}
            Self::Newest => places.reverse(),
            Self::Random => fastrand::Rng::with_seed(0x70_72_6f).shuffle(&mut places),
        }
        places
    }
}

/// Waiters for a permit, this many per semaphore; at most [`CROWD`].
pub fn acquire(waiters: usize, first: First) -> Vec<Contender> {
    vec![
        acquirers::<Toro>(Toro::NAME, waiters, first),
        acquirers::<Tokio>(Tokio::NAME, waiters, first),
        acquirers::<AsyncLock>(AsyncLock::NAME, waiters, first),
        acquirers::<Asyncband>(Asyncband::NAME, waiters, first),
    ]
}

/// `toro` with lists of 10,000 waiters compared with lists of 100.
pub fn long_and_short(first: First) -> Vec<Contender> {
    vec![acquirers::<Toro>(Toro::NAME, CROWD, first), acquirers::<Toro>(AT_100, 100, first)]
}

/// Waiters for an item, this many per queue; at most [`CROWD`]. Dropped at random.
pub fn get(waiters: usize) -> Vec<Contender> {
    let contenders = [
        getters::<ToroQueue>(waiters),
        getters::<AsyncChannel>(waiters),
        getters::<Flume>(waiters),
        getters::<Kanal>(waiters),
        getters::<CrossfireUnbounded>(waiters),
        getters::<AsyncbandUnbounded>(waiters),
    ];
    contenders.into_iter().flatten().collect()
}

fn acquirers<S: Semaphore>(name: &'static str, waiters: usize, first: First) -> Contender {
    // The only permit of each is taken and kept.
    let semaphores: &'static [S] =
        (0..CROWD / waiters).map(|_| S::new(1)).collect::<Vec<_>>().leak();
    semaphores.iter().for_each(|semaphore| std::mem::forget(ready(semaphore.acquire())));
    let order = first.order();
    let mut crowd = WaiterSet::new(CROWD);
    timed(name, move || {
        crowd.gather(|index| semaphores[index / waiters].acquire());
        dismiss(&mut crowd, &order)
    })
}

fn getters<Q: Queue<1>>(waiters: usize) -> Option<Contender> {
    let queues: Vec<_> = (0..CROWD / waiters)
        .map(|_| Q::open(Room::Unbounded, 1, waiters))
        .collect::<Option<_>>()?;
    // The producers are kept, because a queue without any would be closed.
    let (producers, consumers): (Vec<_>, Vec<_>) = queues.into_iter().unzip();
    let mut consumers: Vec<_> = consumers.into_iter().flatten().collect();
    let order = First::Random.order();
    Some(timed(Q::NAME, move || {
        let _open = &producers;
        let mut consumers = consumers.iter_mut();
        let mut crowd = WaiterSet::new(CROWD);
        crowd.gather(|_| Q::get(consumers.next().expect("as many consumers as places")));
        dismiss(&mut crowd, &order)
    }))
}

/// A contender that drops a whole crowd as often as requested.
fn timed(name: &'static str, mut once: impl FnMut() -> Duration + 'static) -> Contender {
    Contender::new(name, move |ops| {
        let passes = ops.div_ceil(CROWD as u64);
        let elapsed = (0..passes).map(|_| once()).sum();
        Sample { elapsed, ops: passes * CROWD as u64 }
    })
}

/// Times only the drops.
fn dismiss<F: Future>(crowd: &mut WaiterSet<F>, order: &[usize]) -> Duration {
    let start = Instant::now();
    order.iter().for_each(|&place| crowd.dismiss(place));
    start.elapsed()
}
