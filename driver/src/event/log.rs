//! Log messages for `tracing` (feature `tracing`), as the logging specification defines them.
//!
//! The targets are:
//!
//! - `driver::client`: the unusable parts of the connection string
//!   ([`ClientOptions::warnings`](crate::options::ClientOptions::warnings)), at level `warn`, when
//!   a client is created.
//! - `driver::command`: commands, replies, failures.
//! - `driver::connection`: pools and their connections.
//! - `driver::topology`: discovery and monitoring.
//! - `driver::server_selection`: server selection. The message about waiting has level `info`.
//!
//! All other messages have level `debug`. Messages about the commands and the server selections of
//! one operation have the same `operationId`.
//!
//! The specifications define the names and the case of the fields. A field without a value is
//! omitted. Documents are relaxed extended JSON. They are truncated after
//! [`tracing_max_document_length`](
//! field@crate::options::ClientOptions::tracing_max_document_length) characters. Install the
//! subscriber before you create a client: the client asks for the enabled targets when it is
//! created.

use bson::{Bson, Document};

use super::cmap::{CmapEvent, ConnectionCheckoutFailedReason, ConnectionClosedReason};
use super::command::{CommandEvent, ConnectionInfo};
use super::operation_id;
use super::sdam::SdamEvent;
use crate::types::ServerAddress;

/// The default length limit of logged documents, in characters, unless the options or the
/// environment set another.
pub const MAX_DOCUMENT_LENGTH: usize = 1000;

macro_rules! debug {
    ($target:literal, $at:expr, $message:literal $(, $($fields:tt)*)?) => {{
        let address: &ServerAddress = $at;
        tracing::debug!(
            target: $target,
            serverHost = %address.host(),
            serverPort = address.port(),
            $($($fields)*,)?
            $message
        )
    }};
}

pub(crate) fn command(event: &CommandEvent, length: usize) {
    macro_rules! about {
        ($event:ident, $message:literal, $($fields:tt)*) => {{
            let ConnectionInfo { id, server_id, address } = &$event.connection;
            debug!(
                "driver::command", address, $message,
                commandName = $event.command_name, databaseName = $event.db,
                requestId = $event.request_id, operationId = operation_id::current(),
                driverConnectionId = id, serverConnectionId = server_id,
                serviceId = $event.service_id.map(|id| id.to_hex()), $($fields)*
            )
        }};
    }
    match event {
        CommandEvent::Started(e) => {
            about!(e, "Command started", command = json(&e.command, length))
        }
        CommandEvent::Succeeded(e) => {
            about!(
                e,
                "Command succeeded",
                durationMS = ms(e.duration),
                reply = json(&e.reply, length)
            );
        }
        CommandEvent::Failed(e) => {
            about!(e, "Command failed", durationMS = ms(e.duration), failure = %e.failure);
        }
    }
}

pub(crate) fn connection(event: &CmapEvent) {
    match event {
        CmapEvent::PoolCreated(e) => debug!(
            "driver::connection",
            &e.address,
            "Connection pool created",
            maxIdleTimeMS = e.options.max_idle_time.map(ms),
            minPoolSize = e.options.min_pool_size,
            maxPoolSize = e.options.max_pool_size,
            maxConnecting = e.options.max_connecting,
            waitQueueTimeoutMS = e.options.wait_queue_timeout.map(ms)
        ),
        CmapEvent::PoolReady(e) => {
            debug!("driver::connection", &e.address, "Connection pool ready")
        }
        CmapEvent::PoolCleared(e) => debug!(
            "driver::connection",
            &e.address,
            "Connection pool cleared",
            serviceId = e.service_id.map(|id| id.to_hex())
        ),
        CmapEvent::PoolClosed(e) => {
            debug!("driver::connection", &e.address, "Connection pool closed")
        }
        CmapEvent::ConnectionCreated(e) => debug!(
            "driver::connection",
            &e.address,
            "Connection created",
            driverConnectionId = e.connection_id
        ),
        CmapEvent::ConnectionReady(e) => debug!(
            "driver::connection",
            &e.address,
            "Connection ready",
            driverConnectionId = e.connection_id,
            durationMS = ms(e.duration)
        ),
        CmapEvent::ConnectionClosed(e) => debug!(
            "driver::connection",
            &e.address,
            "Connection closed",
            driverConnectionId = e.connection_id,
            reason = match e.reason {
                ConnectionClosedReason::Stale =>
                    "Connection became stale because the pool was cleared",
                ConnectionClosedReason::Idle => {
                    "Connection has been available but unused for longer than the configured max \
                     idle time"
                }
                ConnectionClosedReason::Error => "An error occurred while using the connection",
                ConnectionClosedReason::PoolClosed => "Connection pool was closed",
            }
        ),
        CmapEvent::ConnectionCheckoutStarted(e) => {
            debug!("driver::connection", &e.address, "Connection checkout started");
        }
        CmapEvent::ConnectionCheckoutFailed(e) => debug!(
            "driver::connection",
            &e.address,
            "Connection checkout failed",
            durationMS = ms(e.duration),
            reason = match e.reason {
                ConnectionCheckoutFailedReason::Timeout => {
                    "Wait queue timeout elapsed without a connection becoming available"
                }
                ConnectionCheckoutFailedReason::ConnectionError => {
                    "An error occurred while trying to establish a new connection"
                }
                ConnectionCheckoutFailedReason::PoolClosed => "Connection pool was closed",
            }
        ),
        CmapEvent::ConnectionCheckedOut(e) => debug!(
            "driver::connection",
            &e.address,
            "Connection checked out",
            driverConnectionId = e.connection_id,
            durationMS = ms(e.duration)
        ),
        CmapEvent::ConnectionCheckedIn(e) => debug!(
            "driver::connection",
            &e.address,
            "Connection checked in",
            driverConnectionId = e.connection_id
        ),
    }
}

pub(crate) fn topology(event: &SdamEvent, length: usize) {
    match event {
        SdamEvent::TopologyOpening(e) => tracing::debug!(
            target: "driver::topology", topologyId = e.topology_id.to_hex(),
            "Starting topology monitoring"
        ),
        SdamEvent::TopologyClosed(e) => tracing::debug!(
            target: "driver::topology", topologyId = e.topology_id.to_hex(),
            "Stopped topology monitoring"
        ),
        SdamEvent::TopologyDescriptionChanged(e) => tracing::debug!(
            target: "driver::topology", topologyId = e.topology_id.to_hex(),
            previousDescription = %e.previous_description, newDescription = %e.new_description,
            "Topology description changed"
        ),
        SdamEvent::ServerOpening(e) => debug!(
            "driver::topology",
            &e.address,
            "Starting server monitoring",
            topologyId = e.topology_id.to_hex()
        ),
        SdamEvent::ServerClosed(e) => debug!(
            "driver::topology",
            &e.address,
            "Stopped server monitoring",
            topologyId = e.topology_id.to_hex()
        ),
        // The topology's event contains the same change.
        SdamEvent::ServerDescriptionChanged(_) => {}
        SdamEvent::ServerHeartbeatStarted(e) => debug!(
            "driver::topology",
            &e.server_address,
            "Server heartbeat started",
            topologyId = e.topology_id.to_hex(),
            awaited = e.awaited,
            driverConnectionId = e.driver_connection_id,
            serverConnectionId = e.server_connection_id
        ),
        SdamEvent::ServerHeartbeatSucceeded(e) => debug!(
            "driver::topology",
            &e.server_address,
            "Server heartbeat succeeded",
            topologyId = e.topology_id.to_hex(),
            awaited = e.awaited,
            driverConnectionId = e.driver_connection_id,
            serverConnectionId = e.server_connection_id,
            durationMS = ms(e.duration),
            reply = json(&e.reply, length)
        ),
        SdamEvent::ServerHeartbeatFailed(e) => debug!(
            "driver::topology", &e.server_address, "Server heartbeat failed",
            topologyId = e.topology_id.to_hex(), awaited = e.awaited,
            driverConnectionId = e.driver_connection_id,
            serverConnectionId = e.server_connection_id,
            durationMS = ms(e.duration), failure = %e.failure
        ),
    }
}

fn ms(duration: std::time::Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Relaxed extended JSON with the document's field order, truncated to `length` characters.
fn json(document: &Document, length: usize) -> String {
    let mut json = Json { text: String::new(), left: length, cut: false };
    json.document(document);
    json.text
}

/// JSON that is written until the length limit.
struct Json {
    text: String,
    /// The remaining number of characters.
    left: usize,
    /// Whether the text was truncated.
    cut: bool,
}

impl Json {
    fn document(&mut self, document: &Document) {
        self.push("{");
        for (i, (key, value)) in document.iter().enumerate() {
            if i > 0 {
                self.push(",");
            }
            self.scalar(Bson::String(key.clone()));
            self.push(":");
            self.value(value);
            if self.cut {
                return;
            }
        }
        self.push("}");
    }

    fn value(&mut self, value: &Bson) {
        match value {
            Bson::Document(document) => self.document(document),
            Bson::Array(array) => {
                self.push("[");
                for (i, value) in array.iter().enumerate() {
                    if i > 0 {
                        self.push(",");
                    }
                    self.value(value);
                    if self.cut {
                        return;
                    }
                }
                self.push("]");
            }
            scalar => self.scalar(scalar.clone()),
        }
    }

    fn scalar(&mut self, scalar: Bson) {
        self.push(&scalar.into_relaxed_extjson().to_string());
    }

    fn push(&mut self, text: &str) {
        if self.cut {
            return;
        }
        match text.char_indices().nth(self.left) {
            None => {
                self.text.push_str(text);
                self.left -= text.chars().count();
            }
            Some((end, _)) => {
                self.text.push_str(&text[..end]);
                self.text.push_str("...");
                self.cut = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    #[test]
    fn documents_keep_their_order_and_are_truncated() {
        let date = bson::DateTime::from_millis(0);
        let document = doc! {
            "z": 1, "a": [{ "y": "\"", "b": null }, 2_i64], "n": { "d": date },
        };
        let expected =
            r#"{"z":1,"a":[{"y":"\"","b":null},2],"n":{"d":{"$date":"1970-01-01T00:00:00Z"}}}"#;
        assert_eq!(json(&document, MAX_DOCUMENT_LENGTH), expected);
        for length in [MAX_DOCUMENT_LENGTH - 1, MAX_DOCUMENT_LENGTH, 10 * MAX_DOCUMENT_LENGTH] {
            let cut = json(&doc! { "a": ["ü".repeat(length), 1] }, MAX_DOCUMENT_LENGTH);
            assert!(
                cut.ends_with("...") && cut.chars().count() == MAX_DOCUMENT_LENGTH + 3,
                "{cut}"
            );
        }
    }
}
