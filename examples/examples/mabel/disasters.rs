//! Kills the primary, and brings it back.

use std::sync::Arc;

use testbed::ReplicaSet;
use tokio::task::JoinHandle;

use super::BoxError;
use super::timeline::Timeline;
use super::writers::Pace;

/// Kills the primary with SIGKILL each time that a mark is reached, restarts it, and lets the
/// writers go on once the set is whole. Ends early when the writers do.
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
        // The writers have failed before: there is nobody left to be struck.
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
