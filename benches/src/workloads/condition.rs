//! Waiting for a change of a value behind a lock: a whole turn, and the notification alone.

use super::wake::CROWD;
use crate::drive::{WaiterSet, time_together};
use crate::peers::condition::{Asyncband, Condition, EventListener, Tokio, Toro};
use crate::round::{Contender, Sample};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Two tasks that take turns, each waiting for the other. The time is per turn.
pub fn turns(runtime: &Arc<Runtime>) -> Vec<Contender> {
    vec![
        take_turns::<Toro>(runtime),
        take_turns::<Tokio>(runtime),
        take_turns::<EventListener>(runtime),
        take_turns::<Asyncband>(runtime),
    ]
}

/// Notifies all `waiters` one by one, at most [`CROWD`]. The time is per notification.
pub fn one_by_one(waiters: usize) -> Vec<Contender> {
    vec![
        notify_each::<Toro>(waiters),
        notify_each::<Tokio>(waiters),
        notify_each::<EventListener>(waiters),
        notify_each::<Asyncband>(waiters),
    ]
}

fn take_turns<C: Condition>(runtime: &Arc<Runtime>) -> Contender {
    let runtime = runtime.clone();
    let condition = Arc::new(C::new());
    Contender::may_stall(C::NAME, move |ops| {
        let each = ops.div_ceil(2);
        let tasks = [(0, 1), (1, 0)].map(|(from, to)| {
            let condition = condition.clone();
            async move {
                for _ in 0..each {
                    condition.pass(from, to).await;
                }
            }
        });
        let (elapsed, _) = time_together(&runtime, tasks)?;
        Ok(Sample { elapsed, ops: each * 2 })
    })
}

/// `CROWD / waiters` conditions with `waiters` waiters each, so that the total is about the same.
fn notify_each<C: Condition>(waiters: usize) -> Contender {
    let conditions: &'static [C] =
        (0..CROWD / waiters).map(|_| C::new()).collect::<Vec<_>>().leak();
    let mut crowd = WaiterSet::new(conditions.len() * waiters);
    Contender::new(C::NAME, move |ops| {
        let (mut elapsed, mut done) = (Duration::ZERO, 0);
        while done < ops {
            crowd.gather(|index| conditions[index / waiters].hear());
            let start = Instant::now();
            for condition in conditions {
                (0..waiters).for_each(|_| condition.notify());
            }
            elapsed += start.elapsed();
            crowd.collect();
            done += crowd.size() as u64;
        }
        Sample { elapsed, ops: done }
    })
}
