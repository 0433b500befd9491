//! The error codes of servers, under the servers' names, and their meaning for the driver. Outside
//! of tests, no other code contains the numbers.

use self::StateChange::{NotWritablePrimary, Recovering, ShuttingDown};

pub(crate) const HOST_UNREACHABLE: i32 = 6;
pub(crate) const HOST_NOT_FOUND: i32 = 7;
pub(crate) const UNAUTHORIZED: i32 = 13;
pub(crate) const AUTHENTICATION_FAILED: i32 = 18;
pub(crate) const NAMESPACE_NOT_FOUND: i32 = 26;
pub(crate) const CURSOR_NOT_FOUND: i32 = 43;
pub(crate) const MAX_TIME_MS_EXPIRED: i32 = 50;
pub(crate) const STALE_SHARD_VERSION: i32 = 63;
pub(crate) const UNKNOWN_REPL_WRITE_CONCERN: i32 = 79;
pub(crate) const NETWORK_TIMEOUT: i32 = 89;
pub(crate) const SHUTDOWN_IN_PROGRESS: i32 = 91;
pub(crate) const CANNOT_SATISFY_WRITE_CONCERN: i32 = 100;
pub(crate) const FAILED_TO_SATISFY_READ_PREFERENCE: i32 = 133;
pub(crate) const READ_CONCERN_MAJORITY_NOT_AVAILABLE_YET: i32 = 134;
pub(crate) const STALE_EPOCH: i32 = 150;
pub(crate) const PRIMARY_STEPPED_DOWN: i32 = 189;
pub(crate) const RETRY_CHANGE_STREAM: i32 = 234;
pub(crate) const CURSOR_KILLED: i32 = 237;
pub(crate) const EXCEEDED_TIME_LIMIT: i32 = 262;
pub(crate) const REAUTHENTICATION_REQUIRED: i32 = 391;
pub(crate) const SOCKET_EXCEPTION: i32 = 9001;
pub(crate) const LEGACY_NOT_PRIMARY: i32 = 10058;
pub(crate) const NOT_WRITABLE_PRIMARY: i32 = 10107;
pub(crate) const DUPLICATE_KEY: i32 = 11000;
pub(crate) const LEGACY_DUPLICATE_KEY: i32 = 11001;
pub(crate) const LEGACY_DUPLICATE_KEY_OF_CAPPED: i32 = 12582;
pub(crate) const INTERRUPTED_AT_SHUTDOWN: i32 = 11600;
pub(crate) const INTERRUPTED_DUE_TO_REPL_STATE_CHANGE: i32 = 11602;
pub(crate) const STALE_CONFIG: i32 = 13388;
pub(crate) const NOT_PRIMARY_NO_SECONDARY_OK: i32 = 13435;
pub(crate) const NOT_PRIMARY_OR_SECONDARY: i32 = 13436;

/// A state in which a member cannot run an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StateChange {
    /// It is not the primary.
    NotWritablePrimary,
    /// It is neither primary nor secondary at this moment.
    Recovering,
    /// It is recovering because its process ends.
    ShuttingDown,
}

/// The change of state that a server error reports (specification "Server Discovery And
/// Monitoring", section "not writable primary and node is recovering"). The message matters only if
/// there is no code.
pub(crate) fn state_change(code: i32, message: &str) -> Option<StateChange> {
    match code {
        NOT_WRITABLE_PRIMARY | NOT_PRIMARY_NO_SECONDARY_OK | LEGACY_NOT_PRIMARY => {
            Some(NotWritablePrimary)
        }
        INTERRUPTED_DUE_TO_REPL_STATE_CHANGE | NOT_PRIMARY_OR_SECONDARY | PRIMARY_STEPPED_DOWN => {
            Some(Recovering)
        }
        INTERRUPTED_AT_SHUTDOWN | SHUTDOWN_IN_PROGRESS => Some(ShuttingDown),
        0 if message.contains("not master or secondary")
            || message.contains("node is recovering") =>
        {
            Some(Recovering)
        }
        0 if message.contains("not master") => Some(NotWritablePrimary),
        _ => None,
    }
}

/// Whether a write that failed with this code may be retried. For servers that do not label their
/// errors (specification "Retryable Writes", section "RetryableWriteError Labels").
pub(crate) fn is_retryable_write(code: i32) -> bool {
    matches!(
        code,
        INTERRUPTED_AT_SHUTDOWN
            | INTERRUPTED_DUE_TO_REPL_STATE_CHANGE
            | NOT_WRITABLE_PRIMARY
            | NOT_PRIMARY_NO_SECONDARY_OK
            | NOT_PRIMARY_OR_SECONDARY
            | PRIMARY_STEPPED_DOWN
            | SHUTDOWN_IN_PROGRESS
            | HOST_NOT_FOUND
            | HOST_UNREACHABLE
            | NETWORK_TIMEOUT
            | SOCKET_EXCEPTION
            | EXCEEDED_TIME_LIMIT
    )
}

/// Whether a read that failed with this code may be retried (specification "Retryable Reads",
/// section "Retryable Error").
pub(crate) fn is_retryable_read(code: i32) -> bool {
    is_retryable_write(code) || code == READ_CONCERN_MAJORITY_NOT_AVAILABLE_YET
}

/// Whether a change stream resumes after its `getMore` failed with this code. For servers that do
/// not label their errors (specification "Change Streams", section "Resumable Error"). After
/// [`CURSOR_NOT_FOUND`] it resumes on all versions.
pub(crate) fn is_resumable(code: i32) -> bool {
    is_retryable_write(code)
        || matches!(
            code,
            STALE_SHARD_VERSION
                | STALE_EPOCH
                | STALE_CONFIG
                | RETRY_CHANGE_STREAM
                | FAILED_TO_SATISFY_READ_PREFERENCE
        )
}

/// Whether the server does not have the cursor, or no longer has it.
pub(crate) fn is_cursor_gone(code: i32) -> bool {
    matches!(code, CURSOR_NOT_FOUND | CURSOR_KILLED)
}

/// Whether the members of the set can never satisfy the write concern.
pub(crate) fn is_unsatisfiable_write_concern(code: i32) -> bool {
    matches!(code, UNKNOWN_REPL_WRITE_CONCERN | CANNOT_SATISFY_WRITE_CONCERN)
}

/// Whether a unique index already has the key.
pub(crate) fn is_duplicate_key(code: i32) -> bool {
    matches!(code, DUPLICATE_KEY | LEGACY_DUPLICATE_KEY | LEGACY_DUPLICATE_KEY_OF_CAPPED)
}

/// Whether the server does not know the user, or denies it the operation.
pub(crate) fn is_refused_user(code: i32) -> bool {
    matches!(code, UNAUTHORIZED | AUTHENTICATION_FAILED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_decides_only_without_a_code() {
        assert_eq!(state_change(189, ""), Some(Recovering));
        assert_eq!(state_change(91, ""), Some(ShuttingDown));
        assert_eq!(state_change(10058, ""), Some(NotWritablePrimary));
        assert_eq!(state_change(1, "not master"), None);
        assert_eq!(state_change(0, "not master"), Some(NotWritablePrimary));
        assert_eq!(state_change(0, "not master or secondary"), Some(Recovering));
        assert_eq!(state_change(0, "the node is recovering now"), Some(Recovering));
        assert_eq!(state_change(0, "out of memory"), None);
    }

    #[test]
    fn each_class_has_the_codes_of_its_specification() {
        let codes = |class: fn(i32) -> bool| -> Vec<i32> {
            (0..20_000).filter(|code| class(*code)).collect()
        };
        let changes = [91, 189, 10058, 10107, 11600, 11602, 13435, 13436];
        assert_eq!(codes(|code| state_change(code, "").is_some()), changes);
        let writes = [6, 7, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436];
        assert_eq!(codes(is_retryable_write), writes);
        let reads = [6, 7, 89, 91, 134, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436];
        assert_eq!(codes(is_retryable_read), reads);
        let resumable = [
            6, 7, 63, 89, 91, 133, 150, 189, 234, 262, 9001, 10107, 11600, 11602, 13388, 13435,
            13436,
        ];
        assert_eq!(codes(is_resumable), resumable);
    }
}
