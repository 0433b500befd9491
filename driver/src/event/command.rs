//! Events of commands (specification "Command Logging and Monitoring").
//!
//! The specification redacts commands that authenticate or carry a password: the command and its
//! reply are then empty documents.

use std::time::Duration;

use bson::Document;
use bson::oid::ObjectId;
use serde::Serialize;

pub use super::handlers::CommandEventHandler;
use crate::error::Error;
use crate::types::ServerAddress;

/// An event of a command.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum CommandEvent {
    /// A command is about to be sent.
    Started(CommandStartedEvent),
    /// A command succeeded: its reply has `ok: 1`. Write errors do not count as failures.
    Succeeded(CommandSucceededEvent),
    /// A command failed: its reply has `ok: 0`, or there is no reply.
    Failed(CommandFailedEvent),
}

/// The connection of a command.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// The id of the connection, unique within its pool, from 1.
    pub id: u64,
    /// The server's id of the connection, if the server reports it.
    pub server_id: Option<i64>,
    /// The server.
    pub address: ServerAddress,
}

/// See [`CommandEvent::Started`]. A succeeded or failed event follows each started event.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CommandStartedEvent {
    /// The command with its document sequences. Empty for a redacted command.
    pub command: Document,
    /// The database of the command.
    pub db: String,
    /// The name of the command.
    pub command_name: String,
    /// The id of the request message.
    pub request_id: i32,
    /// The connection.
    pub connection: ConnectionInfo,
    /// In load-balanced mode, the service.
    pub service_id: Option<ObjectId>,
}

/// See [`CommandEvent::Succeeded`].
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CommandSucceededEvent {
    /// The time from just before sending until the reply arrived.
    pub duration: Duration,
    /// The reply: `{ok: 1}` for an unacknowledged write, empty for a redacted command.
    pub reply: Document,
    /// The name of the command.
    pub command_name: String,
    /// The database of the command.
    pub db: String,
    /// The id of the request message.
    pub request_id: i32,
    /// The connection.
    pub connection: ConnectionInfo,
    /// In load-balanced mode, the service.
    pub service_id: Option<ObjectId>,
}

/// See [`CommandEvent::Failed`].
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CommandFailedEvent {
    /// The time from just before sending until the failure.
    pub duration: Duration,
    /// The error, without the server's message for a redacted command.
    #[serde(serialize_with = "super::as_text")]
    pub failure: Error,
    /// The name of the command.
    pub command_name: String,
    /// The database of the command.
    pub db: String,
    /// The id of the request message.
    pub request_id: i32,
    /// The connection.
    pub connection: ConnectionInfo,
    /// In load-balanced mode, the service.
    pub service_id: Option<ObjectId>,
}
