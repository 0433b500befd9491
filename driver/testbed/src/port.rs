//! Ports that stay a server's own while the server is down.
//!
//! A member that was killed must find its port free when it comes back, and nobody else must answer
//! there meanwhile: a foreign member would be taken for it, and a client that connects to a closed
//! port *within* the range of outgoing ports may, by chance, connect to itself. So ports are taken
//! below that range, and each is leased: the lease is an abstract Unix socket named after the port.
//! The kernel frees it when its holder ends, however it ends, and its name is known in exactly the
//! network namespace in which the port is.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    os::{linux::net::SocketAddrExt, unix::net},
    sync::atomic::{AtomicU32, Ordering},
};

use crate::error::{Error, ErrorKind, Result};

const LOWEST: u16 = 18_000;
const HIGHEST: u16 = 32_000;

/// A leased port on 127.0.0.1.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    _lease: net::UnixListener,
}

impl Port {
    /// Leases a port on which nobody listens.
    pub(crate) fn lease() -> Result<Port> {
        // Processes begin at different places, so that they seldom ask for the same port.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let start = std::process::id().wrapping_mul(2_654_435_761);
        let span = u32::from(HIGHEST - LOWEST);
        for _ in 0..span {
            let step = NEXT.fetch_add(1, Ordering::Relaxed);
            let offset = (start.wrapping_add(step) % span) as u16;
            if let Some(port) = Port::try_lease(LOWEST + offset)? {
                return Ok(port);
            }
        }
        Err(Error::new(
            ErrorKind::Start,
            format!("every port from {LOWEST} to {HIGHEST} on 127.0.0.1 is taken"),
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
        // Programs that know nothing of leases may listen there.
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
    fn a_leased_port_is_not_leased_again() {
        let port = Port::lease().unwrap();
        assert!(Port::try_lease(port.number()).unwrap().is_none());
    }

    #[test]
    fn a_port_on_which_somebody_listens_is_not_leased() {
        let port = Port::lease().unwrap();
        let number = port.number();
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, number)).unwrap();
        drop(port);
        assert!(Port::try_lease(number).unwrap().is_none());
    }
}
