//! The type of a server.

use std::fmt;

/// The type of a server (specification "Server Discovery and Monitoring").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServerType {
    /// A server outside a replica set.
    Standalone,
    /// A router of a sharded cluster.
    Mongos,
    /// The primary of a replica set.
    RsPrimary,
    /// A secondary of a replica set.
    RsSecondary,
    /// An arbiter of a replica set, which has no data.
    RsArbiter,
    /// Another member: hidden, starting up or recovering. The driver never reads from it.
    RsOther,
    /// A member without a replica set configuration.
    RsGhost,
    /// A load balancer in front of the servers.
    LoadBalancer,
    /// Not checked yet, or unreachable.
    #[default]
    Unknown,
}

impl ServerType {
    /// Whether servers of this type hold data that an application can read.
    ///
    /// # Examples
    /// ```
    /// use driver::ServerType;
    ///
    /// assert!(ServerType::RsSecondary.is_data_bearing());
    /// assert!(!ServerType::RsArbiter.is_data_bearing());
    /// assert_eq!(ServerType::RsPrimary.name(), "RSPrimary");
    /// ```
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

    /// The name in the specifications.
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
