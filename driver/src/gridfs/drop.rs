//! Dropping a bucket.

use super::operation::bucket_operation;
use super::{GridFsBucket, remaining};
use crate::error::Result;
use crate::mode::{Async, Mode};
use crate::ops::Operation;
use crate::ops::command::{Execute, Parts};
use crate::ops::macros::{operation, options};
use crate::ops::operation_name::OperationName;

impl<F: Mode> GridFsBucket<F> {
    /// Drops both collections of the bucket, with their indexes: first the files, then the chunks.
    /// Does nothing if they do not exist. The next upload creates the indexes again.
    ///
    /// # Errors
    /// Those of [`Collection::drop`](crate::collection::Collection::drop).
    ///
    /// # Cancel safety
    /// If the future is dropped, the files may be dropped and the chunks left over.
    ///
    /// # Example
    /// ```no_run
    /// # async fn example(bucket: driver::gridfs::GridFsBucket) -> driver::Result<()> {
    /// bucket.drop().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn drop(&self) -> Drop<'_, F> {
        Drop { bucket: self, options: None }
    }
}

/// Drops a bucket. Created by [`GridFsBucket::drop`].
#[must_use = "an operation does nothing until it is awaited or run"]
#[derive(Debug)]
pub struct Drop<'a, F: Mode = Async> {
    bucket: &'a GridFsBucket<F>,
    options: Option<Box<GridFsDropOptions>>,
}

options! {
    /// The options of [`GridFsBucket::drop`].
    GridFsDropOptions, GridFsDropOptionsBuilder for ['a, F: Mode] Drop<'a, F> {}
}

bucket_operation! { [] Drop<'a; F> -> () }

impl<'a, F: Mode> Execute<'a> for Drop<'a, F> {
    type Output = ();

    fn operation_name(&self) -> OperationName<'a> {
        self.on().operation_name("drop")
    }

    async fn execute(self) -> Result<()> {
        let deadline = self.on().deadline(self.options(), None)?;
        let bucket = &*self.bucket.inner;
        let _forgetting = bucket.indexes.forget();
        let files = bucket.files.drop();
        files.optional(remaining(deadline)?, |drop, left| drop.timeout(left)).perform().await?;
        let chunks = bucket.chunks.drop();
        chunks.optional(remaining(deadline)?, |drop, left| drop.timeout(left)).perform().await
    }
}
