//! What is known of the whole deployment: its kind, its servers, and what they have in common.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bson::oid::ObjectId;

use crate::description::ServerDescription;
use crate::error::{Error, ErrorKind};
use crate::types::ServerAddress;
use crate::types::ServerType;

/// The oldest wire protocol that the driver speaks: that of MongoDB 4.2.
pub(crate) const MIN_WIRE_VERSION: i32 = 8;
/// The newest wire protocol that the driver speaks: that of MongoDB 8.0.
pub(crate) const MAX_WIRE_VERSION: i32 = 25;
const OLDEST_SERVER: &str = "4.2";

/// The kind of a deployment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TopologyType {
    /// One server, whatever its role.
    Single,
    /// A replica set whose primary is not known.
    ReplicaSetNoPrimary,
    /// A replica set whose primary is known.
    ReplicaSetWithPrimary,
    /// The routers of a sharded cluster.
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

/// What the client knows of the deployment.
///
/// An immutable value: news about a server makes a new one.
#[derive(Clone)]
pub struct TopologyDescription {
    pub(crate) topology_type: TopologyType,
    pub(crate) set_name: Option<String>,
    pub(crate) max_election_id: Option<ObjectId>,
    pub(crate) max_set_version: Option<i64>,
    /// In the order in which they became known.
    pub(crate) servers: Vec<Arc<ServerDescription>>,
    /// Servers that do not belong, and why: what a user who finds no server has to know. The
    /// latest few.
    pub(crate) left_out: Vec<(ServerAddress, Arc<str>)>,
    pub(crate) compatibility_error: Option<String>,
    pub(crate) logical_session_timeout: Option<Duration>,
    /// A standalone may be used only when it is all that was asked for.
    pub(crate) single_seed: bool,
}

impl TopologyDescription {
    /// The description before any server was asked.
    pub(crate) fn initial(
        topology_type: TopologyType,
        seeds: &[ServerAddress],
        set_name: Option<String>,
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
        }
    }

    /// The description of a deployment that is no longer watched, or not yet.
    pub(crate) fn empty() -> Self {
        Self::initial(TopologyType::Unknown, &[], None)
    }

    /// The same kind of deployment with these servers, none of which was learnt from a reply.
    pub(crate) fn of(topology_type: TopologyType, servers: Vec<ServerDescription>) -> Self {
        let servers = servers.into_iter().map(Arc::new).collect();
        TopologyDescription { servers, ..Self::initial(topology_type, &[], None) }
    }

    /// The kind of the deployment.
    pub fn topology_type(&self) -> TopologyType {
        self.topology_type
    }

    /// The name of the replica set, once known.
    pub fn set_name(&self) -> Option<&str> {
        self.set_name.as_deref()
    }

    /// The servers, in the order in which they became known.
    pub fn servers(&self) -> impl ExactSizeIterator<Item = &ServerDescription> {
        self.servers.iter().map(|server| &**server)
    }

    /// The server at `address`, if it belongs to the deployment.
    pub fn server(&self, address: &ServerAddress) -> Option<&ServerDescription> {
        self.servers().find(|server| server.address == *address)
    }

    /// The primary of a replica set, if it is known.
    pub fn primary(&self) -> Option<&ServerDescription> {
        self.servers().find(|server| server.server_type == ServerType::RsPrimary)
    }

    /// How long servers keep an unused session: the shortest among those that hold data. None where
    /// one of them does not say, or none is known.
    pub fn logical_session_timeout(&self) -> Option<Duration> {
        self.logical_session_timeout
    }

    /// The greatest election that a primary has reported, among those of the current order.
    pub fn max_election_id(&self) -> Option<ObjectId> {
        self.max_election_id
    }

    /// The set version that came with [`max_election_id`](Self::max_election_id).
    pub fn max_set_version(&self) -> Option<i64> {
        self.max_set_version
    }

    /// Why this driver cannot talk to one of the servers, if so.
    pub fn compatibility_error(&self) -> Option<&str> {
        self.compatibility_error.as_deref()
    }

    /// The error of every operation as long as one server is too old or too new.
    pub(crate) fn incompatible(&self) -> Option<Error> {
        let message = self.compatibility_error.clone()?;
        Some(Error::new(ErrorKind::IncompatibleServer { message }))
    }

    /// Whether nothing that a listener is told about differs.
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

    /// Derives from the servers what they have in common.
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

/// Why this driver cannot talk to `server`, if so (section "Checking wire protocol compatibility").
fn incompatibility(server: &ServerDescription) -> Option<String> {
    let hello = server.hello.as_ref().filter(|_| server.server_type != ServerType::Unknown)?;
    let address = &server.address;
    if hello.min_wire_version > MAX_WIRE_VERSION {
        return Some(format!(
            "Server at {address} requires wire version {}, but this version of the driver only supports up to {MAX_WIRE_VERSION}.",
            hello.min_wire_version
        ));
    }
    if hello.max_wire_version < MIN_WIRE_VERSION {
        return Some(format!(
            "Server at {address} reports wire version {}, but this version of the driver requires at least \
             {MIN_WIRE_VERSION} (MongoDB {OLDEST_SERVER}).",
            hello.max_wire_version
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
        // That nothing is known of the deployment need not be said where each server says why.
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
