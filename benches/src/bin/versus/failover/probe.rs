//! The probe: writes directly to each member, every 2 ms, until one accepts.

use driver::bson::{Document, RawDocumentBuf, doc};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_millis(2);

/// One thread per member. Dropping this ends them.
pub(super) struct Probe {
    stop: Arc<AtomicBool>,
    found: mpsc::Receiver<Instant>,
}

impl Probe {
    /// Starts to write to `hosts`.
    pub(super) fn start(hosts: Vec<String>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (tell, found) = mpsc::channel();
        for host in hosts {
            let (stop, tell) = (Arc::clone(&stop), tell.clone());
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    if let Some(at) = write_until_taken(&host, &stop) {
                        let _ = tell.send(at);
                        return;
                    }
                    thread::sleep(EVERY);
                }
            });
        }
        Probe { stop, found }
    }

    /// The time of the first accepted write, on any member. `None` if there is none within some
    /// seconds.
    pub(super) fn first(self) -> Option<Instant> {
        self.found.recv_timeout(Duration::from_secs(10)).ok()
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Writes over one connection until a write succeeds, `stop` is set, or the connection breaks or is
/// silent for a second.
fn write_until_taken(host: &str, stop: &AtomicBool) -> Option<Instant> {
    let mut stream = TcpStream::connect(host).ok()?;
    stream.set_nodelay(true).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    run(&mut stream, &doc! { "hello": 1, "$db": "admin" })?;
    while !stop.load(Ordering::Relaxed) {
        let insert = doc! {
            "insert": "probe", "documents": [{ "at": 1 }],
            "writeConcern": { "w": 1 }, "$db": super::DB,
        };
        let reply = run(&mut stream, &insert)?;
        if reply.get_i32("n").is_ok_and(|n| n == 1) && !reply.contains_key("writeErrors") {
            return Some(Instant::now());
        }
        thread::sleep(EVERY);
    }
    None
}

/// Runs a command over a bare socket.
fn run(stream: &mut TcpStream, command: &Document) -> Option<Document> {
    let body = RawDocumentBuf::try_from(command).ok()?.into_bytes();
    let mut request = Vec::with_capacity(21 + body.len());
    for word in [21 + body.len() as i32, 1, 0, 2013, 0] {
        request.extend_from_slice(&word.to_le_bytes());
    }
    request.push(0);
    request.extend_from_slice(&body);
    stream.write_all(&request).ok()?;
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let rest = (i32::from_le_bytes(length) as usize).checked_sub(4)?;
    let mut reply = vec![0; rest];
    stream.read_exact(&mut reply).ok()?;
    Document::from_reader(reply.get(17..)?).ok()
}
