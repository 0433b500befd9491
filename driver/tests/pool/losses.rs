//! Requests on a replica set that loses its primary.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use driver::bson::{Document, doc};
use driver::options::ClientOptions;
use driver::{Client, sync};
use testbed::{ReplicaSet, eventually};

use crate::watch::{Events, in_use};

/// Majority is the default write concern only since 5.0. Other writes may be lost with the primary.
async fn options(set: &ReplicaSet, events: &Events, more: &str) -> ClientOptions {
    let mut options =
        ClientOptions::parse(format!("{}&w=majority&{more}", set.uri())).await.unwrap();
    options.cmap_event_handler = Some(events.handler());
    options
}

/// The primary is killed, which closes the idle connections of forty requests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_idle_connections_cause_at_most_one_error_each() {
    let set = ReplicaSet::start(3).unwrap();
    let events = Events::default();
    let client = Client::with_options(options(&set, &events, "maxPoolSize=50").await).unwrap();
    let requests: Vec<_> = (0..40).map(|_| client.start_request()).collect();
    for (i, request) in requests.iter().enumerate() {
        let coll = request.database("losses").collection::<Document>("c");
        coll.insert_one(doc! { "_id": i as i32 }).await.unwrap();
    }
    assert_eq!(in_use(&client), 40);
    let primary = set.primary().unwrap();
    set.kill(primary).unwrap();

    let errors = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = requests
        .into_iter()
        .enumerate()
        .map(|(i, request)| {
            let errors = errors.clone();
            tokio::spawn(async move {
                // Retryable operations get no error. Others get at most one, and the next operation
                // succeeds.
                let coll = request.database("losses").collection::<Document>("c");
                coll.insert_one(doc! { "_id": 100 + i as i32 }).await.unwrap();
                let many = || {
                    coll.update_many(doc! { "_id": i as i32 }, doc! { "$set": { "seen": true } })
                };
                if many().await.is_err() {
                    errors.fetch_add(1, Ordering::Relaxed);
                    many().await.unwrap();
                }
                request
            })
        })
        .collect();
    let mut requests = Vec::new();
    for task in tasks {
        requests.push(task.await.unwrap());
    }
    let coll = client.database("losses").collection::<Document>("c");
    assert_eq!(coll.count_documents(doc! {}).await.unwrap(), 80);
    drop(requests);
    eventually("everything is given back", || events.in_use() == 0);
}

/// A thousand threads end within requests while the primary is killed. No connection stays in use.
#[test]
fn threads_ending_with_the_primary_leave_nothing_in_use() {
    let set = Arc::new(ReplicaSet::start(3).unwrap());
    let events = Events::default();
    let parsed = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let options =
        parsed.block_on(options(&set, &events, "maxPoolSize=50&waitQueueTimeoutMS=60000"));
    let client = sync::Client::with_options(options).unwrap();
    let written = Arc::new(AtomicUsize::new(0));
    for wave in 0..10 {
        let threads: Vec<_> = (0..100)
            .map(|i| {
                let (client, written) = (client.clone(), written.clone());
                std::thread::spawn(move || {
                    std::mem::forget(client.start_request());
                    std::mem::forget(client.start_request());
                    let coll = client.database("losses").collection::<Document>("threads");
                    if coll.insert_one(doc! { "_id": wave * 100 + i }).run().is_ok() {
                        written.fetch_add(1, Ordering::Relaxed);
                    }
                    client.end_request();
                })
            })
            .collect();
        if wave == 3 {
            set.kill(set.primary().unwrap()).unwrap();
        }
        for thread in threads {
            thread.join().unwrap();
        }
    }
    eventually("nothing is in use", || events.in_use() == 0);
    let coll = client.database("losses").collection::<Document>("threads");
    let found = coll.count_documents(doc! {}).run().unwrap() as usize;
    let written = written.load(Ordering::Relaxed);
    assert!(found >= written, "{written} were acknowledged, {found} are there");
    assert!(events.open() <= 3 * 50, "no more than fifty of each member");
}
