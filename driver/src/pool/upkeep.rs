//! The maintenance task of a pool. It holds the pool weakly, runs periodically and ends with the
//! pool.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::shared::Shared;
use crate::deadline::Deadline;
use crate::rt::Runtime;

/// The default interval between two runs.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);

/// Starts the maintenance of `pool`, with a run every `interval`.
pub(super) fn start(pool: &Arc<Shared>, runtime: &Runtime, interval: Duration) {
    let runtime = runtime.for_background();
    let (pool, wake) = (Arc::downgrade(pool), pool.wake.clone());
    let work = {
        let runtime = runtime.clone();
        async move {
            while run(&pool) {
                // Run next, whether the interval is over or the pool requested it.
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
