//! What a pool does by itself: one task that holds the pool weakly, looks after it now and then,
//! and ends with it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::shared::Shared;
use crate::deadline::Deadline;
use crate::rt::Runtime;

/// The time between two runs, unless the pool asks for one earlier.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);

/// Starts the upkeep of `pool`, a run every `interval`.
pub(super) fn start(pool: &Arc<Shared>, runtime: &Runtime, interval: Duration) {
    let runtime = runtime.for_background();
    let (pool, wake) = (Arc::downgrade(pool), pool.wake.clone());
    let work = {
        let runtime = runtime.clone();
        async move {
            while run(&pool) {
                // Whether time has passed or the pool has asked, it is time for the next run.
                let _ = runtime.timeout(Deadline::after(interval), wake.wait()).await;
                wake.clear();
            }
        }
    };
    runtime.spawn(work);
}

fn run(pool: &Weak<Shared>) -> bool {
    pool.upgrade().is_some_and(|pool| pool.upkeep())
}
