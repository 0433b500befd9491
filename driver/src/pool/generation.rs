//! Generations: how a pool tells the connections of before a failure from those of after it.

use bson::oid::ObjectId;

/// The number of times that a pool had been cleared when a connection was opened; behind a load balancer, that its
/// service had been cleared in the pool.
///
/// Specification "Connection Monitoring and Pooling", section "Clearing a Connection Pool".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Generation {
    number: u32,
    service: Option<ObjectId>,
}

impl Generation {
    /// That of a pool which was never cleared.
    pub(crate) const FIRST: Generation = Generation { number: 0, service: None };

    pub(super) fn new(number: u32, service: Option<ObjectId>) -> Self {
        Generation { number, service }
    }

    pub(super) fn number(self) -> u32 {
        self.number
    }

    /// The service that the number counts for; none without a load balancer.
    pub(crate) fn service(self) -> Option<ObjectId> {
        self.service
    }
}
