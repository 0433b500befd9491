//! Specification "Change Streams", prose tests. They run on a replica set.

use driver::bson::{Bson, Document, doc};
use driver::change_stream::{ChangeStream, ChangeStreamEvent, ResumeToken};
use driver::collection::Collection;
use driver::options::{
    ChangeStreamPreAndPostImages, FullDocumentBeforeChangeType, ReadPreference, SelectionCriteria,
    WriteConcern,
};
use testbed::{ReplicaSet, Version, eventually, shared_replica_set};

use crate::api::on_both_apis;
use crate::observed::{Observed, turn_for_faults};
use crate::reads::Reads;

on_both_apis! {
    change_streams_prose_1
    change_streams_prose_2
    change_streams_prose_3
    change_streams_prose_4
    change_streams_prose_6
    change_streams_prose_7
    change_streams_prose_8
    change_streams_prose_11
    change_streams_prose_13
    change_streams_prose_14
    change_streams_prose_17
    change_streams_prose_18
    change_streams_prose_19
}

type Event = ChangeStreamEvent<Document>;

const LABEL: &str = "ResumableChangeStreamError";

/// A collection that exists, on the shared replica set.
fn observed<F: Reads>() -> (Observed<F>, Collection<Document, F>) {
    let observed = Observed::<F>::of(&shared_replica_set().unwrap().uri());
    let coll = observed.database().collection("coll");
    F::end(coll.insert_one(doc! { "_id": -1 })).unwrap();
    observed.forget();
    (observed, coll)
}

fn insert<F: Reads>(coll: &Collection<Document, F>, ids: std::ops::Range<i32>) {
    let insert = coll.insert_many(ids.map(|id| doc! { "_id": id }));
    // Events come once a majority has them.
    F::end(insert.write_concern(WriteConcern::majority())).unwrap();
}

fn next<F: Reads>(stream: &mut ChangeStream<Event, F>) -> Event {
    F::try_next_event(stream).unwrap().unwrap()
}

/// The `$changeStream` stages that were sent.
fn stages<F: Reads>(observed: &Observed<F>) -> Vec<Document> {
    let stage = |command: &Document| {
        let first = command.get_array("pipeline").unwrap()[0].as_document().unwrap();
        first.get_document("$changeStream").unwrap().clone()
    };
    observed.sent("aggregate").iter().map(stage).collect()
}

/// The batch of a reply, and its `postBatchResumeToken`.
fn batch(reply: &Document) -> (&Vec<Bson>, Option<ResumeToken>) {
    let cursor = reply.get_document("cursor").unwrap();
    let documents = cursor.get_array("firstBatch").or(cursor.get_array("nextBatch")).unwrap();
    let token = cursor.get("postBatchResumeToken").cloned();
    (documents, token.map(|token| driver::bson::deserialize_from_bson(token).unwrap()))
}

/// The token behind the batch that came last.
fn post_batch_token<F: Reads>(observed: &Observed<F>) -> Option<ResumeToken> {
    let replied = observed.replied("getMore").pop();
    batch(&replied.unwrap_or_else(|| observed.replied("aggregate").pop().unwrap())).1
}

/// Ends the cursor of the stream on the server: its next `getMore` fails with a resumable error.
fn lose_cursor<F: Reads>(observed: &Observed<F>, coll: &Collection<Document, F>) {
    let reply = observed.replied("aggregate").pop().unwrap();
    let id = reply.get_document("cursor").unwrap().get_i64("id").unwrap();
    let kill = doc! { "killCursors": coll.name(), "cursors": [id] };
    F::end(observed.database().run_command(kill)).unwrap();
}

/// These commands of this client fail with a resumable error, once or always.
fn failing<'a, F: Reads>(
    observed: &Observed<F>,
    commands: &[&str],
    mode: impl Into<Bson>,
) -> testbed::FailPoint<'a> {
    let set = shared_replica_set().unwrap();
    let fail = doc! {
        "configureFailPoint": "failCommand", "mode": mode,
        "data": {
            "failCommands": commands.to_vec(), "errorCode": 6, "errorLabels": [LABEL],
            "closeConnection": false, "appName": &observed.name,
        },
    };
    set.fail_point(set.wait_for_primary().unwrap(), fail).unwrap()
}

/// The stream tracks the last seen token.
fn change_streams_prose_1<F: Reads>() {
    let (observed, coll) = observed::<F>();
    let mut stream = F::end(coll.watch().batch_size(2)).unwrap();
    insert(&coll, 0..6);
    for _ in 0..6 {
        let event = next(&mut stream);
        let reply = observed.replied("getMore").pop().unwrap();
        let (documents, post_batch) = batch(&reply);
        let last = documents.last().unwrap().as_document().unwrap();
        let is_last = last.get_document("fullDocument").ok() == event.full_document.as_ref();
        let expected = if is_last { post_batch } else { Some(event.id) };
        assert!(expected.is_some() && stream.resume_token() == expected);
    }
}

/// An event without a token is an error. Servers from 4.2 on refuse it themselves.
fn change_streams_prose_2<F: Reads>() {
    let (_, coll) = observed::<F>();
    let watch = coll.watch().pipeline([doc! { "$project": { "_id": 0 } }]);
    let mut stream = F::end(watch).unwrap();
    insert(&coll, 0..1);
    let error = F::try_next_event(&mut stream).unwrap_err();
    assert!(error.to_string().contains("resume"), "{error}");
}

/// The stream is resumed once, with the initial pipeline and options and a token.
fn change_streams_prose_3<F: Reads>() {
    let (observed, coll) = observed::<F>();
    let pipeline = [doc! { "$match": { "operationType": "insert" } }];
    let watch = coll.watch().pipeline(pipeline).batch_size(7).comment("initial");
    let mut stream = F::end(watch).unwrap();
    insert(&coll, 0..1);
    let token = next(&mut stream).id;
    let _turn = turn_for_faults();
    let point = failing(&observed, &["getMore"], doc! { "times": 1 });
    insert(&coll, 1..2);
    assert_eq!(next(&mut stream).full_document, Some(doc! { "_id": 1 }));
    drop(point);
    let mut sent = observed.sent("aggregate");
    assert_eq!(sent.len(), 2);
    let stage = sent[1].get_array_mut("pipeline").unwrap()[0].as_document_mut().unwrap();
    let stage = stage.get_document_mut("$changeStream").unwrap();
    let resumed = stage.remove("resumeAfter").unwrap();
    // The event was the only one of its batch, so a later token of the server may be used.
    let replies = observed.replied("getMore");
    let post_batch = replies.iter().filter_map(|reply| batch(reply).1);
    let known: Vec<ResumeToken> = post_batch.chain([token]).collect();
    assert!(known.contains(&driver::bson::deserialize_from_bson(resumed).unwrap()));
    for command in &mut sent {
        command.remove("$clusterTime");
    }
    assert_eq!(sent[0], sent[1]);
}

/// An error of `aggregate` is given to the caller.
fn change_streams_prose_4<F: Reads>() {
    let uri = shared_replica_set().unwrap().uri();
    let observed = Observed::<F>::with(&uri, |options| options.retry_reads = Some(false));
    let coll = observed.database().collection::<Document>("coll");
    let _turn = turn_for_faults();
    let point = failing(&observed, &["aggregate"], doc! { "times": 1 });
    let error = F::end(coll.watch()).unwrap_err();
    drop(point);
    assert_eq!((error.code(), observed.sent("aggregate").len()), (Some(6), 1));
}

/// The server is selected again, by the initial read preference.
fn change_streams_prose_6<F: Reads>() {
    let set = ReplicaSet::start(3).unwrap();
    let observed = Observed::<F>::of(&format!("{}&w=majority", set.uri()));
    let coll = observed.database().collection::<Document>("coll");
    insert(&coll, 0..1);
    let secondary = SelectionCriteria::from(ReadPreference::secondary(None));
    let mut stream = F::end(coll.watch().selection_criteria(secondary)).unwrap();
    insert(&coll, 1..2);
    // A secondary that lags begins before the first document.
    while next(&mut stream).full_document != Some(doc! { "_id": 1 }) {}
    let first = observed.started("aggregate").pop().unwrap().connection.address.to_string();
    let index = |host: &str| (0..3).find(|i| set.host(*i).unwrap() == host).unwrap();
    set.kill(index(&first)).unwrap();
    insert(&coll, 2..3);
    assert_eq!(next(&mut stream).full_document, Some(doc! { "_id": 2 }));
    let second = observed.started("aggregate").pop().unwrap();
    let primary = set.host(set.wait_for_primary().unwrap()).unwrap();
    let second_address = second.connection.address.to_string();
    assert!(second_address != first && second_address != primary, "{second_address}");
    let preference = second.command.get_document("$readPreference").unwrap();
    assert_eq!(preference, &doc! { "mode": "secondary" });
}

/// A cursor with an empty first batch stays open.
fn change_streams_prose_7<F: Reads>() {
    let (observed, coll) = observed::<F>();
    let mut stream = F::end(coll.watch()).unwrap();
    let reply = observed.replied("aggregate").pop().unwrap();
    assert!(batch(&reply).0.is_empty());
    assert_ne!(reply.get_document("cursor").unwrap().get_i64("id").unwrap(), 0);
    assert!(stream.is_alive());
    insert(&coll, 0..1);
    next(&mut stream);
    assert!(observed.sent("killCursors").is_empty());
    assert_eq!(observed.sent("aggregate").len(), 1);
}

/// A failing `killCursors` does not disturb the resumption.
fn change_streams_prose_8<F: Reads>() {
    let (observed, coll) = observed::<F>();
    let mut stream = F::end(coll.watch()).unwrap();
    insert(&coll, 0..1);
    next(&mut stream);
    let _turn = turn_for_faults();
    insert(&coll, 1..2);
    // The event is in the first batch of the new cursor.
    let point = failing(&observed, &["getMore", "killCursors"], "alwaysOn");
    assert_eq!(next(&mut stream).full_document, Some(doc! { "_id": 1 }));
    eventually("the lost cursor is killed", || !observed.sent("killCursors").is_empty());
    drop(point);
}

/// The token behind a batch that is empty, or was given to its end.
fn change_streams_prose_11<F: Reads>() {
    let (observed, coll) = observed::<F>();
    let mut stream = F::end(coll.watch()).unwrap();
    assert!(stream.resume_token().is_some());
    assert_eq!(stream.resume_token(), post_batch_token(&observed));
    assert!(F::next_event_if_any(&mut stream).unwrap().is_none());
    assert_eq!(stream.resume_token(), post_batch_token(&observed));
    insert(&coll, 0..2);
    next(&mut stream);
    next(&mut stream);
    assert_eq!(stream.resume_token(), post_batch_token(&observed));
}

/// The token within a batch.
fn change_streams_prose_13<F: Reads>() {
    let (observed, coll) = observed::<F>();
    let first = F::end(coll.watch()).unwrap();
    insert(&coll, 0..3);
    // The first batch of this stream has all events.
    let resumed = coll.watch().resume_after(first.resume_token());
    let mut stream = F::end(resumed).unwrap();
    let reply = observed.replied("aggregate").pop().unwrap();
    assert_eq!(batch(&reply).0.len(), 3);
    for _ in 0..2 {
        let event = next(&mut stream);
        assert_eq!(stream.resume_token(), Some(event.id));
    }
    assert!(observed.sent("getMore").is_empty());
}

/// The token before the first event of a first batch.
fn change_streams_prose_14<F: Reads>() {
    let (observed, coll) = observed::<F>();
    let mut first = F::end(coll.watch()).unwrap();
    insert(&coll, 0..3);
    let event = next(&mut first);
    let token = Some(event.id);
    let is_not_empty = || !batch(&observed.replied("aggregate").pop().unwrap()).0.is_empty();
    let started = F::end(coll.watch().start_after(token.clone())).unwrap();
    assert!(is_not_empty() && started.resume_token() == token);
    let resumed = F::end(coll.watch().resume_after(token.clone())).unwrap();
    assert!(is_not_empty() && resumed.resume_token() == token);
    let at = coll.watch().start_at_operation_time(event.cluster_time.unwrap());
    let neither = F::end(at).unwrap();
    assert!(is_not_empty() && neither.resume_token().is_none());
}

/// A stream that was started with `startAfter` and has received nothing.
fn change_streams_prose_17<F: Reads>() {
    let (observed, coll) = observed::<F>();
    let token = F::end(coll.watch()).unwrap().resume_token();
    let mut stream = F::end(coll.watch().start_after(token)).unwrap();
    lose_cursor(&observed, &coll);
    insert(&coll, 0..1);
    next(&mut stream);
    let stages = stages(&observed);
    assert_eq!(stages.len(), 3);
    assert!(stages[2].contains_key("startAfter") && !stages[2].contains_key("resumeAfter"));
}

/// A stream that was started with `startAfter` and has received an event.
fn change_streams_prose_18<F: Reads>() {
    let (observed, coll) = observed::<F>();
    let token = F::end(coll.watch()).unwrap().resume_token();
    let mut stream = F::end(coll.watch().start_after(token)).unwrap();
    insert(&coll, 0..1);
    next(&mut stream);
    lose_cursor(&observed, &coll);
    insert(&coll, 1..2);
    next(&mut stream);
    let stages = stages(&observed);
    assert_eq!(stages.len(), 3);
    assert!(stages[2].contains_key("resumeAfter") && !stages[2].contains_key("startAfter"));
}

/// Large events are split. The stream puts the fragments together, so that they are seen in the
/// replies of the server only.
fn change_streams_prose_19<F: Reads>() {
    if shared_replica_set().unwrap().version() < Version::new(6, 0, 9) {
        return;
    }
    let (observed, coll) = observed::<F>();
    let images = ChangeStreamPreAndPostImages::builder().enabled(true).build();
    let database = coll.client().database(&observed.name);
    let create = database.create_collection("large");
    F::end(create.change_stream_pre_and_post_images(images)).unwrap();
    let large = database.collection::<Document>("large");
    let text = |letter: &str| letter.repeat(10 << 20);
    F::end(large.insert_one(doc! { "value": text("q") })).unwrap();
    let watch = large.watch().pipeline([doc! { "$changeStreamSplitLargeEvent": {} }]);
    let required = FullDocumentBeforeChangeType::Required;
    let mut stream = F::end(watch.full_document_before_change(required)).unwrap();
    let set = doc! { "$set": { "value": text("z") } };
    F::end(large.update_one(doc! {}, set)).unwrap();
    let event = next(&mut stream);
    let replies = observed.replied("getMore");
    let documents = replies.iter().flat_map(|reply| batch(reply).0);
    let split = documents.map(|event| event.as_document().unwrap().get("splitEvent").unwrap());
    let fragment = |n: i32| Bson::from(doc! { "fragment": n, "of": 2 });
    assert_eq!(split.cloned().collect::<Vec<_>>(), [fragment(1), fragment(2)]);
    let before = event.full_document_before_change.unwrap();
    assert_eq!(before.get_str("value").unwrap(), text("q"));
    let updated = event.update_description.unwrap().updated_fields;
    assert_eq!(updated.get_str("value").unwrap(), text("z"));
}
