//! Explicit sessions: operations that belong together, and transactions.

mod and_run;
mod transaction;

use std::fmt;
use std::time::Duration;

use bson::{Document, Timestamp};

pub use self::and_run::TransactionBody;
pub use self::transaction::{AbortTransaction, CommitTransaction, StartTransaction};
use crate::client::Client;
use crate::error::Result;
pub use crate::exec::ClusterTime;
use crate::exec::SessionState;
use crate::mode::Mode;
use crate::options::{SessionOptions, TransactionOptions};

/// A session that the caller started: operations that are given it see their own writes and those
/// before them, whichever members answer.
///
/// Made by [`Client::start_session`]. It is for one operation at a time, which `&mut` sees to.
/// Dropped, it gives its server session back to the client, after a transaction that is still open
/// has been aborted in the background. It belongs to the process that started
/// it: a forked child that uses it gets `InvalidArgument`, and starts its own.
///
/// A session that is not used within a minute of being started may have expired on the server;
/// start one when it is needed.
///
/// Use it as [`driver::ClientSession`](crate::ClientSession) or
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

    /// The id of the session on the server: `{ id: <UUID> }`.
    pub fn id(&self) -> &Document {
        self.state.id()
    }

    /// The options of the session.
    pub fn options(&self) -> &SessionOptions {
        self.state.options()
    }

    /// The highest cluster time of the session's replies.
    pub fn cluster_time(&self) -> Option<&ClusterTime> {
        self.state.cluster_time()
    }

    /// The operation time of the last operation.
    pub fn operation_time(&self) -> Option<Timestamp> {
        self.state.operation_time()
    }

    /// The point in time of a snapshot session's reads; `None` before the first read.
    pub fn snapshot_time(&self) -> Option<Timestamp> {
        self.state.at_cluster_time()
    }

    /// Starts a transaction: operations that are given this session belong to it until it is
    /// committed or aborted. Nothing is sent before the first of them.
    ///
    /// What the options leave open is taken from the session's
    /// [`default_transaction_options`](SessionOptions::default_transaction_options), else from the
    /// client. The operations must not have concerns of their own; those of databases and
    /// collections do not hold. An operation that fails may have aborted the transaction on the
    /// server; a commit is then refused.
    ///
    /// [`and_run2`](StartTransaction::and_run2) and [`and_run`](StartTransaction::and_run) commit
    /// or abort by themselves, and start again where that helps.
    ///
    /// ```no_run
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// use driver::bson::{Document, doc};
    /// use driver::options::WriteConcern;
    ///
    /// let items = client.database("shop").collection::<Document>("items");
    /// let mut session = client.start_session().await?;
    /// session.start_transaction().write_concern(WriteConcern::majority()).await?;
    /// items.insert_one(doc! { "_id": 1 }).session(&mut session).await?;
    /// items.delete_one(doc! { "_id": 2 }).session(&mut session).await?;
    /// session.commit_transaction().await
    /// # }
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` when a transaction is in progress already, the write concern is
    /// unacknowledged, or the session reads a snapshot.
    pub fn start_transaction(&mut self) -> StartTransaction<'_, F> {
        StartTransaction { session: self, options: TransactionOptions::default(), timeout: None }
    }

    /// Commits the transaction. One without operations ends without a command.
    ///
    /// Sent once more after a failure by the network or an election, whatever `retry_writes` says.
    /// An error with the label `UnknownTransactionCommitResult` leaves open whether it was
    /// committed: call it again. A commit that is sent again asks for the write concern "majority".
    ///
    /// ```no_run
    /// # async fn example(session: &mut driver::ClientSession) -> driver::Result<()> {
    /// use driver::error::UNKNOWN_TRANSACTION_COMMIT_RESULT;
    ///
    /// while let Err(error) = session.commit_transaction().await {
    ///     if !error.has_label(UNKNOWN_TRANSACTION_COMMIT_RESULT) {
    ///         return Err(error);
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// - `InvalidArgument` when no transaction was started, or it was aborted.
    /// - `Write` when it was committed, and its write concern was not met.
    /// - Those of every operation: `ServerSelection`, `Io`, `Timeout`, `Command`. One with the
    ///   label `TransientTransactionError` was not committed; start it again.
    ///
    /// # Cancel safety
    /// Dropped while it runs, the transaction may or may not have been committed. Call it again.
    pub fn commit_transaction(&mut self) -> CommitTransaction<'_, F> {
        CommitTransaction { session: self, timeout: None }
    }

    /// Aborts the transaction. One without operations ends without a command.
    ///
    /// ```no_run
    /// # async fn example(session: &mut driver::ClientSession) -> driver::Result<()> {
    /// session.abort_transaction().await
    /// # }
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` when no transaction was started, or it was committed or aborted. Errors of
    /// the server do not matter: it aborts the transaction by itself.
    ///
    /// # Cancel safety
    /// Dropped while it runs, the server may abort the transaction only when it gives it up, by
    /// default after a minute.
    pub fn abort_transaction(&mut self) -> AbortTransaction<'_, F> {
        AbortTransaction { session: self, timeout: None }
    }

    /// Raises the session's cluster time to `to`, that of another session.
    pub fn advance_cluster_time(&mut self, to: &ClusterTime) {
        self.state.advance_cluster_time(to);
    }

    /// Makes later reads reflect all operations up to `to`.
    pub fn advance_operation_time(&mut self, to: Timestamp) {
        self.state.advance_operation_time(to);
    }
}

impl<F: Mode> fmt::Debug for ClientSession<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSession")
            .field("id", self.state.id())
            .field("transaction", &self.state.transaction().state())
            .field("pinned_to", &self.state.transaction().pin().map(|pin| pin.server().address()))
            .finish_non_exhaustive()
    }
}

/// Starts a session. Returned by [`Client::start_session`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct StartSession<'a, F: Mode> {
    client: &'a Client<F>,
    options: SessionOptions,
}

impl<'a, F: Mode> StartSession<'a, F> {
    pub(crate) fn new(client: &'a Client<F>) -> Self {
        StartSession { client, options: SessionOptions::default() }
    }

    /// Each operation reflects the earlier ones. Default: true, unless the session is a snapshot.
    pub fn causal_consistency(mut self, value: bool) -> Self {
        self.options.causal_consistency = Some(value);
        self
    }

    /// All reads see the data of one point in time. Default: false.
    pub fn snapshot(mut self, value: bool) -> Self {
        self.options.snapshot = Some(value);
        self
    }

    /// The point in time that all reads of a snapshot see, such as another session's
    /// [`snapshot_time`](ClientSession::snapshot_time). Default: the server chooses it for the
    /// first read.
    pub fn snapshot_time(mut self, value: Timestamp) -> Self {
        self.options.snapshot_time = Some(value);
        self
    }

    /// The options of transactions that are started without their own.
    pub fn default_transaction_options(mut self, value: TransactionOptions) -> Self {
        self.options.default_transaction_options = Some(value);
        self
    }

    /// The time limit (`timeoutMS`) of committing and aborting a transaction, and of
    /// [`and_run`](StartTransaction::and_run) as a whole. Default: the client's.
    pub fn default_timeout(mut self, value: Duration) -> Self {
        self.options.default_timeout = Some(value);
        self
    }

    /// Replaces all options.
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
