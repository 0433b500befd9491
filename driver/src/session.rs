//! Explicit sessions and transactions.

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

/// An explicit session. Operations in a session see the writes of earlier operations of the
/// session, on any member.
///
/// Created by [`Client::start_session`]. A session runs one operation at a time; `&mut` enforces
/// that. Dropping it aborts an open transaction in the background and returns the server session to
/// the client. It belongs to the process that started it: in a forked child, operations with it
/// fail with `InvalidArgument`.
///
/// Start a session when you need it. If it is not used within a minute, it may expire on the
/// server.
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
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// let monkeys = client.database("zoo").collection::<Document>("monkeys");
    /// let mut session = client.start_session().await?;
    /// monkeys.find_one(doc! {}).session(&mut session).await?;
    /// println!("{} at {:?}", session.id(), session.operation_time());
    /// println!("{:?} {:?}", session.options(), session.cluster_time());
    ///
    /// // Another session that reads the same point in time.
    /// let mut snapshot = client.start_session().snapshot(true).await?;
    /// monkeys.find_one(doc! {}).session(&mut snapshot).await?;
    /// if let Some(time) = snapshot.snapshot_time() {
    ///     let other = session.client().start_session().snapshot(true).snapshot_time(time).await?;
    ///     # drop(other);
    /// }
    /// # Ok(())
    /// # }
    /// ```
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

    /// Starts a transaction. Operations with this session belong to it until it is committed or
    /// aborted. Sends nothing to a server.
    ///
    /// Options that are not set come from the session's
    /// [`default_transaction_options`](SessionOptions::default_transaction_options), or else from
    /// the client. Operations in the transaction must not set their own concerns, and those of
    /// databases and collections do not apply. A failed operation may have aborted the transaction
    /// on the server. The commit then fails.
    ///
    /// [`and_run2`](StartTransaction::and_run2) and [`and_run`](StartTransaction::and_run) commit
    /// or abort automatically, and retry the transaction.
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
    /// `InvalidArgument` if a transaction is already in progress, the write concern is
    /// unacknowledged, or the session is a snapshot session.
    #[doc(alias = "begin")]
    pub fn start_transaction(&mut self) -> StartTransaction<'_, F> {
        StartTransaction { session: self, options: TransactionOptions::default(), timeout: None }
    }

    /// Commits the transaction. Sends nothing if it had no operations.
    ///
    /// Retried once after a network error or an election, also without `retry_writes`. After an
    /// error with the label `UnknownTransactionCommitResult` the transaction may or may not be
    /// committed: call this again. A commit that is sent again uses the write concern "majority".
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
    /// - `InvalidArgument` if no transaction was started, or it was aborted.
    /// - `Write` if it was committed but its write concern failed.
    /// - Those of every operation: `ServerSelection`, `Io`, `Timeout`, `Command`. If the error has
    ///   the label `TransientTransactionError`, the transaction was not committed. Start it again.
    ///
    /// # Cancel safety
    /// If the future is dropped, the transaction may or may not be committed. Call this again.
    #[doc(alias = "commit")]
    pub fn commit_transaction(&mut self) -> CommitTransaction<'_, F> {
        CommitTransaction { session: self, timeout: None }
    }

    /// Aborts the transaction. Sends nothing if it had no operations.
    ///
    /// ```no_run
    /// # async fn example(session: &mut driver::ClientSession) -> driver::Result<()> {
    /// session.abort_transaction().await
    /// # }
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` if no transaction was started, or it was already committed or aborted.
    /// Errors of the server are ignored, because the transaction then expires on the server.
    ///
    /// # Cancel safety
    /// If the future is dropped, the transaction may stay open until it expires on the server, by
    /// default after a minute.
    #[doc(alias = "rollback")]
    pub fn abort_transaction(&mut self) -> AbortTransaction<'_, F> {
        AbortTransaction { session: self, timeout: None }
    }

    /// Advances the session's cluster time to `to`, for example that of another session.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::{Client, ClientSession};
    /// # async fn example(client: Client, seen: &ClientSession) -> driver::Result<()> {
    /// // This session sees the writes of the other one.
    /// let mut session = client.start_session().await?;
    /// if let (Some(cluster), Some(operation)) = (seen.cluster_time(), seen.operation_time()) {
    ///     session.advance_cluster_time(cluster);
    ///     session.advance_operation_time(operation);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn advance_cluster_time(&mut self, to: &ClusterTime) {
        self.state.advance_cluster_time(to);
    }

    /// Makes later reads reflect all operations up to `to`.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::Timestamp;
    /// # async fn example(client: driver::Client, seen: Timestamp) -> driver::Result<()> {
    /// let mut session = client.start_session().await?;
    /// session.advance_operation_time(seen);
    /// # Ok(())
    /// # }
    /// ```
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

    /// Enables causal consistency. Default: true, except for snapshot sessions.
    // The official crate has this signature.
    pub fn causal_consistency(mut self, value: bool) -> Self {
        self.options.causal_consistency = Some(value);
        self
    }

    /// All reads see the data of one point in time. Default: false.
    // The official crate has this signature.
    pub fn snapshot(mut self, value: bool) -> Self {
        self.options.snapshot = Some(value);
        self
    }

    /// The point in time of all reads of a snapshot session, such as another session's
    /// [`snapshot_time`](ClientSession::snapshot_time). Default: the server chooses it for the
    /// first read.
    pub fn snapshot_time(mut self, value: Timestamp) -> Self {
        self.options.snapshot_time = Some(value);
        self
    }

    /// The default options of transactions.
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
    /// Those of [`Client::start_session`].
    ///
    /// # Examples
    /// ```no_run
    /// # fn example(client: driver::sync::Client) -> driver::Result<()> {
    /// let session = client.start_session().run()?;
    /// # drop(session);
    /// # Ok(())
    /// # }
    /// ```
    pub fn run(self) -> Result<ClientSession<crate::mode::Blocking>> {
        self.open()
    }
}
