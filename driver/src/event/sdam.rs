//! What the client learns about its deployment (specification "SDAM Logging and Monitoring").
//!
//! The events of one client are told in the order in which things happened, one at a time, by
//! whichever thread or task caused them.

use std::sync::Arc;
use std::time::Duration;

use bson::Document;
use bson::oid::ObjectId;

use crate::description::{ServerDescription, TopologyDescription};
use crate::error::Error;
use crate::types::ServerAddress;

/// Something became known about the deployment, or a server was asked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SdamEvent {
    /// A client begins to watch its deployment. The first event of all.
    TopologyOpening(TopologyOpeningEvent),
    /// What is known of the deployment has changed.
    TopologyDescriptionChanged(Box<TopologyDescriptionChangedEvent>),
    /// The client watches its deployment no longer. The last event of all.
    TopologyClosed(TopologyClosedEvent),
    /// A server belongs to the deployment from now on.
    ServerOpening(ServerOpeningEvent),
    /// What is known of a server has changed; round-trip times do not count.
    ServerDescriptionChanged(Box<ServerDescriptionChangedEvent>),
    /// A server belongs to the deployment no longer.
    ServerClosed(ServerClosedEvent),
    /// A server is being checked.
    ServerHeartbeatStarted(ServerHeartbeatStartedEvent),
    /// A server has answered its check.
    ServerHeartbeatSucceeded(ServerHeartbeatSucceededEvent),
    /// A server has not answered its check, or has answered with an error.
    ServerHeartbeatFailed(ServerHeartbeatFailedEvent),
}

/// See [`SdamEvent::TopologyOpening`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TopologyOpeningEvent {
    /// Which client's view of its deployment.
    pub topology_id: ObjectId,
}

/// See [`SdamEvent::TopologyDescriptionChanged`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TopologyDescriptionChangedEvent {
    /// Which client's view of its deployment.
    pub topology_id: ObjectId,
    /// What was known until now.
    pub previous_description: Arc<TopologyDescription>,
    /// What is known from now on.
    pub new_description: Arc<TopologyDescription>,
}

/// See [`SdamEvent::TopologyClosed`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TopologyClosedEvent {
    /// Which client's view of its deployment.
    pub topology_id: ObjectId,
}

/// See [`SdamEvent::ServerOpening`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerOpeningEvent {
    /// Which client's view of its deployment.
    pub topology_id: ObjectId,
    /// The server.
    pub address: ServerAddress,
}

/// See [`SdamEvent::ServerDescriptionChanged`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerDescriptionChangedEvent {
    /// Which client's view of its deployment.
    pub topology_id: ObjectId,
    /// The server.
    pub address: ServerAddress,
    /// What was known until now.
    pub previous_description: ServerDescription,
    /// What is known from now on.
    pub new_description: ServerDescription,
}

/// See [`SdamEvent::ServerClosed`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerClosedEvent {
    /// Which client's view of its deployment.
    pub topology_id: ObjectId,
    /// The server.
    pub address: ServerAddress,
}

/// See [`SdamEvent::ServerHeartbeatStarted`]. Each is followed by a success or a failure.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerHeartbeatStartedEvent {
    /// Which client's view of its deployment.
    pub topology_id: ObjectId,
    /// The server.
    pub server_address: ServerAddress,
    /// Whether the server answers only when it has news, or after a while.
    pub awaited: bool,
    /// The number of the monitoring connection, from 1 on for each server.
    pub driver_connection_id: u64,
    /// The server's own number for it, once known.
    pub server_connection_id: Option<i64>,
}

/// See [`SdamEvent::ServerHeartbeatSucceeded`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerHeartbeatSucceededEvent {
    /// Which client's view of its deployment.
    pub topology_id: ObjectId,
    /// The server.
    pub server_address: ServerAddress,
    /// Whether the server answered only when it had news, or after a while.
    pub awaited: bool,
    /// How long the answer took; where it was awaited, this is no measure of the distance.
    pub duration: Duration,
    /// The answer.
    pub reply: Document,
    /// The number of the monitoring connection, from 1 on for each server.
    pub driver_connection_id: u64,
    /// The server's own number for it, once known.
    pub server_connection_id: Option<i64>,
}

/// See [`SdamEvent::ServerHeartbeatFailed`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerHeartbeatFailedEvent {
    /// Which client's view of its deployment.
    pub topology_id: ObjectId,
    /// The server.
    pub server_address: ServerAddress,
    /// Whether the server was to answer only when it had news, or after a while.
    pub awaited: bool,
    /// How long it took to fail.
    pub duration: Duration,
    /// Why there was no good answer.
    pub failure: Error,
    /// The number of the monitoring connection, from 1 on for each server.
    pub driver_connection_id: u64,
    /// The server's own number for it, once known.
    pub server_connection_id: Option<i64>,
}
