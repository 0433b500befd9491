//! The errors after which a change stream resumes (section "Resumable Error").

use crate::error::{Error, ErrorKind, RESUMABLE_CHANGE_STREAM_ERROR, codes};
use crate::wire_version;

/// Whether the error came from a server and not from the connection.
pub(super) fn is_of_server(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Command(_) | ErrorKind::Write(_))
}

/// Whether another attempt cannot succeed, because the client or the request is the cause.
pub(super) fn is_final(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Shutdown | ErrorKind::RuntimeEnded | ErrorKind::InvalidResponse { .. }
    )
}

/// Whether the stream resumes after `error` from a server of `wire_version` (section "Resumable
/// Error").
pub(super) fn is_resumable(error: &Error, wire_version: i32) -> bool {
    if !is_of_server(error) {
        return !is_final(error);
    }
    match error.code() {
        Some(codes::CURSOR_NOT_FOUND) => true,
        Some(code) if wire_version < wire_version::V4_4 => codes::is_resumable(code),
        _ => error.has_label(RESUMABLE_CHANGE_STREAM_ERROR),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::CommandError;

    #[test]
    fn resumable_errors_are_those_of_the_specification() {
        let command =
            |code| Error::new(ErrorKind::Command(CommandError { code, ..CommandError::default() }));
        assert!(is_resumable(&command(43), 9) && is_resumable(&command(43), 8));
        assert!(is_resumable(&command(91), 8) && !is_resumable(&command(91), 9));
        assert!(!is_resumable(&command(280), 8));
        let mut labelled = command(280);
        labelled.add_label(RESUMABLE_CHANGE_STREAM_ERROR);
        assert!(is_resumable(&labelled, 9) && !is_resumable(&labelled, 8));
        let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert!(is_resumable(&Error::io("test", broken), 9));
        assert!(!is_resumable(&Error::new(ErrorKind::Shutdown), 9));
    }
}
