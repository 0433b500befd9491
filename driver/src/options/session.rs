//! The options of sessions and of transactions.

use std::time::Duration;

use bson::Timestamp;

use super::{ReadConcern, SelectionCriteria, WriteConcern};

/// The options of a session.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SessionOptions {
    /// Enables causal consistency. Default: true, unless `snapshot` is set.
    pub causal_consistency: Option<bool>,
    /// The default options of transactions.
    pub default_transaction_options: Option<TransactionOptions>,
    /// The time limit (`timeoutMS`) of committing and aborting a transaction, and of
    /// [`and_run`](crate::session::StartTransaction::and_run) as a whole. Default: the client's.
    pub default_timeout: Option<Duration>,
    /// All reads see the data of one point in time. Default: false.
    pub snapshot: Option<bool>,
    /// The point in time of all reads of a snapshot session, such as another session's
    /// [`snapshot_time`](crate::session::ClientSession::snapshot_time). Default: the server chooses
    /// it for the first read. Needs `snapshot`.
    pub snapshot_time: Option<Timestamp>,
}

builder! {
    /// Builds [`SessionOptions`].
    SessionOptionsBuilder builds SessionOptions {
        causal_consistency: Option<bool>,
        default_transaction_options: Option<TransactionOptions>,
        default_timeout: Option<Duration>,
        snapshot: Option<bool>,
        snapshot_time: Option<Timestamp>,
    }
}

/// The options of a transaction. Unset options come from the session's
/// [`default_transaction_options`](SessionOptions::default_transaction_options), or else from the
/// client.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct TransactionOptions {
    /// The read concern of the whole transaction.
    pub read_concern: Option<ReadConcern>,
    /// The write concern of the commit. It must be acknowledged.
    pub write_concern: Option<WriteConcern>,
    /// The selection criteria of reads. Servers allow only the primary.
    pub selection_criteria: Option<SelectionCriteria>,
    /// The time limit of one `commitTransaction` on the server.
    pub max_commit_time: Option<Duration>,
}

builder! {
    /// Builds [`TransactionOptions`].
    TransactionOptionsBuilder builds TransactionOptions {
        read_concern: Option<ReadConcern>,
        write_concern: Option<WriteConcern>,
        selection_criteria: Option<SelectionCriteria>,
        max_commit_time: Option<Duration>,
    }
}

impl TransactionOptions {
    /// These options. Unset ones come from `defaults`.
    pub(crate) fn or(self, defaults: TransactionOptions) -> Self {
        TransactionOptions {
            read_concern: self.read_concern.or(defaults.read_concern),
            write_concern: self.write_concern.or(defaults.write_concern),
            selection_criteria: self.selection_criteria.or(defaults.selection_criteria),
            max_commit_time: self.max_commit_time.or(defaults.max_commit_time),
        }
    }
}

super::form::form! {
    SessionOptions {
        causal_consistency, default_transaction_options, default_timeout, snapshot, snapshot_time,
    }
}
super::form::form! {
    TransactionOptions { read_concern, write_concern, selection_criteria, max_commit_time }
}
