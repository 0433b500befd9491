//! Downloads, as a stream or into a sink, by file id or by name.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::sync::Arc;

use bson::{Bson, doc};

use super::io::Sink;
use super::operation::{bucket_operation, stream_options};
use super::{FilesCollectionDocument, GridFsBucket, GridFsDownloadStream, remaining};
use crate::deadline::Deadline;
use crate::error::{Error, GridFsErrorKind, GridFsFileIdentifier, Result};
use crate::exec::SessionState;
use crate::mode::{Async, Blocking, Mode};
use crate::ops::Operation;
use crate::ops::command::{Execute, On, Options, Parts};
use crate::ops::macros::{operation, options};
use crate::ops::operation_name::OperationName;

impl<F: Mode> GridFsBucket<F> {
    /// Opens a stream that downloads the file with the `_id` `id`.
    ///
    /// # Errors
    /// - `GridFs` with [`FileNotFound`](GridFsErrorKind::FileNotFound), or with
    ///   [`CorruptFile`](GridFsErrorKind::CorruptFile) if the files document is inconsistent.
    /// - `InvalidArgument` for a range outside the file.
    /// - `BsonDeserialization` if the document is not a files document; and those of
    ///   [`Collection::find_one`](crate::collection::Collection::find_one).
    ///
    /// # Cancel safety
    /// A dropped future leaves nothing behind.
    ///
    /// # Example
    /// ```no_run
    /// use tokio::io::AsyncRead;
    ///
    /// # async fn example(bucket: driver::gridfs::GridFsBucket) -> driver::Result<()> {
    /// let first_kilobyte = bucket.open_download_stream("mabel".into()).end(1024).await?;
    /// // The methods come with the `AsyncReadExt` of tokio or of futures.
    /// show(first_kilobyte).await?;
    /// # Ok(())
    /// # }
    /// # async fn show(stream: impl AsyncRead) -> std::io::Result<()> {
    /// #     Ok(())
    /// # }
    /// ```
    #[doc(alias = "get")]
    pub fn open_download_stream(&self, id: Bson) -> OpenDownloadStream<'_, F> {
        OpenDownloadStream { bucket: self, id, options: None }
    }

    /// Opens a stream that downloads the file `filename`. If there are several files of that name,
    /// it selects the last upload, unless [`revision`](OpenDownloadStreamByName::revision) selects
    /// another.
    ///
    /// # Errors
    /// Those of [`open_download_stream`](Self::open_download_stream), and `GridFs` with
    /// [`RevisionNotFound`](GridFsErrorKind::RevisionNotFound) if there are fewer revisions.
    ///
    /// # Cancel safety
    /// A dropped future leaves nothing behind.
    ///
    /// # Example
    /// ```no_run
    /// use std::io::{BufRead, BufReader};
    ///
    /// # fn example(bucket: driver::sync::gridfs::GridFsBucket) -> driver::Result<()> {
    /// let original = bucket.open_download_stream_by_name("diary").revision(0).run()?;
    /// for line in original.lines() {
    ///     println!("{}", line?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn open_download_stream_by_name(
        &self,
        filename: impl Into<String>,
    ) -> OpenDownloadStreamByName<'_, F> {
        OpenDownloadStreamByName { bucket: self, filename: filename.into(), options: None }
    }

    /// Downloads the file with the `_id` `id` into `sink`, and returns the number of bytes. The
    /// sink is a `tokio::io::AsyncWrite` in the async API and a [`std::io::Write`] in the blocking
    /// one. It is flushed at the end, but not closed.
    ///
    /// # Errors
    /// - `GridFs` if a chunk is missing or corrupt. The error names the chunk.
    /// - `Io` if writing to the sink failed.
    /// - Those of [`open_download_stream`](Self::open_download_stream) and of
    ///   [`Cursor::advance`](crate::cursor::Cursor::advance).
    ///
    /// Bytes that were written to the sink before an error stay there.
    ///
    /// # Timeouts
    /// The `timeout` bounds the work on the servers. It does not interrupt a write to the sink.
    ///
    /// # Cancel safety
    /// If the future is dropped, the sink may have any part of the file.
    ///
    /// # Example
    /// ```no_run
    /// # fn example(bucket: driver::sync::gridfs::GridFsBucket) -> driver::Result<()> {
    /// bucket.download_to("mabel".into(), std::fs::File::create("mabel.png")?).run()?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("download_to_stream", "get"))]
    pub fn download_to<W>(&self, id: Bson, sink: W) -> DownloadTo<OpenDownloadStream<'_, F>, W> {
        DownloadTo { open: self.open_download_stream(id), sink }
    }

    /// Like [`download_to`](Self::download_to), with the file that
    /// [`open_download_stream_by_name`](Self::open_download_stream_by_name) selects.
    ///
    /// # Errors
    /// Those of [`download_to`](Self::download_to) and of
    /// [`open_download_stream_by_name`](Self::open_download_stream_by_name).
    ///
    /// # Cancel safety
    /// As for [`download_to`](Self::download_to).
    ///
    /// # Example
    /// ```no_run
    /// # async fn example(bucket: driver::gridfs::GridFsBucket) -> driver::Result<()> {
    /// let mut before_last = Vec::new();
    /// bucket.download_to_by_name("diary", &mut before_last).revision(-2).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn download_to_by_name<W>(
        &self,
        filename: impl Into<String>,
        sink: W,
    ) -> DownloadTo<OpenDownloadStreamByName<'_, F>, W> {
        DownloadTo { open: self.open_download_stream_by_name(filename), sink }
    }
}

/// Opens a stream that downloads a file. Created by [`GridFsBucket::open_download_stream`].
#[must_use = "an operation does nothing until it is awaited or run"]
#[derive(Debug)]
pub struct OpenDownloadStream<'a, F: Mode = Async> {
    bucket: &'a GridFsBucket<F>,
    id: Bson,
    options: Option<Box<GridFsDownloadOptions>>,
}

stream_options! {
    /// The options of [`GridFsBucket::open_download_stream`] and [`GridFsBucket::download_to`].
    GridFsDownloadOptions, GridFsDownloadOptionsBuilder
    for ['a, F: Mode] OpenDownloadStream<'a, F>,
    ['a, W, F: Mode] DownloadTo<OpenDownloadStream<'a, F>, W> {
        /// The first byte of the range. Default: 0.
        start: u64,
        /// The end of the range, exclusive. Default: the length of the file.
        end: u64,
    }
}

bucket_operation! { [] OpenDownloadStream<'a; F> -> stream GridFsDownloadStream }

impl<'a, F: Mode> Execute<'a> for OpenDownloadStream<'a, F> {
    type Output = GridFsDownloadStream<F>;

    fn operation_name(&self) -> OperationName<'a> {
        self.on().operation_name("open_download_stream")
    }

    async fn execute(self) -> Result<GridFsDownloadStream<F>> {
        let deadline = self.on().deadline(self.options(), None)?;
        let options = self.options.map(|options| *options).unwrap_or_default();
        let bucket = Arc::clone(&self.bucket.inner);
        let file = bucket
            .files
            .find_one(doc! { "_id": &self.id })
            .optional(remaining(deadline)?, |find, left| find.timeout(left))
            .perform()
            .await?;
        let file = file.ok_or_else(|| not_found(GridFsFileIdentifier::Id(self.id)))?;
        GridFsDownloadStream::open(bucket, file, options.start, options.end, deadline)
    }
}

/// The bucket has no such file.
pub(super) fn not_found(identifier: GridFsFileIdentifier) -> Error {
    Error::gridfs(GridFsErrorKind::FileNotFound { identifier })
}

/// Opens a stream that downloads a file. Created by [`GridFsBucket::open_download_stream_by_name`].
#[must_use = "an operation does nothing until it is awaited or run"]
#[derive(Debug)]
pub struct OpenDownloadStreamByName<'a, F: Mode = Async> {
    bucket: &'a GridFsBucket<F>,
    filename: String,
    options: Option<Box<GridFsDownloadByNameOptions>>,
}

stream_options! {
    /// The options of [`GridFsBucket::open_download_stream_by_name`] and
    /// [`GridFsBucket::download_to_by_name`].
    GridFsDownloadByNameOptions, GridFsDownloadByNameOptionsBuilder
    for ['a, F: Mode] OpenDownloadStreamByName<'a, F>,
    ['a, W, F: Mode] DownloadTo<OpenDownloadStreamByName<'a, F>, W> {
        /// The revision among files of the same name: 0 is the first upload, 1 the second; -1 is
        /// the last, -2 the one before. Default: -1.
        revision: i32,
        /// The first byte of the range. Default: 0.
        start: u64,
        /// The end of the range, exclusive. Default: the length of the file.
        end: u64,
    }
}

bucket_operation! { [] OpenDownloadStreamByName<'a; F> -> stream GridFsDownloadStream }

impl<'a, F: Mode> Execute<'a> for OpenDownloadStreamByName<'a, F> {
    type Output = GridFsDownloadStream<F>;

    fn operation_name(&self) -> OperationName<'a> {
        self.on().operation_name("open_download_stream_by_name")
    }

    async fn execute(self) -> Result<GridFsDownloadStream<F>> {
        let deadline = self.on().deadline(self.options(), None)?;
        let options = self.options.map(|options| *options).unwrap_or_default();
        let file = self.bucket.revision(&self.filename, options.revision, deadline).await?;
        let bucket = Arc::clone(&self.bucket.inner);
        GridFsDownloadStream::open(bucket, file, options.start, options.end, deadline)
    }
}

impl<F: Mode> GridFsBucket<F> {
    /// The file with that name and revision.
    async fn revision(
        &self,
        filename: &str,
        revision: Option<i32>,
        deadline: Deadline,
    ) -> Result<FilesCollectionDocument> {
        let revision = revision.unwrap_or(-1);
        let (order, skip) = match u64::try_from(revision) {
            Ok(skip) => (1, skip),
            Err(_) => (-1, u64::from(revision.unsigned_abs() - 1)),
        };
        let find = |skip: u64| {
            let find = self.inner.files.find_one(doc! { "filename": filename });
            let find = find.sort(doc! { "uploadDate": order });
            find.optional(Some(skip).filter(|skip| *skip != 0), |find, skip| find.skip(skip))
        };
        let found = find(skip).optional(remaining(deadline)?, |find, left| find.timeout(left));
        if let Some(file) = found.perform().await? {
            return Ok(file);
        }
        let any = skip != 0 && {
            let any = find(0).optional(remaining(deadline)?, |find, left| find.timeout(left));
            any.perform().await?.is_some()
        };
        let filename = filename.to_owned();
        Err(if any {
            Error::gridfs(GridFsErrorKind::RevisionNotFound { filename, revision })
        } else {
            not_found(GridFsFileIdentifier::Filename(filename))
        })
    }
}

/// Downloads a file into a sink. Created by [`GridFsBucket::download_to`] and
/// [`GridFsBucket::download_to_by_name`].
#[must_use = "an operation does nothing until it is awaited or run"]
#[derive(Debug)]
pub struct DownloadTo<O, W> {
    open: O,
    sink: W,
}

/// Ends the download to a sink of a file that `$Open` finds.
macro_rules! download_to {
    ($Open:ident) => {
        operation! {
            @perform [W: Sink<F> + 'a, F: Mode] DownloadTo<$Open<'a, F>, W>, 'a, u64
        }
        operation! {
            @await [W: Sink<Async> + 'a] DownloadTo<$Open<'a, Async>, W>, 'a, u64
        }
        operation! {
            @run [W: Sink<Blocking> + 'a] DownloadTo<$Open<'a, Blocking>, W>, 'a, u64
        }

        impl<'a, W: Sink<F> + 'a, F: Mode> Execute<'a> for DownloadTo<$Open<'a, F>, W> {
            type Output = u64;

            fn operation_name(&self) -> OperationName<'a> {
                self.on().operation_name("download_to")
            }

            async fn execute(mut self) -> Result<u64> {
                copy(self.open.execute().await?, &mut self.sink).await
            }
        }
    };
}

download_to! { OpenDownloadStream }
download_to! { OpenDownloadStreamByName }

impl<'a, O: Parts<'a>, W: Send> Parts<'a> for DownloadTo<O, W> {
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

/// Copies `stream` to `sink`, and returns the number of bytes.
async fn copy<F: Mode>(
    mut stream: GridFsDownloadStream<F>,
    sink: &mut impl Sink<F>,
) -> Result<u64> {
    let of_sink = |cause| Error::io("the bytes of the download could not be written", cause);
    loop {
        let bytes = stream.filled().await?;
        if bytes.is_empty() {
            poll_fn(|cx| sink.poll_flush(cx)).await.map_err(of_sink)?;
            return Ok(stream.tell());
        }
        match poll_fn(|cx| sink.poll_write(cx, bytes)).await.map_err(of_sink)? {
            0 => return Err(of_sink(ErrorKind::WriteZero.into())),
            written => stream.consume(written),
        }
    }
}
