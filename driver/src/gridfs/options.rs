//! The options of a bucket. The options of its operations are next to the operations.

use std::time::Duration;

use crate::options::{ReadConcern, SelectionCriteria, WriteConcern};

/// The options of [`Database::gridfs_bucket`](crate::database::Database::gridfs_bucket).
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct GridFsBucketOptions {
    /// The name of the bucket, which is the prefix of its collections. Default: `fs`.
    pub bucket_name: Option<String>,
    /// The number of bytes in a chunk of new files. Default: 255 KiB.
    pub chunk_size_bytes: Option<u32>,
    /// The write concern. Default: that of the database.
    pub write_concern: Option<WriteConcern>,
    /// The read concern. Default: that of the database.
    pub read_concern: Option<ReadConcern>,
    /// The selection criteria of reads. Default: those of the database.
    pub selection_criteria: Option<SelectionCriteria>,
    /// The time limit of each operation, and of each stream from its opening to its end
    /// (`timeoutMS`). Default: that of the database.
    pub timeout: Option<Duration>,
}

crate::builder::builder! {
    /// Builds [`GridFsBucketOptions`].
    GridFsBucketOptionsBuilder builds GridFsBucketOptions {
        bucket_name: Option<String>,
        chunk_size_bytes: Option<u32>,
        write_concern: Option<WriteConcern>,
        read_concern: Option<ReadConcern>,
        selection_criteria: Option<SelectionCriteria>,
        timeout: Option<Duration>,
    }
}

crate::options::form::form! {
    GridFsBucketOptions {
        bucket_name, chunk_size_bytes, write_concern, read_concern, selection_criteria, timeout,
    }
}
