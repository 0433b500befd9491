//! `collMod`: changes the options of a collection.

use super::create_collection::check_name;
use super::prelude::*;
use crate::database::Database;
use crate::options::{
    ChangeStreamPreAndPostImages, ExpireAfter, IndexModification, TimeseriesModification,
    ValidationAction, ValidationLevel, whole_seconds,
};

/// Changes the options of a collection or a view. Created by [`Database::modify_collection`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct ModifyCollection<'a, F: Mode> {
    pub(crate) database: &'a Database<F>,
    pub(crate) name: String,
    pub(crate) options: Option<Box<ModifyCollectionOptions>>,
    pub(crate) session: Option<&'a mut SessionState>,
}

options! {
    /// The options of [`Database::modify_collection`]. Options that are not set keep their values.
    ModifyCollectionOptions, ModifyCollectionOptionsBuilder
    for ['a, F: Mode] ModifyCollection<'a, F> {
        /// The index to change, and its new options.
        index: IndexModification = "index",
        /// The expression that documents must match. An empty document allows all.
        validator: Document = "validator",
        /// The documents that the validator applies to.
        validation_level: ValidationLevel = "validationLevel",
        /// The action on a document that fails validation.
        validation_action: ValidationAction = "validationAction",
        /// The source of the view. Needs a `pipeline`.
        view_on: String as impl Into<String> = "viewOn",
        /// The pipeline of the view. Needs a `view_on`.
        pipeline: Vec<Document> as impl IntoIterator<Item = Document> => Vec::from_iter
            = "pipeline",
        /// The size of a capped collection, in bytes. Needs MongoDB 6.0.
        capped_size: u64 = "cappedSize",
        /// The maximum number of documents in a capped collection; 0 means no limit. Needs MongoDB
        /// 6.0.
        capped_max: u64 = "cappedMax",
        /// The new options of a time series collection.
        timeseries: TimeseriesModification = "timeseries",
        /// The lifetime of the documents in a time series or clustered collection.
        expire_after_seconds: ExpireAfter as impl Into<ExpireAfter> = "expireAfterSeconds",
        /// Whether change streams can return documents as they were before a change. Needs MongoDB
        /// 6.0.
        change_stream_pre_and_post_images: ChangeStreamPreAndPostImages
            = "changeStreamPreAndPostImages",
        /// Only checks whether an index can become unique. Needs MongoDB 6.0.
        dry_run: bool = "dryRun",
        /// The write concern.
        write_concern: WriteConcern,
        /// A comment, shown in the server's logs and profiles.
        comment: Bson as impl Into<Bson> = "comment",
    }
}

operation! { [] ModifyCollection<'a; F> -> (), on database }

impl<'a, F: Mode> Command<'a> for ModifyCollection<'a, F> {
    type Output = ();

    fn meta(&self) -> &'static Meta {
        const { &Meta::write_once("modify_collection", "collMod") }
    }

    fn check(&self, _session: Option<&SessionState>) -> Result<()> {
        check_name("the name of the collection", &self.name)?;
        let Some(options) = &self.options else { return Ok(()) };
        if let Some(ExpireAfter::Duration(duration)) = options.expire_after_seconds {
            whole_seconds("expire_after_seconds", Some(duration))?;
        }
        if let Some(timeseries) = &options.timeseries {
            whole_seconds("bucket_max_span", timeseries.bucket_max_span)?;
            whole_seconds("bucket_rounding", timeseries.bucket_rounding)?;
        }
        let Some(index) = &options.index else { return Ok(()) };
        whole_seconds("expire_after", index.expire_after)?;
        match (&index.name, &index.key_pattern) {
            (None, None) => Err(Error::invalid_argument(
                "the index to change is not named; set its name or its key_pattern",
            )),
            (Some(_), Some(_)) => Err(Error::invalid_argument(
                "the index to change has a name and a key_pattern; set one of the two",
            )),
            _ => Ok(()),
        }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.str(cstr!("collMod"), &self.name);
        Ok(())
    }

    fn decode(self, _reply: Reply<'a>) -> Result<()> {
        Ok(())
    }
}
