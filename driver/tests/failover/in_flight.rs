//! Operations in flight while their server dies, hangs, or loses the rest of its set.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use driver::ServerType;
use driver::bson::{Document, doc};
use driver::error::ErrorKind;
use driver::options::ServerMonitoringMode;
use testbed::{Direction, Fault, Proxy, ReplicaSet, Standalone, Version, eventually, settles};

use self::cases::*;
use super::options;
use crate::api::{Api, on_both_apis};
use crate::records::Records;
use crate::store::Store;

on_both_apis! {
    operations_in_flight_end_when_their_server_dies
    monitor_ends_operations_on_a_hung_server
    operations_of_a_hung_old_primary_are_retried
    clean_stepdown_disturbs_no_operation_in_flight
    without_a_majority_writes_time_out_and_reads_succeed
    client_dropped_during_an_outage_closes_its_sockets
    dropped_client_leaves_no_connection_on_the_server
    interrupted_check_leaves_its_request_to_the_next
}

/// Makes the server hold the `commands` of the application `app` back for ten minutes, longer than
/// any test.
fn hold_back(app: &str, commands: &[&str]) -> Document {
    doc! {
        "configureFailPoint": "failCommand", "mode": "alwaysOn",
        "data": {
            "failCommands": commands, "blockConnection": true, "blockTimeMS": 600_000,
            "appName": app,
        },
    }
}

/// The number of open sockets to `host` on this machine. The inode of a socket that no process has
/// is 0.
fn sockets_to(host: &str) -> usize {
    let port: u16 = host.rsplit_once(':').unwrap().1.parse().unwrap();
    let remote = format!(":{port:04X}");
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let in_hand = |line: &&str| {
        let mut columns = line.split_whitespace().skip(2);
        columns.next().is_some_and(|address| address.ends_with(&remote))
            && columns.nth(6).is_some_and(|inode| inode != "0")
    };
    table.lines().skip(1).filter(in_hand).count()
}

mod cases {
    use super::*;

    // The check is interrupted because the connection of an operation breaks meanwhile.
    pub(super) fn interrupted_check_leaves_its_request_to_the_next<F: Api>() {
        let server = Standalone::start().unwrap();
        let (mut options, app) = options(&server.uri());
        options.server_monitoring_mode = Some(ServerMonitoringMode::Poll);
        options.heartbeat_freq = Some(Duration::from_secs(600));
        options.retry_reads = Some(false);
        let client = Store::<F>::open(options).unwrap();
        assert_eq!(client.find_one(doc! {}).unwrap(), None);
        if server.version() < Version::new(5, 0, 0) {
            println!("not checked: MongoDB 4.4 closes the connection before it holds a command");
            return;
        }
        // The server holds each of the two commands for two seconds, then closes its connection. So
        // the connection of the `find` breaks during the check.
        let fault = doc! {
            "configureFailPoint": "failCommand", "mode": { "times": 2 },
            "data": {
                "failCommands": ["find", "hello"], "appName": app,
                "blockConnection": true, "blockTimeMS": 2_000, "closeConnection": true,
            },
        };
        let held = server.fail_point(fault).unwrap();
        thread::scope(|scope| {
            let reader = scope.spawn(|| client.find_one(doc! {}));
            held.wait_entered(1).unwrap();
            let refresher = scope.spawn(|| client.wait_for_refresh());
            held.wait_entered(2).unwrap();
            assert!(!refresher.is_finished());
            let error = reader.join().unwrap().unwrap_err();
            assert!(error.is_network(), "{error}");
            refresher.join().unwrap().unwrap();
        });
    }

    // The error comes at once, long before the operations' timeout.
    pub(super) fn operations_in_flight_end_when_their_server_dies<F: Api>() {
        let set = ReplicaSet::start(3).unwrap();
        let (options, app) = options(&set.uri());
        let client = Store::<F>::open(options).unwrap();
        client.insert_with_w(vec![doc! { "_id": 0 }], 3).unwrap();
        let killed = set.wait_for_primary().unwrap();
        let held = set.fail_point(killed, hold_back(&app, &["insert", "update"])).unwrap();
        thread::scope(|scope| {
            let retryable = scope.spawn(|| client.insert(doc! { "_id": 1 }));
            let not_retryable = scope.spawn(|| client.update_many(doc! { "$inc": { "n": 1 } }));
            held.wait_entered(2).unwrap();
            set.kill(killed).unwrap();
            let error = not_retryable.join().unwrap().unwrap_err();
            assert!(error.is_network(), "{error:?}");
            assert_eq!(error.host().unwrap().to_string(), set.host(killed).unwrap());
            retryable.join().unwrap().unwrap();
        });
        assert_eq!(client.count().unwrap(), 2);
    }

    // Specification "Server Monitoring": a timed-out monitor interrupts the connections in use.
    pub(super) fn monitor_ends_operations_on_a_hung_server<F: Api>() {
        let server = Standalone::start().unwrap();
        let (mut options, app) = options(&server.uri());
        options.heartbeat_freq = Some(Duration::from_millis(500));
        options.connect_timeout = Some(Duration::from_secs(2));
        let client = Store::<F>::open(options).unwrap();
        client.insert(doc! { "_id": 0 }).unwrap();
        let held = server.fail_point(hold_back(&app, &["update"])).unwrap();
        thread::scope(|scope| {
            let updater = scope.spawn(|| client.update_many(doc! { "$inc": { "n": 1 } }));
            held.wait_entered(1).unwrap();
            // Its sockets stay open, and the operation has no timeout.
            server.pause().unwrap();
            let error = updater.join().unwrap().unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::ConnectionPoolCleared { .. }), "{error:?}");
        });
        // Killing the server removes its fail point. Turning the fail point off would wait for the
        // command that it holds back.
        server.kill().unwrap();
    }

    pub(super) fn operations_of_a_hung_old_primary_are_retried<F: Api>() {
        const WRITERS: u32 = 4;
        let set = ReplicaSet::builder()
            .members(3)
            .heartbeat_timeout(Duration::from_secs(1))
            .start()
            .unwrap();
        let (mut options, app) = options(&set.uri());
        // The monitor of the hung server would wait for an hour.
        options.connect_timeout = Some(Duration::from_secs(3600));
        let records = Records::of(&mut options);
        let client = Store::<F>::open(options).unwrap();
        client.insert_with_w(vec![doc! { "_id": 0 }], 3).unwrap();
        let hung = set.wait_for_primary().unwrap();
        let held = set.fail_point(hung, hold_back(&app, &["insert", "update"])).unwrap();
        // Detached threads, so that a failing test does not wait for them.
        let (outcome, retryable) = mpsc::channel();
        for id in 1..=WRITERS {
            let (client, outcome) = (client.clone(), outcome.clone());
            thread::spawn(move || outcome.send(client.insert(doc! { "_id": id })));
        }
        let (outcome, not_retryable) = mpsc::channel();
        let updater = client.clone();
        thread::spawn(move || outcome.send(updater.update_many(doc! { "$inc": { "n": 1 } })));
        held.wait_entered(WRITERS + 1).unwrap();
        set.pause(hung).unwrap();
        let patience = Duration::from_secs(60);
        for _ in 0..WRITERS {
            retryable
                .recv_timeout(patience)
                .expect("a writer continues on the next primary")
                .unwrap();
        }
        let error = not_retryable.recv_timeout(patience).expect("the update ends").unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::ConnectionPoolCleared { .. }), "{error:?}");
        assert_eq!(client.count().unwrap(), u64::from(1 + WRITERS));
        settles(|| (records.clears(), records.interruptions()), (1, 1));
        // It returns as a secondary and is usable again.
        set.resume(hung).unwrap();
        let host = set.host(hung).unwrap();
        eventually("the server is known again", || {
            client.topology().servers().any(|server| {
                server.address().to_string() == host
                    && server.server_type() == ServerType::RsSecondary
            })
        });
        // Killing the server removes its fail point, as above.
        set.kill(hung).unwrap();
    }

    pub(super) fn clean_stepdown_disturbs_no_operation_in_flight<F: Api>() {
        let set = ReplicaSet::start(3).unwrap();
        let (mut options, app) = options(&format!("{}&readPreference=primaryPreferred", set.uri()));
        let records = Records::of(&mut options);
        let client = Store::<F>::open(options).unwrap();
        client.insert_with_w(vec![doc! { "_id": 0 }], 3).unwrap();
        let old = set.wait_for_primary().unwrap();
        // Longer than the step-down of the old primary takes.
        let fault = doc! {
            "configureFailPoint": "failCommand", "mode": { "times": 1 },
                "data": {
                    "failCommands": ["find"], "blockConnection": true, "blockTimeMS": 5_000,
                    "appName": &app,
                },
        };
        let held = set.fail_point(old, fault).unwrap();
        let before = records.read_from().len();
        thread::scope(|scope| {
            let reader = scope.spawn(|| client.find_one(doc! { "_id": 0 }));
            held.wait_entered(1).unwrap();
            set.step_down().unwrap();
            let host = set.host(set.wait_for_primary().unwrap()).unwrap();
            eventually("the new primary is known", || {
                client
                    .topology()
                    .primary()
                    .is_some_and(|primary| primary.address().to_string() == host)
            });
            assert_eq!(reader.join().unwrap().unwrap(), Some(doc! { "_id": 0 }));
        });
        assert_eq!(records.read_from()[before..], [set.host(old).unwrap()]);
        assert_eq!((records.clears(), records.closed()), (0, 0));
    }

    // A write waits for its server selection timeout, and no longer.
    pub(super) fn without_a_majority_writes_time_out_and_reads_succeed<F: Api>() {
        let set = ReplicaSet::start(3).unwrap();
        let (mut options, _) = options(&format!("{}&readPreference=primaryPreferred", set.uri()));
        options.server_selection_timeout = Some(Duration::from_secs(2));
        let client = Store::<F>::open(options).unwrap();
        client.insert_with_w(vec![doc! { "_id": 0 }], 3).unwrap();
        let primary = set.wait_for_primary().unwrap();
        let (other, survivor) = ((primary + 1) % 3, (primary + 2) % 3);
        set.kill(primary).unwrap();
        set.kill(other).unwrap();
        // An operation in flight during the kill may first get a network error.
        eventually("a write finds no primary", || match client.insert(doc! { "_id": 1 }) {
            Ok(()) => panic!("a write succeeded without a majority"),
            Err(error) if matches!(error.kind(), ErrorKind::ServerSelection { .. }) => {
                let words = error.to_string();
                assert!(error.is_timeout(), "{error:?}");
                assert!(set.hosts().iter().all(|host| words.contains(host)), "{words}");
                true
            }
            Err(error) => {
                assert!(error.is_network() || error.is_state_change(), "{error:?}");
                false
            }
        });
        assert!(
            client.find_one(doc! { "_id": 0 }).unwrap().is_some(),
            "member {survivor} can be read"
        );
        set.restart(primary).unwrap();
        set.restart(other).unwrap();
        set.wait_for_primary().unwrap();
        eventually("writes succeed again", || match client.insert(doc! { "_id": 1 }) {
            Ok(()) => true,
            Err(error) => error.is_duplicate_key(),
        });
        assert_eq!(client.count().unwrap(), 2);
    }

    // Monitors end even while they wait for a reply that never comes.
    pub(super) fn client_dropped_during_an_outage_closes_its_sockets<F: Api>() {
        let server = Standalone::start().unwrap();
        let proxy = Proxy::start(&server.host()).unwrap();
        let (mut options, _) =
            options(&format!("mongodb://{}/?directConnection=true", proxy.host()));
        let never = Duration::from_secs(3600);
        options.heartbeat_freq = Some(never);
        options.connect_timeout = Some(never);
        options.min_pool_size = Some(3);
        let client = Store::<F>::open(options).unwrap();
        client.insert(doc! { "_id": 1 }).unwrap();
        eventually("the pool is filled beside the monitor", || sockets_to(&proxy.host()) >= 4);
        for direction in [Direction::ToServer, Direction::ToClient] {
            proxy.set(direction, Fault::BlackHoleAfter(0));
        }
        drop(client);
        eventually("every socket is closed", || sockets_to(&proxy.host()) == 0);
    }

    // The server counts its own connections.
    pub(super) fn dropped_client_leaves_no_connection_on_the_server<F: Api>() {
        let server = Standalone::start().unwrap();
        let connections = || {
            let status = server.admin(doc! { "serverStatus": 1 }).unwrap();
            status.get_document("connections").unwrap().get_i32("current").unwrap()
        };
        let before = connections();
        let (mut options, _) = options(&server.uri());
        options.min_pool_size = Some(10);
        let client = Store::<F>::open(options).unwrap();
        client.insert(doc! {}).unwrap();
        eventually("the client is connected", || connections() >= before + 10);
        drop(client);
        eventually("the client's connections are closed", || connections() == before);
    }
}
