//! A stepdown closes forty idle connections, each pinned by a request. Each operation gets at most
//! one error, and none if it is retryable. On both APIs.
//!
//! Servers since 4.2 keep their connections when they step down. The proxy in front of them closes
//! the connections, as older servers and killed ones do. In a set of one, the next primary is the
//! same server, so each request finds its own connection dead. In a set of three it is another
//! server.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use driver::bson::{Document, doc};
use driver::options::ClientOptions;
use driver::{Client, sync};
use testbed::{Proxy, ReplicaSet};

use crate::watch::in_use;

const REQUESTS: usize = 40;

/// A replica set with members behind proxies. It holds no elections by itself, even on a busy
/// machine.
fn set(members: usize) -> ReplicaSet {
    ReplicaSet::builder()
        .members(members)
        .proxied()
        .election_timeout(Duration::from_secs(60))
        .start()
        .unwrap()
}

/// Steps the primary down, closes every connection to it, and waits for a primary.
fn step_down_and_close(set: &ReplicaSet) {
    let old = set.step_down().unwrap();
    set.proxy(old).map(Proxy::cut).unwrap();
    match set.len() {
        1 => set.wait_for_primary().map(drop).unwrap(),
        members => set.step_up((old + 1) % members).unwrap(),
    }
}

fn options(set: &ReplicaSet) -> ClientOptions {
    let uri = format!("{}&maxPoolSize=50&w=majority", set.uri());
    driver::options::ConnectionString::parse(uri).unwrap().options
}

/// The writes of a request before the stepdown and after it: retryable and not retryable.
fn first(i: usize) -> Document {
    doc! { "_id": i as i32, "n": 0 }
}

fn second(i: usize) -> Document {
    doc! { "_id": (REQUESTS + i) as i32 }
}

fn change() -> Document {
    doc! { "$set": { "n": 1 } }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_handles_survive_a_stepdown() {
    for members in [1, 3] {
        let set = set(members);
        let client = Client::with_options(options(&set)).unwrap();
        let requests: Vec<_> = (0..REQUESTS).map(|_| client.start_request()).collect();
        for (i, request) in requests.iter().enumerate() {
            let coll = request.database("stepdown").collection::<Document>("c");
            coll.insert_one(first(i)).await.unwrap();
        }
        assert_eq!(in_use(&client), REQUESTS as u32, "each request has pinned a connection");
        let set = tokio::task::spawn_blocking(move || {
            step_down_and_close(&set);
            set
        });
        let set = set.await.unwrap();
        let tasks: Vec<_> = requests
            .into_iter()
            .enumerate()
            .map(|(i, request)| {
                tokio::spawn(async move {
                    let coll = request.database("stepdown").collection::<Document>("c");
                    // Each kind of operation is the first on the dead connection in half of the
                    // requests.
                    if i % 2 == 0 {
                        coll.insert_one(second(i)).await.unwrap();
                    }
                    if coll.update_many(doc! { "_id": i as i32 }, change()).await.is_err() {
                        coll.update_many(doc! { "_id": i as i32 }, change()).await.unwrap();
                    }
                    if i % 2 == 1 {
                        coll.insert_one(second(i)).await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(in_use(&client), 0);
        let coll = client.database("stepdown").collection::<Document>("c");
        assert_eq!(coll.count_documents(doc! { "n": 1 }).await.unwrap(), REQUESTS as u64);
        assert_eq!(coll.count_documents(doc! {}).await.unwrap(), 2 * REQUESTS as u64);
        drop(set);
    }
}

#[test]
fn requests_of_threads_survive_a_stepdown() {
    for members in [1, 3] {
        let set = set(members);
        let client = sync::Client::with_options(options(&set)).unwrap();
        let (pinned, closed) = (Barrier::new(REQUESTS + 1), Barrier::new(REQUESTS + 1));
        let survived = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for i in 0..REQUESTS {
                let (client, pinned, closed, survived) = (&client, &pinned, &closed, &survived);
                scope.spawn(move || {
                    let _request = client.start_request();
                    let coll = client.database("stepdown").collection::<Document>("c");
                    let written = coll.insert_one(first(i)).run();
                    pinned.wait();
                    closed.wait();
                    written.unwrap();
                    if i % 2 == 0 {
                        coll.insert_one(second(i)).run().unwrap();
                    }
                    if coll.update_many(doc! { "_id": i as i32 }, change()).run().is_err() {
                        coll.update_many(doc! { "_id": i as i32 }, change()).run().unwrap();
                    }
                    if i % 2 == 1 {
                        coll.insert_one(second(i)).run().unwrap();
                    }
                    survived.fetch_add(1, Ordering::Relaxed);
                });
            }
            pinned.wait();
            let in_use = in_use(&client);
            step_down_and_close(&set);
            closed.wait();
            assert_eq!(in_use, REQUESTS as u32, "each request has pinned a connection");
        });
        assert_eq!((survived.into_inner(), in_use(&client)), (REQUESTS, 0));
        let coll = client.database("stepdown").collection::<Document>("c");
        assert_eq!(coll.count_documents(doc! { "n": 1 }).run().unwrap(), REQUESTS as u64);
        assert_eq!(coll.count_documents(doc! {}).run().unwrap(), 2 * REQUESTS as u64);
    }
}
