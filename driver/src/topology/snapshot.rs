//! The snapshot in the nest: the description, the servers, and the precomputed selections of common
//! read preferences.
//!
//! Selection without tags, staleness or deprioritized servers only reads a precomputed list.

use std::sync::Arc;
use std::time::Duration;

use super::selection::{self, Criteria};
use super::server::{Selected, Server};
use crate::description::TopologyDescription;
use crate::error::Result;
use crate::options::{ReadPreference, SelectionCriteria, ServerAddress};
use crate::types::ServerType;

/// One immutable state of the deployment.
pub(crate) struct Topology {
    description: Arc<TopologyDescription>,
    /// In the order of the description.
    servers: Vec<Arc<Server>>,
    /// The servers within the latency window, for each mode without options.
    windows: [Vec<usize>; MODES],
    local_threshold: Duration,
}

const MODES: usize = 5;

/// The index of a mode in the precomputed windows.
fn mode(preference: &ReadPreference) -> usize {
    match preference {
        ReadPreference::Primary => 0,
        ReadPreference::PrimaryPreferred { .. } => 1,
        ReadPreference::Secondary { .. } => 2,
        ReadPreference::SecondaryPreferred { .. } => 3,
        ReadPreference::Nearest { .. } => 4,
    }
}

impl Topology {
    /// A snapshot of `description` with `servers` in the same order.
    pub(super) fn new(
        description: Arc<TopologyDescription>,
        servers: Vec<Arc<Server>>,
        local_threshold: Duration,
    ) -> Self {
        let window = |preference: ReadPreference| {
            selection::select(&description, &preference.into(), &[], local_threshold)
        };
        let windows = [
            window(ReadPreference::Primary),
            window(ReadPreference::PrimaryPreferred { options: None }),
            window(ReadPreference::Secondary { options: None }),
            window(ReadPreference::SecondaryPreferred { options: None }),
            window(ReadPreference::Nearest { options: None }),
        ];
        Topology { description, servers, windows, local_threshold }
    }

    pub(crate) fn description(&self) -> &Arc<TopologyDescription> {
        &self.description
    }

    pub(super) fn servers(&self) -> &[Arc<Server>] {
        &self.servers
    }

    /// The server at `address`, if it belongs to the deployment.
    pub(super) fn server(&self, address: &ServerAddress) -> Option<&Arc<Server>> {
        self.servers.iter().find(|server| server.address() == address)
    }

    /// Whether this server, and not another at its address, belongs to the deployment.
    pub(super) fn has(&self, server: &Server) -> bool {
        self.servers.iter().any(|known| std::ptr::eq(&**known, server))
    }

    /// The type of this server. `None` if it was removed from the deployment.
    pub(super) fn server_type(&self, server: &Server) -> Option<ServerType> {
        let known = self.description.server(server.address())?;
        self.has(server).then(|| known.server_type())
    }

    /// Selects a server for an operation, if one is suitable.
    ///
    /// # Errors
    /// `IncompatibleServer` while one of the servers is too old or too new for this driver;
    /// `InvalidArgument` if the max staleness is too small for the heartbeat frequency.
    pub(super) fn select(
        &self,
        criteria: Criteria<'_>,
        deprioritized: &[ServerAddress],
    ) -> Result<Option<Selected>> {
        let overruled = criteria.is_overruled(&self.description);
        let criteria = criteria.under(&self.description);
        if let Some(error) = self.description.incompatible() {
            return Err(error);
        }
        let plain = match criteria {
            SelectionCriteria::ReadPreference(preference) => {
                if self.description.topology_type().is_replica_set() {
                    preference.validate(self.description.heartbeat_freq)?;
                }
                (deprioritized.is_empty() && preference.options().is_none())
                    .then(|| mode(preference))
            }
            SelectionCriteria::Predicate(_) => None,
        };
        let busy = |i: usize| self.servers[i].operations();
        let chosen = match plain {
            Some(mode) => selection::less_busy(&self.windows[mode], busy),
            None => {
                let window = selection::select(
                    &self.description,
                    criteria,
                    deprioritized,
                    self.local_threshold,
                );
                selection::less_busy(&window, busy)
            }
        };
        Ok(chosen.map(|i| {
            let minimum = self.description.servers[i].min_round_trip_time();
            Selected::new(Arc::clone(&self.servers[i]), overruled, minimum.unwrap_or_default())
        }))
    }

    /// Whether this server is suitable for `criteria`.
    pub(super) fn selects(&self, server: &Server, criteria: Criteria<'_>) -> bool {
        selection::select(
            &self.description,
            criteria.under(&self.description),
            &[],
            self.local_threshold,
        )
        .into_iter()
        .any(|i| std::ptr::eq(&*self.servers[i], server))
    }
}
