//! The options of special collections: time series, clustered, validated.

use std::time::Duration;

use bson::{Document, doc};
use serde::{Deserialize, Serialize};

use super::lenient;

/// The documents that the validator of a collection applies to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ValidationLevel {
    /// No documents.
    Off,
    /// All inserts and updates. The default.
    Strict,
    /// Inserts, and updates of documents that are already valid.
    Moderate,
    /// Another value, from a server that is newer than this driver.
    #[serde(untagged)]
    Other(String),
}

/// The action on a document that fails validation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ValidationAction {
    /// The write fails. The default.
    Error,
    /// The write succeeds, and the server logs a warning.
    Warn,
    /// Another value, from a server that is newer than this driver.
    #[serde(untagged)]
    Other(String),
}

/// The index of a clustered collection. Needs MongoDB 5.3.
///
/// The default is the value that servers require: `{ key: { _id: 1 }, unique: true }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ClusteredIndex {
    /// The key. Servers require `{ _id: 1 }`.
    pub key: Document,
    /// Whether it is unique. Servers require `true`.
    pub unique: bool,
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The version of the format. Servers accept 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub v: Option<i32>,
}

impl Default for ClusteredIndex {
    fn default() -> Self {
        ClusteredIndex { key: doc! { "_id": 1 }, unique: true, name: None, v: None }
    }
}

builder! {
    /// Builds a [`ClusteredIndex`].
    ClusteredIndexBuilder builds ClusteredIndex {
        key: Document,
        unique: bool,
        name: Option<String>,
        v: Option<i32>,
    }
}

/// The default options of a collection's indexes, including that of `_id`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct IndexOptionDefaults {
    /// Options of the storage engine: `{ <engine>: <options> }`.
    pub storage_engine: Document,
}

builder! {
    /// Builds [`IndexOptionDefaults`].
    IndexOptionDefaultsBuilder builds IndexOptionDefaults {
        storage_engine: Document,
    }
}

/// The options of a time series collection. Needs MongoDB 5.0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TimeseriesOptions {
    /// The field with the time of each measurement, a BSON date.
    pub time_field: String,
    /// The field that identifies the series of a measurement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta_field: Option<String>,
    /// The interval between the measurements of a series. Default: seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granularity: Option<TimeseriesGranularity>,
    /// The maximum time between measurements in one bucket. Replaces the granularity, and must
    /// equal `bucket_rounding`. Whole seconds. Needs MongoDB 6.3.
    #[serde(
        default,
        rename = "bucketMaxSpanSeconds",
        skip_serializing_if = "Option::is_none",
        with = "lenient::seconds"
    )]
    pub bucket_max_span: Option<Duration>,
    /// The start of a bucket is rounded down to a multiple of this. Must equal `bucket_max_span`.
    /// Whole seconds. Needs MongoDB 6.3.
    #[serde(
        default,
        rename = "bucketRoundingSeconds",
        skip_serializing_if = "Option::is_none",
        with = "lenient::seconds"
    )]
    pub bucket_rounding: Option<Duration>,
}

builder! {
    /// Builds [`TimeseriesOptions`]. The time field must be set.
    TimeseriesOptionsBuilder builds TimeseriesOptions {
        time_field: String,
        meta_field: Option<String>,
        granularity: Option<TimeseriesGranularity>,
        bucket_max_span: Option<Duration>,
        bucket_rounding: Option<Duration>,
    }
}

/// The interval between the measurements of a series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum TimeseriesGranularity {
    /// Seconds.
    Seconds,
    /// Minutes.
    Minutes,
    /// Hours.
    Hours,
    /// Another value, from a server that is newer than this driver.
    #[serde(untagged)]
    Other(String),
}

/// Whether change streams can return documents as they were before and after a change. Needs
/// MongoDB 6.0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChangeStreamPreAndPostImages {
    /// Whether they can.
    pub enabled: bool,
}

builder! {
    /// Builds [`ChangeStreamPreAndPostImages`].
    ChangeStreamPreAndPostImagesBuilder builds ChangeStreamPreAndPostImages {
        enabled: bool,
    }
}

/// The changes to an index by `modify_collection`. Its name or its keys identify the index.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct IndexModification {
    /// The name of the index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The keys of the index, instead of its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_pattern: Option<Document>,
    /// The lifetime of the documents in a TTL index, in whole seconds.
    #[serde(
        rename = "expireAfterSeconds",
        skip_serializing_if = "Option::is_none",
        with = "lenient::seconds"
    )]
    pub expire_after: Option<Duration>,
    /// Hides the index from the query planner, or shows it again. Needs MongoDB 4.4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden: Option<bool>,
    /// Refuses new duplicates, as the first step to a unique index. Needs MongoDB 6.0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prepare_unique: Option<bool>,
    /// Makes the index unique, as the second step. Needs MongoDB 6.0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unique: Option<bool>,
}

builder! {
    /// Builds an [`IndexModification`].
    IndexModificationBuilder builds IndexModification {
        name: Option<String>,
        key_pattern: Option<Document>,
        expire_after: Option<Duration>,
        hidden: Option<bool>,
        prepare_unique: Option<bool>,
        unique: Option<bool>,
    }
}

/// The changes to a time series collection by `modify_collection`. Buckets can only become longer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct TimeseriesModification {
    /// The interval between the measurements of a series.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub granularity: Option<TimeseriesGranularity>,
    /// Like [`TimeseriesOptions::bucket_max_span`].
    #[serde(
        rename = "bucketMaxSpanSeconds",
        skip_serializing_if = "Option::is_none",
        with = "lenient::seconds"
    )]
    pub bucket_max_span: Option<Duration>,
    /// Like [`TimeseriesOptions::bucket_rounding`].
    #[serde(
        rename = "bucketRoundingSeconds",
        skip_serializing_if = "Option::is_none",
        with = "lenient::seconds"
    )]
    pub bucket_rounding: Option<Duration>,
}

builder! {
    /// Builds a [`TimeseriesModification`].
    TimeseriesModificationBuilder builds TimeseriesModification {
        granularity: Option<TimeseriesGranularity>,
        bucket_max_span: Option<Duration>,
        bucket_rounding: Option<Duration>,
    }
}

/// The lifetime of the documents in a time series or clustered collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExpireAfter {
    /// A duration in whole seconds.
    Duration(Duration),
    /// No expiry.
    Off,
}

impl From<Duration> for ExpireAfter {
    fn from(duration: Duration) -> Self {
        ExpireAfter::Duration(duration)
    }
}

impl Serialize for ExpireAfter {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            ExpireAfter::Duration(duration) => {
                lenient::seconds::serialize(&Some(*duration), serializer)
            }
            ExpireAfter::Off => serializer.serialize_str("off"),
        }
    }
}

impl<'de> Deserialize<'de> for ExpireAfter {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Seconds(u64),
            Text(String),
        }
        match Form::deserialize(deserializer)? {
            Form::Seconds(seconds) => Ok(ExpireAfter::Duration(Duration::from_secs(seconds))),
            Form::Text(text) if text == "off" => Ok(ExpireAfter::Off),
            Form::Text(text) => Err(serde::de::Error::custom(format_args!(
                "expireAfterSeconds is {text:?}, not \"off\" or a number of seconds"
            ))),
        }
    }
}
