//! Events of discovery and monitoring (specification "SDAM Logging and Monitoring").
//!
//! The events of one client come one at a time and in order. A function is called on the thread
//! that caused the event, or on the one that is still delivering earlier events.

use std::sync::Arc;
use std::time::Duration;

use bson::Document;
use bson::oid::ObjectId;
use serde::{Deserialize, Serialize};

pub use super::handlers::SdamEventHandler;
pub use crate::description::{ServerDescription, TopologyDescription};
use crate::error::Error;
use crate::types::ServerAddress;

/// An event of discovery or monitoring.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum SdamEvent {
    /// A client starts to monitor its deployment. The first event of a client.
    TopologyOpening(TopologyOpeningEvent),
    /// The topology description changed.
    TopologyDescriptionChanged(Box<TopologyDescriptionChangedEvent>),
    /// The client has stopped monitoring. The last event of a client.
    TopologyClosed(TopologyClosedEvent),
    /// A server was added to the topology.
    ServerOpening(ServerOpeningEvent),
    /// A server description changed. Changes of the round-trip time do not count.
    ServerDescriptionChanged(Box<ServerDescriptionChangedEvent>),
    /// A server was removed from the topology.
    ServerClosed(ServerClosedEvent),
    /// A server check starts.
    ServerHeartbeatStarted(ServerHeartbeatStartedEvent),
    /// A server check succeeded.
    ServerHeartbeatSucceeded(ServerHeartbeatSucceededEvent),
    /// A server check failed: there was no reply, or an error reply.
    ServerHeartbeatFailed(ServerHeartbeatFailedEvent),
}

/// See [`SdamEvent::TopologyOpening`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TopologyOpeningEvent {
    /// The id of the client's topology.
    pub topology_id: ObjectId,
}

/// See [`SdamEvent::TopologyDescriptionChanged`].
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TopologyDescriptionChangedEvent {
    /// The id of the client's topology.
    pub topology_id: ObjectId,
    /// The description before the change.
    #[serde(serialize_with = "super::behind")]
    pub previous_description: Arc<TopologyDescription>,
    /// The description after the change.
    #[serde(serialize_with = "super::behind")]
    pub new_description: Arc<TopologyDescription>,
}

/// See [`SdamEvent::TopologyClosed`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TopologyClosedEvent {
    /// The id of the client's topology.
    pub topology_id: ObjectId,
}

/// See [`SdamEvent::ServerOpening`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ServerOpeningEvent {
    /// The id of the client's topology.
    pub topology_id: ObjectId,
    /// The server.
    pub address: ServerAddress,
}

/// See [`SdamEvent::ServerDescriptionChanged`].
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ServerDescriptionChangedEvent {
    /// The id of the client's topology.
    pub topology_id: ObjectId,
    /// The server.
    pub address: ServerAddress,
    /// The description before the change.
    pub previous_description: ServerDescription,
    /// The description after the change.
    pub new_description: ServerDescription,
}

/// See [`SdamEvent::ServerClosed`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ServerClosedEvent {
    /// The id of the client's topology.
    pub topology_id: ObjectId,
    /// The server.
    pub address: ServerAddress,
}

/// See [`SdamEvent::ServerHeartbeatStarted`]. A succeeded or failed event follows each started
/// event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ServerHeartbeatStartedEvent {
    /// The id of the client's topology.
    pub topology_id: ObjectId,
    /// The server.
    pub server_address: ServerAddress,
    /// Whether the check is awaitable: the server replies on a change or after a timeout.
    pub awaited: bool,
    /// The id of the monitoring connection, from 1 for each server.
    pub driver_connection_id: u64,
    /// The server's id of the connection, if known.
    pub server_connection_id: Option<i64>,
}

/// See [`SdamEvent::ServerHeartbeatSucceeded`].
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ServerHeartbeatSucceededEvent {
    /// The id of the client's topology.
    pub topology_id: ObjectId,
    /// The server.
    pub server_address: ServerAddress,
    /// Whether the check is awaitable: the server replies on a change or after a timeout.
    pub awaited: bool,
    /// The duration of the check. For an awaitable check it includes the server's wait.
    pub duration: Duration,
    /// The reply.
    pub reply: Document,
    /// The id of the monitoring connection, from 1 for each server.
    pub driver_connection_id: u64,
    /// The server's id of the connection, if known.
    pub server_connection_id: Option<i64>,
}

/// See [`SdamEvent::ServerHeartbeatFailed`].
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ServerHeartbeatFailedEvent {
    /// The id of the client's topology.
    pub topology_id: ObjectId,
    /// The server.
    pub server_address: ServerAddress,
    /// Whether the check is awaitable: the server replies on a change or after a timeout.
    pub awaited: bool,
    /// The time until the failure.
    pub duration: Duration,
    /// The error.
    #[serde(serialize_with = "super::as_text")]
    pub failure: Error,
    /// The id of the monitoring connection, from 1 for each server.
    pub driver_connection_id: u64,
    /// The server's id of the connection, if known.
    pub server_connection_id: Option<i64>,
}
