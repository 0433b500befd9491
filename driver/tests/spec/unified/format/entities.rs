//! The entities that a test creates and refers to by name.

use std::collections::BTreeMap;

use bson::{Bson, Document};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::values::{Checked, EventName, LogLevel, NonEmpty};

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
