//! Explicit sessions: operations that belong together.

use std::fmt;

use bson::{Document, Timestamp};

use crate::client::Client;
use crate::error::Result;
pub use crate::exec::ClusterTime;
use crate::exec::SessionState;
use crate::mode::Mode;
use crate::options::SessionOptions;

/// A session that the caller started: operations that are given it see their own writes and those
/// before them, whichever members answer.
///
/// Made by [`Client::start_session`]. It is for one operation at a time, which `&mut` sees to.
/// Dropped, it gives its server session back to the client. It belongs to the process that started
/// it: a forked child that uses it gets `InvalidArgument`, and starts its own.
///
/// A session that is not used within a minute of being started may have expired on the server;
/// start one when it is needed.
///
/// Named through its API: [`driver::ClientSession`](crate::ClientSession) and
/// [`driver::sync::ClientSession`](crate::sync::ClientSession).
pub struct ClientSession<F: Mode> {
    state: SessionState,
    client: Client<F>,
}

impl<F: Mode> ClientSession<F> {
    pub(crate) fn state(&mut self) -> &mut SessionState {
        &mut self.state
    }

    /// The client that started the session.
    pub fn client(&self) -> &Client<F> {
        &self.client
    }

    /// The id that the server knows the session by: `{ id: <UUID> }`.
    pub fn id(&self) -> &Document {
        self.state.id()
    }

    /// The options that the session was started with.
    pub fn options(&self) -> &SessionOptions {
        self.state.options()
    }

    /// The highest cluster time that the session has seen.
    pub fn cluster_time(&self) -> Option<&ClusterTime> {
        self.state.cluster_time()
    }

    /// The time of the latest operation of the session.
    pub fn operation_time(&self) -> Option<Timestamp> {
        self.state.operation_time()
    }

    /// The point in time that all reads of a snapshot session see, once the first has set it.
    pub fn snapshot_time(&self) -> Option<Timestamp> {
        self.state.at_cluster_time()
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

impl<F: Mode> fmt::Debug for ClientSession<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSession").field("id", self.state.id()).finish_non_exhaustive()
    }
}

/// Starts a session. Made by [`Client::start_session`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct StartSession<'a, F: Mode> {
    client: &'a Client<F>,
    options: SessionOptions,
}

impl<'a, F: Mode> StartSession<'a, F> {
    pub(crate) fn new(client: &'a Client<F>) -> Self {
        StartSession { client, options: SessionOptions::default() }
    }

    /// Whether each operation reflects those before it. Default: true, unless the session is a
    /// snapshot.
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

impl<'a> std::future::IntoFuture for StartSession<'a, crate::mode::Async> {
    type Output = Result<ClientSession<crate::mode::Async>>;
    type IntoFuture = std::future::Ready<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        std::future::ready(self.open())
    }
}

impl StartSession<'_, crate::mode::Blocking> {
    /// Starts the session.
    ///
    /// # Errors
    /// As [`Client::start_session`].
    pub fn run(self) -> Result<ClientSession<crate::mode::Blocking>> {
        self.open()
    }
}
