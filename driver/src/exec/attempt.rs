//! One attempt of an operation: checks a connection out, sends the command and checks the reply.

use std::time::Instant;

use super::command_monitor::CommandMonitor;
use super::envelope::{Envelope, Route, read_preference};
use super::header::ReplyHeader;
use super::operation::{Access, Complaints, Operation, Retry};
use super::retry::{self, Failure};
use super::session::{CommandKind, Participant};
use super::{Execution, failure, pinned_to, timeout};
use crate::error::{Error, ErrorKind, Result, codes};
use crate::pool::{CheckOutError, Connection, ConnectionDescription, Lease, Stage};
use crate::topology::{Selected, Server};
use crate::types::ServerType;
use crate::wire::Flags;

/// The space for a command in addition to its largest document.
const COMMAND_OVERHEAD: usize = 16 * 1024;

/// On success, returns the parts of a [`Reply`](super::Reply).
#[expect(clippy::manual_async_fn, reason = "an `async fn` keeps its arguments twice")]
pub(super) fn attempt(
    execution: &mut Execution<'_, '_>,
    operation: &mut dyn Operation,
    selected: &Selected,
) -> impl Future<Output = std::result::Result<(Lease, ReplyHeader), Failure>> {
    async move {
        let core = execution.core;
        let mut connection = {
            let now = operation.take_stream().or_else(|| match execution.pinned {
                None => core.check_out_now(selected.pool()),
                Some(_) => None,
            });
            match now {
                Some(connection) => connection,
                // Boxed, because a wait costs more, and otherwise every operation's future would be
                // as large.
                None => Box::pin(check_out(execution, selected)).await?,
            }
        };
        execution.session.on_checked_out(selected, &mut connection);
        let failure = match exchange(execution, operation, selected, &mut connection).await {
            Ok(header) => return Ok((connection, header)),
            Err(failure) => failure,
        };
        if failure.error.code() != Some(codes::REAUTHENTICATION_REQUIRED) {
            return Err(failure);
        }
        // The server refused the command before it ran it.
        execution.session.on_repeat();
        // Boxed, because it is rare, and otherwise every operation's future would be as large.
        let again = Box::pin(async {
            core.deployment
                .reauthenticate(&mut connection, execution.deadline)
                .await
                .map_err(|error| Failure::before(error.at(selected.address())))?;
            exchange(execution, operation, selected, &mut connection).await
        });
        let header = again.await?;
        Ok((connection, header))
    }
}

/// Waits for the connection of the attempt.
async fn check_out(
    execution: &Execution<'_, '_>,
    selected: &Selected,
) -> std::result::Result<Lease, Failure> {
    let (pool, deadline) = (selected.pool(), execution.deadline);
    let checked_out = match &execution.pinned {
        None => execution.core.check_out(pool, deadline).await.map(Some),
        Some(pinned) => pinned.check_out(pool, deadline).await,
    };
    match checked_out {
        Ok(Some(connection)) => Ok(connection),
        Ok(None) => Err(Failure::before(pinned_to::lost().at(selected.address()))),
        Err(refused) => Err(not_checked_out(selected, execution.retries.class(), refused)),
    }
}

/// Writes and sends the command, and reads its reply.
#[expect(clippy::manual_async_fn, reason = "an `async fn` keeps its arguments twice")]
fn exchange(
    execution: &mut Execution<'_, '_>,
    operation: &mut dyn Operation,
    selected: &Selected,
    connection: &mut Lease,
) -> impl Future<Output = std::result::Result<ReplyHeader, Failure>> {
    async move {
        let core = execution.core;
        // The server sends the next reply without a request (exhaust).
        let streams = !connection.is_idle();
        let begun = if streams {
            Instant::now()
        } else {
            let begun = write(execution, operation, selected, connection).map_err(|error| {
                match error.kind() {
                    // A serialization error is unrelated to the server.
                    ErrorKind::BsonSerialization(_) => Failure::before(error),
                    _ => Failure::before(error.at(selected.address())),
                }
            })?;
            connection
                .ready_to_send()
                .map_err(|error| not_sent(execution, selected, connection, error))?;
            begun
        };
        operation.sending(connection.description());
        let (acknowledged, deadline) = (execution.acknowledged, execution.deadline);
        let monitor = CommandMonitor::begin(core, connection);
        let flight = execution.session.begin(connection, begun);
        let sent = if streams {
            // Boxed, because it is rare.
            Box::pin(flight.connection.receive_next(&core.runtime, deadline)).await
        } else if acknowledged {
            flight.connection.round_trip(&core.runtime, deadline).await
        } else {
            flight.connection.send(&core.runtime, deadline).await
        };
        flight.ended(&sent);
        if let Err(error) = sent {
            if let Some(monitor) = monitor {
                monitor.failed(&error);
            }
            return Err(Failure::after(broken(execution, selected, connection, error)));
        }
        let header = if acknowledged {
            match read(&mut execution.session, operation.meta().access, connection) {
                Ok(header) => header,
                Err(error) => {
                    if let Some(monitor) = monitor {
                        monitor.failed(&error);
                    }
                    return Err(Failure::after(error));
                }
            }
        } else {
            ReplyHeader::unacknowledged()
        };
        if let Some(monitor) = monitor {
            monitor.answered(&header, connection.reply().ok().filter(|_| acknowledged));
        }
        if acknowledged {
            judge(execution, operation, selected, connection, &header)?;
        }
        Ok(header)
    }
}

/// Writes the whole request into the connection's buffer. Returns the time at which it read the
/// clock, once for the session and for `maxTimeMS`.
fn write(
    execution: &mut Execution<'_, '_>,
    operation: &mut dyn Operation,
    selected: &Selected,
    connection: &mut Connection,
) -> Result<Instant> {
    let core = execution.core;
    let acknowledged = execution.acknowledged;
    let (mut message, server) = connection.compose();
    execution.retries.meets(server)?;
    let clock = core.clock.get();
    let command = CommandKind {
        access: operation.meta().access,
        acknowledged,
        numbered: execution.retries.class() == Retry::Write,
    };
    let mut body = message.body();
    operation.body(&mut body, server)?;
    let now = Instant::now();
    execution.session.prepare(command, server, now)?;
    let session = execution.session.fields(command, server, clock.as_ref())?;
    let context = execution.session.govern(operation.context());
    let route = if core.options.direct_connection() { Route::Direct } else { Route::Selected };
    let deadline = execution.deadline;
    let round_trip = || selected.minimum_round_trip(&core.deployment);
    let write_concern =
        context.write_concern.get().map(|concern| timeout::write_concern(concern, deadline));
    let envelope = Envelope {
        db: context.db,
        session,
        read_preference: read_preference(context.target, server.server_type, route)
            .filter(|_| !selected.is_overruled()),
        read_concern: context.read_concern.get(),
        write_concern: write_concern.as_deref(),
        max_time: context.max_time.to_send(deadline, now, round_trip)?,
        server_api: core.options.server_api.as_ref(),
    };
    envelope.write(&mut body)?;
    check_size(operation.meta().command, body.len(), server)?;
    drop(body);
    operation.documents(&mut message, server)?;
    if !acknowledged {
        message.flag(Flags::MORE_TO_COME);
    }
    let is_mongos = server.server_type == ServerType::Mongos || server.service_id.is_some();
    if operation.allows_exhaust() && !is_mongos {
        message.flag(Flags::EXHAUST_ALLOWED);
    }
    Ok(now)
}

/// Refuses a command, or one statement of it, that exceeds the server's limit.
///
/// # Errors
/// `InvalidArgument` with both sizes.
pub(crate) fn check_size(command: &str, size: usize, server: &ConnectionDescription) -> Result<()> {
    let limit = server.max_bson_object_size + COMMAND_OVERHEAD;
    if size <= limit {
        return Ok(());
    }
    Err(Error::invalid_argument(format!(
        "the {command} takes {size} bytes, more than the {limit} that the server accepts for a \
         command or one statement of it (maxBsonObjectSize and 16 KiB)"
    )))
}

/// Reads the header of the reply, and passes its times to the session.
fn read(
    session: &mut Participant<'_, '_>,
    access: Access,
    connection: &Connection,
) -> Result<ReplyHeader> {
    let reply = connection.reply()?;
    let header = ReplyHeader::of(reply).map_err(|error| error.at(connection.address()))?;
    session.on_reply(access, &header, reply);
    Ok(header)
}

/// Finds the error in the reply, if there is one. All operations use this function.
#[inline]
fn judge(
    execution: &Execution<'_, '_>,
    operation: &dyn Operation,
    selected: &Selected,
    connection: &Connection,
    header: &ReplyHeader,
) -> std::result::Result<(), Failure> {
    let complaints = operation.meta().complaints;
    if header.is_success() && (complaints == Complaints::Unread || header.check().is_ok()) {
        return Ok(());
    }
    complaint(execution, operation, selected, connection, header)
        .unwrap_or_else(|error| Err(Failure::after(error.at(selected.address()))))
}

/// The outer error is about a malformed reply, the inner one is the error in the reply.
#[cold]
fn complaint(
    execution: &Execution<'_, '_>,
    operation: &dyn Operation,
    selected: &Selected,
    connection: &Connection,
    header: &ReplyHeader,
) -> Result<std::result::Result<(), Failure>> {
    let reply = connection.reply()?;
    if !header.is_complete() {
        return Err(Error::invalid_response("it has no ok"));
    }
    let complaints = operation.meta().complaints;
    let reported = if !header.is_ok() {
        Some(failure::of_command(header, reply))
    } else if complaints == Complaints::Unread {
        failure::of_write_concern(header, reply).ok().flatten()
    } else {
        header.check()?;
        failure::of_write_concern(header, reply)?
    };
    // The error affects the server description and the retry, whether or not the caller gets it.
    if let Some(mut error) = reported.map(|error| error.at(selected.address())) {
        retry::label(execution.retries.class(), &mut error, Some(connection.description()));
        execution.core.deployment.on_error(
            selected,
            connection.generation(),
            &error,
            Stage::Operation,
        );
        let again = execution.retries.repeats(&error);
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

/// The checkout failed. The pool has already reported errors of the server.
fn not_checked_out(server: &Server, retry: Retry, refused: CheckOutError) -> Failure {
    let mut error = refused.error.at(server.address());
    retry::label(retry, &mut error, None);
    Failure::before(error)
}

/// The command could not be sent: it is too large, or the connection is broken.
#[cold]
fn not_sent(
    execution: &Execution<'_, '_>,
    selected: &Selected,
    connection: &Connection,
    error: Error,
) -> Failure {
    Failure::before(match error.kind() {
        ErrorKind::InvalidArgument { .. } => error,
        _ => broken(execution, selected, connection, error),
    })
}

/// The connection failed, or its bytes were not a valid reply.
fn broken(
    execution: &Execution<'_, '_>,
    selected: &Selected,
    connection: &Connection,
    mut error: Error,
) -> Error {
    retry::label(execution.retries.class(), &mut error, Some(connection.description()));
    let deployment = &execution.core.deployment;
    deployment.on_error(selected, connection.generation(), &error, Stage::Operation);
    error
}
