//! `run_cursor_command`: runs a command of the caller that opens a cursor (specification
//! "runCommand", section "runCursorCommand").

use std::marker::PhantomData;

use bson::RawDocumentBuf;

use super::batches::Batches;
use super::command::{On, OpensCursor};
use super::prelude::*;
use super::session::{ExplicitSession, ImplicitSession, Session};
use crate::cursor::{Cursor, GetMoreOptions, RawCursor, SessionCursor};
use crate::exec::RequestContext;
use crate::options::{CursorTimeoutMode, CursorType};
use crate::session::ClientSession;

/// Runs a command that opens a cursor. Returned by
/// [`Database::run_cursor_command`](crate::database::Database::run_cursor_command).
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct RunCursorCommand<'a, F: Mode, S = ImplicitSession> {
    on: On<'a>,
    command: Result<RawDocumentBuf>,
    options: Option<Box<RunCursorCommandOptions>>,
    session: S,
    mode: PhantomData<fn() -> F>,
}

options! {
    /// The options of
    /// [`Database::run_cursor_command`](crate::database::Database::run_cursor_command).
    ///
    /// `batch_size`, `max_time` and `comment` apply to `getMore`. The values for the first batch
    /// are in the command.
    RunCursorCommandOptions, RunCursorCommandOptionsBuilder
    for ['a, F: Mode, S] RunCursorCommand<'a, F, S> {
        /// The selection criteria for the server. Default: the primary.
        selection_criteria: SelectionCriteria,
        /// The type of the cursor. Default: not tailable.
        cursor_type: CursorType,
        /// The number of documents in a later batch.
        batch_size: u32,
        /// The time that the server waits for new documents, for a [`CursorType::TailableAwait`]
        /// cursor. Servers refuse it for other cursors.
        max_time: Duration,
        /// A comment for later batches, shown in the server's logs and profiles.
        comment: Bson as impl Into<Bson>,
        /// Whether the timeout bounds the command and all steps of the cursor together, or each of
        /// them separately. Default: together; separately for tailable cursors.
        timeout_mode: CursorTimeoutMode,
    }
}

impl<'a, F: Mode> RunCursorCommand<'a, F> {
    pub(crate) fn new(on: On<'a>, command: Result<RawDocumentBuf>) -> Self {
        let mode = PhantomData;
        RunCursorCommand { on, command, options: None, session: ImplicitSession, mode }
    }

    /// Runs the operation in `session`. The cursor must be read in the same session.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::doc;
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// let mut session = client.start_session().await?;
    /// let command = doc! { "find": "monkeys" };
    /// let mut cursor =
    ///     client.database("zoo").run_cursor_command(command).session(&mut session).await?;
    /// while let Some(monkey) = cursor.try_next(&mut session).await? {
    ///     println!("{monkey}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn session(
        self,
        session: impl Into<&'a mut ClientSession<F>>,
    ) -> RunCursorCommand<'a, F, ExplicitSession<'a>> {
        let RunCursorCommand { on, command, options, session: ImplicitSession, mode } = self;
        let session = ExplicitSession::new(session.into().state());
        RunCursorCommand { on, command, options, session, mode }
    }
}

impl<F: Mode, S> RunCursorCommand<'_, F, S> {
    /// Returns whole raw batches instead of documents.
    ///
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(zoo: driver::Database) -> driver::Result<()> {
    /// let mut cursor = zoo.run_cursor_command(doc! { "find": "monkeys" }).batch().await?;
    /// while let Some(batch) = cursor.try_next().await? {
    ///     println!("{:?}", batch.doc_slices()?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn batch(self) -> Batches<Self> {
        Batches(self)
    }
}

operation! { @parts [F: Mode, S: Session<'a>] RunCursorCommand<'a, F, S>, 'a, on }
operation! { [] RunCursorCommand<'a; F, ImplicitSession> -> Cursor<Document; F>, RawBatchCursor<F> }
operation! {
    [] RunCursorCommand<'a; F, ExplicitSession<'a>>
        -> SessionCursor<Document; F>, SessionRawBatchCursor<F>
}

impl<'a, F: Mode, S: Session<'a>> Command<'a> for RunCursorCommand<'a, F, S> {
    type Output = S::Cursor<Document, F>;

    fn meta(&self) -> &'static Meta {
        const { &Meta::of_caller("run_cursor_command", "runCursorCommand") }
    }

    fn check(&self, session: Option<&SessionState>) -> Result<()> {
        super::run_command::check(&self.command, session)?;
        let Some(options) = self.options.as_deref() else { return Ok(()) };
        let awaits = options.cursor_type == Some(CursorType::TailableAwait);
        if options.timeout.is_some() && options.max_time.is_some() && !awaits {
            return Err(Error::invalid_argument(
                "timeout and max_time both bound the server's work on later batches; set one of \
                 the two",
            ));
        }
        Ok(())
    }

    fn context<'s>(&'s self, usual: RequestContext<'s>) -> RequestContext<'s> {
        // `max_time` applies to later batches. The command contains its own limit, if any.
        RequestContext { max_time: usual.max_time.without_given(), ..usual }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.extend(self.command.as_ref().map_err(Error::clone)?);
        Ok(())
    }

    fn decode(self, reply: Reply<'a>) -> Result<Self::Output> {
        self.open(reply).map(S::cursor)
    }
}

impl<'a, F: Mode, S: Session<'a>> OpensCursor<'a> for RunCursorCommand<'a, F, S> {
    type Mode = F;
    type Session = S;

    fn open(self, reply: Reply<'a>) -> Result<RawCursor> {
        let timeout = self.on().cursor_timeout(self.options(), &reply);
        let options = self.options.unwrap_or_default();
        let get_more_options = GetMoreOptions {
            awaits: options.cursor_type == Some(CursorType::TailableAwait),
            prefetch: false,
            exhaust: options.cursor_type == Some(CursorType::Exhaust),
            operation: "run_cursor_command",
            batch_size: options.batch_size,
            left: None,
            max_await_time: options.max_time,
            comment: options.comment,
            timeout,
        };
        RawCursor::open(self.on.core, reply, get_more_options)
    }
}
