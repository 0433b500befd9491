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
    /// Not at all.
    Off,
    /// For every insert and update: the default.
    Strict,
    /// For inserts, and for updates of documents that are valid already.
    Moderate,
    /// Another one, of a server that is newer than this driver.
    #[serde(untagged)]
    Other(String),
}

/// The action on a document that fails validation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ValidationAction {
    /// The write fails: the default.
    Error,
    /// The write is done, and the server's log has a warning.
    Warn,
    /// Another one, of a server that is newer than this driver.
    #[serde(untagged)]
    Other(String),
}

/// A clustered collection's order. Servers from 5.3 on.
///
/// Its default is what servers demand: `{ key: { _id: 1 }, unique: true }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ClusteredIndex {
    /// The key; servers demand `{ _id: 1 }`.
    pub key: Document,
    /// Servers demand `true`.
    pub unique: bool,
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The version of the format; servers take 2.
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

/// Options of every index of a collection, that of `_id` included.
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

/// A time series. Servers from 5.0 on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TimeseriesOptions {
    /// The field with the time of each measurement, a BSON date.
    pub time_field: String,
    /// The field that says to which series a measurement belongs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta_field: Option<String>,
    /// The interval between the measurements of a series. Default: seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granularity: Option<TimeseriesGranularity>,
    /// The longest time between the measurements of one bucket, in place of the granularity; the
    /// same as `bucket_rounding`. Whole seconds. Servers from 6.3 on.
    #[serde(
        default,
        rename = "bucketMaxSpanSeconds",
        skip_serializing_if = "Option::is_none",
        with = "lenient::seconds"
    )]
    pub bucket_max_span: Option<Duration>,
    /// The beginning of a bucket is a multiple of this; the same as `bucket_max_span`. Whole
    /// seconds. Servers from 6.3 on.
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
    /// Another one, of a server that is newer than this driver.
    #[serde(untagged)]
    Other(String),
}

/// Whether change streams can give documents as they were before and after a change. Servers from
/// 6.0 on.
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

/// The changes of an index by `modify_collection`. Its name or its keys identify the index.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct IndexModification {
    /// The name of the index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The keys of the index, in place of its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_pattern: Option<Document>,
    /// The lifetime of the documents in a TTL index, in whole seconds.
    #[serde(
        rename = "expireAfterSeconds",
        skip_serializing_if = "Option::is_none",
        with = "lenient::seconds"
    )]
    pub expire_after: Option<Duration>,
    /// Hides the index from the query planner, or shows it again. Servers from 4.4 on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden: Option<bool>,
    /// Refuses new duplicates, as the first step to a unique index. Servers from 6.0 on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prepare_unique: Option<bool>,
    /// Makes it unique, as the second step. Servers from 6.0 on.
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

/// The changes of a time series by `modify_collection`. Buckets can only become longer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct TimeseriesModification {
    /// The interval between the measurements of a series.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub granularity: Option<TimeseriesGranularity>,
    /// As [`TimeseriesOptions::bucket_max_span`].
    #[serde(
        rename = "bucketMaxSpanSeconds",
        skip_serializing_if = "Option::is_none",
        with = "lenient::seconds"
    )]
    pub bucket_max_span: Option<Duration>,
    /// As [`TimeseriesOptions::bucket_rounding`].
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
    /// This long. Whole seconds.
    Duration(Duration),
    /// For ever.
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
