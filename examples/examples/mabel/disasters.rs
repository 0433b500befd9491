//! Kills the primary, and restarts it.

use std::sync::Arc;

use testbed::ReplicaSet;
use tokio::task::JoinHandle;

use super::BoxError;
use super::timeline::Timeline;
use super::writers::Pace;

/// Kills the primary with SIGKILL at each mark, restarts it, and lets the writers continue once all
/// members serve. Ends early if the writers end.
pub(crate) fn unleash(
    set: Arc<ReplicaSet>,
    marks: Vec<u32>,
    timeline: Arc<Timeline>,
    pace: Arc<Pace>,
) -> JoinHandle<Result<(), BoxError>> {
    tokio::task::spawn_blocking(move || {
        let result = marks.into_iter().try_for_each(|mark| strike(&set, mark, &timeline, &pace));
        if result.is_err() {
            pace.give_up();
        }
        result
    })
}

fn strike(set: &ReplicaSet, mark: u32, timeline: &Timeline, pace: &Pace) -> Result<(), BoxError> {
    timeline.reached(mark).wait().wait();
    if timeline.done() < mark {
        // The writers have failed already, so there is nothing to disturb.
        return Ok(());
    }
    let victim = set.wait_for_primary()?;
    let host = set.host(victim)?;
    println!("after {} writes: kill -9 of the primary, {host}", timeline.done());
    timeline.killed(host.clone());
    set.kill(victim)?;
    set.wait_for_primary()?;
    set.restart(victim)?;
    set.wait_for_secondaries()?;
    println!("{host} is back: the set is whole");
    pace.go_on()
}
