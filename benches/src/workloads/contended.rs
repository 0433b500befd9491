//! Eight tasks that contend for a lock or three permits on two workers, and eight that only pass a
//! turn.
//!
//! Fair locks are compared with fair ones and barging locks with barging ones. "Yields" means that
//! the holder lets other tasks run, so all others come to wait. "Does not yield" is a short
//! critical section.

use super::ring::Ring;
use crate::drive::time_together;
use crate::peers::lock::{self, Lock};
use crate::peers::semaphore::{self, Semaphore};
use crate::round::{Contender, Sample};
use std::hint::black_box;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// The number of contending tasks.
const TASKS: u64 = 8;

/// The number of permits.
const PERMITS: u32 = 3;

/// The behaviour of a holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Lets other tasks run, so all others come to wait.
    Yields,
    /// Works for a moment: a short critical section.
    Works,
}

impl Holder {
    async fn hold(self) {
        if let Self::Yields = self {
            tokio::task::yield_now().await;
        }
    }
}

/// A fair lock.
pub fn fair_lock(runtime: &Arc<Runtime>, holder: Holder) -> Vec<Contender> {
    vec![
        lock_by::<lock::Toro>(runtime, holder),
        lock_by::<lock::Tokio>(runtime, holder),
        lock_by::<lock::Asyncband>(runtime, holder),
    ]
}

/// Fair locks whose holders yield, compared with a ring of turns without a lock, which is the floor
/// of the runtime.
pub fn locks_and_ring(runtime: &Arc<Runtime>) -> Vec<Contender> {
    vec![
        lock_by::<lock::Toro>(runtime, Holder::Yields),
        lock_by::<lock::Tokio>(runtime, Holder::Yields),
        ring(runtime),
    ]
}

/// A fair semaphore of three permits.
pub fn fair_semaphore(runtime: &Arc<Runtime>, holder: Holder) -> Vec<Contender> {
    vec![
        permit_by::<semaphore::Toro>(runtime, holder),
        permit_by::<semaphore::Tokio>(runtime, holder),
        permit_by::<semaphore::Asyncband>(runtime, holder),
    ]
}

/// A fair bounded semaphore of three permits.
pub fn bounded_semaphore(runtime: &Arc<Runtime>, holder: Holder) -> Vec<Contender> {
    vec![
        permit_by::<semaphore::ToroBounded>(runtime, holder),
        permit_by::<semaphore::Tokio>(runtime, holder),
        permit_by::<semaphore::Asyncband>(runtime, holder),
    ]
}

/// A lock that newcomers may take before the waiters.
pub fn barging_lock(runtime: &Arc<Runtime>, holder: Holder) -> Vec<Contender> {
    vec![lock_by::<lock::ToroBarging>(runtime, holder), lock_by::<lock::AsyncLock>(runtime, holder)]
}

/// A semaphore of three permits that newcomers may take before the waiters.
pub fn barging_semaphore(runtime: &Arc<Runtime>, holder: Holder) -> Vec<Contender> {
    vec![
        permit_by::<semaphore::ToroBarging>(runtime, holder),
        permit_by::<semaphore::AsyncLock>(runtime, holder),
    ]
}

fn lock_by<L: Lock>(runtime: &Arc<Runtime>, holder: Holder) -> Contender {
    let runtime = runtime.clone();
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

/// Tasks that pass a turn: each yields, stores whose turn is next, and wakes that task.
fn ring(runtime: &Arc<Runtime>) -> Contender {
    const SIZE: usize = TASKS as usize;
    let runtime = runtime.clone();
    Contender::may_stall("bare ring", move |ops| {
        let each = ops.div_ceil(TASKS);
        let ring = Arc::new(Ring::<SIZE>::default());
        let tasks = (0..SIZE).map(|me| {
            let ring = ring.clone();
            async move {
                ring.join(me).await;
                for _ in 0..each {
                    ring.turn(me).await;
                    Holder::Yields.hold().await;
                    ring.pass_on(me);
                }
            }
        });
        let (elapsed, _) = time_together(&runtime, tasks)?;
        Ok(Sample { elapsed, ops: each * TASKS })
    })
}

fn permit_by<S: Semaphore>(runtime: &Arc<Runtime>, holder: Holder) -> Contender {
    let runtime = runtime.clone();
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
