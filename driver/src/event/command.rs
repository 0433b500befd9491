//! What is asked of servers and what they answer (specification "Command Logging and Monitoring").
//!
//! Commands that prove a user, or carry a user's password, are told with an empty document in the
//! place of the command and of its reply.

use std::time::Duration;

use bson::Document;
use bson::oid::ObjectId;

use crate::error::Error;
use crate::types::ServerAddress;

/// A command is sent, answered, or not answered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CommandEvent {
    /// A command is about to be sent.
    Started(CommandStartedEvent),
    /// A server has carried out a command, or at least said `ok: 1`.
    Succeeded(CommandSucceededEvent),
    /// A server has refused a command, or its answer did not come.
    Failed(CommandFailedEvent),
}

/// The connection that a command is sent over.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// Its number within its pool, from 1 on.
    pub id: u64,
    /// The server's own number for it, where the server tells.
    pub server_id: Option<i64>,
    /// The server.
    pub address: ServerAddress,
}

/// See [`CommandEvent::Started`]. Each is followed by a success or a failure.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CommandStartedEvent {
    /// The command, with the documents that are sent along with it; empty for a command that
    /// carries a secret.
    pub command: Document,
    /// The database that it is for.
    pub db: String,
    /// Its name.
    pub command_name: String,
    /// The number of the message that carries it.
    pub request_id: i32,
    /// The connection.
    pub connection: ConnectionInfo,
    /// Behind a load balancer: the service.
    pub service_id: Option<ObjectId>,
}

/// See [`CommandEvent::Succeeded`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CommandSucceededEvent {
    /// From just before the command was sent until its reply had arrived.
    pub duration: Duration,
    /// The reply; `{ok: 1}` for a write that is not acknowledged, empty where it carries a secret.
    pub reply: Document,
    /// The name of the command.
    pub command_name: String,
    /// The database that it was for.
    pub db: String,
    /// The number of the message that carried it.
    pub request_id: i32,
    /// The connection.
    pub connection: ConnectionInfo,
    /// Behind a load balancer: the service.
    pub service_id: Option<ObjectId>,
}

/// See [`CommandEvent::Failed`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CommandFailedEvent {
    /// From just before the command was sent until it had failed.
    pub duration: Duration,
    /// Why it failed; without the server's words where they might carry a secret.
    pub failure: Error,
    /// The name of the command.
    pub command_name: String,
    /// The database that it was for.
    pub db: String,
    /// The number of the message that carried it.
    pub request_id: i32,
    /// The connection.
    pub connection: ConnectionInfo,
    /// Behind a load balancer: the service.
    pub service_id: Option<ObjectId>,
}
