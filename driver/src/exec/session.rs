//! The session of one operation: what it adds to the command, and what it learns from the reply.
//!
//! The executor asks the [`Participant`] at four points and knows no rule of sessions itself:
//! [`join`](Participant::join) before anything is sent, [`prepare`](Participant::prepare) for each
//! command, [`begin`](Participant::begin) when the command is sent, and
//! [`on_reply`](Participant::on_reply) for what the server answers.
//!
//! | the rules of | are in |
//! |---|---|
//! | implicit sessions, causal consistency, snapshots, retryable writes | this file |
//! | what a session of the caller's keeps between operations | `session/state.rs` |
//! | server sessions waiting to be used again | `session_pool.rs` |

mod state;

use bson::{RawDocument, Timestamp};

pub(crate) use self::state::SessionState;
use super::Core;
use super::cluster_time::ClusterTime;
use super::header::ReplyHeader;
use super::operation::{Access, SessionRef};
use super::reply::LeasedSession;
use super::session_pool::{ServerSession, SessionPool};
use crate::error::{Error, ErrorKind, Result};
use crate::pool::{Connection, ConnectionDescription};

/// The wire version of 5.0, from which on sessions can be snapshots (specification "Snapshot
/// Reads", section "Requires MongoDB 5.0+").
const SNAPSHOT_READS: i32 = 13;

/// The part that a session takes in one operation.
pub(super) struct Participant<'c, 's> {
    session: SessionRef<'s>,
    /// The session of its own that the operation has where `session` is implicit.
    implicit: LeasedSession<'c>,
    /// Of a retryable write: the same in every attempt.
    txn_number: Option<i64>,
}

/// What the session has to know of a command.
#[derive(Clone, Copy, Debug)]
pub(super) struct CommandKind {
    pub(super) access: Access,
    /// Whether the server is to answer at all.
    pub(super) acknowledged: bool,
    /// Whether the server is to tell a repetition of it by its transaction number.
    pub(super) numbered: bool,
}

/// What a session adds to a command.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SessionFields<'a> {
    pub(super) id: Option<[u8; 16]>,
    pub(super) txn_number: Option<i64>,
    pub(super) cluster_time: Option<&'a RawDocument>,
    /// The time that the read must reflect, or at which a snapshot sees the data.
    pub(super) read_time: Option<ReadTime>,
}

/// What a session asks of its reads.
#[derive(Clone, Copy, Debug)]
pub(super) enum ReadTime {
    /// What had happened by then must be seen.
    After(Timestamp),
    /// The first read of a snapshot: the server chooses the time.
    Snapshot,
    /// A later read of a snapshot.
    At(Timestamp),
}

impl<'c, 's> Participant<'c, 's> {
    /// # Errors
    /// `InvalidArgument` for a session of another client, for one of the process that this one was
    /// forked from, and for one with a write that nobody acknowledges.
    pub(super) fn join(
        core: &'c Core,
        session: SessionRef<'s>,
        acknowledged: bool,
    ) -> Result<Self> {
        if let SessionRef::Explicit(state) = &session {
            check(core, state, acknowledged)?;
        }
        let implicit = LeasedSession { core, session: None, timeout: None };
        Ok(Participant { session, implicit, txn_number: None })
    }

    /// What the session adds to the command that is written for `server` now. `clock` is the
    /// cluster time of the client.
    ///
    /// # Errors
    /// `IncompatibleServer` for a server that knows no sessions, or no snapshots.
    pub(super) fn prepare<'t>(
        &'t mut self,
        command: CommandKind,
        server: &ConnectionDescription,
        clock: Option<&'t ClusterTime>,
    ) -> Result<SessionFields<'t>> {
        match self.session {
            SessionRef::Implicit if command.acknowledged && self.implicit.session.is_none() => {
                let timeout = server.logical_session_timeout;
                self.implicit.session = timeout.map(|_| self.implicit.core.sessions.take(timeout));
                self.implicit.timeout = timeout;
            }
            SessionRef::Explicit(_) if server.logical_session_timeout.is_none() => {
                return Err(Error::new(ErrorKind::IncompatibleServer {
                    message: "the server knows no sessions; run the operation without one".into(),
                }));
            }
            _ => {}
        }
        if command.numbered && self.txn_number.is_none() {
            self.txn_number = self.server_session().map(ServerSession::next_txn_number);
        }
        let mut fields = SessionFields {
            id: self.server_session().map(|session| session.id()),
            txn_number: self.txn_number.filter(|_| command.numbered),
            cluster_time: clock.map(ClusterTime::as_document),
            read_time: None,
        };
        if let SessionRef::Explicit(state) = &self.session {
            let time = ClusterTime::later(clock, state.cluster_time());
            fields.cluster_time = time.map(ClusterTime::as_document);
            fields.read_time = read_time(state, command.access, server)?;
        }
        Ok(fields)
    }

    /// The command is sent over `connection`.
    pub(super) fn begin<'t>(&'t mut self, connection: &'t mut Connection) -> InFlight<'t> {
        let core = self.implicit.core;
        let mut session = self.server_session();
        if let Some(session) = &mut session {
            session.begin();
        }
        InFlight { session, connection, sessions: &core.sessions }
    }

    /// Takes note of the times in a reply.
    pub(super) fn on_reply(&mut self, access: Access, header: &ReplyHeader, reply: &RawDocument) {
        let cluster_time = header.cluster_time(reply);
        if let Some(time) = cluster_time {
            self.implicit.core.clock.advance(time);
        }
        let SessionRef::Explicit(state) = &mut self.session else { return };
        if let Some(time) = cluster_time.and_then(ClusterTime::parse) {
            state.advance_cluster_time(&time);
        }
        if let Some(time) = header.operation_time() {
            state.advance_operation_time(time);
        }
        let is_snapshot = state.is_snapshot() && access == Access::Read;
        if let Some(time) = header.snapshot_time(reply).filter(|_| is_snapshot) {
            state.saw_snapshot(time);
        }
    }

    /// The implicit session, to be given back when the reply is dropped.
    pub(super) fn into_implicit(self) -> LeasedSession<'c> {
        self.implicit
    }

    fn server_session(&mut self) -> Option<&mut ServerSession> {
        match &mut self.session {
            SessionRef::Implicit => self.implicit.session.as_mut(),
            SessionRef::Held(session) => session.as_deref_mut(),
            SessionRef::Explicit(state) => state.server(),
        }
    }
}

fn check(core: &Core, state: &SessionState, acknowledged: bool) -> Result<()> {
    if !state.belongs_to(core) {
        return Err(Error::invalid_argument(
            "the session was started by another client; use one of this client",
        ));
    }
    if state.is_inherited() {
        return Err(Error::invalid_argument(
            "the session was started before the process forked, and belongs to the process that started it; start a new \
             one in this process",
        ));
    }
    if !acknowledged {
        return Err(Error::invalid_argument(
            "an unacknowledged write (w: 0) cannot be part of a session; acknowledge it, or leave the session out",
        ));
    }
    Ok(())
}

/// What the session says of the data that a command of this kind must see.
fn read_time(
    state: &SessionState,
    access: Access,
    server: &ConnectionDescription,
) -> Result<Option<ReadTime>> {
    Ok(match (access, state.is_snapshot()) {
        (Access::Continuation, _) | (Access::Other, false) => None,
        (Access::Read | Access::Write, false) => state.after_cluster_time().map(ReadTime::After),
        (_, true) if server.max_wire_version < SNAPSHOT_READS => {
            return Err(Error::new(ErrorKind::IncompatibleServer {
                message:
                    "Snapshot reads require MongoDB 5.0 or later; use a session without snapshot"
                        .into(),
            }));
        }
        (_, true) => Some(state.at_cluster_time().map_or(ReadTime::Snapshot, ReadTime::At)),
    })
}

/// A command under way. Dropped before its end, it leaves to the connection to find out when the
/// session is free.
pub(super) struct InFlight<'a> {
    session: Option<&'a mut ServerSession>,
    pub(super) connection: &'a mut Connection,
    sessions: &'a SessionPool,
}

impl InFlight<'_> {
    /// The command was answered, or its connection broke. Then it may be running for ever.
    pub(super) fn ended(mut self, sent: &Result<()>) {
        if let Some(session) = self.session.take()
            && sent
                .as_ref()
                .is_err_and(|error| !matches!(error.kind(), ErrorKind::InvalidArgument { .. }))
        {
            session.mark_dirty();
        }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if let Some(session) = self.session.take()
            && !self.connection.is_idle()
        {
            let unanswered = session.abandon(self.sessions);
            self.connection.when_drained(move |_| unanswered.answered());
        }
    }
}
