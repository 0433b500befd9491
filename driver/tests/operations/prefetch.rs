//! Cursors that prefetch batches.

use std::sync::Arc;
use std::time::Duration;

use driver::bson::{Document, doc};
use driver::collection::Collection;
use driver::ops::Operation;
use driver::{Async, Blocking};
use testbed::{Direction, Fault, Proxy, Standalone, eventually, settles, shared_standalone};

use crate::api::{Api, block_on, on_both_apis};
use crate::observed::{Observed, check_nothing_stays, held_once, turn_for_faults};
use crate::reads::Reads;

on_both_apis! {
    prefetching_cursor_asks_before_its_batch_is_read
    prefetching_cursor_gives_all_documents_in_order
    prefetching_cursor_of_a_session_stays_in_it
    failed_prefetch_is_the_error_of_a_later_step
    dropped_prefetching_cursor_leaves_nothing
}

fn filled<F: Api>(observed: &Observed<F>, count: i32) -> Collection<Document, F> {
    let collection = observed.database().collection("numbers");
    F::end(collection.insert_many((0..count).map(|i| doc! { "_id": i }))).unwrap();
    collection
}

fn ids(documents: &[Document]) -> Vec<i32> {
    documents.iter().map(|document| document.get_i32("_id").unwrap()).collect()
}

fn prefetching_cursor_asks_before_its_batch_is_read<F: Reads>() {
    let observed = Observed::<F>::of(shared_standalone().unwrap().uri().as_str());
    let collection = filled(&observed, 20);
    let find = || collection.find(doc! {}).sort(doc! { "_id": 1 }).batch_size(4);
    let mut plain = F::end(find()).unwrap();
    assert!(F::next_of(&mut plain).is_some());
    assert!(observed.sent("getMore").is_empty());
    let mut cursor = F::end(find().prefetch(true)).unwrap();
    eventually("the second batch is asked for", || observed.sent("getMore").len() == 1);
    // The third batch is requested when the second is taken.
    for i in 0..5 {
        assert_eq!(F::next_of(&mut cursor).unwrap().unwrap(), doc! { "_id": i });
    }
    eventually("the third batch is asked for", || observed.sent("getMore").len() == 2);
    // At most one batch is prefetched.
    for i in 5..8 {
        assert_eq!(F::next_of(&mut cursor).unwrap().unwrap(), doc! { "_id": i });
    }
    assert_eq!(observed.sent("getMore").len(), 2);
}

fn prefetching_cursor_gives_all_documents_in_order<F: Reads>() {
    let observed = Observed::<F>::of(shared_standalone().unwrap().uri().as_str());
    let collection = filled(&observed, 100);
    let find = || collection.find(doc! {}).sort(doc! { "_id": 1 }).batch_size(7).prefetch(true);
    let all = F::collect(F::end(find()).unwrap()).unwrap();
    assert_eq!(ids(&all), (0..100).collect::<Vec<_>>());
    let some = F::collect(F::end(find().limit(30)).unwrap()).unwrap();
    assert_eq!(ids(&some), (0..30).collect::<Vec<_>>());
    let mut batches = F::end(find().batch()).unwrap();
    let mut count = 0;
    while let Some(batch) = F::try_next_batch(&mut batches).unwrap() {
        count += batch.doc_slices().unwrap().into_iter().count();
    }
    assert_eq!(count, 100);
    let aggregate = collection.aggregate([doc! { "$sort": { "_id": 1 } }]).batch_size(9);
    let all = F::collect(F::end(aggregate.prefetch(true)).unwrap()).unwrap();
    assert_eq!(ids(&all), (0..100).collect::<Vec<_>>());
}

fn prefetching_cursor_of_a_session_stays_in_it<F: Reads>() {
    let observed = Observed::<F>::of(shared_standalone().unwrap().uri().as_str());
    let collection = filled(&observed, 30);
    let mut session = F::session(&collection);
    let find = collection.find(doc! {}).batch_size(7).prefetch(true).session(&mut session);
    let cursor = F::end(find).unwrap();
    let all: Vec<Document> = F::try_collect_in(cursor, &mut session).unwrap();
    assert_eq!(all.len(), 30);
    let sent = [observed.sent("find"), observed.sent("getMore")].concat();
    assert!(sent.len() > 4);
    for command in sent {
        assert_eq!(command.get_document("lsid").unwrap(), session.id());
    }
}

fn failed_prefetch_is_the_error_of_a_later_step<F: Reads>() {
    let server = shared_standalone().unwrap();
    let observed = Observed::<F>::of(&server.uri());
    let collection = filled(&observed, 20);
    let _turn = turn_for_faults();
    let fail = doc! {
        "configureFailPoint": "failCommand", "mode": { "times": 1 },
        "data": { "failCommands": ["getMore"], "errorCode": 8, "appName": &observed.name },
    };
    let _fail = server.fail_point(fail).unwrap();
    let mut cursor = F::end(collection.find(doc! {}).batch_size(4).prefetch(true)).unwrap();
    // Received documents come before the error.
    for i in 0..4 {
        assert_eq!(F::next_of(&mut cursor).unwrap().unwrap(), doc! { "_id": i });
    }
    let error = F::next_of(&mut cursor).unwrap().unwrap_err();
    assert_eq!(error.code(), Some(8), "{error}");
    assert!(F::next_of(&mut cursor).is_none());
}

fn dropped_prefetching_cursor_leaves_nothing<F: Reads>() {
    let server = Standalone::start().unwrap();
    let observed = Observed::<F>::with(&server.uri(), |options| options.max_pool_size = Some(1));
    let collection = filled(&observed, 20);
    let _held = server.fail_point(held_once(&observed.name, "getMore", 200)).unwrap();
    let cursor = F::end(collection.find(doc! {}).batch_size(4).prefetch(true)).unwrap();
    eventually("a batch is on its way", || !observed.sent("getMore").is_empty());
    drop(cursor);
    eventually("no cursor is open", || observed.open_cursors() == 0);
    assert_eq!(F::end(collection.count_documents(doc! {})).unwrap(), 20);
    settles(|| observed.connections(), (1, 0));
}

/// A task that is spawned by the reader may start only when the reader gives up its thread.
#[test]
fn prefetch_is_sent_before_a_busy_reader_waits() {
    let observed = Arc::new(Observed::<Async>::of(shared_standalone().unwrap().uri().as_str()));
    let collection = filled(&observed, 20);
    let reader = async move {
        let mut cursor = collection.find(doc! {}).batch_size(4).prefetch(true).await.unwrap();
        assert_eq!(observed.sent("getMore").len(), 1);
        // The third batch is requested when the second is taken.
        for _ in 0..5 {
            assert!(cursor.advance().await.unwrap());
        }
        assert_eq!(observed.sent("getMore").len(), 2);
    };
    block_on(async { tokio::spawn(reader).await }).unwrap();
}

/// In a request of the thread the cursor fetches in place.
#[test]
fn prefetching_cursor_in_a_request_leaves_it_open() {
    let observed = Observed::<Blocking>::of(&shared_standalone().unwrap().uri());
    let collection = filled(&observed, 20);
    let request = observed.client.start_request();
    let cursor = Blocking::end(collection.find(doc! {}).batch_size(4).prefetch(true)).unwrap();
    assert_eq!(Blocking::collect(cursor).unwrap().len(), 20);
    assert!(observed.sent("getMore").len() > 3);
    assert!(observed.client.in_request());
    assert_eq!(observed.client.pool_metrics()[0].in_use, 1, "the request has its connection");
    drop(request);
    assert_eq!(observed.client.pool_metrics()[0].in_use, 0);
}

#[test]
fn dropped_step_of_a_prefetching_cursor_loses_no_document() {
    let server = Standalone::start().unwrap();
    let proxy = Proxy::start(&server.host()).unwrap();
    let observed = Observed::<Async>::with(&proxy.uri(), |options| {
        options.max_pool_size = Some(1);
        options.direct_connection = Some(true);
    });
    let collection = filled(&observed, 200);
    proxy.set(Direction::ToClient, Fault::Delay(Duration::from_millis(20)));
    let mut cursor =
        block_on(collection.find(doc! {}).batch_size(10).prefetch(true).perform()).unwrap();
    let (mut seen, mut dropped) = (Vec::new(), 0);
    loop {
        let step = block_on(async {
            tokio::time::timeout(Duration::from_millis(3), cursor.try_next()).await
        });
        match step {
            Ok(next) => match next.unwrap() {
                Some(document) => seen.push(document.get_i32("_id").unwrap()),
                None => break,
            },
            Err(_) => dropped += 1,
        }
    }
    assert_eq!(seen, (0..200).collect::<Vec<_>>());
    assert!(dropped > 0);
    check_nothing_stays(&observed);
}
