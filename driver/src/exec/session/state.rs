//! The state of an explicit session for the executor: its server session, its times, and its
//! transaction.

use std::sync::Arc;
use std::time::Instant;

use bson::{Document, Timestamp, doc};

use super::abandoned;
use super::transaction::{End, Transaction, TransactionState};
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::exec::telemetry::TransactionSpan;
use crate::exec::{ClusterTime, Core, ServerSession, Timeout};
use crate::options::{SessionOptions, TransactionOptions};

/// The part of a session that the executor uses, independent of the API.
pub(crate) struct SessionState {
    core: Arc<Core>,
    server: Option<ServerSession>,
    id: Document,
    options: SessionOptions,
    cluster_time: Option<ClusterTime>,
    operation_time: Option<Timestamp>,
    snapshot_time: Option<Timestamp>,
    pub(super) transaction: Transaction,
    /// The deadline of the running convenient transaction, if it has a timeout.
    deadline: Option<Deadline>,
}

impl SessionState {
    pub(crate) fn new(core: &Arc<Core>, options: SessionOptions) -> Result<Self> {
        if options.snapshot == Some(true) && options.causal_consistency == Some(true) {
            return Err(Error::invalid_argument(
                "a session is either causally consistent or a snapshot; set one of the two",
            ));
        }
        if options.snapshot_time.is_some() && options.snapshot != Some(true) {
            return Err(Error::invalid_argument(
                "snapshot_time is only for snapshot sessions; set snapshot as well",
            ));
        }
        let server = core.sessions.take(core.deployment.logical_session_timeout(), Instant::now());
        let id = doc! { "id": bson::Uuid::from_bytes(server.id()) };
        Ok(SessionState {
            core: Arc::clone(core),
            server: Some(server),
            id,
            snapshot_time: options.snapshot_time,
            options,
            cluster_time: None,
            operation_time: None,
            transaction: Transaction::default(),
            deadline: None,
        })
    }

    /// A copy of the session for one command in the background. The caller keeps the session.
    /// [`take_back`](Self::take_back) returns the new values of the copy to it.
    pub(crate) fn lend(&mut self) -> Self {
        let SessionState {
            core,
            server,
            id,
            options,
            cluster_time,
            operation_time,
            snapshot_time,
            transaction,
            deadline,
        } = self;
        SessionState {
            core: Arc::clone(core),
            server: server.as_mut().map(ServerSession::background_copy),
            id: id.clone(),
            options: options.clone(),
            cluster_time: cluster_time.clone(),
            operation_time: *operation_time,
            snapshot_time: *snapshot_time,
            transaction: transaction.clone(),
            deadline: *deadline,
        }
    }

    /// Takes the new values of a copy. Ignores a copy of another session. From a copy of another
    /// transaction it takes only the times.
    pub(crate) fn take_back(&mut self, mut lent: Self) {
        let id = |state: &Self| state.server.as_ref().map(ServerSession::id);
        if id(self) != id(&lent) {
            return;
        }
        if let Some(time) = &lent.cluster_time {
            self.advance_cluster_time(time);
        }
        if let Some(time) = lent.operation_time {
            self.advance_operation_time(time);
        }
        if self.txn_number() == lent.txn_number() && self.transaction.is_active() {
            self.transaction = std::mem::take(&mut lent.transaction);
        }
    }

    /// Whether the session was started by the client that `core` belongs to.
    pub(crate) fn belongs_to(&self, core: &Core) -> bool {
        self.core.is_same_client(core)
    }

    /// The id of the session on the server: `{ id: <UUID> }`.
    pub(crate) fn id(&self) -> &Document {
        &self.id
    }

    pub(crate) fn options(&self) -> &SessionOptions {
        &self.options
    }

    pub(crate) fn operation_time(&self) -> Option<Timestamp> {
        self.operation_time
    }

    /// # Errors
    /// `InvalidArgument` in a forked child, because the session belongs to the parent.
    pub(crate) fn check_process(&self) -> Result<()> {
        if self.server.as_ref().is_some_and(|server| !server.is_of_this_process()) {
            return Err(Error::invalid_argument(
                "the session was started before the process forked, and belongs to the parent \
                 process; start a new session in this process",
            ));
        }
        Ok(())
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    pub(crate) fn transaction(&self) -> &Transaction {
        &self.transaction
    }

    /// Starts a transaction. Sends nothing.
    ///
    /// # Errors
    /// `InvalidArgument` if a transaction is in progress, the write concern is unacknowledged, or
    /// the session is a snapshot session.
    pub(crate) fn start_transaction(&mut self, own: TransactionOptions) -> Result<()> {
        self.check_process()?;
        if self.is_snapshot() {
            return Err(Error::invalid_argument(
                "Transactions are not supported in snapshot sessions; use another session",
            ));
        }
        let client = &self.core.options;
        let inherited = TransactionOptions {
            read_concern: client.read_concern.clone(),
            write_concern: client.write_concern.clone(),
            selection_criteria: client.selection_criteria.clone(),
            max_commit_time: None,
        };
        let defaults = self.options.default_transaction_options.clone().unwrap_or_default();
        let earlier = self.transaction.start(own.or(defaults).or(inherited))?;
        self.leave(earlier);
        self.transaction.span = TransactionSpan::begin(&self.core);
        if let Some(server) = &mut self.server {
            server.next_txn_number();
        }
        Ok(())
    }

    /// Starts a commit. Returns whether it needs a command.
    ///
    /// # Errors
    /// `InvalidArgument` when there is none.
    pub(crate) fn commit(&mut self) -> Result<End> {
        self.check_process()?;
        self.transaction.commit()
    }

    /// Starts an abort. Returns whether it needs a command.
    ///
    /// # Errors
    /// `InvalidArgument` when there is none.
    pub(crate) fn abort(&mut self) -> Result<End> {
        self.check_process()?;
        self.transaction.abort()
    }

    /// Ends the span of the transaction.
    pub(crate) fn end_transaction_span(&mut self) {
        let _span = std::mem::take(&mut self.transaction.span);
    }

    /// The parent span of the operations of the transaction.
    #[cfg(feature = "opentelemetry")]
    pub(crate) fn transaction_span(&self) -> Option<&opentelemetry::Context> {
        self.transaction.span.context()
    }

    /// Unpins the transaction, because nothing more is sent for it.
    pub(crate) fn unpin(&mut self) {
        self.transaction.unpin();
    }

    /// Forgets the transaction, which then expires on the server.
    pub(super) fn forget(mut self) {
        self.transaction = Transaction::default();
    }

    /// An operation that does not belong to the transaction uses the session: what has ended is
    /// forgotten.
    pub(super) fn forget_transaction(&mut self) {
        if self.transaction.state() != TransactionState::None {
            let ended = std::mem::take(&mut self.transaction);
            self.leave(ended);
        }
    }

    /// The session goes on without `transaction`. It is aborted in the background if it is open:
    /// the command that was to end it was never sent.
    fn leave(&mut self, transaction: Transaction) {
        let Some(server) = self.server.as_mut().filter(|server| !server.is_background_copy())
        else {
            return;
        };
        if transaction.is_open() {
            let server = server.background_copy();
            self.abort_in_background(server, transaction);
        }
    }

    /// Otherwise the transaction would hold its locks until the server gives it up.
    fn abort_in_background(&self, server: ServerSession, mut transaction: Transaction) {
        transaction.abandon();
        abandoned::abort(SessionState {
            core: Arc::new(self.core.outside_of_requests()),
            server: Some(server),
            id: self.id.clone(),
            options: self.options.clone(),
            cluster_time: self.cluster_time.clone(),
            operation_time: self.operation_time,
            snapshot_time: None,
            transaction,
            deadline: None,
        });
    }

    /// The number of the transaction.
    pub(super) fn txn_number(&self) -> Option<i64> {
        self.server.as_ref().map(ServerSession::txn_number)
    }

    /// The deadline of all operations in the session, while a convenient transaction with a timeout
    /// runs.
    pub(crate) fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }

    pub(crate) fn set_deadline(&mut self, deadline: Option<Deadline>) {
        self.deadline = deadline;
    }

    /// The time limit of commits and aborts.
    pub(crate) fn timeout(&self) -> Timeout {
        Timeout::from(self.options.default_timeout.or(self.core.options.timeout))
    }

    pub(super) fn server_session(&self) -> Option<&ServerSession> {
        self.server.as_ref()
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

    /// The time that reads must reflect, if the session is causally consistent.
    pub(crate) fn after_cluster_time(&self) -> Option<Timestamp> {
        let causal = self.options.causal_consistency.unwrap_or(!self.is_snapshot());
        self.operation_time.filter(|_| causal)
    }

    /// The point in time of a snapshot session, once the first read has set it.
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
        let Some(server) = self.server.take() else { return };
        if !self.transaction.is_open()
            || server.is_background_copy()
            || !server.is_of_this_process()
        {
            return self.core.give_back(server);
        }
        let transaction = std::mem::take(&mut self.transaction);
        self.abort_in_background(server, transaction);
    }
}
