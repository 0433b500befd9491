//! The transaction of a session: its states and their changes (specification "Transactions").
//!
//! Starting a transaction changes only this state. The server learns of it from its first command,
//! and never of a transaction without commands. Once a commit has started, the transaction accepts
//! no more operations, even if the commit fails. A further commit sends the same command again
//! with the write concern "majority", so that a committed transaction is not taken for lost.

use std::time::Duration;

use bson::RawDocumentBuf;

use crate::error::{
    Error, ErrorKind, RETRYABLE_WRITE_ERROR, Result, TRANSIENT_TRANSACTION_ERROR,
    UNKNOWN_TRANSACTION_COMMIT_RESULT, WriteFailure, codes,
};
use crate::exec::pinned_to::PinnedTo;
use crate::exec::telemetry::TransactionSpan;
use crate::options::{Acknowledgment, SelectionCriteria, TransactionOptions, WriteConcern};
use crate::topology::PRIMARY;

/// The default `wtimeout` of a repeated commit.
const MAJORITY_WITHIN: Duration = Duration::from_secs(10);

/// The state of a session's transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TransactionState {
    /// There is no transaction.
    #[default]
    None,
    /// It was started, and no command was sent.
    Starting,
    /// A command was sent.
    InProgress,
    /// A commit has started.
    Committed,
    /// An abort has started.
    Aborted,
}

/// Whether ending a transaction needs a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// No, because it had no commands.
    Empty,
    /// Yes.
    ByCommand,
}

/// The transaction of a session.
#[derive(Clone, Default)]
pub(crate) struct Transaction {
    state: TransactionState,
    /// The merged options of the transaction.
    options: TransactionOptions,
    /// Whether one of its commands was sent.
    is_known: bool,
    /// Whether it may be open on the server, and no command to end it was sent.
    is_open: bool,
    /// Whether one of its commands failed with a transient error, which ended it on the server.
    is_transient_failure: bool,
    /// The target of its commands, on a sharded cluster or behind a load balancer.
    pin: Option<PinnedTo>,
    /// Its span, until it has ended.
    pub(super) span: TransactionSpan,
    /// The token with which another mongos can find its result.
    recovery_token: Option<RawDocumentBuf>,
}

impl Transaction {
    /// Starts a transaction. Returns the one before it.
    ///
    /// # Errors
    /// `InvalidArgument` if one is in progress, or the write concern is unacknowledged.
    pub(super) fn start(&mut self, options: TransactionOptions) -> Result<Self> {
        if self.is_active() {
            return Err(Error::invalid_argument(
                "Transaction already in progress; commit or abort it before you start another",
            ));
        }
        let concern = options.write_concern.as_ref();
        if concern.is_some_and(|concern| !concern.is_acknowledged()) {
            return Err(Error::invalid_argument(
                "transactions do not support unacknowledged write concerns; set another \
                 write_concern",
            ));
        }
        let new = Transaction { state: TransactionState::Starting, options, ..Self::default() };
        Ok(std::mem::replace(self, new))
    }

    pub(crate) fn state(&self) -> TransactionState {
        self.state
    }

    pub(crate) fn options(&self) -> &TransactionOptions {
        &self.options
    }

    /// Whether operations of the session belong to the transaction.
    pub(crate) fn is_active(&self) -> bool {
        matches!(self.state, TransactionState::Starting | TransactionState::InProgress)
    }

    /// Whether one of its commands failed with `TransientTransactionError`.
    pub(crate) fn is_transient_failure(&self) -> bool {
        self.is_transient_failure
    }

    pub(crate) fn pin(&self) -> Option<&PinnedTo> {
        self.pin.as_ref()
    }

    pub(super) fn recovery_token(&self) -> Option<&RawDocumentBuf> {
        self.recovery_token.as_ref()
    }

    /// The selection criteria of its reads.
    pub(super) fn selection_criteria(&self) -> &SelectionCriteria {
        self.options.selection_criteria.as_ref().unwrap_or(PRIMARY)
    }

    /// Starts a commit, possibly a repeated one.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no transaction, or it was aborted.
    pub(super) fn commit(&mut self) -> Result<End> {
        match self.state {
            TransactionState::None => return Err(none_started()),
            TransactionState::Aborted => {
                return Err(Error::invalid_argument(
                    "Cannot call commitTransaction after calling abortTransaction",
                ));
            }
            TransactionState::Committed => self.insist_on_majority(),
            TransactionState::Starting | TransactionState::InProgress => {}
        }
        self.state = TransactionState::Committed;
        Ok(if self.is_known { End::ByCommand } else { End::Empty })
    }

    /// Starts an abort.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no transaction, or it was committed or aborted.
    pub(super) fn abort(&mut self) -> Result<End> {
        match self.state {
            TransactionState::None => return Err(none_started()),
            TransactionState::Committed => {
                return Err(Error::invalid_argument(
                    "Cannot call abortTransaction after calling commitTransaction",
                ));
            }
            TransactionState::Aborted => {
                return Err(Error::invalid_argument("Cannot call abortTransaction twice"));
            }
            TransactionState::Starting | TransactionState::InProgress => {}
        }
        self.state = TransactionState::Aborted;
        if self.is_known {
            return Ok(End::ByCommand);
        }
        self.unpin();
        Ok(End::Empty)
    }

    /// One of its commands is sent.
    pub(super) fn sent(&mut self) {
        if self.state == TransactionState::Starting {
            self.state = TransactionState::InProgress;
        }
        self.is_known = true;
        self.is_open = true;
    }

    /// The command that ends it is sent. It takes effect even if its future is dropped.
    pub(super) fn end_sent(&mut self) {
        self.is_open = false;
    }

    /// The command that ends it failed, and is sent again.
    pub(super) fn end_failed(&mut self) {
        self.is_open = self.is_known;
    }

    /// Whether it must be aborted when the session is dropped: it is in progress, or the future
    /// that should end it was dropped before its command was sent.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// The session was dropped with an open transaction. Allows an abort in any state.
    pub(super) fn abandon(&mut self) {
        self.state = TransactionState::InProgress;
    }

    /// The server refused the first command before it ran it, and the command is sent again.
    pub(super) fn first_command_turned_away(&mut self) {
        self.state = TransactionState::Starting;
        self.is_known = false;
        self.is_open = false;
    }

    pub(super) fn pin_to(&mut self, pin: PinnedTo) {
        self.pin = Some(pin);
    }

    pub(super) fn unpin(&mut self) {
        self.pin = None;
    }

    pub(super) fn recover_by(&mut self, token: RawDocumentBuf) {
        self.recovery_token = Some(token);
    }

    /// A commit is sent again (section "writeConcern for commitTransaction attempts").
    pub(super) fn insist_on_majority(&mut self) {
        let concern = self.options.write_concern.get_or_insert_with(WriteConcern::default);
        concern.w = Some(Acknowledgment::Majority);
        concern.w_timeout.get_or_insert(MAJORITY_WITHIN);
    }

    /// Labels the error of one of its operations.
    pub(super) fn failed(&mut self, error: &mut Error) {
        match self.state {
            TransactionState::Committed if is_unknown_result(error) => {
                error.add_label(UNKNOWN_TRANSACTION_COMMIT_RESULT);
                self.unpin();
            }
            TransactionState::Committed => {}
            TransactionState::Aborted => self.unpin(),
            _ if is_without_reply(error) => error.add_label(TRANSIENT_TRANSACTION_ERROR),
            _ => {}
        }
        if error.has_label(TRANSIENT_TRANSACTION_ERROR) {
            self.is_transient_failure = true;
            self.unpin();
        }
    }
}

#[cold]
fn none_started() -> Error {
    Error::invalid_argument("No transaction started; call start_transaction first")
}

/// Whether the result of the command is unknown (section "Transient Transaction Error").
fn is_without_reply(error: &Error) -> bool {
    error.is_network()
        || matches!(
            error.kind(),
            ErrorKind::ServerSelection { .. }
                | ErrorKind::ConnectionPoolCleared { .. }
                | ErrorKind::Timeout { .. }
        )
}

/// Whether a commit that failed with `error` may have committed, or may not yet satisfy its write
/// concern (section "UnknownTransactionCommitResult").
fn is_unknown_result(error: &Error) -> bool {
    is_without_reply(error)
        || error.is_timeout()
        || error.has_label(RETRYABLE_WRITE_ERROR)
        || matches!(
            error.kind(),
            ErrorKind::Write(WriteFailure::WriteConcernError(e))
                if !codes::is_unsatisfiable_write_concern(e.code)
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started() -> Transaction {
        let mut transaction = Transaction::default();
        transaction.start(TransactionOptions::default()).unwrap();
        transaction
    }

    #[test]
    fn transaction_without_commands_ends_without_one() {
        assert_eq!(started().commit().unwrap(), End::Empty);
        assert_eq!(started().abort().unwrap(), End::Empty);
        let mut transaction = started();
        transaction.sent();
        assert_eq!(transaction.commit().unwrap(), End::ByCommand);
    }

    #[test]
    fn second_commit_insists_on_a_majority() {
        let mut transaction = started();
        transaction.sent();
        transaction.commit().unwrap();
        assert_eq!(transaction.options().write_concern, None);
        assert_eq!(transaction.commit().unwrap(), End::ByCommand);
        let concern = transaction.options().write_concern.clone().unwrap();
        assert_eq!(concern.w, Some(Acknowledgment::Majority));
        assert_eq!(concern.w_timeout, Some(MAJORITY_WITHIN));
    }

    #[test]
    fn ended_transaction_refuses_another_end() {
        let message = |end: Result<End>| end.unwrap_err().to_string();
        let mut transaction = Transaction::default();
        assert!(message(transaction.commit()).contains("No transaction started"));
        assert!(message(transaction.abort()).contains("No transaction started"));
        let mut transaction = started();
        assert!(transaction.start(TransactionOptions::default()).is_err());
        transaction.abort().unwrap();
        assert!(message(transaction.abort()).contains("Cannot call abortTransaction twice"));
        assert!(message(transaction.commit()).contains("after calling abortTransaction"));
        let mut transaction = started();
        transaction.commit().unwrap();
        assert!(message(transaction.abort()).contains("after calling commitTransaction"));
        transaction = Transaction::default();
        assert!(message(transaction.commit()).contains("No transaction started"));
    }

    #[test]
    fn lost_commit_is_unknown_and_lost_write_is_transient() {
        let lost = || Error::io("test", std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        let (mut transaction, mut error) = (started(), lost());
        transaction.sent();
        transaction.failed(&mut error);
        assert!(error.has_label(TRANSIENT_TRANSACTION_ERROR));
        assert!(transaction.is_transient_failure());
        let mut error = lost();
        transaction.commit().unwrap();
        transaction.failed(&mut error);
        assert!(error.has_label(UNKNOWN_TRANSACTION_COMMIT_RESULT));
        assert!(!error.has_label(TRANSIENT_TRANSACTION_ERROR));
    }
}
