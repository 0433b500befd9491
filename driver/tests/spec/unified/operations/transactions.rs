//! Transactions.

use super::{Kind, Registry};
use crate::unified::api::Api;

pub(super) fn register<F: Api>(registry: &mut Registry<F>) {
    const TRANSACTIONS: &str = "transactions";
    registry.lacks(
        Kind::Session,
        &["startTransaction", "commitTransaction", "abortTransaction", "withTransaction"],
        TRANSACTIONS,
    );
    registry.lacks(
        Kind::Runner,
        &[
            "targetedFailPoint",
            "assertSessionTransactionState",
            "assertSessionPinned",
            "assertSessionUnpinned",
        ],
        TRANSACTIONS,
    );
}
