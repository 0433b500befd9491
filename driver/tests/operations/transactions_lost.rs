//! Transactions that lose their primary, and dropped commits and aborts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use driver::Async;
use driver::bson::{Document, doc};
use driver::collection::Collection;
use driver::error::{ErrorKind, TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT};
use driver::event::EventHandler;
use driver::options::{ClientOptions, WriteConcern};
use driver::session::ClientSession;
use testbed::{Direction, Fault, ReplicaSet, Router, eventually, settles, shared_replica_set};

use crate::api::{Api, on_both_apis};
use crate::files::Files;
use crate::full_pool::{failed_checkouts, hold_connection};
use crate::observed::{Observed, drop_in_flight, held_once, turn_for_faults};

on_both_apis! {
    transaction_of_a_lost_primary_is_transient
    closure_is_called_again_after_the_loss_of_the_primary
    commit_is_sent_until_its_result_is_known
    failed_abort_in_the_background_is_not_repeated
    hung_mongos_does_not_hold_up_the_aborts_of_another
    session_dropped_after_a_shutdown_lets_its_client_go
    unsent_commit_is_aborted_by_the_next_use_of_its_session
}

fn majority<F: Api>(set: &ReplicaSet) -> (Observed<F>, Collection<Document, F>) {
    let observed = Observed::<F>::with(&set.uri(), |options| {
        options.write_concern = Some(WriteConcern::majority());
    });
    let items = observed.database().collection("items");
    F::end(items.insert_one(doc! { "_id": 0 })).unwrap();
    observed.forget();
    (observed, items)
}

fn count<F: Api>(items: &Collection<Document, F>) -> u64 {
    F::end(items.count_documents(doc! {})).unwrap()
}

/// The new primary does not know the transaction. The commit is sent to it nevertheless.
fn transaction_of_a_lost_primary_is_transient<F: Api>() {
    let set = ReplicaSet::start(3).unwrap();
    let (observed, items) = majority::<F>(&set);
    let mut session = F::start_session(&observed.client);
    F::end(session.start_transaction()).unwrap();
    F::end(items.insert_one(doc! { "_id": 1 }).session(&mut session)).unwrap();
    set.kill(set.wait_for_primary().unwrap()).unwrap();
    let error = F::end(session.commit_transaction()).unwrap_err();
    assert!(error.has_label(TRANSIENT_TRANSACTION_ERROR), "{error:?}");
    assert!(!error.has_label(UNKNOWN_TRANSACTION_COMMIT_RESULT), "{error:?}");
    assert!(!observed.sent("commitTransaction").is_empty());
    // The session stays usable.
    F::end(session.start_transaction()).unwrap();
    F::end(items.insert_one(doc! { "_id": 1 }).session(&mut session)).unwrap();
    F::end(session.commit_transaction()).unwrap();
    assert_eq!(count(&items), 2);
}

fn closure_is_called_again_after_the_loss_of_the_primary<F: Api>() {
    let set = ReplicaSet::start(3).unwrap();
    let (observed, items) = majority::<F>(&set);
    let mut session = F::start_session(&observed.client);
    let called = AtomicU32::new(0);
    let ended: driver::Result<()> = F::in_transaction(session.start_transaction(), &|session| {
        F::end(items.insert_one(doc! { "_id": 1 }).session(&mut *session))?;
        if called.fetch_add(1, Ordering::Relaxed) == 0 {
            set.kill(set.wait_for_primary().unwrap()).unwrap();
        }
        Ok(())
    });
    ended.unwrap();
    assert!(called.into_inner() >= 2);
    assert_eq!(count(&items), 2);
}

fn commit_is_sent_until_its_result_is_known<F: Api>() {
    let _turn = turn_for_faults();
    let set = shared_replica_set().unwrap();
    let (observed, items) = majority::<F>(set);
    let point = doc! {
        "configureFailPoint": "failCommand", "mode": { "times": 3 },
        "data": {
            "failCommands": ["commitTransaction"], "closeConnection": true,
            "appName": &observed.name,
        },
    };
    let _point = set.fail_point(set.wait_for_primary().unwrap(), point).unwrap();
    let mut session = F::start_session(&observed.client);
    let called = AtomicU32::new(0);
    let ended: driver::Result<()> = F::in_transaction(session.start_transaction(), &|session| {
        called.fetch_add(1, Ordering::Relaxed);
        F::end(items.insert_one(doc! { "_id": 1 }).session(&mut *session))?;
        Ok(())
    });
    ended.unwrap();
    assert_eq!(called.into_inner(), 1);
    let commits = observed.sent("commitTransaction");
    assert_eq!(commits.len(), 4);
    for again in &commits[1..] {
        let concern = again.get_document("writeConcern").unwrap();
        assert_eq!(concern.get_str("w").unwrap(), "majority", "{again}");
    }
    assert_eq!(count(&items), 2);
}

/// The abort on the mongos that hangs takes ten seconds.
fn hung_mongos_does_not_hold_up_the_aborts_of_another<F: Api>() {
    let set = shared_replica_set().unwrap();
    let primary = set.host(set.wait_for_primary().unwrap()).unwrap();
    let routers = [(); 2].map(|()| Router::mongos(&primary).unwrap());
    let uri =
        format!("mongodb://{},{}/?localThresholdMS=1000", routers[0].host(), routers[1].host());
    let observed = Observed::<F>::of(&uri);
    F::end(observed.database().create_collection("items")).unwrap();
    let mut sessions: [Option<ClientSession<F>>; 2] = [None, None];
    let mut ids = 0;
    eventually("each mongos has a transaction", || {
        ids += 1;
        let session = transacting(&observed, ids);
        let inserts = observed.started("insert");
        let host = inserts.last().unwrap().connection.address.to_string();
        let at = routers.iter().position(|router| router.host() == host).unwrap();
        let mut earlier = sessions[at].replace(session);
        if let Some(session) = &mut earlier {
            F::end(session.abort_transaction()).unwrap();
        }
        sessions.iter().all(Option::is_some)
    });
    observed.forget();
    routers[0].proxy().set(Direction::ToClient, Fault::BlackHoleAfter(0));
    drop(sessions[0].take());
    eventually("the first abort is sent", || observed.sent("abortTransaction").len() == 1);
    drop(sessions[1].take());
    eventually("the second abort is done", || observed.replied("abortTransaction").len() == 1);
    assert_eq!(observed.failed("abortTransaction"), 0, "the first abort still waits");
}

/// One connection, for which nobody waits longer than a second.
fn one_connection(options: &mut ClientOptions) {
    options.max_pool_size = Some(1);
    options.wait_queue_timeout = Some(Duration::from_secs(1));
}

/// A session whose transaction has inserted the document with this id.
fn transacting<F: Api>(observed: &Observed<F>, id: i32) -> ClientSession<F> {
    let items = observed.database().collection::<Document>("items");
    let mut session = F::start_session(&observed.client);
    F::end(session.start_transaction()).unwrap();
    F::end(items.insert_one(doc! { "_id": id }).session(&mut session)).unwrap();
    session
}

/// The server ends such a transaction by itself.
fn failed_abort_in_the_background_is_not_repeated<F: Api>() {
    let mut failed = Arc::default();
    let observed = Observed::<F>::with(&shared_replica_set().unwrap().uri(), |options| {
        one_connection(options);
        failed = failed_checkouts(options);
    });
    let items = observed.database().collection("items");
    F::end(items.insert_one(doc! { "_id": 0 })).unwrap();
    let [first, second, third] = [1, 2, 3].map(|id| transacting(&observed, id));
    let held = hold_connection(&observed);
    for (number, session) in [(1, first), (2, second)] {
        drop(session);
        eventually("an abort has failed", || failed.load(Ordering::Relaxed) >= number);
    }
    drop(held);
    let last = third.id().clone();
    drop(third);
    let aborted = || {
        let sent = observed.sent("abortTransaction");
        sent.iter().map(|abort| abort.get_document("lsid").unwrap().clone()).collect::<Vec<_>>()
    };
    eventually("the last one is aborted", || aborted().contains(&last));
    assert_eq!((aborted(), failed.load(Ordering::Relaxed)), (vec![last], 2));
}

/// The abort fails at once. It must not wait for its next try in the queue of the client.
fn session_dropped_after_a_shutdown_lets_its_client_go<F: Files>() {
    let alive = Arc::new(());
    let of_client = Arc::clone(&alive);
    let observed = Observed::<F>::with(&shared_replica_set().unwrap().uri(), |options| {
        options.sdam_event_handler = Some(EventHandler::callback(move |_| {
            let _held = &of_client;
        }));
    });
    let items = observed.database().collection("items");
    F::end(items.insert_one(doc! { "_id": 0 })).unwrap();
    let session = transacting(&observed, 1);
    F::shut_down(observed.client.clone());
    drop((session, items, observed));
    eventually("nothing holds the client", || Arc::strong_count(&alive) == 1);
}

fn unsent_commit_is_aborted_by_the_next_use_of_its_session<F: Api>() {
    for starts_another in [false, true] {
        let observed = Observed::<F>::with(&shared_replica_set().unwrap().uri(), one_connection);
        let items: Collection<Document, F> = observed.database().collection("items");
        F::end(items.insert_one(doc! { "_id": 0 })).unwrap();
        let mut session = transacting(&observed, 1);
        let held = hold_connection(&observed);
        let error = F::end(session.commit_transaction()).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::WaitQueueTimeout { .. }), "{error:?}");
        drop(held);
        if starts_another {
            F::end(session.start_transaction()).unwrap();
        } else {
            let found = F::end(items.find_one(doc! {}).session(&mut session)).unwrap();
            assert_eq!(found, Some(doc! { "_id": 0 }));
        }
        eventually("it is aborted", || !observed.sent("abortTransaction").is_empty());
        let inserts = observed.sent("insert");
        let first = inserts.iter().find(|sent| sent.contains_key("startTransaction")).unwrap();
        let abort = &observed.sent("abortTransaction")[0];
        for field in ["lsid", "txnNumber"] {
            assert_eq!(abort.get(field), first.get(field));
        }
        // Nothing holds the document.
        F::end(items.insert_one(doc! { "_id": 1 })).unwrap();
        drop(session);
        F::end(items.insert_one(doc! { "_id": 2 })).unwrap();
        assert_eq!(observed.sent("abortTransaction").len(), 1);
    }
}

/// The commit or abort is dropped while it waits for the only connection.
#[test]
fn dropped_unsent_commit_aborts_the_transaction() {
    let _turn = turn_for_faults();
    let set = shared_replica_set().unwrap();
    for commits in [true, false] {
        let observed = Observed::<Async>::with(&set.uri(), |options| {
            options.max_pool_size = Some(1);
        });
        let items: Collection<Document, Async> = observed.database().collection("items");
        Async::end(items.insert_one(doc! { "_id": 0 })).unwrap();
        let mut session = transacting(&observed, 1);
        let primary = set.wait_for_primary().unwrap();
        let _point = set.fail_point(primary, held_once(&observed.name, "find", 2500)).unwrap();
        let waits = || observed.client.pool_metrics().iter().any(|pool| pool.waiting > 0);
        std::thread::scope(|scope| {
            scope.spawn(|| Async::end(items.find_one(doc! {})).unwrap());
            eventually("the connection is taken", || !observed.sent("find").is_empty());
            if commits {
                drop_in_flight(session.commit_transaction(), waits);
            } else {
                drop_in_flight(session.abort_transaction(), waits);
            }
        });
        drop(session);
        eventually("it is aborted", || observed.sent("abortTransaction").len() == 1);
        assert!(observed.sent("commitTransaction").is_empty());
        // The document is unlocked.
        Async::end(items.insert_one(doc! { "_id": 1 })).unwrap();
        settles(|| observed.connections(), (1, 0));
    }
}

/// The commit or abort is dropped while the server executes it.
#[test]
fn commit_dropped_in_flight_is_carried_out() {
    let _turn = turn_for_faults();
    let set = shared_replica_set().unwrap();
    for (command, written) in [("commitTransaction", 2), ("abortTransaction", 1)] {
        let observed = Observed::<Async>::with(&set.uri(), |options| {
            options.max_pool_size = Some(1);
        });
        let items: Collection<Document, Async> = observed.database().collection("items");
        Async::end(items.insert_one(doc! { "_id": 0 })).unwrap();
        let mut session = transacting(&observed, 1);
        let primary = set.wait_for_primary().unwrap();
        let _point = set.fail_point(primary, held_once(&observed.name, command, 200)).unwrap();
        let sent = || !observed.sent(command).is_empty();
        match written {
            2 => drop_in_flight(session.commit_transaction(), sent),
            _ => drop_in_flight(session.abort_transaction(), sent),
        }
        drop(session);
        // It waits for the connection, which is drained first.
        assert_eq!(count(&items), written, "{command}");
        assert_eq!(observed.sent(command).len(), 1);
        settles(|| observed.connections(), (1, 0));
    }
}
