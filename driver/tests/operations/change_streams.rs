//! Change streams.

use std::time::Duration;

use driver::Async;
use driver::bson::{Document, doc};
use driver::change_stream::{ChangeStreamEvent, OperationType, ResumeToken};
use driver::collection::Collection;
use driver::options::{
    ChangeStreamOptions, ChangeStreamPreAndPostImages, FullDocumentBeforeChangeType,
    FullDocumentType,
};
use serde::{Deserialize, Serialize};
use testbed::{ReplicaSet, Version, eventually, shared_replica_set};

use crate::api::{Api, block_on, on_both_apis};
use crate::observed::Observed;
use crate::reads::Reads;

on_both_apis! {
    stream_returns_the_changes_of_its_collection
    database_and_client_are_watched_as_a_whole
    stream_in_a_session_gives_the_same
    token_moves_on_while_nothing_happens
    stored_token_resumes_another_stream
    invalidated_stream_ends_and_another_starts_after
    stream_resumes_after_the_loss_of_its_cursor
    stream_outlives_its_primary
    stream_refuses_events_without_a_token
    error_of_the_server_ends_the_stream
    comment_goes_with_the_command_alone
    event_of_another_type_is_an_error_and_the_next_follows
    dropped_stream_is_killed_on_the_server
    standalone_server_refuses_to_be_watched
    split_event_is_joined
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Monkey {
    _id: i32,
}

/// A collection that exists, on the shared replica set.
fn monkeys<F: Reads>() -> (Collection<Monkey, F>, Observed<F>) {
    monkeys_of(&shared_replica_set().unwrap().uri())
}

fn monkeys_of<F: Reads>(uri: &str) -> (Collection<Monkey, F>, Observed<F>) {
    let observed = Observed::of(uri);
    let collection = observed.database().collection::<Monkey>("monkeys");
    F::end(collection.insert_one(Monkey { _id: -1 })).unwrap();
    (collection, observed)
}

fn insert<F: Reads>(collection: &Collection<Monkey, F>, ids: std::ops::Range<i32>) {
    F::end(collection.insert_many(ids.map(|_id| Monkey { _id }))).unwrap();
}

fn ids(events: &[ChangeStreamEvent<Monkey>]) -> Vec<i32> {
    events.iter().map(|event| event.full_document.as_ref().unwrap()._id).collect()
}

fn stream_returns_the_changes_of_its_collection<F: Reads>() {
    let (monkeys, _) = monkeys::<F>();
    let plain = monkeys.clone_with_type::<Document>();
    let watch = plain.watch().full_document(FullDocumentType::UpdateLookup).batch_size(2);
    let mut stream = F::end(watch).unwrap();
    F::end(plain.insert_one(doc! { "_id": 1, "swims": false })).unwrap();
    F::end(plain.update_one(doc! { "_id": 1 }, doc! { "$set": { "swims": true } })).unwrap();
    F::end(plain.replace_one(doc! { "_id": 1 }, doc! { "age": 7 })).unwrap();
    F::end(plain.delete_one(doc! { "_id": 1 })).unwrap();
    let mut next = || F::try_next_event(&mut stream).unwrap().unwrap();
    let inserted = next();
    assert_eq!(inserted.operation_type, OperationType::Insert);
    assert_eq!(inserted.full_document, Some(doc! { "_id": 1, "swims": false }));
    assert_eq!(inserted.document_key, Some(doc! { "_id": 1 }));
    assert_eq!(inserted.ns.as_ref().unwrap().coll.as_deref(), Some("monkeys"));
    assert!(inserted.cluster_time.is_some());
    let updated = next();
    assert_eq!(updated.operation_type, OperationType::Update);
    assert_eq!(updated.update_description.unwrap().updated_fields, doc! { "swims": true });
    assert_eq!(next().operation_type, OperationType::Replace);
    let deleted = next();
    assert_eq!((deleted.operation_type, deleted.full_document), (OperationType::Delete, None));
    assert!(stream.is_alive());
}

fn database_and_client_are_watched_as_a_whole<F: Reads>() {
    let (monkeys, _) = monkeys::<F>();
    let (client, db) = (monkeys.client().clone(), monkeys.namespace().db);
    let database = client.database(&db);
    let mut of_database = F::end(database.watch()).unwrap();
    let here = doc! { "$match": { "ns.db": &db } };
    let mut of_client = F::end(client.watch().pipeline([here])).unwrap();
    F::end(database.collection("apes").insert_one(doc! { "_id": 1 })).unwrap();
    insert(&monkeys, 2..3);
    for stream in [&mut of_database, &mut of_client] {
        for (name, id) in [("apes", 1), ("monkeys", 2)] {
            let event = F::try_next_event(stream).unwrap().unwrap();
            assert_eq!(event.ns.unwrap().coll.as_deref(), Some(name));
            assert_eq!(event.full_document, Some(doc! { "_id": id }));
        }
    }
}

fn stream_in_a_session_gives_the_same<F: Reads>() {
    let (monkeys, observed) = monkeys::<F>();
    let mut session = F::session(&monkeys);
    let mut stream = F::end(monkeys.watch().session(&mut session)).unwrap();
    insert(&monkeys, 0..3);
    for i in 0..3 {
        let event = F::next_event_in(&mut stream, &mut session).unwrap().unwrap();
        assert_eq!(event.full_document, Some(Monkey { _id: i }));
    }
    assert!(F::next_event_if_any_in(&mut stream, &mut session).unwrap().is_none());
    assert!(stream.is_alive() && stream.resume_token().is_some());
    let lsid = |command: &Document| command.get_document("lsid").unwrap().clone();
    let sent = observed.sent("getMore");
    assert!(!sent.is_empty());
    for command in sent {
        assert_eq!(lsid(&command), *session.id());
    }
}

fn token_moves_on_while_nothing_happens<F: Reads>() {
    let (monkeys, observed) = monkeys::<F>();
    let watch = monkeys.watch().max_await_time(Duration::from_millis(50));
    let mut stream = F::end(watch).unwrap();
    let before = stream.resume_token();
    assert!(before.is_some(), "the first batch has it");
    // Writes elsewhere advance the oplog.
    let elsewhere = monkeys.client().database(&F::name()).collection::<Document>("c");
    F::end(elsewhere.insert_one(doc! {})).unwrap();
    let asked = observed.sent("getMore").len();
    assert!(F::next_event_if_any(&mut stream).unwrap().is_none());
    assert_eq!(observed.sent("getMore").len(), asked + 1, "it asks once");
    eventually("the token moves on", || {
        assert!(F::next_event_if_any(&mut stream).unwrap().is_none());
        stream.resume_token() != before
    });
    insert(&monkeys, 1..3);
    let mut seen = Vec::new();
    eventually("both events are seen", || {
        seen.extend(F::next_event_if_any(&mut stream).unwrap());
        seen.len() == 2
    });
    assert_eq!(ids(&seen), [1, 2]);
}

fn stored_token_resumes_another_stream<F: Reads>() {
    let (monkeys, _) = monkeys::<F>();
    let mut stream = F::end(monkeys.watch().batch_size(2)).unwrap();
    insert(&monkeys, 0..5);
    let first = F::try_next_event(&mut stream).unwrap().unwrap();
    assert_eq!(stream.resume_token(), Some(first.id));
    let stored = driver::bson::serialize_to_vec(&doc! {
        "token": driver::bson::serialize_to_bson(&stream.resume_token()).unwrap(),
    });
    drop(stream);
    let stored: Document = driver::bson::deserialize_from_slice(&stored.unwrap()).unwrap();
    let token: ResumeToken =
        driver::bson::deserialize_from_bson(stored.get("token").unwrap().clone()).unwrap();
    let mut stream = F::end(monkeys.watch().resume_after(token.clone())).unwrap();
    assert_eq!(stream.resume_token(), Some(token));
    let rest: Vec<_> = (0..4).map(|_| F::try_next_event(&mut stream).unwrap().unwrap()).collect();
    assert_eq!(ids(&rest), [1, 2, 3, 4]);
    // `None` is the same as no token.
    let none: Option<ResumeToken> = None;
    F::end(monkeys.watch().resume_after(none)).unwrap();
}

fn invalidated_stream_ends_and_another_starts_after<F: Reads>() {
    let (monkeys, _) = monkeys::<F>();
    let mut stream = F::end(monkeys.watch()).unwrap();
    F::end(monkeys.drop()).unwrap();
    let mut seen = Vec::new();
    while let Some(event) = F::try_next_event(&mut stream).unwrap() {
        seen.push(event.operation_type);
    }
    assert_eq!(seen, [OperationType::Drop, OperationType::Invalidate]);
    assert!(!stream.is_alive());
    let mut stream = F::end(monkeys.watch().start_after(stream.resume_token())).unwrap();
    insert(&monkeys, 1..2);
    let event = F::try_next_event(&mut stream).unwrap().unwrap();
    assert_eq!(event.full_document, Some(Monkey { _id: 1 }));
}

/// Kills the cursor of the stream on the server.
fn kill_cursor<F: Reads>(monkeys: &Collection<Monkey, F>, observed: &Observed<F>) {
    let last = observed.sent("getMore").pop().expect("the stream has asked for a batch");
    let kill =
        doc! { "killCursors": monkeys.name(), "cursors": [last.get_i64("getMore").unwrap()] };
    let database = monkeys.client().database(&monkeys.namespace().db);
    F::end(database.run_command(kill)).unwrap();
}

fn stream_resumes_after_the_loss_of_its_cursor<F: Reads>() {
    let (monkeys, observed) = monkeys::<F>();
    let watch = monkeys.watch().batch_size(1).max_await_time(Duration::from_millis(50));
    let mut stream = F::end(watch.comment("seen")).unwrap();
    insert(&monkeys, 0..2);
    for i in 0..2 {
        let event = F::try_next_event(&mut stream).unwrap().unwrap();
        assert_eq!(event.full_document, Some(Monkey { _id: i }));
    }
    // Twice, also without an event in between.
    for _ in 0..2 {
        kill_cursor(&monkeys, &observed);
        assert!(F::next_event_if_any(&mut stream).unwrap().is_none());
        assert!(F::next_event_if_any(&mut stream).unwrap().is_none());
    }
    kill_cursor(&monkeys, &observed);
    insert(&monkeys, 2..5);
    for i in 2..5 {
        let event = F::try_next_event(&mut stream).unwrap().unwrap();
        assert_eq!(event.full_document, Some(Monkey { _id: i }));
    }
    let opened = observed.sent("aggregate");
    assert_eq!(opened.len(), 4);
    let lsid = |command: &Document| command.get_document("lsid").unwrap().clone();
    for again in &opened[1..] {
        let stage = again.get_array("pipeline").unwrap()[0].as_document().unwrap().clone();
        let stage = stage.get_document("$changeStream").unwrap();
        assert!(stage.contains_key("resumeAfter") && !stage.contains_key("startAtOperationTime"));
        assert_eq!(again.get_str("comment").unwrap(), "seen");
        assert_eq!(lsid(again), lsid(&opened[0]), "it stays in its session");
    }
}

fn stream_outlives_its_primary<F: Reads>() {
    let set = ReplicaSet::start(3).unwrap();
    let uri = format!("{}&w=majority", set.uri());
    let (monkeys, observed) = monkeys_of::<F>(&uri);
    let watch = monkeys.watch().max_await_time(Duration::from_millis(100));
    let mut stream = F::end(watch).unwrap();
    let mut seen = Vec::new();
    for round in 0..2 {
        insert(&monkeys, round * 10..round * 10 + 5);
        let killed = set.wait_for_primary().unwrap();
        set.kill(killed).unwrap();
        set.wait_for_primary().unwrap();
        insert(&monkeys, round * 10 + 5..round * 10 + 10);
        while seen.len() < (round as usize + 1) * 10 {
            seen.push(F::try_next_event(&mut stream).unwrap().unwrap());
        }
        set.restart(killed).unwrap();
    }
    assert_eq!(ids(&seen), (0..20).collect::<Vec<_>>(), "no event is lost or comes twice");
    assert!(observed.sent("aggregate").len() > 2, "it was resumed");
}

fn stream_refuses_events_without_a_token<F: Reads>() {
    // Servers since 4.2 refuse it.
    let (monkeys, _) = monkeys::<F>();
    let watch = monkeys.watch().pipeline([doc! { "$project": { "_id": 0 } }]);
    let mut stream = F::end(watch).unwrap();
    insert(&monkeys, 1..2);
    let error = F::try_next_event(&mut stream).unwrap_err();
    assert!(error.to_string().contains("resume"), "{error}");
    assert!(!stream.is_alive());
    assert!(F::try_next_event(&mut stream).unwrap().is_none());
}

fn error_of_the_server_ends_the_stream<F: Reads>() {
    let set = ReplicaSet::start(1).unwrap();
    let (monkeys, observed) = monkeys_of::<F>(&set.uri());
    let mut stream = F::end(monkeys.watch()).unwrap();
    let fail = doc! {
        "configureFailPoint": "failCommand", "mode": { "times": 1 },
        "data": { "failCommands": ["getMore"], "errorCode": 280, "closeConnection": false },
    };
    let held = set.fail_point(0, fail).unwrap();
    let error = F::try_next_event(&mut stream).unwrap_err();
    assert_eq!(error.code(), Some(280));
    assert!(!stream.is_alive(), "it is not resumed");
    assert!(F::try_next_event(&mut stream).unwrap().is_none());
    assert_eq!(observed.sent("aggregate").len(), 1);
    drop(held);
}

fn comment_goes_with_the_command_alone<F: Reads>() {
    let (monkeys, observed) = monkeys::<F>();
    let options = ChangeStreamOptions::builder().comment(Some("why".into())).build();
    F::end(monkeys.watch().with_options(options)).unwrap();
    let command = observed.sent("aggregate").pop().unwrap();
    assert_eq!(command.get_str("comment").unwrap(), "why");
    let stage = command.get_array("pipeline").unwrap()[0].as_document().unwrap();
    assert_eq!(*stage, doc! { "$changeStream": {} });
}

fn event_of_another_type_is_an_error_and_the_next_follows<F: Reads>() {
    let (monkeys, _) = monkeys::<F>();
    let mut stream = F::end(monkeys.watch()).unwrap();
    let plain = monkeys.clone_with_type::<Document>();
    F::end(plain.insert_one(doc! { "_id": "one" })).unwrap();
    insert(&monkeys, 2..3);
    let error = F::try_next_event(&mut stream).unwrap_err();
    assert!(error.to_string().starts_with("watch on "), "{error}");
    let event = F::try_next_event(&mut stream).unwrap().unwrap();
    assert_eq!(event.full_document, Some(Monkey { _id: 2 }));
    // The same stream, undecoded.
    let mut stream = F::end(monkeys.watch()).unwrap().with_type::<Document>();
    insert(&monkeys, 3..4);
    let event = F::try_next_event(&mut stream).unwrap().unwrap();
    assert_eq!(event.get_str("operationType").unwrap(), "insert");
}

fn dropped_stream_is_killed_on_the_server<F: Reads>() {
    let (monkeys, observed) = monkeys::<F>();
    let mut stream = F::end(monkeys.watch()).unwrap();
    insert(&monkeys, 1..2);
    F::try_next_event(&mut stream).unwrap().unwrap();
    drop(stream);
    eventually("the cursor is killed", || !observed.sent("killCursors").is_empty());
}

fn standalone_server_refuses_to_be_watched<F: Reads>() {
    let collection = F::fresh_database().collection::<Document>("c");
    let error = F::end(collection.watch()).unwrap_err();
    assert_eq!(error.code(), Some(40573), "{error}");
}

/// `replies` has the same test with a scripted server, for servers that do not split.
fn split_event_is_joined<F: Reads>() {
    let set = shared_replica_set().unwrap();
    let (monkeys, _) = monkeys::<F>();
    let split = doc! { "$changeStreamSplitLargeEvent": {} };
    // Servers since 6.0.9 support the stage.
    let Ok(mut stream) = F::end(monkeys.watch().pipeline([split])) else {
        assert!(set.version() < Version::new(6, 0, 9));
        return;
    };
    insert(&monkeys, 1..2);
    let event = F::try_next_event(&mut stream).unwrap().unwrap();
    assert_eq!(event.full_document, Some(Monkey { _id: 1 }));
    // An event of more than 16 MiB, which the server must split: it has the document before and
    // after.
    let database = monkeys.client().database(&monkeys.namespace().db);
    let images = ChangeStreamPreAndPostImages::builder().enabled(true).build();
    F::end(database.create_collection("large").change_stream_pre_and_post_images(images)).unwrap();
    let large = database.collection::<Document>("large");
    let watch = large.watch().pipeline([doc! { "$changeStreamSplitLargeEvent": {} }]);
    let watch = watch
        .full_document(FullDocumentType::Required)
        .full_document_before_change(FullDocumentBeforeChangeType::Required);
    let mut stream = F::end(watch).unwrap();
    let padding = "x".repeat(9 << 20);
    F::end(large.insert_one(doc! { "_id": 1, "padding": &padding, "n": 0 })).unwrap();
    F::end(large.update_one(doc! { "_id": 1 }, doc! { "$set": { "n": 1 } })).unwrap();
    F::end(large.insert_one(doc! { "_id": 2 })).unwrap();
    let insert = F::try_next_event(&mut stream).unwrap().unwrap();
    assert_eq!(insert.operation_type, OperationType::Insert);
    let update = F::try_next_event(&mut stream).unwrap().unwrap();
    let (before, after) =
        (update.full_document_before_change.unwrap(), update.full_document.unwrap());
    assert_eq!((before.get_i32("n").unwrap(), after.get_i32("n").unwrap()), (0, 1));
    assert_eq!(before.get_str("padding").unwrap().len(), padding.len());
    assert_eq!(after.get_str("padding").unwrap().len(), padding.len());
    let last = F::try_next_event(&mut stream).unwrap().unwrap();
    assert_eq!(last.full_document.unwrap().get_i32("_id").unwrap(), 2);
}

/// The event arrives while nobody waits for it.
#[test]
fn dropped_next_loses_no_event() {
    let (monkeys, _) = monkeys::<Async>();
    let mut stream = Async::end(monkeys.watch().max_await_time(Duration::from_millis(50))).unwrap();
    let mut seen = Vec::new();
    for id in 0..20 {
        let dropped = block_on(async {
            tokio::time::timeout(Duration::from_millis(id % 7), stream.try_next()).await
        });
        seen.extend(dropped.ok().map(|event| event.unwrap().unwrap()));
        insert(&monkeys, id as i32..id as i32 + 1);
    }
    while seen.len() < 20 {
        seen.push(Async::try_next_event(&mut stream).unwrap().unwrap());
    }
    assert_eq!(ids(&seen), (0..20).collect::<Vec<_>>());
}
