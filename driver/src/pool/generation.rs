//! Generations: how a pool tells the connections of before a failure from those of after it.

use bson::oid::ObjectId;

use super::state;

/// The number of times that a pool had been cleared when a connection was opened; behind a load
/// balancer, that its service had been cleared in the pool.
///
/// Specification "Connection Monitoring and Pooling", section "Clearing a Connection Pool".
pub(crate) type Generation = state::Generation<ObjectId>;

impl Generation {
    /// That of a pool which was never cleared.
    pub(crate) const FIRST: Generation = Generation { number: 0, service: None };

    /// The service that the number counts for; none without a load balancer.
    pub(crate) fn service(self) -> Option<ObjectId> {
        self.service
    }
}
