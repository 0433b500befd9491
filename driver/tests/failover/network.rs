//! A client on a faulty network: a proxy delays, splits, cuts, garbles and swallows bytes.
//!
//! Another client, which reaches the same server without the proxy, must not be affected.

use std::time::Duration;

use driver::ServerType;
use driver::bson::doc;
use driver::error::{Error, ErrorKind};
use driver::options::{ClientOptions, DriverInfo};
use testbed::{Direction, Fault, Proxy, Standalone, eventually};

use self::cases::*;
use super::options;
use crate::api::{Api, on_both_apis};
use crate::records::Records;
use crate::store::Store;

on_both_apis! {
    slow_and_split_bytes_change_nothing
    truncated_reply_is_a_network_error
    missing_reply_is_a_timeout
    garbled_replies_are_refused_and_the_client_recovers
    reset_connection_causes_at_most_one_error
    reply_to_another_request_is_refused
    appended_metadata_reaches_the_server
}

/// A server, a proxy in front of it, a client through the proxy, and a client without it.
struct Bed<F: Api> {
    server: Standalone,
    proxy: Proxy,
    client: Store<F>,
    around: Store<F>,
}

impl<F: Api> Bed<F> {
    /// The client through the proxy has the operation timeout `timeout`.
    fn new(timeout: Duration) -> Self {
        Self::with(|options| options.timeout = Some(timeout))
    }

    /// The monitor of the client through the proxy is idle, so faults reach operations.
    fn with(adjust: impl FnOnce(&mut ClientOptions)) -> Self {
        let server = Standalone::start().unwrap();
        let proxy = Proxy::start(&server.host()).unwrap();
        let (mut through, _) = options(&proxy.uri());
        adjust(&mut through);
        through.heartbeat_freq = Some(Duration::from_secs(3600));
        let client = Store::<F>::open(through).unwrap();
        let around = Store::<F>::open(options(&server.uri()).0).unwrap();
        // The first write creates the collection, which takes longer.
        around.insert(doc! {}).unwrap();
        eventually("the client works", || client.insert(doc! {}).is_ok());
        Bed { server, proxy, client, around }
    }

    /// Asserts that the client recovers with the proxy, and that the other one was never affected.
    fn recovers(&self) {
        self.around.insert(doc! {}).unwrap();
        self.proxy.clear();
        eventually("the client works again", || self.client.insert(doc! {}).is_ok());
        self.around.insert(doc! {}).unwrap();
    }
}

fn is_invalid_response(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidResponse { .. })
}

mod cases {
    use super::*;

    pub(super) fn slow_and_split_bytes_change_nothing<F: Api>() {
        let bed = Bed::<F>::new(Duration::from_secs(60));
        let documents = |from: i32| {
            (from..from + 50).map(|i| doc! { "_id": i, "text": "x".repeat(20) }).collect()
        };
        for (i, fault) in
            [Fault::Split, Fault::Delay(Duration::from_millis(20))].into_iter().enumerate()
        {
            let before = bed.client.count().unwrap();
            bed.proxy.set(Direction::ToServer, fault);
            bed.proxy.set(Direction::ToClient, fault);
            bed.client.insert_with_w(documents(i as i32 * 50), 1).unwrap();
            assert_eq!(bed.client.find_all(20).unwrap().len() as u64, before + 50);
            bed.recovers();
        }
    }

    pub(super) fn truncated_reply_is_a_network_error<F: Api>() {
        let bed = Bed::<F>::new(Duration::from_secs(20));
        for bytes in [0, 3, 4, 15, 16, 20, 30] {
            bed.proxy.set(Direction::ToClient, Fault::CutAfter(bytes));
            let error = bed.client.insert(doc! {}).unwrap_err();
            assert!(error.is_network() && !error.is_timeout(), "after {bytes} bytes: {error:?}");
            assert_eq!(error.host().unwrap().to_string(), bed.proxy.host());
            bed.recovers();
        }
    }

    pub(super) fn missing_reply_is_a_timeout<F: Api>() {
        let bed = Bed::<F>::new(Duration::from_millis(500));
        for direction in [Direction::ToServer, Direction::ToClient] {
            bed.proxy.set(direction, Fault::BlackHoleAfter(0));
            let error = bed.client.insert(doc! {}).unwrap_err();
            assert!(error.is_timeout(), "{error:?}");
            bed.recovers();
        }
        bed.server.pause().unwrap();
        let error = bed.client.insert(doc! {}).unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
        bed.server.resume().unwrap();
        bed.recovers();
    }

    pub(super) fn garbled_replies_are_refused_and_the_client_recovers<F: Api>() {
        let bed = Bed::<F>::new(Duration::from_millis(500));
        // The garbled byte of the reply: in its length, its request id, its `responseTo`, its
        // opcode, its flags, its section kind, or its document length. The client ignores the
        // request id and the upper half of the flags, which are optional.
        for offset in 0..25 {
            for mask in [0x40, 0xff] {
                bed.proxy.set(Direction::ToClient, Fault::Garble { offset, mask });
                let mut outcome = bed.client.insert(doc! {});
                // On a busy machine even a valid reply may be late, which proves nothing.
                for _ in 0..10 {
                    if offset < 4 || !outcome.as_ref().is_err_and(Error::is_timeout) {
                        break;
                    }
                    outcome = bed.client.insert(doc! {});
                }
                match (offset, outcome) {
                    (4..8 | 18..20, outcome) => outcome.unwrap(),
                    (_, Ok(())) => panic!("byte {offset} xor {mask:#x} was not noticed"),
                    (0..4, Err(error)) => {
                        // A far too large length is refused. A slightly too large one makes the
                        // client wait.
                        assert!(
                            is_invalid_response(&error) || error.is_timeout(),
                            "byte {offset}: {error:?}"
                        );
                    }
                    (_, Err(error)) => {
                        assert!(is_invalid_response(&error), "byte {offset}: {error:?}")
                    }
                }
                bed.recovers();
            }
        }
    }

    pub(super) fn reset_connection_causes_at_most_one_error<F: Api>() {
        let bed = Bed::<F>::new(Duration::from_secs(20));
        for _ in 0..5 {
            bed.proxy.cut();
            if let Err(error) = bed.client.insert(doc! {}) {
                // The monitor may notice first.
                let cleared = matches!(error.kind(), ErrorKind::ConnectionPoolCleared { .. });
                assert!(error.is_network() || cleared, "{error:?}");
                bed.client.insert(doc! {}).unwrap();
            }
        }
        bed.proxy.refuse();
        bed.proxy.cut();
        eventually("the server is lost", || {
            bed.client
                .topology()
                .servers()
                .all(|server| server.server_type() == ServerType::Unknown)
        });
        bed.proxy.accept().unwrap();
        bed.recovers();
    }

    pub(super) fn reply_to_another_request_is_refused<F: Api>() {
        let mut records = None;
        let bed = Bed::<F>::with(|options| {
            options.max_pool_size = Some(1);
            records = Some(Records::of(options));
        });
        let (records, client, proxy) = (records.unwrap(), &bed.client, &bed.proxy);
        client.insert(doc! { "_id": "first" }).unwrap();
        let before = client.count().unwrap();
        for _ in 0..20 {
            // Each reply comes twice, so the next request receives a reply that is not its own.
            proxy.set(Direction::ToClient, Fault::Repeat);
            client.insert(doc! {}).unwrap();
            proxy.clear();
            for _ in 0..2 {
                match client.find_one(doc! { "_id": "first" }) {
                    Ok(found) => assert!(found.is_some(), "the reply of another request was used"),
                    Err(error) => assert!(is_invalid_response(&error), "{error:?}"),
                }
            }
        }
        assert_eq!(records.clears(), 0, "one faulty connection does not concern the others");
        assert_eq!(client.count().unwrap(), before + 20);
    }

    // Specification "MongoDB Handshake", prose tests of appended metadata, from the server's log.
    pub(super) fn appended_metadata_reaches_the_server<F: Api>() {
        let server = Standalone::start().unwrap();
        let (mut options, app) = options(&server.uri());
        options.max_idle_time = Some(Duration::from_millis(1));
        let client = Store::<F>::open(options).unwrap();
        client.insert(doc! {}).unwrap();
        let info = |name: &str| {
            DriverInfo::builder()
                .name(name.to_owned())
                .version("2.0".to_owned())
                .platform("Monkey".to_owned())
                .build()
        };
        client.append_metadata(info("library")).unwrap();
        client.append_metadata(info("library")).unwrap();
        client.append_metadata(info("framework")).unwrap();
        let error = client.append_metadata(info("a|b")).unwrap_err();
        assert!(error.to_string().contains("a|b"), "{error}");
        eventually("a new connection sends the libraries", || {
            std::thread::sleep(Duration::from_millis(2));
            client.insert(doc! {}).unwrap();
            let log = std::fs::read_to_string(server.log_path()).unwrap();
            log.lines().filter(|line| line.contains(&app)).any(|line| {
                line.contains("\"driver|library|framework\"")
                    && line.contains("|2.0|2.0")
                    && line.contains("|Monkey|Monkey")
            })
        });
    }
}
