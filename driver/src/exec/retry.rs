//! What may be sent once more, and which of two errors is told.

use std::time::Duration;

use super::operation::Retry;
use crate::error::{
    Error, ErrorKind, NO_WRITES_PERFORMED, RETRYABLE_ERROR, RETRYABLE_WRITE_ERROR,
    SYSTEM_OVERLOADED_ERROR,
};
use crate::pool::ConnectionDescription;
use crate::types::ServerType;

/// The wire version of 4.4, from which on servers label errors themselves.
const SERVERS_LABEL: i32 = 9;

/// An attempt that came to nothing.
pub(super) struct Failure {
    pub(super) error: Error,
    /// Whether the command reached the point where the server may have done something.
    pub(super) attempted: bool,
}

impl Failure {
    /// It failed before anything was sent.
    pub(super) fn before(error: Error) -> Self {
        Failure { error, attempted: false }
    }

    /// It failed after something was sent.
    pub(super) fn after(error: Error) -> Self {
        let attempted = !error.has_label(NO_WRITES_PERFORMED);
        Failure { error, attempted }
    }

    /// Which of the errors of two attempts is told: the latest that leaves open whether something
    /// was done, else the first (specification "Retryable Writes", section "Executing Retryable
    /// Write Commands").
    pub(super) fn outranks(self, earlier: Option<Error>) -> Error {
        match earlier {
            Some(earlier) if !self.attempted => earlier,
            _ => self.error,
        }
    }
}

/// How long to wait before an operation that has failed `failed` times is sent again after `error`:
/// at random up to 200 ms, then 400 ms, for a server that has too much to do; none after other
/// errors (specification "Client Backpressure", section "Overload retry policy").
///
/// A connection that breaks while it is being opened looks like overload, so this is also the time
/// in which a monitor notices that the server has died.
pub(super) fn backoff(failed: u32, error: &Error) -> Option<Duration> {
    const BASE: u64 = 100;
    const MOST: u64 = 10_000;
    if !error.has_label(SYSTEM_OVERLOADED_ERROR) {
        return None;
    }
    let of_server = error.server_response().and_then(|reply| reply.get_i32("baseBackoffMS").ok());
    let base = of_server
        .and_then(|base| u64::try_from(base).ok())
        .filter(|base| *base > 0)
        .unwrap_or(BASE);
    let most = base.saturating_mul(1 << failed.min(16)).min(MOST);
    Some(Duration::from_millis(most).mul_f64(fastrand::f64()))
}

/// Whether `error` permits another attempt of an operation of that kind.
pub(super) fn permits(retry: Retry, error: &Error) -> bool {
    match retry {
        Retry::Never => false,
        Retry::Write => error.has_label(RETRYABLE_WRITE_ERROR),
        Retry::Read => {
            is_unreachable(error)
                || matches!(error.kind(), ErrorKind::Command(e) if is_passing(e.code) || e.code == 134)
        }
    }
}

/// Whether the server did not even begin with the command, for it had too much to do: then anything
/// may be sent again.
pub(super) fn is_turned_away(error: &Error) -> bool {
    error.has_label(SYSTEM_OVERLOADED_ERROR) && error.has_label(RETRYABLE_ERROR)
}

/// Gives the error of a retryable write the label that makes it one, where that is the driver's
/// part (section "RetryableWriteError Labels").
pub(super) fn label(error: &mut Error, server: Option<&ConnectionDescription>) {
    let by_code = || {
        let Some(server) = server.filter(|server| server.max_wire_version < SERVERS_LABEL) else {
            return false;
        };
        match error.kind() {
            ErrorKind::Command(e) => is_passing(e.code),
            ErrorKind::Write(_) => {
                server.server_type != ServerType::Mongos && error.code().is_some_and(is_passing)
            }
            _ => false,
        }
    };
    if is_unreachable(error) || by_code() {
        error.add_label(RETRYABLE_WRITE_ERROR);
    }
}

/// Whether `server` can tell a repeated write from a new one.
pub(super) fn supports_retryable_writes(server: &ConnectionDescription) -> bool {
    server.logical_session_timeout.is_some() && server.server_type != ServerType::Standalone
}

fn is_unreachable(error: &Error) -> bool {
    error.is_network() || matches!(error.kind(), ErrorKind::ConnectionPoolCleared { .. })
}

/// InterruptedAtShutdown, InterruptedDueToReplStateChange, NotWritablePrimary,
/// NotPrimaryNoSecondaryOk, NotPrimaryOrSecondary, PrimarySteppedDown, ShutdownInProgress,
/// HostNotFound, HostUnreachable, NetworkTimeout, SocketException, ExceededTimeLimit.
fn is_passing(code: i32) -> bool {
    matches!(code, 11600 | 11602 | 10107 | 13435 | 13436 | 189 | 91 | 7 | 6 | 89 | 9001 | 262)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::CommandError;

    fn command(code: i32) -> Error {
        Error::new(ErrorKind::Command(CommandError { code, ..CommandError::default() }))
    }

    fn broken() -> Error {
        Error::io("test", std::io::Error::from(std::io::ErrorKind::ConnectionReset))
    }

    #[test]
    fn reads_go_by_the_code_and_writes_by_the_label() {
        assert!(permits(Retry::Read, &command(91)) && permits(Retry::Read, &command(134)));
        assert!(!permits(Retry::Read, &command(2)) && permits(Retry::Read, &broken()));
        assert!(!permits(Retry::Write, &command(91)) && !permits(Retry::Never, &broken()));
        let mut error = broken();
        label(&mut error, None);
        assert!(permits(Retry::Write, &error));
    }

    #[test]
    fn only_overload_is_waited_for_and_longer_each_time() {
        let mut error = broken();
        assert_eq!(backoff(1, &error), None);
        error.add_label(SYSTEM_OVERLOADED_ERROR);
        for (failed, most) in [(1, 200), (2, 400), (30, 10_000)] {
            assert!(
                (0..100).all(|_| backoff(failed, &error).unwrap() <= Duration::from_millis(most))
            );
        }
        let waits: Vec<_> = (0..100).map(|_| backoff(2, &error).unwrap()).collect();
        assert!(waits.iter().any(|wait| *wait > Duration::from_millis(200)), "{waits:?}");
    }

    #[test]
    fn the_driver_labels_codes_only_for_servers_that_do_not() {
        let mut server = ConnectionDescription::unknown();
        for (wire_version, labelled) in [(8, true), (9, false)] {
            server.max_wire_version = wire_version;
            let mut error = command(11600);
            label(&mut error, Some(&server));
            assert_eq!(error.has_label(RETRYABLE_WRITE_ERROR), labelled);
        }
    }

    #[test]
    fn the_latest_error_that_leaves_the_outcome_open_is_told() {
        let code = |failure: Failure, earlier: Option<Error>| failure.outranks(earlier).code();
        assert_eq!(code(Failure::after(command(1)), Some(command(2))), Some(1));
        assert_eq!(code(Failure::before(command(1)), Some(command(2))), Some(2));
        assert_eq!(code(Failure::before(command(1)), None), Some(1));
        let mut nothing_done = command(3);
        nothing_done.add_label(NO_WRITES_PERFORMED);
        assert_eq!(code(Failure::after(nothing_done), Some(command(2))), Some(2));
    }
}
