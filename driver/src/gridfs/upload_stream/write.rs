//! The writes of an upload: they fill the buffer and send it.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::super::chunks::{self, Batch};
use super::super::indexes;
use super::super::io::Source;
use super::{GridFsUploadStream, State};
use crate::error::{Error, Result};
use crate::mode::Mode;
use crate::object_id::ObjectIds;

/// The number of bytes in one read of a source.
const READ_BYTES: usize = 256 * 1024;

impl<F: Mode> GridFsUploadStream<F> {
    /// Adds as many of `bytes` as fit into the buffer, at least one.
    pub(in crate::gridfs) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
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
    pub(super) fn start_insert(&mut self) -> Result<()> {
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
    pub(super) fn poll_insert(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
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

    /// Reads a part of `source` into the buffer. False at its end.
    ///
    /// Cancel safety: none. The stream must be dropped as well.
    pub(in crate::gridfs) async fn fill(&mut self, source: &mut impl Source<F>) -> Result<bool> {
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
