//! Every fault of the proxy, as a client of a real server sees it, and the proxy under random
//! faults.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use testbed::{
    Direction::{ToClient, ToServer},
    Fault, Proxy,
    bson::{Document, doc},
    eventually,
};

/// The time without data that counts as silence.
const SILENCE: Duration = Duration::from_millis(200);
const HEADER: usize = 16;

fn ping(request_id: i32) -> Vec<u8> {
    let body = doc! { "ping": 1, "$db": "admin" }.to_vec().unwrap();
    let length = HEADER + 5 + body.len();
    let mut message = Vec::new();
    for number in [length as i32, request_id, 0, 2013, 0] {
        message.extend(number.to_le_bytes());
    }
    message.push(0);
    message.extend(body);
    message
}

/// Reads one reply.
fn reply(mut stream: &TcpStream) -> io::Result<Vec<u8>> {
    let mut message = vec![0; 4];
    stream.read_exact(&mut message)?;
    let length = i32::from_le_bytes(message[..4].try_into().unwrap()) as usize;
    message.resize(length, 0);
    stream.read_exact(&mut message[4..])?;
    Ok(message)
}

fn is_good(reply: &[u8], request_id: i32) -> bool {
    let body = Document::from_reader(&reply[HEADER + 5..]).unwrap();
    reply[8..12] == request_id.to_le_bytes() && body.get_f64("ok").is_ok_and(|ok| ok == 1.0)
}

fn is_silent(mut stream: &TcpStream) -> bool {
    stream.set_read_timeout(Some(SILENCE)).unwrap();
    let read = stream.read(&mut [0]);
    stream.set_read_timeout(None).unwrap();
    matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock)
}

/// A proxy in front of the shared server, and a working connection through it.
fn connected() -> (Proxy, TcpStream) {
    let proxy = Proxy::start(&testbed::shared_standalone().unwrap().host()).unwrap();
    let mut stream = TcpStream::connect(proxy.host()).unwrap();
    stream.write_all(&ping(1)).unwrap();
    assert!(is_good(&reply(&stream).unwrap(), 1));
    (proxy, stream)
}

/// On a busy machine, the kernel delivers a reset some time after it was sent.
#[test]
fn cut_returns_after_the_client_was_reset() {
    let proxy = Proxy::start(&testbed::shared_standalone().unwrap().host()).unwrap();
    for _ in 0..300 {
        let mut stream = TcpStream::connect(proxy.host()).unwrap();
        stream.write_all(&ping(1)).unwrap();
        assert!(is_good(&reply(&stream).unwrap(), 1));
        stream.set_nonblocking(true).unwrap();
        proxy.cut();
        assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
}

#[test]
fn proxy_counts_forwarded_bytes() {
    let (proxy, mut stream) = connected();
    stream.write_all(&ping(2)).unwrap();
    let answer = reply(&stream).unwrap();
    // Bytes are counted after the system has taken them, so the other end may see them first.
    eventually("both requests are counted", || {
        proxy.forwarded(ToServer) == 2 * ping(1).len() as u64
    });
    eventually("both replies are counted", || proxy.forwarded(ToClient) == 2 * answer.len() as u64);
    assert_eq!((proxy.connections(), proxy.accepted()), (1, 1));
    drop(stream);
    eventually("the connection is closed", || proxy.connections() == 0);
    assert_eq!(proxy.accepted(), 1);
}

#[test]
fn delayed_reply_comes_after_the_delay() {
    let (proxy, mut stream) = connected();
    proxy.set(ToClient, Fault::Delay(Duration::from_secs(3600)));
    stream.write_all(&ping(2)).unwrap();
    assert!(is_silent(&stream));
    proxy.set(ToClient, Fault::Delay(Duration::from_millis(1)));
    assert!(is_good(&reply(&stream).unwrap(), 2));
}

#[test]
fn black_hole_drops_bytes_and_keeps_the_connection() {
    for direction in [ToServer, ToClient] {
        let (proxy, mut stream) = connected();
        proxy.set(direction, Fault::BlackHoleAfter(0));
        stream.write_all(&ping(2)).unwrap();
        eventually("bytes were dropped", || proxy.swallowed(direction) > 0);
        assert!(is_silent(&stream));
        proxy.clear();
        stream.write_all(&ping(3)).unwrap();
        // The second ping, or its reply, is lost.
        assert!(is_good(&reply(&stream).unwrap(), 3));
    }
}

#[test]
fn black_hole_begins_at_the_given_byte() {
    let (proxy, mut stream) = connected();
    proxy.set(ToClient, Fault::BlackHoleAfter(20));
    stream.write_all(&ping(2)).unwrap();
    let mut start = [0; 20];
    stream.read_exact(&mut start).unwrap();
    assert_eq!(start[8..12], 2_i32.to_le_bytes());
    eventually("the rest was dropped", || proxy.swallowed(ToClient) > 0);
    assert!(is_silent(&stream));
    proxy.clear();
    stream.write_all(&ping(3)).unwrap();
    assert!(is_good(&reply(&stream).unwrap(), 3));
}

#[test]
fn reply_is_cut_at_the_given_byte() {
    let (proxy, mut stream) = connected();
    proxy.set(ToClient, Fault::CutAfter(20));
    stream.write_all(&ping(2)).unwrap();
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    assert_eq!(received.len(), 20);
    assert_eq!(received[8..12], 2_i32.to_le_bytes());
    // The fault also applies to the next connection, with its own count.
    let mut next = TcpStream::connect(proxy.host()).unwrap();
    next.write_all(&ping(3)).unwrap();
    received.clear();
    next.read_to_end(&mut received).unwrap();
    assert_eq!(received.len(), 20);
}

#[test]
fn reply_in_single_bytes_is_unchanged() {
    let (proxy, mut stream) = connected();
    proxy.set(ToServer, Fault::Split);
    proxy.set(ToClient, Fault::Split);
    stream.write_all(&ping(2)).unwrap();
    assert!(is_good(&reply(&stream).unwrap(), 2));
}

#[test]
fn exactly_one_byte_is_garbled_per_connection() {
    let (proxy, mut stream) = connected();
    proxy.set(ToClient, Fault::Garble { offset: 8, mask: 0b1010_0000 });
    stream.write_all(&ping(2)).unwrap();
    let mut garbled = reply(&stream).unwrap();
    assert_eq!(garbled[8], 2 ^ 0b1010_0000);
    garbled[8] = 2;
    assert!(is_good(&garbled, 2));
    // Later bytes are unchanged.
    stream.write_all(&ping(3)).unwrap();
    assert!(is_good(&reply(&stream).unwrap(), 3));
}

#[test]
fn cut_connections_are_reset_and_new_ones_work() {
    let (proxy, mut stream) = connected();
    let idle = TcpStream::connect(proxy.host()).unwrap();
    eventually("both are open", || proxy.connections() == 2);
    proxy.cut();
    assert_eq!(proxy.connections(), 0);
    for mut stream in [&stream, &idle] {
        assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
    stream = TcpStream::connect(proxy.host()).unwrap();
    stream.write_all(&ping(2)).unwrap();
    assert!(is_good(&reply(&stream).unwrap(), 2));
}

#[test]
fn refusing_proxy_keeps_open_connections() {
    let (proxy, mut stream) = connected();
    proxy.refuse();
    proxy.refuse();
    assert_eq!(TcpStream::connect(proxy.host()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    stream.write_all(&ping(2)).unwrap();
    assert!(is_good(&reply(&stream).unwrap(), 2));
    proxy.accept().unwrap();
    proxy.accept().unwrap();
    TcpStream::connect(proxy.host()).unwrap();
}

#[test]
fn unreachable_target_resets_the_client() {
    let server = testbed::Standalone::start().unwrap();
    let proxy = Proxy::start(&server.host()).unwrap();
    server.kill().unwrap();
    let mut stream = TcpStream::connect(proxy.host()).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    let error = Proxy::start("localhost").unwrap_err().to_string();
    assert!(error.contains("\"localhost\""), "{error}");
}

/// A fixed sequence of pseudo-random numbers (xorshift).
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// Echoes all bytes, and closes with the client.
fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let _ = io::copy(&mut &stream, &mut &stream);
                let _ = stream.shutdown(Shutdown::Both);
            });
        }
    });
    address
}

#[test]
fn harmless_faults_keep_bytes_complete_and_in_order() {
    let proxy = Proxy::start(&echo()).unwrap();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4_u64)
            .map(|client| {
                let proxy = &proxy;
                scope.spawn(move || {
                    let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ client);
                    let sent: Vec<u8> = (0..30_000).map(|_| dice.throw(256) as u8).collect();
                    let stream = TcpStream::connect(proxy.host()).unwrap();
                    let mut received = Vec::new();
                    thread::scope(|scope| {
                        scope.spawn(|| {
                            (&stream).write_all(&sent).unwrap();
                            stream.shutdown(Shutdown::Write).unwrap();
                        });
                        (&stream).read_to_end(&mut received).unwrap();
                    });
                    assert!(sent == received, "client {client}");
                })
            })
            .collect();
        let mut dice = Dice(7);
        while clients.iter().any(|client| !client.is_finished()) {
            let direction = if dice.throw(2) == 0 { ToServer } else { ToClient };
            match dice.throw(4) {
                0 => proxy.set(direction, Fault::Split),
                1 => proxy.set(direction, Fault::Delay(Duration::from_micros(dice.throw(2000)))),
                2 => proxy.set(direction, Fault::Garble { offset: dice.throw(100), mask: 0 }),
                _ => proxy.clear(),
            }
            thread::yield_now();
        }
    });
    eventually("every connection is closed", || proxy.connections() == 0);
}

#[test]
fn harmful_faults_leave_no_connection_behind() {
    let proxy = Proxy::start(&echo()).unwrap();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4_u64)
            .map(|client| {
                let proxy = &proxy;
                scope.spawn(move || {
                    let mut dice = Dice(0x2545_f491_4f6c_dd1d ^ client);
                    for _ in 0..50 {
                        let Ok(mut stream) = TcpStream::connect(proxy.host()) else { continue };
                        // More than the system's buffers hold, so that the proxy's writers block at
                        // times.
                        let junk = vec![0; dice.throw(1 << 20) as usize];
                        let _ = stream.set_write_timeout(Some(Duration::from_millis(20)));
                        let _ = stream.write_all(&junk);
                    }
                })
            })
            .collect();
        let mut dice = Dice(11);
        while clients.iter().any(|client| !client.is_finished()) {
            let direction = if dice.throw(2) == 0 { ToServer } else { ToClient };
            match dice.throw(6) {
                0 => proxy.set(direction, Fault::BlackHoleAfter(dice.throw(100_000))),
                1 => proxy.set(direction, Fault::CutAfter(dice.throw(100_000))),
                2 => proxy.set(direction, Fault::Delay(Duration::from_secs(3600))),
                3 => proxy.cut(),
                4 => {
                    proxy.refuse();
                    proxy.accept().unwrap();
                }
                _ => proxy.clear(),
            }
            thread::yield_now();
        }
    });
    proxy.cut();
    proxy.clear();
    eventually("every connection is closed", || {
        proxy.cut();
        proxy.connections() == 0
    });
}
