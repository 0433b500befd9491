//! The events of a change stream, and resume tokens.

use bson::{DateTime, Document, RawBson, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The position after one event, for resuming a change stream. It can be stored with serde.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct ResumeToken(pub(crate) RawBson);

impl ResumeToken {
    /// The token, or an empty value for `None`.
    pub(crate) fn or_none(token: impl Into<Option<ResumeToken>>) -> Self {
        token.into().unwrap_or(ResumeToken(RawBson::Null))
    }

    /// Whether it is a token.
    pub(crate) fn is_some(&self) -> bool {
        self.0 != RawBson::Null
    }
}

/// One change event. `T` is the type of the documents.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ChangeStreamEvent<T> {
    /// The token to resume after this event.
    #[serde(rename = "_id")]
    pub id: ResumeToken,
    /// The kind of the change.
    pub operation_type: OperationType,
    /// The namespace of the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ns: Option<ChangeNamespace>,
    /// The kind of the created namespace. With `show_expanded_events`, for `create`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ns_type: Option<ChangeNamespaceType>,
    /// The new name, for `rename`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<ChangeNamespace>,
    /// The session, for a change in a transaction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lsid: Option<Document>,
    /// The transaction number, with `lsid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub txn_number: Option<i64>,
    /// The `_id` of the document, and its shard key.
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "raw::document")]
    pub document_key: Option<Document>,
    /// The changes of an update.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update_description: Option<UpdateDescription>,
    /// The cluster time of the change.
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "raw::timestamp")]
    pub cluster_time: Option<Timestamp>,
    /// The server's wall time of the change. Needs server 6.0.
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "raw::date_time")]
    pub wall_time: Option<DateTime>,
    /// The inserted or replaced document. For updates it depends on the option
    /// [`full_document`](crate::ops::Watch::full_document).
    #[serde(skip_serializing_if = "Option::is_none", default = "none")]
    pub full_document: Option<T>,
    /// The document before the change. Depends on the option
    /// [`full_document_before_change`](crate::ops::Watch::full_document_before_change).
    #[serde(skip_serializing_if = "Option::is_none", default = "none")]
    pub full_document_before_change: Option<T>,
    /// The details of the operation. With `show_expanded_events`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation_description: Option<Document>,
    /// The id of the collection. With `show_expanded_events`.
    #[serde(rename = "collectionUUID", skip_serializing_if = "Option::is_none")]
    pub collection_uuid: Option<bson::Uuid>,
}

fn none<T>() -> Option<T> {
    None
}

/// Decodes fields from raw BSON. Otherwise values without a serde counterpart are decoded from maps
/// such as `{"$oid": "..."}`, which takes several allocations for each.
mod raw {
    use bson::{DateTime, Document, RawBson, Timestamp};
    use serde::de::Error;
    use serde::{Deserialize, Deserializer};

    pub(super) fn document<'de, D>(deserializer: D) -> Result<Option<Document>, D::Error>
    where
        D: Deserializer<'de>,
    {
        field(deserializer, "it is not a document", |value| match value {
            RawBson::Document(document) => Some(crate::decode::document(&document)),
            _ => None,
        })
    }

    pub(super) fn date_time<'de, D>(deserializer: D) -> Result<Option<DateTime>, D::Error>
    where
        D: Deserializer<'de>,
    {
        field(deserializer, "it is not a date", |value| match value {
            RawBson::DateTime(date) => Some(Ok(date)),
            _ => None,
        })
    }

    pub(super) fn timestamp<'de, D>(deserializer: D) -> Result<Option<Timestamp>, D::Error>
    where
        D: Deserializer<'de>,
    {
        field(deserializer, "it is not a timestamp", |value| match value {
            RawBson::Timestamp(timestamp) => Some(Ok(timestamp)),
            _ => None,
        })
    }

    fn field<'de, T, D>(
        deserializer: D,
        misfit: &'static str,
        convert: impl FnOnce(RawBson) -> Option<bson::error::Result<T>>,
    ) -> Result<Option<T>, D::Error>
    where
        T: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        if deserializer.is_human_readable() {
            return Option::deserialize(deserializer);
        }
        match Option::<RawBson>::deserialize(deserializer)? {
            None | Some(RawBson::Null) => Ok(None),
            Some(value) => {
                let converted = convert(value).ok_or_else(|| D::Error::custom(misfit))?;
                converted.map(Some).map_err(D::Error::custom)
            }
        }
    }
}

/// The changes of an update in a document.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UpdateDescription {
    /// The fields that were set, by their paths, with their new values.
    pub updated_fields: Document,
    /// The paths of the fields that were removed.
    pub removed_fields: Vec<String>,
    /// The arrays that were truncated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncated_arrays: Option<Vec<TruncatedArray>>,
    /// The components of ambiguous paths. With `show_expanded_events`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disambiguated_paths: Option<Document>,
}

/// An array that was truncated.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TruncatedArray {
    /// Its path.
    pub field: String,
    /// The number of remaining elements.
    pub new_size: i32,
}

/// The kind of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OperationType {
    /// A document was inserted.
    Insert,
    /// A document was updated.
    Update,
    /// A document was replaced.
    Replace,
    /// A document was deleted.
    Delete,
    /// A collection was dropped.
    Drop,
    /// A collection was renamed.
    Rename,
    /// A database was dropped.
    DropDatabase,
    /// The watched collection or database was dropped or renamed. The stream ends.
    /// [`start_after`](crate::ops::Watch::start_after) starts another stream after this event.
    Invalidate,
    /// Something else, by its name on the server.
    Other(String),
}

impl OperationType {
    fn name(&self) -> &str {
        match self {
            OperationType::Insert => "insert",
            OperationType::Update => "update",
            OperationType::Replace => "replace",
            OperationType::Delete => "delete",
            OperationType::Drop => "drop",
            OperationType::Rename => "rename",
            OperationType::DropDatabase => "dropDatabase",
            OperationType::Invalidate => "invalidate",
            OperationType::Other(name) => name,
        }
    }
}

impl OperationType {
    /// The kind with a variant of its own.
    fn known(name: &str) -> Option<Self> {
        Some(match name {
            "insert" => OperationType::Insert,
            "update" => OperationType::Update,
            "replace" => OperationType::Replace,
            "delete" => OperationType::Delete,
            "drop" => OperationType::Drop,
            "rename" => OperationType::Rename,
            "dropDatabase" => OperationType::DropDatabase,
            "invalidate" => OperationType::Invalidate,
            _ => return None,
        })
    }
}

impl From<String> for OperationType {
    fn from(name: String) -> Self {
        OperationType::known(&name).unwrap_or(OperationType::Other(name))
    }
}

impl Serialize for OperationType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for OperationType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;

        impl serde::de::Visitor<'_> for Name {
            type Value = OperationType;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the name of a kind of change")
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<OperationType, E> {
                Ok(OperationType::known(name)
                    .unwrap_or_else(|| OperationType::Other(name.to_owned())))
            }
        }

        deserializer.deserialize_str(Name)
    }
}

/// The database of a change, and possibly the collection.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct ChangeNamespace {
    /// The database.
    pub db: String,
    /// The collection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coll: Option<String>,
}

/// The kind of a created namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChangeNamespaceType {
    /// A collection.
    Collection,
    /// A time series collection.
    Timeseries,
    /// A view.
    View,
    /// Something else, by its name on the server.
    Other(String),
}

impl Serialize for ChangeNamespaceType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            ChangeNamespaceType::Collection => "collection",
            ChangeNamespaceType::Timeseries => "timeseries",
            ChangeNamespaceType::View => "view",
            ChangeNamespaceType::Other(name) => name,
        })
    }
}

impl<'de> Deserialize<'de> for ChangeNamespaceType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Ok(match name.as_str() {
            "collection" => ChangeNamespaceType::Collection,
            "timeseries" => ChangeNamespaceType::Timeseries,
            "view" => ChangeNamespaceType::View,
            _ => ChangeNamespaceType::Other(name),
        })
    }
}
