//! `create`: creates a collection or a view.

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use super::prelude::*;
use crate::database::Database;
use crate::options::{
    ChangeStreamPreAndPostImages, ClusteredIndex, ExpireAfter, IndexOptionDefaults,
    TimeseriesOptions, ValidationAction, ValidationLevel, lenient, whole_seconds,
};

/// Creates a collection or a view. Created by [`Database::create_collection`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct CreateCollection<'a, F: Mode> {
    pub(crate) database: &'a Database<F>,
    pub(crate) name: String,
    pub(crate) options: Option<Box<CreateCollectionOptions>>,
    pub(crate) session: Option<&'a mut SessionState>,
}

options! {
    /// The options of [`Database::create_collection`]. [`Database::list_collections`] returns them
    /// too.
    CreateCollectionOptions (own form), CreateCollectionOptionsBuilder
    for ['a, F: Mode] CreateCollection<'a, F> {
        /// Creates a capped collection, in which new documents replace the oldest. Needs a `size`.
        capped: bool = "capped",
        /// The size of a capped collection, in bytes.
        size: u64 = "size",
        /// The maximum number of documents in a capped collection.
        max: u64 = "max",
        /// Options of the storage engine: `{ <engine>: <options> }`.
        storage_engine: Document = "storageEngine",
        /// The expression that documents must match, such as `{ "$jsonSchema": { .. } }`.
        validator: Document = "validator",
        /// The documents that the validator applies to.
        validation_level: ValidationLevel = "validationLevel",
        /// The action on a document that fails validation.
        validation_action: ValidationAction = "validationAction",
        /// Creates a view on this collection or view.
        view_on: String as impl Into<String> = "viewOn",
        /// The pipeline of a view.
        pipeline: Vec<Document> as impl IntoIterator<Item = Document> => Vec::from_iter
            = "pipeline",
        /// The default rules for comparing strings.
        collation: Collation = "collation",
        /// The write concern.
        write_concern: WriteConcern,
        /// The default options of the collection's indexes.
        index_option_defaults: IndexOptionDefaults = "indexOptionDefaults",
        /// Creates a time series collection. Needs MongoDB 5.0.
        timeseries: TimeseriesOptions = "timeseries",
        /// The lifetime of the documents in a time series or clustered collection. Whole seconds.
        expire_after_seconds: Duration = (fn write_expire_after),
        /// Whether change streams can return documents as they were before a change. Needs MongoDB
        /// 6.0.
        change_stream_pre_and_post_images: ChangeStreamPreAndPostImages
            = "changeStreamPreAndPostImages",
        /// Creates a clustered collection, which is ordered by `_id`. Needs MongoDB 5.3.
        clustered_index: ClusteredIndex = "clusteredIndex",
        /// A comment, shown in the server's logs and profiles.
        comment: Bson as impl Into<Bson> = "comment",
    }
}

fn write_expire_after(options: &CreateCollectionOptions, body: &mut DocWriter<'_>) -> Result<()> {
    match options.expire_after_seconds {
        Some(duration) => body.value(cstr!("expireAfterSeconds"), &ExpireAfter::Duration(duration)),
        None => Ok(()),
    }
}

operation! { [] CreateCollection<'a; F> -> (), on database }

impl<'a, F: Mode> Command<'a> for CreateCollection<'a, F> {
    type Output = ();

    fn meta(&self) -> &'static Meta {
        const { &Meta::write_once("create_collection", "create") }
    }

    fn check(&self, _session: Option<&SessionState>) -> Result<()> {
        check_name("the name of the collection", &self.name)?;
        let Some(options) = &self.options else { return Ok(()) };
        whole_seconds("expire_after_seconds", options.expire_after_seconds)?;
        let Some(timeseries) = &options.timeseries else { return Ok(()) };
        check_name("the time_field of a time series", &timeseries.time_field)?;
        whole_seconds("bucket_max_span", timeseries.bucket_max_span)?;
        whole_seconds("bucket_rounding", timeseries.bucket_rounding)
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.str(cstr!("create"), &self.name);
        Ok(())
    }

    fn decode(self, _reply: Reply<'a>) -> Result<()> {
        Ok(())
    }
}

/// Checks a name.
///
/// # Errors
/// `InvalidArgument`, beginning with `what`, if the name is empty or contains a NUL byte.
pub(super) fn check_name(what: &str, name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::invalid_argument(format!("{what} is empty")));
    }
    match name.find('\0') {
        None => Ok(()),
        Some(at) => {
            Err(Error::invalid_argument(format!("{what}, {name:?}, holds a NUL at byte {at}")))
        }
    }
}

/// Serializes the options as in the command.
impl Serialize for CreateCollectionOptions {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut bytes = Vec::new();
        let mut body = DocWriter::begin(&mut bytes);
        self.encode(&mut body).map_err(serde::ser::Error::custom)?;
        drop(body);
        let document = bson::RawDocument::from_bytes(&bytes).map_err(serde::ser::Error::custom)?;
        document.serialize(serializer)
    }
}

/// Deserializes the options from `listCollections`. Numbers can have any numeric type. Unknown
/// options are ignored.
impl<'de> Deserialize<'de> for CreateCollectionOptions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(Default, serde::Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        struct Listed {
            #[serde(deserialize_with = "lenient::flag")]
            capped: Option<bool>,
            #[serde(deserialize_with = "lenient::count")]
            size: Option<u64>,
            #[serde(deserialize_with = "lenient::count")]
            max: Option<u64>,
            storage_engine: Option<Document>,
            validator: Option<Document>,
            validation_level: Option<ValidationLevel>,
            validation_action: Option<ValidationAction>,
            view_on: Option<String>,
            pipeline: Option<Vec<Document>>,
            collation: Option<Collation>,
            index_option_defaults: Option<IndexOptionDefaults>,
            timeseries: Option<TimeseriesOptions>,
            #[serde(deserialize_with = "lenient::seconds::deserialize")]
            expire_after_seconds: Option<Duration>,
            change_stream_pre_and_post_images: Option<ChangeStreamPreAndPostImages>,
            clustered_index: Option<Clustered>,
            comment: Option<Bson>,
        }

        /// Atlas lists time series collections with `clusteredIndex: true`.
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Clustered {
            Flag(bool),
            Index(ClusteredIndex),
        }

        let listed = Listed::deserialize(deserializer)?;
        Ok(CreateCollectionOptions {
            capped: listed.capped,
            size: listed.size,
            max: listed.max,
            storage_engine: listed.storage_engine,
            validator: listed.validator,
            validation_level: listed.validation_level,
            validation_action: listed.validation_action,
            view_on: listed.view_on,
            pipeline: listed.pipeline,
            collation: listed.collation,
            write_concern: None,
            index_option_defaults: listed.index_option_defaults,
            timeseries: listed.timeseries,
            expire_after_seconds: listed.expire_after_seconds,
            change_stream_pre_and_post_images: listed.change_stream_pre_and_post_images,
            clustered_index: listed.clustered_index.and_then(|clustered| match clustered {
                Clustered::Flag(flag) => flag.then(ClusteredIndex::default),
                Clustered::Index(index) => Some(index),
            }),
            comment: listed.comment,
            timeout: None,
        })
    }
}
