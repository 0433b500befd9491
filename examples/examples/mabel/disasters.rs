//! Kills the primary, and restarts it.

use std::sync::Arc;

use examples::failover::{self, BoxError};
use testbed::ReplicaSet;
use tokio::task::JoinHandle;

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
    failover::strike(set, || timeline.done(), |host| timeline.killed(host.to_owned()))?;
    pace.go_on()
}
