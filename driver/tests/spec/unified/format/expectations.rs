//! The expected errors, events, log messages and spans of a test.

use bson::{Bson, Document};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

use super::values::{
    Checked, EventType, LogComponent, LogLevel, NonEmpty, ServerType, TopologyType,
};

/// The expectations on an error; see the module of that name.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ExpectedError {
    is_error: Option<True>,
    is_client_error: Option<bool>,
    is_timeout_error: Option<bool>,
    error_contains: Option<String>,
    error_code: Option<i64>,
    error_code_name: Option<String>,
    error_labels_contain: Option<NonEmpty<String>>,
    error_labels_omit: Option<NonEmpty<String>>,
    write_errors: Option<Document>,
    write_concern_errors: Option<Vec<Document>>,
    error_response: Option<Document>,
    expect_result: Option<Bson>,
}

#[derive(Clone)]
struct True;

impl<'de> Deserialize<'de> for True {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if bool::deserialize(deserializer)? {
            Ok(True)
        } else {
            Err(D::Error::custom("isError is false"))
        }
    }
}

/// The expected events of one kind on one client.
#[derive(Clone, Deserialize)]
#[serde(try_from = "RawExpectedEvents")]
pub(crate) struct ExpectedEvents {
    pub(crate) client: String,
    pub(crate) event_type: String,
    pub(crate) events: Vec<Document>,
    pub(crate) ignore_extra_events: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawExpectedEvents {
    client: String,
    event_type: Option<EventType>,
    events: Vec<Document>,
    ignore_extra_events: Option<bool>,
}

impl TryFrom<RawExpectedEvents> for ExpectedEvents {
    type Error = String;

    fn try_from(raw: RawExpectedEvents) -> Result<Self, String> {
        fn are<T: DeserializeOwned>(events: &[Document]) -> Result<(), String> {
            let is =
                |event: &Document| bson::deserialize_from_document::<T>(event.clone()).map(drop);
            events.iter().try_for_each(is).map_err(|e| e.to_string())
        }
        let event_type = raw.event_type.map_or("command".to_owned(), |EventType(name)| name);
        match event_type.as_str() {
            "cmap" => are::<CmapEvent>(&raw.events)?,
            "sdam" => are::<SdamEvent>(&raw.events)?,
            _ => are::<CommandEvent>(&raw.events)?,
        }
        let ignore_extra_events = raw.ignore_extra_events.unwrap_or(false);
        Ok(ExpectedEvents {
            client: raw.client,
            event_type,
            events: raw.events,
            ignore_extra_events,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::enum_variant_names, reason = "the names are those of the format")]
enum CommandEvent {
    CommandStartedEvent(CommandStarted),
    CommandSucceededEvent(CommandSucceeded),
    CommandFailedEvent(CommandFailed),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CommandStarted {
    command: Option<Document>,
    command_name: Option<String>,
    database_name: Option<String>,
    has_service_id: Option<bool>,
    has_server_connection_id: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CommandSucceeded {
    reply: Option<Document>,
    command_name: Option<String>,
    database_name: Option<String>,
    has_service_id: Option<bool>,
    has_server_connection_id: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CommandFailed {
    command_name: Option<String>,
    database_name: Option<String>,
    has_service_id: Option<bool>,
    has_server_connection_id: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::enum_variant_names, reason = "the names are those of the format")]
enum CmapEvent {
    PoolCreatedEvent(Nothing),
    PoolReadyEvent(Nothing),
    PoolClearedEvent(PoolCleared),
    PoolClosedEvent(Nothing),
    ConnectionCreatedEvent(Nothing),
    ConnectionReadyEvent(Nothing),
    ConnectionClosedEvent(WithReason),
    ConnectionCheckOutStartedEvent(Nothing),
    ConnectionCheckOutFailedEvent(WithReason),
    ConnectionCheckedOutEvent(Nothing),
    ConnectionCheckedInEvent(Nothing),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PoolCleared {
    has_service_id: Option<bool>,
    interrupt_in_use_connections: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WithReason {
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::enum_variant_names, reason = "the names are those of the format")]
enum SdamEvent {
    ServerDescriptionChangedEvent(Changed<ServerType>),
    TopologyDescriptionChangedEvent(Changed<TopologyType>),
    ServerHeartbeatStartedEvent(Heartbeat),
    ServerHeartbeatSucceededEvent(Heartbeat),
    ServerHeartbeatFailedEvent(Heartbeat),
    TopologyOpeningEvent(Nothing),
    TopologyClosedEvent(Nothing),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Changed<T> {
    previous_description: Option<Description<T>>,
    new_description: Option<Description<T>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Description<T> {
    r#type: Option<T>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Heartbeat {
    awaited: Option<bool>,
}

/// The expected log messages of a client.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ExpectedLogMessages {
    pub(crate) client: String,
    pub(crate) messages: Vec<Checked<LogMessage>>,
    #[serde(default)]
    pub(crate) ignore_messages: Vec<Checked<LogMessage>>,
    #[serde(default)]
    pub(crate) ignore_extra_messages: bool,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LogMessage {
    level: LogLevel,
    component: LogComponent,
    data: Document,
    failure_is_redacted: Option<bool>,
}

/// The expected spans of a client.
#[cfg_attr(not(feature = "opentelemetry"), allow(dead_code))]
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ExpectedTracing {
    pub(crate) client: String,
    pub(crate) ignore_extra_spans: Option<bool>,
    pub(crate) spans: NonEmpty<Span>,
}

#[cfg_attr(not(feature = "opentelemetry"), allow(dead_code))]
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Span {
    pub(crate) name: String,
    pub(crate) attributes: Document,
    #[serde(default)]
    pub(crate) nested: NonEmpty<Span>,
}
