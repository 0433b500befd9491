//! Uploads, as a stream or from a source.

use bson::{Bson, Document};

use super::io::Source;
use super::operation::{bucket_operation, stream_options};
use super::{GridFsBucket, GridFsUploadStream};
use crate::error::Result;
use crate::exec::SessionState;
use crate::mode::{Async, Blocking, Mode};
use crate::object_id::new_object_id;
use crate::ops::command::{Execute, On, Options, Parts};
use crate::ops::macros::{operation, options};
use crate::ops::operation_name::OperationName;

impl<F: Mode> GridFsBucket<F> {
    /// Opens a stream that uploads a file. The stream sends data after some megabytes, or when it
    /// is closed. The file's `_id` is an `ObjectId`, unless [`id`](OpenUploadStream::id) sets
    /// another.
    ///
    /// # Errors
    /// `InvalidArgument` for a chunk size of 0 or more than 2^31 - 1.
    ///
    /// # Cancel safety
    /// A dropped future leaves nothing behind.
    ///
    /// # Example
    /// ```no_run
    /// use driver::bson::doc;
    /// use tokio::io::AsyncWrite;
    ///
    /// # async fn example(bucket: driver::gridfs::GridFsBucket) -> driver::Result<()> {
    /// let mut stream = bucket
    ///     .open_upload_stream("mabel.png")
    ///     .metadata(doc! { "type": "image/png" })
    ///     .await?;
    /// // The methods come with the `AsyncWriteExt` of tokio or of futures.
    /// write_all(&mut stream, b"a monkey").await?;
    /// stream.close().await?;
    /// println!("{}", stream.id());
    /// # Ok(())
    /// # }
    /// # async fn write_all(stream: impl AsyncWrite, bytes: &[u8]) -> std::io::Result<()> {
    /// #     Ok(())
    /// # }
    /// ```
    #[doc(alias = "put")]
    pub fn open_upload_stream(&self, filename: impl AsRef<str>) -> OpenUploadStream<'_, F> {
        let filename = filename.as_ref().to_owned();
        OpenUploadStream { bucket: self, filename, id: None, options: None }
    }

    /// Uploads the content of `source` as a file, and returns the file's `_id`. The source is a
    /// `tokio::io::AsyncRead` in the async API and a [`std::io::Read`] in the blocking one.
    ///
    /// # Errors
    /// - `Io` if the source could not be read. The uploaded chunks are removed.
    /// - Those of [`open_upload_stream`](Self::open_upload_stream) and of
    ///   [`close`](GridFsUploadStream::close).
    ///
    /// # Timeouts
    /// The `timeout` bounds the work on the servers. It does not interrupt a read of the source.
    ///
    /// # Cancel safety
    /// If the future is dropped, there is no file, and its chunks are removed in the background. If
    /// it is dropped at the very end, the complete file may exist.
    ///
    /// # Example
    /// ```no_run
    /// # fn example(bucket: driver::sync::gridfs::GridFsBucket) -> driver::Result<()> {
    /// let id = bucket.upload_from("mabel.png", std::fs::File::open("mabel.png")?).run()?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("put", "upload_from_stream"))]
    pub fn upload_from<R>(&self, filename: impl AsRef<str>, source: R) -> UploadFrom<'_, R, F> {
        UploadFrom { open: self.open_upload_stream(filename), source }
    }
}

/// Opens a stream that uploads a file. Created by [`GridFsBucket::open_upload_stream`].
#[must_use = "an operation does nothing until it is awaited or run"]
#[derive(Debug)]
pub struct OpenUploadStream<'a, F: Mode = Async> {
    bucket: &'a GridFsBucket<F>,
    filename: String,
    id: Option<Bson>,
    options: Option<Box<GridFsUploadOptions>>,
}

stream_options! {
    /// The options of [`GridFsBucket::open_upload_stream`] and [`GridFsBucket::upload_from`].
    GridFsUploadOptions, GridFsUploadOptionsBuilder
    for ['a, F: Mode] OpenUploadStream<'a, F>, ['a, R, F: Mode] UploadFrom<'a, R, F> {
        /// The number of bytes in each chunk except the last. Default: that of the bucket.
        chunk_size_bytes: u32,
        /// The metadata of the file.
        metadata: Document,
    }
}

impl<F: Mode> OpenUploadStream<'_, F> {
    /// The `_id` of the file, of any type except an array. Default: a new `ObjectId`.
    pub fn id(mut self, value: Bson) -> Self {
        self.id = Some(value);
        self
    }
}

bucket_operation! { [] OpenUploadStream<'a; F> -> stream GridFsUploadStream }

impl<'a, F: Mode> Execute<'a> for OpenUploadStream<'a, F> {
    type Output = GridFsUploadStream<F>;

    fn operation_name(&self) -> OperationName<'a> {
        self.on().operation_name("open_upload_stream")
    }

    async fn execute(self) -> Result<GridFsUploadStream<F>> {
        let deadline = self.on().deadline(self.options(), None)?;
        let options = self.options.map(|options| *options).unwrap_or_default();
        let bucket = std::sync::Arc::clone(&self.bucket.inner);
        let id = self.id.unwrap_or_else(|| new_object_id().into());
        let chunk_size = options.chunk_size_bytes.unwrap_or(bucket.chunk_size);
        let (filename, metadata) = (self.filename, options.metadata);
        GridFsUploadStream::open(bucket, id, filename, chunk_size, metadata, deadline)
    }
}

/// Uploads a file from a source. Created by [`GridFsBucket::upload_from`].
#[must_use = "an operation does nothing until it is awaited or run"]
#[derive(Debug)]
pub struct UploadFrom<'a, R, F: Mode = Async> {
    open: OpenUploadStream<'a, F>,
    source: R,
}

impl<R, F: Mode> UploadFrom<'_, R, F> {
    /// The `_id` of the file, of any type except an array. Default: a new `ObjectId`.
    pub fn id(mut self, value: Bson) -> Self {
        self.open = self.open.id(value);
        self
    }
}

impl<'a, R: Send, F: Mode> Parts<'a> for UploadFrom<'a, R, F> {
    fn on(&self) -> On<'a> {
        self.open.on()
    }

    fn options(&self) -> Option<&dyn Options> {
        self.open.options()
    }

    fn take_session(&mut self) -> Option<&'a mut SessionState> {
        None
    }
}

operation! { @perform [R: Source<F> + 'a, F: Mode] UploadFrom<'a, R, F>, 'a, Bson }
operation! { @await [R: Source<Async> + 'a] UploadFrom<'a, R, Async>, 'a, Bson }
operation! { @run [R: Source<Blocking> + 'a] UploadFrom<'a, R, Blocking>, 'a, Bson }

impl<'a, R: Source<F> + 'a, F: Mode> Execute<'a> for UploadFrom<'a, R, F> {
    type Output = Bson;

    fn operation_name(&self) -> OperationName<'a> {
        self.on().operation_name("upload_from")
    }

    async fn execute(mut self) -> Result<Bson> {
        let mut stream = self.open.execute().await?;
        loop {
            match stream.fill(&mut self.source).await {
                Ok(true) => {}
                Ok(false) => return stream.closed_by().await,
                Err(error) => {
                    // A stream that has failed keeps its chunks. The error of the source is
                    // returned (section "Aborting an upload").
                    if !stream.has_failed() {
                        let _ = stream.aborted().await;
                    }
                    return Err(error);
                }
            }
        }
    }
}
