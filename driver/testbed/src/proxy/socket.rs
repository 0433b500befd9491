//! Socket calls that the standard library lacks.

use std::{
    collections::HashSet,
    io,
    net::{TcpListener, TcpStream},
    os::fd::{AsRawFd, RawFd},
};

/// Makes `stream` send RST instead of FIN when it is closed.
pub(super) fn reset_on_close(stream: &TcpStream) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    // SAFETY: the descriptor is open while `stream` is borrowed; the kernel reads one `linger` from
    // the pointer.
    unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            size_of::<libc::linger>() as libc::socklen_t,
        );
    }
}

/// The state of an end that was closed in the usual way, in the table of the kernel.
const TIME_WAIT: &str = "06";

/// A connection, by the local and the remote port of one of its ends.
pub(super) type Ports = (u16, u16);

/// The peer's end of `stream`. `None` if the connection has ended.
pub(super) fn ports_of_peer(stream: &TcpStream) -> Option<Ports> {
    Some((stream.peer_addr().ok()?.port(), stream.local_addr().ok()?.port()))
}

/// All open ends of connections on this machine. An end that has received a reset is closed.
pub(super) fn open_ports() -> HashSet<Ports> {
    let port = |address: &str| u16::from_str_radix(address.rsplit_once(':')?.1, 16).ok();
    let ends = |line: &str| {
        let mut columns = line.split_whitespace().skip(1);
        let ports = (port(columns.next()?)?, port(columns.next()?)?);
        (columns.next()? != TIME_WAIT).then_some(ports)
    };
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap_or_default();
    table.lines().filter_map(ends).collect()
}

/// Stops listening. Further connections are refused, and a thread that waits in `accept` gets an
/// error.
pub(super) fn stop_listening(listener: &TcpListener) {
    shut_down(listener.as_raw_fd(), libc::SHUT_RD);
}

fn shut_down(descriptor: RawFd, how: libc::c_int) {
    // SAFETY: the callers hold the socket open; `shutdown` has no memory effects in this process.
    unsafe { libc::shutdown(descriptor, how) };
}

/// The next client; `None` after listening was stopped.
pub(super) fn next_client(listener: &TcpListener) -> Option<TcpStream> {
    loop {
        match listener.accept() {
            Ok((client, _)) => return Some(client),
            // The error of a listening socket that was shut down.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return None,
            // The client has gone, or no descriptor is free at the moment.
            Err(_) => std::thread::yield_now(),
        }
    }
}
