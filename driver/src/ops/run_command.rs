//! `run_command`: runs a command of the caller (specification "runCommand").

use bson::RawDocumentBuf;

use super::prelude::*;
use crate::database::Database;
use crate::decode;
use crate::exec::{Complaints, malformed};

/// Runs a command. Returned by [`Database::run_command`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct RunCommand<'a, F: Mode> {
    pub(crate) database: &'a Database<F>,
    pub(crate) command: Result<RawDocumentBuf>,
    pub(crate) options: Option<Box<RunCommandOptions>>,
    pub(crate) session: Option<&'a mut SessionState>,
}

options! {
    /// The options of [`Database::run_command`].
    RunCommandOptions, RunCommandOptionsBuilder for ['a, F: Mode] RunCommand<'a, F> {
        /// The selection criteria for the server. Default: the primary.
        selection_criteria: SelectionCriteria,
    }
}

operation! { [] RunCommand<'a; F> -> Document, on database }

impl<'a, F: Mode> Command<'a> for RunCommand<'a, F> {
    type Output = Document;

    fn meta(&self) -> &'static Meta {
        const META: &Meta = &Meta {
            complaints: Complaints::Unread,
            ..Meta::of_caller("run_command", "runCommand")
        };
        META
    }

    fn check(&self, session: Option<&SessionState>) -> Result<()> {
        check(&self.command, session)
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.extend(self.command.as_ref().map_err(Error::clone)?);
        Ok(())
    }

    fn decode(self, reply: Reply<'a>) -> Result<Document> {
        decode::document(reply.document()).map_err(|cause| malformed(cause).at(reply.host()))
    }
}

/// Refuses a command that was not serialized, a command without a name, and a command with a read
/// concern in a session that adds one.
///
/// # Errors
/// `BsonSerialization`, `InvalidArgument`.
pub(super) fn check(
    command: &Result<RawDocumentBuf>,
    session: Option<&SessionState>,
) -> Result<()> {
    let command = command.as_ref().map_err(Error::clone)?;
    if command.is_empty() {
        return Err(Error::invalid_argument(
            "the command is an empty document; its first field names the command",
        ));
    }
    if session.is_some_and(SessionState::is_snapshot)
        && command.get("readConcern").is_ok_and(|own| own.is_some())
    {
        return Err(Error::invalid_argument(
            "the command has a readConcern, but its snapshot session adds one; omit one of the \
             two",
        ));
    }
    Ok(())
}
