//! Clients in incomplete tokio runtimes, and clients whose runtime has ended or is idle.
//!
//! These tests have their own program, because the client's check makes tokio report a panic, which
//! other programs treat as a failed test.

use std::time::Duration;

use driver::bson::{Document, doc};
use driver::error::{Error, ErrorKind};
use driver::{Client, sync};
use testbed::{Standalone, shared_standalone};
use tokio::runtime::{Builder, Runtime};

/// Monitors cannot run in such a runtime, and every operation would time out in server selection.
#[test]
fn error_names_the_missing_parts_of_the_runtime() {
    for lacking in ["I/O and timers", "timers", "I/O"] {
        let mut builder = Builder::new_current_thread();
        let builder = match lacking {
            "timers" => builder.enable_io(),
            "I/O" => builder.enable_time(),
            _ => &mut builder,
        };
        let opened = builder.build().unwrap().block_on(Client::with_uri_str("mongodb://localhost"));
        let error = opened.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::InvalidArgument { .. }), "{error:?}");
        assert!(error.to_string().contains(&format!("built without {lacking}:")), "{error}");
        assert!(error.to_string().contains("enable_all()"), "{error}");
    }
}

#[test]
fn clients_work_in_a_complete_runtime_and_without_one() {
    let server = Standalone::start().unwrap();
    let ping = || driver::bson::doc! { "ping": 1 };
    Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let client = Client::with_uri_str(server.uri()).await.unwrap();
        client.database("admin").run_command(ping()).await.unwrap();
    });
    let client = sync::Client::with_uri_str(server.uri()).unwrap();
    client.database("admin").run_command(ping()).run().unwrap();
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn multi_thread() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Far longer than any step of these tests.
const LONG: Duration = Duration::from_secs(20);

#[track_caller]
fn assert_ended(error: &Error) {
    assert!(matches!(error.kind(), ErrorKind::RuntimeEnded), "{error:?}");
    assert!(error.to_string().contains("runtime of the client has ended"), "{error}");
    assert!(error.to_string().contains("create a client in each runtime"), "{error}");
}

/// For example a static client in several `#[tokio::test]`s.
#[test]
fn client_of_an_ended_runtime_says_so() {
    let uri = shared_standalone().unwrap().uri();
    for timeout in ["", "&timeoutMS=10000"] {
        for first in [current_thread(), multi_thread()] {
            let (client, coll, mut cursor) = first.block_on(async {
                let client = Client::with_uri_str(format!("{uri}{timeout}")).await.unwrap();
                let coll = client.database("runtime").collection::<Document>("ended");
                coll.insert_many([doc! {}, doc! {}, doc! {}]).await.unwrap();
                let cursor = coll.find(doc! {}).batch_size(2).await.unwrap();
                (client, coll, cursor)
            });
            let handle = first.handle().clone();
            drop(first);
            let work = async {
                assert_ended(&coll.find_one(doc! {}).await.unwrap_err());
                assert_ended(&coll.insert_one(doc! {}).await.unwrap_err());
                assert_ended(&coll.insert_many([doc! {}]).await.unwrap_err());
                assert_ended(&client.wait_for_refresh().await.unwrap_err());
            };
            tokio::task::LocalSet::new().block_on(&current_thread(), work);
            let request = client.start_request();
            let rest = async {
                let coll = request.database("runtime").collection::<Document>("ended");
                assert_ended(&coll.find_one(doc! {}).await.unwrap_err());
                let mut last = Ok(true);
                while let Ok(true) = last {
                    last = cursor.advance().await;
                }
                assert_ended(&last.unwrap_err());
            };
            // Runs in the ended runtime.
            handle.block_on(rest);
            multi_thread().block_on(async move {
                drop((cursor, coll, request));
                client.shutdown().await;
            });
        }
    }
}

/// An operation in flight when the runtime of its client ends.
#[test]
fn operation_in_flight_ends_with_its_runtime() {
    for first in [current_thread(), multi_thread()] {
        let server = Standalone::start().unwrap();
        let client = first.block_on(async {
            let client = Client::with_uri_str(server.uri()).await.unwrap();
            client.database("admin").run_command(doc! { "ping": 1 }).await.unwrap();
            client
        });
        server.pause().unwrap();
        let unknown = first.block_on(Client::with_uri_str("mongodb://127.0.0.1:9")).unwrap();
        std::thread::scope(|scope| {
            for client in [&client, &unknown] {
                scope.spawn(move || {
                    current_thread().block_on(async {
                        let database = client.database("admin");
                        let ping = database.run_command(doc! { "ping": 1 });
                        assert_ended(&tokio::time::timeout(LONG, ping).await.unwrap().unwrap_err());
                    });
                });
            }
            std::thread::sleep(Duration::from_millis(200));
            drop(first);
        });
        server.resume().unwrap();
    }
}

/// A runtime of one thread is idle while no `block_on` runs.
#[test]
fn timeout_expires_while_the_runtime_of_the_client_is_idle() {
    let first = current_thread();
    let uri = format!("{}&timeoutMS=300", shared_standalone().unwrap().uri());
    let client = first.block_on(async {
        let client = Client::with_uri_str(uri).await.unwrap();
        client.database("admin").run_command(doc! { "ping": 1 }).await.unwrap();
        client
    });
    let mut cursor = first.block_on(async {
        let coll = client.database("runtime").collection::<Document>("rests");
        coll.insert_many([doc! {}, doc! {}, doc! {}]).await.unwrap();
        coll.find(doc! {}).batch_size(2).await.unwrap()
    });
    let ping = async {
        assert!(cursor.advance().await.unwrap() && cursor.advance().await.unwrap());
        assert!(cursor.advance().await.unwrap_err().is_timeout());
        for _ in 0..2 {
            let command = doc! { "ping": 1, "comment": "x" };
            let error = client.database("admin").run_command(command).await.unwrap_err();
            assert!(error.is_timeout(), "{error:?}");
        }
    };
    let second = multi_thread();
    assert!(second.block_on(async { tokio::time::timeout(LONG, ping).await.is_ok() }));
}
