//! The metrics of a connection pool.

use super::ServerAddress;

/// The metrics of a connection pool.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolMetrics {
    /// The server.
    pub address: ServerAddress,
    /// The number of times the pool was cleared.
    pub generation: u32,
    /// The connections that operations and requests hold.
    pub in_use: u32,
    /// The connections that can be used at once.
    pub idle: u32,
    /// The connections that are being opened.
    pub opening: u32,
    /// The operations that wait for a connection.
    pub waiting: u32,
}
