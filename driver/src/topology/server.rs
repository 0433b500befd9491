//! A server with its address, pool, load and checks.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::checks::Checks;
use super::deployment::Deployment;
use crate::options::ServerAddress;
use crate::pool::Pool;

/// A server of the deployment. It outlives its snapshot while operations use it.
pub(crate) struct Server {
    address: ServerAddress,
    pool: Pool,
    checks: Checks,
    operations: AtomicU32,
}

impl Server {
    pub(crate) fn new(address: ServerAddress, pool: Pool) -> Arc<Self> {
        Arc::new(Server { address, pool, checks: Checks::new(), operations: AtomicU32::new(0) })
    }

    pub(crate) fn address(&self) -> &ServerAddress {
        &self.address
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(super) fn checks(&self) -> &Checks {
        &self.checks
    }

    /// The number of running operations on the server (specification "Server Selection", section
    /// "operationCount").
    pub(crate) fn operations(&self) -> u32 {
        self.operations.load(Ordering::Relaxed)
    }

    /// Closes the server after its removal: its checks end, and its pool closes.
    pub(super) fn close(&self) {
        self.checks.close();
        self.pool.close();
    }
}

/// A server selected for one operation. The operation counts as running until this is dropped.
pub(crate) struct Selected {
    server: Arc<Server>,
    /// Whether the primary was selected instead of the requested criteria.
    overruled: bool,
    /// The minimum round-trip time in the snapshot that it was selected from, if it was.
    minimum_round_trip: Option<Duration>,
}

impl Selected {
    pub(super) fn new(server: Arc<Server>, overruled: bool, minimum_round_trip: Duration) -> Self {
        Self::counted(server, overruled, Some(minimum_round_trip))
    }

    /// The server that the operation must go to.
    pub(crate) fn given(server: Arc<Server>) -> Self {
        Self::counted(server, false, None)
    }

    fn counted(server: Arc<Server>, overruled: bool, minimum_round_trip: Option<Duration>) -> Self {
        server.operations.fetch_add(1, Ordering::Relaxed);
        Selected { server, overruled, minimum_round_trip }
    }

    /// Whether the primary was selected instead of the requested criteria. Then no read preference
    /// is sent.
    pub(crate) fn is_overruled(&self) -> bool {
        self.overruled
    }

    /// The minimum round-trip time of the server when it was selected, so that a check that fails
    /// meanwhile does not change it.
    pub(crate) fn minimum_round_trip(&self, deployment: &Deployment) -> Duration {
        self.minimum_round_trip.unwrap_or_else(|| {
            let description = deployment.description();
            let known = description.server(self.address());
            known.and_then(|server| server.min_round_trip_time()).unwrap_or_default()
        })
    }
}

impl Deref for Selected {
    type Target = Arc<Server>;

    fn deref(&self) -> &Arc<Server> {
        &self.server
    }
}

impl Drop for Selected {
    fn drop(&mut self) {
        self.server.operations.fetch_sub(1, Ordering::Relaxed);
    }
}
