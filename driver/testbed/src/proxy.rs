//! A byte-level TCP proxy that fails on demand.
//!
//! It understands nothing of what passes through: where a fault cannot be had from a real server,
//! this stands between the server and its client and delays, drops, cuts, splits or garbles bytes.
//! Each direction of each connection has a thread that reads and one that writes, so that a delayed
//! byte does not keep later ones from arriving.

mod link;
mod socket;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{
    error::{Error, Result},
    port::Port,
};
use link::Links;

/// How long the server is given to take a connection.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// Which way bytes flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// What happens to the bytes of every connection, open or to come, in one direction.
///
/// Bytes are counted for each connection by itself; byte 0 is the first that is forwarded after the
/// fault was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// What arrives is forwarded this much later; the order stays.
    Delay(Duration),
    /// What arrives vanishes, the end of the stream too; the connection stays open.
    BlackHole,
    /// This many more bytes are forwarded, then the connection is closed in good order on both
    /// sides; with 0, when the first byte arrives.
    CutAfter(u64),
    /// Bytes are forwarded one at a time, each in a packet of its own as far as the system lets it.
    Split,
    /// What arrives is forwarded twice.
    Repeat,
    /// One byte is changed, the one at `offset`, by exclusive or with `mask`.
    Garble {
        /// How many bytes pass before it.
        offset: u64,
        /// The bits to flip; 0 flips none.
        mask: u8,
    },
}

/// A proxy on a port of its own on 127.0.0.1. Dropping it resets its connections.
///
/// ```no_run
/// use testbed::{Direction, Fault, Proxy, Standalone};
/// let server = Standalone::start()?;
/// let proxy = Proxy::start(&server.host())?;
/// // A client of `proxy.uri()` now loses its connection in the middle of the next reply.
/// proxy.set(Direction::ToClient, Fault::CutAfter(20));
/// # Ok::<(), testbed::Error>(())
/// ```
#[derive(Debug)]
pub struct Proxy {
    port: Port,
    target: SocketAddr,
    links: Arc<Links>,
    door: Mutex<Option<Door>>,
}

/// The listening socket and the thread that accepts from it.
#[derive(Debug)]
struct Door {
    listener: Arc<TcpListener>,
    porter: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy before `target`, an IP address with a port, such as `127.0.0.1:27017`.
    ///
    /// # Errors
    /// `target` is malformed, or no port can be had.
    pub fn start(target: &str) -> Result<Proxy> {
        let target = target.parse().map_err(|_| {
            Error::argument(format!(
                "{target:?} is not an IP address with a port, such as 127.0.0.1:27017"
            ))
        })?;
        let proxy =
            Proxy { port: Port::lease()?, target, links: Arc::default(), door: Mutex::default() };
        proxy.accept()?;
        Ok(proxy)
    }

    /// `127.0.0.1:port`.
    pub fn host(&self) -> String {
        self.port.host()
    }

    /// A connection string that leads through the proxy.
    pub fn uri(&self) -> String {
        format!("mongodb://{}/?directConnection=true", self.host())
    }

    /// Puts a fault into force in one direction, in place of any other.
    pub fn set(&self, direction: Direction, fault: Fault) {
        self.links.set_fault(direction, Some(fault));
    }

    /// Ends the faults of both directions. What has vanished stays lost.
    pub fn clear(&self) {
        self.links.set_fault(Direction::ToServer, None);
        self.links.set_fault(Direction::ToClient, None);
    }

    /// Resets every open connection on both sides (RST), and returns when that is done. New ones
    /// are accepted.
    pub fn cut(&self) {
        self.links.reset();
    }

    /// Closes the listening socket: new connections are refused, open ones stay.
    pub fn refuse(&self) {
        let door = self.door.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Door { listener, porter }) = door {
            socket::stop_listening(&listener);
            let _ = porter.join();
        }
    }

    /// Listens again after [`refuse`](Self::refuse); does nothing if the proxy listens.
    ///
    /// # Errors
    /// Another program has taken the port.
    pub fn accept(&self) -> Result<()> {
        let mut door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        if door.is_some() {
            return Ok(());
        }
        let failed = |error: io::Error| {
            Error::io(format!("listening on {} for a proxy", self.host()), error)
        };
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, self.port.number())).map_err(failed)?;
        let listener = Arc::new(listener);
        let (ear, links, target) = (listener.clone(), self.links.clone(), self.target);
        let porter = thread::Builder::new()
            .name("testbed-proxy".into())
            .spawn(move || {
                // Accepting fails for good when listening is stopped, and otherwise for the sake of
                // one client.
                while let Some(client) = socket::next_client(&ear) {
                    let links = links.clone();
                    // A server that is slow to accept holds up nobody but its own client.
                    let _ = thread::Builder::new().name("testbed-dial".into()).spawn(move || {
                        match TcpStream::connect_timeout(&target, CONNECT_PATIENCE) {
                            Ok(server) => links.open(client, server),
                            Err(_) => socket::reset_on_close(&client),
                        }
                    });
                }
            })
            .map_err(failed)?;
        *door = Some(Door { listener, porter });
        Ok(())
    }

    /// How many connections are open now.
    pub fn connections(&self) -> usize {
        self.links.open_now()
    }

    /// How many connections have ever been open.
    pub fn accepted(&self) -> u64 {
        self.links.opened()
    }

    /// How many bytes have ever been forwarded in one direction.
    pub fn forwarded(&self, direction: Direction) -> u64 {
        self.links.forwarded(direction)
    }

    /// How many bytes have ever vanished in a black hole in one direction.
    pub fn swallowed(&self, direction: Direction) -> u64 {
        self.links.swallowed(direction)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.refuse();
        self.links.close();
    }
}
