//! The I/O traits of streams: those of the standard library in the blocking API, those of tokio in
//! the async one, and with the feature `futures-io` those of `futures`.

use std::future::poll_fn;
use std::io::{BufRead, ErrorKind, Read, Result, Seek, SeekFrom, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

use super::{GridFsDownloadStream, GridFsUploadStream};
use crate::mode::{Async, Blocking, Mode};
use crate::rt::block_on;

/// The source of [`upload_from`](super::GridFsBucket::upload_from). It implements tokio's
/// `AsyncRead` in the async API, and [`std::io::Read`] in the blocking one.
///
/// Sealed by that: types implement the traits of input and output.
pub trait Source<F: Mode>: sealed::Source<F> + Send {}

/// The sink of [`download_to`](super::GridFsBucket::download_to). It implements tokio's
/// `AsyncWrite` in the async API, and [`std::io::Write`] in the blocking one.
///
/// Sealed by that: types implement the traits of input and output.
pub trait Sink<F: Mode>: sealed::Sink<F> + Send {}

mod sealed {
    use super::{Context, Poll, Result};

    pub trait Source<F> {
        fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize>>;
    }

    pub trait Sink<F> {
        fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>>;
        fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>>;
    }
}

impl<R: AsyncRead + Unpin + Send> Source<Async> for R {}

impl<R: AsyncRead + Unpin + Send> sealed::Source<Async> for R {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(self).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

impl<W: AsyncWrite + Unpin + Send> Sink<Async> for W {}

impl<W: AsyncWrite + Unpin + Send> sealed::Sink<Async> for W {
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        Pin::new(self).poll_write(cx, bytes)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(self).poll_flush(cx)
    }
}

impl<R: Read + Send> Source<Blocking> for R {}

impl<R: Read + Send> sealed::Source<Blocking> for R {
    fn poll_read(&mut self, _cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize>> {
        Poll::Ready(uninterrupted(|| self.read(buffer)))
    }
}

impl<W: Write + Send> Sink<Blocking> for W {}

impl<W: Write + Send> sealed::Sink<Blocking> for W {
    fn poll_write(&mut self, _cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        Poll::Ready(uninterrupted(|| self.write(bytes)))
    }

    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(uninterrupted(|| self.flush()))
    }
}

/// Repeats `call` while signals interrupt it.
fn uninterrupted<T>(mut call: impl FnMut() -> Result<T>) -> Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

impl Write for GridFsUploadStream<Blocking> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        Ok(block_on(poll_fn(|cx| self.poll_write(cx, bytes)))?)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Read for GridFsDownloadStream<Blocking> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        Ok(block_on(poll_fn(|cx| self.poll_read(cx, buffer)))?)
    }
}

impl BufRead for GridFsDownloadStream<Blocking> {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        block_on(poll_fn(|cx| self.poll_fill(cx)))?;
        Ok(self.available())
    }

    fn consume(&mut self, bytes: usize) {
        self.consume(bytes);
    }
}

impl Seek for GridFsDownloadStream<Blocking> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        Ok(self.move_to(to)?)
    }
}

impl AsyncWrite for GridFsUploadStream<Async> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        Poll::Ready(Ok(ready!(self.get_mut().poll_write(cx, bytes))?))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(ready!(self.get_mut().poll_close(cx))?))
    }
}

impl AsyncRead for GridFsDownloadStream<Async> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let this = self.get_mut();
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        ready!(this.poll_fill(cx))?;
        let available = this.available();
        let copied = available.len().min(buffer.remaining());
        buffer.put_slice(&available[..copied]);
        this.consume(copied);
        Poll::Ready(Ok(()))
    }
}

impl AsyncBufRead for GridFsDownloadStream<Async> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<&[u8]>> {
        let this = self.get_mut();
        ready!(this.poll_fill(cx))?;
        Poll::Ready(Ok(this.available()))
    }

    fn consume(self: Pin<&mut Self>, bytes: usize) {
        self.get_mut().consume(bytes);
    }
}

impl AsyncSeek for GridFsDownloadStream<Async> {
    fn start_seek(self: Pin<&mut Self>, to: SeekFrom) -> Result<()> {
        self.get_mut().move_to(to)?;
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<u64>> {
        Poll::Ready(Ok(self.tell()))
    }
}

#[cfg(feature = "futures-io")]
impl futures_io::AsyncWrite for GridFsUploadStream<Async> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        Poll::Ready(Ok(ready!(self.get_mut().poll_write(cx, bytes))?))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(ready!(self.get_mut().poll_close(cx))?))
    }
}

#[cfg(feature = "futures-io")]
impl futures_io::AsyncRead for GridFsDownloadStream<Async> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize>> {
        Poll::Ready(Ok(ready!(self.get_mut().poll_read(cx, buffer))?))
    }
}

#[cfg(feature = "futures-io")]
impl futures_io::AsyncBufRead for GridFsDownloadStream<Async> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<&[u8]>> {
        AsyncBufRead::poll_fill_buf(self, cx)
    }

    fn consume(self: Pin<&mut Self>, bytes: usize) {
        self.get_mut().consume(bytes);
    }
}

#[cfg(feature = "futures-io")]
impl futures_io::AsyncSeek for GridFsDownloadStream<Async> {
    fn poll_seek(self: Pin<&mut Self>, _cx: &mut Context<'_>, to: SeekFrom) -> Poll<Result<u64>> {
        Poll::Ready(Ok(self.get_mut().move_to(to)?))
    }
}
