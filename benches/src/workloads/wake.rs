//! Waking waiters.
//!
//! For an event, only the call that wakes is timed, per waiter. The waiters register before and
//! collect their wake-up after. The same total number of waiters is spread over as many events as
//! the number per event requires. So cells differ in the length of the lists, not in the memory
//! they access.

use crate::drive::{WaiterSet, ready};
use crate::peers::barrier::{self, Barrier};
use crate::peers::event::{Asyncband, Bell, EventListener, Notify, Toro};
use crate::round::{Contender, Sample};
use std::time::{Duration, Instant};

/// The number of concurrent waiters, in all events together.
pub const CROWD: usize = 8000;

/// Wakes all waiters of an event, this many per event; at most [`CROWD`].
pub fn all(waiters: usize) -> Vec<Contender> {
    vec![
        wake_all::<Toro>(waiters),
        wake_all::<Notify>(waiters),
        wake_all::<EventListener>(waiters),
        wake_all::<Asyncband>(waiters),
    ]
}

/// A meeting of this many tasks, per task. All but the last wait, and the last releases them.
pub fn barrier(parties: usize) -> Vec<Contender> {
    vec![
        meeting::<barrier::Toro>(parties),
        meeting::<barrier::Tokio>(parties),
        meeting::<barrier::AsyncLock>(parties),
        meeting::<barrier::Asyncband>(parties),
    ]
}

fn wake_all<B: Bell>(waiters: usize) -> Contender {
    let bells: &'static [B] = (0..CROWD / waiters).map(|_| B::new()).collect::<Vec<_>>().leak();
    let mut crowd = WaiterSet::new(CROWD);
    Contender::new(B::NAME, move |ops| {
        let (mut elapsed, mut done) = (Duration::ZERO, 0);
        while done < ops {
            crowd.gather(|index| bells[index / waiters].wait());
            let start = Instant::now();
            bells.iter().for_each(B::ring);
            elapsed += start.elapsed();
            crowd.collect();
            bells.iter().for_each(B::rearm);
            done += CROWD as u64;
        }
        Sample { elapsed, ops: done }
    })
}

fn meeting<B: Barrier>(parties: usize) -> Contender {
    let barrier: &'static B = Box::leak(Box::new(B::new(parties)));
    let mut crowd = WaiterSet::new(parties - 1);
    Contender::new(B::NAME, move |ops| {
        let meetings = ops.div_ceil(parties as u64);
        let start = Instant::now();
        for _ in 0..meetings {
            crowd.gather(|_| barrier.wait());
            ready(barrier.wait());
            crowd.collect();
        }
        Sample { elapsed: start.elapsed(), ops: meetings * parties as u64 }
    })
}
