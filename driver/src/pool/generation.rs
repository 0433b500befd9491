//! The generation of a connection, which identifies connections from before a failure.

use bson::oid::ObjectId;

use super::state;

/// The number of times that the pool had been cleared when a connection was created. In
/// load-balanced mode, the number of times for its service.
///
/// Specification "Connection Monitoring and Pooling", section "Clearing a Connection Pool".
pub(crate) type Generation = state::Generation<ObjectId>;

impl Generation {
    /// The generation of a pool that was never cleared.
    pub(crate) const FIRST: Generation = Generation { number: 0, service: None };

    /// The service of the generation; `None` without a load balancer.
    pub(crate) fn service(self) -> Option<ObjectId> {
        self.service
    }
}
