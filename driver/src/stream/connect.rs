//! Opens a socket to an address: resolves it, tries each address, sets the socket options.
//!
//! The background runtime resolves names for both APIs, so a slow resolver cannot delay an
//! operation beyond its deadline. It also connects the TCP sockets of both, so a blocking opening
//! can be given up while a host does not answer. Each address gets an equal share of the remaining
//! time, so an unreachable address leaves time for the others.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use socket2::{SockRef, TcpKeepalive};

use super::{Socket, Stream, blocking, limit_calls};
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result};
use crate::options::ServerAddress;
use crate::rt::Runtime;

/// TCP keepalive: idle time before the first probe, interval between probes, number of probes.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(120))
    .with_interval(Duration::from_secs(10))
    .with_retries(9);

/// The first and the longest pause between attempts to connect to a Unix domain socket whose accept
/// queue is full.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Opens a socket to `address`: a blocking one if `runtime` is blocking. Name resolution ends by
/// `resolved_by`. If `deadline` passes during it, `resolved_by` limits the connecting, too.
///
/// # Errors
/// - `DnsResolve` if the name has no address, or does not resolve in time.
/// - `Io` if the connection is refused, or `deadline` passes (its kind is `TimedOut`).
///
/// # Cancel safety
/// A dropped future closes its socket.
pub(crate) async fn connect(
    address: &ServerAddress,
    runtime: &Runtime,
    resolved_by: Deadline,
    deadline: Deadline,
) -> Result<Stream> {
    let socket = match address {
        ServerAddress::Unix { path } => {
            connect_unix(path, runtime, deadline).await.map_err(|cause| refused(address, cause))?
        }
        ServerAddress::Tcp { host, port } => {
            let addresses = resolve(host, *port, runtime, resolved_by).await?;
            // The caller of a deadline that has passed no longer waits.
            let deadline = if deadline.is_over() { resolved_by } else { deadline };
            let mut last = None;
            for (i, to) in addresses.iter().enumerate() {
                let share = share_of(deadline, addresses.len() - i);
                match connect_tcp(*to, runtime, share).await {
                    Ok(socket) => {
                        last = Some(Ok(socket));
                        break;
                    }
                    Err(cause) => last = Some(Err(cause)),
                }
            }
            match last {
                Some(Ok(socket)) => socket,
                Some(Err(cause)) => return Err(refused(address, cause)),
                None => return Err(unresolved(host, "it has no address")),
            }
        }
    };
    Ok(Stream::new(socket))
}

fn refused(address: &ServerAddress, cause: io::Error) -> Error {
    Error::io(format!("cannot connect to {address}"), cause)
}

fn unresolved(host: &str, why: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::DnsResolve {
        message: format!("cannot resolve the host name {host:?}: {why}"),
    })
}

/// The deadline of the next of `left` attempts.
fn share_of(deadline: Deadline, left: usize) -> Deadline {
    match (deadline.remaining(), u32::try_from(left)) {
        (Some(rest), Ok(left)) if left > 1 => Deadline::at(Instant::now() + rest / left),
        _ => deadline,
    }
}

async fn resolve(
    host: &str,
    port: u16,
    runtime: &Runtime,
    deadline: Deadline,
) -> Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let name = host.to_owned();
    let lookup =
        runtime.spawn_blocking(move || Ok((name.as_str(), port).to_socket_addrs()?.collect()));
    match runtime.timeout(deadline, lookup).await {
        Ok(Some(Ok(addresses))) => Ok(addresses),
        Ok(Some(Err(cause))) => {
            let cause: io::Error = cause;
            Err(unresolved(host, &cause))
        }
        Ok(None) => Err(unresolved(host, "the runtime is shutting down")),
        Err(_) => Err(unresolved(host, "the resolver did not answer in time")),
    }
}

async fn connect_tcp(to: SocketAddr, runtime: &Runtime, deadline: Deadline) -> io::Result<Socket> {
    let connecting = runtime.within(tokio::net::TcpStream::connect(to));
    let connected =
        runtime.timeout(deadline, connecting).await.map_err(|_| io::ErrorKind::TimedOut)??;
    let socket = if runtime.is_blocking() {
        let connected = connected.into_std()?;
        connected.set_nonblocking(false)?;
        Socket::BlockingTcp(connected)
    } else {
        Socket::Tcp(connected)
    };
    let options: SockRef<'_> = socket.raw();
    options.set_tcp_nodelay(true)?;
    options.set_tcp_keepalive(&KEEPALIVE)?;
    Ok(socket)
}

async fn connect_unix(path: &Path, runtime: &Runtime, deadline: Deadline) -> io::Result<Socket> {
    if runtime.is_blocking() {
        return connect_unix_blocking(path, deadline).map(Socket::BlockingUnix);
    }
    // A full accept queue refuses a nonblocking socket, and there is no event when it has room
    // again.
    let mut pause = SHORTEST_PAUSE;
    let connecting = async {
        loop {
            match runtime.within(tokio::net::UnixStream::connect(path)).await {
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => {
                    runtime.sleep_until(Instant::now() + pause).await;
                    pause = LONGEST_PAUSE.min(pause * 2);
                }
                connected => return connected,
            }
        }
    };
    Ok(Socket::Unix(
        runtime.timeout(deadline, connecting).await.map_err(|_| io::ErrorKind::TimedOut)??,
    ))
}

/// A full accept queue blocks `connect`, at most for the socket's write timeout.
fn connect_unix_blocking(path: &Path, deadline: Deadline) -> io::Result<UnixStream> {
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)?;
    let address = socket2::SockAddr::unix(path)?;
    loop {
        let rest = deadline.remaining();
        if rest.is_some_and(|rest| rest.is_zero()) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        limit_calls(&SockRef::from(&socket), rest)?;
        match blocking(socket.connect(&address)) {
            // Try again with the remaining time.
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            connected => break connected?,
        }
    }
    limit_calls(&SockRef::from(&socket), None)?;
    Ok(UnixStream::from(std::os::fd::OwnedFd::from(socket)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rt::block_on;
    use crate::stream::signals::{Signals, with_signals};

    #[test]
    fn full_unix_queue_times_out_on_a_blocking_socket() {
        block_on(full_queue("blocking", Runtime::blocking().unwrap()));
    }

    #[test]
    fn signals_do_not_prolong_a_blocking_connect() {
        let folder = testbed::shared_standalone().unwrap().log_path().parent().unwrap().to_owned();
        let path = folder.join("signals.sock");
        let listener =
            socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
        listener.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
        listener.listen(0).unwrap();
        let mut taken = Vec::new();
        let (error, signals) = with_signals(|| {
            loop {
                match connect_unix_blocking(&path, Deadline::after(Duration::from_millis(200))) {
                    Ok(socket) => taken.push(socket),
                    Err(error) => break error,
                }
                assert!(taken.len() < 100, "the queue is never full");
            }
        });
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
        assert_eq!(signals, Signals::StillComing);
    }

    #[tokio::test]
    async fn full_unix_queue_times_out_on_an_async_socket() {
        full_queue("async", Runtime::current().unwrap()).await;
    }

    async fn full_queue(name: &str, runtime: Runtime) {
        let folder = testbed::shared_standalone().unwrap().log_path().parent().unwrap().to_owned();
        let path = folder.join(format!("{name}.sock"));
        let listener =
            socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
        let address = socket2::SockAddr::unix(&path).unwrap();
        listener.bind(&address).unwrap();
        listener.listen(0).unwrap();
        let address = ServerAddress::Unix { path };
        let connect = |deadline| connect(&address, &runtime, deadline, deadline);
        // The queue takes one or two connections. The next would wait forever without a limit.
        let mut taken = vec![connect(Deadline::NEVER).await.unwrap()];
        let error = loop {
            match connect(Deadline::after(Duration::from_millis(50))).await {
                Ok(stream) => taken.push(stream),
                Err(error) => break error,
            }
            assert!(taken.len() < 100, "the queue is never full");
        };
        assert!(error.is_timeout(), "{error:?}");
        assert!(connect(Deadline::after(Duration::ZERO)).await.unwrap_err().is_timeout());
        // A waiting connect succeeds when the queue has room again, also without a deadline.
        let accepting = std::thread::spawn(move || {
            drop(listener.accept().unwrap());
            listener
        });
        connect(Deadline::NEVER).await.unwrap();
        drop(accepting.join().unwrap());
    }
}
