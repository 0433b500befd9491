//! An operation as the executor sees it: what it is, and how it is written; and where and how it is
//! to run.

use super::pinned_to::PinnedTo;
use super::session_pool::ServerSession;
use super::timeout::MaxTime;
use crate::deadline::Deadline;
use crate::error::Result;
use crate::exec::SessionState;
use crate::options::{ReadConcern, ReadPreference, SelectionCriteria, WriteConcern};
use crate::pool::{ConnectionDescription, Lease};
use crate::topology::Criteria;
use crate::wire::{DocWriter, MessageWriter};

/// What is the same for all operations of a kind.
#[derive(Debug)]
pub(crate) struct Meta {
    /// The name of the method that makes the operation: errors begin with it.
    pub(crate) operation: &'static str,
    /// The command's name.
    pub(crate) name: &'static str,
    /// Whether it may be sent again.
    pub(crate) retry: Retry,
    /// Which of the options `retryReads` and `retryWrites` lets it be sent again when a server had too
    /// much to do even to begin with it.
    pub(crate) effect: Effect,
    /// Which data it reads or writes.
    pub(crate) access: Access,
    /// What becomes of the complaints of a reply with `ok: 1`.
    pub(crate) complaints: Complaints,
}

/// What becomes of the complaints of a reply with `ok: 1`: its `writeErrors` and
/// `writeConcernError`.
///
/// The executor makes errors of them unless an operation says otherwise, so that none can forget to
/// look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Complaints {
    /// The executor makes an error of the write error, else of the write concern error.
    Raised,
    /// The command carries several writes. The executor checks the form of what the reply says; the
    /// operation collects it.
    Collected,
    /// The caller gets the whole reply and looks by itself, as the specification of `runCommand`
    /// has it.
    Unread,
}

/// Whether a command reads or writes, as the options of retries see it (specification "Client
/// Backpressure", section "Overload retry policy").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It reads.
    Reads,
    /// It writes.
    Writes,
    /// The caller wrote it, and the driver does not look into it.
    Unknown,
}

impl Meta {
    /// A read: retryable, on a server of the read preference, with a read concern.
    pub(crate) const fn read(operation: &'static str, name: &'static str) -> Self {
        Meta {
            operation,
            name,
            retry: Retry::Read,
            effect: Effect::Reads,
            access: Access::Read,
            complaints: Complaints::Raised,
        }
    }

    /// A retryable write.
    pub(crate) const fn write(operation: &'static str, name: &'static str) -> Self {
        Meta {
            operation,
            name,
            retry: Retry::Write,
            effect: Effect::Writes,
            access: Access::Write,
            complaints: Complaints::Raised,
        }
    }

    /// A write that the server cannot tell from its repetition.
    pub(crate) const fn write_once(operation: &'static str, name: &'static str) -> Self {
        Meta {
            operation,
            name,
            retry: Retry::Never,
            effect: Effect::Writes,
            access: Access::Write,
            complaints: Complaints::Raised,
        }
    }

    /// A read on the primary that takes no concerns.
    pub(crate) const fn other_read(operation: &'static str, name: &'static str) -> Self {
        Meta { access: Access::Other, ..Meta::read(operation, name) }
    }

    /// A write that takes no concerns, and that the server cannot tell from its repetition.
    pub(crate) const fn other_write(operation: &'static str, name: &'static str) -> Self {
        Meta { access: Access::Other, ..Meta::write_once(operation, name) }
    }

    /// A command that the caller wrote, on the primary.
    pub(crate) const fn of_caller(operation: &'static str, name: &'static str) -> Self {
        Meta { effect: Effect::Unknown, ..Meta::other_write(operation, name) }
    }

    /// A command that goes on with an earlier one, or ends it.
    pub(crate) const fn continuation(name: &'static str) -> Self {
        Meta {
            operation: name,
            name,
            retry: Retry::Never,
            effect: Effect::Reads,
            access: Access::Continuation,
            complaints: Complaints::Raised,
        }
    }
}

/// The rules by which an operation may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// Specification "Retryable Reads".
    Read,
    /// Specification "Retryable Writes": the server tells a repetition by its transaction number.
    Write,
    /// Commits and aborts: as retryable writes, whatever `retryWrites` says. The server tells a
    /// repetition by the number of the transaction.
    TransactionEnd,
    /// Never.
    Never,
}

/// One operation: it can be written into a message, more than once if it has to be sent again.
///
/// The executor adds what all commands share: `$db`, the session, the concerns, the read
/// preference, the cluster time.
pub(crate) trait Operation: Send {
    /// What kind of operation it is.
    fn meta(&self) -> &'static Meta;

    /// Where it goes, and under which concerns.
    fn context(&self) -> RequestContext<'_>;

    /// Writes the command's own fields, its name first.
    fn body(&mut self, body: &mut DocWriter<'_>, server: &ConnectionDescription) -> Result<()>;

    /// Whether the server may go on and send further replies unasked (OP_MSG, `exhaustAllowed`).
    fn allows_exhaust(&self) -> bool {
        false
    }

    /// The connection on which the server sends the reply unasked. Nothing is written then.
    fn take_stream(&mut self) -> Option<Lease> {
        None
    }

    /// How many writes the command carries, as it was written last.
    fn statements(&self) -> usize {
        1
    }

    /// Writes the documents that go along with the command.
    fn documents(
        &mut self,
        message: &mut MessageWriter<'_>,
        server: &ConnectionDescription,
    ) -> Result<()> {
        let _ = (message, server);
        Ok(())
    }
}

/// Which server an operation is for.
#[derive(Clone, Copy)]
pub(crate) enum Target<'a> {
    /// Whoever takes writes.
    Writable,
    /// Whoever may answer reads.
    Readable(&'a SelectionCriteria),
    /// Whoever may run an aggregation with `$out` or `$merge`.
    WritingAggregate(&'a SelectionCriteria),
    /// One member and no other, perhaps over one connection: it holds the cursor or transaction.
    Pinned(&'a PinnedTo),
}

impl<'a> Target<'a> {
    /// By what the server is selected; else what it is pinned to.
    pub(crate) fn criteria(self) -> std::result::Result<Criteria<'a>, &'a PinnedTo> {
        const PRIMARY: &SelectionCriteria =
            &SelectionCriteria::ReadPreference(ReadPreference::Primary);
        match self {
            Target::Writable => Ok(PRIMARY.into()),
            Target::Readable(criteria) => Ok(criteria.into()),
            Target::WritingAggregate(criteria) => Ok(Criteria::of_writing_aggregate(criteria)),
            Target::Pinned(pin) => Err(pin),
        }
    }
}

/// Under whose session_ref an operation runs.
pub(crate) enum SessionRef<'a> {
    /// A session of its own, taken with the connection and given back with it.
    Implicit,
    /// The session of the cursor that it belongs to.
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

/// Which data a command reads or writes: a session decides by it on the read concern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// It reads data, and takes a read concern.
    Read,
    /// It writes data or metadata, and takes a write concern.
    Write,
    /// Neither. A session that reads a snapshot sends its read concern all the same, so that the
    /// server refuses what is not of the snapshot (specification "Snapshot Reads", section
    /// "Server Commands").
    Other,
    /// It goes on with, or ends, what was begun under a read concern, and carries none.
    Continuation,
    /// It commits or aborts the session's transaction.
    TransactionEnd,
}

/// A setting, and who made it. A transaction refuses a concern that the operation was given, and
/// ignores an inherited one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting<T> {
    /// The operation's own option.
    Explicit(T),
    /// From the collection, the database or the client.
    Inherited(T),
    /// Nobody made it.
    Unset,
}

impl<T: Copy> Setting<T> {
    /// The operation's own value, or else the one that its handle has.
    pub(crate) fn of(explicit: Option<T>, inherited: Option<T>) -> Self {
        match (explicit, inherited) {
            (Some(value), _) => Setting::Explicit(value),
            (None, Some(value)) => Setting::Inherited(value),
            (None, None) => Setting::Unset,
        }
    }

    /// The value that holds.
    pub(crate) fn get(self) -> Option<T> {
        match self {
            Setting::Explicit(value) | Setting::Inherited(value) => Some(value),
            Setting::Unset => None,
        }
    }
}

/// Where an operation goes, and under which concerns: from its own options and from its handle.
#[derive(Clone, Copy)]
pub(crate) struct RequestContext<'a> {
    /// The database.
    pub(crate) db: &'a str,
    /// Which server.
    pub(crate) target: Target<'a>,
    /// The operation's own choice of servers, which a transaction does not replace.
    pub(crate) own_criteria: Option<&'a SelectionCriteria>,
    /// Sent if given.
    pub(crate) read_concern: Setting<&'a ReadConcern>,
    /// Sent if given and not empty.
    pub(crate) write_concern: Setting<&'a WriteConcern>,
    /// `maxTimeMS`.
    pub(crate) max_time: MaxTime,
}

impl<'a> RequestContext<'a> {
    /// A command on `db` that goes to `target`, with nothing else.
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

    /// Whether the server is to answer at all.
    pub(crate) fn is_acknowledged(&self) -> bool {
        self.write_concern.get().is_none_or(WriteConcern::is_acknowledged)
    }
}
