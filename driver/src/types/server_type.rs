//! The roles of servers.

use std::fmt;

/// The role of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServerType {
    /// A server that belongs to no set.
    Standalone,
    /// A router of a sharded cluster.
    Mongos,
    /// The member that takes writes.
    RsPrimary,
    /// A member that can be read from.
    RsSecondary,
    /// A member that only votes.
    RsArbiter,
    /// A member that is hidden, starting up or recovering: it is known, and never read from.
    RsOther,
    /// A member without a configuration.
    RsGhost,
    /// A load balancer before the servers.
    LoadBalancer,
    /// Not checked yet, or not reachable.
    #[default]
    Unknown,
}

impl ServerType {
    /// Whether servers of this type hold data that an application can read.
    pub fn is_data_bearing(self) -> bool {
        matches!(
            self,
            ServerType::Standalone
                | ServerType::Mongos
                | ServerType::RsPrimary
                | ServerType::RsSecondary
                | ServerType::LoadBalancer
        )
    }

    /// The name that the specifications give it.
    pub fn name(self) -> &'static str {
        match self {
            ServerType::Standalone => "Standalone",
            ServerType::Mongos => "Mongos",
            ServerType::RsPrimary => "RSPrimary",
            ServerType::RsSecondary => "RSSecondary",
            ServerType::RsArbiter => "RSArbiter",
            ServerType::RsOther => "RSOther",
            ServerType::RsGhost => "RSGhost",
            ServerType::LoadBalancer => "LoadBalancer",
            ServerType::Unknown => "Unknown",
        }
    }
}

impl fmt::Display for ServerType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
