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

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bson::{Bson, DateTime, Document};
use serde::{Serialize, Serializer};
use threadwatch::ForkGeneration;

use super::chunks::{self, Batch};
use super::io::Source;
use super::{Bucket, FilesCollectionDocument, indexes, remaining};
use crate::cursor::{Fetch, Pace};
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, GridFsErrorKind, Result};
use crate::exec;
use crate::mode::{Async, Blocking, Mode};
use crate::object_id::ObjectIds;
use crate::ops::Operation;
use crate::rt::block_on;

/// The number of bytes in one read of a source.
const READ_BYTES: usize = 256 * 1024;

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

    /// Adds as many of `bytes` as fit into the buffer, at least one.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let room = ready!(self.poll_room(cx))?;
        let taken = room.min(bytes.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        self.filled()?;
        Poll::Ready(Ok(taken))
    }

    /// Makes room in the buffer, and returns the size of the free part.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize>> {
        self.check_process()?;
        if self.closing {
            return Poll::Ready(Err(self.closed()));
        }
        if self.buffer.len() >= self.capacity || self.is_in_place() {
            ready!(self.poll_insert(cx))?;
        }
        if self.buffer.len() >= self.capacity {
            self.start_insert()?;
            if self.is_in_place() {
                ready!(self.poll_insert(cx))?;
            }
        }
        match self.state {
            State::Open | State::Inserting(_) => Poll::Ready(Ok(self.capacity - self.buffer.len())),
            _ => Poll::Ready(Err(self.closed())),
        }
    }

    /// Bytes were added. If a task can do it, a full buffer is sent at once.
    fn filled(&mut self) -> Result<()> {
        let is_full = self.buffer.len() >= self.capacity;
        if is_full && matches!(self.state, State::Open) && !self.is_in_place() {
            self.start_insert()?;
        }
        Ok(())
    }

    /// Sends the buffer. If its last chunk is not full, it is the last of the file.
    fn start_insert(&mut self) -> Result<()> {
        let first = self.sent_chunks;
        let count = self.buffer.len().div_ceil(self.chunk_size as usize) as u32;
        let end = first.checked_add(count).filter(|end| i32::try_from(*end).is_ok());
        let Some(end) = end else {
            let error = Error::invalid_argument(format!(
                "the file has more than {} chunks of {} bytes; choose a larger chunk_size_bytes",
                i32::MAX,
                self.chunk_size
            ));
            return Err(self.fail(error));
        };
        let bytes = std::mem::replace(&mut self.buffer, std::mem::take(&mut self.spare));
        (self.sent_chunks, self.sent_bytes) = (end, self.sent_bytes + bytes.len() as u64);
        let ids = ObjectIds::new(count);
        self.written.push(ids);
        let (bucket, files_id) = (Arc::clone(&self.bucket), self.id.clone());
        let (chunk_size, deadline) = (self.chunk_size, self.deadline);
        let inserting = self.start(async move {
            let mut bytes = bytes;
            let batch = Batch { files_id: &files_id, first, ids, chunk_size, bytes: &bytes };
            let inserted = match indexes::ensure(&bucket, deadline).await {
                Ok(()) => chunks::insert(&bucket, batch, deadline).await,
                Err(error) => Err(error),
            };
            bytes.clear();
            (bytes, inserted)
        });
        self.state = State::Inserting(inserting);
        Ok(())
    }

    /// Waits until no insert is running.
    fn poll_insert(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let State::Inserting(inserting) = &mut self.state else { return Poll::Ready(Ok(())) };
        match ready!(inserting.poll(cx)) {
            Ok((buffer, Ok(()))) => {
                self.spare = buffer;
                self.state = State::Open;
                Poll::Ready(Ok(()))
            }
            Ok((_, Err(error))) | Err(error) => Poll::Ready(Err(self.fail(error))),
        }
    }

    /// Sends the rest, and the files document.
    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.check_process()?;
        loop {
            match &mut self.state {
                State::Inserting(_) => {
                    self.closing = true;
                    ready!(self.poll_insert(cx))?;
                }
                State::Open if !self.buffer.is_empty() => {
                    self.closing = true;
                    self.start_insert()?;
                }
                State::Open => {
                    self.closing = true;
                    let finish = self.finish();
                    self.state = State::Finishing(self.start(finish));
                }
                State::Finishing(finishing) => {
                    let finished = ready!(finishing.poll(cx)).and_then(|finished| finished);
                    self.state = State::Ended;
                    return Poll::Ready(finished.map_err(|error| {
                        let refused = chunks::was_refused(&error);
                        let unsent = is_unsent(&self.file_sent, &error);
                        let error = self.fail(error);
                        if unsent {
                            self.state = State::Unremoved;
                        } else if !refused {
                            // The file may exist.
                            self.state = State::Ended;
                        }
                        error
                    }));
                }
                State::Removing(_) | State::Failed | State::Unremoved | State::Ended => {
                    return Poll::Ready(Err(self.closed()));
                }
            }
        }
    }

    /// Inserts the files document.
    fn finish(&mut self) -> impl Future<Output = Result<()>> + Send + use<F> {
        let (bucket, deadline) = (Arc::clone(&self.bucket), self.deadline);
        let sent = Arc::clone(&self.file_sent);
        let mut file = FilesCollectionDocument {
            id: self.id.clone(),
            length: self.sent_bytes,
            chunk_size_bytes: self.chunk_size,
            upload_date: DateTime::from_millis(0),
            filename: Some(self.filename.clone()),
            metadata: self.metadata.take(),
        };
        async move {
            // A file without chunks may be the first of the bucket.
            indexes::ensure(&bucket, deadline).await?;
            file.upload_date = DateTime::now();
            let files = bucket.files.clone_with_type::<Sending>();
            let file = Sending { file, sent };
            let insert = files.insert_one(&file);
            let insert = insert.optional(remaining(deadline)?, |insert, left| insert.timeout(left));
            insert.perform().await.map(drop)
        }
    }

    /// Removes the sent chunks.
    fn poll_abort(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.check_process()?;
        loop {
            match &mut self.state {
                State::Inserting(_) => {
                    self.closing = true;
                    // The chunks are removed anyway, so a failure to insert them does not matter.
                    let _ = ready!(self.poll_insert(cx));
                }
                State::Open | State::Failed | State::Unremoved if self.written.is_empty() => {
                    self.closing = true;
                    self.forget();
                    return Poll::Ready(Ok(()));
                }
                State::Open | State::Failed | State::Unremoved => {
                    self.closing = true;
                    let (bucket, id) = (Arc::clone(&self.bucket), self.id.clone());
                    let (written, deadline) = (self.written.clone(), self.deadline);
                    self.state = State::Removing(self.start(async move {
                        let core = bucket.on().core;
                        chunks::remove(core, &bucket, &id, &written, deadline).await
                    }));
                }
                State::Removing(removing) => {
                    let removed = ready!(removing.poll(cx)).and_then(|removed| removed);
                    let Err(delete_error) = removed else {
                        self.forget();
                        return Poll::Ready(Ok(()));
                    };
                    // Dropping the stream or another abort tries again. A close must not write the
                    // files document of a file with missing chunks.
                    self.state = State::Unremoved;
                    let kind = GridFsErrorKind::AbortError { original_error: None, delete_error };
                    return Poll::Ready(Err(self.during(Error::gridfs(kind))));
                }
                State::Finishing(_) | State::Ended => return Poll::Ready(Err(self.closed())),
            }
        }
    }

    /// Nothing remains to be removed.
    fn forget(&mut self) {
        self.state = State::Ended;
        self.written = Vec::new();
        (self.buffer, self.spare) = (Vec::new(), Vec::new());
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

    pub(super) async fn closed_by(mut self) -> Result<Bson> {
        poll_fn(|cx| self.poll_close(cx)).await?;
        Ok(std::mem::replace(&mut self.id, Bson::Null))
    }

    pub(super) async fn aborted(&mut self) -> Result<()> {
        poll_fn(|cx| self.poll_abort(cx)).await
    }

    /// Reads a part of `source` into the buffer. False at its end.
    ///
    /// Cancel safety: none. The stream must be dropped as well.
    pub(super) async fn fill(&mut self, source: &mut impl Source<F>) -> Result<bool> {
        let room = poll_fn(|cx| self.poll_room(cx)).await?;
        let (start, buffer) = (self.buffer.len(), &mut self.buffer);
        buffer.resize(start + room.min(READ_BYTES), 0);
        let read = poll_fn(|cx| source.poll_read(cx, &mut buffer[start..])).await;
        buffer.truncate(start + *read.as_ref().unwrap_or(&0));
        let read = read.map_err(|cause| {
            self.during(Error::io("the source of the upload could not be read", cause))
        })?;
        self.filled()?;
        Ok(read != 0)
    }
}

impl GridFsUploadStream<Async> {
    /// Completes the file: sends the rest, and then the files document. After that the file can be
    /// found.
    ///
    /// # Errors
    /// - `GridFs` with [`UploadStreamClosed`](GridFsErrorKind::UploadStreamClosed) if the upload
    ///   has already ended.
    /// - `Write` with [`is_duplicate_key`](Error::is_duplicate_key) if the id is in use. The other
    ///   file is unchanged.
    /// - Those of [every operation](crate::error#errors-of-every-operation).
    ///
    /// # Cancel safety
    /// If the future is dropped, another call continues.
    ///
    /// # Example
    /// ```no_run
    /// # async fn example(bucket: driver::gridfs::GridFsBucket) -> driver::Result<()> {
    /// let mut stream = bucket.open_upload_stream("empty").await?;
    /// stream.close().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn close(&mut self) -> Result<()> {
        poll_fn(|cx| self.poll_close(cx)).await
    }

    /// Ends the upload and removes its chunks. There is no file then.
    ///
    /// # Errors
    /// `GridFs` with [`AbortError`](GridFsErrorKind::AbortError) if the chunks could not be
    /// removed: call this again, or drop the stream, which tries again in the background. `GridFs`
    /// with [`UploadStreamClosed`](GridFsErrorKind::UploadStreamClosed) if the upload was already
    /// closed or aborted.
    ///
    /// # Cancel safety
    /// If the future is dropped, another call continues, or dropping the stream does.
    ///
    /// # Example
    /// ```no_run
    /// # async fn example(bucket: driver::gridfs::GridFsBucket) -> driver::Result<()> {
    /// let mut stream = bucket.open_upload_stream("mistake").await?;
    /// stream.abort().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn abort(&mut self) -> Result<()> {
        self.aborted().await
    }
}

impl GridFsUploadStream<Blocking> {
    /// Completes the file: sends the rest, and then the files document. After that the file can be
    /// found.
    ///
    /// # Errors
    /// - `GridFs` with [`UploadStreamClosed`](GridFsErrorKind::UploadStreamClosed) if the upload
    ///   has already ended.
    /// - `Write` with [`is_duplicate_key`](Error::is_duplicate_key) if the id is in use. The other
    ///   file is unchanged.
    /// - Those of [every operation](crate::error#errors-of-every-operation).
    ///
    /// # Example
    /// ```no_run
    /// # fn example(bucket: driver::sync::gridfs::GridFsBucket) -> driver::Result<()> {
    /// let mut stream = bucket.open_upload_stream("empty").run()?;
    /// stream.close()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn close(&mut self) -> Result<()> {
        block_on(poll_fn(|cx| self.poll_close(cx)))
    }

    /// Ends the upload and removes its chunks. There is no file then.
    ///
    /// # Errors
    /// `GridFs` with [`AbortError`](GridFsErrorKind::AbortError) if the chunks could not be
    /// removed: call this again, or drop the stream, which tries again in the background. `GridFs`
    /// with [`UploadStreamClosed`](GridFsErrorKind::UploadStreamClosed) if the upload was already
    /// closed or aborted.
    ///
    /// # Example
    /// ```no_run
    /// # fn example(bucket: driver::sync::gridfs::GridFsBucket) -> driver::Result<()> {
    /// let mut stream = bucket.open_upload_stream("mistake").run()?;
    /// stream.abort()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn abort(&mut self) -> Result<()> {
        block_on(self.aborted())
    }
}

impl<F: Mode> Drop for GridFsUploadStream<F> {
    fn drop(&mut self) {
        // In a forked child, the upload belongs to the parent.
        if !self.born.is_current() {
            return;
        }
        let core = self.bucket.on().core;
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Failed | State::Ended => {}
            State::Open | State::Removing(_) | State::Unremoved if self.written.is_empty() => {}
            unfinished => {
                let (core, bucket) = (core.outside_of_requests(), Arc::clone(&self.bucket));
                let id = std::mem::replace(&mut self.id, Bson::Null);
                let written = std::mem::take(&mut self.written);
                let file_sent = Arc::clone(&self.file_sent);
                exec::clean_up(self.bucket.on().core, async move {
                    let limit = Deadline::after(chunks::LIMIT);
                    match unfinished {
                        // The file becomes whole, or its insertion fails.
                        State::Finishing(mut finishing) => {
                            let finished = poll_fn(|cx| finishing.poll(cx));
                            let finished = core.runtime.timeout(limit, finished).await;
                            match finished.map(|finished| finished.and_then(|finished| finished)) {
                                Ok(Err(error)) if is_unsent(&file_sent, &error) => {}
                                _ => return,
                            }
                        }
                        // Chunks in flight would arrive after the removal.
                        State::Inserting(mut inserting) => {
                            let inserted = poll_fn(|cx| inserting.poll(cx));
                            let _ = core.runtime.timeout(limit, inserted).await;
                        }
                        _ => {}
                    }
                    chunks::remove_quietly(&core, &bucket, &id, &written).await;
                });
            }
        }
    }
}

/// The document of a file that takes note when it is written into a command, which is sent next.
struct Sending {
    file: FilesCollectionDocument,
    sent: Arc<AtomicBool>,
}

impl Serialize for Sending {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let written = self.file.serialize(serializer)?;
        self.sent.store(true, Ordering::Relaxed);
        Ok(written)
    }
}

/// Whether the document of a file was not sent when its insertion ended with `error`: it was never
/// written, or is one that no server accepts.
fn is_unsent(sent: &AtomicBool, error: &Error) -> bool {
    !sent.load(Ordering::Relaxed) || matches!(error.kind(), ErrorKind::InvalidArgument { .. })
}

impl<F: Mode> fmt::Debug for GridFsUploadStream<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GridFsUploadStream")
            .field("id", &self.id)
            .field("filename", &self.filename)
            .finish_non_exhaustive()
    }
}
