//! Dropped steps and late replies.

use std::time::Duration;

use driver::bson::{Document, doc};
use driver::{Client, Collection};
use testbed::{FailPoint, eventually};

use crate::{
    FAULTS, LONGER_THAN_UNPOLLED, Step, capped, in_time, name, next, one_connection, options,
    server, tail,
};

/// Writes in turn with a waiting tailable cursor, and reads all documents.
async fn write_and_tail(log: &Collection<Document>, step: Step) {
    const WRITES: i32 = 10;
    let mut cursor = tail(log, Duration::from_millis(200)).await;
    let mut seen = Vec::new();
    for i in 0..WRITES {
        // Drops a step that has begun, or stops polling the stream.
        let begun = tokio::time::timeout(Duration::from_millis(20), next(&mut cursor, step)).await;
        seen.extend(begun.ok());
        in_time(log.insert_one(doc! { "_id": i })).await.unwrap();
    }
    while seen.len() < WRITES as usize {
        seen.push(in_time(next(&mut cursor, step)).await);
    }
    assert_eq!(seen, (0..WRITES).collect::<Vec<_>>());
}

#[tokio::test]
async fn dropped_step_frees_the_only_connection() {
    for step in [Step::Advance, Step::Stream] {
        let client = Client::with_options(one_connection()).unwrap();
        write_and_tail(&capped(&client).await, step).await;
    }
}

#[tokio::test]
async fn dropped_step_frees_the_connection_of_its_request() {
    for step in [Step::Advance, Step::Stream] {
        let client = Client::with_options(options(server())).unwrap();
        let request = client.start_request();
        write_and_tail(&capped(request.client()).await, step).await;
    }
}

/// Holds each `getMore` on the collection until the fail point is disabled.
fn hold_get_more(coll: &Collection<Document>) -> FailPoint<'static> {
    let hold = doc! {
        "configureFailPoint": "waitAfterPinningCursorBeforeGetMoreBatch", "mode": "alwaysOn",
        "data": { "nss": coll.namespace().to_string(), "shouldCheckForInterrupt": true },
    };
    server().fail_point(hold).unwrap()
}

#[tokio::test]
async fn late_reply_ends_an_unpolled_cursor_with_an_error() {
    let _faults = FAULTS.acquire().await;
    let client = Client::with_options(one_connection()).unwrap();
    let coll = client.database(&name()).collection::<Document>("c");
    coll.insert_many((0..6).map(|i| doc! { "_id": i })).await.unwrap();
    let mut cursor = coll.find(doc! {}).batch_size(2).await.unwrap();
    assert!(cursor.advance().await.unwrap() && cursor.advance().await.unwrap());
    let held = hold_get_more(&coll);
    assert!(tokio::time::timeout(Duration::from_millis(50), cursor.advance()).await.is_err());
    // The reply does not arrive, but the pool still gets its connection or its slot back.
    in_time(coll.insert_one(doc! { "_id": 6 })).await.unwrap();
    held.disable().unwrap();
    let error = in_time(cursor.advance()).await.unwrap_err();
    assert!(error.to_string().contains("documents may be missing"), "{error}");
    assert!(!cursor.has_next() && !cursor.advance().await.unwrap());
}

/// Whether the server runs a `getMore` of this database.
fn runs_get_more(database: &str) -> bool {
    let query =
        doc! { "currentOp": 1, "command.getMore": { "$exists": true }, "command.$db": database };
    !server().admin(query).unwrap().get_array("inprog").unwrap().is_empty()
}

/// A caller that polls the cursor is waiting, so the driver waits for the reply.
#[tokio::test]
async fn late_reply_is_waited_for_while_the_cursor_is_polled() {
    let _faults = FAULTS.acquire().await;
    let client = Client::with_options(options(server())).unwrap();
    let coll = client.database(&name()).collection::<Document>("c");
    coll.insert_many((0..4).map(|i| doc! { "_id": i })).await.unwrap();
    let mut cursor = coll.find(doc! {}).batch_size(2).await.unwrap();
    let held = hold_get_more(&coll);
    let database = coll.namespace().db;
    let release = tokio::task::spawn_blocking(move || {
        eventually("the server runs the getMore", || runs_get_more(&database));
        // The time itself is tested, so nothing else can be waited for.
        std::thread::sleep(LONGER_THAN_UNPOLLED);
        held.disable().unwrap();
    });
    let mut count = 0;
    while in_time(cursor.advance()).await.unwrap() {
        count += 1;
    }
    assert_eq!(count, 4);
    release.await.unwrap();
}
