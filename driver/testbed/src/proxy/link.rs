//! The connections of a proxy and their threads.

use std::{
    collections::HashMap,
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use super::{Direction, Fault, Rewriter, socket};
use crate::eventually;

const CHUNK: usize = 16 * 1024;
/// The maximum number of chunks between a reader and its writer. Beyond it, the sender feels
/// back-pressure.
const QUEUED_CHUNKS: usize = 64;
/// The interval at which a writer with a blocked peer checks for a reset.
const WRITE_SLICE: Duration = Duration::from_millis(50);

/// One connection through the proxy. Its threads share the sockets, so the last thread closes them.
#[derive(Debug)]
struct Link {
    client: TcpStream,
    server: TcpStream,
}

impl Link {
    fn source(&self, direction: Direction) -> &TcpStream {
        match direction {
            Direction::ToServer => &self.client,
            Direction::ToClient => &self.server,
        }
    }

    fn sink(&self, direction: Direction) -> &TcpStream {
        match direction {
            Direction::ToServer => &self.server,
            Direction::ToClient => &self.client,
        }
    }

    fn each(&self, mut act: impl FnMut(&TcpStream)) {
        act(&self.client);
        act(&self.server);
    }
}

#[derive(Debug)]
struct Entry {
    link: Arc<Link>,
    /// The number of running threads of the connection.
    threads: usize,
    /// Set during a reset: nothing more is forwarded.
    doomed: bool,
}

/// The current fault of a direction, and the number of faults set before.
#[derive(Clone, Copy, Debug, Default)]
struct Rule {
    fault: Option<Fault>,
    edition: u64,
}

#[derive(Debug, Default)]
struct State {
    rules: [Rule; 2],
    forwarded: [u64; 2],
    swallowed: [u64; 2],
    entries: HashMap<u64, Entry>,
    opened: u64,
    closed_for_good: bool,
}

/// All connections of one proxy.
#[derive(Debug, Default)]
pub(super) struct Links {
    state: Mutex<State>,
    changed: Condvar,
}

impl Links {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_fault(&self, direction: Direction, fault: Option<Fault>) {
        let rule = &mut self.state().rules[direction as usize];
        *rule = Rule { fault, edition: rule.edition + 1 };
        self.changed.notify_all();
    }

    pub(super) fn open_now(&self) -> usize {
        self.state().entries.len()
    }

    pub(super) fn opened(&self) -> u64 {
        self.state().opened
    }

    pub(super) fn forwarded(&self, direction: Direction) -> u64 {
        self.state().forwarded[direction as usize]
    }

    pub(super) fn swallowed(&self, direction: Direction) -> u64 {
        self.state().swallowed[direction as usize]
    }

    /// Resets all connections and waits until their sockets are closed on all sides.
    pub(super) fn reset(&self) {
        let mut state = self.state();
        let (mut last, mut peers) = (Vec::new(), Vec::new());
        for (id, entry) in &mut state.entries {
            entry.doomed = true;
            last.push(*id);
            entry.link.each(|stream| peers.extend(socket::ports_of_peer(stream)));
            entry.link.each(socket::reset_on_close);
            // Wakes the readers without sending anything, so that the peer receives only the reset.
            entry.link.each(|stream| drop(stream.shutdown(Shutdown::Read)));
        }
        self.changed.notify_all();
        while last.iter().any(|id| state.entries.contains_key(id)) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        // On a busy machine the kernel delivers a reset after the call that sends it.
        eventually("the peers have received the reset", || {
            let open = socket::open_ports();
            !peers.iter().any(|ports| open.contains(ports))
        });
    }

    /// Resets all connections, also later ones.
    pub(super) fn close(&self) {
        self.state().closed_for_good = true;
        self.reset();
    }

    /// Joins two sockets.
    pub(super) fn open(
        self: Arc<Links>,
        client: TcpStream,
        server: TcpStream,
        rewriter: Option<Box<dyn Rewriter>>,
    ) {
        let prepare = |stream: &TcpStream| -> io::Result<()> {
            stream.set_nodelay(true)?;
            stream.set_write_timeout(Some(WRITE_SLICE))
        };
        let link = Arc::new(Link { client, server });
        let mut state = self.state();
        if state.closed_for_good
            || prepare(&link.client).and_then(|()| prepare(&link.server)).is_err()
        {
            link.each(socket::reset_on_close);
            return;
        }
        let id = state.opened;
        state.opened += 1;
        // Counts one thread more than the four, so that the entry stays until all of them have
        // started.
        state.entries.insert(id, Entry { link: link.clone(), threads: 1, doomed: false });
        drop(state);
        let rewriter = rewriter.map(|rewriter| Arc::new(Mutex::new(rewriter)));
        for direction in [Direction::ToServer, Direction::ToClient] {
            let (chunks, inbox) = sync_channel(QUEUED_CHUNKS);
            let rewriter = rewriter.clone();
            let rewrite = move |bytes| match &rewriter {
                None => bytes,
                Some(rewriter) => {
                    let mut rewriter = rewriter.lock().unwrap_or_else(PoisonError::into_inner);
                    rewriter.rewrite(direction, bytes)
                }
            };
            self.spawn(id, &link, move |_, link| read(link.source(direction), rewrite, &chunks));
            self.spawn(id, &link, move |links, link| {
                Writer { links, link, id, direction }.run(inbox)
            });
        }
        drop(link);
        self.done(id);
    }

    fn spawn(
        self: &Arc<Links>,
        id: u64,
        link: &Arc<Link>,
        work: impl FnOnce(&Links, &Link) + Send + 'static,
    ) {
        let (links, own_link) = (self.clone(), link.clone());
        if let Some(entry) = self.state().entries.get_mut(&id) {
            entry.threads += 1;
        }
        let started = thread::Builder::new().name("testbed-link".into()).spawn(move || {
            work(&links, &own_link);
            drop(own_link);
            links.done(id);
        });
        if started.is_err() {
            link.each(|stream| drop(stream.shutdown(Shutdown::Both)));
            self.done(id);
        }
    }

    /// Ends one thread of a connection. The last one closes the sockets before the notification.
    fn done(&self, id: u64) {
        let mut state = self.state();
        if let Some(entry) = state.entries.get_mut(&id) {
            entry.threads -= 1;
            if entry.threads == 0 {
                state.entries.remove(&id);
                self.changed.notify_all();
            }
        }
    }
}

type Chunk = (Instant, Vec<u8>);

/// Reads chunks with their time of arrival until the end of the stream.
fn read(mut source: &TcpStream, rewrite: impl Fn(Vec<u8>) -> Vec<u8>, chunks: &SyncSender<Chunk>) {
    let mut buffer = [0; CHUNK];
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return,
            Ok(n) => {
                if chunks.send((Instant::now(), rewrite(buffer[..n].to_vec()))).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// The writer of one direction of a connection.
struct Writer<'a> {
    links: &'a Links,
    link: &'a Link,
    id: u64,
    direction: Direction,
}

/// The connection has ended.
struct Over;

impl Writer<'_> {
    fn run(&self, inbox: Receiver<Chunk>) {
        let mut count = Count::default();
        for (arrived, bytes) in inbox {
            if self.forward(arrived, bytes, &mut count).is_err() {
                // The other direction has no peer any more.
                if !self.is_doomed() {
                    self.link.each(|stream| drop(stream.shutdown(Shutdown::Both)));
                }
                return;
            }
        }
        if self.outlast_black_hole().is_ok() {
            let _ = self.link.sink(self.direction).shutdown(Shutdown::Write);
        }
    }

    fn is_doomed(&self) -> bool {
        self.links.state().is_doomed(self.id)
    }

    fn forward(&self, arrived: Instant, mut bytes: Vec<u8>, count: &mut Count) -> Result<(), Over> {
        let mut rest = &mut bytes[..];
        while !rest.is_empty() {
            let fault = self.wait_until_due(arrived, count)?;
            let length = rest.len();
            let piece = match fault {
                Some(Fault::BlackHoleAfter(limit)) if count.passed >= limit => {
                    self.links.state().swallowed[self.direction as usize] += length as u64;
                    return Ok(());
                }
                Some(Fault::BlackHoleAfter(limit) | Fault::CutAfter(limit)) => {
                    let room =
                        usize::try_from(limit.saturating_sub(count.passed)).unwrap_or(length);
                    room.min(length)
                }
                Some(Fault::Split) => 1,
                Some(Fault::Garble { offset, mask }) => {
                    let at =
                        offset.checked_sub(count.passed).and_then(|at| usize::try_from(at).ok());
                    if let Some(byte) = at.and_then(|at| rest.get_mut(at)) {
                        *byte ^= mask;
                    }
                    length
                }
                Some(Fault::Repeat | Fault::Delay(_)) | None => length,
            };
            let (now, later) = rest.split_at_mut(piece);
            if fault == Some(Fault::Repeat) {
                self.write(&now.repeat(2))?;
            } else {
                self.write(now)?;
            }
            count.passed += piece as u64;
            rest = later;
            if matches!(fault, Some(Fault::CutAfter(limit)) if count.passed >= limit) {
                return Err(Over);
            }
        }
        Ok(())
    }

    /// Waits for the delay of the current fault, and returns that fault.
    fn wait_until_due(&self, arrived: Instant, count: &mut Count) -> Result<Option<Fault>, Over> {
        let mut state = self.links.state();
        loop {
            if state.is_doomed(self.id) {
                return Err(Over);
            }
            let Rule { fault, edition } = state.rules[self.direction as usize];
            if count.edition != edition {
                *count = Count { edition, passed: 0 };
            }
            let due = match fault {
                Some(Fault::Delay(delay)) => arrived.checked_add(delay),
                _ => Some(arrived),
            };
            let left =
                due.map_or(Duration::MAX, |due| due.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Ok(fault);
            }
            (state, _) = self
                .links
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A black hole drops the end of a stream until the fault is removed.
    fn outlast_black_hole(&self) -> Result<(), Over> {
        let mut state = self.links.state();
        loop {
            if state.is_doomed(self.id) {
                return Err(Over);
            }
            let fault = state.rules[self.direction as usize].fault;
            if !matches!(fault, Some(Fault::BlackHoleAfter(_))) {
                return Ok(());
            }
            state = self.links.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn write(&self, mut bytes: &[u8]) -> Result<(), Over> {
        let mut sink = self.link.sink(self.direction);
        while !bytes.is_empty() {
            match sink.write(bytes) {
                Ok(0) => return Err(Over),
                Ok(n) => {
                    bytes = &bytes[n..];
                    self.links.state().forwarded[self.direction as usize] += n as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) =>
                {
                    if self.is_doomed() {
                        return Err(Over);
                    }
                }
                Err(_) => return Err(Over),
            }
        }
        Ok(())
    }
}

impl State {
    fn is_doomed(&self, id: u64) -> bool {
        self.entries.get(&id).is_none_or(|entry| entry.doomed)
    }
}

/// The number of bytes since the current fault was set.
#[derive(Default)]
struct Count {
    edition: u64,
    passed: u64,
}
