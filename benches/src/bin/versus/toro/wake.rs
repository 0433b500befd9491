//! Waking all who wait.
//!
//! Only the call that wakes is timed, per waiter; the waiters have registered before and collect their wake-up after.
//! However many wait for one event, about the same number of waiters is spread over as many events as that takes, so
//! that cells differ in the length of the lists and not in the memory they touch.

use super::Trial;
use super::probe::Kind;
use benches::bound::Bound;
use benches::drive::Crowd;
use benches::peers::event::{Asyncband, Bell, EventListener, Notify, Toro};
use benches::round::{Contender, Sample};
use std::time::{Duration, Instant};

/// How many waiters there are at once, in all events together.
const CROWD: usize = 8000;

pub(super) fn cells() -> Vec<Trial> {
    let bounds = [
        Bound::must("event-listener", 1.0),
        Bound::must("tokio", 1.0),
        Bound::aim("event-listener", 0.8),
        Bound::aim("tokio", 0.8),
    ];
    let cell = |waiters: usize| {
        Trial::alone(format!("wake all, {waiters} waiters"), Kind::Nothing, &bounds, move |_| {
            vec![
                wake_all::<Toro>(waiters),
                wake_all::<Notify>(waiters),
                wake_all::<EventListener>(waiters),
                wake_all::<Asyncband>(waiters),
            ]
        })
    };
    [10, 1000, 8000].map(cell).into()
}

fn wake_all<B: Bell>(waiters: usize) -> Contender {
    let bells: &'static [B] = (0..CROWD / waiters).map(|_| B::new()).collect::<Vec<_>>().leak();
    let mut crowd = Crowd::new(CROWD);
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
