//! Exhaust cursors: the server sends batches without requests.

use std::collections::HashSet;
use std::time::Duration;

use driver::bson::{Document, doc};
use driver::client::Client;
use driver::collection::Collection;
use driver::error::Error;
use driver::event::command::CommandStartedEvent;
use driver::ops::Find;
use driver::options::CursorType;
use driver::{Async, Blocking};
use testbed::{Direction, Fault, Proxy, Standalone, eventually, shared_replica_set};

use crate::api::{Api, on_both_apis};
use crate::observed::Observed;
use crate::reads::Reads;

on_both_apis! {
    exhaust_cursor_asks_once_and_gives_all_documents
    exhaust_cursor_keeps_its_connection_until_the_end
    dropped_exhaust_cursor_closes_its_connection
    exhaust_cursor_of_a_session_asks_for_each_batch
    exhaust_cursor_fails_with_its_connection
    exhaust_cursor_keeps_to_its_timeout
}

const COUNT: i32 = 1000;

fn filled<F: Api>(observed: &Observed<F>) -> Collection<Document, F> {
    let collection = observed.database().collection("numbers");
    let document = |i| doc! { "_id": i, "padding": "x".repeat(1000) };
    F::end(collection.insert_many((0..COUNT).map(document))).unwrap();
    collection
}

fn ids(documents: &[Document]) -> Vec<i32> {
    documents.iter().map(|document| document.get_i32("_id").unwrap()).collect()
}

/// The numbers of requests and of connections of the started `getMore` commands.
fn requests_and_connections<F: Api>(observed: &Observed<F>) -> (usize, usize) {
    let started: Vec<CommandStartedEvent> = observed.started("getMore");
    let requests: HashSet<_> = started.iter().map(|event| event.request_id).collect();
    let connections: HashSet<_> = started.iter().map(|event| event.connection.id).collect();
    (requests.len(), connections.len())
}

fn exhaust_cursor_asks_once_and_gives_all_documents<F: Reads>() {
    let observed = Observed::<F>::of(&shared_replica_set().unwrap().uri());
    let collection = filled(&observed);
    let find = || collection.find(doc! {}).sort(doc! { "_id": 1 }).batch_size(100);
    let all = F::collect(F::end(find().cursor_type(CursorType::Exhaust)).unwrap()).unwrap();
    assert_eq!(ids(&all), (0..COUNT).collect::<Vec<_>>());
    // Each batch has its events, though only one request was sent.
    assert_eq!(observed.sent("getMore").len(), 10);
    assert_eq!(requests_and_connections(&observed), (1, 1));
    observed.forget();
    let find = find().cursor_type(CursorType::Exhaust).limit(250).prefetch(true);
    let some = F::collect(F::end(find).unwrap()).unwrap();
    assert_eq!(ids(&some), (0..250).collect::<Vec<_>>());
    assert_eq!(requests_and_connections(&observed).0, 1);
    observed.forget();
    let command = doc! { "find": "numbers", "batchSize": 100 };
    let database = observed.database();
    let command = database.run_cursor_command(command).cursor_type(CursorType::Exhaust);
    assert_eq!(F::collect(F::end(command.batch_size(300)).unwrap()).unwrap().len(), COUNT as usize);
    assert_eq!(requests_and_connections(&observed).0, 1);
    eventually("the connection is idle", || observed.client.pool_metrics()[0].in_use == 0);
    assert_eq!(observed.connections().1, 0);
}

fn exhaust_cursor_keeps_its_connection_until_the_end<F: Reads>() {
    let observed = Observed::<F>::of(&shared_replica_set().unwrap().uri());
    let collection = filled(&observed);
    let find = collection.find(doc! {}).batch_size(10).cursor_type(CursorType::Exhaust);
    let mut cursor = F::end(find).unwrap();
    let mut seen = 0;
    while F::next_of(&mut cursor).transpose().unwrap().is_some() {
        seen += 1;
        if seen % 100 == 0 && seen < COUNT {
            let in_use: u32 = observed.client.pool_metrics().iter().map(|pool| pool.in_use).sum();
            assert_eq!(in_use, 1, "after {seen} documents");
            assert_eq!(F::end(collection.count_documents(doc! {})).unwrap(), COUNT as u64);
        }
    }
    assert_eq!(seen, COUNT);
    assert!(observed.client.pool_metrics().iter().all(|pool| pool.in_use == 0));
}

fn dropped_exhaust_cursor_closes_its_connection<F: Reads>() {
    let server = Standalone::start().unwrap();
    let observed = Observed::<F>::with(&server.uri(), |options| options.max_pool_size = Some(1));
    let collection = filled(&observed);
    let find = || collection.find(doc! {}).batch_size(10).cursor_type(CursorType::Exhaust);
    for closed in 1..=3 {
        let mut cursor = F::end(find()).unwrap();
        for _ in 0..15 {
            F::next_of(&mut cursor).unwrap().unwrap();
        }
        drop(cursor);
        // The only place in the pool is free again.
        assert_eq!(F::end(collection.count_documents(doc! {})).unwrap(), COUNT as u64);
        eventually("no cursor is open", || observed.open_cursors() == 0);
        assert_eq!(observed.connections(), (closed + 1, closed));
    }
}

fn exhaust_cursor_of_a_session_asks_for_each_batch<F: Reads>() {
    let observed = Observed::<F>::of(&shared_replica_set().unwrap().uri());
    let collection = filled(&observed);
    let mut session = F::session(&collection);
    let find = collection.find(doc! {}).batch_size(100).cursor_type(CursorType::Exhaust);
    let cursor = F::end(find.session(&mut session)).unwrap();
    let all: Vec<Document> = F::try_collect_in(cursor, &mut session).unwrap();
    assert_eq!(all.len(), COUNT as usize);
    assert_eq!(requests_and_connections(&observed).0, 10);
}

/// The operations of a request continue on its connection while the cursor is read.
fn check_request<F: Reads>(observed: &Observed<F>, client: &Client<F>) {
    let collection = client.database(&observed.name).collection::<Document>("numbers");
    let find = collection.find(doc! {}).batch_size(100).cursor_type(CursorType::Exhaust);
    let mut cursor = F::end(find).unwrap();
    let mut seen = 0;
    while F::next_of(&mut cursor).transpose().unwrap().is_some() {
        seen += 1;
        if seen % 100 == 50 {
            assert_eq!(F::end(collection.count_documents(doc! {})).unwrap(), COUNT as u64);
        }
    }
    assert_eq!(requests_and_connections(observed), (10, 1));
}

#[test]
fn exhaust_cursor_in_a_request_asks_for_each_batch() {
    let observed = Observed::<Async>::of(&shared_replica_set().unwrap().uri());
    filled(&observed);
    let request = observed.client.start_request();
    check_request(&observed, request.client());
}

#[test]
fn blocking_exhaust_cursor_in_a_request_asks_for_each_batch() {
    let observed = Observed::<Blocking>::of(&shared_replica_set().unwrap().uri());
    filled(&observed);
    let _request = observed.client.start_request();
    check_request(&observed, &observed.client);
}

/// The bytes of about half of the documents of [`filled`]. A fault at this byte is set before the
/// first batch: the sockets could hold all of the others by the time the test sets it.
const HALF: u64 = 500_000;

/// Reads until the cursor fails in the middle of the stream of batches.
fn error_at_half<F: Reads>(proxy: &Proxy, fault: Fault, find: Find<'_, Document, F>) -> Error {
    proxy.set(Direction::ToClient, fault);
    let mut cursor = F::end(find.batch_size(10).cursor_type(CursorType::Exhaust)).unwrap();
    let mut seen = 0;
    let error = loop {
        match F::next_of(&mut cursor).expect("the cursor must fail before its end") {
            Ok(_) => seen += 1,
            Err(error) => break error,
        }
    };
    assert!((11..COUNT).contains(&seen), "{seen} documents, then {error}");
    assert!(F::next_of(&mut cursor).is_none());
    proxy.clear();
    error
}

fn exhaust_cursor_fails_with_its_connection<F: Reads>() {
    let server = Standalone::start().unwrap();
    let proxy = Proxy::start(&server.host()).unwrap();
    let observed =
        Observed::<F>::with(&proxy.uri(), |options| options.direct_connection = Some(true));
    let collection = filled(&observed);
    let error = error_at_half(&proxy, Fault::CutAfter(HALF), collection.find(doc! {}));
    assert!(error.is_network(), "{error}");
    assert_eq!(F::end(collection.count_documents(doc! {})).unwrap(), COUNT as u64);
    eventually("no cursor is open", || observed.open_cursors() == 0);
}

fn exhaust_cursor_keeps_to_its_timeout<F: Reads>() {
    let server = Standalone::start().unwrap();
    let proxy = Proxy::start(&server.host()).unwrap();
    let observed =
        Observed::<F>::with(&proxy.uri(), |options| options.direct_connection = Some(true));
    let collection = filled(&observed);
    let find = collection.find(doc! {}).timeout(Duration::from_secs(5));
    let error = error_at_half(&proxy, Fault::BlackHoleAfter(HALF), find);
    assert!(error.is_timeout(), "{error}");
}
