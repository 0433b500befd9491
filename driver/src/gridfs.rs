//! GridFS: files of any size, stored as chunks (specification "GridFS").
//!
//! A bucket consists of two collections. `<bucket>.chunks` has the content of the files in pieces
//! of equal size. `<bucket>.files` has one document per file, with its name, length and metadata.
//! The files document is written last, so a file that can be found is complete.
//!
//! | question | file |
//! |---|---|
//! | What is a file, and how many chunks does it have? | `gridfs/file.rs` |
//! | How are chunks written, removed and read? | `gridfs/chunks.rs` |
//! | How does an upload run? | `gridfs/upload_stream.rs` |
//! | How does a download run? | `gridfs/download_stream.rs` |
//! | When are the indexes created? | `gridfs/indexes.rs` |
//!
//! # Example
//! ```no_run
//! use driver::bson::doc;
//!
//! # async fn example(client: driver::Client) -> driver::Result<()> {
//! let bucket = client.database("zoo").gridfs_bucket(None);
//! let picture: &[u8] = b"a monkey";
//! let id = bucket
//!     .upload_from("mabel.png", picture)
//!     .metadata(doc! { "type": "image/png" })
//!     .await?;
//! let mut copy = Vec::new();
//! bucket.download_to(id, &mut copy).await?;
//! # Ok(())
//! # }
//! ```

mod chunks;
pub(crate) mod delete;
pub(crate) mod download;
mod download_stream;
pub(crate) mod drop;
mod file;
pub(crate) mod find;
mod indexes;
mod io;
mod operation;
mod options;
pub(crate) mod rename;
pub(crate) mod upload;
mod upload_stream;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bson::Document;

pub use self::download_stream::GridFsDownloadStream;
pub use self::file::FilesCollectionDocument;
use self::indexes::Indexes;
pub use self::io::{Sink, Source};
pub use self::options::{GridFsBucketOptions, GridFsBucketOptionsBuilder};
pub use self::upload_stream::GridFsUploadStream;
use crate::collection::Collection;
use crate::database::Database;
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::mode::{Async, Mode};
use crate::ops::command::On;
use crate::options::{CollectionOptions, ReadConcern, SelectionCriteria, WriteConcern};

/// The default name of a bucket.
const DEFAULT_BUCKET_NAME: &str = "fs";
/// The default chunk size of a bucket.
const DEFAULT_CHUNK_SIZE: u32 = 255 * 1024;

/// A bucket of files in a database. Created by
/// [`Database::gridfs_bucket`](crate::database::Database::gridfs_bucket).
///
/// Cheap to clone, and safe to share between tasks and threads. Several files can have the same
/// name. They are the *revisions* of that name, in the order of upload.
///
/// Before its first upload, a bucket without files gets its indexes: a unique index on the chunks,
/// by file and number, and an index on the files, by name and date.
///
/// # Timeouts
/// The `timeout` of an operation bounds the operation as a whole. Without one, that of the bucket,
/// the database or the client (`timeoutMS`) applies. If the operation opens a stream, the same
/// timeout bounds the stream until its end: reading it, or writing and closing it.
pub struct GridFsBucket<F: Mode = Async> {
    inner: Arc<Bucket<F>>,
}

/// The state that a bucket shares with its streams.
struct Bucket<F: Mode> {
    name: String,
    /// The default chunk size of uploads.
    chunk_size: u32,
    files: Collection<FilesCollectionDocument, F>,
    chunks: Collection<Document, F>,
    indexes: Indexes,
}

impl<F: Mode> Bucket<F> {
    fn on(&self) -> On<'_> {
        On { collection: Some(&self.name), ..self.files.on() }
    }

    /// Whether writes are acknowledged. Otherwise their results have no counts.
    fn is_acknowledged(&self) -> bool {
        let concern = self.on().concerns.write_concern.as_ref();
        concern.is_none_or(WriteConcern::is_acknowledged)
    }
}

impl<F: Mode> GridFsBucket<F> {
    pub(crate) fn new(database: &Database<F>, options: GridFsBucketOptions) -> Self {
        let name = options.bucket_name.unwrap_or_else(|| DEFAULT_BUCKET_NAME.to_owned());
        let own = CollectionOptions {
            selection_criteria: options.selection_criteria,
            read_concern: options.read_concern,
            write_concern: options.write_concern,
            timeout: options.timeout,
        };
        let files = database.collection_with_options(&format!("{name}.files"), own.clone());
        let chunks = database.collection_with_options(&format!("{name}.chunks"), own);
        let chunk_size = options.chunk_size_bytes.unwrap_or(DEFAULT_CHUNK_SIZE);
        let indexes = Indexes::default();
        GridFsBucket { inner: Arc::new(Bucket { name, chunk_size, files, chunks, indexes }) }
    }

    fn on(&self) -> On<'_> {
        self.inner.on()
    }

    /// The read preference.
    ///
    /// # Examples
    /// ```no_run
    /// # fn example(client: driver::Client) {
    /// let bucket = client.database("zoo").gridfs_bucket(None);
    /// println!("{:?}", bucket.selection_criteria());
    /// println!("{:?}, {:?}", bucket.read_concern(), bucket.write_concern());
    /// # }
    /// ```
    pub fn selection_criteria(&self) -> Option<&SelectionCriteria> {
        self.inner.files.selection_criteria()
    }

    /// The read concern of reads.
    pub fn read_concern(&self) -> Option<&ReadConcern> {
        self.inner.files.read_concern()
    }

    /// The write concern of writes.
    pub fn write_concern(&self) -> Option<&WriteConcern> {
        self.inner.files.write_concern()
    }
}

impl<F: Mode> Clone for GridFsBucket<F> {
    fn clone(&self) -> Self {
        GridFsBucket { inner: Arc::clone(&self.inner) }
    }
}

impl<F: Mode> fmt::Debug for GridFsBucket<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let On { db, .. } = self.on();
        f.debug_struct("GridFsBucket")
            .field("namespace", &format_args!("{db}.{}", self.inner.name))
            .finish_non_exhaustive()
    }
}

/// The remaining time of an operation, as the `timeout` of one of its commands.
///
/// # Errors
/// `Timeout` if no time is left.
fn remaining(deadline: Deadline) -> Result<Option<Duration>> {
    if !deadline.is_of_timeout() {
        return Ok(None);
    }
    match deadline.remaining() {
        None => Ok(Some(Duration::ZERO)),
        Some(Duration::ZERO) => Err(Error::timeout(
            "the timeout (timeoutMS) expired; for a stream it runs from its opening to its end",
        )),
        left => Ok(left),
    }
}
