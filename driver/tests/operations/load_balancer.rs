//! Cursors behind a load balancer, which are pinned to their connections.

use driver::Async;
use driver::bson::{Document, doc};
use driver::collection::Collection;
use testbed::{Router, eventually, settles, shared_replica_set};

use crate::api::{Api, on_both_apis};
use crate::observed::Observed;

on_both_apis! {
    dropped_cursor_is_killed_although_it_fills_the_pool
    cursor_whose_connection_was_closed_ends
}

fn router() -> Router {
    let set = shared_replica_set().unwrap();
    Router::load_balancer(&[&set.host(set.wait_for_primary().unwrap()).unwrap()]).unwrap()
}

fn filled<F: Api>(observed: &Observed<F>) -> Collection<Document, F> {
    let collection = observed.database().collection("numbers");
    F::end(collection.insert_many((0..10).map(|i| doc! { "_id": i }))).unwrap();
    collection
}

/// The command that ends it needs no place in the bounded wait queue.
fn dropped_cursor_is_killed_although_it_fills_the_pool<F: Api>() {
    let router = router();
    let uri = format!("{}&maxPoolSize=1&waitQueueMultiple=1", router.uri());
    let observed = Observed::<F>::of(&uri);
    let collection = filled(&observed);
    let mut cursor = F::end(collection.find(doc! {}).batch_size(2)).unwrap();
    assert!(F::next(&mut cursor).is_some());
    drop(cursor);
    eventually("it is killed", || observed.sent("killCursors").len() == 1);
    assert_eq!(F::end(collection.count_documents(doc! {})).unwrap(), 10);
    settles(|| observed.connections(), (1, 0));
}

fn cursor_whose_connection_was_closed_ends<F: Api>() {
    let router = router();
    let observed = Observed::<F>::of(&router.uri());
    let collection = filled(&observed);
    let mut cursor = F::end(collection.find(doc! {}).batch_size(2)).unwrap();
    for _ in 0..2 {
        F::next(&mut cursor).unwrap().unwrap();
    }
    router.proxy().cut();
    let error = F::next(&mut cursor).unwrap().unwrap_err();
    assert!(error.is_network(), "{error:?}");
    assert!(observed.sent("getMore").is_empty(), "the loss is known before the command is sent");
    assert!(!cursor.has_next() && F::next(&mut cursor).is_none());
    // The cursor keeps its place in the pool.
    settles(|| observed.connections(), (1, 0));
    assert_eq!(F::end(collection.count_documents(doc! {})).unwrap(), 10);
    drop(cursor);
    eventually("its connection is given up", || observed.connections() == (2, 1));
    assert!(observed.sent("killCursors").is_empty());
}

/// The request goes on with another connection, which may lead to another server.
#[test]
fn cursor_of_a_request_stays_with_its_connection() {
    let router = router();
    let observed = Observed::<Async>::of(&router.uri());
    let request = observed.client.start_request();
    filled(&observed);
    let collection = request.database(&observed.name).collection::<Document>("numbers");
    let mut lost = Async::end(collection.find(doc! {}).batch_size(2)).unwrap();
    for _ in 0..2 {
        Async::next(&mut lost).unwrap().unwrap();
    }
    router.proxy().cut();
    assert_eq!(Async::end(collection.count_documents(doc! {})).unwrap(), 10);
    let mut kept = Async::end(collection.find(doc! {}).batch_size(2)).unwrap();
    let error = Async::next(&mut lost).unwrap().unwrap_err();
    assert!(error.is_network(), "{error:?}");
    assert!(observed.sent("getMore").is_empty(), "the loss is known before the command is sent");
    drop(lost);
    for _ in 0..10 {
        Async::next(&mut kept).unwrap().unwrap();
    }
    assert!(Async::next(&mut kept).is_none());
    assert!(observed.sent("killCursors").is_empty());
}
