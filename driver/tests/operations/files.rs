//! Reads and writes GridFS streams on either API.

use std::future::poll_fn;
use std::io::{Read, Seek, SeekFrom, Write};
use std::pin::Pin;

use driver::action::gridfs::{
    DownloadTo, OpenDownloadStream, OpenDownloadStreamByName, UploadFrom,
};
use driver::bson::Bson;
use driver::client::Client;
use driver::gridfs::{GridFsDownloadStream, GridFsUploadStream, Source};
use driver::{Async, Blocking, Result};
use tokio::io::{AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

use crate::api::{Api, block_on};

/// The steps of streams.
pub(crate) trait Files: Api {
    fn upload(operation: UploadFrom<'_, &[u8], Self>) -> Result<Bson>;
    fn upload_failing<R>(operation: UploadFrom<'_, R, Self>) -> Result<Bson>
    where
        R: Source<Async> + Source<Blocking>;
    fn download(operation: DownloadTo<OpenDownloadStream<'_, Self>, &mut Vec<u8>>) -> Result<u64>;
    fn download_by_name(
        operation: DownloadTo<OpenDownloadStreamByName<'_, Self>, &mut Vec<u8>>,
    ) -> Result<u64>;
    fn write(stream: &mut GridFsUploadStream<Self>, bytes: &[u8]) -> Result<usize>;
    fn close(stream: &mut GridFsUploadStream<Self>) -> Result<()>;
    fn abort(stream: &mut GridFsUploadStream<Self>) -> Result<()>;
    fn read(stream: &mut GridFsDownloadStream<Self>, buffer: &mut [u8]) -> Result<usize>;
    fn seek(stream: &mut GridFsDownloadStream<Self>, to: SeekFrom) -> Result<u64>;
    fn shut_down(client: Client<Self>);

    fn write_all(stream: &mut GridFsUploadStream<Self>, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let written = Self::write(stream, bytes)?;
            assert_ne!(written, 0);
            bytes = &bytes[written..];
        }
        // An empty write has no effect.
        Self::write(stream, &[]).map(drop)
    }

    fn read_exact(stream: &mut GridFsDownloadStream<Self>, mut to: &mut [u8]) -> Result<()> {
        while !to.is_empty() {
            let read = Self::read(stream, to)?;
            assert_ne!(read, 0, "the file is too short");
            to = &mut to[read..];
        }
        Ok(())
    }

    /// The rest, in reads of at most `most` bytes.
    fn read_all(stream: &mut GridFsDownloadStream<Self>, most: usize) -> Result<Vec<u8>> {
        let (mut all, mut buffer) = (Vec::new(), vec![0; most]);
        loop {
            match Self::read(stream, &mut buffer)? {
                0 => return Ok(all),
                read => all.extend_from_slice(&buffer[..read]),
            }
        }
    }
}

impl Files for Async {
    fn upload(operation: UploadFrom<'_, &[u8], Self>) -> Result<Bson> {
        block_on(operation.into_future())
    }

    fn upload_failing<R>(operation: UploadFrom<'_, R, Self>) -> Result<Bson>
    where
        R: Source<Async> + Source<Blocking>,
    {
        block_on(operation.into_future())
    }

    fn download(operation: DownloadTo<OpenDownloadStream<'_, Self>, &mut Vec<u8>>) -> Result<u64> {
        block_on(operation.into_future())
    }

    fn download_by_name(
        operation: DownloadTo<OpenDownloadStreamByName<'_, Self>, &mut Vec<u8>>,
    ) -> Result<u64> {
        block_on(operation.into_future())
    }

    fn write(stream: &mut GridFsUploadStream<Self>, bytes: &[u8]) -> Result<usize> {
        Ok(block_on(poll_fn(|cx| AsyncWrite::poll_write(Pin::new(&mut *stream), cx, bytes)))?)
    }

    fn close(stream: &mut GridFsUploadStream<Self>) -> Result<()> {
        block_on(stream.close())
    }

    fn abort(stream: &mut GridFsUploadStream<Self>) -> Result<()> {
        block_on(stream.abort())
    }

    fn read(stream: &mut GridFsDownloadStream<Self>, buffer: &mut [u8]) -> Result<usize> {
        let mut buffer = ReadBuf::new(buffer);
        block_on(poll_fn(|cx| AsyncRead::poll_read(Pin::new(&mut *stream), cx, &mut buffer)))?;
        Ok(buffer.filled().len())
    }

    fn seek(stream: &mut GridFsDownloadStream<Self>, to: SeekFrom) -> Result<u64> {
        Pin::new(&mut *stream).start_seek(to)?;
        Ok(block_on(poll_fn(|cx| Pin::new(&mut *stream).poll_complete(cx)))?)
    }

    fn shut_down(client: Client<Self>) {
        block_on(client.shutdown().into_future());
    }
}

impl Files for Blocking {
    fn upload(operation: UploadFrom<'_, &[u8], Self>) -> Result<Bson> {
        operation.run()
    }

    fn upload_failing<R>(operation: UploadFrom<'_, R, Self>) -> Result<Bson>
    where
        R: Source<Async> + Source<Blocking>,
    {
        operation.run()
    }

    fn download(operation: DownloadTo<OpenDownloadStream<'_, Self>, &mut Vec<u8>>) -> Result<u64> {
        operation.run()
    }

    fn download_by_name(
        operation: DownloadTo<OpenDownloadStreamByName<'_, Self>, &mut Vec<u8>>,
    ) -> Result<u64> {
        operation.run()
    }

    fn write(stream: &mut GridFsUploadStream<Self>, bytes: &[u8]) -> Result<usize> {
        Ok(Write::write(stream, bytes)?)
    }

    fn close(stream: &mut GridFsUploadStream<Self>) -> Result<()> {
        stream.close()
    }

    fn abort(stream: &mut GridFsUploadStream<Self>) -> Result<()> {
        stream.abort()
    }

    fn read(stream: &mut GridFsDownloadStream<Self>, buffer: &mut [u8]) -> Result<usize> {
        Ok(Read::read(stream, buffer)?)
    }

    fn seek(stream: &mut GridFsDownloadStream<Self>, to: SeekFrom) -> Result<u64> {
        Ok(Seek::seek(stream, to)?)
    }

    fn shut_down(client: Client<Self>) {
        client.shutdown().run();
    }
}
