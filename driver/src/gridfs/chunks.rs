//! The chunks of a file: written and removed in batches, read one by one.

use std::future::pending;
use std::ops::Range;
use std::time::Duration;

use bson::raw::cstr;
use bson::spec::{BinarySubtype, ElementType};
use bson::{Bson, Document, doc};

use super::Bucket;
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result, WriteFailure};
use crate::exec::{self, Core, Meta, Operation, RequestContext, SessionRef, Setting, Target};
use crate::mode::Mode;
use crate::object_id::ObjectIds;
use crate::options::WriteConcern;
use crate::pool::ConnectionDescription;
use crate::wire::scan::Elements;
use crate::wire::{DocWriter, MessageWriter, i32_at};

/// The number of bytes in one batch, unless a single chunk is larger. The memory of a stream is a
/// small multiple of this, independent of the size of the file.
pub(super) const BATCH_BYTES: u32 = 4 << 20;
/// The maximum number of chunks in one batch.
const BATCH_CHUNKS: u32 = 1000;

/// The number of bytes in one insert of chunks of `chunk_size`.
pub(super) fn batch_bytes(chunk_size: u32) -> usize {
    let chunks = (BATCH_BYTES / chunk_size).clamp(1, BATCH_CHUNKS);
    chunk_size as usize * chunks as usize
}

/// Consecutive chunks of an upload.
#[derive(Clone, Copy)]
pub(super) struct Batch<'a> {
    pub(super) files_id: &'a Bson,
    /// The number of the first chunk.
    pub(super) first: u32,
    pub(super) ids: ObjectIds,
    pub(super) chunk_size: u32,
    pub(super) bytes: &'a [u8],
}

/// Inserts chunks.
///
/// # Errors
/// `InvalidArgument` for chunks that exceed the server's limit; `Write` if the server refuses one.
pub(super) async fn insert<F: Mode>(
    bucket: &Bucket<F>,
    batch: Batch<'_>,
    deadline: Deadline,
) -> Result<()> {
    let on = bucket.chunks.on();
    let mut command = InsertChunks {
        db: on.db,
        collection: bucket.chunks.name(),
        write_concern: on.concerns.write_concern.as_ref(),
        batch,
    };
    exec::execute(on.core, &mut command, SessionRef::Implicit, deadline).await.map(drop)
}

struct InsertChunks<'a> {
    db: &'a str,
    collection: &'a str,
    write_concern: Option<&'a WriteConcern>,
    batch: Batch<'a>,
}

impl InsertChunks<'_> {
    fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        self.batch.bytes.chunks(self.batch.chunk_size as usize)
    }
}

impl Operation for InsertChunks<'_> {
    fn meta(&self) -> &'static Meta {
        const { &Meta::write("open_upload_stream", "insert") }
    }

    fn context(&self) -> RequestContext<'_> {
        let write_concern = Setting::of(None, self.write_concern);
        RequestContext { write_concern, ..RequestContext::bare(self.db, Target::Writable) }
    }

    fn statements(&self) -> usize {
        self.chunks().count()
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.str(cstr!("insert"), self.collection);
        body.bool(cstr!("ordered"), true);
        Ok(())
    }

    fn documents(
        &mut self,
        message: &mut MessageWriter<'_>,
        server: &ConnectionDescription,
    ) -> Result<()> {
        let Batch { files_id, first, ids, chunk_size, .. } = self.batch;
        let mut sequence = message.sequence(cstr!("documents"));
        for (index, bytes) in (0..).zip(self.chunks()) {
            let size = sequence.write(|chunk| {
                chunk.object_id(cstr!("_id"), ids.get(index));
                chunk.value(cstr!("files_id"), files_id)?;
                chunk.i32(cstr!("n"), (first + index) as i32);
                chunk.binary(cstr!("data"), BinarySubtype::Generic, bytes);
                Ok(())
            })?;
            if size > server.max_bson_object_size {
                return Err(Error::invalid_argument(format!(
                    "a chunk of {chunk_size} bytes makes a document of {size} bytes, more than the \
                     {} that the server accepts (maxBsonObjectSize); choose a smaller \
                     chunk_size_bytes",
                    server.max_bson_object_size
                )));
            }
        }
        Ok(())
    }
}

/// The maximum number of `_id`s in one command that removes chunks.
const IDS_AT_ONCE: usize = 10_000;

/// Removes the chunks with these `_id`s. Chunks of another file with the same file id stay.
///
/// # Errors
/// Those of the commands.
pub(super) async fn remove<F: Mode>(
    core: &Core,
    bucket: &Bucket<F>,
    files_id: &Bson,
    written: &[ObjectIds],
    deadline: Deadline,
) -> Result<()> {
    let on = bucket.chunks.on();
    let mut left = written.iter().flat_map(|ids| ids.iter()).map(Bson::ObjectId);
    loop {
        let ids: Vec<Bson> = left.by_ref().take(IDS_AT_ONCE).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let mut command = RemoveChunks {
            db: on.db,
            collection: bucket.chunks.name(),
            write_concern: on.concerns.write_concern.as_ref(),
            filter: doc! { "files_id": files_id, "_id": { "$in": ids } },
        };
        exec::execute(core, &mut command, SessionRef::Implicit, deadline).await?;
    }
}

struct RemoveChunks<'a> {
    db: &'a str,
    collection: &'a str,
    write_concern: Option<&'a WriteConcern>,
    filter: Document,
}

impl Operation for RemoveChunks<'_> {
    fn meta(&self) -> &'static Meta {
        const { &Meta::write_once("abort", "delete") }
    }

    fn context(&self) -> RequestContext<'_> {
        let write_concern = Setting::of(None, self.write_concern);
        RequestContext { write_concern, ..RequestContext::bare(self.db, Target::Writable) }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.str(cstr!("delete"), self.collection);
        body.bool(cstr!("ordered"), true);
        Ok(())
    }

    fn documents(
        &mut self,
        message: &mut MessageWriter<'_>,
        _server: &ConnectionDescription,
    ) -> Result<()> {
        let mut sequence = message.sequence(cstr!("deletes"));
        let written = sequence.write(|entry| {
            entry.document(cstr!("q"), &self.filter)?;
            entry.i32(cstr!("limit"), 0);
            Ok(())
        });
        written.map(drop)
    }
}

/// The number of attempts to remove chunks in the background, and the pause before another.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);
/// The time limit of one attempt, including the wait for a connection.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// Like [`remove`], in the background. Failures are not reported.
pub(super) async fn remove_quietly<F: Mode>(
    core: &Core,
    bucket: &Bucket<F>,
    files_id: &Bson,
    written: &[ObjectIds],
) {
    for attempt in 0..TRIES {
        if attempt > 0 {
            let _ = core.runtime.timeout(Deadline::after(PAUSE), pending::<()>()).await;
        }
        let deadline = Deadline::after(LIMIT);
        match remove(core, bucket, files_id, written, deadline).await {
            // The next attempt selects a server again, because there may be a new primary.
            Err(error) if may_pass(&error) => {}
            _ => return,
        }
    }
}

/// Whether the removal may succeed later: during a failover, or while the pool is full.
fn may_pass(error: &Error) -> bool {
    error.is_network()
        || error.is_state_change()
        || error.is_timeout()
        || matches!(
            error.kind(),
            ErrorKind::ConnectionPoolCleared { .. }
                | ErrorKind::WaitQueueFull { .. }
                | ErrorKind::ServerSelection { .. }
        )
}

/// Whether a server refused the document, so that it was certainly not inserted.
pub(super) fn was_refused(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Write(WriteFailure::WriteError(_)))
}

/// A received chunk.
pub(super) struct Chunk {
    pub(super) n: u32,
    /// The position of its bytes in the document.
    pub(super) data: Range<usize>,
}

impl Chunk {
    /// Reads a document of the chunks collection.
    ///
    /// # Errors
    /// A description of the fault.
    pub(super) fn read(document: &[u8]) -> std::result::Result<Self, &'static str> {
        let (mut n, mut data) = (None, None);
        let mut elements = Elements::of(document);
        while let Some(element) = elements.step().map_err(|_| "its BSON is malformed")? {
            match element.key {
                b"n" => n = element.count().and_then(|n| u32::try_from(n).ok()),
                b"data" if element.is(ElementType::Binary) => data = Some(element.value),
                _ => {}
            }
        }
        let n = n.ok_or("it has no n that is a number")?;
        let binary = data.ok_or("it has no data that is binary")?;
        // The value is its length, its subtype, and the bytes.
        let old = binary.get(4) == Some(&u8::from(BinarySubtype::BinaryOld));
        // The old subtype repeats the length.
        let skipped = if old && i32_at(binary, 5).is_some() { 9 } else { 5 };
        let end = binary.as_ptr().addr() - document.as_ptr().addr() + binary.len();
        let start = end - binary.len() + skipped.min(binary.len());
        Ok(Chunk { n, data: start..end })
    }
}

#[cfg(test)]
mod tests {
    use bson::{Binary, rawdoc};

    use super::*;

    #[test]
    fn batches_have_whole_chunks_and_a_bound() {
        assert_eq!(batch_bytes(255 * 1024), 16 * 255 * 1024);
        assert_eq!(batch_bytes(BATCH_BYTES + 1), BATCH_BYTES as usize + 1);
        assert_eq!(batch_bytes(2), 2000);
    }

    #[test]
    fn chunks_of_other_programs_are_read() {
        let binary = |subtype, bytes: &[u8]| Binary { subtype, bytes: bytes.to_vec() };
        for (subtype, n) in [
            (BinarySubtype::Generic, Bson::Double(7.0)),
            (BinarySubtype::BinaryOld, Bson::Int64(7)),
        ] {
            let chunk = doc! { "data": binary(subtype, b"abc"), "n": n, "x": 1 };
            let bytes = bson::serialize_to_vec(&chunk).unwrap();
            let chunk = Chunk::read(&bytes).unwrap();
            assert_eq!((chunk.n, &bytes[chunk.data]), (7, &b"abc"[..]));
        }
    }

    #[test]
    fn chunk_without_number_or_data_is_refused() {
        for document in [
            rawdoc! { "n": 1 },
            rawdoc! { "n": 1, "data": "text" },
            rawdoc! { "data": Binary { subtype: BinarySubtype::Generic, bytes: vec![1] } },
            rawdoc! { "n": -1, "data": Binary { subtype: BinarySubtype::Generic, bytes: vec![1] } },
        ] {
            assert!(Chunk::read(document.as_bytes()).is_err(), "{document:?}");
        }
    }
}
