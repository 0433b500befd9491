//! One server as operations use it: its address, its pool, its load, its checks.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::checks::Checks;
use crate::options::ServerAddress;
use crate::pool::Pool;

/// A server of the current deployment. It outlives the snapshot it hangs in as long as operations
/// use it.
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

    /// How many operations are running on the server (specification "Server Selection", section
    /// "operationCount").
    pub(crate) fn operations(&self) -> u32 {
        self.operations.load(Ordering::Relaxed)
    }

    /// The server has left the deployment: its checks end, and its pool opens nothing any more.
    pub(super) fn close(&self) {
        self.checks.close();
        self.pool.close();
    }
}

/// A server chosen for one operation, which counts as running on it until this is dropped.
pub(crate) struct Selected {
    server: Arc<Server>,
    /// It was selected as the primary, in place of what was asked for.
    overruled: bool,
}

impl Selected {
    pub(crate) fn new(server: Arc<Server>, overruled: bool) -> Self {
        server.operations.fetch_add(1, Ordering::Relaxed);
        Selected { server, overruled }
    }

    /// Whether it was selected as the primary, in place of what was asked for. No read preference
    /// is sent then.
    pub(crate) fn is_overruled(&self) -> bool {
        self.overruled
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
