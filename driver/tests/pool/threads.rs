//! Requests of the blocking API.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use driver::bson::{Document, doc};
use driver::error::ErrorKind;
use driver::options::{ClientOptions, CollectionOptions, WriteConcern};
use driver::sync::Client;
use testbed::{eventually, settles};

use crate::watch::{
    Events, FAULTS, in_use, name, open, options, own_address, server, whats_my_uri,
};

fn client(adjust: impl FnOnce(&mut ClientOptions)) -> (Client, Events) {
    let events = Events::default();
    let mut options = options(server(), &events);
    adjust(&mut options);
    (Client::with_options(options).unwrap(), events)
}

/// The connection of the client's next operation.
fn connection(client: &Client) -> String {
    own_address(&client.database("admin").run_command(whats_my_uri()).run().unwrap())
}

#[test]
fn outermost_end_of_nested_requests_frees_the_connection() {
    let (client, events) = client(|_| {});
    let outer = client.start_request();
    let first = connection(&client);
    let inner = client.start_request();
    assert_eq!(connection(&client), first);
    drop(inner);
    assert!(client.in_request());
    assert_eq!((connection(&client), in_use(&client)), (first.clone(), 1));
    client.end_request();
    assert!(!client.in_request());
    assert_eq!(in_use(&client), 0);

    // A surplus end does nothing; neither does the guard of an ended request.
    client.end_request();
    let again = client.start_request();
    drop(outer);
    assert!(client.in_request());
    again.end();
    assert!(!client.in_request());
    assert_eq!(connection(&client), first);
    settles(|| events.created(), 1);
}

#[test]
fn request_takes_no_connection_before_its_first_operation() {
    let (client, events) = client(|_| {});
    let request = client.start_request();
    assert_eq!((events.checked_out(), events.created()), (0, 0));
    connection(&client);
    assert_eq!(in_use(&client), 1);
    drop(request);
    assert_eq!(in_use(&client), 0);
}

#[test]
fn connection_of_an_ended_thread_is_idle_before_join_returns() {
    let (client, events) = client(|options| options.max_pool_size = Some(1));
    for _ in 0..3 {
        let in_thread = {
            let client = client.clone();
            std::thread::spawn(move || {
                std::mem::forget(client.start_request());
                std::mem::forget(client.start_request());
                let pinned = connection(&client);
                client.end_request();
                assert!(client.in_request());
                pinned
            })
        };
        let pinned = in_thread.join().unwrap();
        assert_eq!(in_use(&client), 0);
        // The pool has one slot. If it were lost, this would wait forever.
        assert!(!client.in_request(), "the request was another thread's");
        assert_eq!(connection(&client), pinned);
    }
    settles(|| (events.created(), events.closed()), (1, 0));
}

#[test]
fn panicking_thread_returns_its_connection() {
    let (client, events) = client(|options| options.max_pool_size = Some(1));
    let thread = {
        let client = client.clone();
        std::thread::spawn(move || {
            std::mem::forget(client.start_request());
            connection(&client);
            std::panic::resume_unwind(Box::new("as the test wants it"));
        })
    };
    thread.join().unwrap_err();
    assert_eq!(in_use(&client), 0);
    connection(&client);
    settles(|| events.created(), 1);
}

#[test]
fn thread_in_a_request_does_not_keep_its_client_alive() {
    let app = name();
    let (client, events) = client(|options| options.app_name = Some(app.clone()));
    let (pinned, dropped) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let thread = {
        let (pinned, dropped) = (pinned.clone(), dropped.clone());
        let client = client.clone();
        std::thread::spawn(move || {
            std::mem::forget(client.start_request());
            connection(&client);
            drop(client);
            pinned.wait();
            dropped.wait();
        })
    };
    pinned.wait();
    assert_eq!(in_use(&client), 1);
    drop(client);
    // The thread is still alive and holds no connection.
    eventually("the connection of the dropped client is closed", || events.closed() == 1);
    eventually("the server has closed all of its sockets", || open(server(), &app) == 0);
    dropped.wait();
    thread.join().unwrap();
}

#[test]
fn every_thread_has_its_own_request() {
    let (client, _events) = client(|_| {});
    let _request = client.start_request();
    let mine = connection(&client);
    let theirs = {
        let client = client.clone();
        std::thread::spawn(move || {
            assert!(!client.in_request());
            connection(&client)
        })
    };
    assert_ne!(theirs.join().unwrap(), mine);
    assert_eq!((connection(&client), in_use(&client)), (mine, 1));
}

#[test]
fn request_reads_its_unacknowledged_inserts() {
    let (client, events) = client(|_| {});
    let database = client.database(&name());
    let unacknowledged = CollectionOptions::builder().write_concern(WriteConcern::nodes(0)).build();
    for round in 0..10 {
        let log = database
            .collection_with_options::<Document>(&format!("log{round}"), unacknowledged.clone());
        let request = client.start_request();
        for breath in 0..100 {
            log.insert_one(doc! { "breath": breath }).run().unwrap();
        }
        assert_eq!(log.count_documents(doc! {}).run().unwrap(), 100);
        drop(request);
    }
    settles(|| events.created(), 1);
    database.drop().run().unwrap();
}

#[test]
fn auto_start_request_starts_with_the_first_operation() {
    let (client, _events) = client(|options| options.auto_start_request = Some(true));
    assert!(!client.in_request());
    let first = connection(&client);
    assert!(client.in_request());
    assert_eq!((connection(&client), in_use(&client)), (first, 1));
    client.end_request();
    assert_eq!(in_use(&client), 0);
}

/// The client's own operations on its own threads start no requests.
#[test]
fn auto_start_request_excludes_kill_cursors() {
    let (client, events) = client(|options| {
        options.auto_start_request = Some(true);
        options.max_pool_size = Some(1);
        options.wait_queue_timeout = Some(Duration::from_secs(5));
    });
    let collection = client.database(&name()).collection::<Document>("many");
    collection.insert_many((0..3).map(|n| doc! { "n": n })).run().unwrap();
    let cursor = collection.find(doc! {}).batch_size(2).run().unwrap();
    client.end_request();
    let before = events.checked_out();
    drop(cursor);
    eventually("the killing of the cursor", || events.checked_out() > before);
    // A request would keep the only connection on a thread with nothing left to do.
    collection.drop().run().unwrap();
}

#[test]
fn dead_connection_of_a_request_is_replaced() {
    let _faults = FAULTS.acquire().wait();
    let app = name();
    let (client, events) = client(|options| {
        options.max_pool_size = Some(1);
        options.app_name = Some(app.clone());
    });
    let _outer = client.start_request();
    let _inner = client.start_request();
    let first = connection(&client);

    // An error reply does not close the connection.
    let refused =
        client.database("admin").run_command(doc! { "noSuchCommand": 1 }).run().unwrap_err();
    assert_eq!(refused.code(), Some(59));
    assert_eq!((connection(&client), events.closed()), (first.clone(), 0));

    let fault = server()
        .fail_point(doc! {
            "configureFailPoint": "failCommand", "mode": { "times": 1 },
            "data": { "failCommands": ["ping"], "closeConnection": true, "appName": &app },
        })
        .unwrap();
    let broken = client.database("admin").run_command(doc! { "ping": 1 }).run().unwrap_err();
    assert!(broken.is_network(), "{broken}");
    drop(fault);
    let second = connection(&client);
    assert_ne!(second, first);
    client.end_request();
    assert!(client.in_request(), "the count is what it was");
    assert_eq!((connection(&client), in_use(&client)), (second, 1));
    client.end_request();
    assert_eq!(in_use(&client), 0);
}

#[test]
fn cleared_pool_replaces_the_connection_of_a_request() {
    let _faults = FAULTS.acquire().wait();
    let app = name();
    let (client, _events) = client(|options| options.app_name = Some(app.clone()));
    let _request = client.start_request();
    let first = connection(&client);
    let clear = {
        let client = client.clone();
        let app = app.clone();
        // Another thread's connection fails, which clears the pool of both threads.
        std::thread::spawn(move || {
            let fault = server()
                .fail_point(doc! {
                    "configureFailPoint": "failCommand", "mode": { "times": 1 },
                    "data": { "failCommands": ["ping"], "closeConnection": true, "appName": app },
                })
                .unwrap();
            client.database("admin").run_command(doc! { "ping": 1 }).run().unwrap_err();
            drop(fault);
        })
    };
    clear.join().unwrap();
    assert!(client.in_request());
    let second = connection(&client);
    assert_ne!(second, first);
    assert_eq!((connection(&client), in_use(&client)), (second, 1));
}

/// The operations of a thread in a request fail after the client was shut down.
#[test]
fn operations_after_shutdown_fail_with_shutdown() {
    let (client, _events) = client(|_| {});
    let other = client.clone();
    let _request = other.start_request();
    connection(&other);
    client.shutdown().run();
    let error = other.database("admin").run_command(whats_my_uri()).run().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Shutdown), "{error:?}");
    let error = other.wait_for_refresh().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Shutdown), "{error:?}");
}

/// A thousand threads use a pool of fifty connections. None stays in use, and at most fifty are
/// open.
#[test]
fn threads_that_end_in_requests_leave_nothing_in_use() {
    let app = name();
    let (client, events) = client(|options| {
        options.max_pool_size = Some(50);
        options.app_name = Some(app.clone());
        options.wait_queue_timeout = Some(Duration::from_secs(60));
    });
    let before = Arc::new(Barrier::new(100));
    for _ in 0..10 {
        let threads: Vec<_> = (0..100)
            .map(|i| {
                let (client, before) = (client.clone(), before.clone());
                std::thread::spawn(move || {
                    before.wait();
                    std::mem::forget(client.start_request());
                    std::mem::forget(client.start_request());
                    connection(&client);
                    client.end_request();
                    if i % 10 == 0 {
                        std::panic::resume_unwind(Box::new("as the test wants it"));
                    }
                })
            })
            .collect();
        for (i, thread) in threads.into_iter().enumerate() {
            assert_eq!(thread.join().is_err(), i % 10 == 0);
        }
        assert_eq!(in_use(&client), 0);
    }
    assert!(events.created() <= 50 && events.closed() == 0);
    assert!(open(server(), &app) <= 50 + 3, "the pool's and the monitors'");
}
