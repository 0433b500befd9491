//! One attempt of an operation: check out, write, send, look at the reply.

use super::cluster_time::ClusterTime;
use super::command_monitor::CommandMonitor;
use super::envelope::{Envelope, ReadTime, Route, read_preference};
use super::header::ReplyHeader;
use super::operation::{Access, Complaints, Operation, Retry, SessionRef};
use super::retry::{self, Failure};
use super::session_pool::{ServerSession, SessionPool};
use super::{Core, RetryState, failure};
use crate::error::{Error, ErrorKind, Result};
use crate::exec::SessionState;
use crate::pool::{CheckOutError, Connection, ConnectionDescription, Lease, Stage};
use crate::topology::{Selected, Server};
use crate::wire::Flags;

/// The room that a command has beyond the largest document that it can carry.
const COMMAND_OVERHEAD: usize = 16 * 1024;

/// The wire version of 5.0, from which on sessions can be snapshots (specification "Snapshot
/// Reads", section "Requires MongoDB 5.0+").
const SNAPSHOT_READS: i32 = 13;

/// The code by which a server says that the user has to be proven again on the connection.
const REAUTHENTICATION_REQUIRED: i32 = 391;

/// On success, what [`Reply`](super::Reply) is made of.
#[expect(clippy::manual_async_fn, reason = "an `async fn` keeps its arguments twice")]
pub(super) fn attempt(
    retries: &mut RetryState<'_, '_>,
    operation: &mut dyn Operation,
    selected: &Selected,
) -> impl Future<Output = std::result::Result<(Lease, ReplyHeader), Failure>> {
    async move {
        let core = retries.lease.core;
        let mut connection = match core.check_out_now(selected.pool()) {
            Some(connection) => connection,
            // Boxed: whoever waits can bear it, and it would make every operation's future as
            // large.
            None => Box::pin(core.check_out(selected.pool(), retries.deadline))
                .await
                .map_err(|refused| not_checked_out(selected, retries.retry, refused))?,
        };
        let failure = match exchange(retries, operation, selected, &mut connection).await {
            Ok(header) => return Ok((connection, header)),
            Err(failure) => failure,
        };
        if failure.error.code() != Some(REAUTHENTICATION_REQUIRED) {
            return Err(failure);
        }
        // Boxed, for it is rare, and would make every operation's future as large.
        let again = Box::pin(async {
            core.deployment
                .reauthenticate(&mut connection, retries.deadline)
                .await
                .map_err(|error| Failure::before(error.at(selected.address())))?;
            exchange(retries, operation, selected, &mut connection).await
        });
        let header = again.await?;
        Ok((connection, header))
    }
}

/// Writes and sends the command, and looks at its reply.
#[expect(clippy::manual_async_fn, reason = "an `async fn` keeps its arguments twice")]
fn exchange(
    retries: &mut RetryState<'_, '_>,
    operation: &mut dyn Operation,
    selected: &Selected,
    connection: &mut Lease,
) -> impl Future<Output = std::result::Result<ReplyHeader, Failure>> {
    async move {
        let core = retries.lease.core;
        write(retries, operation, selected, connection).map_err(|error| match error.kind() {
            // No server has anything to do with what cannot be written.
            ErrorKind::BsonSerialization(_) => Failure::before(error),
            _ => Failure::before(error.at(selected.address())),
        })?;
        let (acknowledged, deadline) = (retries.acknowledged, retries.deadline);
        let monitor =
            CommandMonitor::begin(core.options.command_event_handler.as_ref(), connection);
        let flight = InFlight::begin(session(retries), connection, &core.sessions);
        let sent = match acknowledged {
            true => flight.connection.round_trip(&core.runtime, deadline).await,
            false => flight.connection.send(&core.runtime, deadline).await,
        };
        flight.ended(&sent);
        if let Err(error) = sent {
            if let Some(monitor) = monitor {
                monitor.failed(&error);
            }
            return Err(not_answered(core, selected, connection, retries.retry, error));
        }
        let header = match acknowledged {
            true => match read(retries, operation.meta().access, connection) {
                Ok(header) => header,
                Err(error) => {
                    if let Some(monitor) = monitor {
                        monitor.failed(&error);
                    }
                    return Err(Failure::after(error));
                }
            },
            false => ReplyHeader::unacknowledged(),
        };
        if let Some(monitor) = monitor {
            monitor.answered(&header, connection.reply().ok().filter(|_| acknowledged));
        }
        if acknowledged {
            judge(retries, operation, selected, connection, &header)?;
        }
        Ok(header)
    }
}

/// A command under way. Dropped before its end, it leaves to the connection to find out when the
/// session is free.
struct InFlight<'a> {
    session: Option<&'a mut ServerSession>,
    connection: &'a mut Connection,
    sessions: &'a SessionPool,
}

impl<'a> InFlight<'a> {
    fn begin(
        mut session: Option<&'a mut ServerSession>,
        connection: &'a mut Connection,
        sessions: &'a SessionPool,
    ) -> Self {
        if let Some(session) = &mut session {
            session.begin();
        }
        InFlight { session, connection, sessions }
    }

    fn ended(mut self, sent: &Result<()>) {
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

/// The session under whose session_ref the attempt runs, if it has one.
fn session<'t>(retries: &'t mut RetryState<'_, '_>) -> Option<&'t mut ServerSession> {
    match &mut retries.session_ref {
        SessionRef::Implicit => retries.lease.session.as_mut(),
        SessionRef::Held(session) => session.as_deref_mut(),
        SessionRef::Explicit(state) => state.server(),
    }
}

/// The id of that session.
fn session_id(retries: &RetryState<'_, '_>) -> Option<[u8; 16]> {
    match &retries.session_ref {
        SessionRef::Implicit => retries.lease.session.as_ref().map(ServerSession::id),
        SessionRef::Held(session) => session.as_deref().map(ServerSession::id),
        SessionRef::Explicit(state) => state.server_id(),
    }
}

/// What the session says of the data that a command of this kind must see.
///
/// # Errors
/// `IncompatibleServer` for a snapshot on a server that has none.
fn read_time_of(
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

/// Writes the whole request into the connection's buffer.
fn write(
    retries: &mut RetryState<'_, '_>,
    operation: &mut dyn Operation,
    selected: &Selected,
    connection: &mut Connection,
) -> Result<()> {
    let core = retries.lease.core;
    let acknowledged = retries.acknowledged;
    let (mut message, server) = connection.compose();
    match retries.session_ref {
        SessionRef::Implicit if acknowledged && retries.lease.session.is_none() => {
            let timeout = server.logical_session_timeout;
            retries.lease.session = timeout.map(|_| core.sessions.take(timeout));
            retries.lease.timeout = timeout;
        }
        SessionRef::Explicit(_) if server.logical_session_timeout.is_none() => {
            return Err(Error::new(ErrorKind::IncompatibleServer {
                message: "the server knows no sessions; run the operation without one".into(),
            }));
        }
        _ => {}
    }
    if retries.retry == Retry::Write {
        number_write(retries, server)?;
    }
    let clock = core.clock.get();
    let mut cluster_time = clock.as_ref();
    let mut read_time = None;
    if let SessionRef::Explicit(state) = &retries.session_ref {
        cluster_time = ClusterTime::later(cluster_time, state.cluster_time());
        read_time = read_time_of(state, operation.meta().access, server)?;
    }
    let mut body = message.body();
    operation.body(&mut body, server)?;
    let context = operation.context();
    let route = if core.options.direct_connection() { Route::Direct } else { Route::Selected };
    let envelope = Envelope {
        db: context.db,
        session: session_id(retries),
        txn_number: retries.txn_number.filter(|_| retries.retry == Retry::Write),
        cluster_time: cluster_time.map(ClusterTime::as_document),
        read_preference: read_preference(context.target, server.server_type, route)
            .filter(|_| !selected.is_overruled()),
        read_concern: context.read_concern.get(),
        read_time,
        write_concern: context.write_concern.get(),
        max_time: context.max_time,
        server_api: core.options.server_api.as_ref(),
    };
    envelope.write(&mut body)?;
    check_size(operation.meta().name, body.len(), server)?;
    drop(body);
    operation.documents(&mut message, server)?;
    if !acknowledged {
        message.flag(Flags::MORE_TO_COME);
    }
    Ok(())
}

/// Refuses a command, or one statement of a command, that no server would take.
///
/// # Errors
/// `InvalidArgument`, with both sizes.
pub(crate) fn check_size(command: &str, size: usize, server: &ConnectionDescription) -> Result<()> {
    let limit = server.max_bson_object_size + COMMAND_OVERHEAD;
    if size <= limit {
        return Ok(());
    }
    Err(Error::invalid_argument(format!(
        "the {command} takes {size} bytes, more than the {limit} that the server accepts for a command or one \
         statement of it (maxBsonObjectSize and 16 KiB)"
    )))
}

/// Gives a retryable write its transaction number, or turns it into a plain one where the server
/// cannot tell repetitions.
fn number_write(retries: &mut RetryState<'_, '_>, server: &ConnectionDescription) -> Result<()> {
    if retry::supports_retryable_writes(server) {
        if retries.txn_number.is_none() {
            retries.txn_number = session(retries).map(ServerSession::next_txn_number);
        }
        return Ok(());
    }
    match retries.previous_error {
        None => {
            retries.retry = Retry::Never;
            Ok(())
        }
        // This error is not told: the earlier one is.
        Some(_) => Err(Error::new(ErrorKind::IncompatibleServer {
            message: "the server chosen for another attempt knows no retryable writes".into(),
        })),
    }
}

/// Finds what is at the top of the reply, and takes note of the times in it.
fn read(
    retries: &mut RetryState<'_, '_>,
    access: Access,
    connection: &Connection,
) -> Result<ReplyHeader> {
    let reply = connection.reply()?;
    let header = ReplyHeader::of(reply).map_err(|error| error.at(connection.address()))?;
    let cluster_time = header.cluster_time(reply);
    if let Some(time) = cluster_time {
        retries.lease.core.clock.advance(time);
    }
    if let SessionRef::Explicit(state) = &mut retries.session_ref {
        if let Some(time) = cluster_time.and_then(ClusterTime::parse) {
            state.advance_cluster_time(&time);
        }
        if let Some(time) = header.operation_time() {
            state.advance_operation_time(time);
        }
        if let Some(time) =
            header.snapshot_time(reply).filter(|_| state.is_snapshot() && access == Access::Read)
        {
            state.saw_snapshot(time);
        }
    }
    Ok(header)
}

/// Finds what the reply complains of. This is the only place that does, for every operation.
#[inline]
fn judge(
    retries: &RetryState<'_, '_>,
    operation: &dyn Operation,
    selected: &Selected,
    connection: &Connection,
    header: &ReplyHeader,
) -> std::result::Result<(), Failure> {
    let complaints = operation.meta().complaints;
    if header.is_success() && (complaints == Complaints::Unread || header.check().is_ok()) {
        return Ok(());
    }
    complaint(retries, operation, selected, connection, header)
        .unwrap_or_else(|error| Err(Failure::after(error.at(selected.address()))))
}

/// The outer error is of a reply that cannot be understood, the inner one what the server complains
/// of.
#[cold]
fn complaint(
    retries: &RetryState<'_, '_>,
    operation: &dyn Operation,
    selected: &Selected,
    connection: &Connection,
    header: &ReplyHeader,
) -> Result<std::result::Result<(), Failure>> {
    let reply = connection.reply()?;
    if !header.is_complete() {
        return Err(Error::invalid_response(
            "it has no ok, which says whether the command was carried out",
        ));
    }
    let complaints = operation.meta().complaints;
    let told = match header.is_ok() {
        false => Some(failure::of_command(header, reply)),
        true if complaints == Complaints::Unread => {
            failure::of_write_concern(header, reply).ok().flatten()
        }
        true => {
            header.check()?;
            failure::of_write_concern(header, reply)?
        }
    };
    // What the reply says of the server is heard, and may be a reason to try again, whoever makes
    // an error of it.
    if let Some(mut error) = told.map(|error| error.at(selected.address())) {
        if retries.retry == Retry::Write {
            retry::label(&mut error, Some(connection.description()));
        }
        retries.lease.core.deployment.on_error(
            selected,
            connection.generation(),
            &error,
            Stage::Operation,
        );
        let again = retry::permits(retries.retry, &error) && retries.may_repeat(&error);
        if !header.is_ok() || again {
            return Ok(Err(Failure::after(error)));
        }
    }
    let error = failure::of_accepted(complaints, operation.statements(), header, reply)?;
    Ok(match error {
        Some(error) => Err(Failure::after(error.at(selected.address()))),
        None => Ok(()),
    })
}

/// No connection was to be had. What that says of the server the pool has told already.
fn not_checked_out(server: &Server, retry: Retry, refused: CheckOutError) -> Failure {
    let mut error = refused.error.at(server.address());
    if retry == Retry::Write {
        retry::label(&mut error, None);
    }
    Failure::before(error)
}

/// The connection broke, or what came over it was no reply.
fn not_answered(
    core: &Core,
    server: &Selected,
    connection: &Connection,
    retry: Retry,
    mut error: Error,
) -> Failure {
    if let ErrorKind::InvalidArgument { .. } = error.kind() {
        return Failure::before(error);
    }
    if retry == Retry::Write {
        retry::label(&mut error, Some(connection.description()));
    }
    core.deployment.on_error(server, connection.generation(), &error, Stage::Operation);
    Failure::after(error)
}
