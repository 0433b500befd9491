//! Where the later commands of a cursor or a transaction go: to the member that the first one went
//! to, and behind a load balancer over the very connection, for another may lead to another backend
//! (specification "Load Balancers", section "Connection Pinning").
//!
//! The connection is pinned as that of a request is (`pool/pins.rs`). It counts as checked out
//! until the last clone of the pin is dropped.

use std::sync::Arc;

use crate::error::Error;
use crate::pool::{Lease, PinnedConnection, PinnedFor};
use crate::topology::Server;

/// A member, and perhaps a connection to it.
#[derive(Clone)]
pub(crate) struct PinnedTo {
    server: Arc<Server>,
    connection: Option<PinnedConnection>,
}

impl PinnedTo {
    /// To `server`, and behind a load balancer over the connection of `lease`.
    pub(super) fn to(server: &Arc<Server>, lease: &mut Lease, purpose: PinnedFor) -> Self {
        let behind_balancer = lease.description().service_id.is_some();
        let connection = behind_balancer.then(|| lease.pin(purpose));
        PinnedTo { server: Arc::clone(server), connection }
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

    /// Whether nothing can be sent that way any more.
    pub(crate) fn is_lost(&self) -> bool {
        self.connection.as_ref().is_some_and(PinnedConnection::is_lost)
    }

    /// Tells pins apart. Two with the same number go the same way, as long as both exist.
    pub(crate) fn number(&self) -> usize {
        match &self.connection {
            Some(connection) => connection.number(),
            None => Arc::as_ptr(&self.server).addr(),
        }
    }
}

/// The error of a command whose pinned connection is gone.
#[cold]
pub(super) fn lost() -> Error {
    let cause = std::io::Error::new(
        std::io::ErrorKind::NotConnected,
        "the connection that the cursor or transaction is pinned to was closed; begin it again",
    );
    Error::io("sending over a pinned connection", cause)
}
