//! What happens in connection pools (specification "Connection Monitoring and Pooling", section
//! "Connection Pool Monitoring").

use std::time::Duration;

use bson::oid::ObjectId;

use crate::types::ServerAddress;

/// Something happened in a pool.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum CmapEvent {
    /// A pool was made; it hands out nothing before it is ready.
    PoolCreated(PoolCreatedEvent),
    /// A pool hands out connections from now on: its server answered.
    PoolReady(PoolReadyEvent),
    /// A pool gave up all connections it had: its server was seen to fail.
    PoolCleared(PoolClearedEvent),
    /// A pool was closed for good.
    PoolClosed(PoolClosedEvent),
    /// A connection is about to be opened.
    ConnectionCreated(ConnectionCreatedEvent),
    /// A connection has been opened, and its user proven.
    ConnectionReady(ConnectionReadyEvent),
    /// A connection left its pool.
    ConnectionClosed(ConnectionClosedEvent),
    /// An operation asks for a connection.
    ConnectionCheckoutStarted(ConnectionCheckoutStartedEvent),
    /// An operation got none.
    ConnectionCheckoutFailed(ConnectionCheckoutFailedEvent),
    /// An operation got one.
    ConnectionCheckedOut(ConnectionCheckedOutEvent),
    /// An operation gave its connection back.
    ConnectionCheckedIn(ConnectionCheckedInEvent),
}

/// The options of a pool that are not the default.
#[derive(Clone, Debug, Default, PartialEq)]
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
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PoolCreatedEvent {
    /// The server.
    pub address: ServerAddress,
    /// The options of the pool that are not the default.
    pub options: ConnectionPoolOptions,
}

/// See [`CmapEvent::PoolReady`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PoolReadyEvent {
    /// The server.
    pub address: ServerAddress,
}

/// See [`CmapEvent::PoolCleared`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PoolClearedEvent {
    /// The server.
    pub address: ServerAddress,
    /// Behind a load balancer: the service whose connections were given up.
    pub service_id: Option<ObjectId>,
    /// Whether connections that carried operations were cut off as well.
    pub interrupt_in_use_connections: bool,
}

/// See [`CmapEvent::PoolClosed`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PoolClosedEvent {
    /// The server.
    pub address: ServerAddress,
}

/// See [`CmapEvent::ConnectionCreated`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConnectionCreatedEvent {
    /// The server.
    pub address: ServerAddress,
    /// The number of the connection within its pool, from 1 on.
    pub connection_id: u64,
}

/// See [`CmapEvent::ConnectionReady`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConnectionReadyEvent {
    /// The server.
    pub address: ServerAddress,
    /// The number of the connection within its pool, from 1 on.
    pub connection_id: u64,
    /// How long it took since [`CmapEvent::ConnectionCreated`].
    pub duration: Duration,
}

/// See [`CmapEvent::ConnectionClosed`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConnectionClosedEvent {
    /// The server.
    pub address: ServerAddress,
    /// The number of the connection within its pool, from 1 on.
    pub connection_id: u64,
    /// Why.
    pub reason: ConnectionClosedReason,
}

/// Why a connection left its pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionClosedReason {
    /// The pool was cleared after the connection had been opened.
    Stale,
    /// Nobody used it for longer than `maxIdleTimeMS`.
    Idle,
    /// It broke, or could not be opened.
    Error,
    /// The pool was closed.
    PoolClosed,
}

/// See [`CmapEvent::ConnectionCheckoutStarted`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConnectionCheckoutStartedEvent {
    /// The server.
    pub address: ServerAddress,
}

/// See [`CmapEvent::ConnectionCheckoutFailed`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConnectionCheckoutFailedEvent {
    /// The server.
    pub address: ServerAddress,
    /// Why.
    pub reason: ConnectionCheckoutFailedReason,
    /// How long it took since [`CmapEvent::ConnectionCheckoutStarted`].
    pub duration: Duration,
}

/// Why an operation got no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionCheckoutFailedReason {
    /// None came free in time, too many operations were waiting already, or the operation was given
    /// up while it waited.
    Timeout,
    /// The pool was cleared, or a new connection could not be opened.
    ConnectionError,
    /// The pool was closed.
    PoolClosed,
}

/// See [`CmapEvent::ConnectionCheckedOut`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConnectionCheckedOutEvent {
    /// The server.
    pub address: ServerAddress,
    /// The number of the connection within its pool, from 1 on.
    pub connection_id: u64,
    /// How long it took since [`CmapEvent::ConnectionCheckoutStarted`].
    pub duration: Duration,
}

/// See [`CmapEvent::ConnectionCheckedIn`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConnectionCheckedInEvent {
    /// The server.
    pub address: ServerAddress,
    /// The number of the connection within its pool, from 1 on.
    pub connection_id: u64,
}
