//! Eight tasks that want the same lock, or the same three permits, on two workers.
//!
//! Fair locks are compared with fair ones and barging locks with barging ones. "Yields" means that the holder lets
//! other tasks run while it holds: everyone else comes to wait. "Does not yield" is a short critical section.

use super::probe::Kind;
use super::{Ground, Trial};
use benches::bound::Bound;
use benches::drive::time_together;
use benches::peers::lock::{self, Lock};
use benches::peers::semaphore::{self, Semaphore};
use benches::round::{Contender, Sample};
use std::hint::black_box;
use std::sync::Arc;

/// How many tasks contend.
const TASKS: u64 = 8;

/// How many permits the tasks contend for.
const PERMITS: u32 = 3;

/// What a holder does while it holds.
#[derive(Clone, Copy)]
enum Holder {
    Yields,
    Works,
}

impl Holder {
    async fn hold(self) {
        if let Self::Yields = self {
            tokio::task::yield_now().await;
        }
    }
}

pub(super) fn cells() -> Vec<Trial> {
    let mut cells = Vec::new();
    let yields = [Bound::must("tokio", 0.9), Bound::aim("tokio", 0.8)];
    let works = [Bound::must("tokio", 1.0)];
    for (name, holder, bounds) in
        [("yields", Holder::Yields, &yields[..]), ("does not yield", Holder::Works, &works[..])]
    {
        cells.push(Trial::together(
            format!("lock, fair, holder {name}"),
            Kind::Lock,
            bounds,
            move |ground| {
                vec![
                    lock_by::<lock::Toro>(ground, holder),
                    lock_by::<lock::Tokio>(ground, holder),
                    lock_by::<lock::Asyncband>(ground, holder),
                ]
            },
        ));
        cells.push(Trial::together(
            format!("semaphore, fair, holder {name}"),
            Kind::Semaphore,
            bounds,
            move |ground| {
                vec![
                    permit_by::<semaphore::Toro>(ground, holder),
                    permit_by::<semaphore::Tokio>(ground, holder),
                    permit_by::<semaphore::Asyncband>(ground, holder),
                ]
            },
        ));
    }
    let barging = [Bound::must("async-lock", 1.2), Bound::aim("async-lock", 1.0)];
    cells.push(Trial::together("lock, barging, holder does not yield", Kind::Lock, &barging, |ground| {
        vec![
            lock_by::<lock::ToroBarging>(ground, Holder::Works),
            lock_by::<lock::AsyncLock>(ground, Holder::Works),
        ]
    }));
    cells.push(Trial::together(
        "semaphore, barging, holder does not yield",
        Kind::Semaphore,
        &barging,
        |ground| {
            vec![
                permit_by::<semaphore::ToroBarging>(ground, Holder::Works),
                permit_by::<semaphore::AsyncLock>(ground, Holder::Works),
            ]
        },
    ));
    cells
}

fn lock_by<L: Lock>(ground: &Ground, holder: Holder) -> Contender {
    let runtime = ground.runtime.clone();
    let lock = Arc::new(L::new());
    Contender::may_stall(L::NAME, move |ops| {
        let each = ops.div_ceil(TASKS);
        let tasks = (0..TASKS).map(|_| {
            let lock = lock.clone();
            async move {
                for _ in 0..each {
                    let mut count = lock.acquire().await;
                    *count += 1;
                    holder.hold().await;
                }
            }
        });
        let (elapsed, _) = time_together(&runtime, tasks)?;
        Ok(Sample { elapsed, ops: each * TASKS })
    })
}

fn permit_by<S: Semaphore>(ground: &Ground, holder: Holder) -> Contender {
    let runtime = ground.runtime.clone();
    let semaphore = Arc::new(S::new(PERMITS));
    Contender::may_stall(S::NAME, move |ops| {
        let each = ops.div_ceil(TASKS);
        let tasks = (0..TASKS).map(|_| {
            let semaphore = semaphore.clone();
            async move {
                for _ in 0..each {
                    let permit = semaphore.acquire().await;
                    black_box(&permit);
                    holder.hold().await;
                }
            }
        });
        let (elapsed, _) = time_together(&runtime, tasks)?;
        Ok(Sample { elapsed, ops: each * TASKS })
    })
}
