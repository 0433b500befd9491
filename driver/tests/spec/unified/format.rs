//! The format of a test file (specification "Unified Test Format", section "Test Format"). A
//! malformed file is refused when it is read, by the rules of its JSON schema.
//!
//! Values that the runner uses are fields. Values that it only compares with documents of the
//! driver stay documents, which [`Checked`] has validated.

#![allow(dead_code, reason = "some fields are validated only")]

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::ops::Deref;

use bson::{Bson, Document};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use testbed::Version;

/// The oldest known version of the format.
const OLDEST: Version = Version::new(1, 0, 0);
/// The lowest unknown version.
const TOO_NEW: Version = Version::new(1, 29, 0);

/// A test file.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct File {
    description: String,
    schema_version: VersionString,
    #[serde(default)]
    pub(crate) run_on_requirements: NonEmpty<Filled<Requirement>>,
    #[serde(default)]
    pub(crate) create_entities: NonEmpty<EntityDefinition>,
    #[serde(default)]
    pub(crate) initial_data: NonEmpty<CollectionData>,
    pub(crate) tests: NonEmpty<Test>,
    #[serde(rename = "_yamlAnchors")]
    anchors: Option<Document>,
}

impl File {
    /// The collections that the file has handles of: the names of their databases and their own.
    pub(crate) fn collections(&self) -> Vec<(&str, &str)> {
        let database = |id: &str| {
            self.create_entities.iter().find_map(|entity| match entity {
                EntityDefinition::Database(own) if own.id == id => Some(own.database_name.as_str()),
                _ => None,
            })
        };
        self.create_entities
            .iter()
            .filter_map(|entity| match entity {
                EntityDefinition::Collection(own) => {
                    Some((database(&own.database)?, own.collection_name.as_str()))
                }
                _ => None,
            })
            .collect()
    }

    /// Reads a file.
    ///
    /// # Errors
    /// The file is malformed, or has a version newer than the runner.
    pub(crate) fn read(content: &Value) -> Result<Self, String> {
        let version = content.get("schemaVersion").ok_or("the file has no schemaVersion")?;
        let VersionString(version) =
            VersionString::deserialize(version).map_err(|e| format!("schemaVersion: {e}"))?;
        if !(OLDEST..TOO_NEW).contains(&version) {
            return Err(format!(
                "schemaVersion is {version}; versions from {OLDEST} to before {TOO_NEW} are known"
            ));
        }
        Self::deserialize(content).map_err(|e| format!("the file is malformed: {e}"))
    }
}

/// An array that is omitted or not empty.
#[derive(Clone)]
pub(crate) struct NonEmpty<T>(Vec<T>);

impl<T> Default for NonEmpty<T> {
    fn default() -> Self {
        NonEmpty(Vec::new())
    }
}

impl<T> Deref for NonEmpty<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for NonEmpty<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let items = Vec::deserialize(deserializer)?;
        if items.is_empty() {
            Err(D::Error::custom("the array is empty"))
        } else {
            Ok(NonEmpty(items))
        }
    }
}

/// A document in the format `T` that is not empty.
#[derive(Clone)]
pub(crate) struct Checked<T>(Document, PhantomData<fn() -> T>);

impl<T> Deref for Checked<T> {
    type Target = Document;

    fn deref(&self) -> &Document {
        &self.0
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Checked<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (document, _) = filled::<D, T>(deserializer)?;
        Ok(Checked(document, PhantomData))
    }
}

/// A value of type `T` with at least one field.
#[derive(Clone)]
pub(crate) struct Filled<T>(T);

impl<T> Deref for Filled<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Filled<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        filled(deserializer).map(|(_, value)| Filled(value))
    }
}

fn filled<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<(Document, T), D::Error> {
    let document = Document::deserialize(deserializer)?;
    if document.is_empty() {
        return Err(D::Error::custom("the document is empty"));
    }
    let value = bson::deserialize_from_document(document.clone()).map_err(D::Error::custom)?;
    Ok((document, value))
}

/// A value that is present, but may be null.
fn there<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// `1.2` or `1.2.3`.
#[derive(Clone, Copy)]
pub(crate) struct VersionString(pub(crate) Version);

impl<'de> Deserialize<'de> for VersionString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || D::Error::custom(format!("{text:?} is not a version"));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let parts: Vec<&str> = text.split('.').collect();
        if !(2..=3).contains(&parts.len()) || !parts.iter().all(|part| digits(part)) {
            return Err(wrong());
        }
        let part =
            |at: usize| parts.get(at).map_or(Ok(0), |part| part.parse().map_err(|_| wrong()));
        Ok(VersionString(Version::new(part(0)?, part(1)?, part(2)?)))
    }
}

/// Strings with a fixed set of values.
macro_rules! one_of {
    ($( $(#[$doc:meta])* $Name:ident: $($text:literal)* ;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(crate) struct $Name(String);

        impl Deref for $Name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl<'de> Deserialize<'de> for $Name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                if [$($text),*].contains(&text.as_str()) {
                    Ok($Name(text))
                } else {
                    let texts = [$($text),*];
                    Err(D::Error::custom(format!("{text:?} is none of {texts:?}")))
                }
            }
        }
    )*};
}

one_of! {
    /// The topologies that a requirement can name.
    Topology: "single" "replicaset" "sharded" "sharded-replicaset" "load-balanced";
    /// The requirements on serverless instances.
    Serverless: "require" "forbid" "allow";
    /// The events that a client can observe.
    EventName:
        "commandStartedEvent" "commandSucceededEvent" "commandFailedEvent" "poolCreatedEvent"
        "poolReadyEvent" "poolClearedEvent" "poolClosedEvent" "connectionCreatedEvent"
        "connectionReadyEvent" "connectionClosedEvent" "connectionCheckOutStartedEvent"
        "connectionCheckOutFailedEvent" "connectionCheckedOutEvent" "connectionCheckedInEvent"
        "serverDescriptionChangedEvent" "serverHeartbeatStartedEvent"
        "serverHeartbeatSucceededEvent" "serverHeartbeatFailedEvent"
        "topologyDescriptionChangedEvent"
        "topologyOpeningEvent" "topologyClosedEvent";
    /// The kinds of events.
    EventType: "command" "cmap" "sdam";
    LogComponent: "command" "topology" "serverSelection" "connection";
    LogLevel: "emergency" "alert" "critical" "error" "warning" "notice" "info" "debug" "trace";
    ServerType:
        "Standalone" "Mongos" "PossiblePrimary" "RSPrimary" "RSSecondary" "RSOther" "RSArbiter"
        "RSGhost" "LoadBalancer" "Unknown";
    TopologyType:
        "Single" "Unknown" "ReplicaSetNoPrimary" "ReplicaSetWithPrimary" "Sharded" "LoadBalanced";
}

/// The servers that a test can run on.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Requirement {
    pub(crate) min_server_version: Option<VersionString>,
    pub(crate) max_server_version: Option<VersionString>,
    pub(crate) topologies: Option<NonEmpty<Topology>>,
    pub(crate) serverless: Option<Serverless>,
    pub(crate) server_parameters: Option<Checked<BTreeMap<String, Bson>>>,
    pub(crate) auth: Option<bool>,
    pub(crate) auth_mechanism: Option<String>,
    pub(crate) csfle: Option<Csfle>,
}

/// The requirement of field level encryption.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Csfle {
    Needed(bool),
    Of(Filled<CsfleVersion>),
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CsfleVersion {
    min_libmongocrypt_version: Option<VersionString>,
}

/// An entity that a test creates and refers to by name.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) enum EntityDefinition {
    Client(ClientDefinition),
    ClientEncryption(ClientEncryptionDefinition),
    Database(DatabaseDefinition),
    Collection(CollectionDefinition),
    Session(SessionDefinition),
    Bucket(BucketDefinition),
    Thread(ThreadDefinition),
}

impl EntityDefinition {
    /// The name of the entity.
    pub(crate) fn id(&self) -> &str {
        match self {
            EntityDefinition::Client(own) => &own.id,
            EntityDefinition::ClientEncryption(own) => &own.id,
            EntityDefinition::Database(own) => &own.id,
            EntityDefinition::Collection(own) => &own.id,
            EntityDefinition::Session(own) => &own.id,
            EntityDefinition::Bucket(own) => &own.id,
            EntityDefinition::Thread(own) => &own.id,
        }
    }

    /// The entity that it is created from.
    pub(crate) fn parent(&self) -> Option<&str> {
        match self {
            EntityDefinition::Client(_) | EntityDefinition::Thread(_) => None,
            EntityDefinition::ClientEncryption(own) => {
                Some(&own.client_encryption_opts.key_vault_client)
            }
            EntityDefinition::Database(own) => Some(&own.client),
            EntityDefinition::Collection(own) => Some(&own.database),
            EntityDefinition::Session(own) => Some(&own.client),
            EntityDefinition::Bucket(own) => Some(&own.database),
        }
    }
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ClientDefinition {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) uri_options: Document,
    pub(crate) use_multiple_mongoses: Option<bool>,
    #[serde(default)]
    pub(crate) observe_events: NonEmpty<EventName>,
    #[serde(default)]
    pub(crate) ignore_command_monitoring_events: NonEmpty<String>,
    pub(crate) observe_sensitive_commands: Option<bool>,
    pub(crate) observe_log_messages: Option<Checked<LogLevels>>,
    pub(crate) observe_tracing_messages: Option<ObserveTracing>,
    pub(crate) server_api: Option<ServerApiDefinition>,
    pub(crate) auto_encrypt_opts: Option<AutoEncryptOpts>,
    #[serde(rename = "awaitMinPoolSizeMS")]
    pub(crate) await_min_pool_size_ms: Option<u64>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LogLevels {
    command: Option<LogLevel>,
    topology: Option<LogLevel>,
    server_selection: Option<LogLevel>,
    connection: Option<LogLevel>,
}

#[cfg_attr(not(feature = "opentelemetry"), allow(dead_code))]
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ObserveTracing {
    pub(crate) enable_command_payload: Option<bool>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ServerApiDefinition {
    pub(crate) version: String,
    pub(crate) strict: Option<bool>,
    pub(crate) deprecation_errors: Option<bool>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AutoEncryptOpts {
    key_vault_namespace: String,
    bypass_auto_encryption: Option<bool>,
    kms_providers: KmsProviders,
    schema_map: Option<BTreeMap<String, Document>>,
    extra_options: Option<Document>,
    encrypted_fields_map: Option<BTreeMap<String, Document>>,
    bypass_query_analysis: Option<bool>,
    #[serde(rename = "keyExpirationMS")]
    key_expiration_ms: Option<i64>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ClientEncryptionDefinition {
    id: String,
    client_encryption_opts: ClientEncryptionOpts,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClientEncryptionOpts {
    key_vault_client: String,
    key_vault_namespace: String,
    kms_providers: KmsProviders,
    #[serde(rename = "keyExpirationMS")]
    key_expiration_ms: Option<i64>,
}

/// Key management services, by their kind with an optional name: `aws`, `aws:name`.
#[derive(Clone)]
struct KmsProviders;

impl<'de> Deserialize<'de> for KmsProviders {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// The sets of options of each kind.
        const KINDS: [(&str, &[&[&str]]); 5] = [
            ("aws", &[&["accessKeyId", "secretAccessKey", "sessionToken"]]),
            (
                "azure",
                &[
                    &["tenantId", "clientId", "clientSecret", "identityPlatformEndpoint"],
                    &["accessToken"],
                ],
            ),
            ("gcp", &[&["email", "privateKey", "endpoint"], &["accessToken"]]),
            ("kmip", &[&["endpoint"]]),
            ("local", &[&["key"]]),
        ];
        let is_name = |name: &str| {
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        for (provider, options) in BTreeMap::<String, Document>::deserialize(deserializer)? {
            let (kind, name) = provider.split_once(':').unwrap_or((&provider, "unnamed"));
            let sets = KINDS
                .iter()
                .find(|(known, _)| *known == kind && is_name(name))
                .map(|(_, sets)| *sets);
            let fits = |set: &&[&str]| options.keys().all(|key| set.contains(&key.as_str()));
            let is_value = |value: &Bson| match value {
                Bson::Document(document) => {
                    document.len() == 1 && document.contains_key("$$placeholder")
                }
                value => matches!(value, Bson::String(_)),
            };
            let met =
                sets.is_some_and(|sets| sets.iter().any(fits)) && options.values().all(is_value);
            if !met {
                return Err(D::Error::custom(format!(
                    "{provider}: {options} are not the options of a key provider"
                )));
            }
        }
        Ok(KmsProviders)
    }
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DatabaseDefinition {
    pub(crate) id: String,
    pub(crate) client: String,
    pub(crate) database_name: String,
    #[serde(default)]
    pub(crate) database_options: HandleOptions,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CollectionDefinition {
    pub(crate) id: String,
    pub(crate) database: String,
    pub(crate) collection_name: String,
    #[serde(default)]
    pub(crate) collection_options: HandleOptions,
}

/// The options of a database or a collection.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct HandleOptions {
    pub(crate) read_concern: Option<Document>,
    pub(crate) read_preference: Option<Document>,
    pub(crate) write_concern: Option<Document>,
    #[serde(rename = "timeoutMS")]
    pub(crate) timeout_ms: Option<u64>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SessionDefinition {
    pub(crate) id: String,
    pub(crate) client: String,
    #[serde(default)]
    pub(crate) session_options: Document,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BucketDefinition {
    pub(crate) id: String,
    pub(crate) database: String,
    #[serde(default)]
    pub(crate) bucket_options: Document,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ThreadDefinition {
    pub(crate) id: String,
}

/// The content of a collection, before or after a test.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CollectionData {
    pub(crate) collection_name: String,
    pub(crate) database_name: String,
    #[serde(default, deserialize_with = "create_options")]
    pub(crate) create_options: Document,
    pub(crate) documents: Vec<Document>,
}

/// All options of `create` except the write concern, which the runner sets.
fn create_options<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Document, D::Error> {
    let options = Document::deserialize(deserializer)?;
    if options.contains_key("writeConcern") {
        Err(D::Error::custom("createOptions has a writeConcern"))
    } else {
        Ok(options)
    }
}

/// A test.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Test {
    pub(crate) description: String,
    #[serde(default)]
    pub(crate) run_on_requirements: NonEmpty<Filled<Requirement>>,
    pub(crate) skip_reason: Option<String>,
    pub(crate) operations: Vec<Operation>,
    #[serde(default)]
    pub(crate) expect_events: NonEmpty<ExpectedEvents>,
    #[serde(default)]
    pub(crate) expect_log_messages: NonEmpty<ExpectedLogMessages>,
    #[serde(default)]
    pub(crate) expect_tracing_messages: NonEmpty<ExpectedTracing>,
    #[serde(default)]
    pub(crate) outcome: NonEmpty<CollectionData>,
}

/// An operation and its expected result.
#[derive(Clone, Deserialize)]
#[serde(try_from = "RawOperation")]
pub(crate) struct Operation {
    pub(crate) name: String,
    pub(crate) object: String,
    pub(crate) arguments: Document,
    pub(crate) end: ExpectedEnd,
    pub(crate) save_result_as_entity: Option<String>,
}

/// The expected result of an operation.
#[derive(Clone)]
pub(crate) enum ExpectedEnd {
    /// An error.
    Error(Checked<ExpectedError>),
    /// No error, and this value if there is one.
    Result(Option<Bson>),
    /// Any result.
    Any,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawOperation {
    name: String,
    object: String,
    #[serde(default)]
    arguments: Document,
    ignore_result_and_error: Option<bool>,
    expect_error: Option<Checked<ExpectedError>>,
    #[serde(default, deserialize_with = "there")]
    expect_result: Option<Bson>,
    save_result_as_entity: Option<String>,
}

impl TryFrom<RawOperation> for Operation {
    type Error = String;

    fn try_from(raw: RawOperation) -> Result<Self, String> {
        let RawOperation { name, object, arguments, save_result_as_entity, .. } = raw;
        let saves = save_result_as_entity.is_some();
        let end = match (raw.ignore_result_and_error, raw.expect_error, raw.expect_result) {
            (ignored, None, None) if !(saves && ignored.is_some()) => {
                if ignored == Some(true) {
                    ExpectedEnd::Any
                } else {
                    ExpectedEnd::Result(None)
                }
            }
            (None, Some(error), None) if !saves => ExpectedEnd::Error(error),
            (None, None, Some(result)) => ExpectedEnd::Result(Some(result)),
            _ => return Err(format!("{name}: its expectations contradict each other")),
        };
        Ok(Operation { name, object, arguments, end, save_result_as_entity })
    }
}

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

impl ExpectedLogMessages {
    /// Whether a message must have an operation id.
    pub(crate) fn has_operation_ids(&self) -> bool {
        self.messages
            .iter()
            .filter_map(|message| message.get_document("data").ok())
            .any(|data| data.contains_key("operationId"))
    }
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
