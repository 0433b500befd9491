//! Any command, as the caller wrote it (specification "runCommand").

use bson::{Document, RawDocumentBuf};

use super::macros::{ends, options};
use crate::database::Database;
use crate::deadline::Deadline;
use crate::decode;
use crate::error::{Error, Result};
use crate::exec::{self, Kind, Meta, Operation, Retry, Scope, Target, malformed};
use crate::face::Face;
use crate::options::{ReadPreference, SelectionCriteria};
use crate::pool::ConnectionDescription;
use crate::session::{ClientSession, SessionState};
use crate::wire::DocWriter;

/// Runs a command. Made by [`Database::run_command`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct RunCommand<'a, F: Face> {
    database: &'a Database<F>,
    command: Result<RawDocumentBuf>,
    options: Option<Box<RunCommandOptions>>,
    session: Option<&'a mut SessionState>,
}

options! {
    /// The options of [`Database::run_command`].
    RunCommandOptions and RunCommandOptionsBuilder of ['a, F: Face] RunCommand<'a, F> {
        /// Which servers may answer; the primary when nothing is said.
        selection_criteria: SelectionCriteria,
    }
}

impl<'a, F: Face> RunCommand<'a, F> {
    pub(crate) fn new(
        database: &'a Database<F>,
        command: std::result::Result<RawDocumentBuf, bson::error::Error>,
    ) -> Self {
        RunCommand { database, command: command.map_err(Error::serialization), options: None, session: None }
    }

    /// Runs the command in `session`.
    pub fn session(mut self, session: impl Into<&'a mut ClientSession<F>>) -> Self {
        self.session = Some(session.into().state());
        self
    }

    async fn execute(self) -> Result<Document> {
        const PRIMARY: &SelectionCriteria = &SelectionCriteria::ReadPreference(ReadPreference::Primary);
        let mut command = Command { command: self.command? };
        if command.command.is_empty() {
            return Err(Error::invalid_argument(
                "the command is an empty document; its first field names the command",
            ));
        }
        if self.session.as_deref().is_some_and(|session| session.is_snapshot())
            && command.command.get("readConcern").is_ok_and(|own| own.is_some())
        {
            return Err(Error::invalid_argument(
                "the command has a readConcern, and its session reads a snapshot, which is one; leave either out",
            ));
        }
        let core = self.database.core();
        let criteria = self.options.as_deref().and_then(|o| o.selection_criteria.as_ref());
        let scope = Scope {
            db: self.database.name(),
            target: Target::Readable(criteria.unwrap_or(PRIMARY)),
            kind: Kind::Other,
            read_concern: None,
            write_concern: None,
            identity: self.session.into(),
            deadline: Deadline::after_option(core.options.timeout()),
        };
        let reply = exec::execute(core, &mut command, scope).await?;
        decode::document(reply.document()).map_err(|cause| malformed(cause).at(reply.host()))
    }
}

ends! { impl [] RunCommand<'a> -> Document, "run_command" on database }

struct Command {
    command: RawDocumentBuf,
}

impl Operation for Command {
    fn meta(&self) -> &'static Meta {
        &Meta { name: "runCommand", retry: Retry::Never }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.extend(&self.command);
        Ok(())
    }
}
