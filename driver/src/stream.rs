//! The byte stream to one server, over a tokio socket or a blocking one.
//!
//! The connection that reads and writes a [`Socket`] holds a strong reference. An [`Interrupter`]
//! holds a weak one and can shut the socket down at any time. Blocking sockets have the same poll
//! methods as tokio sockets. Such a poll is always ready: it blocks the thread until the call ends,
//! at most until the deadline that was set before.

mod connect;
mod connector;
#[cfg(feature = "socks5")]
mod socks;
#[cfg(feature = "tls")]
pub(crate) mod tls;

use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

pub(crate) use self::connector::Connector;
use crate::deadline::Deadline;

/// A socket of the async or the blocking API.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
    BlockingTcp(std::net::TcpStream),
    BlockingUnix(std::os::unix::net::UnixStream),
}

impl Socket {
    fn raw(&self) -> SockRef<'_> {
        match self {
            Socket::Tcp(socket) => SockRef::from(socket),
            Socket::Unix(socket) => SockRef::from(socket),
            Socket::BlockingTcp(socket) => SockRef::from(socket),
            Socket::BlockingUnix(socket) => SockRef::from(socket),
        }
    }

    fn is_blocking(&self) -> bool {
        matches!(self, Socket::BlockingTcp(_) | Socket::BlockingUnix(_))
    }

    /// Whether nothing has arrived and the peer has not closed the connection. An idle connection
    /// is in this state.
    ///
    /// Costs one `recv` that neither waits nor consumes.
    fn is_quiet(&self) -> bool {
        let mut byte = [std::mem::MaybeUninit::uninit()];
        let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
        match self.raw().recv_with_flags(&mut byte, flags) {
            Ok(_) => false,
            Err(error) => {
                matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
            }
        }
    }

    fn poll_read(&self, cx: &mut Context<'_>, bytes: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Socket::Tcp(socket) => loop {
                ready!(socket.poll_read_ready(cx))?;
                if let Some(read) =
                    self.read_ready(bytes, |read| socket.try_io(Interest::READABLE, read))
                {
                    return Poll::Ready(read);
                }
            },
            Socket::Unix(socket) => loop {
                ready!(socket.poll_read_ready(cx))?;
                if let Some(read) =
                    self.read_ready(bytes, |read| socket.try_io(Interest::READABLE, read))
                {
                    return Poll::Ready(read);
                }
            },
            Socket::BlockingTcp(socket) => Poll::Ready((&*socket).read(bytes)),
            Socket::BlockingUnix(socket) => Poll::Ready((&*socket).read(bytes)),
        }
    }

    /// Reads once from a socket that tokio considers readable; `None` if it was not.
    ///
    /// A read that does not fill `bytes` has emptied the socket. It is reported to tokio as "would
    /// block", which clears the readiness at once and saves the next wait a `recv` without data.
    /// Tokio samples the readiness before the read, so bytes that arrive in between set it again.
    fn read_ready(
        &self,
        bytes: &mut [u8],
        try_io: impl FnOnce(&mut dyn FnMut() -> io::Result<usize>) -> io::Result<usize>,
    ) -> Option<io::Result<usize>> {
        let socket = self.raw();
        let mut short = None;
        let result = try_io(&mut || match (&*socket).read(bytes) {
            Ok(n) if 0 < n && n < bytes.len() => {
                short = Some(n);
                Err(io::ErrorKind::WouldBlock.into())
            }
            result => result,
        });
        match (short, result) {
            (Some(n), _) => Some(Ok(n)),
            (None, Err(e))
                if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) =>
            {
                None
            }
            (None, result) => Some(result),
        }
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Socket::Tcp(socket) => loop {
                ready!(socket.poll_write_ready(cx))?;
                match socket.try_write(bytes) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    written => return Poll::Ready(written),
                }
            },
            Socket::Unix(socket) => loop {
                ready!(socket.poll_write_ready(cx))?;
                match socket.try_write(bytes) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    written => return Poll::Ready(written),
                }
            },
            Socket::BlockingTcp(socket) => Poll::Ready((&*socket).write(bytes)),
            Socket::BlockingUnix(socket) => Poll::Ready((&*socket).write(bytes)),
        }
    }

    /// Writes what the buffer of the socket takes without a wait.
    fn write_now(&self, bytes: &[u8]) -> io::Result<usize> {
        self.raw().send_with_flags(bytes, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
    }
}

/// Whether a signal or the limit of a blocking call ended it.
fn is_early_end(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock)
}

/// Turns `WouldBlock`, the error of a socket timeout, into `TimedOut`.
fn blocking<T>(called: io::Result<T>) -> io::Result<T> {
    called.map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => error,
    })
}

/// A socket, and whether an [`Interrupter`] has shut it down.
#[derive(Debug)]
struct Shared {
    socket: Socket,
    interrupted: AtomicBool,
}

/// Shuts down the socket of a connection from outside, also during a read or write.
#[derive(Clone, Debug)]
pub(crate) struct Interrupter(Weak<Shared>);

impl Interrupter {
    /// Ends every current and later read and write of the socket. Does nothing once the connection
    /// has closed it.
    pub(crate) fn interrupt(&self) {
        if let Some(shared) = self.0.upgrade() {
            shared.interrupted.store(true, Ordering::Release);
            // Fails if the peer has closed the connection already.
            let _ = shared.socket.raw().shutdown(Shutdown::Both);
        }
    }
}

/// Limits the duration of each call on a blocking socket. The system rounds down to microseconds
/// and takes 0 for no limit.
fn limit_calls(socket: &SockRef<'_>, limit: Option<Duration>) -> io::Result<()> {
    let limit = limit.map(|limit| limit.max(Duration::from_micros(1)));
    socket.set_read_timeout(limit)?;
    socket.set_write_timeout(limit)
}

/// Whether a call that begins `now` and takes at most `limit` ends by `until`, and uses at least
/// half of the time until then.
fn is_close(limit: Duration, now: Instant, until: Instant) -> bool {
    now.checked_add(limit).is_some_and(|first| {
        first <= until && first.checked_add(limit).is_none_or(|second| until <= second)
    })
}

/// A socket with the deadline of its blocking calls.
#[derive(Debug)]
pub(crate) struct Plain {
    shared: Arc<Shared>,
    deadline: Deadline,
    /// The limit of each call that the socket has.
    armed: Option<Duration>,
}

impl Plain {
    /// On a blocking socket, limits the next call to the time until the deadline or to less.
    ///
    /// A limit that is somewhat shorter than the time that is left stays, because most replies come
    /// early, and a limit costs two system calls.
    fn arm(&mut self) -> io::Result<()> {
        if !self.shared.socket.is_blocking() {
            return Ok(());
        }
        let (until, now) = match (self.deadline.instant(), self.armed) {
            (None, None) => return Ok(()),
            (None, Some(_)) => return self.limit(None),
            (Some(until), _) => (until, Instant::now()),
        };
        if self.armed.is_some_and(|armed| is_close(armed, now, until)) {
            return Ok(());
        }
        let left = until.saturating_duration_since(now);
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        // The next calls with the same timeout have slightly less time.
        self.limit(Some(left - left / 4))
    }

    fn limit(&mut self, limit: Option<Duration>) -> io::Result<()> {
        limit_calls(&self.shared.socket.raw(), limit)?;
        self.armed = limit;
        Ok(())
    }

    /// Polls the socket. Repeats a call that a signal or its limit ends early, with the remaining
    /// time.
    fn poll<T>(
        &mut self,
        mut call: impl FnMut(&Socket) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        self.arm()?;
        loop {
            match call(&self.shared.socket) {
                Poll::Ready(Err(error)) if is_early_end(&error) => self.arm_exactly()?,
                polled => return polled,
            }
        }
    }

    /// On a blocking socket, limits the next call to the time until the deadline.
    fn arm_exactly(&mut self) -> io::Result<()> {
        match self.deadline.remaining() {
            Some(left) if left.is_zero() => Err(io::ErrorKind::TimedOut.into()),
            Some(left) if self.shared.socket.is_blocking() => self.limit(Some(left)),
            _ => Ok(()),
        }
    }
}

impl AsyncRead for Plain {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let n = ready!(self.poll(|socket| socket.poll_read(cx, buf.initialize_unfilled())))?;
        buf.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Plain {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // A blocking socket nearly always has room. The write then needs no limit, and the clock is
        // not read for it.
        if self.shared.socket.is_blocking() {
            match self.shared.socket.write_now(bytes) {
                Err(error) if is_early_end(&error) => {}
                written => return Poll::Ready(written),
            }
        }
        self.poll(|socket| socket.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shared.socket.raw().shutdown(Shutdown::Write))
    }
}

/// The byte stream to one server.
#[derive(Debug)]
pub(crate) struct Stream {
    transport: Transport,
    shared: Arc<Shared>,
}

/// The socket, with or without TLS.
#[derive(Debug)]
enum Transport {
    Plain(Plain),
    #[cfg(feature = "tls")]
    Tls(Box<tls::TlsStream>),
}

impl Stream {
    fn new(socket: Socket) -> Self {
        let shared = Arc::new(Shared { socket, interrupted: AtomicBool::new(false) });
        let plain = Plain { shared: shared.clone(), deadline: Deadline::NEVER, armed: None };
        Stream { transport: Transport::Plain(plain), shared }
    }

    /// A handle that can end this connection from outside.
    pub(crate) fn interrupter(&self) -> Interrupter {
        Interrupter(Arc::downgrade(&self.shared))
    }

    /// Whether an [`Interrupter`] has ended this connection.
    pub(crate) fn was_interrupted(&self) -> bool {
        self.shared.interrupted.load(Ordering::Acquire)
    }

    /// Whether an idle connection is still usable: the peer has neither closed it nor sent
    /// unexpected bytes.
    pub(crate) fn is_quiet(&self) -> bool {
        self.shared.socket.is_quiet()
    }

    /// Sets the deadline of blocking reads and writes. Async callers use their own timeouts.
    #[cfg_attr(
        not(feature = "tls"),
        allow(
            clippy::infallible_destructuring_match,
            reason = "with the feature there are two kinds"
        )
    )]
    pub(crate) fn set_deadline(&mut self, deadline: Deadline) {
        let plain = match &mut self.transport {
            Transport::Plain(plain) => plain,
            #[cfg(feature = "tls")]
            Transport::Tls(tls) => tls.plain_mut(),
        };
        plain.deadline = deadline;
    }

    /// Reads once into `bytes`. Zero means that the peer has closed the connection.
    ///
    /// # Cancel safety
    /// A dropped future has read nothing.
    pub(crate) async fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut buf = ReadBuf::new(bytes);
        poll_fn(|cx| match &mut self.transport {
            Transport::Plain(plain) => Pin::new(plain).poll_read(cx, &mut buf),
            #[cfg(feature = "tls")]
            Transport::Tls(tls) => tls.poll_read(cx, &mut buf),
        })
        .await?;
        Ok(buf.filled().len())
    }

    /// Writes all of `bytes`.
    ///
    /// # Cancel safety
    /// A dropped future may have written a part.
    #[cfg(any(test, feature = "socks5"))]
    async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut written = 0;
        while written < bytes.len() {
            written += self.write(&bytes[written..]).await?;
        }
        self.flush().await
    }

    /// Writes at least one of `bytes`, which must not be empty. TLS may buffer a part until
    /// [`flush`](Self::flush).
    ///
    /// # Cancel safety
    /// A dropped future has written nothing.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = poll_fn(|cx| match &mut self.transport {
            Transport::Plain(plain) => Pin::new(plain).poll_write(cx, bytes),
            #[cfg(feature = "tls")]
            Transport::Tls(tls) => tls.poll_write(cx, bytes),
        });
        match written.await? {
            0 => Err(io::ErrorKind::WriteZero.into()),
            n => Ok(n),
        }
    }

    /// Writes the bytes that TLS has buffered.
    ///
    /// # Cancel safety
    /// Can be called again after its future was dropped.
    #[cfg_attr(
        not(feature = "tls"),
        allow(clippy::unused_async, reason = "with the feature it waits")
    )]
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        #[cfg(feature = "tls")]
        if let Transport::Tls(tls) = &mut self.transport {
            poll_fn(|cx| tls.poll_flush(cx)).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod signals;

#[cfg(test)]
mod tests {
    use super::signals::{Signals, with_signals};
    use super::*;
    use crate::rt::block_on;

    fn limited_pair() -> (Stream, std::os::unix::net::UnixStream) {
        let (socket, peer) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut stream = Stream::new(Socket::BlockingUnix(socket));
        stream.set_deadline(Deadline::after(Duration::from_millis(200)));
        (stream, peer)
    }

    #[test]
    fn signals_do_not_prolong_a_blocking_read() {
        let (mut stream, _peer) = limited_pair();
        let (read, signals) = with_signals(|| block_on(stream.read(&mut [0; 16])));
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(signals, Signals::StillComing);
    }

    #[test]
    fn signals_do_not_prolong_a_blocking_write() {
        let (mut stream, _peer) = limited_pair();
        // More than the socket buffers hold.
        let bytes = vec![0; 16 * 1024 * 1024];
        let (written, signals) = with_signals(|| block_on(stream.write_all(&bytes)));
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(signals, Signals::StillComing);
    }

    #[test]
    fn limit_of_a_blocking_call_serves_the_next_one_too() {
        let (mut stream, mut peer) = limited_pair();
        let mut limit_after = |stream: &mut Stream, left| {
            stream.set_deadline(Deadline::after(left));
            std::io::Write::write_all(&mut peer, b"0").unwrap();
            block_on(stream.read(&mut [0; 1])).unwrap();
            stream.shared.socket.raw().read_timeout().unwrap()
        };
        let hour = Duration::from_secs(3600);
        let first = limit_after(&mut stream, hour);
        assert!(first.is_some_and(|limit| limit < hour), "{first:?}");
        assert_eq!(limit_after(&mut stream, hour - Duration::from_secs(1)), first);
        assert!(limit_after(&mut stream, hour / 2) < first);
        assert!(limit_after(&mut stream, 4 * hour) > first);
    }

    #[test]
    fn blocking_write_is_limited_only_without_room() {
        let (mut stream, _peer) = limited_pair();
        let limit = |stream: &Stream| stream.shared.socket.raw().write_timeout().unwrap();
        block_on(stream.write_all(b"0")).unwrap();
        assert_eq!(limit(&stream), None);
        let bytes = vec![0; 16 * 1024 * 1024];
        let error = block_on(stream.write_all(&bytes)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(limit(&stream).is_some());
    }

    #[test]
    fn early_end_of_a_blocking_call_is_no_error() {
        let (mut stream, _peer) = limited_pair();
        stream.set_deadline(Deadline::after(Duration::from_secs(3600)));
        #[cfg_attr(not(feature = "tls"), expect(irrefutable_let_patterns))]
        let Transport::Plain(plain) = &mut stream.transport else { panic!("it is not plain") };
        let mut calls = 0;
        let read = plain.poll(|_| {
            calls += 1;
            match calls {
                3 => Poll::Ready(Ok(calls)),
                _ => Poll::Ready(Err(io::ErrorKind::WouldBlock.into())),
            }
        });
        assert!(matches!(read, Poll::Ready(Ok(3))), "{read:?}");
    }

    #[test]
    fn remaining_time_below_a_microsecond_is_a_limit() {
        let (socket, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
        let limits = || {
            (socket.read_timeout().unwrap().is_some(), socket.write_timeout().unwrap().is_some())
        };
        limit_calls(&SockRef::from(&socket), Some(Duration::from_nanos(1))).unwrap();
        assert_eq!(limits(), (true, true));
        limit_calls(&SockRef::from(&socket), None).unwrap();
        assert_eq!(limits(), (false, false));
    }
}
