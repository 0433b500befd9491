//! The end of a successful upload: its last chunks, and the files document.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bson::{Bson, DateTime};
use serde::{Serialize, Serializer};

use super::super::{FilesCollectionDocument, chunks, indexes, remaining};
use super::{GridFsUploadStream, State};
use crate::error::{Error, ErrorKind, Result};
use crate::mode::{Async, Blocking, Mode};
use crate::ops::Operation;
use crate::rt::block_on;

impl GridFsUploadStream<Async> {
    /// Completes the file: sends the rest, and then the files document. After that the file can be
    /// found.
    ///
    /// # Errors
    /// - `GridFs` with [`UploadStreamClosed`](crate::error::GridFsErrorKind::UploadStreamClosed)
    ///   if the upload has already ended.
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
}

impl GridFsUploadStream<Blocking> {
    /// Completes the file: sends the rest, and then the files document. After that the file can be
    /// found.
    ///
    /// # Errors
    /// - `GridFs` with [`UploadStreamClosed`](crate::error::GridFsErrorKind::UploadStreamClosed)
    ///   if the upload has already ended.
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
}

impl<F: Mode> GridFsUploadStream<F> {
    pub(in crate::gridfs) async fn closed_by(mut self) -> Result<Bson> {
        poll_fn(|cx| self.poll_close(cx)).await?;
        Ok(std::mem::replace(&mut self.id, Bson::Null))
    }

    /// Sends the rest, and the files document.
    pub(in crate::gridfs) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
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
pub(super) fn is_unsent(sent: &AtomicBool, error: &Error) -> bool {
    !sent.load(Ordering::Relaxed) || matches!(error.kind(), ErrorKind::InvalidArgument { .. })
}
