//! A `getMore` that fails before it is sent leaves the cursor open.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use driver::bson::{Document, doc};
use driver::error::ErrorKind;
use driver::event::EventHandler;
use driver::event::cmap::CmapEvent;
use driver::options::{ClientOptions, CursorTimeoutMode};
use driver::{Client, sync};

use crate::*;

/// One connection, with a short wait queue timeout.
fn short_wait_queue() -> ClientOptions {
    let mut options = one_connection();
    options.wait_queue_timeout = Some(Duration::from_millis(100));
    options
}

fn is_refused(error: &driver::Error) -> bool {
    matches!(error.kind(), ErrorKind::WaitQueueTimeout { .. })
}

#[tokio::test]
async fn cursor_outlives_a_step_without_a_connection() {
    let client = Client::with_options(short_wait_queue()).unwrap();
    let coll = client.database(&name()).collection::<Document>("c");
    coll.insert_many((0..6).map(|i| doc! { "_id": i })).await.unwrap();
    let mut cursor = coll.find(doc! {}).batch_size(2).limit(5).await.unwrap();
    assert!(cursor.advance().await.unwrap() && cursor.advance().await.unwrap());
    let request = client.start_request();
    request.database("admin").run_command(doc! { "ping": 1 }).await.unwrap();
    for _ in 0..2 {
        let error = cursor.advance().await.unwrap_err();
        assert!(is_refused(&error), "{error}");
        assert!(cursor.has_next());
    }
    drop(request);
    let mut seen = 2;
    while in_time(cursor.advance()).await.unwrap() {
        assert_eq!(cursor.current().get_i32("_id").unwrap(), seen);
        seen += 1;
    }
    assert_eq!(seen, 5);
}

#[test]
fn blocking_cursor_outlives_a_step_without_a_connection() {
    let client = sync::Client::with_options(short_wait_queue()).unwrap();
    let coll = client.database(&name()).collection::<Document>("c");
    coll.insert_many((0..6).map(|i| doc! { "_id": i })).run().unwrap();
    let mut cursor = coll.find(doc! {}).batch_size(2).limit(5).run().unwrap();
    assert!(cursor.advance().unwrap() && cursor.advance().unwrap());
    // The request of another thread holds the connection.
    let (held, release) = (std::sync::Barrier::new(2), std::sync::Barrier::new(2));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _request = client.start_request();
            client.database("admin").run_command(doc! { "ping": 1 }).run().unwrap();
            held.wait();
            release.wait();
        });
        held.wait();
        for _ in 0..2 {
            let error = cursor.advance().unwrap_err();
            assert!(is_refused(&error), "{error}");
            assert!(cursor.has_next());
        }
        release.wait();
    });
    let mut seen = 2;
    while cursor.advance().unwrap() {
        assert_eq!(cursor.current().get_i32("_id").unwrap(), seen);
        seen += 1;
    }
    assert_eq!(seen, 5);
}

/// A wait for a connection is not a late reply, even if nobody polls for a long time.
#[tokio::test]
async fn unpolled_cursor_may_wait_long_for_a_connection() {
    let client = Client::with_options(one_connection()).unwrap();
    let coll = client.database(&name()).collection::<Document>("c");
    coll.insert_many((0..4).map(|i| doc! { "_id": i })).await.unwrap();
    let mut cursor = coll.find(doc! {}).batch_size(2).await.unwrap();
    assert!(cursor.advance().await.unwrap() && cursor.advance().await.unwrap());
    let request = client.start_request();
    request.database("admin").run_command(doc! { "ping": 1 }).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(50), cursor.advance()).await.is_err());
    // The time itself is tested, so nothing else can be waited for.
    tokio::time::sleep(LONGER_THAN_UNPOLLED).await;
    drop(request);
    assert!(in_time(cursor.advance()).await.unwrap() && cursor.advance().await.unwrap());
    assert!(!cursor.advance().await.unwrap());
}

/// The time limit of each step of a cursor of [`delayed`]. Far longer than a step without a delay.
const STEP: Duration = Duration::from_millis(1500);

/// A client whose next checkout after `delay` is set lasts longer than a step.
fn delayed(delay: &Arc<AtomicBool>) -> ClientOptions {
    let (mut options, delay) = (options(server()), Arc::clone(delay));
    options.cmap_event_handler = Some(EventHandler::callback(move |event| {
        if matches!(event, CmapEvent::ConnectionCheckedOut(_))
            && delay.swap(false, Ordering::Relaxed)
        {
            std::thread::sleep(STEP + Duration::from_millis(50));
        }
    }));
    options
}

fn is_late(error: &driver::Error) -> bool {
    error.is_timeout() && error.to_string().contains("before the command was sent")
}

#[tokio::test]
async fn cursor_outlives_a_step_without_time_to_send() {
    let delay = Arc::default();
    let client = Client::with_options(delayed(&delay)).unwrap();
    let coll = client.database(&name()).collection::<Document>("c");
    coll.insert_many((0..4).map(|i| doc! { "_id": i })).await.unwrap();
    let find = coll.find(doc! {}).batch_size(2).timeout(STEP);
    let mut cursor = find.timeout_mode(CursorTimeoutMode::Iteration).await.unwrap();
    assert!(cursor.advance().await.unwrap() && cursor.advance().await.unwrap());
    for _ in 0..2 {
        delay.store(true, Ordering::Relaxed);
        let error = cursor.advance().await.unwrap_err();
        assert!(is_late(&error), "{error}");
        assert!(cursor.has_next());
    }
    for id in 2..4 {
        assert!(in_time(cursor.advance()).await.unwrap());
        assert_eq!(cursor.current().get_i32("_id").unwrap(), id);
    }
    assert!(!cursor.advance().await.unwrap());
}

#[test]
fn blocking_cursor_outlives_a_step_without_time_to_send() {
    let delay = Arc::default();
    let client = sync::Client::with_options(delayed(&delay)).unwrap();
    let coll = client.database(&name()).collection::<Document>("c");
    coll.insert_many((0..4).map(|i| doc! { "_id": i })).run().unwrap();
    let find = coll.find(doc! {}).batch_size(2).timeout(STEP);
    let mut cursor = find.timeout_mode(CursorTimeoutMode::Iteration).run().unwrap();
    assert!(cursor.advance().unwrap() && cursor.advance().unwrap());
    for _ in 0..2 {
        delay.store(true, Ordering::Relaxed);
        let error = cursor.advance().unwrap_err();
        assert!(is_late(&error), "{error}");
        assert!(cursor.has_next());
    }
    for id in 2..4 {
        assert!(cursor.advance().unwrap());
        assert_eq!(cursor.current().get_i32("_id").unwrap(), id);
    }
    assert!(!cursor.advance().unwrap());
}
