//! The format of a test file (specification "Unified Test Format", section "Test Format"). A
//! malformed file is refused when it is read, by the rules of its JSON schema.
//!
//! Values that the runner uses are fields. Values that it only compares with documents of the
//! driver stay documents, which [`Checked`] has validated.

#![allow(dead_code, reason = "some fields are validated only")]

mod entities;
mod expectations;
mod values;

use std::collections::BTreeMap;

use bson::{Bson, Document};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use testbed::Version;

#[cfg(feature = "opentelemetry")]
pub(crate) use self::entities::ObserveTracing;
pub(crate) use self::entities::{
    BucketDefinition, ClientDefinition, EntityDefinition, HandleOptions, ServerApiDefinition,
    SessionDefinition,
};
use self::expectations::ExpectedError;
#[cfg(feature = "opentelemetry")]
pub(crate) use self::expectations::Span;
pub(crate) use self::expectations::{ExpectedEvents, ExpectedLogMessages, ExpectedTracing};
pub(crate) use self::values::Filled;
use self::values::{Checked, NonEmpty, Serverless, Topology, VersionString, there};

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
