//! The properties of a server, as a connection learned them in its handshake.

use std::time::Duration;

use bson::oid::ObjectId;

use crate::handshake::HelloReply;
use crate::options::AuthMechanism;
use crate::types::ServerType;
use crate::wire::MAX_MESSAGE_SIZE;

/// The server's properties from the handshake.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionDescription {
    pub(crate) server_type: ServerType,
    pub(crate) max_wire_version: i32,
    /// In bytes.
    pub(crate) max_bson_object_size: usize,
    /// In bytes.
    pub(crate) max_message_size_bytes: usize,
    pub(crate) max_write_batch_size: usize,
    pub(crate) logical_session_timeout: Option<Duration>,
    /// The server's id of the connection.
    pub(crate) server_connection_id: Option<i64>,
    /// In load-balanced mode, the service of the connection.
    pub(crate) service_id: Option<ObjectId>,
    pub(crate) hello_ok: bool,
    /// The mechanism that authenticated the connection.
    pub(crate) mechanism: Option<AuthMechanism>,
    /// The duration of the handshake's `hello`.
    pub(crate) round_trip_time: Duration,
}

impl ConnectionDescription {
    /// The limits of every server, before the handshake.
    pub(crate) fn unknown() -> Self {
        ConnectionDescription {
            server_type: ServerType::Unknown,
            max_wire_version: 0,
            max_bson_object_size: 16 * 1024 * 1024,
            max_message_size_bytes: MAX_MESSAGE_SIZE,
            max_write_batch_size: 100_000,
            logical_session_timeout: None,
            server_connection_id: None,
            service_id: None,
            hello_ok: false,
            mechanism: None,
            round_trip_time: Duration::ZERO,
        }
    }

    pub(in crate::pool) fn of(hello: &HelloReply, round_trip_time: Duration) -> Self {
        let unknown = Self::unknown();
        let size = |limit: Option<i32>, default: usize| {
            limit
                .and_then(|size| usize::try_from(size).ok())
                .filter(|size| *size > 0)
                .unwrap_or(default)
        };
        ConnectionDescription {
            server_type: hello.server_type(),
            max_wire_version: hello.max_wire_version,
            max_bson_object_size: size(hello.max_bson_object_size, unknown.max_bson_object_size),
            max_message_size_bytes: size(
                hello.max_message_size_bytes,
                unknown.max_message_size_bytes,
            ),
            max_write_batch_size: size(hello.max_write_batch_size, unknown.max_write_batch_size),
            logical_session_timeout: hello.logical_session_timeout,
            server_connection_id: hello.connection_id,
            service_id: hello.service_id,
            hello_ok: hello.hello_ok,
            mechanism: None,
            round_trip_time,
        }
    }
}
