//! One attempt of an operation: check out, write, send, look at the reply.

use super::cluster_time::ClusterTime;
use super::envelope::{Envelope, ReadTime, Route, read_preference};
use super::operation::{Complaints, Identity, Kind, Operation, Retry};
use super::outline::Outline;
use super::retry::{self, Failure};
use super::session_pool::{ServerSession, SessionPool};
use super::watch::Watch;
use super::{Core, Tries, failure};
use crate::error::{Error, ErrorKind, Result};
use crate::exec::SessionState;
use crate::pool::{CheckOutError, Connection, ConnectionDescription, Lease, Stage};
use crate::topology::{Selected, Server};
use crate::wire::Flags;

/// The room that a command has beyond the largest document that it can carry.
const COMMAND_OVERHEAD: usize = 16 * 1024;

/// The wire version of 5.0, from which on sessions can be snapshots (specification "Snapshot Reads", section "Requires MongoDB 5.0+").
const SNAPSHOT_READS: i32 = 13;

/// The code by which a server says that the user has to be proven again on the connection.
const REAUTHENTICATION_REQUIRED: i32 = 391;

/// On success, what [`Reply`](super::Reply) is made of.
#[expect(clippy::manual_async_fn, reason = "an `async fn` keeps its arguments twice")]
pub(super) fn attempt(
    tries: &mut Tries<'_, '_>,
    operation: &mut dyn Operation,
    selected: &Selected,
) -> impl Future<Output = std::result::Result<(Lease, Outline), Failure>> {
    async move {
        let core = tries.lease.core;
        let mut connection = match core.check_out_now(selected.pool()) {
            Some(connection) => connection,
            // Boxed: whoever waits can bear it, and it would make every operation's future as large.
            None => Box::pin(core.check_out(selected.pool(), tries.deadline))
                .await
                .map_err(|refused| not_checked_out(selected, tries.retry, refused))?,
        };
        let failure = match exchange(tries, operation, selected, &mut connection).await {
            Ok(outline) => return Ok((connection, outline)),
            Err(failure) => failure,
        };
        if failure.error.code() != Some(REAUTHENTICATION_REQUIRED) {
            return Err(failure);
        }
        // Boxed, for it is rare, and would make every operation's future as large.
        let again = Box::pin(async {
            core.deployment
                .reauthenticate(&mut connection, tries.deadline)
                .await
                .map_err(|error| Failure::before(error.at(selected.address())))?;
            exchange(tries, operation, selected, &mut connection).await
        });
        let outline = again.await?;
        Ok((connection, outline))
    }
}

/// Writes and sends the command, and looks at its reply.
#[expect(clippy::manual_async_fn, reason = "an `async fn` keeps its arguments twice")]
fn exchange(
    tries: &mut Tries<'_, '_>,
    operation: &mut dyn Operation,
    selected: &Selected,
    connection: &mut Lease,
) -> impl Future<Output = std::result::Result<Outline, Failure>> {
    async move {
        let core = tries.lease.core;
        write(tries, operation, selected, connection).map_err(|error| match error.kind() {
            // No server has anything to do with what cannot be written.
            ErrorKind::BsonSerialization(_) => Failure::before(error),
            _ => Failure::before(error.at(selected.address())),
        })?;
        let (acknowledged, deadline) = (tries.acknowledged, tries.deadline);
        let watch = Watch::begin(core.options.command_event_handler.as_ref(), connection);
        let flight = InFlight::begin(session(tries), connection, &core.sessions);
        let sent = match acknowledged {
            true => flight.connection.round_trip(&core.runtime, deadline).await,
            false => flight.connection.send(&core.runtime, deadline).await,
        };
        flight.ended(&sent);
        if let Err(error) = sent {
            if let Some(watch) = watch {
                watch.failed(&error);
            }
            return Err(not_answered(core, selected, connection, tries.retry, error));
        }
        let outline = match acknowledged {
            true => match read(tries, operation.meta().kind, connection) {
                Ok(outline) => outline,
                Err(error) => {
                    if let Some(watch) = watch {
                        watch.failed(&error);
                    }
                    return Err(Failure::after(error));
                }
            },
            false => Outline::unacknowledged(),
        };
        if let Some(watch) = watch {
            watch.answered(&outline, connection.reply().ok().filter(|_| acknowledged));
        }
        if acknowledged {
            judge(tries, operation, selected, connection, &outline)?;
        }
        Ok(outline)
    }
}

/// A command under way. Dropped before its end, it leaves to the connection to find out when the session is free.
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
            && sent.as_ref().is_err_and(|error| !matches!(error.kind(), ErrorKind::InvalidArgument { .. }))
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

/// The session under whose identity the attempt runs, if it has one.
fn session<'t>(tries: &'t mut Tries<'_, '_>) -> Option<&'t mut ServerSession> {
    match &mut tries.identity {
        Identity::Implicit => tries.lease.session.as_mut(),
        Identity::Held(session) => session.as_deref_mut(),
        Identity::Explicit(state) => state.server(),
    }
}

/// The id of that session.
fn session_id(tries: &Tries<'_, '_>) -> Option<[u8; 16]> {
    match &tries.identity {
        Identity::Implicit => tries.lease.session.as_ref().map(ServerSession::id),
        Identity::Held(session) => session.as_deref().map(ServerSession::id),
        Identity::Explicit(state) => state.server_id(),
    }
}

/// What the session says of the data that a command of this kind must see.
///
/// # Errors
/// `IncompatibleServer` for a snapshot on a server that has none.
fn read_time_of(
    state: &SessionState,
    kind: Kind,
    server: &ConnectionDescription,
) -> Result<Option<ReadTime>> {
    Ok(match (kind, state.is_snapshot()) {
        (Kind::Sequel, _) | (Kind::Other, false) => None,
        (Kind::Read | Kind::Write, false) => state.after_cluster_time().map(ReadTime::After),
        (_, true) if server.max_wire_version < SNAPSHOT_READS => {
            return Err(Error::new(ErrorKind::IncompatibleServer {
                message: "Snapshot reads require MongoDB 5.0 or later; use a session without snapshot".into(),
            }));
        }
        (_, true) => Some(state.at_cluster_time().map_or(ReadTime::Snapshot, ReadTime::At)),
    })
}

/// Writes the whole request into the connection's buffer.
fn write(
    tries: &mut Tries<'_, '_>,
    operation: &mut dyn Operation,
    selected: &Selected,
    connection: &mut Connection,
) -> Result<()> {
    let core = tries.lease.core;
    let acknowledged = tries.acknowledged;
    let (mut message, server) = connection.compose();
    match tries.identity {
        Identity::Implicit if acknowledged && tries.lease.session.is_none() => {
            let timeout = server.logical_session_timeout;
            tries.lease.session = timeout.map(|_| core.sessions.take(timeout));
            tries.lease.timeout = timeout;
        }
        Identity::Explicit(_) if server.logical_session_timeout.is_none() => {
            return Err(Error::new(ErrorKind::IncompatibleServer {
                message: "the server knows no sessions; run the operation without one".into(),
            }));
        }
        _ => {}
    }
    if tries.retry == Retry::Write {
        number_write(tries, server)?;
    }
    let clock = core.clock.get();
    let mut cluster_time = clock.as_ref();
    let mut read_time = None;
    if let Identity::Explicit(state) = &tries.identity {
        cluster_time = ClusterTime::later(cluster_time, state.cluster_time());
        read_time = read_time_of(state, operation.meta().kind, server)?;
    }
    let mut body = message.body();
    operation.body(&mut body, server)?;
    let context = operation.context();
    let route = if core.options.direct_connection() { Route::Direct } else { Route::Selected };
    let envelope = Envelope {
        db: context.db,
        session: session_id(tries),
        txn_number: tries.txn_number.filter(|_| tries.retry == Retry::Write),
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

/// Gives a retryable write its transaction number, or turns it into a plain one where the server cannot tell repetitions.
fn number_write(tries: &mut Tries<'_, '_>, server: &ConnectionDescription) -> Result<()> {
    if retry::supports_retryable_writes(server) {
        if tries.txn_number.is_none() {
            tries.txn_number = session(tries).map(ServerSession::next_txn_number);
        }
        return Ok(());
    }
    match tries.earlier {
        None => {
            tries.retry = Retry::Never;
            Ok(())
        }
        // This error is not told: the earlier one is.
        Some(_) => Err(Error::new(ErrorKind::IncompatibleServer {
            message: "the server chosen for another attempt knows no retryable writes".into(),
        })),
    }
}

/// Finds what is at the top of the reply, and takes note of the times in it.
fn read(tries: &mut Tries<'_, '_>, kind: Kind, connection: &Connection) -> Result<Outline> {
    let reply = connection.reply()?;
    let outline = Outline::of(reply).map_err(|error| error.at(connection.address()))?;
    let cluster_time = outline.cluster_time(reply);
    if let Some(time) = cluster_time {
        tries.lease.core.clock.advance(time);
    }
    if let Identity::Explicit(state) = &mut tries.identity {
        if let Some(time) = cluster_time.and_then(ClusterTime::parse) {
            state.advance_cluster_time(&time);
        }
        if let Some(time) = outline.operation_time() {
            state.advance_operation_time(time);
        }
        if let Some(time) = outline.snapshot_time(reply).filter(|_| state.is_snapshot() && kind == Kind::Read)
        {
            state.saw_snapshot(time);
        }
    }
    Ok(outline)
}

/// Finds what the reply complains of. This is the only place that does, for every operation.
#[inline]
fn judge(
    tries: &Tries<'_, '_>,
    operation: &dyn Operation,
    selected: &Selected,
    connection: &Connection,
    outline: &Outline,
) -> std::result::Result<(), Failure> {
    let complaints = operation.meta().complaints;
    if outline.is_success() && (complaints == Complaints::Unread || outline.check().is_ok()) {
        return Ok(());
    }
    complaint(tries, operation, selected, connection, outline)
        .unwrap_or_else(|error| Err(Failure::after(error.at(selected.address()))))
}

/// The outer error is of a reply that cannot be understood, the inner one what the server complains of.
#[cold]
fn complaint(
    tries: &Tries<'_, '_>,
    operation: &dyn Operation,
    selected: &Selected,
    connection: &Connection,
    outline: &Outline,
) -> Result<std::result::Result<(), Failure>> {
    let reply = connection.reply()?;
    if !outline.is_complete() {
        return Err(Error::invalid_response("it has no ok, which says whether the command was carried out"));
    }
    let complaints = operation.meta().complaints;
    let told = match outline.is_ok() {
        false => Some(failure::of_command(outline, reply)),
        true if complaints == Complaints::Unread => failure::of_write_concern(outline, reply).ok().flatten(),
        true => {
            outline.check()?;
            failure::of_write_concern(outline, reply)?
        }
    };
    // What the reply says of the server is heard, and may be a reason to try again, whoever makes an error of it.
    if let Some(mut error) = told.map(|error| error.at(selected.address())) {
        if tries.retry == Retry::Write {
            retry::label(&mut error, Some(connection.description()));
        }
        tries.lease.core.deployment.on_error(selected, connection.generation(), &error, Stage::Operation);
        let again = retry::permits(tries.retry, &error) && tries.may_repeat(&error);
        if !outline.is_ok() || again {
            return Ok(Err(Failure::after(error)));
        }
    }
    let error = failure::of_accepted(complaints, operation.statements(), outline, reply)?;
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
