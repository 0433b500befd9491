//! Explicit sessions: operations that belong together.

use std::fmt;
use std::sync::Arc;

use bson::{Document, Timestamp, doc};

use crate::client::Client;
use crate::error::{Error, Result};
pub use crate::exec::ClusterTime;
use crate::exec::{Core, ServerSession};
use crate::face::Face;
use crate::options::builder::builder;

/// A session that the caller started: operations that are given it see their own writes and those before them, whichever members answer.
///
/// Made by [`Client::start_session`]. It is for one operation at a time, which `&mut` sees to. Dropped, it gives its server session back to
/// the client. It belongs to the process that started it: a forked child that uses it gets `InvalidArgument`, and starts its own.
///
/// A session that is not used within a minute of being started may have expired on the server; start one when it is needed.
///
/// Named through its face: [`driver::ClientSession`](crate::ClientSession) and [`driver::sync::ClientSession`](crate::sync::ClientSession).
pub struct ClientSession<F: Face> {
    state: SessionState,
    client: Client<F>,
}

/// What a session is to do beside naming its operations.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SessionOptions {
    /// Whether each read reflects the operations before it. Default: true, unless `snapshot` is.
    pub causal_consistency: Option<bool>,
    /// Whether all reads see the data of one point in time. Default: false.
    pub snapshot: Option<bool>,
}

builder! {
    /// Builds [`SessionOptions`].
    SessionOptionsBuilder builds SessionOptions {
        causal_consistency: Option<bool>,
        snapshot: Option<bool>,
    }
}

/// The part of a session that the executor works with, whatever the face.
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
    fn new(core: &Arc<Core>, options: SessionOptions) -> Result<Self> {
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

    /// Whether the process has forked since the session was started: the session is then the parent's.
    pub(crate) fn is_inherited(&self) -> bool {
        self.server.as_ref().is_some_and(|server| !server.is_of_this_process())
    }

    pub(crate) fn server(&mut self) -> Option<&mut ServerSession> {
        self.server.as_mut()
    }

    pub(crate) fn server_id(&self) -> Option<[u8; 16]> {
        self.server.as_ref().map(ServerSession::id)
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

impl<F: Face> ClientSession<F> {
    pub(crate) fn state(&mut self) -> &mut SessionState {
        &mut self.state
    }

    /// The client that started the session.
    pub fn client(&self) -> &Client<F> {
        &self.client
    }

    /// The id that the server knows the session by: `{ id: <UUID> }`.
    pub fn id(&self) -> &Document {
        &self.state.id
    }

    /// The options that the session was started with.
    pub fn options(&self) -> &SessionOptions {
        &self.state.options
    }

    /// The highest cluster time that the session has seen.
    pub fn cluster_time(&self) -> Option<&ClusterTime> {
        self.state.cluster_time()
    }

    /// The time of the latest operation of the session.
    pub fn operation_time(&self) -> Option<Timestamp> {
        self.state.operation_time
    }

    /// The point in time that all reads of a snapshot session see, once the first has set it.
    pub fn snapshot_time(&self) -> Option<Timestamp> {
        self.state.snapshot_time
    }

    /// Makes the session's cluster time at least `to`, which another session saw.
    pub fn advance_cluster_time(&mut self, to: &ClusterTime) {
        self.state.advance_cluster_time(to);
    }

    /// Makes later reads reflect at least what had happened at `to`.
    pub fn advance_operation_time(&mut self, to: Timestamp) {
        self.state.advance_operation_time(to);
    }
}

impl<F: Face> fmt::Debug for ClientSession<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSession").field("id", &self.state.id).finish_non_exhaustive()
    }
}

/// Starts a session. Made by [`Client::start_session`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct StartSession<'a, F: Face> {
    client: &'a Client<F>,
    options: SessionOptions,
}

impl<'a, F: Face> StartSession<'a, F> {
    pub(crate) fn new(client: &'a Client<F>) -> Self {
        StartSession { client, options: SessionOptions::default() }
    }

    /// Whether each read reflects the operations before it. Default: true, unless the session is a snapshot.
    pub fn causal_consistency(mut self, value: bool) -> Self {
        self.options.causal_consistency = Some(value);
        self
    }

    /// Whether all reads see the data of one point in time. Default: false.
    pub fn snapshot(mut self, value: bool) -> Self {
        self.options.snapshot = Some(value);
        self
    }

    /// Replaces all options at once.
    pub fn with_options(mut self, options: impl Into<Option<SessionOptions>>) -> Self {
        self.options = options.into().unwrap_or_default();
        self
    }

    fn open(self) -> Result<ClientSession<F>> {
        let state = SessionState::new(self.client.core(), self.options)?;
        Ok(ClientSession { state, client: self.client.clone() })
    }
}

impl<'a> std::future::IntoFuture for StartSession<'a, crate::face::Async> {
    type Output = Result<ClientSession<crate::face::Async>>;
    type IntoFuture = std::future::Ready<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        std::future::ready(self.open())
    }
}

impl StartSession<'_, crate::face::Blocking> {
    /// Starts the session.
    ///
    /// # Errors
    /// As [`Client::start_session`].
    pub fn run(self) -> Result<ClientSession<crate::face::Blocking>> {
        self.open()
    }
}
