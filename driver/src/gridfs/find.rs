//! Queries for the files of a bucket.

use std::time::Duration;

use bson::Document;

use super::operation::bucket_operation;
use super::{FilesCollectionDocument, GridFsBucket};
use crate::cursor::Cursor;
use crate::error::Result;
use crate::mode::{Async, Mode};
use crate::ops::command::{Execute, Parts};
use crate::ops::macros::{operation, options};
use crate::ops::operation_name::OperationName;
use crate::ops::{FindOneOptions, FindOptions, Operation};

impl<F: Mode> GridFsBucket<F> {
    /// Finds the files whose documents match `filter`, and returns a cursor over the documents. The
    /// filter uses the stored field names; see [`FilesCollectionDocument`].
    ///
    /// # Errors
    /// Those of [`Collection::find`](crate::collection::Collection::find).
    ///
    /// # Cancel safety
    /// As for [`Collection::find`](crate::collection::Collection::find).
    ///
    /// # Example
    /// ```no_run
    /// use driver::bson::doc;
    ///
    /// # async fn example(bucket: driver::gridfs::GridFsBucket) -> driver::Result<()> {
    /// let pictures = doc! { "metadata.type": "image/png", "length": { "$gt": 1 << 20 } };
    /// let mut largest = bucket.find(pictures).sort(doc! { "length": -1 }).limit(10).await?;
    /// while let Some(file) = largest.try_next().await? {
    ///     println!("{:?}: {} bytes", file.filename, file.length);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn find(&self, filter: Document) -> Find<'_, F> {
        Find { bucket: self, filter, options: None }
    }

    /// Finds one file whose document matches `filter`. Returns `None` if there is none.
    ///
    /// # Errors
    /// Those of [`Collection::find_one`](crate::collection::Collection::find_one).
    ///
    /// # Cancel safety
    /// A dropped future leaves nothing behind.
    ///
    /// # Example
    /// ```no_run
    /// use driver::bson::doc;
    ///
    /// # fn example(bucket: driver::sync::gridfs::GridFsBucket) -> driver::Result<()> {
    /// let last = bucket.find_one(doc! {}).sort(doc! { "uploadDate": -1 }).run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn find_one(&self, filter: Document) -> FindOne<'_, F> {
        FindOne { bucket: self, filter, options: None }
    }
}

/// Finds files. Created by [`GridFsBucket::find`].
#[must_use = "an operation does nothing until it is awaited or run"]
#[derive(Debug)]
pub struct Find<'a, F: Mode = Async> {
    bucket: &'a GridFsBucket<F>,
    filter: Document,
    options: Option<Box<GridFsFindOptions>>,
}

options! {
    /// The options of [`GridFsBucket::find`].
    GridFsFindOptions, GridFsFindOptionsBuilder for ['a, F: Mode] Find<'a, F> {
        /// Allows the server to use disk space for a sort that exceeds its memory limit.
        allow_disk_use: bool,
        /// The number of documents in a batch.
        batch_size: u32,
        /// The maximum number of documents; 0 means all.
        limit: i64,
        /// The time limit on the server.
        max_time: Duration,
        /// Keeps an idle cursor open on the server without a time limit.
        no_cursor_timeout: bool,
        /// The number of documents to skip.
        skip: u64,
        /// The order.
        sort: Document,
    }
}

impl From<GridFsFindOptions> for FindOptions {
    fn from(options: GridFsFindOptions) -> Self {
        FindOptions {
            allow_disk_use: options.allow_disk_use,
            batch_size: options.batch_size,
            limit: options.limit,
            max_time: options.max_time,
            no_cursor_timeout: options.no_cursor_timeout,
            skip: options.skip,
            sort: options.sort,
            timeout: options.timeout,
            ..FindOptions::default()
        }
    }
}

bucket_operation! { [] Find<'a; F> -> cursor FilesCollectionDocument }

impl<'a, F: Mode> Execute<'a> for Find<'a, F> {
    type Output = Cursor<FilesCollectionDocument, F>;

    fn operation_name(&self) -> OperationName<'a> {
        self.on().operation_name("find")
    }

    async fn execute(self) -> Result<Self::Output> {
        let options = self.options.map(|options| FindOptions::from(*options));
        self.bucket.inner.files.find(self.filter).with_options(options).perform().await
    }
}

/// Finds one file. Created by [`GridFsBucket::find_one`].
#[must_use = "an operation does nothing until it is awaited or run"]
#[derive(Debug)]
pub struct FindOne<'a, F: Mode = Async> {
    bucket: &'a GridFsBucket<F>,
    filter: Document,
    options: Option<Box<GridFsFindOneOptions>>,
}

options! {
    /// The options of [`GridFsBucket::find_one`].
    GridFsFindOneOptions, GridFsFindOneOptionsBuilder for ['a, F: Mode] FindOne<'a, F> {
        /// The time limit on the server.
        max_time: Duration,
        /// The number of documents to skip.
        skip: u64,
        /// The sort order that determines the first document.
        sort: Document,
    }
}

impl From<GridFsFindOneOptions> for FindOneOptions {
    fn from(options: GridFsFindOneOptions) -> Self {
        FindOneOptions {
            max_time: options.max_time,
            skip: options.skip,
            sort: options.sort,
            timeout: options.timeout,
            ..FindOneOptions::default()
        }
    }
}

bucket_operation! { [] FindOne<'a; F> -> Option<FilesCollectionDocument> }

impl<'a, F: Mode> Execute<'a> for FindOne<'a, F> {
    type Output = Option<FilesCollectionDocument>;

    fn operation_name(&self) -> OperationName<'a> {
        self.on().operation_name("find_one")
    }

    async fn execute(self) -> Result<Self::Output> {
        let options = self.options.map(|options| FindOneOptions::from(*options));
        self.bucket.inner.files.find_one(self.filter).with_options(options).perform().await
    }
}
