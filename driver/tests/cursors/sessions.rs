//! Cursors within a session.

use std::time::Duration;

use driver::bson::{Document, doc};
use driver::options::CursorType;
use driver::{Client, SessionCursor};
use futures_util::StreamExt;

use crate::*;

/// A cursor at the current end of the collection, in `session`.
async fn tail_in(
    log: &Collection<Document>,
    session: &mut driver::ClientSession,
) -> SessionCursor<Document> {
    let tail = log.find(doc! {}).cursor_type(CursorType::TailableAwait);
    let mut cursor = tail.max_await_time(Duration::from_millis(200)).session(&mut *session).await;
    assert!(cursor.as_mut().unwrap().advance(session).await.unwrap());
    cursor.unwrap()
}

#[tokio::test]
async fn unpolled_session_stream_frees_the_only_connection() {
    let client = Client::with_options(one_connection()).unwrap();
    let log = capped(&client).await;
    let mut session = client.start_session().await.unwrap();
    let mut cursor = tail_in(&log, &mut session).await;
    let mut stream = cursor.stream(&mut session);
    for i in 0..5 {
        let begun = tokio::time::timeout(Duration::from_millis(20), stream.next()).await;
        assert!(begun.is_err(), "there is nothing yet");
        in_time(log.insert_one(doc! { "_id": i })).await.unwrap();
        let next = in_time(stream.next()).await.unwrap().unwrap();
        assert_eq!(next, doc! { "_id": i });
    }
}

#[tokio::test]
async fn dropped_step_in_a_session_loses_nothing() {
    let client = Client::with_options(one_connection()).unwrap();
    let log = capped(&client).await;
    let mut session = client.start_session().await.unwrap();
    let mut cursor = tail_in(&log, &mut session).await;
    for i in 0..5 {
        let step = cursor.advance(&mut session);
        assert!(tokio::time::timeout(Duration::from_millis(20), step).await.is_err());
        // The stream continues with the batch that the step requested, and so does the next step.
        let mut stream = cursor.stream(&mut session);
        assert!(tokio::time::timeout(Duration::from_millis(20), stream.next()).await.is_err());
        drop(stream);
        let inserted = log.insert_one(doc! { "_id": i }).session(&mut session);
        in_time(inserted).await.unwrap();
        let next = in_time(cursor.next(&mut session)).await.unwrap().unwrap();
        assert_eq!(next, doc! { "_id": i });
    }
}

/// The session takes the times from the reply to a later batch, as from every reply.
#[tokio::test]
async fn session_learns_the_time_of_a_further_batch() {
    let set = testbed::shared_replica_set().unwrap();
    let client = Client::with_uri_str(set.uri()).await.unwrap();
    let coll = client.database(&name()).collection::<Document>("c");
    coll.insert_many((0..4).map(|i| doc! { "_id": i })).await.unwrap();
    let mut session = client.start_session().await.unwrap();
    let mut cursor = coll.find(doc! {}).batch_size(2).session(&mut session).await.unwrap();
    let before = session.operation_time().unwrap();
    coll.insert_one(doc! { "_id": 9 }).await.unwrap();
    while cursor.advance(&mut session).await.unwrap() {}
    assert!(session.operation_time().unwrap() > before);
}
