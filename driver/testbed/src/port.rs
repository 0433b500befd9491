//! Ports that stay reserved for a server while it is down.
//!
//! A killed member needs its port again when it restarts, and no other program must listen there
//! meanwhile. Another set's member there would be mistaken for it. A client that connects to a
//! closed port *within* the range of outgoing ports may by chance connect to itself. So the ports
//! are below the default start of that range, 32768. Each is leased by an abstract Unix socket with
//! the port in its name. The kernel releases the lease with its process. The socket names have the
//! same network namespace as the ports.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    os::{linux::net::SocketAddrExt, unix::net},
    sync::atomic::{AtomicU32, Ordering},
};

use crate::error::{Error, ErrorKind, Result};

/// The first port to lease, and the first one after the last.
const LOWEST: u16 = 18_000;
const END: u16 = 32_000;

/// A leased port on 127.0.0.1.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    _lease: net::UnixListener,
}

impl Port {
    /// Leases a port that no program listens on.
    pub(crate) fn lease() -> Result<Port> {
        // Processes start at different ports, so they rarely try the same one.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let start = std::process::id().wrapping_mul(2_654_435_761);
        let span = u32::from(END - LOWEST);
        for _ in 0..span {
            let step = NEXT.fetch_add(1, Ordering::Relaxed);
            let offset = (start.wrapping_add(step) % span) as u16;
            if let Some(port) = Port::try_lease(LOWEST + offset)? {
                return Ok(port);
            }
        }
        Err(Error::new(
            ErrorKind::Start,
            format!("no port from {LOWEST} to {} on 127.0.0.1 is free", END - 1),
        ))
    }

    fn try_lease(number: u16) -> Result<Option<Port>> {
        let name = format!("testbed-port-{number}");
        let free = |result: io::Result<_>| match result {
            Ok(socket) => Ok(Some(socket)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(None),
            Err(error) => Err(Error::io(format!("leasing port {number} on 127.0.0.1"), error)),
        };
        let address = net::SocketAddr::from_abstract_name(&name)
            .map_err(|error| Error::io(format!("naming the lease {name:?}"), error))?;
        let Some(lease) = free(net::UnixListener::bind_addr(&address))? else { return Ok(None) };
        // Programs without leases may listen there.
        match TcpListener::bind((Ipv4Addr::LOCALHOST, number)) {
            Ok(_) => Ok(Some(Port { number, _lease: lease })),
            Err(_) => Ok(None),
        }
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }

    /// `127.0.0.1:port`.
    pub(crate) fn host(&self) -> String {
        format!("{}:{}", Ipv4Addr::LOCALHOST, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leased_port_is_not_leased_again() {
        let port = Port::lease().unwrap();
        assert!(Port::try_lease(port.number()).unwrap().is_none());
    }

    #[test]
    fn port_in_use_is_not_leased() {
        let port = Port::lease().unwrap();
        let number = port.number();
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, number)).unwrap();
        drop(port);
        assert!(Port::try_lease(number).unwrap().is_none());
    }
}
