//! Collections and databases, as servers list them.

use bson::{Binary, Document};
use serde::{Deserialize, Serialize};

use super::CreateCollectionOptions;
use crate::options::lenient;

/// A collection in the result of `list_collections`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CollectionSpecification {
    /// The name.
    pub name: String,
    /// Its kind.
    #[serde(rename = "type", default)]
    pub collection_type: CollectionType,
    /// The options of its creation. Unknown options are omitted. To see them, read the cursor
    /// [`with_type::<Document>()`](crate::cursor::Cursor::with_type).
    #[serde(default)]
    pub options: CreateCollectionOptions,
    /// Further properties.
    #[serde(default)]
    pub info: CollectionSpecificationInfo,
    /// The index of `_id`; `None` for a view.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_index: Option<Document>,
}

/// The kind of a listed name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum CollectionType {
    /// A view.
    View,
    /// A collection.
    #[default]
    Collection,
    /// A time series collection.
    Timeseries,
    /// Another kind, from a server that is newer than this driver.
    #[serde(untagged)]
    Other(String),
}

/// Further properties of a listed collection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct CollectionSpecificationInfo {
    /// Whether it is read-only.
    pub read_only: bool,
    /// Identifies the collection on all members; `None` for a view.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<Binary>,
}

/// A database in the result of `list_databases`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DatabaseSpecification {
    /// The name.
    pub name: String,
    /// Its size on disk, in bytes.
    #[serde(deserialize_with = "lenient::required_count")]
    pub size_on_disk: u64,
    /// Whether it is empty.
    pub empty: bool,
    /// On a sharded cluster: the size on each shard, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shards: Option<Document>,
}
