//! A TCP proxy with faults on demand.
//!
//! It forwards bytes between a client and a server, for faults that real servers cannot produce: it
//! delays, drops, cuts, splits or garbles bytes. Each direction of a connection has a reader thread
//! and a writer thread, so a delayed byte does not stop later ones from arriving.

mod link;
mod socket;

use std::{
    fmt, io,
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

/// The time limit for a connection to the server.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// The direction of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// A fault for all bytes of every connection in one direction.
///
/// Bytes are counted per connection. Byte 0 is the first byte forwarded after the fault was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Forwards bytes this much later, in order.
    Delay(Duration),
    /// Forwards this many more bytes, and drops all later ones and the end of the stream. The
    /// connection stays open.
    BlackHoleAfter(u64),
    /// Forwards this many more bytes and then closes both sides cleanly. With 0, closes when the
    /// first byte arrives.
    CutAfter(u64),
    /// Forwards bytes one at a time, each in its own packet as far as the system permits.
    Split,
    /// Forwards everything twice.
    Repeat,
    /// Changes the byte at `offset` by exclusive or with `mask`.
    Garble {
        /// The number of bytes before it.
        offset: u64,
        /// The bits to flip; 0 flips none.
        mask: u8,
    },
}

/// A proxy on its own port on 127.0.0.1. Dropping it resets its connections.
///
/// ```no_run
/// use testbed::{Direction, Fault, Proxy, Standalone};
/// let server = Standalone::start()?;
/// let proxy = Proxy::start(&server.host())?;
/// // The connection of a client of `proxy.uri()` now closes in the middle of the next reply.
/// proxy.set(Direction::ToClient, Fault::CutAfter(20));
/// # Ok::<(), testbed::Error>(())
/// ```
#[derive(Debug)]
pub struct Proxy {
    port: Port,
    route: Arc<dyn Route>,
    links: Arc<Links>,
    door: Mutex<Option<Door>>,
}

/// The way of the connections through a proxy.
pub(crate) trait Route: fmt::Debug + Send + Sync {
    /// The server of the next connection, and the rewriter of its bytes.
    fn next(&self) -> (SocketAddr, Option<Box<dyn Rewriter>>);
}

/// Rewrites the bytes of one connection. It sees them as they arrive, before all faults.
pub(crate) trait Rewriter: fmt::Debug + Send {
    /// The bytes to forward after `bytes` have arrived. It may hold bytes back until more arrive.
    fn rewrite(&mut self, direction: Direction, bytes: Vec<u8>) -> Vec<u8>;
}

/// A plain proxy leads every connection to one server and rewrites nothing.
impl Route for SocketAddr {
    fn next(&self) -> (SocketAddr, Option<Box<dyn Rewriter>>) {
        (*self, None)
    }
}

/// Reads an IP address with a port.
pub(crate) fn address(text: &str) -> Result<SocketAddr> {
    text.parse().map_err(|_| {
        Error::argument(format!(
            "{text:?} is not an IP address with a port, such as 127.0.0.1:27017"
        ))
    })
}

/// The listening socket and its accepting thread.
#[derive(Debug)]
struct Door {
    listener: Arc<TcpListener>,
    porter: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy in front of `target`, an IP address with a port, such as `127.0.0.1:27017`.
    ///
    /// # Errors
    /// `target` is malformed, or no port is free.
    pub fn start(target: &str) -> Result<Proxy> {
        Proxy::on(Arc::new(address(target)?))
    }

    /// Starts a proxy whose connections follow `route`.
    pub(crate) fn on(route: Arc<dyn Route>) -> Result<Proxy> {
        let proxy =
            Proxy { port: Port::lease()?, route, links: Arc::default(), door: Mutex::default() };
        proxy.accept()?;
        Ok(proxy)
    }

    /// `127.0.0.1:port`.
    pub fn host(&self) -> String {
        self.port.host()
    }

    /// A connection string through the proxy.
    pub fn uri(&self) -> String {
        format!("mongodb://{}/?directConnection=true", self.host())
    }

    /// Sets the fault of one direction, in place of the previous one.
    pub fn set(&self, direction: Direction, fault: Fault) {
        self.links.set_fault(direction, Some(fault));
    }

    /// Removes the faults of both directions. Dropped bytes stay lost.
    pub fn clear(&self) {
        self.links.set_fault(Direction::ToServer, None);
        self.links.set_fault(Direction::ToClient, None);
    }

    /// Resets every open connection on both sides (RST). Returns once both peers have received the
    /// reset. New connections are accepted.
    pub fn cut(&self) {
        self.links.reset();
    }

    /// Closes the listening socket. New connections are refused; open ones stay.
    pub fn refuse(&self) {
        let door = self.door.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Door { listener, porter }) = door {
            socket::stop_listening(&listener);
            let _ = porter.join();
        }
    }

    /// Listens again after [`refuse`](Self::refuse). Does nothing if the proxy listens.
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
        let (ear, links, route) = (listener.clone(), self.links.clone(), self.route.clone());
        let porter = thread::Builder::new()
            .name("testbed-proxy".into())
            .spawn(move || {
                // Accepting ends when listening stops. Other errors concern a single client.
                while let Some(client) = socket::next_client(&ear) {
                    let links = links.clone();
                    let (target, rewriter) = route.next();
                    // A server that accepts slowly delays only its own client.
                    let _ = thread::Builder::new().name("testbed-dial".into()).spawn(move || {
                        match TcpStream::connect_timeout(&target, CONNECT_PATIENCE) {
                            Ok(server) => links.open(client, server, rewriter),
                            Err(_) => socket::reset_on_close(&client),
                        }
                    });
                }
            })
            .map_err(failed)?;
        *door = Some(Door { listener, porter });
        Ok(())
    }

    /// The number of open connections.
    pub fn connections(&self) -> usize {
        self.links.open_now()
    }

    /// The number of connections so far.
    pub fn accepted(&self) -> u64 {
        self.links.opened()
    }

    /// The number of forwarded bytes so far in one direction.
    pub fn forwarded(&self, direction: Direction) -> u64 {
        self.links.forwarded(direction)
    }

    /// The number of bytes so far that a black hole has dropped in one direction.
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
