//! Server selection on real replica sets.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use driver::bson::{Document, doc};
use driver::event::EventHandler;
use driver::event::command::CommandEvent;
use driver::options::SelectionCriteria;
use driver::{ServerDescription, ServerType, TopologyDescription, TopologyType};
use testbed::{Direction, Fault, Member, ReplicaSet, eventually};

use self::cases::*;
use super::options;
use crate::api::{Api, on_both_apis};
use crate::records::Records;
use crate::store::Store;

on_both_apis! {
    snapshots_are_consistent_during_elections
    mode_and_tags_select_the_members_for_reads
    distant_member_is_selected_once_its_average_is_near
    less_busy_of_two_members_is_selected
    stale_member_is_not_selected
    abandoned_cursor_is_killed_on_its_member
}

/// A set whose members all have one document, and all are known to the client.
fn filled<F: Api>(set: &ReplicaSet) -> Store<F> {
    let writer = Store::<F>::open(options(&set.uri()).0).unwrap();
    writer.insert_with_w(vec![doc! { "_id": "first" }], 3).unwrap();
    writer
}

fn hosts(set: &ReplicaSet, members: impl IntoIterator<Item = usize>) -> HashSet<String> {
    members.into_iter().map(|i| set.host(i).unwrap()).collect()
}

/// The members that `reads` reads used.
fn read_from<F: Api>(client: &Store<F>, records: &Records, reads: usize) -> HashSet<String> {
    let before = records.read_from().len();
    for _ in 0..reads {
        assert!(client.find_one(doc! { "_id": "first" }).unwrap().is_some());
    }
    records.read_from().split_off(before).into_iter().collect()
}

/// Asserts that there is at most one primary, and that the topology type agrees.
fn assert_whole(snapshot: &TopologyDescription) {
    let primaries =
        snapshot.servers().filter(|server| server.server_type() == ServerType::RsPrimary).count();
    let with_primary = snapshot.topology_type() == TopologyType::ReplicaSetWithPrimary;
    assert_eq!(primaries, usize::from(with_primary), "{snapshot}");
}

mod cases {
    use super::*;

    // A snapshot is consistent, never changes, and is never followed by an older one.
    pub(super) fn snapshots_are_consistent_during_elections<F: Api>() {
        let set = ReplicaSet::builder()
            .members(3)
            .election_timeout(Duration::from_secs(60))
            .start()
            .unwrap();
        drop(filled::<F>(&set));
        // The members that one operation could select from, each time it selected.
        let chosen_from: Arc<Mutex<Vec<(String, ServerType)>>> = Arc::default();
        let seen = Arc::clone(&chosen_from);
        let (mut options, _) = options(&set.uri());
        options.selection_criteria =
            Some(SelectionCriteria::Predicate(Arc::new(move |server: &ServerDescription| {
                seen.lock().unwrap().push((server.address().to_string(), server.server_type()));
                true
            })));
        let client = Store::<F>::open(options).unwrap();
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let descriptions = scope.spawn(|| {
                let (mut last, mut seen) = (client.topology(), HashSet::new());
                while !stop.load(Ordering::Relaxed) {
                    let before = format!("{last:?}");
                    let next = client.topology();
                    assert_whole(&next);
                    assert_eq!(format!("{last:?}"), before, "a snapshot changed");
                    assert!(
                        next.max_election_id() >= last.max_election_id(),
                        "an older snapshot {next} follows {last}"
                    );
                    seen.extend(next.primary().map(|primary| primary.address().to_string()));
                    last = next;
                }
                seen.len()
            });
            let operations = scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let _ = client.find_one(doc! {});
                    let mut looks: Vec<HashSet<String>> = vec![HashSet::new()];
                    let mut primaries = 0;
                    for (address, server_type) in chosen_from.lock().unwrap().drain(..) {
                        if !looks.last_mut().unwrap().insert(address.clone()) {
                            looks.push(HashSet::from([address]));
                            primaries = 0;
                        }
                        primaries += usize::from(server_type == ServerType::RsPrimary);
                        assert!(primaries <= 1, "an operation could select from two primaries");
                    }
                }
            });
            // Stops the other threads also when an election fails.
            let elections = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                for _ in 0..5 {
                    let old = set.wait_for_primary().unwrap();
                    set.step_up((old + 1) % 3).unwrap();
                    let new = set.host((old + 1) % 3).unwrap();
                    eventually("the client knows the new primary", || {
                        client.topology().primary().is_some_and(|p| p.address().to_string() == new)
                    });
                    set.wait_for_secondaries().unwrap();
                }
            }));
            stop.store(true, Ordering::Relaxed);
            operations.join().unwrap();
            assert!(descriptions.join().unwrap() >= 2, "no election was seen");
            elections.unwrap();
        });
    }

    pub(super) fn mode_and_tags_select_the_members_for_reads<F: Api>() {
        let set = ReplicaSet::builder()
            .member(Member::new().tag("dc", "a").tag("disk", "ssd"))
            .member(Member::new().priority(0.0).tag("dc", "a"))
            .member(Member::new().priority(0.0).tag("dc", "b"))
            .start()
            .unwrap();
        drop(filled::<F>(&set));
        for (preference, expected) in [
            ("primary", &[0][..]),
            ("primaryPreferred", &[0]),
            ("secondary", &[1, 2]),
            ("secondaryPreferred", &[1, 2]),
            ("nearest", &[0, 1, 2]),
            ("secondary&readPreferenceTags=dc:a", &[1]),
            ("nearest&readPreferenceTags=dc:a", &[0, 1]),
            ("nearest&readPreferenceTags=dc:a,disk:ssd", &[0]),
            ("secondary&readPreferenceTags=dc:x&readPreferenceTags=dc:b", &[2]),
            ("secondary&readPreferenceTags=dc:x&readPreferenceTags=", &[1, 2]),
            ("secondaryPreferred&readPreferenceTags=dc:x", &[0]),
        ] {
            let uri = format!("{}&localThresholdMS=60000&readPreference={preference}", set.uri());
            let (mut options, _) = options(&uri);
            let records = Records::of(&mut options);
            let client = Store::<F>::open(options).unwrap();
            client.wait_for_refresh().unwrap();
            let expected = hosts(&set, expected.iter().copied());
            let mut seen = HashSet::new();
            eventually(&format!("{preference} reads from all of {expected:?}"), || {
                let now = read_from(&client, &records, 10);
                assert!(
                    now.is_subset(&expected),
                    "{preference} reads from {now:?}, not only {expected:?}"
                );
                records.read_from().into_iter().collect::<HashSet<_>>() == expected
            });
            seen.extend(records.read_from());
            assert_eq!(seen, expected, "{preference}");
        }
    }

    // The latency window compares moving averages, so a member enters it gradually.
    pub(super) fn distant_member_is_selected_once_its_average_is_near<F: Api>() {
        let set = ReplicaSet::builder()
            .members(3)
            .proxied()
            .election_timeout(Duration::from_secs(60))
            .start()
            .unwrap();
        drop(filled::<F>(&set));
        let [distant, near] = set.secondaries()[..] else { panic!("there are two secondaries") };
        let proxy = set.proxy(distant).unwrap();
        proxy.set(Direction::ToClient, Fault::Delay(Duration::from_secs(1)));
        let (mut options, _) =
            options(&format!("{}&readPreference=secondary&localThresholdMS=300", set.uri()));
        options.heartbeat_freq = Some(Duration::from_millis(500));
        let records = Records::of(&mut options);
        let client = Store::<F>::open(options).unwrap();
        client.wait_for_refresh().unwrap();
        assert_eq!(read_from(&client, &records, 50), hosts(&set, [near]));
        proxy.clear();
        eventually("it is near on average", || {
            read_from(&client, &records, 10) == hosts(&set, [near, distant])
        });
    }

    // With two members both are always candidates, so the selection is not random.
    pub(super) fn less_busy_of_two_members_is_selected<F: Api>() {
        let set = ReplicaSet::builder()
            .members(3)
            .election_timeout(Duration::from_secs(60))
            .start()
            .unwrap();
        drop(filled::<F>(&set));
        let [busy, free] = set.secondaries()[..] else { panic!("there are two secondaries") };
        let (mut options, app) =
            options(&format!("{}&readPreference=secondary&localThresholdMS=60000", set.uri()));
        let records = Records::of(&mut options);
        let client = Store::<F>::open(options).unwrap();
        client.wait_for_refresh().unwrap();
        let held = set
            .fail_point(
                busy,
                doc! {
                    "configureFailPoint": "failCommand", "mode": "alwaysOn",
                    "data": {
                        "failCommands": ["find"], "blockConnection": true, "blockTimeMS": 600_000,
                        "appName": &app,
                    },
                },
            )
            .unwrap();
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            // At some point this read goes to the busy member and stays there.
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    client.find_one(doc! {}).unwrap();
                }
            });
            held.wait_entered(1).unwrap();
            stop.store(true, Ordering::Relaxed);
            let before = records.read_from().len();
            for _ in 0..100 {
                client.find_one(doc! {}).unwrap();
            }
            let used: HashSet<String> = records.read_from().split_off(before).into_iter().collect();
            // The blocked read fails with its server and is retried.
            set.kill(busy).unwrap();
            assert_eq!(used, hosts(&set, [free]));
        });
    }

    // The time between two checks adds to the estimated lag. With a long one, a few seconds of real
    // lag exceed the allowed hour.
    pub(super) fn stale_member_is_not_selected<F: Api>() {
        let set = ReplicaSet::builder()
            .members(3)
            .election_timeout(Duration::from_secs(60))
            .start()
            .unwrap();
        let writer = filled::<F>(&set);
        let [lagging, fresh] = set.secondaries()[..] else { panic!("there are two secondaries") };
        let stop = doc! { "configureFailPoint": "rsSyncApplyStop", "mode": "alwaysOn" };
        let stopped = set.fail_point(lagging, stop).unwrap();
        let (mut options, _) = options(&format!(
            "{}&readPreference=secondary&localThresholdMS=60000&heartbeatFrequencyMS=3600000\
                 &maxStalenessSeconds=3610&serverSelectionTimeoutMS=2000",
            set.uri()
        ));
        let records = Records::of(&mut options);
        let client = Store::<F>::open(options).unwrap();
        let late = set.host(lagging).unwrap();
        let known = || {
            client.topology().servers().any(|server| {
                server.address().to_string() == late
                    && server.server_type() == ServerType::RsSecondary
            })
        };
        eventually("only the stale member is excluded", || {
            writer.insert(doc! {}).unwrap();
            client.wait_for_refresh().unwrap();
            let before = records.read_from().len();
            // On a busy machine both members may be late for a moment.
            let is_read = (0..20).all(|_| client.find_one(doc! {}).is_ok());
            let used: HashSet<String> = records.read_from().split_off(before).into_iter().collect();
            is_read && known() && used == hosts(&set, [fresh])
        });
        // Without the limit the member is selected, so it was excluded for its lag.
        let (mut options, _) = super::options(&format!(
            "{}&readPreference=secondary&localThresholdMS=60000",
            set.uri()
        ));
        let records = Records::of(&mut options);
        let tolerant = Store::<F>::open(options).unwrap();
        eventually("the member is selected without a limit", || {
            tolerant.find_one(doc! {}).unwrap();
            records.read_from().contains(&late)
        });
        drop(stopped);
    }

    // `killCursors` goes only to the member with the cursor.
    pub(super) fn abandoned_cursor_is_killed_on_its_member<F: Api>() {
        let set = ReplicaSet::start(3).unwrap();
        let writer = filled::<F>(&set);
        let documents: Vec<Document> = (0..50).map(|i| doc! { "_id": i }).collect();
        writer.insert_with_w(documents, 3).unwrap();
        let (mut options, _) =
            options(&format!("{}&readPreference=secondary&localThresholdMS=60000", set.uri()));
        let sent: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let log = Arc::clone(&sent);
        options.command_event_handler = Some(EventHandler::callback(move |event| {
            if let CommandEvent::Started(e) = event {
                log.lock().unwrap().push((e.command_name, e.connection.address.to_string()));
            }
        }));
        let client = Store::<F>::open(options).unwrap();
        let mut seen = HashSet::new();
        while seen.len() < 2 {
            sent.lock().unwrap().clear();
            client.abandon(5).unwrap();
            eventually("the cursor is killed", || sent.lock().unwrap().len() >= 3);
            let sent = sent.lock().unwrap();
            let host = &sent[0].1;
            let expected =
                ["find", "getMore", "killCursors"].map(|name| (name.to_owned(), host.clone()));
            assert_eq!(*sent, expected);
            seen.insert(host.clone());
        }
        assert_eq!(seen, hosts(&set, set.secondaries()));
    }
}
