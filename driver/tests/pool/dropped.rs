//! Operations that are dropped in flight or time out, and their connections, requests and sessions.

use std::time::Duration;

use driver::bson::{Binary, Document, doc, spec::BinarySubtype};
use driver::options::{ClientOptions, CollectionOptions, ConnectionString, WriteConcern};
use driver::{Client, Collection, sync};
use futures_util::FutureExt;
use testbed::{ReplicaSet, Standalone, eventually, settles};

use crate::watch::{Events, FAULTS, in_use, name, options, own_address, server, whats_my_uri};

fn client_of(server: &Standalone, adjust: impl FnOnce(&mut ClientOptions)) -> (Client, Events) {
    let events = Events::default();
    let mut options = options(server, &events);
    adjust(&mut options);
    (Client::with_options(options).unwrap(), events)
}

fn client(adjust: impl FnOnce(&mut ClientOptions)) -> (Client, Events) {
    client_of(server(), adjust)
}

async fn connection(client: &Client) -> String {
    own_address(&client.database("admin").run_command(whats_my_uri()).await.unwrap())
}

fn unacknowledged() -> CollectionOptions {
    CollectionOptions::builder().write_concern(WriteConcern::nodes(0)).build()
}

/// A document larger than any socket buffer.
fn large() -> Document {
    doc! { "bytes": Binary { subtype: BinarySubtype::Generic, bytes: vec![7; 15 * 1024 * 1024] } }
}

/// Polls an operation once, which sends it, and drops it.
fn send_and_drop<T>(operation: impl IntoFuture<Output = T>) {
    let ended = operation.into_future().now_or_never();
    assert!(ended.is_none(), "the operation ended at once");
}

/// A collection with one document. The server holds its `find` back while `held` exists.
macro_rules! hold_find {
    ($coll:expr) => {{
        $coll.insert_one(doc! {}).await.unwrap();
        let point = doc! {
            "configureFailPoint": "waitInFindBeforeMakingBatch", "mode": "alwaysOn",
            "data": { "nss": $coll.namespace().to_string() },
        };
        server().fail_point(point).unwrap()
    }};
}

#[tokio::test]
async fn dropped_operation_leaves_its_request_on_its_connection() {
    let _faults = FAULTS.acquire().await;
    let (client, events) = client(|_| {});
    let request = client.start_request();
    let coll = request.database(&name()).collection::<Document>("c");
    let held = hold_find!(coll);
    let first = connection(request.client()).await;
    send_and_drop(coll.find_one(doc! {}));
    let next = connection(request.client());
    let release = async { held.disable().unwrap() };
    let (next, ()) = tokio::join!(next, release);
    assert_eq!(next, first);
    assert_eq!((events.created(), events.closed(), events.in_use()), (1, 0, 1));
    drop((request, coll));
    assert_eq!(events.in_use(), 0);
}

/// The drain outlives its request and then returns the connection to the pool.
#[tokio::test]
async fn request_that_ends_while_it_drains_frees_its_connection() {
    let _faults = FAULTS.acquire().await;
    let (client, events) = client(|options| options.max_pool_size = Some(1));
    let request = client.start_request();
    let coll = request.database(&name()).collection::<Document>("c");
    let held = hold_find!(coll);
    let first = connection(request.client()).await;
    send_and_drop(coll.find_one(doc! {}));
    drop((request, coll));
    let release = async { held.disable().unwrap() };
    let (next, ()) = tokio::join!(connection(&client), release);
    assert_eq!(next, first);
    assert_eq!((events.created(), events.closed(), events.in_use()), (1, 0, 0));
}

#[tokio::test]
async fn request_goes_on_elsewhere_when_its_drain_fails() {
    let _faults = FAULTS.acquire().await;
    let (client, events) = client(|options| options.max_pool_size = Some(1));
    let request = client.start_request();
    let coll = request.database(&name()).collection::<Document>("c");
    let held = hold_find!(coll);
    let first = connection(request.client()).await;
    send_and_drop(coll.find_one(doc! {}));
    // The reply does not arrive before the drain times out.
    let second = connection(request.client()).await;
    assert_ne!(second, first);
    held.disable().unwrap();
    assert_eq!(connection(request.client()).await, second);
    assert_eq!((events.created(), events.closed(), events.in_use()), (2, 1, 1));
}

#[tokio::test]
async fn request_reads_its_writes_after_dropped_operations() {
    let (client, events) = client(|_| {});
    let database = name();
    for round in 0..50 {
        let request = client.start_request();
        let log = request
            .database(&database)
            .collection_with_options::<Document>(&format!("log{round}"), unacknowledged());
        log.insert_one(doc! {}).await.unwrap();
        send_and_drop(log.find_one(doc! {}));
        for _ in 0..50 {
            log.insert_one(doc! {}).await.unwrap();
        }
        assert_eq!(log.count_documents(doc! {}).await.unwrap(), 51);
    }
    assert_eq!((events.created(), events.closed()), (1, 0));
    client.database(&database).drop().await.unwrap();
}

/// The server delays the ping of the application `app` beyond the client's `timeoutMS`, but not
/// beyond the limit of the drain.
fn slow_ping(app: &str) -> Document {
    doc! {
        "configureFailPoint": "failCommand", "mode": { "times": 1 },
        "data": {
            "failCommands": ["ping"], "blockConnection": true, "blockTimeMS": 1300, "appName": app,
        },
    }
}

const LIMIT: Duration = Duration::from_secs(1);

#[tokio::test]
async fn timed_out_operation_leaves_its_request_on_its_connection() {
    let _faults = FAULTS.acquire().await;
    let app = name();
    let (client, events) = client(|options| {
        options.app_name = Some(app.clone());
        options.timeout = Some(LIMIT);
    });
    let request = client.start_request();
    let first = connection(request.client()).await;
    let _slow = server().fail_point(slow_ping(&app)).unwrap();
    let late = request.database("admin").run_command(doc! { "ping": 1 }).await.unwrap_err();
    assert!(late.is_timeout(), "{late}");
    assert_eq!(connection(request.client()).await, first);
    assert_eq!((events.created(), events.closed()), (1, 0));
}

#[test]
fn timed_out_operation_leaves_its_thread_on_its_connection() {
    let _faults = FAULTS.acquire().wait();
    let app = name();
    let events = Events::default();
    let mut options = options(server(), &events);
    options.app_name = Some(app.clone());
    options.timeout = Some(LIMIT);
    let client = sync::Client::with_options(options).unwrap();
    let connection =
        || own_address(&client.database("admin").run_command(whats_my_uri()).run().unwrap());
    let request = client.start_request();
    let first = connection();
    let _slow = server().fail_point(slow_ping(&app)).unwrap();
    let late = client.database("admin").run_command(doc! { "ping": 1 }).run().unwrap_err();
    assert!(late.is_timeout(), "{late}");
    assert_eq!(connection(), first);
    settles(|| (events.created(), events.closed()), (1, 0));
    assert_eq!(in_use(&client), 1);
    drop(request);
    assert_eq!(in_use(&client), 0);
}

/// Drops inserts after a part of each is written. All of them arrive, on one connection.
async fn check_half_written(server: &Standalone, coll: &Collection<Document>, events: &Events) {
    for n in 0..5 {
        assert_eq!(coll.count_documents(doc! {}).await.unwrap(), n);
        // The server reads nothing meanwhile.
        server.pause().unwrap();
        send_and_drop(coll.insert_one(large()));
        server.resume().unwrap();
    }
    assert_eq!(coll.count_documents(doc! {}).await.unwrap(), 5);
    assert_eq!((events.created(), events.closed()), (1, 0));
}

#[tokio::test]
async fn dropped_large_insert_is_sent_to_its_end() {
    let server = Standalone::start().unwrap();
    let (client, events) = client_of(&server, |options| options.max_pool_size = Some(1));
    let coll = client.database("dropped").collection::<Document>("c");
    check_half_written(&server, &coll, &events).await;
}

#[tokio::test]
async fn request_reads_its_half_written_unacknowledged_insert() {
    let server = Standalone::start().unwrap();
    let (client, events) = client_of(&server, |_| {});
    let request = client.start_request();
    let coll =
        request.database("dropped").collection_with_options::<Document>("c", unacknowledged());
    check_half_written(&server, &coll, &events).await;
}

#[tokio::test]
async fn dropped_operations_leave_no_sessions_behind() {
    let server = Standalone::start().unwrap();
    let (client, events) = client_of(&server, |options| options.max_pool_size = Some(4));
    let coll = client.database("dropped").collection::<Document>("c");
    let sessions = || {
        let pipeline =
            vec![doc! { "$listLocalSessions": { "allUsers": true } }, doc! { "$count": "n" }];
        let reply =
            server.admin(doc! { "aggregate": 1, "pipeline": pipeline, "cursor": {} }).unwrap();
        let batch = reply.get_document("cursor").unwrap().get_array("firstBatch").unwrap();
        batch.first().map_or(0, |first| first.as_document().unwrap().get_i32("n").unwrap())
    };
    coll.insert_one(doc! {}).await.unwrap();
    let before = sessions();
    for round in 0..200 {
        match round % 3 {
            0 => send_and_drop(coll.insert_one(doc! {})),
            1 => send_and_drop(coll.find(doc! {}).batch_size(2)),
            _ => {
                let mut session = client.start_session().await.unwrap();
                send_and_drop(coll.count_documents(doc! {}).session(&mut session));
            }
        }
        // The drains run during this wait.
        connection(&client).await;
    }
    eventually("nothing is in use", || events.in_use() == 0);
    // One session per connection, and one per outstanding reply.
    let more = sessions() - before;
    assert!(more <= 16, "{more} sessions were left behind");
}

#[tokio::test]
async fn dropped_writes_leave_no_transaction_records_behind() {
    let set = ReplicaSet::start(1).unwrap();
    let mut options = ConnectionString::parse(set.uri()).unwrap().options;
    options.max_pool_size = Some(4);
    let client = Client::with_options(options).unwrap();
    let coll = client.database("dropped").collection::<Document>("c");
    let transactions = client.database("config").collection::<Document>("transactions");
    coll.insert_one(doc! {}).await.unwrap();
    let before = transactions.count_documents(doc! {}).await.unwrap();
    assert_eq!(before, 1, "a retryable write leaves one record for its session");
    for _ in 0..100 {
        send_and_drop(coll.insert_one(doc! {}));
        // The drain goes on while this is waited for.
        transactions.count_documents(doc! {}).await.unwrap();
    }
    while coll.count_documents(doc! {}).await.unwrap() < 101 {
        tokio::task::yield_now().await;
    }
    // One for each session whose reply was still to come.
    let more = transactions.count_documents(doc! {}).await.unwrap() - before;
    assert!(more <= 16, "{more} records were left behind");
}
