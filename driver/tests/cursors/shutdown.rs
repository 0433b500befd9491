//! Cursors and requests of a client that is shut down.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use driver::bson::{Document, doc};
use driver::error::ErrorKind;
use driver::event::EventHandler;
use driver::event::cmap::CmapEvent;
use driver::{Client, sync};

use crate::*;

fn is_shutdown(error: &driver::Error) -> bool {
    matches!(error.kind(), ErrorKind::Shutdown)
}

#[tokio::test]
async fn cursor_of_a_request_ends_with_the_client() {
    let client = Client::with_options(options(server())).unwrap();
    let request = client.start_request();
    let coll = request.database(&name()).collection::<Document>("c");
    coll.insert_many((0..6).map(|i| doc! { "_id": i })).await.unwrap();
    let mut cursor = coll.find(doc! {}).batch_size(2).await.unwrap();
    client.shutdown().await;
    assert!(cursor.advance().await.unwrap() && cursor.advance().await.unwrap());
    let error = cursor.advance().await.unwrap_err();
    assert!(is_shutdown(&error), "{error}");
    assert!(!cursor.has_next());
}

#[test]
fn blocking_cursor_of_a_request_ends_with_the_client() {
    let client = sync::Client::with_options(options(server())).unwrap();
    let coll = client.database(&name()).collection::<Document>("c");
    let _request = client.start_request();
    coll.insert_many((0..6).map(|i| doc! { "_id": i })).run().unwrap();
    let mut cursor = coll.find(doc! {}).batch_size(2).run().unwrap();
    client.clone().shutdown().run();
    assert!(cursor.advance().unwrap() && cursor.advance().unwrap());
    let error = cursor.advance().unwrap_err();
    assert!(is_shutdown(&error), "{error}");
    assert!(!cursor.has_next());
}

/// Its command is in flight when the client is shut down. The request still exists.
#[tokio::test]
async fn connection_that_returns_after_shutdown_is_closed() {
    let _faults = FAULTS.acquire().await;
    let closed = Arc::new(AtomicU32::new(0));
    let mut options = one_connection();
    let counter = closed.clone();
    options.cmap_event_handler = Some(EventHandler::callback(move |event| {
        if let CmapEvent::ConnectionClosed(_) = event {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }));
    let client = Client::with_options(options).unwrap();
    let request = client.start_request();
    let coll = request.database(&name()).collection::<Document>("c");
    coll.insert_one(doc! { "_id": 1 }).await.unwrap();
    let held = server()
        .fail_point(doc! {
            "configureFailPoint": "waitInFindBeforeMakingBatch", "mode": "alwaysOn",
            "data": { "nss": coll.namespace().to_string() },
        })
        .unwrap();
    let held = tokio::task::spawn_blocking(move || held.wait_entered(1).map(|()| held));
    let under_way = tokio::spawn({
        let coll = coll.clone();
        async move { coll.find_one(doc! {}).await }
    });
    let held = held.await.unwrap().unwrap();
    client.shutdown().await;
    assert_eq!(closed.load(Ordering::Relaxed), 0);
    held.disable().unwrap();
    assert_eq!(in_time(under_way).await.unwrap().unwrap(), Some(doc! { "_id": 1 }));
    assert_eq!(closed.load(Ordering::Relaxed), 1);
    drop(request);
}
