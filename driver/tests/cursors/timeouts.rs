//! Steps that run out of time.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use driver::bson::{Document, doc};
use driver::event::EventHandler;
use driver::event::command::CommandEvent;
use driver::options::{ClientOptions, CursorType};
use driver::{Client, sync};
use futures_util::StreamExt;

use crate::*;

fn impatient() -> ClientOptions {
    let mut options = options(server());
    options.timeout = Some(Duration::from_secs(3));
    options
}

#[tokio::test]
async fn step_ends_at_its_deadline_although_batches_come() {
    let short = Duration::from_millis(100);
    let long = Duration::from_millis(2900);
    tokio::join!(
        run_out_of_time(Step::Advance, short),
        run_out_of_time(Step::Advance, long),
        run_out_of_time(Step::Stream, short),
        run_out_of_time(Step::Stream, long),
    );
}

async fn run_out_of_time(step: Step, max_await_time: Duration) {
    let client = Client::with_options(impatient()).unwrap();
    let log = capped(&client).await;
    let mut cursor = tail(&log, max_await_time).await;
    for i in 0..2 {
        let error = match step {
            Step::Advance => in_time(cursor.advance()).await.unwrap_err(),
            Step::Stream => in_time(StreamExt::next(&mut cursor)).await.unwrap().unwrap_err(),
        };
        assert!(error.is_timeout() && error.to_string().contains("still open"), "{error}");
        log.insert_one(doc! { "_id": i }).await.unwrap();
        assert_eq!(in_time(next(&mut cursor, step)).await, i, "the cursor goes on");
    }
}

#[test]
fn blocking_step_ends_at_its_deadline_although_batches_come() {
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || {
        let client = sync::Client::with_options(impatient()).unwrap();
        let database = client.database(&name());
        database
            .run_command(doc! { "create": "log", "capped": true, "size": 65536 })
            .run()
            .unwrap();
        let log = database.collection::<Document>("log");
        log.insert_one(doc! { "_id": -1 }).run().unwrap();
        let tail = log.find(doc! {}).cursor_type(CursorType::TailableAwait);
        let mut cursor = tail.max_await_time(Duration::from_millis(100)).run().unwrap();
        assert!(cursor.advance().unwrap());
        let error = cursor.advance().unwrap_err();
        assert!(error.is_timeout() && error.to_string().contains("still open"), "{error}");
        log.insert_one(doc! { "_id": 0 }).run().unwrap();
        assert_eq!(cursor.next().unwrap().unwrap(), doc! { "_id": 0 });
        done.send(()).unwrap();
    });
    ended.recv_timeout(PATIENCE).expect("the step ends");
}

/// A step that takes over the batch of a dropped step waits from its own start. The next batch gets
/// the remaining time, not all of it.
#[tokio::test]
async fn step_keeps_its_deadline_when_it_takes_over_a_batch() {
    const AWAIT: Duration = Duration::from_millis(1500);
    let mut options = options(server());
    options.timeout = Some(Duration::from_secs(3));
    let awaited = Arc::new(Mutex::new(Vec::new()));
    let seen = awaited.clone();
    options.command_event_handler = Some(EventHandler::callback(move |event| {
        if let CommandEvent::Started(event) = event
            && event.command_name == "getMore"
        {
            seen.lock().unwrap().push(event.command.get_i64("maxTimeMS").unwrap());
        }
    }));
    let client = Client::with_options(options).unwrap();
    let mut cursor = tail(&capped(&client).await, AWAIT).await;
    let begun = tokio::time::timeout(Duration::from_millis(100), cursor.advance()).await;
    assert!(begun.is_err(), "the step was dropped while it waited");
    assert_eq!(awaited.lock().unwrap().len(), 1);
    let error = in_time(cursor.advance()).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    let awaited = awaited.lock().unwrap();
    assert_eq!(awaited[0], AWAIT.as_millis() as i64);
    assert!(awaited[1] < awaited[0], "the second batch was given all of the time: {awaited:?}");
}
