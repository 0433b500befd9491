//! A session of the caller's, as the executor works with it: its server session, and the times that
//! it has seen.

use std::sync::Arc;

use bson::{Document, Timestamp, doc};

use crate::error::{Error, Result};
use crate::exec::{ClusterTime, Core, ServerSession};
use crate::options::SessionOptions;

/// The part of a session that the executor works with, whatever the API.
pub(crate) struct SessionState {
    core: Arc<Core>,
    server: Option<ServerSession>,
    id: Document,
    options: SessionOptions,
    cluster_time: Option<ClusterTime>,
    operation_time: Option<Timestamp>,
    snapshot_time: Option<Timestamp>,
}

impl SessionState {
    pub(crate) fn new(core: &Arc<Core>, options: SessionOptions) -> Result<Self> {
        if options.snapshot == Some(true) && options.causal_consistency == Some(true) {
            return Err(Error::invalid_argument(
                "a session is either causally consistent or a snapshot; set one of the two",
            ));
        }
        let server = core.sessions.take(core.deployment.logical_session_timeout());
        let id = doc! { "id": bson::Uuid::from_bytes(server.id()) };
        Ok(SessionState {
            core: Arc::clone(core),
            server: Some(server),
            id,
            options,
            cluster_time: None,
            operation_time: None,
            snapshot_time: None,
        })
    }

    /// Whether the session was started by the client that `core` belongs to.
    pub(crate) fn belongs_to(&self, core: &Core) -> bool {
        self.core.is_same_client(core)
    }

    /// The id that the server knows the session by: `{ id: <UUID> }`.
    pub(crate) fn id(&self) -> &Document {
        &self.id
    }

    pub(crate) fn options(&self) -> &SessionOptions {
        &self.options
    }

    pub(crate) fn operation_time(&self) -> Option<Timestamp> {
        self.operation_time
    }

    /// Whether the process has forked since the session was started: the session is then the
    /// parent's.
    pub(crate) fn is_inherited(&self) -> bool {
        self.server.as_ref().is_some_and(|server| !server.is_of_this_process())
    }

    pub(crate) fn server(&mut self) -> Option<&mut ServerSession> {
        self.server.as_mut()
    }

    pub(crate) fn cluster_time(&self) -> Option<&ClusterTime> {
        self.cluster_time.as_ref()
    }

    pub(crate) fn is_snapshot(&self) -> bool {
        self.options.snapshot == Some(true)
    }

    /// The time that reads must reflect, where the session is causally consistent.
    pub(crate) fn after_cluster_time(&self) -> Option<Timestamp> {
        let causal = self.options.causal_consistency.unwrap_or(!self.is_snapshot());
        self.operation_time.filter(|_| causal)
    }

    /// The point in time that all reads of a snapshot see, once the first has set it.
    pub(crate) fn at_cluster_time(&self) -> Option<Timestamp> {
        self.snapshot_time
    }

    pub(crate) fn saw_snapshot(&mut self, time: Timestamp) {
        self.snapshot_time.get_or_insert(time);
    }

    pub(crate) fn advance_cluster_time(&mut self, to: &ClusterTime) {
        if self.cluster_time.as_ref().is_none_or(|current| current.is_before(to)) {
            self.cluster_time = Some(to.clone());
        }
    }

    pub(crate) fn advance_operation_time(&mut self, to: Timestamp) {
        if self.operation_time.is_none_or(|current| current < to) {
            self.operation_time = Some(to);
        }
    }
}

impl Drop for SessionState {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.core.give_back(server);
        }
    }
}
