//! The errors of checkouts that get no connection.

use std::sync::atomic::Ordering;

use super::establish::Stage;
use super::generation::Generation;
use super::shared::{Shared, lock};
use super::state::{Counts, Phase, Refusal};
use super::{CheckOutError, PinnedFor};
use crate::error::{Error, ErrorKind};

impl Shared {
    pub(super) fn refused(&self, refusal: Refusal) -> CheckOutError {
        let closed = || self.handoff.with_state(|state, _| state.phase() == Phase::Closed);
        let kind = match refusal {
            Refusal::Paused if closed() => ErrorKind::Shutdown,
            Refusal::Paused => {
                let cause = lock(&self.cause).clone();
                let message = match cause {
                    Some(cause) => {
                        format!(
                            "Connection pool for {} was cleared because another operation failed \
                             with: {cause}",
                            self.address
                        )
                    }
                    None => {
                        "the connection pool is paused: its server has not replied yet".to_owned()
                    }
                };
                ErrorKind::ConnectionPoolCleared { message }
            }
            Refusal::Closed => ErrorKind::Shutdown,
            Refusal::WaitQueueFull => ErrorKind::WaitQueueFull {
                message: format!(
                    "too many operations wait for a connection: waitQueueMultiple allows {} ({})",
                    self.limits.max_waiters.unwrap_or_default(),
                    self.summary()
                ),
            },
        };
        self.queue_error(kind)
    }

    /// The error of an operation that was started in the parent process and continues here, such as
    /// a cursor.
    #[cold]
    pub(super) fn left_behind(&self) -> CheckOutError {
        let message = format!(
            "the connections to {} belong to the process that this one was forked from",
            self.address
        );
        let cause = std::io::Error::from(std::io::ErrorKind::NotConnected);
        let error = Error::io(message, cause).at(&self.address);
        CheckOutError { error, generation: Generation::FIRST, stage: Stage::Queue }
    }

    pub(super) fn timed_out(&self) -> CheckOutError {
        let message = format!(
            "Timed out while checking out a connection from connection pool of {} ({})",
            self.address,
            self.summary()
        );
        self.queue_error(ErrorKind::WaitQueueTimeout { message })
    }

    pub(super) fn not_opened_in_time(&self) -> CheckOutError {
        let message = format!(
            "no connection to {} was opened within the operation's time (timeoutMS; {})",
            self.address,
            self.summary()
        );
        self.queue_error(ErrorKind::Timeout { message })
    }

    fn queue_error(&self, kind: ErrorKind) -> CheckOutError {
        let error = Error::new(kind).at(&self.address);
        CheckOutError { error, generation: self.generation(), stage: Stage::Queue }
    }

    fn summary(&self) -> String {
        let (counts, waiting) = self.handoff.with_state(|state, waiting| (state.counts(), waiting));
        let Counts { total, idle, pending } = counts;
        let max_size = match self.limits.max_size {
            u32::MAX => "no limit".to_owned(),
            limit => limit.to_string(),
        };
        let in_use = total - idle - pending;
        let in_use = if self.establisher().options().load_balanced() {
            // Specification "Load Balancers", section "Connection Tracking".
            let pinned = |purpose| self.pinned(purpose).load(Ordering::Relaxed);
            let (cursors, transactions) =
                (pinned(PinnedFor::Cursor), pinned(PinnedFor::Transaction));
            let others = in_use.saturating_sub(cursors + transactions);
            format!(
                "connections in use by cursors: {cursors}, connections in use by transactions: \
                 {transactions}, connections in use by other operations: {others}"
            )
        } else {
            format!("in use: {in_use}")
        };
        format!(
            "maxPoolSize: {max_size}, {in_use}, idle: {idle}, being opened: {pending}, waiting: \
             {waiting}"
        )
    }
}
