//! A second look at a server that refused what its state, as far as is known, allows.
//!
//! A primary that another election deposes interrupts and refuses writes before it raises its
//! topology version. Such a refusal tells nothing newer than what is known, so the snapshot rightly
//! stays as it is (specification "Server Discovery And Monitoring", section "topologyVersion
//! Comparison"); but the one further attempt that an operation has would select the same server
//! again, and be refused again.
//!
//! So whoever is to try again waits first until the server is known to be otherwise. It asks for a
//! check and waits for that at most; a server which then still says the same may be on the way to
//! change, and is given [`GRACE`]. A server that streams ends the wait within milliseconds of its
//! change. One that does not change at all is tried again as it is.

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

/// How long a server that still says the same is waited for: many times what a primary takes from
/// its first refusal until it tells.
const GRACE: Duration = Duration::from_millis(250);

/// How long a second look takes at most: the time in which a monitor may not check again, and as
/// much for the check.
const LONGEST: Duration = MIN_HEARTBEAT_FREQUENCY.saturating_mul(2);

/// What is left open by a refusal that says nothing newer of its server than what is known.
pub(crate) struct StalePrimaryRecheck<'o> {
    server: Arc<Server>,
    version: TopologyVersion,
    /// Those of the operation that was refused.
    criteria: Criteria<'o>,
}

impl<'o> StalePrimaryRecheck<'o> {
    /// The recheck that `error` of `server` leaves, if the next attempt would meet the server as it
    /// was when it refused.
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

    /// Whether the snapshot shows the server as it was, and sends such operations to it. Only
    /// members of replica sets change their state.
    fn remains(&self, topology: &Topology) -> bool {
        let version = |d: &ServerDescription| d.topology_version();
        topology.description().topology_type().is_replica_set()
            && topology.description().server(self.server.address()).and_then(version)
                == Some(self.version)
            && topology.selects(&self.server, self.criteria)
    }

    /// Waits until the recheck remains no longer, or as long as is sensible: at most half of what
    /// is left until `deadline`, for an attempt is to follow.
    ///
    /// Cancel safety: nothing is lost.
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
