//! Events of connection pools (specification "Connection Monitoring and Pooling", section
//! "Connection Pool Monitoring").

use std::time::Duration;

use bson::oid::ObjectId;
use serde::{Deserialize, Serialize};

pub use super::handlers::CmapEventHandler;
use crate::types::ServerAddress;

/// An event of a connection pool.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum CmapEvent {
    /// A pool was created. It provides no connections until it is ready.
    PoolCreated(PoolCreatedEvent),
    /// A pool is ready to provide connections: its server was checked successfully.
    PoolReady(PoolReadyEvent),
    /// A pool was cleared after an error of its server.
    PoolCleared(PoolClearedEvent),
    /// A pool was closed.
    PoolClosed(PoolClosedEvent),
    /// A connection was created; establishing it begins.
    ConnectionCreated(ConnectionCreatedEvent),
    /// A connection is ready for use: it was established and authenticated.
    ConnectionReady(ConnectionReadyEvent),
    /// A connection was closed.
    ConnectionClosed(ConnectionClosedEvent),
    /// An operation asks for a connection.
    ConnectionCheckoutStarted(ConnectionCheckoutStartedEvent),
    /// An operation got no connection.
    ConnectionCheckoutFailed(ConnectionCheckoutFailedEvent),
    /// An operation got a connection.
    ConnectionCheckedOut(ConnectionCheckedOutEvent),
    /// An operation returned its connection.
    ConnectionCheckedIn(ConnectionCheckedInEvent),
}

/// The pool options that differ from their defaults.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ConnectionPoolOptions {
    /// `maxIdleTimeMS`.
    pub max_idle_time: Option<Duration>,
    /// `maxPoolSize`.
    pub max_pool_size: Option<u32>,
    /// `minPoolSize`.
    pub min_pool_size: Option<u32>,
    /// `maxConnecting`.
    pub max_connecting: Option<u32>,
    /// `waitQueueTimeoutMS`.
    pub wait_queue_timeout: Option<Duration>,
}

/// See [`CmapEvent::PoolCreated`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PoolCreatedEvent {
    /// The server.
    pub address: ServerAddress,
    /// The pool options that differ from their defaults.
    pub options: ConnectionPoolOptions,
}

/// See [`CmapEvent::PoolReady`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PoolReadyEvent {
    /// The server.
    pub address: ServerAddress,
}

/// See [`CmapEvent::PoolCleared`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PoolClearedEvent {
    /// The server.
    pub address: ServerAddress,
    /// In load-balanced mode, the service whose connections were cleared.
    pub service_id: Option<ObjectId>,
    /// Whether connections in use were closed too.
    pub interrupt_in_use_connections: bool,
}

/// See [`CmapEvent::PoolClosed`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PoolClosedEvent {
    /// The server.
    pub address: ServerAddress,
}

/// See [`CmapEvent::ConnectionCreated`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ConnectionCreatedEvent {
    /// The server.
    pub address: ServerAddress,
    /// The id of the connection, unique within its pool, from 1.
    pub connection_id: u64,
}

/// See [`CmapEvent::ConnectionReady`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ConnectionReadyEvent {
    /// The server.
    pub address: ServerAddress,
    /// The id of the connection, unique within its pool, from 1.
    pub connection_id: u64,
    /// The time since [`CmapEvent::ConnectionCreated`].
    pub duration: Duration,
}

/// See [`CmapEvent::ConnectionClosed`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ConnectionClosedEvent {
    /// The server.
    pub address: ServerAddress,
    /// The id of the connection, unique within its pool, from 1.
    pub connection_id: u64,
    /// The reason.
    pub reason: ConnectionClosedReason,
}

/// The reason why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ConnectionClosedReason {
    /// The pool was cleared after the connection was created.
    Stale,
    /// The connection was idle for longer than `maxIdleTimeMS`.
    Idle,
    /// The connection failed, or could not be established.
    Error,
    /// The pool was closed.
    PoolClosed,
}

/// See [`CmapEvent::ConnectionCheckoutStarted`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ConnectionCheckoutStartedEvent {
    /// The server.
    pub address: ServerAddress,
}

/// See [`CmapEvent::ConnectionCheckoutFailed`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ConnectionCheckoutFailedEvent {
    /// The server.
    pub address: ServerAddress,
    /// The reason.
    pub reason: ConnectionCheckoutFailedReason,
    /// The time since [`CmapEvent::ConnectionCheckoutStarted`].
    pub duration: Duration,
}

/// The reason why an operation got no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ConnectionCheckoutFailedReason {
    /// No connection became available in time, too many operations were waiting, or the caller
    /// dropped the waiting operation.
    Timeout,
    /// The pool was cleared, or a new connection could not be established.
    ConnectionError,
    /// The pool was closed.
    PoolClosed,
}

/// See [`CmapEvent::ConnectionCheckedOut`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ConnectionCheckedOutEvent {
    /// The server.
    pub address: ServerAddress,
    /// The id of the connection, unique within its pool, from 1.
    pub connection_id: u64,
    /// The time since [`CmapEvent::ConnectionCheckoutStarted`].
    pub duration: Duration,
}

/// See [`CmapEvent::ConnectionCheckedIn`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ConnectionCheckedInEvent {
    /// The server.
    pub address: ServerAddress,
    /// The id of the connection, unique within its pool, from 1.
    pub connection_id: u64,
}

/// Makes each event one of the enum.
macro_rules! events {
    ($($Variant:ident($Event:ident),)*) => {$(
        impl From<$Event> for CmapEvent {
            fn from(event: $Event) -> Self {
                CmapEvent::$Variant(event)
            }
        }
    )*};
}

events! {
    PoolCreated(PoolCreatedEvent),
    PoolReady(PoolReadyEvent),
    PoolCleared(PoolClearedEvent),
    PoolClosed(PoolClosedEvent),
    ConnectionCreated(ConnectionCreatedEvent),
    ConnectionReady(ConnectionReadyEvent),
    ConnectionClosed(ConnectionClosedEvent),
    ConnectionCheckoutStarted(ConnectionCheckoutStartedEvent),
    ConnectionCheckoutFailed(ConnectionCheckoutFailedEvent),
    ConnectionCheckedOut(ConnectionCheckedOutEvent),
    ConnectionCheckedIn(ConnectionCheckedInEvent),
}
