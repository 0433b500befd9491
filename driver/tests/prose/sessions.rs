//! Specification "Driver Sessions".

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use driver::IndexModel;
use driver::bson::{Document, Timestamp, doc};
use driver::collection::Collection;
use driver::error::ErrorKind;
use driver::event::EventHandler;
use driver::event::sdam::SdamEvent;
use driver::ops::Operation;
use driver::options::SessionOptions;
use driver::session::ClientSession;
use testbed::{Version, eventually, shared_replica_set};

use crate::api::{Api, on_both_apis};
use crate::observed::Observed;

on_both_apis! {
    sessions_prose_1
    sessions_prose_2
    sessions_prose_3
    sessions_prose_4
    sessions_prose_5
    sessions_prose_8
    sessions_prose_9
    sessions_prose_11
    sessions_prose_14
    sessions_prose_20
    sessions_prose_21
}

fn observed<F: Api>() -> (Observed<F>, Collection<Document, F>) {
    let observed = Observed::<F>::of(&shared_replica_set().unwrap().uri());
    let items = observed.database().collection("test");
    F::end(items.insert_one(doc! {})).unwrap();
    observed.forget();
    (observed, items)
}

/// Whether snapshots can be read.
fn has_snapshots() -> bool {
    shared_replica_set().unwrap().version() >= Version::new(5, 0, 0)
}

/// The ids of the sessions of all commands `name`.
fn lsids<F: Api>(observed: &Observed<F>, name: &str) -> Vec<Document> {
    let sent = observed.sent(name);
    sent.iter().map(|command| command.get_document("lsid").unwrap().clone()).collect()
}

fn sessions_prose_1<F: Api>() {
    let (observed, _) = observed::<F>();
    let options = SessionOptions::builder().snapshot(true).causal_consistency(true).build();
    let error = F::session_with(&observed.client, options).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::InvalidArgument { .. }), "{error:?}");
}

fn sessions_prose_2<F: Api>() {
    let (observed, _) = observed::<F>();
    let start = || F::start_session(&observed.client);
    let (a, b) = (start(), start());
    let (id_of_a, id_of_b) = (a.id().clone(), b.id().clone());
    drop(a);
    drop(b);
    let (first, second) = (start(), start());
    assert_eq!((first.id(), second.id()), (&id_of_b, &id_of_a));
}

fn sessions_prose_3<F: Api>() {
    fn check<F: Api>(name: &str, run: impl Fn(&Observed<F>, &Collection<Document, F>)) {
        // Other clients do not advance the cluster time that this one knows.
        let (observed, items) = observed::<F>();
        run(&observed, &items);
        let cluster_time = observed.replied(name)[0].get_document("$clusterTime").unwrap().clone();
        run(&observed, &items);
        let sent = observed.sent(name);
        assert!(sent[0].contains_key("$clusterTime"), "{name}");
        assert_eq!(sent[1].get_document("$clusterTime").unwrap(), &cluster_time, "{name}");
    }
    check::<F>("ping", |observed, _| {
        F::end(observed.database().run_command(doc! { "ping": 1 })).unwrap();
    });
    check::<F>("aggregate", |_, items| drop(F::end(items.aggregate([])).unwrap()));
    check::<F>("find", |_, items| drop(F::end(items.find(doc! {})).unwrap()));
    check::<F>("insert", |_, items| drop(F::end(items.insert_one(doc! {})).unwrap()));
}

/// Runs methods that take a session, with and without one.
fn methods<F: Api>(
    items: &Collection<Document, F>,
    mut session: Option<&mut ClientSession<F>>,
) -> Vec<(&'static str, driver::Result<()>)> {
    let mut ended = Vec::new();
    let set = || doc! { "$set": { "x": 1 } };
    let index = || IndexModel::builder().keys(doc! { "x": 1 }).build();
    macro_rules! run {
        ($($name:literal: $operation:expr,)*) => {$({
            let outcome = match &mut session {
                Some(session) => F::end($operation.session(&mut **session)).map(drop),
                None => F::end($operation).map(drop),
            };
            ended.push(($name, outcome));
        })*};
    }
    run! {
        "insert": items.insert_one(doc! {}),
        "insert": items.insert_many([doc! {}]),
        "update": items.update_one(doc! {}, set()),
        "update": items.update_many(doc! {}, set()),
        "update": items.replace_one(doc! {}, doc! {}),
        "delete": items.delete_one(doc! { "x": 7 }),
        "delete": items.delete_many(doc! { "x": 7 }),
        "find": items.find_one(doc! {}),
        "find": items.find(doc! {}),
        "aggregate": items.aggregate([]),
        "aggregate": items.count_documents(doc! {}),
        "distinct": items.distinct("x", doc! {}),
        "findAndModify": items.find_one_and_update(doc! {}, set()),
        "findAndModify": items.find_one_and_replace(doc! {}, doc! {}),
        "findAndModify": items.find_one_and_delete(doc! { "x": 7 }),
        "createIndexes": items.create_index(index()),
        "listIndexes": items.list_indexes(),
        "dropIndexes": items.drop_indexes(),
        "listCollections": items.database().list_collections(),
        "ping": items.database().run_command(doc! { "ping": 1 }),
        "drop": items.drop(),
    }
    ended
}

fn sessions_prose_4<F: Api>() {
    let (observed, items) = observed::<F>();
    let mut session = F::start_session(&observed.client);
    let explicit = session.id().clone();
    for (name, outcome) in methods::<F>(&items, Some(&mut session)) {
        outcome.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(lsids(&observed, name).last().unwrap(), &explicit, "{name}");
    }
    observed.forget();
    for (name, outcome) in methods::<F>(&items, None) {
        outcome.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_ne!(lsids(&observed, name).last().unwrap(), &explicit, "{name}");
    }
}

fn sessions_prose_5<F: Api>() {
    let (observed, items) = observed::<F>();
    let (other, _) = self::observed::<F>();
    let mut session = F::start_session(&other.client);
    for (name, outcome) in methods::<F>(&items, Some(&mut session)) {
        let error = outcome.expect_err(name);
        assert!(error.to_string().contains("started by another client"), "{name}: {error}");
    }
    assert!(observed.names().is_empty());
}

/// The session of a cursor that has ended on the server is the next one that is used.
fn check_session_is_back<F: Api>(observed: &Observed<F>, items: &Collection<Document, F>) {
    F::end(items.insert_one(doc! {})).unwrap();
    assert_eq!(lsids(observed, "insert").last(), lsids(observed, "find").last());
}

fn sessions_prose_8<F: Api>() {
    let (observed, items) = observed::<F>();
    F::end(items.insert_one(doc! {})).unwrap();
    let mut cursor = F::end(items.find(doc! {})).unwrap();
    F::next(&mut cursor).unwrap().unwrap();
    check_session_is_back(&observed, &items);
}

fn sessions_prose_9<F: Api>() {
    let (observed, items) = observed::<F>();
    F::end(items.insert_many((0..4).map(|x| doc! { "x": x }))).unwrap();
    let mut cursor = F::end(items.find(doc! {}).batch_size(3)).unwrap();
    for _ in 0..4 {
        F::next(&mut cursor).unwrap().unwrap();
    }
    assert_eq!(observed.sent("getMore").len(), 1);
    check_session_is_back(&observed, &items);
}

fn sessions_prose_11<F: Api>() {
    for mode in ["primary", "primaryPreferred", "secondary", "secondaryPreferred", "nearest"] {
        let (observed, items) = observed::<F>();
        let majority = driver::options::WriteConcern::majority();
        let insert = items.insert_many([doc! {}, doc! {}]).write_concern(majority);
        F::end(insert).unwrap();
        let uri = format!("{}&readPreference={mode}", shared_replica_set().unwrap().uri());
        let reader = Observed::<F>::of(&uri);
        let items: Collection<Document, F> =
            reader.client.database(&observed.name).collection("test");
        // A secondary may lag.
        eventually("all documents are there", || {
            reader.forget();
            let cursor = F::end(items.find(doc! {}).batch_size(2)).unwrap();
            F::collect(cursor).unwrap().len() == 3
        });
        assert_eq!(lsids(&reader, "find"), lsids(&reader, "getMore"), "{mode}");
    }
}

fn sessions_prose_14<F: Api>() {
    const AT_LEAST: usize = 5;
    const AT_MOST: usize = 100;
    let mut least = usize::MAX;
    for round in 0..AT_MOST {
        if round >= AT_LEAST && least == 1 {
            break;
        }
        let observed = Observed::<F>::with(&shared_replica_set().unwrap().uri(), |options| {
            options.max_pool_size = Some(1);
            options.retry_writes = Some(true);
        });
        let items: Collection<Document, F> = observed.database().collection("test");
        F::end(items.insert_one(doc! {})).unwrap();
        observed.forget();
        let set = || doc! { "$set": { "a": 1 } };
        fn end<F: Api>(operation: impl Operation) {
            F::end(operation).map(drop).unwrap();
        }
        std::thread::scope(|scope| {
            scope.spawn(|| end::<F>(items.insert_one(doc! {})));
            scope.spawn(|| end::<F>(items.delete_one(doc! {})));
            scope.spawn(|| end::<F>(items.update_one(doc! {}, set())));
            scope.spawn(|| {
                end::<F>(items.bulk_write([items.update_one_model(doc! {}, set())]));
            });
            scope.spawn(|| end::<F>(items.find_one_and_delete(doc! {})));
            scope.spawn(|| end::<F>(items.find_one_and_update(doc! {}, set())));
            scope.spawn(|| end::<F>(items.find_one_and_replace(doc! {}, doc! { "a": 1 })));
            scope.spawn(|| F::collect(F::end(items.find(doc! {})).unwrap()).unwrap());
        });
        let names = ["insert", "delete", "update", "findAndModify", "find"];
        let used: HashSet<String> = names
            .iter()
            .flat_map(|name| lsids(&observed, name))
            .map(|lsid| lsid.to_string())
            .collect();
        assert!(used.len() < 8, "{} sessions", used.len());
        least = least.min(used.len());
    }
    assert_eq!(least, 1);
}

fn sessions_prose_20<F: Api>() {
    let set = shared_replica_set().unwrap();
    let primary = set.host(set.wait_for_primary().unwrap()).unwrap();
    let heartbeats: Arc<Mutex<usize>> = Arc::default();
    let count = Arc::clone(&heartbeats);
    let uri = format!("mongodb://{primary}/?directConnection=true&serverMonitoringMode=poll");
    let one = Observed::<F>::with(&uri, |options| {
        options.heartbeat_freq = Some(Duration::from_millis(500));
        options.sdam_event_handler = Some(EventHandler::callback(move |event| {
            if let SdamEvent::ServerHeartbeatSucceeded(_) = event {
                *count.lock().unwrap() += 1;
            }
        }));
    });
    let ping = || {
        F::end(one.client.database("admin").run_command(doc! { "ping": 1 })).unwrap();
    };
    ping();
    let cluster_time = one.replied("ping")[0].get_document("$clusterTime").unwrap().clone();
    let (two, items) = observed::<F>();
    F::end(items.insert_one(doc! { "advance": "$clusterTime" })).unwrap();
    drop(two);
    let seen = *heartbeats.lock().unwrap();
    eventually("two more heartbeats have succeeded", || *heartbeats.lock().unwrap() >= seen + 2);
    ping();
    assert_eq!(one.sent("ping")[1].get_document("$clusterTime").unwrap(), &cluster_time);
}

fn sessions_prose_21<F: Api>() {
    if !has_snapshots() {
        return;
    }
    let (observed, _) = observed::<F>();
    let mut options = SessionOptions::default();
    options.snapshot = Some(false);
    options.snapshot_time = Some(Timestamp { time: 1, increment: 0 });
    let error = F::session_with(&observed.client, options).unwrap_err();
    assert!(error.to_string().contains("snapshot_time"), "{error}");
}
