//! Runs an operation of one command.
//!
//! An operation is its own builder. It implements [`Command`]: its kind, its fields, and the
//! decoding of its reply. The declaration of its options adds their fields. [`Running`] combines
//! both with the data of the handle for the executor. The executor works with one dynamic trait and
//! is compiled once.

use std::sync::Arc;
use std::time::Duration;

use bson::raw::cstr;

use crate::cursor::RawCursor;
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::exec::SessionState;
use crate::exec::telemetry::OperationSpan;
use crate::exec::{
    self, Access, Core, CursorTimeout, MaxTime, Meta, Operation, Reply, RequestContext, Setting,
    Target, Timeout,
};
use crate::mode::Mode;
use crate::ops::Boxed;
use crate::ops::create_collection::check_name;
use crate::ops::operation_name::{OperationName, WithContext};
use crate::ops::session::Session;
use crate::options::{
    Concerns, CursorTimeoutMode, CursorType, ReadConcern, SelectionCriteria, WriteConcern,
};
use crate::pool::ConnectionDescription;
use crate::topology::PRIMARY;
use crate::wire::{DocWriter, MessageWriter};
use crate::wire_version;

/// The handle of an operation.
#[derive(Clone, Copy)]
pub(crate) struct On<'a> {
    pub(crate) core: &'a Arc<Core>,
    pub(crate) db: &'a str,
    pub(crate) collection: Option<&'a str>,
    pub(crate) concerns: &'a Concerns,
}

impl<'a> On<'a> {
    /// Itself, for operations that store their handle in this form.
    pub(crate) fn on(&self) -> On<'a> {
        *self
    }

    /// The name of an operation on this handle, for errors.
    pub(crate) fn operation_name(self, operation: &'static str) -> OperationName<'a> {
        OperationName { operation, db: self.db, collection: self.collection }
    }

    /// The time limit of an operation with these options.
    pub(crate) fn timeout(self, options: Option<&dyn Options>) -> Timeout {
        let own = options.and_then(|options| options.settings().timeout);
        own.or(self.concerns.timeout).into()
    }

    /// The time limit of the steps of the cursor that `reply` opens, of an operation with these
    /// options.
    pub(crate) fn cursor_timeout(
        self,
        options: Option<&dyn Options>,
        reply: &Reply<'_>,
    ) -> CursorTimeout {
        let mode = options.map(Options::settings).unwrap_or_default().timeout_mode();
        CursorTimeout::of(mode, self.timeout(options), reply.deadline())
    }

    /// Refuses options and sessions that conflict with the time limit.
    fn check_timeout(self, options: &dyn Options, session: Option<&SessionState>) -> Result<()> {
        let (own, timeout) = (options.settings(), self.timeout(Some(options)));
        timeout.check_await(own.max_await_time)?;
        let of_session = session.is_some_and(|session| session.deadline().is_some());
        own.check_timeout_mode(of_session || timeout != Timeout::Unset)
    }

    /// Refuses names that no server accepts. An unacknowledged write would lose the server's error.
    fn check_names(self) -> Result<()> {
        check_name("the name of the database", self.db)?;
        self.collection.map_or(Ok(()), |name| check_name("the name of the collection", name))
    }

    /// The deadline of an operation that starts now, in `session` if there is one. Every operation
    /// calls this before it sends a command, so it also checks the names and the timeout.
    ///
    /// # Errors
    /// `InvalidArgument` if the operation has its own timeout within a convenient transaction with
    /// a timeout, or a name of the handle is empty or contains a NUL.
    pub(crate) fn deadline(
        self,
        options: Option<&dyn Options>,
        session: Option<&SessionState>,
    ) -> Result<Deadline> {
        self.check_names()?;
        session.map_or(Ok(()), |session| check_own_timeout(session, options))?;
        Ok(self.timeout(options).begin())
    }
}

/// The declared options of an operation.
pub(crate) trait Options: Send + Sync {
    /// Writes the options that are fields of the command.
    fn encode(&self, body: &mut DocWriter<'_>) -> Result<()>;

    /// Writes the options that are fields of the command's statement.
    fn encode_statement(&self, entry: &mut DocWriter<'_>) -> Result<()>;

    /// Like [`encode`](Self::encode), and adds the fields that only some servers support.
    fn encode_for(&self, server: &ConnectionDescription, body: &mut DocWriter<'_>) -> Result<()> {
        self.encode(body)?;
        // The specification forbids sending it to other servers.
        let raw_data = self.settings().raw_data;
        if let Some(raw_data) = raw_data.filter(|_| server.max_wire_version >= wire_version::V8_2) {
            body.bool(cstr!("rawData"), raw_data);
        }
        Ok(())
    }

    /// The options that are not fields of their own.
    fn settings(&self) -> Settings<'_>;
}

/// The options that this file reads: for the executor, for the time limits, and `rawData`.
#[derive(Clone, Copy, Default)]
pub(crate) struct Settings<'a> {
    pub(crate) selection_criteria: Option<&'a SelectionCriteria>,
    pub(crate) read_concern: Option<&'a ReadConcern>,
    pub(crate) write_concern: Option<&'a WriteConcern>,
    pub(crate) max_time: Option<Duration>,
    pub(crate) max_await_time: Option<Duration>,
    /// For operations with this option: its value, or the default.
    pub(crate) cursor_type: Option<CursorType>,
    pub(crate) timeout_mode: Option<CursorTimeoutMode>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) raw_data: Option<bool>,
}

impl Settings<'_> {
    /// Whether the cursor stays open at the end of its result. That of an aggregation with a
    /// `max_await_time` does.
    fn is_tailable(&self) -> bool {
        match self.cursor_type {
            Some(kind) => matches!(kind, CursorType::Tailable | CursorType::TailableAwait),
            None => self.max_await_time.is_some(),
        }
    }

    /// Whether the server waits for documents at the end of the result. For an aggregation with a
    /// `max_await_time` it does.
    pub(crate) fn awaits(&self) -> bool {
        match self.cursor_type {
            Some(kind) => kind == CursorType::TailableAwait,
            None => self.max_await_time.is_some(),
        }
    }

    /// The timeout mode of the caller, or the default for the kind of cursor.
    fn timeout_mode(&self) -> CursorTimeoutMode {
        self.timeout_mode.unwrap_or(if self.is_tailable() {
            CursorTimeoutMode::Iteration
        } else {
            CursorTimeoutMode::CursorLifetime
        })
    }

    /// The `maxTimeMS` of the command. The server applies it to the command and all later batches
    /// together. With a timeout per step, these may take longer, so it is omitted. Tailable-await
    /// cursors are the exception (section "Cursors").
    fn max_time(&self) -> MaxTime {
        match self.timeout_mode() {
            CursorTimeoutMode::Iteration if !self.awaits() => {
                MaxTime::OnlyWithoutTimeout(self.max_time)
            }
            _ => MaxTime::Left(self.max_time),
        }
    }

    /// Refuses a mode without a timeout, or a mode that the cursor does not support (section
    /// "Cursors").
    ///
    /// # Errors
    /// `InvalidArgument`.
    fn check_timeout_mode(&self, is_timed: bool) -> Result<()> {
        match self.timeout_mode {
            Some(_) if !is_timed => Err(Error::invalid_argument(
                "timeout_mode needs a timeout; set one on the operation, its handle or the client",
            )),
            Some(CursorTimeoutMode::CursorLifetime) if self.is_tailable() => {
                Err(Error::invalid_argument(
                    "timeout_mode is CursorLifetime, but a tailable cursor has no end; omit it, \
                     or set Iteration",
                ))
            }
            _ => Ok(()),
        }
    }
}

/// The common parts of all operations. `operation!` implements it.
pub(crate) trait Parts<'a>: Sized + Send {
    /// The handle.
    fn on(&self) -> On<'a>;

    /// The options, if there are any.
    fn options(&self) -> Option<&dyn Options>;

    /// The caller's session, if there is one.
    fn session(&self) -> Option<&SessionState> {
        None
    }

    /// Takes the caller's session, if there is one.
    fn take_session(&mut self) -> Option<&'a mut SessionState>;
}

/// An operation of one command.
pub(crate) trait Command<'a>: Parts<'a> {
    /// The result of the operation.
    type Output;

    /// The kind of the operation.
    fn meta(&self) -> &'static Meta;

    /// Refuses invalid arguments before anything else happens.
    ///
    /// # Errors
    /// `InvalidArgument`.
    fn check(&self, session: Option<&SessionState>) -> Result<()> {
        let _ = session;
        Ok(())
    }

    /// The target and the concerns, if they differ from those of other operations of its kind.
    fn context<'s>(&'s self, usual: RequestContext<'s>) -> RequestContext<'s> {
        usual
    }

    /// Writes the operation's own fields, the command's name first.
    fn body(&mut self, body: &mut DocWriter<'_>, server: &ConnectionDescription) -> Result<()>;

    /// Writes the document sequences of the command.
    fn documents(
        &mut self,
        message: &mut MessageWriter<'_>,
        server: &ConnectionDescription,
    ) -> Result<()> {
        let _ = (message, server);
        Ok(())
    }

    /// Decodes the reply.
    fn decode(self, reply: Reply<'a>) -> Result<Self::Output>;

    /// The result after an error that counts as success.
    fn recover(self, error: Error) -> Result<Self::Output> {
        Err(error)
    }
}

/// An operation of one command that opens a cursor.
pub(crate) trait OpensCursor<'a>: Command<'a> {
    /// The API.
    type Mode: Mode;

    /// The kind of session.
    type Session: Session<'a>;

    /// Takes the reply.
    fn open(self, reply: Reply<'a>) -> Result<RawCursor>;
}

/// A command with its handle, for the executor.
struct Running<'a, C> {
    command: C,
    on: On<'a>,
}

impl<'a, C: Command<'a>> Operation for Running<'a, C> {
    fn meta(&self) -> &'static Meta {
        self.command.meta()
    }

    fn context(&self) -> RequestContext<'_> {
        let own = self.command.options().map(Options::settings).unwrap_or_default();
        let inherited = self.on.concerns;
        let mut context = RequestContext {
            max_time: own.max_time(),
            own_criteria: own.selection_criteria,
            ..RequestContext::bare(self.on.db, Target::Writable)
        };
        match self.command.meta().access {
            Access::Read => {
                let criteria = own.selection_criteria.unwrap_or(&inherited.selection_criteria);
                context.target = Target::Readable(criteria);
                context.read_concern =
                    Setting::of(own.read_concern, inherited.read_concern.as_ref());
            }
            Access::Write => {
                context.write_concern =
                    Setting::of(own.write_concern, inherited.write_concern.as_ref());
            }
            Access::Other | Access::Continuation | Access::TransactionEnd => {
                context.target = Target::Readable(own.selection_criteria.unwrap_or(PRIMARY));
            }
        }
        self.command.context(context)
    }

    fn body(&mut self, body: &mut DocWriter<'_>, server: &ConnectionDescription) -> Result<()> {
        self.command.body(body, server)?;
        self.command.options().map_or(Ok(()), |options| options.encode_for(server, body))
    }

    fn documents(
        &mut self,
        message: &mut MessageWriter<'_>,
        server: &ConnectionDescription,
    ) -> Result<()> {
        self.command.documents(message, server)
    }
}

/// An operation of one or several commands.
pub(crate) trait Execute<'a>: Parts<'a> {
    /// The result of the operation.
    type Output;

    /// The name of the operation, for errors.
    fn operation_name(&self) -> OperationName<'a>;

    /// Runs the operation.
    fn execute(self) -> impl Future<Output = Result<Self::Output>> + Send;
}

impl<'a, C: Command<'a>> Execute<'a> for C {
    type Output = <C as Command<'a>>::Output;

    fn operation_name(&self) -> OperationName<'a> {
        self.on().operation_name(self.meta().method)
    }

    #[inline]
    fn execute(mut self) -> impl Future<Output = Result<Self::Output>> + Send {
        let session = self.take_session();
        let mut running = Running { on: self.on(), command: self };
        // The block uses its captures in place; an `async fn` would store them twice.
        async move {
            running.command.check(session.as_deref())?;
            let options = running.command.options();
            options
                .map_or(Ok(()), |options| running.on.check_timeout(options, session.as_deref()))?;
            let deadline = running.on.deadline(options, session.as_deref())?;
            match exec::execute(running.on.core, &mut running, session.into(), deadline).await {
                Ok(reply) => running.command.decode(reply),
                Err(error) => running.command.recover(error),
            }
        }
    }
}

/// Refuses an operation with its own timeout within a convenient transaction with a timeout
/// (specification "Client Side Operations Timeout", section "Validation and Overrides").
fn check_own_timeout(session: &SessionState, options: Option<&dyn Options>) -> Result<()> {
    let own = options.and_then(|options| options.settings().timeout);
    match own.filter(|_| session.deadline().is_some()) {
        None => Ok(()),
        Some(_) => Err(Error::invalid_argument(
            "the operation has a timeout, but its transaction already has one for all operations; \
             omit that of the operation",
        )),
    }
}

/// The future of `operation` in one allocation. Its errors name the operation.
#[inline(always)]
pub(crate) fn boxed<'a, O: Execute<'a> + 'a>(operation: O) -> Boxed<'a, Result<O::Output>> {
    let operation_name = operation.operation_name();
    let span = span(&operation, operation_name);
    super::operation_name::with_context(span, || operation.execute(), operation_name)
}

/// The future of `operation`. Its errors name the operation.
#[inline(always)]
pub(crate) fn unboxed<'a, O: Execute<'a> + 'a>(
    operation: O,
) -> impl Future<Output = Result<O::Output>> + Send {
    let operation_name = operation.operation_name();
    let span = span(&operation, operation_name);
    WithContext::new(span, operation.execute(), operation_name)
}

/// The span of `operation`, which starts now.
#[inline(always)]
fn span<'a>(operation: &impl Parts<'a>, operation_name: OperationName<'a>) -> OperationSpan {
    OperationSpan::begin(operation.on().core, operation_name.into(), operation.session())
}
