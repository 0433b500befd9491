//! Renaming files.

use bson::{Bson, doc};

use super::download::not_found;
use super::operation::bucket_operation;
use super::{Bucket, FilesCollectionDocument, GridFsBucket, remaining};
use crate::deadline::Deadline;
use crate::error::{GridFsFileIdentifier, Result};
use crate::mode::{Async, Mode};
use crate::ops::command::{Execute, Parts};
use crate::ops::macros::{operation, options};
use crate::ops::operation_name::OperationName;
use crate::ops::{Operation, Update};

impl<F: Mode> GridFsBucket<F> {
    /// Renames the file with the `_id` `id` to `new_filename`.
    ///
    /// # Errors
    /// `GridFs` with [`FileNotFound`](crate::error::GridFsErrorKind::FileNotFound) if the file does
    /// not exist. And those of
    /// [`Collection::update_one`](crate::collection::Collection::update_one).
    ///
    /// # Cancel safety
    /// If the future is dropped, the file may or may not be renamed.
    ///
    /// # Example
    /// ```no_run
    /// # async fn example(bucket: driver::gridfs::GridFsBucket) -> driver::Result<()> {
    /// bucket.rename("mabel".into(), "mabel in 1973.png").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn rename(&self, id: Bson, new_filename: impl Into<String>) -> Rename<'_, F> {
        Rename { bucket: self, id, new_filename: new_filename.into(), options: None }
    }

    /// Renames all files with the name `filename` to `new_filename`.
    ///
    /// # Errors
    /// `GridFs` with [`FileNotFound`](crate::error::GridFsErrorKind::FileNotFound) if there is
    /// none. And those of [`Collection::update_many`](crate::collection::Collection::update_many).
    ///
    /// # Cancel safety
    /// If the future is dropped, any of the files may be renamed.
    ///
    /// # Example
    /// ```no_run
    /// # fn example(bucket: driver::sync::gridfs::GridFsBucket) -> driver::Result<()> {
    /// bucket.rename_by_name("diary", "diary of 1973").run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn rename_by_name(
        &self,
        filename: impl Into<String>,
        new_filename: impl Into<String>,
    ) -> RenameByName<'_, F> {
        let (filename, new_filename) = (filename.into(), new_filename.into());
        RenameByName { bucket: self, filename, new_filename, options: None }
    }
}

/// Renames a file. Created by [`GridFsBucket::rename`].
#[must_use = "an operation does nothing until it is awaited or run"]
#[derive(Debug)]
pub struct Rename<'a, F: Mode = Async> {
    bucket: &'a GridFsBucket<F>,
    id: Bson,
    new_filename: String,
    options: Option<Box<GridFsRenameOptions>>,
}

options! {
    /// The options of [`GridFsBucket::rename`].
    GridFsRenameOptions, GridFsRenameOptionsBuilder for ['a, F: Mode] Rename<'a, F> {}
}

bucket_operation! { [] Rename<'a; F> -> () }

impl<'a, F: Mode> Execute<'a> for Rename<'a, F> {
    type Output = ();

    fn operation_name(&self) -> OperationName<'a> {
        self.on().operation_name("rename")
    }

    async fn execute(self) -> Result<()> {
        let deadline = self.on().deadline(self.options(), None)?;
        let bucket = &*self.bucket.inner;
        let update = doc! { "$set": { "filename": self.new_filename } };
        let update = bucket.files.update_one(doc! { "_id": &self.id }, update);
        perform(bucket, update, deadline, GridFsFileIdentifier::Id(self.id)).await
    }
}

/// Sends `update`, which must match a file.
async fn perform<F: Mode>(
    bucket: &Bucket<F>,
    update: Update<'_, FilesCollectionDocument, F>,
    deadline: Deadline,
    identifier: GridFsFileIdentifier,
) -> Result<()> {
    let update = update.optional(remaining(deadline)?, |update, left| update.timeout(left));
    match update.perform().await?.matched_count {
        0 if bucket.is_acknowledged() => Err(not_found(identifier)),
        _ => Ok(()),
    }
}

/// Renames all files with a name. Created by [`GridFsBucket::rename_by_name`].
#[must_use = "an operation does nothing until it is awaited or run"]
#[derive(Debug)]
pub struct RenameByName<'a, F: Mode = Async> {
    bucket: &'a GridFsBucket<F>,
    filename: String,
    new_filename: String,
    options: Option<Box<GridFsRenameByNameOptions>>,
}

options! {
    /// The options of [`GridFsBucket::rename_by_name`].
    GridFsRenameByNameOptions, GridFsRenameByNameOptionsBuilder
    for ['a, F: Mode] RenameByName<'a, F> {}
}

bucket_operation! { [] RenameByName<'a; F> -> () }

impl<'a, F: Mode> Execute<'a> for RenameByName<'a, F> {
    type Output = ();

    fn operation_name(&self) -> OperationName<'a> {
        self.on().operation_name("rename_by_name")
    }

    async fn execute(self) -> Result<()> {
        let deadline = self.on().deadline(self.options(), None)?;
        let bucket = &*self.bucket.inner;
        let update = doc! { "$set": { "filename": self.new_filename } };
        let update = bucket.files.update_many(doc! { "filename": &self.filename }, update);
        perform(bucket, update, deadline, GridFsFileIdentifier::Filename(self.filename)).await
    }
}
