//! Requests of the async API.

use driver::Client;
use driver::bson::{Document, doc};
use driver::error::ErrorKind;
use driver::options::{ClientOptions, CollectionOptions, WriteConcern};
use futures_util::FutureExt;

use crate::watch::{Events, FAULTS, name, options, own_address, server, whats_my_uri};

fn client(adjust: impl FnOnce(&mut ClientOptions)) -> (Client, Events) {
    let events = Events::default();
    let mut options = options(server(), &events);
    adjust(&mut options);
    (Client::with_options(options).unwrap(), events)
}

async fn connection(client: &Client) -> String {
    own_address(&client.database("admin").run_command(whats_my_uri()).await.unwrap())
}

#[tokio::test]
async fn request_lasts_from_first_operation_to_last_handle() {
    let (client, events) = client(|_| {});
    let request = client.start_request();
    assert_eq!(events.created(), 0);
    let first = connection(request.client()).await;
    let nested = request.client().start_request();
    assert_eq!(connection(nested.client()).await, first);
    assert_ne!(connection(&client).await, first, "the client itself is not in the request");
    drop(request);
    assert_eq!((connection(nested.client()).await, events.in_use()), (first, 1));
    let coll = nested.database("admin").collection::<Document>("handles");
    drop(nested);
    assert_eq!(events.in_use(), 1, "the collection is in the request");
    drop(coll);
    assert_eq!(events.in_use(), 0);
}

#[tokio::test]
async fn operations_of_a_request_take_turns() {
    let (client, events) = client(|_| {});
    let request = client.start_request();
    let first = connection(request.client()).await;
    let tasks: Vec<_> = (0..32)
        .map(|_| {
            let request = request.clone();
            tokio::spawn(async move { connection(request.client()).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), first);
    }
    assert_eq!((events.created(), events.in_use()), (1, 1));
}

#[tokio::test]
async fn request_reads_its_unacknowledged_inserts() {
    let (client, events) = client(|_| {});
    let name = name();
    let unacknowledged = CollectionOptions::builder().write_concern(WriteConcern::nodes(0)).build();
    for round in 0..10 {
        let request = client.start_request();
        let log = request
            .database(&name)
            .collection_with_options::<Document>(&format!("log{round}"), unacknowledged.clone());
        for breath in 0..100 {
            log.insert_one(doc! { "breath": breath }).await.unwrap();
        }
        assert_eq!(log.count_documents(doc! {}).await.unwrap(), 100);
    }
    assert_eq!(events.created(), 1);
    client.database(&name).drop().await.unwrap();
}

#[tokio::test]
async fn dead_connection_of_a_request_is_replaced() {
    let _faults = FAULTS.acquire().await;
    let app = name();
    let (client, events) = client(|options| options.app_name = Some(app.clone()));
    let request = client.start_request();
    let first = connection(request.client()).await;
    let refused =
        request.database("admin").run_command(doc! { "noSuchCommand": 1 }).await.unwrap_err();
    assert_eq!(refused.code(), Some(59));
    assert_eq!(connection(request.client()).await, first);

    let fault = server()
        .fail_point(doc! {
            "configureFailPoint": "failCommand", "mode": { "times": 1 },
            "data": { "failCommands": ["ping"], "closeConnection": true, "appName": &app },
        })
        .unwrap();
    let broken = request.database("admin").run_command(doc! { "ping": 1 }).await.unwrap_err();
    assert!(broken.is_network(), "{broken}");
    drop(fault);
    let second = connection(request.client()).await;
    assert_ne!(second, first);
    assert_eq!((connection(request.client()).await, events.in_use()), (second, 1));
    drop(request);
    assert_eq!(events.in_use(), 0);
}

/// Only the driver can close a cursor whose `find` was dropped before its reply.
#[tokio::test]
async fn cursor_of_a_dropped_find_is_killed_on_its_connection() {
    let _faults = FAULTS.acquire().await;
    let (client, events) = client(|options| options.max_pool_size = Some(1));
    let coll = client.database(&name()).collection::<Document>("c");
    coll.insert_many((0..5).map(|i| doc! { "_id": i })).await.unwrap();
    let ns = coll.namespace().to_string();
    // The pool has one connection, so the next operation waits until it is drained.
    let open = async || {
        let pipeline = vec![
            doc! { "$currentOp": { "idleCursors": true } },
            doc! { "$match": { "type": "idleCursor", "ns": &ns } },
        ];
        let reply = client
            .database("admin")
            .run_command(doc! { "aggregate": 1, "pipeline": pipeline, "cursor": {} })
            .await
            .unwrap();
        reply.get_document("cursor").unwrap().get_array("firstBatch").unwrap().len()
    };
    let known = coll.find(doc! {}).batch_size(2).await.unwrap();
    assert_eq!(open().await, 1, "the server tells of open cursors");
    let held = server()
        .fail_point(doc! {
            "configureFailPoint": "waitInFindBeforeMakingBatch", "mode": "alwaysOn",
            "data": { "nss": &ns },
        })
        .unwrap();
    let held = tokio::task::spawn_blocking(move || held.wait_entered(1).map(|()| held));
    let held = tokio::select! {
        _ = coll.find(doc! {}).batch_size(2) => panic!("the server has not held the reply back"),
        held = held => held.unwrap().unwrap(),
    };
    held.disable().unwrap();
    assert_eq!(open().await, 1, "the one that is known");
    assert_eq!((events.created(), events.closed()), (1, 0));
    drop(known);
}

#[tokio::test]
async fn auto_start_request_needs_threads() {
    let events = Events::default();
    let mut options = options(server(), &events);
    options.auto_start_request = Some(true);
    let error = Client::with_options(options).unwrap_err().to_string();
    assert!(error.contains("start_request()"), "{error}");
}

/// The operations of a request fail after the client was shut down.
#[tokio::test]
async fn operations_after_shutdown_fail_with_shutdown() {
    let (client, events) = client(|_| {});
    let request = client.start_request();
    connection(request.client()).await;
    client.shutdown().await;
    let error = request.database("admin").run_command(whats_my_uri()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Shutdown), "{error:?}");
    let error = request.client().wait_for_refresh().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Shutdown), "{error:?}");
    drop(request);
    assert_eq!((events.created() - events.closed(), events.in_use()), (0, 0));
}

/// A command in flight at shutdown completes, and a cursor returns its buffered documents.
#[tokio::test]
async fn shutdown_completes_commands_and_keeps_buffered_documents() {
    let _faults = FAULTS.acquire().await;
    let (client, events) = client(|options| options.max_pool_size = Some(1));
    let database = client.database(&name());
    let (slow, numbers) =
        (database.collection::<Document>("slow"), database.collection::<Document>("numbers"));
    slow.insert_one(doc! { "_id": 1 }).await.unwrap();
    numbers.insert_many((0..5).map(|i| doc! { "_id": i })).await.unwrap();
    let mut cursor = numbers.find(doc! {}).batch_size(2).await.unwrap();
    let mut session = client.start_session().await.unwrap();
    let held = server()
        .fail_point(doc! {
            "configureFailPoint": "waitInFindBeforeMakingBatch", "mode": "alwaysOn",
            "data": { "nss": slow.namespace().to_string() },
        })
        .unwrap();
    let held = tokio::task::spawn_blocking(move || held.wait_entered(1).map(|()| held));
    let under_way = tokio::spawn({
        let slow = slow.clone();
        async move { slow.find_one(doc! {}).await }
    });
    let held = held.await.unwrap().unwrap();
    // Waits for the only connection.
    let mut waiting = Box::pin(slow.count_documents(doc! {}).into_future());
    assert!((&mut waiting).now_or_never().is_none());

    client.shutdown().await;
    let is_shutdown = |error: &driver::Error| matches!(error.kind(), ErrorKind::Shutdown);
    assert!(is_shutdown(&waiting.await.unwrap_err()));
    held.disable().unwrap();
    assert_eq!(under_way.await.unwrap().unwrap(), Some(doc! { "_id": 1 }));
    for i in 0..2 {
        assert!(cursor.advance().await.unwrap());
        assert_eq!(cursor.deserialize_current().unwrap(), doc! { "_id": i });
    }
    assert!(is_shutdown(&cursor.advance().await.unwrap_err()));
    assert!(is_shutdown(&slow.find_one(doc! {}).session(&mut session).await.unwrap_err()));
    assert_eq!((events.created() - events.closed(), events.in_use()), (0, 0));
}
