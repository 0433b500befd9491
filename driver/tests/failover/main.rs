//! Clients while their servers die, step down and restart: real replica sets, real kills, both
//! APIs.

#[allow(dead_code, reason = "other test targets use the rest")]
#[path = "../operations/api.rs"]
mod api;
mod in_flight;
mod network;
mod records;
mod selection;
mod store;

use std::collections::HashSet;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use driver::bson::{Document, doc};
use driver::error::{Error, ErrorKind, WriteFailure};
use driver::options::{ClientOptions, ConnectionString, WriteConcern};
use testbed::{ReplicaSet, Standalone, Version, eventually};

use self::api::{Api, on_both_apis};
use self::cases::*;
use self::records::Records;
use self::store::Store;

on_both_apis! {
    killed_primary_causes_no_connection_storm
    ten_stepdowns_under_load_need_no_new_connections
    ten_elections_under_load_cause_no_error
    forty_broken_connections_cause_at_most_one_error_each
    dropped_last_handle_closes_every_socket
    cursors_stay_on_the_selected_member
    retries_with_client_ids_lose_and_repeat_no_write
    unusable_seeds_are_named_and_harmless
}

/// The options of a connection string, with a unique application name.
fn options(uri: &str) -> (ClientOptions, String) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("failover-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let mut options = ConnectionString::parse(uri).unwrap().options;
    options.app_name = Some(name.clone());
    (options, name)
}

/// Threads that write until they are stopped. They do not retry.
struct Load {
    stop: AtomicBool,
    /// The number of acknowledged writes of each thread.
    done: Vec<AtomicUsize>,
    errors: Mutex<Vec<Error>>,
    version: Version,
}

impl Load {
    fn new(threads: usize, version: Version) -> Self {
        let done = (0..threads).map(|_| AtomicUsize::new(0)).collect();
        Load { stop: AtomicBool::new(false), done, errors: Mutex::default(), version }
    }

    /// Whether a server before 5.0 reported its stepdown in `writeErrors`. It wrote nothing.
    /// Drivers must not check the codes there (specification "Retryable Writes").
    fn is_hidden_stepdown(&self, error: &Error) -> bool {
        const PRIMARY_STEPPED_DOWN: i32 = 189;
        let of_write = matches!(error.kind(), ErrorKind::Write(WriteFailure::WriteError(_)));
        of_write
            && error.code() == Some(PRIMARY_STEPPED_DOWN)
            && self.version < Version::new(5, 0, 0)
    }

    fn write<F: Api>(&self, client: &Store<F>, thread: usize) {
        let mut n = 0;
        while !self.stop.load(Ordering::Relaxed) {
            match client.insert(doc! { "_id": format!("{thread}-{n}") }) {
                Ok(()) => {
                    self.done[thread].fetch_add(1, Ordering::Relaxed);
                }
                Err(error) if self.is_hidden_stepdown(&error) => {}
                Err(error) => self.errors.lock().unwrap().push(error),
            }
            n += 1;
        }
    }

    /// Waits until each thread has `more` further acknowledged writes.
    fn advance(&self, more: usize) {
        let now: Vec<usize> = self.done.iter().map(|done| done.load(Ordering::Relaxed)).collect();
        eventually("every thread goes on writing", || {
            let errors = self.errors.lock().unwrap();
            assert!(errors.is_empty(), "{errors:?}");
            self.done
                .iter()
                .zip(&now)
                .all(|(done, before)| done.load(Ordering::Relaxed) >= before + more)
        });
    }

    fn total(&self) -> u64 {
        self.done.iter().map(|done| done.load(Ordering::Relaxed) as u64).sum()
    }
}

/// Stops the load, also when the test fails.
struct Stop<'l>(&'l Load);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

/// The number of connections that the application has ever made to member `i`, from the member's
/// log.
fn connections_made(set: &ReplicaSet, i: usize, app: &str) -> usize {
    let log = std::fs::read_to_string(set.log_path(i).unwrap()).unwrap();
    log.lines()
        .filter(|line| line.contains("client metadata") && line.contains(&format!("\"{app}\"")))
        .count()
}

/// The number of the application's current connections to member `i`.
fn connections_now(set: &ReplicaSet, i: usize, app: &str) -> usize {
    let all = set.admin(i, doc! { "currentOp": 1, "$all": true }).unwrap();
    let of_app = |op: &&driver::bson::Bson| {
        op.as_document().and_then(|op| op.get_str("appName").ok()).is_some_and(|name| name == app)
    };
    all.get_array("inprog").unwrap().iter().filter(of_app).count()
}

/// Listens on an own address, and treats every connection as no server would.
fn stranger(treat: fn(TcpStream)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || listener.incoming().flatten().for_each(treat));
    address
}

mod cases {
    use super::*;

    pub(super) fn killed_primary_causes_no_connection_storm<F: Api>() {
        const THREADS: usize = 64;
        let set = ReplicaSet::start(3).unwrap();
        let (mut options, _) = options(&set.uri());
        options.heartbeat_freq = Some(Duration::from_secs(3600));
        // Majority is the default only since 5.0. Other writes may be lost with the primary.
        options.write_concern = Some(WriteConcern::majority());
        let max_connecting = 2;
        options.max_connecting = Some(max_connecting);
        let records = Records::of(&mut options);
        let client = Store::<F>::open(options).unwrap();
        let load = Load::new(THREADS, set.version());
        thread::scope(|scope| {
            let _stop = Stop(&load);
            for thread in 0..THREADS {
                let (client, load) = (client.clone(), &load);
                scope.spawn(move || load.write(&client, thread));
            }
            load.advance(2);
            client.wait_for_refresh().unwrap();
            let killed = set.primary().unwrap();
            let (before, at) = (records.checks(), Instant::now());
            set.kill(killed).unwrap();
            // Each thread continues on the next primary, and none has seen an error.
            load.advance(2);
            let outage = at.elapsed();
            let checked = |i: usize| {
                let host = set.host(i).unwrap();
                records.checks().get(&host).unwrap_or(&0) - before.get(&host).unwrap_or(&0)
            };
            for i in (0..3).filter(|i| *i != killed) {
                assert!(checked(i) <= 2, "the live member {i} was checked {} times", checked(i));
            }
            // The dead member is checked at the highest frequency for waiting operations, for any
            // number of them.
            let most = 2 + outage.as_millis() as usize / 500;
            assert!(
                checked(killed) <= most,
                "the dead member was checked {} times in {outage:?}",
                checked(killed)
            );
        });
        assert_eq!(client.count().unwrap(), load.total());
        let opening = records.most_opening_at_once();
        assert!(
            opening <= max_connecting as usize,
            "{opening} connections were being opened at once"
        );
    }

    /// Sixteen threads write while `elect` makes another member the primary, ten times.
    fn elections_under_load<F: Api>(
        set: &ReplicaSet,
        options: ClientOptions,
        elect: impl Fn(&ReplicaSet),
    ) {
        const THREADS: usize = 16;
        let client = Store::<F>::open(options).unwrap();
        let load = Load::new(THREADS, set.version());
        thread::scope(|scope| {
            let _stop = Stop(&load);
            for thread in 0..THREADS {
                let (client, load) = (client.clone(), &load);
                scope.spawn(move || load.write(&client, thread));
            }
            for _ in 0..10 {
                load.advance(3);
                set.wait_for_secondaries().unwrap();
                elect(set);
            }
            load.advance(3);
        });
        assert_eq!(client.count().unwrap(), load.total());
    }

    pub(super) fn ten_stepdowns_under_load_need_no_new_connections<F: Api>() {
        const POOL: u32 = 8;
        let set = ReplicaSet::start(3).unwrap();
        let (mut options, app) = options(&set.uri());
        options.max_pool_size = Some(POOL);
        elections_under_load::<F>(&set, options, |set| {
            // No operation waits for a timeout: another member is elected at once, and this one
            // can be elected again at once.
            let old = set.step_down().unwrap();
            set.step_up((old + 1) % 3).unwrap();
            set.admin(old, doc! { "replSetFreeze": 0 }).unwrap();
        });
        for i in 0..3 {
            let made = connections_made(&set, i, &app);
            assert!(made >= 1, "member {i} has not logged the client");
            assert!(made < POOL as usize + 3, "{made} connections were made to member {i}");
        }
    }

    // A deposed primary refuses writes for a while before it reports its stepdown.
    pub(super) fn ten_elections_under_load_cause_no_error<F: Api>() {
        let set = ReplicaSet::start(3).unwrap();
        let (mut options, _) = options(&set.uri());
        options.write_concern = Some(WriteConcern::majority());
        elections_under_load::<F>(&set, options, |set| {
            let old = set.wait_for_primary().unwrap();
            set.step_up((old + 1) % 3).unwrap();
        });
    }

    // The connections are closed while they are idle, so the driver is not notified.
    pub(super) fn forty_broken_connections_cause_at_most_one_error_each<F: Api>() {
        const THREADS: usize = 40;
        let set = ReplicaSet::start(1).unwrap();
        let (mut options, app) = options(&set.uri());
        let records = Records::of(&mut options);
        let client = Store::<F>::open(options).unwrap();
        client.insert(doc! { "_id": "first" }).unwrap();
        for retryable in [true, false] {
            let slow = set.fail_point(
                0,
                doc! {
                    "configureFailPoint": "failCommand", "mode": "alwaysOn",
                    "data": {
                        "failCommands": ["find"], "blockConnection": true, "blockTimeMS": 200,
                        "appName": &app,
                    },
                },
            );
            let slow = slow.unwrap();
            eventually("forty connections are open", || {
                thread::scope(|scope| {
                    (0..THREADS).for_each(|_| {
                        scope.spawn(|| client.find_one(doc! {}).unwrap());
                    });
                });
                records.open() >= THREADS
            });
            drop(slow);
            set.kill(0).unwrap();
            set.restart(0).unwrap();
            set.wait_for_primary().unwrap();
            let (barrier, client) = (Barrier::new(THREADS), &client);
            thread::scope(|scope| {
                for thread in 0..THREADS {
                    let barrier = &barrier;
                    scope.spawn(move || {
                        barrier.wait();
                        if retryable {
                            client.insert(doc! { "_id": thread as i32 }).unwrap();
                        } else if client.update_many(doc! { "$inc": { "n": 1 } }).is_err() {
                            client.update_many(doc! { "$inc": { "n": 1 } }).unwrap();
                        }
                    });
                }
            });
        }
        assert_eq!(client.count().unwrap(), THREADS as u64 + 1);
    }

    pub(super) fn dropped_last_handle_closes_every_socket<F: Api>() {
        let set = ReplicaSet::start(3).unwrap();
        let (mut options, app) =
            options(&format!("{}&readPreference=nearest&localThresholdMS=10000", set.uri()));
        options.min_pool_size = Some(3);
        let client = Store::<F>::open(options).unwrap();
        client.insert(doc! { "_id": 1 }).unwrap();
        let other = client.clone();
        eventually("each member has the monitor's connections and the pool's", || {
            let _ = client.find_one(doc! {}).unwrap();
            (0..3).all(|i| connections_now(&set, i, &app) >= 4)
        });
        drop(client);
        other.wait_for_refresh().unwrap();
        assert!(other.find_one(doc! { "_id": 1 }).is_ok(), "a clone keeps the client alive");
        drop(other);
        eventually("every socket is closed", || {
            (0..3).all(|i| connections_now(&set, i, &app) == 0)
        });
    }

    pub(super) fn cursors_stay_on_the_selected_member<F: Api>() {
        const DOCUMENTS: usize = 50;
        let set = ReplicaSet::start(3).unwrap();
        let (writing, _) = options(&set.uri());
        let documents: Vec<Document> = (0..DOCUMENTS as i32).map(|i| doc! { "_id": i }).collect();
        Store::<F>::open(writing).unwrap().insert_with_w(documents, 3).unwrap();
        let (mut reading, _) =
            options(&format!("{}&readPreference=secondary&localThresholdMS=10000", set.uri()));
        let records = Records::of(&mut reading);
        let client = Store::<F>::open(reading).unwrap();
        let secondaries: HashSet<String> =
            set.secondaries().into_iter().map(|i| set.host(i).unwrap()).collect();
        eventually("both secondaries are read from", || {
            let before = records.read_from().len();
            assert_eq!(client.find_all(5).unwrap().len(), DOCUMENTS);
            let used = records.read_from().split_off(before);
            let used: HashSet<String> = used.into_iter().collect();
            assert_eq!(used.len(), 1, "one cursor was read from {used:?}");
            assert!(used.is_subset(&secondaries), "{used:?} is not a secondary");
            records.read_from().into_iter().collect::<HashSet<_>>() == secondaries
        });
    }

    pub(super) fn retries_with_client_ids_lose_and_repeat_no_write<F: Api>() {
        const WRITERS: usize = 8;
        let set = ReplicaSet::start(3).unwrap();
        let (mut options, _) = options(&set.uri());
        // Without the driver's own retries, so that the application's retries are tested.
        options.retry_writes = Some(false);
        options.write_concern = Some(WriteConcern::majority());
        let client = Store::<F>::open(options).unwrap();
        let (stop, written) = (AtomicBool::new(false), Mutex::new(HashSet::new()));
        let advance = |more: usize| {
            let now = written.lock().unwrap().len();
            eventually("breaths are recorded", || written.lock().unwrap().len() >= now + more);
        };
        thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (client, stop, written) = (&client, &stop, &written);
                scope.spawn(move || {
                    for n in 0.. {
                        let id = format!("{writer}-{n}");
                        loop {
                            if stop.load(Ordering::Relaxed) {
                                return;
                            }
                            match client.insert(doc! { "_id": &id }) {
                                Ok(()) => break,
                                Err(error) if error.is_duplicate_key() => break,
                                Err(_) => {}
                            }
                        }
                        assert!(written.lock().unwrap().insert(id), "an id was used twice");
                    }
                });
            }
            for _ in 0..2 {
                advance(200);
                let killed = set.wait_for_primary().unwrap();
                set.kill(killed).unwrap();
                advance(200);
                set.restart(killed).unwrap();
                set.wait_for_secondaries().unwrap();
            }
            stop.store(true, Ordering::Relaxed);
        });
        let written = written.into_inner().unwrap();
        let found: Vec<String> = client
            .find_all(1000)
            .unwrap()
            .iter()
            .map(|d| d.get_str("_id").unwrap().to_owned())
            .collect();
        let unique: HashSet<String> = found.iter().cloned().collect();
        assert_eq!(found.len(), unique.len(), "a document was written twice");
        assert!(
            written.is_subset(&unique),
            "lost: {:?}",
            written.difference(&unique).collect::<Vec<_>>()
        );
        // Abandoned writes at the end may have succeeded or not. There may be no other documents.
        assert!(unique.len() - written.len() <= WRITERS);
    }

    pub(super) fn unusable_seeds_are_named_and_harmless<F: Api>() {
        let set = ReplicaSet::start(1).unwrap();
        let standalone = Standalone::start().unwrap();
        let [talks, closes, keeps_silent] = [
            stranger(|stream| drop((&stream).write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"))),
            stranger(drop),
            stranger(std::mem::forget),
        ];
        let (host, name) = (set.host(0).unwrap(), set.name());
        let alone = standalone.host();
        let cases = [
            ("mongodb://no-such-host.invalid/".to_owned(), vec!["no-such-host.invalid"]),
            (
                format!("mongodb://{host}/?replicaSet=another"),
                vec!["insert_one on", "no primary", "another", name, &host],
            ),
            (
                format!("mongodb://{host}/?replicaSet=another&directConnection=true"),
                vec!["another", name, &host],
            ),
            (format!("mongodb://{talks}/"), vec![talks.as_str()]),
            (format!("mongodb://{closes}/"), vec![closes.as_str()]),
            (format!("mongodb://{keeps_silent}/"), vec![keeps_silent.as_str()]),
            (format!("mongodb://{alone}/?replicaSet={name}"), vec![name, &alone, "no replica set"]),
        ];
        let refused = |uri: &str, named: &[&str]| {
            let (mut options, _) = options(uri);
            options.server_selection_timeout = Some(Duration::from_secs(2));
            let client = Store::<F>::open(options).unwrap();
            // On a busy machine the server's first reply may come later than the first error.
            eventually(&format!("the error of {uri} names {named:?}"), || {
                let error = client.insert(doc! {}).unwrap_err();
                assert!(
                    matches!(error.kind(), ErrorKind::ServerSelection { .. }),
                    "{uri}: {error:?}"
                );
                named.iter().all(|part| error.to_string().contains(part))
            });
        };
        // All cases wait concurrently.
        thread::scope(|scope| {
            for (uri, named) in &cases {
                scope.spawn(|| refused(uri, named));
            }
        });
        // Unusable seeds do not disturb the usable one.
        let strangers = format!("no-such-host.invalid,{talks},{closes},{keeps_silent}");
        let (mixed, _) = options(&format!("mongodb://{strangers},{host}/?replicaSet={name}"));
        let client = Store::<F>::open(mixed).unwrap();
        client.insert(doc! { "_id": 1 }).unwrap();
        assert_eq!(client.topology().servers().len(), 1, "{}", client.topology());
    }
}
