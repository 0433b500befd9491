//! Waits before the retry of an operation that a deposed primary refused.
//!
//! A deposed primary interrupts and refuses writes before it increases its topology version. Such
//! an error contains no newer state, so the snapshot rightly stays (specification "Server Discovery
//! And Monitoring", section "topologyVersion Comparison"). But the single retry of an operation
//! would then select the same server and be refused again.
//!
//! So the retry first waits until the server's state has changed. It requests a check and waits for
//! it at most. A server that still reports the same state may be about to change, so it gets
//! [`GRACE`] more. A streaming server ends the wait within milliseconds of its change. If the state
//! does not change, the retry proceeds.

use std::sync::Arc;
use std::time::Duration;

use super::deployment::Deployment;
use super::either::either;
use super::failure::{self, Verdict};
use super::selection::Criteria;
use super::server::Server;
use super::snapshot::Topology;
use crate::deadline::Deadline;
use crate::description::ServerDescription;
use crate::error::Error;
use crate::options::MIN_HEARTBEAT_FREQUENCY;
use crate::pool::Stage;
use crate::types::TopologyVersion;

/// The time for a server that still reports the same state. It is many times longer than a primary
/// needs between its first error and its report.
const GRACE: Duration = Duration::from_millis(250);

/// The maximum duration of a recheck: the minimum interval between checks, and as much for the
/// check.
const LONGEST: Duration = MIN_HEARTBEAT_FREQUENCY.saturating_mul(2);

/// A recheck of a server after an error that contains no newer state.
pub(crate) struct StalePrimaryRecheck<'o> {
    server: Arc<Server>,
    version: TopologyVersion,
    /// The criteria of the refused operation.
    criteria: Criteria<'o>,
}

impl<'o> StalePrimaryRecheck<'o> {
    /// The recheck needed after `error` from `server`, if the next attempt would meet the server in
    /// the same state.
    pub(super) fn left_by(
        error: &Error,
        server: &Arc<Server>,
        criteria: Criteria<'o>,
        topology: &Topology,
    ) -> Option<Self> {
        if !matches!(failure::judge(error, Stage::Operation), Verdict::StateChanged(_)) {
            return None;
        }
        let version = failure::topology_version(error)?;
        let recheck = StalePrimaryRecheck { server: Arc::clone(server), version, criteria };
        recheck.remains(topology).then_some(recheck)
    }

    /// Whether the snapshot still has the same state of the server, and the criteria still select
    /// it. Only members of replica sets change their state.
    fn remains(&self, topology: &Topology) -> bool {
        let version = |d: &ServerDescription| d.topology_version();
        topology.description().topology_type().is_replica_set()
            && topology.description().server(self.server.address()).and_then(version)
                == Some(self.version)
            && topology.selects(&self.server, self.criteria)
    }

    /// Waits until the recheck is resolved, but at most for half of the time until `deadline`,
    /// because a retry follows.
    ///
    /// # Cancel safety
    /// A dropped future loses nothing.
    pub(crate) async fn settle(self, deployment: &Deployment, deadline: Deadline) {
        let check = self.server.checks().refresh();
        let limit =
            Deadline::after(deadline.remaining().map_or(LONGEST, |left| LONGEST.min(left / 2)));
        let checked = either(self.settled(deployment), self.server.checks().ended(check));
        if deployment.runtime().timeout(limit, checked).await.is_ok() {
            let patience = limit.earlier(Deadline::after(GRACE));
            let _ = deployment.runtime().timeout(patience, self.settled(deployment)).await;
        }
    }

    async fn settled(&self, deployment: &Deployment) {
        loop {
            let snapshot = deployment.snapshot();
            if !self.remains(&snapshot) {
                return;
            }
            snapshot.superseded().wait().await;
        }
    }
}
