//! The session of one operation: the fields that it adds to the command, and the values that it
//! takes from the reply.
//!
//! The executor has no rules for sessions. It calls the [`Participant`] at a few points:
//! [`join`](Participant::join) before anything is sent, [`govern`](Participant::govern) for the
//! target and the concerns, [`on_checked_out`](Participant::on_checked_out) with the connection,
//! [`prepare`](Participant::prepare) and [`fields`](Participant::fields) for each command,
//! [`begin`](Participant::begin) when it is sent, [`on_reply`](Participant::on_reply) for a reply,
//! and [`on_retry`](Participant::on_retry), [`on_repeat`](Participant::on_repeat) or
//! [`on_error`](Participant::on_error) after a failure.
//!
//! | the rules of | are in |
//! |---|---|
//! | implicit sessions, causal consistency, snapshots, retryable writes | this file |
//! | operations in a transaction | this file |
//! | the states of a transaction, its labels, its write concern | `session/transaction.rs` |
//! | transactions of dropped sessions | `session/abandoned.rs` |
//! | the state of an explicit session between operations | `session/state.rs` |
//! | idle server sessions | `session_pool.rs` |

pub(super) mod abandoned;
mod state;
mod transaction;

use std::sync::Arc;
use std::time::Instant;

use bson::{RawDocument, Timestamp};

pub(crate) use self::state::SessionState;
pub(crate) use self::transaction::{End, Transaction, TransactionState};
use super::Core;
use super::cluster_time::ClusterTime;
use super::header::ReplyHeader;
use super::operation::{Access, Meta, RequestContext, SessionRef, Setting, Target};
use super::pinned_to::PinnedTo;
use super::reply::LeasedSession;
use super::retry::is_turned_away;
use super::session_pool::{ServerSession, SessionPool};
use super::timeout::MaxTime;
use crate::error::{Error, ErrorKind, Result};
use crate::options::{ReadPreference, SelectionCriteria};
use crate::pool::{Connection, ConnectionDescription, Lease, PinnedFor};
use crate::topology::Server;
use crate::types::ServerType;
use crate::wire_version;

/// The part of a session in one operation.
pub(super) struct Participant<'c, 's> {
    session: SessionRef<'s>,
    /// The operation's implicit session, if `session` is implicit.
    implicit: LeasedSession<'c>,
    /// The number of a retryable write, the same in every attempt.
    txn_number: Option<i64>,
    role: Role,
}

/// The role of the operation in the transaction of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// It belongs to no transaction.
    Outside,
    /// It belongs to the transaction.
    Inside {
        /// The last sent command was the first of the transaction.
        first: bool,
    },
    /// It commits the transaction.
    Commit,
    /// It aborts the transaction.
    Abort,
}

/// The properties of a command that matter to its session.
#[derive(Clone, Copy, Debug)]
pub(super) struct CommandKind {
    pub(super) access: Access,
    /// Whether the server replies.
    pub(super) acknowledged: bool,
    /// Whether it has a transaction number, so that the server recognises a retry.
    pub(super) numbered: bool,
}

/// The fields that a session adds to a command.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SessionFields<'a> {
    pub(super) id: Option<[u8; 16]>,
    pub(super) txn_number: Option<i64>,
    pub(super) cluster_time: Option<&'a RawDocument>,
    /// The time of a causally consistent read or of a snapshot.
    pub(super) read_time: Option<ReadTime>,
    pub(super) transaction: Option<TransactionFields<'a>>,
}

/// The fields that a transaction adds to a command.
#[derive(Clone, Copy, Debug)]
pub(super) struct TransactionFields<'a> {
    /// The command is the first of the transaction.
    pub(super) starts: bool,
    pub(super) recovery_token: Option<&'a RawDocument>,
}

/// The read time of a session.
#[derive(Clone, Copy, Debug)]
pub(super) enum ReadTime {
    /// The read must reflect all operations up to that time.
    After(Timestamp),
    /// The first read of a snapshot: the server chooses the time.
    Snapshot,
    /// A later read of a snapshot.
    At(Timestamp),
}

impl<'c, 's> Participant<'c, 's> {
    /// The part of `session` in an operation with `context` that is about to start.
    ///
    /// # Errors
    /// `InvalidArgument` for a session of another client or of the parent process, for an explicit
    /// session with an unacknowledged write, and for operations that a transaction does not allow.
    pub(super) fn join(
        core: &'c Core,
        mut session: SessionRef<'s>,
        meta: &Meta,
        context: RequestContext<'_>,
    ) -> Result<Self> {
        let mut role = Role::Outside;
        if let SessionRef::Explicit(state) = &mut session {
            if !state.belongs_to(core) {
                return Err(Error::invalid_argument(
                    "the session was started by another client; use a session of this client",
                ));
            }
            state.check_process()?;
            role = role_in(state, meta.access);
            match role {
                Role::Inside { .. } => check_inside(state, meta, context)?,
                Role::Outside => {
                    if !is_acknowledged(meta, context) {
                        return Err(Error::invalid_argument(
                            "an unacknowledged write (w: 0) cannot use a session; acknowledge the \
                             write, or omit the session",
                        ));
                    }
                    state.forget_transaction();
                }
                Role::Commit | Role::Abort => {}
            }
        }
        let implicit = LeasedSession { core, session: None, timeout: None };
        Ok(Participant { session, implicit, txn_number: None, role })
    }

    /// Whether the operation belongs to a transaction, so that it is retried only after overload
    /// errors.
    pub(super) fn is_inside_transaction(&self) -> bool {
        matches!(self.role, Role::Inside { .. })
    }

    /// The target and the concerns of the operation. In a transaction, the transaction's replace
    /// those of the handle.
    #[inline]
    pub(super) fn govern<'t>(&'t self, context: RequestContext<'t>) -> RequestContext<'t> {
        match (&self.session, self.role) {
            (_, Role::Outside) => context,
            (SessionRef::Explicit(state), role) => governed(state, role, context),
            _ => context,
        }
    }

    /// Takes an implicit session and a transaction number, if the command to `server` needs them.
    ///
    /// # Errors
    /// `IncompatibleServer` for a server without sessions.
    pub(super) fn prepare(
        &mut self,
        command: CommandKind,
        server: &ConnectionDescription,
        now: Instant,
    ) -> Result<()> {
        match self.session {
            SessionRef::Implicit if command.acknowledged && self.implicit.session.is_none() => {
                let timeout = server.logical_session_timeout;
                let sessions = &self.implicit.core.sessions;
                self.implicit.session = timeout.map(|_| sessions.take(timeout, now));
                self.implicit.timeout = timeout;
            }
            SessionRef::Explicit(_) if server.logical_session_timeout.is_none() => {
                return Err(Error::new(ErrorKind::IncompatibleServer {
                    message: "the server does not support sessions; run the operation without one"
                        .into(),
                }));
            }
            _ => {}
        }
        if command.numbered && self.txn_number.is_none() {
            self.txn_number = self.server_session().map(ServerSession::next_txn_number);
        }
        Ok(())
    }

    /// The fields that the session adds to the command for `server`. `clock` is the client's
    /// cluster time.
    ///
    /// # Errors
    /// `IncompatibleServer` for a server without snapshot reads.
    pub(super) fn fields<'t>(
        &'t self,
        command: CommandKind,
        server: &ConnectionDescription,
        clock: Option<&'t ClusterTime>,
    ) -> Result<SessionFields<'t>> {
        let session = match &self.session {
            SessionRef::Implicit => self.implicit.session.as_ref(),
            SessionRef::Held(session) => session.as_deref(),
            SessionRef::Explicit(state) => state.server_session(),
        };
        let mut fields = SessionFields {
            id: session.map(ServerSession::id),
            txn_number: self.txn_number.filter(|_| command.numbered),
            cluster_time: clock.map(ClusterTime::as_document),
            read_time: None,
            transaction: None,
        };
        let SessionRef::Explicit(state) = &self.session else { return Ok(fields) };
        let time = ClusterTime::later(clock, state.cluster_time());
        fields.cluster_time = time.map(ClusterTime::as_document);
        if self.role == Role::Outside {
            fields.read_time = read_time(state, command.access, server)?;
            return Ok(fields);
        }
        let starts = state.transaction().state() == TransactionState::Starting;
        let token = state.transaction().recovery_token();
        let recovery_token = token.filter(|_| command.access == Access::TransactionEnd);
        fields.txn_number = state.txn_number();
        fields.transaction = Some(TransactionFields {
            starts,
            recovery_token: recovery_token.map(|token| &**token),
        });
        if starts {
            fields.read_time = state.after_cluster_time().map(ReadTime::After);
        }
        Ok(fields)
    }

    /// The operation has a connection to `server`. On a sharded cluster or behind a load balancer,
    /// this pins the transaction.
    #[inline]
    pub(super) fn on_checked_out(&mut self, server: &Arc<Server>, connection: &mut Lease) {
        if let (SessionRef::Explicit(state), Role::Inside { .. }) = (&mut self.session, self.role)
            && state.transaction().pin().is_none()
            && connection.description().server_type == ServerType::Mongos
        {
            state.transaction.pin_to(PinnedTo::to(server, connection, PinnedFor::Transaction));
        }
    }

    /// The command is sent over `connection`, and was written at the time `begun`.
    pub(super) fn begin<'t>(
        &'t mut self,
        connection: &'t mut Connection,
        begun: Instant,
    ) -> InFlight<'t> {
        if let SessionRef::Explicit(state) = &mut self.session {
            match &mut self.role {
                Role::Outside => {}
                Role::Inside { first } => {
                    *first = state.transaction().state() == TransactionState::Starting;
                    state.transaction.sent();
                }
                Role::Commit | Role::Abort => state.transaction.end_sent(),
            }
        }
        let core = self.implicit.core;
        let mut session = self.server_session();
        if let Some(session) = &mut session {
            session.begin(begun);
        }
        InFlight { session, connection, sessions: &core.sessions }
    }

    /// Records the times in a reply.
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
        if self.role != Role::Outside
            && let Ok(token) = reply.get_document("recoveryToken")
        {
            state.transaction.recover_by(token.to_owned());
        }
    }

    /// An attempt failed with `error`, and there is another.
    pub(super) fn on_retry(&mut self, error: &Error) {
        let SessionRef::Explicit(state) = &mut self.session else { return };
        if let Role::Commit | Role::Abort = self.role {
            if self.role == Role::Commit && !is_turned_away(error) {
                state.transaction.insist_on_majority();
            }
            state.transaction.unpin();
        }
        self.on_repeat();
    }

    /// The command is sent again. The server has not started its transaction, or not ended it.
    pub(super) fn on_repeat(&mut self) {
        let SessionRef::Explicit(state) = &mut self.session else { return };
        match self.role {
            Role::Outside | Role::Inside { first: false } => {}
            Role::Inside { first: true } => state.transaction.first_command_turned_away(),
            Role::Commit | Role::Abort => state.transaction.end_failed(),
        }
    }

    /// The operation ends with `error`. In a transaction, the error gets its labels.
    pub(super) fn on_error(&mut self, error: &mut Error) {
        let SessionRef::Explicit(state) = &mut self.session else { return };
        if self.role != Role::Outside {
            state.transaction.failed(error);
        }
    }

    /// The implicit session, to be returned when the reply is dropped.
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

/// Whether the server replies. An aggregation that writes always gets a reply, because it opens a
/// cursor.
pub(super) fn is_acknowledged(meta: &Meta, context: RequestContext<'_>) -> bool {
    meta.access != Access::Write || context.is_acknowledged()
}

fn role_in(state: &SessionState, access: Access) -> Role {
    match (access, state.transaction().state()) {
        (Access::TransactionEnd, TransactionState::Committed) => Role::Commit,
        (Access::TransactionEnd, _) => Role::Abort,
        _ if state.transaction().is_active() => Role::Inside { first: false },
        _ => Role::Outside,
    }
}

/// Refuses concerns and criteria that are not allowed inside a transaction.
fn check_inside(state: &SessionState, meta: &Meta, context: RequestContext<'_>) -> Result<()> {
    if let Setting::Explicit(_) = context.read_concern {
        return Err(Error::invalid_argument(
            "Cannot set read concern after starting a transaction; set it on start_transaction",
        ));
    }
    if let Setting::Explicit(_) = context.write_concern {
        return Err(Error::invalid_argument(
            "Cannot set write concern after starting a transaction; set it on start_transaction",
        ));
    }
    let reads = matches!(meta.access, Access::Read | Access::Other)
        && matches!(context.target, Target::Readable(_) | Target::WritingAggregate(_));
    let criteria = context.own_criteria.unwrap_or(state.transaction().selection_criteria());
    let primary = matches!(criteria, SelectionCriteria::ReadPreference(ReadPreference::Primary));
    if reads && !primary {
        let giver = match context.own_criteria {
            Some(_) => "the operation",
            None => "start_transaction",
        };
        return Err(Error::invalid_argument(format!(
            "read preference in a transaction must be primary, not {criteria}; give another to \
             {giver}"
        )));
    }
    Ok(())
}

fn governed<'t>(
    state: &'t SessionState,
    role: Role,
    context: RequestContext<'t>,
) -> RequestContext<'t> {
    let transaction = state.transaction();
    let pinned = transaction.pin().map(Target::Pinned);
    let options = transaction.options();
    if let Role::Commit | Role::Abort = role {
        let max_time = options.max_commit_time.filter(|_| role == Role::Commit);
        return RequestContext {
            target: pinned.unwrap_or(Target::Writable),
            write_concern: Setting::of(None, options.write_concern.as_ref()),
            max_time: MaxTime::Left(max_time),
            ..context
        };
    }
    let criteria = context.own_criteria.unwrap_or(transaction.selection_criteria());
    let target = match context.target {
        Target::Readable(_) => Target::Readable(criteria),
        Target::WritingAggregate(_) => Target::WritingAggregate(criteria),
        other => other,
    };
    let starts = transaction.state() == TransactionState::Starting;
    RequestContext {
        target: pinned.unwrap_or(target),
        read_concern: Setting::of(None, options.read_concern.as_ref().filter(|_| starts)),
        write_concern: Setting::Unset,
        ..context
    }
}

/// The read time of a command of this kind.
fn read_time(
    state: &SessionState,
    access: Access,
    server: &ConnectionDescription,
) -> Result<Option<ReadTime>> {
    Ok(match (access, state.is_snapshot()) {
        (Access::Continuation | Access::TransactionEnd, _) | (Access::Other, false) => None,
        (Access::Read | Access::Write, false) => state.after_cluster_time().map(ReadTime::After),
        // Specification "Snapshot Reads", section "Requires MongoDB 5.0+".
        (_, true) if server.max_wire_version < wire_version::V5_0 => {
            return Err(Error::new(ErrorKind::IncompatibleServer {
                message:
                    "Snapshot reads require MongoDB 5.0 or later; use a session without snapshot"
                        .into(),
            }));
        }
        (_, true) => Some(state.at_cluster_time().map_or(ReadTime::Snapshot, ReadTime::At)),
    })
}

/// A running command. If it is dropped before its end, the connection returns the session later.
pub(super) struct InFlight<'a> {
    session: Option<&'a mut ServerSession>,
    pub(super) connection: &'a mut Connection,
    sessions: &'a SessionPool,
}

impl InFlight<'_> {
    /// The command got a reply, or its connection broke. In that case it may still be running.
    pub(super) fn ended(mut self, sent: &Result<()>) {
        if let Some(session) = self.session.take()
            && sent.is_err()
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
