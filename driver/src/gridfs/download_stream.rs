//! The state machine of a download.
//!
//! A cursor with prefetching delivers the chunks. The first read opens it, so that a stream can
//! seek before. Bytes are copied from the raw batch into the caller's buffer. The stream checks the
//! number and the size of each chunk (section "File Download").

use std::fmt;
use std::future::poll_fn;
use std::io::SeekFrom;
use std::ops::Range;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bson::doc;
use threadwatch::ForkGeneration;

use super::chunks::{BATCH_BYTES, Chunk};
use super::file::Layout;
use super::{Bucket, FilesCollectionDocument, remaining};
use crate::cursor::{Fetch, Pace, RawCursor};
use crate::deadline::Deadline;
use crate::error::{Error, GridFsErrorKind, Result};
use crate::mode::{Async, Mode};
use crate::ops::Operation;

/// A stream that downloads a file. Created by
/// [`GridFsBucket::open_download_stream`](super::GridFsBucket::open_download_stream) and
/// [`open_download_stream_by_name`](super::GridFsBucket::open_download_stream_by_name).
///
/// In the async API it implements `AsyncRead`, `AsyncBufRead` and `AsyncSeek` of tokio, and with
/// the feature `futures-io` those of `futures`. In the blocking API it implements
/// [`std::io::Read`], [`BufRead`](std::io::BufRead) and [`Seek`](std::io::Seek). Positions are
/// relative to the start of the stream's range.
///
/// An I/O error contains the [`Error`] of this crate, and `?` unwraps it. An error of kind `GridFs`
/// names the file and the missing or corrupt chunk.
///
/// # Example
/// ```no_run
/// use std::io::Read;
///
/// # fn example(client: driver::sync::Client) -> driver::Result<()> {
/// let bucket = client.database("zoo").gridfs_bucket(None);
/// let mut text = String::new();
/// bucket.open_download_stream_by_name("diary").run()?.read_to_string(&mut text)?;
/// # Ok(())
/// # }
/// ```
///
/// # Memory
/// Chunks arrive in batches of about 4 MiB. A stream holds the current batch and one prefetched
/// batch, independent of the size of the file.
///
/// # Failures
/// After an error the position is after the last returned byte, and the next read continues there.
///
/// # Cancel safety
/// A dropped read returns no bytes and loses none. If the stream is dropped, its cursor is killed
/// in the background.
pub struct GridFsDownloadStream<F: Mode = Async> {
    bucket: Arc<Bucket<F>>,
    file: FilesCollectionDocument,
    layout: Layout,
    /// The range of bytes to return.
    range: Range<u64>,
    /// The position of the next read in the file.
    position: u64,
    /// That of the whole stream.
    deadline: Deadline,
    chunks: Chunks,
    /// The process that opened `chunks`.
    born: ForkGeneration,
}

/// The source of the chunks.
enum Chunks {
    Unopened,
    Opening { first: u32, cursor: Fetch<Result<RawCursor>> },
    Open(Box<OpenChunks>),
}

struct OpenChunks {
    cursor: RawCursor,
    /// The current chunk of the cursor.
    current: Option<Chunk>,
    /// The number of the next chunk.
    next: u32,
}

impl<F: Mode> GridFsDownloadStream<F> {
    /// # Errors
    /// `CorruptFile`; `InvalidArgument` for a range outside the file.
    pub(super) fn open(
        bucket: Arc<Bucket<F>>,
        file: FilesCollectionDocument,
        start: Option<u64>,
        end: Option<u64>,
        deadline: Deadline,
    ) -> Result<Self> {
        let layout = Layout::of(&file)?;
        let range = start.unwrap_or(0)..end.unwrap_or(layout.length);
        if range.start > range.end || range.end > layout.length {
            return Err(Error::invalid_argument(format!(
                "the range from {} to {} is outside the {} bytes of the file; start must not \
                 exceed end, and end must not exceed the length",
                range.start, range.end, layout.length
            )));
        }
        let position = range.start;
        let (chunks, born) = (Chunks::Unopened, ForkGeneration::current());
        Ok(GridFsDownloadStream { bucket, file, layout, range, position, deadline, chunks, born })
    }

    /// The document of the file.
    ///
    /// # Examples
    /// ```no_run
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// let bucket = client.database("zoo").gridfs_bucket(None);
    /// let download = bucket.open_download_stream_by_name("mabel.png").await?;
    /// println!("{} bytes", download.file().length);
    /// # Ok(())
    /// # }
    /// ```
    pub fn file(&self) -> &FilesCollectionDocument {
        &self.file
    }

    /// Waits until [`available`](Self::available) has bytes, or the range has ended.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if !self.born.is_current() {
            // The cursor stays with the parent.
            (self.chunks, self.born) = (Chunks::Unopened, ForkGeneration::current());
        }
        let filled = ready!(self.poll_advance(cx));
        if filled.is_err() {
            // The next read opens a new cursor.
            self.chunks = Chunks::Unopened;
        }
        Poll::Ready(filled.map_err(|error| {
            let (db, bucket) = (self.bucket.on().db, &self.bucket.name);
            error.during(&format_args!("download from {db}.{bucket}"))
        }))
    }

    fn poll_advance(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        loop {
            if self.position >= self.range.end {
                return self.poll_end(cx);
            }
            let (wanted, _) = self.layout.locate(self.position);
            match &mut self.chunks {
                Chunks::Unopened => {
                    let cursor = self.start_find(wanted);
                    self.chunks = Chunks::Opening { first: wanted, cursor };
                }
                Chunks::Opening { first, cursor } => {
                    let next = *first;
                    let cursor = ready!(cursor.poll(cx)).and_then(|cursor| cursor)?;
                    let open = OpenChunks { cursor, current: None, next };
                    self.chunks = Chunks::Open(Box::new(open));
                }
                Chunks::Open(open) => {
                    if open.current.as_ref().is_some_and(|chunk| chunk.n == wanted) {
                        return Poll::Ready(Ok(()));
                    }
                    // The chunks in between are skipped if the target is at most one batch away.
                    let near =
                        open.next..open.next.saturating_add(self.layout.chunks_in(BATCH_BYTES));
                    if !near.contains(&wanted) {
                        self.chunks = Chunks::Unopened;
                        continue;
                    }
                    if !ready!(open.poll_next(cx, &self.file, self.layout))? {
                        let (file_id, n) = (self.file.id.clone(), open.next);
                        let kind = GridFsErrorKind::MissingChunk { file_id, n };
                        return Poll::Ready(Err(Error::gridfs(kind)));
                    }
                }
            }
        }
    }

    /// Handles the end of the range. At the end of the file, no chunk may follow.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if let Chunks::Open(open) = &mut self.chunks
            && open.next == self.layout.count
            && self.range.end == self.layout.length
        {
            open.current = None;
            // A chunk that follows is an error in `poll_next`.
            ready!(open.poll_next(cx, &self.file, self.layout))?;
        }
        self.chunks = Chunks::Unopened;
        Poll::Ready(Ok(()))
    }

    /// Requests the chunks from number `first` on.
    fn start_find(&self, first: u32) -> Fetch<Result<RawCursor>> {
        let (bucket, file_id) = (Arc::clone(&self.bucket), self.file.id.clone());
        let (layout, deadline) = (self.layout, self.deadline);
        let (last, _) = layout.locate(self.range.end - 1);
        let mut filter = doc! { "files_id": file_id };
        let mut numbers = doc! {};
        if first > 0 {
            numbers.insert("$gte", i64::from(first));
        }
        // A range that ends at the end of the file also detects extra chunks.
        if last + 1 < layout.count {
            numbers.insert("$lte", i64::from(last));
        }
        if !numbers.is_empty() {
            filter.insert("n", numbers);
        }
        let batch_size = layout.batch_size(last - first + 1, BATCH_BYTES);
        let core = self.bucket.on().core;
        Fetch::start(core, Pace::Within(Duration::ZERO), deadline, |_| async move {
            let chunks = bucket
                .chunks
                .find(filter)
                .sort(doc! { "n": 1 })
                .batch_size(batch_size)
                .prefetch(true)
                .optional(remaining(deadline)?, |find, left| find.timeout(left));
            chunks.perform().await.map(crate::cursor::Cursor::into_raw)
        })
    }

    /// The received bytes at the position.
    pub(super) fn available(&self) -> &[u8] {
        let Chunks::Open(open) = &self.chunks else { return &[] };
        let OpenChunks { cursor, current: Some(chunk), .. } = &**open else { return &[] };
        if self.position >= self.range.end {
            return &[];
        }
        let (_, offset) = self.layout.locate(self.position);
        let bytes = cursor.batch().current().get(chunk.data.clone()).unwrap_or_default();
        let bytes = bytes.get(offset..).unwrap_or_default();
        let left = usize::try_from(self.range.end - self.position).unwrap_or(usize::MAX);
        &bytes[..bytes.len().min(left)]
    }

    /// Advances the position by `bytes`.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.position += bytes as u64;
    }

    /// Copies bytes into `buffer`. Copies none at the end.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        ready!(self.poll_fill(cx))?;
        let available = self.available();
        let copied = available.len().min(buffer.len());
        buffer[..copied].copy_from_slice(&available[..copied]);
        self.consume(copied);
        Poll::Ready(Ok(copied))
    }

    /// The position within the range.
    pub(super) fn tell(&self) -> u64 {
        self.position - self.range.start
    }

    /// Moves the position. Sends nothing to a server.
    ///
    /// # Errors
    /// `InvalidArgument` for a position before the beginning.
    pub(super) fn move_to(&mut self, to: SeekFrom) -> Result<u64> {
        let position = match to {
            SeekFrom::Start(offset) => self.range.start.checked_add(offset),
            SeekFrom::End(offset) => self.range.end.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        match position.filter(|position| *position >= self.range.start) {
            Some(position) => {
                self.position = position;
                Ok(self.tell())
            }
            None => Err(Error::invalid_argument(
                "a position before the beginning of the file or beyond 2^64 bytes",
            )),
        }
    }

    pub(super) async fn filled(&mut self) -> Result<&[u8]> {
        poll_fn(|cx| self.poll_fill(cx)).await?;
        Ok(self.available())
    }
}

impl OpenChunks {
    /// Moves to the next chunk. False if there is none.
    ///
    /// # Errors
    /// Those of the cursor; `GridFs` if the chunk is wrong.
    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        file: &FilesCollectionDocument,
        layout: Layout,
    ) -> Poll<Result<bool>> {
        self.current = None;
        while !self.cursor.advance_within_batch()? {
            if !ready!(self.cursor.poll_fetch(None, cx))? {
                return Poll::Ready(Ok(false));
            }
        }
        let (file_id, expected) = (|| file.id.clone(), self.next);
        let chunk = Chunk::read(self.cursor.batch().current()).map_err(|message| {
            let message = message.to_owned();
            let kind = GridFsErrorKind::CorruptChunk { file_id: file_id(), n: expected, message };
            Error::gridfs(kind)
        })?;
        let n = chunk.n;
        let kind = if n < expected || n >= layout.count {
            GridFsErrorKind::ExtraChunk { file_id: file_id(), n }
        } else if n > expected {
            GridFsErrorKind::MissingChunk { file_id: file_id(), n: expected }
        } else if chunk.data.len() != layout.size_of(n) as usize {
            GridFsErrorKind::WrongSizeChunk {
                file_id: file_id(),
                n,
                actual_size: chunk.data.len(),
                expected_size: layout.size_of(n),
            }
        } else {
            self.next = n + 1;
            self.current = Some(chunk);
            return Poll::Ready(Ok(true));
        };
        Poll::Ready(Err(Error::gridfs(kind)))
    }
}

impl<F: Mode> fmt::Debug for GridFsDownloadStream<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GridFsDownloadStream")
            .field("file", &self.file)
            .field("position", &self.tell())
            .finish_non_exhaustive()
    }
}
