//! An operation as the executor sees it: what it is, and how it is written; and where and how it is to run.

use std::sync::Arc;

use super::session_pool::ServerSession;
use crate::deadline::Deadline;
use crate::error::Result;
use crate::options::{ReadConcern, ReadPreference, SelectionCriteria, WriteConcern};
use crate::pool::ConnectionDescription;
use crate::session::SessionState;
use crate::topology::Server;
use crate::wire::{DocWriter, MessageWriter};

/// What does not change from one operation of a kind to the next.
#[derive(Debug)]
pub(crate) struct Meta {
    /// The command's name.
    pub(crate) name: &'static str,
    /// Whether it may be sent once more.
    pub(crate) retry: Retry,
}

/// Whether, and by which rules, an operation may be sent once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// Specification "Retryable Reads".
    Read,
    /// Specification "Retryable Writes": the server tells a repetition by its transaction number.
    Write,
    /// Not at all.
    Never,
}

/// One operation: it can be written into a message, more than once if it has to be sent again.
///
/// The executor adds what all commands share: `$db`, the session, the concerns, the read preference, the cluster time.
pub(crate) trait Operation: Send {
    /// What kind of operation it is.
    fn meta(&self) -> &'static Meta;

    /// Writes the command's own fields, its name first.
    fn body(&mut self, body: &mut DocWriter<'_>, server: &ConnectionDescription) -> Result<()>;

    /// Writes the documents that go along with the command.
    fn documents(&mut self, message: &mut MessageWriter<'_>, server: &ConnectionDescription) -> Result<()> {
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
    /// One member and no other: it holds the cursor.
    Member(&'a Arc<Server>),
}

impl<'a> Target<'a> {
    /// By what the server is selected; else the server.
    pub(crate) fn criteria(self) -> std::result::Result<&'a SelectionCriteria, &'a Arc<Server>> {
        const PRIMARY: &SelectionCriteria = &SelectionCriteria::ReadPreference(ReadPreference::Primary);
        match self {
            Target::Writable => Ok(PRIMARY),
            Target::Readable(criteria) => Ok(criteria),
            Target::Member(server) => Err(server),
        }
    }
}

/// Under whose identity an operation runs.
pub(crate) enum Identity<'a> {
    /// A session of its own, taken with the connection and given back with it.
    Implicit,
    /// The session of the cursor that it belongs to.
    Held(Option<&'a mut ServerSession>),
    /// The caller's session.
    Explicit(&'a mut SessionState),
}

impl<'a> From<Option<&'a mut SessionState>> for Identity<'a> {
    fn from(session: Option<&'a mut SessionState>) -> Self {
        session.map_or(Identity::Implicit, Identity::Explicit)
    }
}

/// What a command has to do with reading, by which a session decides on its read concern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It reads data, and is told which it must see.
    Read,
    /// It does not; a session that reads a snapshot says so all the same, so that the server refuses what is not of the snapshot
    /// (specification "Snapshot Reads", section "Server Commands").
    Other,
    /// It goes on with, or ends, what was begun under a read concern, and carries none.
    Sequel,
}

/// Where and how an operation runs.
pub(crate) struct Scope<'a> {
    /// The database.
    pub(crate) db: &'a str,
    /// Which server.
    pub(crate) target: Target<'a>,
    /// What a session adds to the command's read concern.
    pub(crate) kind: Kind,
    /// Sent if given.
    pub(crate) read_concern: Option<&'a ReadConcern>,
    /// Sent if given and not empty.
    pub(crate) write_concern: Option<&'a WriteConcern>,
    /// Under whose identity.
    pub(crate) identity: Identity<'a>,
    /// When to give up.
    pub(crate) deadline: Deadline,
}

impl Scope<'_> {
    /// Whether the server is to answer at all.
    pub(crate) fn is_acknowledged(&self) -> bool {
        self.write_concern.is_none_or(WriteConcern::is_acknowledged)
    }
}
