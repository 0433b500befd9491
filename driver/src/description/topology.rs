//! The description of the whole deployment: its type, its servers, and their common properties.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bson::oid::ObjectId;

use crate::description::ServerDescription;
use crate::error::{Error, ErrorKind};
use crate::types::ServerAddress;
use crate::types::ServerType;
use crate::wire_version;

/// The type of a deployment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TopologyType {
    /// A single server of any type.
    Single,
    /// A replica set without a known primary.
    ReplicaSetNoPrimary,
    /// A replica set with a known primary.
    ReplicaSetWithPrimary,
    /// A sharded cluster, by its mongos routers.
    Sharded,
    /// Servers behind a load balancer.
    LoadBalanced,
    /// Not known yet.
    #[default]
    Unknown,
}

impl TopologyType {
    /// Whether the deployment is a replica set.
    pub fn is_replica_set(self) -> bool {
        matches!(self, TopologyType::ReplicaSetNoPrimary | TopologyType::ReplicaSetWithPrimary)
    }
}

impl fmt::Display for TopologyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The client's view of the deployment.
///
/// An immutable value: a change of a server creates a new one.
#[derive(Clone)]
pub struct TopologyDescription {
    pub(crate) topology_type: TopologyType,
    pub(crate) set_name: Option<String>,
    pub(crate) max_election_id: Option<ObjectId>,
    pub(crate) max_set_version: Option<i64>,
    /// In the order of their discovery.
    pub(crate) servers: Vec<Arc<ServerDescription>>,
    /// Servers that were removed because they do not belong to the deployment, and the reasons.
    /// Errors of server selection show the latest few.
    pub(crate) left_out: Vec<(ServerAddress, Arc<str>)>,
    pub(crate) compatibility_error: Option<String>,
    pub(crate) logical_session_timeout: Option<Duration>,
    /// A standalone is only valid as the single seed.
    pub(crate) single_seed: bool,
    /// The client's interval of checks, which counts towards the staleness of a secondary.
    pub(crate) heartbeat_freq: Duration,
}

impl TopologyDescription {
    /// The description before the first check.
    pub(crate) fn initial(
        topology_type: TopologyType,
        seeds: &[ServerAddress],
        set_name: Option<String>,
        heartbeat_freq: Duration,
    ) -> Self {
        let mut servers: Vec<Arc<ServerDescription>> = Vec::with_capacity(seeds.len());
        for seed in seeds {
            if servers.iter().all(|known| known.address != *seed) {
                servers.push(Arc::new(ServerDescription::unknown(seed.clone())));
            }
        }
        TopologyDescription {
            topology_type,
            set_name,
            max_election_id: None,
            max_set_version: None,
            single_seed: servers.len() == 1,
            servers,
            left_out: Vec::new(),
            compatibility_error: None,
            logical_session_timeout: None,
            heartbeat_freq,
        }
    }

    /// The description of a deployment without monitoring.
    pub(crate) fn empty() -> Self {
        Self::initial(TopologyType::Unknown, &[], None, Duration::MAX)
    }

    /// A deployment of this type with these servers, none of them from a reply.
    #[cfg(any(test, feature = "conformance"))]
    pub(crate) fn of(topology_type: TopologyType, servers: Vec<ServerDescription>) -> Self {
        let servers = servers.into_iter().map(Arc::new).collect();
        let heartbeat_freq = Duration::from_secs(10);
        TopologyDescription { servers, ..Self::initial(topology_type, &[], None, heartbeat_freq) }
    }

    /// The type of the deployment.
    ///
    /// # Examples
    /// ```no_run
    /// # fn example(client: driver::Client) {
    /// let topology = client.topology();
    /// if topology.topology_type().is_replica_set() {
    ///     println!("the replica set {:?}", topology.set_name());
    ///     println!("its primary is {:?}", topology.primary().map(|primary| primary.address()));
    ///     println!("elected as {:?}", topology.max_election_id());
    ///     println!("with version {:?}", topology.max_set_version());
    /// }
    /// println!("{} servers", topology.servers().len());
    /// println!("sessions end after {:?}", topology.logical_session_timeout());
    /// if let Some(reason) = topology.compatibility_error() {
    ///     println!("{reason}");
    /// }
    /// # }
    /// ```
    pub fn topology_type(&self) -> TopologyType {
        self.topology_type
    }

    /// The name of the replica set, if known.
    pub fn set_name(&self) -> Option<&str> {
        self.set_name.as_deref()
    }

    /// The servers in the order of their discovery.
    pub fn servers(&self) -> impl ExactSizeIterator<Item = &ServerDescription> {
        self.servers.iter().map(|server| &**server)
    }

    /// The server at `address`, if it is part of the deployment.
    ///
    /// # Examples
    /// ```no_run
    /// use driver::options::ServerAddress;
    ///
    /// # fn example(client: driver::Client) -> driver::Result<()> {
    /// let address = ServerAddress::parse("mongo.example")?;
    /// if let Some(server) = client.topology().server(&address) {
    ///     println!("{}", server.server_type());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn server(&self, address: &ServerAddress) -> Option<&ServerDescription> {
        self.servers().find(|server| server.address == *address)
    }

    /// The primary of a replica set, if known.
    pub fn primary(&self) -> Option<&ServerDescription> {
        self.servers().find(|server| server.server_type == ServerType::RsPrimary)
    }

    /// The time after which servers expire an unused session: the lowest of all data-bearing
    /// servers. `None` if one of them does not report it, or if there are none.
    pub fn logical_session_timeout(&self) -> Option<Duration> {
        self.logical_session_timeout
    }

    /// The highest election id that a primary has reported, by the specification's ordering.
    pub fn max_election_id(&self) -> Option<ObjectId> {
        self.max_election_id
    }

    /// The set version that was reported with [`max_election_id`](Self::max_election_id).
    pub fn max_set_version(&self) -> Option<i64> {
        self.max_set_version
    }

    /// The reason why this driver is incompatible with one of the servers, if it is.
    pub fn compatibility_error(&self) -> Option<&str> {
        self.compatibility_error.as_deref()
    }

    /// The error of every operation while one server is too old or too new.
    pub(crate) fn incompatible(&self) -> Option<Error> {
        let message = self.compatibility_error.clone()?;
        Some(Error::new(ErrorKind::IncompatibleServer { message }))
    }

    /// Whether both descriptions are equal for event handlers.
    pub(crate) fn says_the_same(&self, other: &TopologyDescription) -> bool {
        self.topology_type == other.topology_type
            && self.set_name == other.set_name
            && (self.max_election_id, self.max_set_version)
                == (other.max_election_id, other.max_set_version)
            && self.compatibility_error == other.compatibility_error
            && self.logical_session_timeout == other.logical_session_timeout
            && self.servers.len() == other.servers.len()
            && self
                .servers
                .iter()
                .zip(&other.servers)
                .all(|(a, b)| Arc::ptr_eq(a, b) || a.says_the_same(b))
    }

    /// Derives the common properties from the servers.
    pub(crate) fn summarize(&mut self) {
        self.compatibility_error = self.servers.iter().find_map(|server| incompatibility(server));
        let mut data_bearing =
            self.servers.iter().filter(|server| server.server_type.is_data_bearing());
        let shortest = data_bearing.try_fold(None::<Duration>, |shortest, server| {
            let timeout = server.logical_session_timeout()?;
            Some(Some(shortest.map_or(timeout, |shortest| shortest.min(timeout))))
        });
        self.logical_session_timeout = shortest.flatten();
    }
}

/// The reason why this driver is incompatible with `server`, if it is (section "Checking wire
/// protocol compatibility").
fn incompatibility(server: &ServerDescription) -> Option<String> {
    let hello = server.hello.as_ref().filter(|_| server.server_type != ServerType::Unknown)?;
    let address = &server.address;
    if hello.min_wire_version > wire_version::NEWEST {
        return Some(format!(
            "Server at {address} requires wire version {}, but this version of the driver only \
             supports up to {}.",
            hello.min_wire_version,
            wire_version::NEWEST
        ));
    }
    if hello.max_wire_version < wire_version::OLDEST {
        return Some(format!(
            "Server at {address} reports wire version {}, but this version of the driver requires \
             at least {} (MongoDB {}).",
            hello.max_wire_version,
            wire_version::OLDEST,
            wire_version::OLDEST_SERVER
        ));
    }
    None
}

impl fmt::Debug for TopologyDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopologyDescription")
            .field("type", &self.topology_type)
            .field("set_name", &self.set_name)
            .field("servers", &self.servers)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for TopologyDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The type of an unknown deployment is omitted if each server's error follows.
        let says_nothing = self.topology_type == TopologyType::Unknown
            && self.set_name.is_none()
            && !self.servers.is_empty();
        let mut separator = "";
        if !says_nothing {
            write!(f, "{}", self.topology_type)?;
            separator = ": ";
        }
        if let Some(name) = &self.set_name {
            write!(f, " {name:?}")?;
        }
        if self.servers.is_empty() {
            f.write_str(", no servers")?;
        }
        for server in &self.servers {
            write!(f, "{separator}{server}")?;
            separator = ", ";
        }
        for (address, why) in &self.left_out {
            write!(f, "; {address} is left out: {why}")?;
        }
        Ok(())
    }
}
