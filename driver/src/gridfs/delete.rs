//! Deleting files.

use bson::{Bson, Document, doc};
use serde::Deserialize;

use super::download::not_found;
use super::operation::bucket_operation;
use super::{GridFsBucket, remaining};
use crate::error::{GridFsFileIdentifier, Result};
use crate::mode::{Async, Mode};
use crate::ops::Operation;
use crate::ops::command::{Execute, Parts};
use crate::ops::macros::{operation, options};
use crate::ops::operation_name::OperationName;

impl<F: Mode> GridFsBucket<F> {
    /// Deletes the file with the `_id` `id`: first its document, then its chunks. A running
    /// download fails with missing chunks.
    ///
    /// # Errors
    /// `GridFs` with [`FileNotFound`](crate::error::GridFsErrorKind::FileNotFound) if the file does
    /// not exist. Chunks with that id are deleted nevertheless. And those of
    /// [`Collection::delete_many`](crate::collection::Collection::delete_many).
    ///
    /// # Cancel safety
    /// If the future is dropped, the file may be deleted and some of its chunks left over. Another
    /// call deletes these.
    ///
    /// # Example
    /// ```no_run
    /// # async fn example(bucket: driver::gridfs::GridFsBucket) -> driver::Result<()> {
    /// bucket.delete("mabel".into()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn delete(&self, id: Bson) -> Delete<'_, F> {
        Delete { bucket: self, id, options: None }
    }

    /// Deletes all files called `filename`.
    ///
    /// # Errors
    /// `GridFs` with [`FileNotFound`](crate::error::GridFsErrorKind::FileNotFound) if there is
    /// none. And those of [`Collection::find`](crate::collection::Collection::find) and of
    /// [`Collection::delete_many`](crate::collection::Collection::delete_many).
    ///
    /// # Cancel safety
    /// If the future is dropped, any of the files may be deleted, and some of their chunks left
    /// over.
    ///
    /// # Example
    /// ```no_run
    /// # fn example(bucket: driver::sync::gridfs::GridFsBucket) -> driver::Result<()> {
    /// bucket.delete_by_name("diary").run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn delete_by_name(&self, filename: impl Into<String>) -> DeleteByName<'_, F> {
        DeleteByName { bucket: self, filename: filename.into(), options: None }
    }
}

/// Deletes a file. Created by [`GridFsBucket::delete`].
#[must_use = "an operation does nothing until it is awaited or run"]
#[derive(Debug)]
pub struct Delete<'a, F: Mode = Async> {
    bucket: &'a GridFsBucket<F>,
    id: Bson,
    options: Option<Box<GridFsDeleteOptions>>,
}

options! {
    /// The options of [`GridFsBucket::delete`].
    GridFsDeleteOptions, GridFsDeleteOptionsBuilder for ['a, F: Mode] Delete<'a, F> {}
}

bucket_operation! { [] Delete<'a; F> -> () }

impl<'a, F: Mode> Execute<'a> for Delete<'a, F> {
    type Output = ();

    fn operation_name(&self) -> OperationName<'a> {
        self.on().operation_name("delete")
    }

    async fn execute(self) -> Result<()> {
        let deadline = self.on().deadline(self.options(), None)?;
        let bucket = &*self.bucket.inner;
        let deleted = bucket
            .files
            .delete_one(doc! { "_id": &self.id })
            .optional(remaining(deadline)?, |delete, left| delete.timeout(left))
            .perform()
            .await?;
        bucket
            .chunks
            .delete_many(doc! { "files_id": &self.id })
            .optional(remaining(deadline)?, |delete, left| delete.timeout(left))
            .perform()
            .await?;
        match deleted.deleted_count {
            0 if bucket.is_acknowledged() => Err(not_found(GridFsFileIdentifier::Id(self.id))),
            _ => Ok(()),
        }
    }
}

/// Deletes all files with a name. Created by [`GridFsBucket::delete_by_name`].
#[must_use = "an operation does nothing until it is awaited or run"]
#[derive(Debug)]
pub struct DeleteByName<'a, F: Mode = Async> {
    bucket: &'a GridFsBucket<F>,
    filename: String,
    options: Option<Box<GridFsDeleteByNameOptions>>,
}

options! {
    /// The options of [`GridFsBucket::delete_by_name`].
    GridFsDeleteByNameOptions, GridFsDeleteByNameOptionsBuilder
    for ['a, F: Mode] DeleteByName<'a, F> {}
}

bucket_operation! { [] DeleteByName<'a; F> -> () }

/// The maximum number of files per command.
const FILES_AT_ONCE: usize = 1000;

impl<'a, F: Mode> Execute<'a> for DeleteByName<'a, F> {
    type Output = ();

    fn operation_name(&self) -> OperationName<'a> {
        self.on().operation_name("delete_by_name")
    }

    async fn execute(self) -> Result<()> {
        #[derive(Deserialize)]
        struct Found {
            #[serde(rename = "_id")]
            id: Bson,
        }
        let deadline = self.on().deadline(self.options(), None)?;
        let bucket = &*self.bucket.inner;
        let files = bucket.files.clone_with_type::<Document>();
        let found = files
            .find(doc! { "filename": &self.filename })
            .projection(doc! { "_id": 1 })
            .optional(remaining(deadline)?, |find, left| find.timeout(left))
            .perform()
            .await?;
        let found: Vec<Found> = found.into_raw().collect(None).await?;
        if found.is_empty() {
            return Err(not_found(GridFsFileIdentifier::Filename(self.filename)));
        }
        let ids: Vec<Bson> = found.into_iter().map(|found| found.id).collect();
        for ids in ids.chunks(FILES_AT_ONCE) {
            files
                .delete_many(doc! { "_id": { "$in": ids } })
                .optional(remaining(deadline)?, |delete, left| delete.timeout(left))
                .perform()
                .await?;
            bucket
                .chunks
                .delete_many(doc! { "files_id": { "$in": ids } })
                .optional(remaining(deadline)?, |delete, left| delete.timeout(left))
                .perform()
                .await?;
        }
        Ok(())
    }
}
