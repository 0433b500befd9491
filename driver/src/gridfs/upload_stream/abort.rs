//! The end of an upload without a file: its chunks are removed, by an abort or after a drop.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bson::Bson;

use super::super::chunks;
use super::close::is_unsent;
use super::{GridFsUploadStream, State};
use crate::deadline::Deadline;
use crate::error::{Error, GridFsErrorKind, Result};
use crate::exec;
use crate::mode::{Async, Blocking, Mode};
use crate::rt::block_on;

impl GridFsUploadStream<Async> {
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

impl<F: Mode> GridFsUploadStream<F> {
    pub(in crate::gridfs) async fn aborted(&mut self) -> Result<()> {
        poll_fn(|cx| self.poll_abort(cx)).await
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
