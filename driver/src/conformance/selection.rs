//! Server selection on given descriptions.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::description::{TopologyDescription, TopologyType};
use crate::error::{Error, Result};
use crate::options::{ReadPreference, ServerAddress};
use crate::topology::conformance::{self as inner, Facts};
use crate::types::ServerType;

/// The description of one server.
#[derive(Clone, Debug, Default)]
pub struct Server {
    /// The address.
    pub address: String,
    /// The name of its type in the specifications.
    pub server_type: String,
    /// The average round-trip time.
    pub average_rtt: Option<Duration>,
    /// The tags.
    pub tags: BTreeMap<String, String>,
    /// The time of its last check, on the client's clock.
    pub last_update_ms: u64,
    /// The time of its last write, on the server's clock.
    pub last_write_ms: Option<i64>,
}

/// A deployment for server selection.
pub struct Deployment {
    description: TopologyDescription,
    local_threshold: Duration,
}

impl Deployment {
    /// Creates a deployment. The type has its name in the specifications.
    ///
    /// # Errors
    /// `InvalidArgument` for an unknown type or an invalid address.
    pub fn new(
        topology_type: &str,
        servers: &[Server],
        heartbeat_freq: Duration,
        local_threshold: Duration,
    ) -> Result<Self> {
        let types = [
            TopologyType::Single,
            TopologyType::ReplicaSetNoPrimary,
            TopologyType::ReplicaSetWithPrimary,
            TopologyType::Sharded,
            TopologyType::LoadBalanced,
            TopologyType::Unknown,
        ];
        let topology_type = named(topology_type, types, |t| t.to_string())?;
        let beginning = Instant::now();
        let servers = servers
            .iter()
            .map(|server| {
                let facts = Facts {
                    address: ServerAddress::parse(&server.address)?,
                    server_type: server_type(&server.server_type)?,
                    average_rtt: server.average_rtt,
                    tags: server.tags.clone(),
                    last_update: beginning + Duration::from_millis(server.last_update_ms),
                    last_write: server.last_write_ms.map(bson::DateTime::from_millis),
                };
                Ok(inner::server(facts))
            })
            .collect::<Result<_>>()?;
        Ok(Deployment {
            description: inner::deployment(topology_type, servers, heartbeat_freq),
            local_threshold,
        })
    }

    /// The suitable servers for `preference`, regardless of latency.
    ///
    /// # Errors
    /// `InvalidArgument` if the max staleness is too small.
    pub fn suitable(
        &self,
        preference: &ReadPreference,
        deprioritized: &[ServerAddress],
    ) -> Result<Vec<String>> {
        let found = inner::suitable(&self.description, preference, deprioritized)?;
        Ok(self.names(&found))
    }

    /// The suitable servers within the latency window.
    ///
    /// # Errors
    /// Those of [`suitable`](Self::suitable).
    pub fn in_window(
        &self,
        preference: &ReadPreference,
        deprioritized: &[ServerAddress],
    ) -> Result<Vec<String>> {
        let found = inner::suitable(&self.description, preference, deprioritized)?;
        Ok(self.names(&inner::in_window(&self.description, found, self.local_threshold)))
    }

    /// The number of times each server is selected in `iterations` selections, while `operations`
    /// run on each.
    ///
    /// # Errors
    /// Those of [`suitable`](Self::suitable).
    pub fn choose(
        &self,
        preference: &ReadPreference,
        operations: &BTreeMap<String, u32>,
        iterations: u32,
    ) -> Result<BTreeMap<String, u32>> {
        // Every run makes the same random choices, because only their distribution is tested.
        fastrand::seed(7);
        let found = inner::suitable(&self.description, preference, &[])?;
        let window = inner::in_window(&self.description, found, self.local_threshold);
        let mut chosen = BTreeMap::new();
        for _ in 0..iterations {
            let busy = |i: usize| operations.get(&self.name(i)).copied().unwrap_or_default();
            if let Some(i) = inner::less_busy(&window, busy) {
                *chosen.entry(self.name(i)).or_default() += 1;
            }
        }
        Ok(chosen)
    }

    fn name(&self, i: usize) -> String {
        self.description
            .servers()
            .nth(i)
            .map(|server| server.address().to_string())
            .unwrap_or_default()
    }

    fn names(&self, indices: &[usize]) -> Vec<String> {
        let mut names: Vec<String> = indices.iter().map(|&i| self.name(i)).collect();
        names.sort();
        names
    }
}

/// The moving average after a sample; `None` stands for no earlier sample.
pub fn moving_average(old: Option<Duration>, sample: Duration) -> Duration {
    inner::moving_average(old, sample)
}

/// The server type with this name in the specifications.
///
/// # Errors
/// `InvalidArgument` for an unknown name.
pub fn server_type(name: &str) -> Result<ServerType> {
    let types = [
        ServerType::Standalone,
        ServerType::Mongos,
        ServerType::RsPrimary,
        ServerType::RsSecondary,
        ServerType::RsArbiter,
        ServerType::RsOther,
        ServerType::RsGhost,
        ServerType::LoadBalancer,
        ServerType::Unknown,
    ];
    match name {
        // A state of single-threaded clients.
        "PossiblePrimary" => Ok(ServerType::Unknown),
        name => named(name, types, |t| t.to_string()),
    }
}

fn named<T: Copy, const N: usize>(name: &str, all: [T; N], called: fn(&T) -> String) -> Result<T> {
    let found = all.into_iter().find(|one| called(one) == name);
    found.ok_or_else(|| Error::invalid_argument(format!("unknown type {name:?}")))
}
