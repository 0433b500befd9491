//! The blocking API: requests of threads.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use driver::bson::{Document, doc};
use driver::error::ErrorKind;
use driver::options::{ClientOptions, CollectionOptions, WriteConcern};
use driver::sync::Client;

use crate::watch::{Events, FAULTS, eventually, name, open, options, server, who, you};

fn client(adjust: impl FnOnce(&mut ClientOptions)) -> (Client, Events) {
    let events = Events::default();
    let mut options = options(server(), &events);
    adjust(&mut options);
    (Client::with_options(options).unwrap(), events)
}

/// The connection that the client's next operation goes to.
fn connection(client: &Client) -> String {
    you(&client.database("admin").run_command(who()).run().unwrap())
}

#[test]
fn requests_nest_and_only_the_outermost_end_gives_the_connection_back() {
    let (client, events) = client(|_| {});
    let outer = client.start_request();
    let first = connection(&client);
    let inner = client.start_request();
    assert_eq!(connection(&client), first);
    drop(inner);
    assert!(client.in_request());
    assert_eq!((connection(&client), events.in_use()), (first.clone(), 1));
    client.end_request();
    assert!(!client.in_request());
    assert_eq!(events.in_use(), 0);

    // An end too many does nothing; neither does the guard of what has ended.
    client.end_request();
    let again = client.start_request();
    drop(outer);
    assert!(client.in_request());
    again.end();
    assert!(!client.in_request());
    assert_eq!((connection(&client), events.created()), (first, 1));
}

#[test]
fn a_request_takes_no_connection_until_its_first_operation() {
    let (client, events) = client(|_| {});
    let request = client.start_request();
    assert_eq!((events.checked_out(), events.created()), (0, 0));
    connection(&client);
    assert_eq!(events.in_use(), 1);
    drop(request);
    assert_eq!(events.in_use(), 0);
}

#[test]
fn the_connection_of_a_dead_thread_is_idle_again_before_join_returns() {
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
        assert_eq!(events.in_use(), 0);
        // The pool has one place: were it lost, this would wait for ever.
        assert!(!client.in_request(), "the request was another thread's");
        assert_eq!(connection(&client), pinned);
    }
    assert_eq!((events.created(), events.closed()), (1, 0));
}

#[test]
fn a_thread_that_panics_in_a_request_gives_its_connection_back() {
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
    assert_eq!(events.in_use(), 0);
    connection(&client);
    assert_eq!(events.created(), 1);
}

#[test]
fn a_thread_in_a_request_does_not_keep_its_client_alive() {
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
    assert_eq!(events.in_use(), 1);
    drop(client);
    // The thread still lives, and holds nothing.
    eventually("the connection of the dropped client is closed", || events.closed() == 1);
    eventually("the server has closed all of its sockets", || open(server(), &app) == 0);
    dropped.wait();
    thread.join().unwrap();
}

#[test]
fn every_thread_has_a_request_of_its_own() {
    let (client, events) = client(|_| {});
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
    assert_eq!((connection(&client), events.in_use()), (mine, 1));
}

#[test]
fn a_count_after_a_hundred_unacknowledged_inserts_counts_a_hundred() {
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
    assert_eq!(events.created(), 1);
    database.drop().run().unwrap();
}

#[test]
fn auto_start_request_puts_a_thread_into_a_request_with_its_first_operation() {
    let (client, events) = client(|options| options.auto_start_request = Some(true));
    assert!(!client.in_request());
    let first = connection(&client);
    assert!(client.in_request());
    assert_eq!((connection(&client), events.in_use()), (first, 1));
    client.end_request();
    assert_eq!(events.in_use(), 0);
}

/// What the client does for itself, on threads of its own, starts no requests there.
#[test]
fn auto_start_request_leaves_the_killing_of_cursors_alone() {
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
    // Had it started a request, the only connection would stay with a thread that has nothing more
    // to do.
    collection.drop().run().unwrap();
}

#[test]
fn a_dead_connection_is_replaced_and_the_request_goes_on() {
    let _faults = FAULTS.acquire().wait();
    let app = name();
    let (client, events) = client(|options| {
        options.max_pool_size = Some(1);
        options.app_name = Some(app.clone());
    });
    let _outer = client.start_request();
    let _inner = client.start_request();
    let first = connection(&client);

    // An error reply does not cost the connection.
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
    assert_eq!((connection(&client), events.in_use()), (second, 1));
    client.end_request();
    assert_eq!(events.in_use(), 0);
}

#[test]
fn clearing_the_pool_replaces_the_connection_and_keeps_the_request() {
    let _faults = FAULTS.acquire().wait();
    let app = name();
    let (client, events) = client(|options| options.app_name = Some(app.clone()));
    let _request = client.start_request();
    let first = connection(&client);
    let clear = {
        let client = client.clone();
        let app = app.clone();
        // Another thread's connection is closed, which clears the pool of both.
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
    assert_eq!((connection(&client), events.in_use()), (second, 1));
}

/// A thread in a request whose client was shut down is told so.
#[test]
fn operations_after_shutdown_fail_with_shutdown() {
    let (client, _events) = client(|_| {});
    let other = client.clone();
    let _request = other.start_request();
    connection(&other);
    client.shutdown();
    let error = other.database("admin").run_command(who()).run().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Shutdown), "{error:?}");
    let error = other.wait_for_refresh().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Shutdown), "{error:?}");
}

/// A thousand threads over a pool of fifty: nothing stays in use, and no more than fifty are ever
/// open.
#[test]
fn a_thousand_threads_that_die_in_requests_leave_nothing_in_use() {
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
        assert_eq!(events.in_use(), 0);
    }
    assert!(events.created() <= 50 && events.closed() == 0);
    assert!(open(server(), &app) <= 50 + 3, "the pool's and the monitors'");
}
