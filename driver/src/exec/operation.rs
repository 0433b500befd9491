//! The interface of an operation to the executor: its kind, its encoding, its target and its
//! concerns.

use super::pinned_to::PinnedTo;
use super::session_pool::ServerSession;
use super::timeout::MaxTime;
use crate::deadline::Deadline;
use crate::error::Result;
use crate::exec::SessionState;
use crate::options::{ReadConcern, SelectionCriteria, WriteConcern};
use crate::pool::{ConnectionDescription, Lease};
use crate::topology::{Criteria, PRIMARY};
use crate::wire::{DocWriter, MessageWriter};

/// The properties of all operations of a kind.
#[derive(Debug)]
pub(crate) struct Meta {
    /// The name of the method that creates the operation, for errors.
    pub(crate) method: &'static str,
    /// The name of the command.
    pub(crate) command: &'static str,
    /// The retry class.
    pub(crate) retry: Retry,
    /// Determines whether `retryReads` or `retryWrites` allows retries on an overloaded server.
    pub(crate) effect: Effect,
    /// The kind of data access.
    pub(crate) access: Access,
    /// The treatment of write errors.
    pub(crate) complaints: Complaints,
}

/// The treatment of the errors in a reply with `ok: 1`: `writeErrors` and `writeConcernError`.
///
/// By default the executor returns them as errors, so no operation can overlook them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Complaints {
    /// The executor returns the write error, or else the write concern error.
    Raised,
    /// A command with several writes. The executor validates the errors, and the operation collects
    /// them.
    Collected,
    /// The caller gets the whole reply and reads the errors, as the specification of `runCommand`
    /// requires.
    Unread,
}

/// Whether a command reads or writes, for retries on overloaded servers (specification "Client
/// Backpressure", section "Overload retry policy").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It reads.
    Reads,
    /// It writes.
    Writes,
    /// A command of the caller, which the driver does not inspect.
    Unknown,
}

impl Meta {
    /// A retryable read with a read preference and a read concern.
    pub(crate) const fn read(method: &'static str, command: &'static str) -> Self {
        Meta {
            method,
            command,
            retry: Retry::Read,
            effect: Effect::Reads,
            access: Access::Read,
            complaints: Complaints::Raised,
        }
    }

    /// A retryable write.
    pub(crate) const fn write(method: &'static str, command: &'static str) -> Self {
        Meta {
            method,
            command,
            retry: Retry::Write,
            effect: Effect::Writes,
            access: Access::Write,
            complaints: Complaints::Raised,
        }
    }

    /// A write that is not retryable.
    pub(crate) const fn write_once(method: &'static str, command: &'static str) -> Self {
        Meta {
            method,
            command,
            retry: Retry::Never,
            effect: Effect::Writes,
            access: Access::Write,
            complaints: Complaints::Raised,
        }
    }

    /// A read on the primary without concerns.
    pub(crate) const fn other_read(method: &'static str, command: &'static str) -> Self {
        Meta { access: Access::Other, ..Meta::read(method, command) }
    }

    /// A write without concerns that is not retryable.
    pub(crate) const fn other_write(method: &'static str, command: &'static str) -> Self {
        Meta { access: Access::Other, ..Meta::write_once(method, command) }
    }

    /// A command of the caller, on the primary.
    pub(crate) const fn of_caller(method: &'static str, command: &'static str) -> Self {
        Meta { effect: Effect::Unknown, ..Meta::other_write(method, command) }
    }

    /// A command that continues or ends an earlier one.
    pub(crate) const fn continuation(command: &'static str) -> Self {
        Meta {
            method: command,
            command,
            retry: Retry::Never,
            effect: Effect::Reads,
            access: Access::Continuation,
            complaints: Complaints::Raised,
        }
    }
}

/// The retry class of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// Specification "Retryable Reads".
    Read,
    /// Specification "Retryable Writes". The transaction number identifies a retry.
    Write,
    /// Commits and aborts: like retryable writes, but independent of `retryWrites`. The server
    /// recognises a retry by the transaction number.
    TransactionEnd,
    /// Never.
    Never,
}

/// An operation that can be encoded, several times if it is retried.
///
/// The executor adds the common fields: `$db`, the session, the concerns, the read preference, the
/// cluster time.
pub(crate) trait Operation: Send {
    /// The kind of the operation.
    fn meta(&self) -> &'static Meta;

    /// The target and the concerns.
    fn context(&self) -> RequestContext<'_>;

    /// Writes the fields of the command, its name first.
    fn body(&mut self, body: &mut DocWriter<'_>, server: &ConnectionDescription) -> Result<()>;

    /// Whether the server may send further replies without requests (OP_MSG, `exhaustAllowed`).
    fn allows_exhaust(&self) -> bool {
        false
    }

    /// The connection of an exhaust cursor, on which the server sends the reply. No command is
    /// written then.
    fn take_stream(&mut self) -> Option<Lease> {
        None
    }

    /// The command is complete, and its first byte is about to be written to `server`, or its reply
    /// is awaited on the connection of [`take_stream`](Self::take_stream). An attempt that fails
    /// before this call had no effect on the server.
    fn sending(&mut self, server: &ConnectionDescription) {
        let _ = server;
    }

    /// The number of writes in the last encoded command.
    fn statements(&self) -> usize {
        1
    }

    /// Writes the document sequences of the command.
    fn documents(
        &mut self,
        message: &mut MessageWriter<'_>,
        server: &ConnectionDescription,
    ) -> Result<()> {
        let _ = (message, server);
        Ok(())
    }
}

/// The target of an operation.
#[derive(Clone, Copy)]
pub(crate) enum Target<'a> {
    /// A server that accepts writes.
    Writable,
    /// A server for reads.
    Readable(&'a SelectionCriteria),
    /// A server for an aggregation with `$out` or `$merge`.
    WritingAggregate(&'a SelectionCriteria),
    /// The server of a cursor or transaction, possibly over its connection.
    Pinned(&'a PinnedTo),
}

impl<'a> Target<'a> {
    /// The server of the next attempt.
    pub(super) fn server(self) -> ServerChoice<'a> {
        match self {
            Target::Writable => ServerChoice::Select(PRIMARY.into()),
            Target::Readable(criteria) => ServerChoice::Select(criteria.into()),
            Target::WritingAggregate(criteria) => {
                ServerChoice::Select(Criteria::of_writing_aggregate(criteria))
            }
            Target::Pinned(pin) => ServerChoice::Pinned(pin),
        }
    }
}

/// The choice of the server for an attempt.
pub(super) enum ServerChoice<'a> {
    /// One that matches the criteria.
    Select(Criteria<'a>),
    /// That of the pin.
    Pinned(&'a PinnedTo),
}

/// The session of an operation.
pub(crate) enum SessionRef<'a> {
    /// An implicit session, taken and returned with the connection.
    Implicit,
    /// The session of a cursor.
    Held(Option<&'a mut ServerSession>),
    /// The caller's session.
    Explicit(&'a mut SessionState),
}

impl SessionRef<'_> {
    /// The deadline of all operations in the session, if it has one.
    pub(super) fn deadline(&self) -> Option<Deadline> {
        match self {
            SessionRef::Explicit(state) => state.deadline(),
            SessionRef::Implicit | SessionRef::Held(_) => None,
        }
    }
}

impl<'a> From<Option<&'a mut SessionState>> for SessionRef<'a> {
    fn from(session: Option<&'a mut SessionState>) -> Self {
        session.map_or(SessionRef::Implicit, SessionRef::Explicit)
    }
}

/// The data access of a command. It decides whether a session adds a read concern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Reads data and takes a read concern.
    Read,
    /// Writes data or metadata and takes a write concern.
    Write,
    /// Neither. A snapshot session still sends its read concern, so that the server refuses
    /// commands that are not allowed in a snapshot (specification "Snapshot Reads", section "Server
    /// Commands").
    Other,
    /// Continues or ends an operation with a read concern, and has none itself.
    Continuation,
    /// Commits or aborts the session's transaction.
    TransactionEnd,
}

/// A setting and its origin. A transaction refuses an operation's own concern and ignores an
/// inherited one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting<T> {
    /// The operation's own option.
    Explicit(T),
    /// From the collection, the database or the client.
    Inherited(T),
    /// Not set.
    Unset,
}

impl<T: Copy> Setting<T> {
    /// The operation's own value, or else that of its handle.
    pub(crate) fn of(explicit: Option<T>, inherited: Option<T>) -> Self {
        match (explicit, inherited) {
            (Some(value), _) => Setting::Explicit(value),
            (None, Some(value)) => Setting::Inherited(value),
            (None, None) => Setting::Unset,
        }
    }

    /// The effective value.
    pub(crate) fn get(self) -> Option<T> {
        match self {
            Setting::Explicit(value) | Setting::Inherited(value) => Some(value),
            Setting::Unset => None,
        }
    }
}

/// The target and the concerns of an operation, from its options and its handle.
#[derive(Clone, Copy)]
pub(crate) struct RequestContext<'a> {
    /// The database.
    pub(crate) db: &'a str,
    /// The target.
    pub(crate) target: Target<'a>,
    /// The operation's own selection criteria, which a transaction does not replace.
    pub(crate) own_criteria: Option<&'a SelectionCriteria>,
    /// Sent if set.
    pub(crate) read_concern: Setting<&'a ReadConcern>,
    /// Sent if set and not empty.
    pub(crate) write_concern: Setting<&'a WriteConcern>,
    /// `maxTimeMS`.
    pub(crate) max_time: MaxTime,
}

impl<'a> RequestContext<'a> {
    /// A command on `db` for `target` without concerns.
    pub(crate) fn bare(db: &'a str, target: Target<'a>) -> Self {
        RequestContext {
            db,
            target,
            own_criteria: None,
            read_concern: Setting::Unset,
            write_concern: Setting::Unset,
            max_time: MaxTime::Left(None),
        }
    }

    /// Whether the server replies.
    pub(crate) fn is_acknowledged(&self) -> bool {
        self.write_concern.get().is_none_or(WriteConcern::is_acknowledged)
    }
}
