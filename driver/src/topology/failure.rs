//! The effect of an operation's error on its server (specification "Server Discovery And
//! Monitoring", section "Application errors").
//!
//! [`judge`] is pure. The caller compares the connection's generation and the topology version with
//! the current state, under the nest's write lock.

use crate::error::codes::StateChange;
use crate::error::{Error, ErrorKind, SYSTEM_OVERLOADED_ERROR};
use crate::pool::Stage;
use crate::types::TopologyVersion;

/// The effect of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// No effect.
    Silent,
    /// The server's state has changed: request a check.
    StateChanged(Shutdown),
    /// The server is unreachable or refuses the client.
    Lost,
}

/// Whether the state changes because the process is shutting down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shutdown {
    /// The process and its connections continue.
    No,
    /// The process is shutting down.
    Yes,
}

/// The effect of `error`, which occurred in `stage`.
pub(crate) fn judge(error: &Error, stage: Stage) -> Verdict {
    match error.state_change() {
        Some(StateChange::ShuttingDown) => return Verdict::StateChanged(Shutdown::Yes),
        Some(StateChange::NotWritablePrimary | StateChange::Recovering) => {
            return Verdict::StateChanged(Shutdown::No);
        }
        None => {}
    }
    match stage {
        Stage::Queue => Verdict::Silent,
        Stage::Operation if error.is_network() && !error.is_timeout() => Verdict::Lost,
        Stage::Operation => Verdict::Silent,
        Stage::Connect | Stage::Authenticate if error.has_label(SYSTEM_OVERLOADED_ERROR) => {
            Verdict::Silent
        }
        Stage::Connect | Stage::Authenticate => match error.kind() {
            ErrorKind::Shutdown => Verdict::Silent,
            _ => Verdict::Lost,
        },
    }
}

/// The topology version in the error's reply.
pub(crate) fn topology_version(error: &Error) -> Option<TopologyVersion> {
    let version = error.server_response()?.get_document("topologyVersion").ok()?;
    TopologyVersion::parse(version)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::error::{
        CommandError, InsertManyError, WriteConcernError, WriteError, WriteFailure,
    };

    fn command(code: i32, message: &str) -> Error {
        let message = message.to_owned();
        Error::new(ErrorKind::Command(CommandError { code, message, ..CommandError::default() }))
    }

    fn io(kind: io::ErrorKind) -> Error {
        Error::io("test", io::Error::from(kind))
    }

    #[test]
    fn message_counts_only_without_a_code() {
        let established = |e: &Error| judge(e, Stage::Operation);
        assert_eq!(established(&command(189, "")), Verdict::StateChanged(Shutdown::No));
        assert_eq!(established(&command(91, "")), Verdict::StateChanged(Shutdown::Yes));
        assert_eq!(established(&command(1, "not master")), Verdict::Silent);
        assert_eq!(
            established(&command(0, "not master or secondary")),
            Verdict::StateChanged(Shutdown::No)
        );
    }

    #[test]
    fn write_concern_errors_count_and_write_errors_do_not() {
        let concern = WriteConcernError { code: 11602, ..WriteConcernError::default() };
        let many =
            InsertManyError { write_concern_error: Some(concern), ..InsertManyError::default() };
        let many = Error::new(ErrorKind::InsertMany(many));
        assert_eq!(judge(&many, Stage::Operation), Verdict::StateChanged(Shutdown::No));
        let write = WriteError { code: 10107, ..WriteError::default() };
        let write = Error::new(ErrorKind::Write(WriteFailure::WriteError(write)));
        assert_eq!(judge(&write, Stage::Operation), Verdict::Silent);
    }

    #[test]
    fn broken_socket_marks_the_server_and_a_timeout_does_not() {
        assert_eq!(judge(&io(io::ErrorKind::TimedOut), Stage::Operation), Verdict::Silent);
        assert_eq!(judge(&io(io::ErrorKind::ConnectionReset), Stage::Operation), Verdict::Lost);
        assert_eq!(judge(&io(io::ErrorKind::TimedOut), Stage::Authenticate), Verdict::Lost);
        let mut refused = io(io::ErrorKind::ConnectionRefused);
        assert_eq!(judge(&refused, Stage::Connect), Verdict::Lost);
        refused.add_label(SYSTEM_OVERLOADED_ERROR);
        assert_eq!(judge(&refused, Stage::Connect), Verdict::Silent);
        assert_eq!(judge(&Error::authentication("no"), Stage::Authenticate), Verdict::Lost);
    }
}
