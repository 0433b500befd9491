//! The state machine of an upload.
//!
//! Bytes are collected in a buffer of a few chunks. A full buffer is sent as one `insert`. In the
//! async API a task sends it while the next buffer fills. In the blocking API the write that finds
//! the buffer full sends it. Closing sends the rest, and then the files document.
//!
//! The stream knows the `_id` of each chunk that it sent. Therefore an abort, or dropping a stream
//! that was not closed, removes only these chunks, and not those of another file with the same id.
//! After a failure nothing is removed unless the caller aborts (section "Operation Failure") or the
//! files document was never sent.

mod abort;
mod close;
mod write;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bson::{Bson, Document};
use threadwatch::ForkGeneration;

use super::{Bucket, chunks};
use crate::cursor::{Fetch, Pace};
use crate::deadline::Deadline;
use crate::error::{Error, GridFsErrorKind, Result};
use crate::mode::{Async, Mode};
use crate::object_id::ObjectIds;

/// A stream that uploads a file. Created by
/// [`GridFsBucket::open_upload_stream`](super::GridFsBucket::open_upload_stream).
///
/// In the async API it implements `AsyncWrite` of tokio, and with the feature `futures-io` that of
/// `futures`. In the blocking API it implements [`std::io::Write`]. The file exists after
/// [`close`](Self::close) has succeeded; `shutdown` of tokio and `close` of `futures` do the same.
/// `flush` does nothing, because only the last chunk of a file can be smaller.
///
/// An I/O error contains the [`Error`] of this crate, and `?` unwraps it.
///
/// # Example
/// ```no_run
/// use std::io::Write;
///
/// # fn example(client: driver::sync::Client) -> driver::Result<()> {
/// let bucket = client.database("zoo").gridfs_bucket(None);
/// let mut stream = bucket.open_upload_stream("diary").run()?;
/// for day in 1..=31 {
///     writeln!(stream, "{day}: slept, ate, slept")?;
/// }
/// stream.close()?;
/// # Ok(())
/// # }
/// ```
///
/// # Memory
/// Chunks are sent in batches of about 4 MiB. A stream holds up to two batches, and the sending
/// connection a third, independent of the size of the file.
///
/// # Failures
/// After an error the stream has ended, and the sent chunks stay, as the specification requires.
/// [`abort`](Self::abort) removes them. If `close` failed before it sent the files document,
/// dropping the stream removes them too.
///
/// In a forked child, every step of a stream of its parent fails with `InvalidArgument`.
///
/// # Cancel safety
/// A dropped write has taken either all its bytes or none. If a stream is dropped before it is
/// closed, there is no file, and its chunks are removed in the background. If `close` is dropped
/// while it writes the files document, that write is completed first, and the complete file may
/// exist.
pub struct GridFsUploadStream<F: Mode = Async> {
    bucket: Arc<Bucket<F>>,
    id: Bson,
    filename: String,
    metadata: Option<Document>,
    chunk_size: u32,
    /// The deadline of the whole stream.
    deadline: Deadline,
    /// The bytes that were not sent yet.
    buffer: Vec<u8>,
    /// The capacity of the buffer.
    capacity: usize,
    /// The last sent buffer, for reuse.
    spare: Vec<u8>,
    /// The number of sent chunks.
    sent_chunks: u32,
    /// The number of sent bytes.
    sent_bytes: u64,
    /// The `_id`s of the sent chunks.
    written: Vec<ObjectIds>,
    state: State,
    /// Whether `close` was called. No more bytes are accepted.
    closing: bool,
    /// Whether the document of the file may have been sent.
    file_sent: Arc<AtomicBool>,
    /// The process that opened it.
    born: ForkGeneration,
    kind: PhantomData<fn() -> F>,
}

enum State {
    /// No command is running.
    Open,
    /// A batch is being sent. The fetch returns its buffer.
    Inserting(Fetch<(Vec<u8>, Result<()>)>),
    /// The files document is being sent.
    Finishing(Fetch<Result<()>>),
    /// The chunks are being removed.
    Removing(Fetch<Result<()>>),
    /// A step failed. There are chunks, but no files document.
    Failed,
    /// An abort failed, or a close before it sent the files document. Some of the chunks may exist.
    /// Dropping the stream removes them.
    Unremoved,
    /// The file exists or may exist, or everything was removed.
    Ended,
}

impl<F: Mode> GridFsUploadStream<F> {
    /// # Errors
    /// `InvalidArgument` for an invalid chunk size.
    pub(super) fn open(
        bucket: Arc<Bucket<F>>,
        id: Bson,
        filename: String,
        chunk_size: u32,
        metadata: Option<Document>,
        deadline: Deadline,
    ) -> Result<Self> {
        if chunk_size == 0 || i32::try_from(chunk_size).is_err() {
            return Err(Error::invalid_argument(format!(
                "chunk_size_bytes is {chunk_size}; it must be at least 1, and less than the \
                 server's maxBsonObjectSize (16 MiB)"
            )));
        }
        Ok(GridFsUploadStream {
            bucket,
            id,
            filename,
            metadata,
            chunk_size,
            deadline,
            buffer: Vec::new(),
            capacity: chunks::batch_bytes(chunk_size),
            spare: Vec::new(),
            sent_chunks: 0,
            sent_bytes: 0,
            written: Vec::new(),
            state: State::Open,
            closing: false,
            file_sent: Arc::default(),
            born: ForkGeneration::current(),
            kind: PhantomData,
        })
    }

    /// The `_id` of the file, given by the caller or generated by the driver.
    ///
    /// # Examples
    /// ```no_run
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// let bucket = client.database("zoo").gridfs_bucket(None);
    /// let upload = bucket.open_upload_stream("mabel.png").await?;
    /// println!("her picture will be {}", upload.id());
    /// # Ok(())
    /// # }
    /// ```
    pub fn id(&self) -> &Bson {
        &self.id
    }

    /// Whether a step has failed on the servers.
    pub(super) fn has_failed(&self) -> bool {
        matches!(self.state, State::Failed)
    }

    /// Whether the calling thread does the work, not a task.
    fn is_in_place(&self) -> bool {
        self.bucket.on().core.runtime.is_blocking()
    }

    /// Starts `work` on the servers.
    fn start<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Fetch<T> {
        let pace = if self.is_in_place() { Pace::Within(Duration::ZERO) } else { Pace::Ahead };
        Fetch::start(self.bucket.on().core, pace, self.deadline, |_| work)
    }

    /// # Errors
    /// `InvalidArgument` in a child of the process that opened the stream: both would write the
    /// same file.
    fn check_process(&self) -> Result<()> {
        if self.born.is_current() {
            return Ok(());
        }
        Err(self.during(Error::invalid_argument(
            "the upload was started before the process forked, so it stays with the parent; start \
             another in the child",
        )))
    }

    /// A step has failed.
    #[cold]
    fn fail(&mut self, error: Error) -> Error {
        self.state = State::Failed;
        self.closing = true;
        (self.buffer, self.spare) = (Vec::new(), Vec::new());
        self.during(error)
    }

    #[cold]
    fn closed(&self) -> Error {
        self.during(Error::gridfs(GridFsErrorKind::UploadStreamClosed))
    }

    #[cold]
    fn during(&self, error: Error) -> Error {
        let (db, bucket) = (self.bucket.on().db, &self.bucket.name);
        error.during(&format_args!("upload of {:?} to {db}.{bucket}", self.filename))
    }
}

impl<F: Mode> fmt::Debug for GridFsUploadStream<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GridFsUploadStream")
            .field("id", &self.id)
            .field("filename", &self.filename)
            .finish_non_exhaustive()
    }
}
