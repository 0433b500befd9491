//! Socket calls that the standard library lacks.

use std::{
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
