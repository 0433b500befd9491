//! The events of a change stream, and resume tokens.

use bson::raw::RawBsonRef;
use bson::{DateTime, Document, RawBson, RawDocumentBuf, Timestamp};
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

    /// A copy of `token`, in the memory of an earlier one if possible.
    pub(crate) fn renewed(earlier: Option<ResumeToken>, token: RawBsonRef<'_>) -> Self {
        if let (Some(ResumeToken(RawBson::Document(earlier))), RawBsonRef::Document(token)) =
            (earlier, token)
        {
            let mut bytes = earlier.into_bytes();
            bytes.clear();
            bytes.extend_from_slice(token.as_bytes());
            if let Ok(copy) = RawDocumentBuf::from_bytes(bytes) {
                return ResumeToken(RawBson::Document(copy));
            }
        }
        ResumeToken(RawBson::from(token))
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
    #[serde(rename = "_id", deserialize_with = "raw::token")]
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

/// Decodes the fields that every event has. Most decoders represent their types by maps such as
/// `{"$date": "..."}`, which take several allocations each.
mod raw {
    use std::borrow::Cow;
    use std::fmt;

    use bson::{DateTime, Document, RawBson, RawDocument, Timestamp};
    use serde::de::{Error, Visitor};
    use serde::{Deserialize, Deserializer};

    use super::ResumeToken;
    use crate::decode;

    pub(super) fn token<'de, D>(deserializer: D) -> Result<ResumeToken, D::Error>
    where
        D: Deserializer<'de>,
    {
        if deserializer.is_human_readable() {
            return ResumeToken::deserialize(deserializer);
        }
        Ok(ResumeToken(match Value::deserialize(deserializer)? {
            Value::Document(document) => RawBson::Document(document.into_owned()),
            Value::DateTime(date) => RawBson::DateTime(date),
            Value::Timestamp(timestamp) => RawBson::Timestamp(timestamp),
            Value::Other(value) => value,
        }))
    }

    pub(super) fn document<'de, D>(deserializer: D) -> Result<Option<Document>, D::Error>
    where
        D: Deserializer<'de>,
    {
        field(deserializer, "it is not a document", |value| match value {
            Value::Document(document) => Some(decode::document(&document)),
            _ => None,
        })
    }

    pub(super) fn date_time<'de, D>(deserializer: D) -> Result<Option<DateTime>, D::Error>
    where
        D: Deserializer<'de>,
    {
        field(deserializer, "it is not a date", |value| match value {
            Value::DateTime(date) => Some(Ok(date)),
            _ => None,
        })
    }

    pub(super) fn timestamp<'de, D>(deserializer: D) -> Result<Option<Timestamp>, D::Error>
    where
        D: Deserializer<'de>,
    {
        field(deserializer, "it is not a timestamp", |value| match value {
            Value::Timestamp(timestamp) => Some(Ok(timestamp)),
            _ => None,
        })
    }

    fn field<'de, T, D>(
        deserializer: D,
        misfit: &'static str,
        convert: impl FnOnce(Value<'de>) -> Option<bson::error::Result<T>>,
    ) -> Result<Option<T>, D::Error>
    where
        T: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        if deserializer.is_human_readable() {
            return Option::deserialize(deserializer);
        }
        match Value::deserialize(deserializer)? {
            Value::Other(RawBson::Null) => Ok(None),
            value => {
                let converted = convert(value).ok_or_else(|| D::Error::custom(misfit))?;
                converted.map(Some).map_err(D::Error::custom)
            }
        }
    }

    /// A value from the driver's decoder (see [`decode::PLAIN`]) or from another one.
    enum Value<'de> {
        Document(Cow<'de, RawDocument>),
        DateTime(DateTime),
        Timestamp(Timestamp),
        Other(RawBson),
    }

    impl<'de> Deserialize<'de> for Value<'de> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_newtype_struct(decode::PLAIN, ValueVisitor)
        }
    }

    struct ValueVisitor;

    impl<'de> Visitor<'de> for ValueVisitor {
        type Value = Value<'de>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a value")
        }

        fn visit_borrowed_bytes<E: Error>(self, document: &'de [u8]) -> Result<Value<'de>, E> {
            let document = RawDocument::from_bytes(document).map_err(E::custom)?;
            Ok(Value::Document(Cow::Borrowed(document)))
        }

        fn visit_i64<E: Error>(self, millis: i64) -> Result<Value<'de>, E> {
            Ok(Value::DateTime(DateTime::from_millis(millis)))
        }

        fn visit_u64<E: Error>(self, timestamp: u64) -> Result<Value<'de>, E> {
            let (time, increment) = ((timestamp >> 32) as u32, timestamp as u32);
            Ok(Value::Timestamp(Timestamp { time, increment }))
        }

        fn visit_unit<E: Error>(self) -> Result<Value<'de>, E> {
            Ok(Value::Other(RawBson::Null))
        }

        fn visit_newtype_struct<D: Deserializer<'de>>(
            self,
            deserializer: D,
        ) -> Result<Value<'de>, D::Error> {
            Ok(match RawBson::deserialize(deserializer)? {
                RawBson::Document(document) => Value::Document(Cow::Owned(document)),
                RawBson::DateTime(date) => Value::DateTime(date),
                RawBson::Timestamp(timestamp) => Value::Timestamp(timestamp),
                other => Value::Other(other),
            })
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
