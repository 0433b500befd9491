//! The target of the later commands of a cursor or a transaction.
//!
//! A cursor is pinned to its server. A transaction is pinned to its mongos; in a replica set it has
//! no pin and goes to the primary. Behind a load balancer both are also pinned to their connection,
//! because another connection may lead to another server (specification "Load Balancers", section
//! "Connection Pinning").
//!
//! The connection is pinned like that of a request (`pool/pins.rs`). It counts as checked out until
//! the last clone of the pin is dropped.

use std::sync::Arc;

use crate::error::Error;
use crate::pool::{Lease, PinnedConnection, PinnedFor};
use crate::topology::Server;

/// A server, and possibly a connection to it.
#[derive(Clone)]
pub(crate) struct PinnedTo {
    server: Arc<Server>,
    connection: Option<PinnedConnection>,
}

impl PinnedTo {
    /// Pins to `server`, and behind a load balancer to the connection of `lease`.
    pub(super) fn to(server: &Arc<Server>, lease: &mut Lease, purpose: PinnedFor) -> Self {
        let behind_balancer = lease.description().service_id.is_some();
        let connection = behind_balancer.then(|| lease.pin(purpose));
        PinnedTo { server: Arc::clone(server), connection }
    }

    /// Pins to `server` alone.
    #[cfg(test)]
    pub(super) fn member(server: &Arc<Server>) -> Self {
        PinnedTo { server: Arc::clone(server), connection: None }
    }

    pub(crate) fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// Whether a connection is pinned as well.
    pub(crate) fn holds_connection(&self) -> bool {
        self.connection.is_some()
    }

    pub(super) fn connection(&self) -> Option<&PinnedConnection> {
        self.connection.as_ref()
    }

    /// Whether nothing can be sent over the connection any more.
    pub(crate) fn is_lost(&self) -> bool {
        self.connection.as_ref().is_some_and(PinnedConnection::is_lost)
    }

    /// Identifies the pin. Two existing pins with the same number have the same target.
    pub(crate) fn number(&self) -> (usize, u64) {
        match &self.connection {
            Some(connection) => connection.number(),
            None => (Arc::as_ptr(&self.server).addr(), 0),
        }
    }
}

/// The error of a command whose pinned connection is gone.
#[cold]
pub(super) fn lost() -> Error {
    let cause = std::io::Error::new(
        std::io::ErrorKind::NotConnected,
        "the connection that the cursor or transaction is pinned to was closed; start it again",
    );
    Error::io("sending over a pinned connection", cause)
}
