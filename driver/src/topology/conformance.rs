//! Internals of this module for the conformance tests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bson::RawDocument;

use super::deployment::{Deployment, Watched};
pub(crate) use super::round_trips::moving_average;
use super::selection;
pub(crate) use super::selection::{in_latency_window as in_window, less_busy};
use crate::description::RoundTrip;
use crate::description::{ServerDescription, TopologyDescription, TopologyType};
use crate::error::{Error, Result};
use crate::handshake::HelloReply;
use crate::options::{ClientOptions, ReadPreference, ServerAddress};
use crate::pool::{Generation, Stage};
use crate::rt::Runtime;
use crate::types::ServerType;

/// The properties of one server.
pub(crate) struct Facts {
    pub(crate) address: ServerAddress,
    pub(crate) server_type: ServerType,
    pub(crate) average_rtt: Option<Duration>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) last_update: Instant,
    pub(crate) last_write: Option<bson::DateTime>,
}

/// A server description with these properties.
pub(crate) fn server(facts: Facts) -> ServerDescription {
    let hello =
        HelloReply { tags: facts.tags, last_write_date: facts.last_write, ..HelloReply::default() };
    let round_trip =
        RoundTrip { average: facts.average_rtt.unwrap_or_default(), minimum: Duration::ZERO };
    ServerDescription::checked(facts.address, hello, round_trip, facts.last_update)
        .with_type(facts.server_type)
}

/// A topology description with these servers.
pub(crate) fn deployment(
    topology_type: TopologyType,
    servers: Vec<ServerDescription>,
    heartbeat_freq: Duration,
) -> TopologyDescription {
    TopologyDescription { heartbeat_freq, ..TopologyDescription::of(topology_type, servers) }
}

/// The suitable servers for `preference`, after the checks of every operation.
pub(crate) fn suitable(
    description: &TopologyDescription,
    preference: &ReadPreference,
    deprioritized: &[ServerAddress],
) -> Result<Vec<usize>> {
    if description.topology_type().is_replica_set() {
        preference.validate(description.heartbeat_freq)?;
    }
    Ok(selection::suitable(description, &preference.clone().into(), deprioritized))
}

/// A deployment without monitors.
pub(crate) struct Unwatched(Arc<Deployment>);

impl Unwatched {
    pub(crate) fn open(options: ClientOptions) -> Result<Self> {
        let deployment =
            Deployment::open_watched(Arc::new(options), Runtime::blocking()?, Watched::No)?;
        Ok(Unwatched(deployment))
    }

    pub(crate) fn checked(&self, address: &ServerAddress, reply: Result<&RawDocument>) {
        let snapshot = self.0.snapshot();
        let Some(server) = snapshot.server(address) else { return };
        match reply.and_then(HelloReply::parse) {
            Ok(hello) => self.0.found(server, hello, RoundTrip::default()),
            Err(error) => {
                self.0.lost(server, error);
            }
        }
    }

    pub(crate) fn failed(
        &self,
        address: &ServerAddress,
        generation: Option<u32>,
        error: &Error,
        stage: Stage,
    ) {
        let snapshot = self.0.snapshot();
        let Some(server) = snapshot.server(address) else { return };
        let generation = generation
            .map_or(server.pool().generation(), |number| Generation { number, service: None });
        self.0.on_error(server, generation, error, stage);
    }

    pub(crate) fn description(&self) -> Arc<TopologyDescription> {
        self.0.description()
    }

    pub(crate) fn generation(&self, address: &ServerAddress) -> Option<u32> {
        self.0.snapshot().server(address).map(|server| server.pool().generation().number)
    }
}
