//! Malformed replies, and the content of errors. Both APIs.

#[path = "../operations/api.rs"]
#[expect(dead_code, reason = "no real server is needed here")]
mod api;
mod bulk_write;
mod load_balanced;
mod server;
mod split_events;
mod versions;

use std::error::Error as _;

use driver::bson::{Bson, Document, RawArrayBuf, RawDocumentBuf, doc};
use driver::database::Database;
use driver::error::{Error, ErrorKind, Result};
use driver::event::EventHandler;
use driver::event::command::CommandEvent;
use driver::options::ConnectionString;
use driver::{Client, Collection, sync};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::api::{Api, on_both_apis};
use crate::server::{Answer, FakeServer};

/// The writes on one collection. All their errors must name the operation and the collection.
const WRITES: [&str; 6] =
    ["insert_one", "insert_many", "update_one", "update_many", "replace_one", "delete_one"];

async fn write(name: &str, server: &FakeServer) -> Result<String> {
    let client = Client::with_uri_str(server.uri()).await.unwrap();
    let coll: Collection<Document> = client.database("db").collection("coll");
    let set = doc! { "$set": { "x": 1 } };
    Ok(match name {
        "insert_one" => format!("{:?}", coll.insert_one(doc! { "_id": 1 }).await?),
        "insert_many" => {
            format!("{:?}", coll.insert_many([doc! { "_id": 1 }, doc! { "_id": 2 }]).await?)
        }
        "update_one" => format!("{:?}", coll.update_one(doc! {}, set).await?),
        "update_many" => format!("{:?}", coll.update_many(doc! {}, set).await?),
        "replace_one" => format!("{:?}", coll.replace_one(doc! {}, doc! { "x": 1 }).await?),
        "delete_one" => format!("{:?}", coll.delete_one(doc! {}).await?),
        "delete_many" => format!("{:?}", coll.delete_many(doc! {}).await?),
        "aggregate" => format!("{:?}", coll.aggregate([doc! { "$out": "other" }]).await?),
        "drop" => format!("{:?}", coll.drop().await?),
        "count" => format!("{:?}", coll.estimated_document_count().await?),
        _ => unreachable!("{name}"),
    })
}

fn write_blocking(name: &str, server: &FakeServer) -> Result<String> {
    let client = sync::Client::with_uri_str(server.uri()).unwrap();
    let coll: sync::Collection<Document> = client.database("db").collection("coll");
    let set = doc! { "$set": { "x": 1 } };
    Ok(match name {
        "insert_one" => format!("{:?}", coll.insert_one(doc! { "_id": 1 }).run()?),
        "insert_many" => {
            format!("{:?}", coll.insert_many([doc! { "_id": 1 }, doc! { "_id": 2 }]).run()?)
        }
        "update_one" => format!("{:?}", coll.update_one(doc! {}, set).run()?),
        "update_many" => format!("{:?}", coll.update_many(doc! {}, set).run()?),
        "replace_one" => format!("{:?}", coll.replace_one(doc! {}, doc! { "x": 1 }).run()?),
        "delete_one" => format!("{:?}", coll.delete_one(doc! {}).run()?),
        "delete_many" => format!("{:?}", coll.delete_many(doc! {}).run()?),
        "aggregate" => format!("{:?}", coll.aggregate([doc! { "$out": "other" }]).run()?),
        "drop" => format!("{:?}", coll.drop().run()?),
        "count" => format!("{:?}", coll.estimated_document_count().run()?),
        _ => unreachable!("{name}"),
    })
}

/// Runs the operation on both APIs.
async fn in_both(name: &'static str, reply: &Document) -> [Result<String>; 2] {
    let server = FakeServer::that_says(reply.clone());
    let outcome = write(name, &server).await;
    let blocking =
        tokio::task::spawn_blocking(move || write_blocking(name, &server)).await.unwrap();
    [outcome, blocking]
}

fn assert_invalid(outcome: Result<String>, name: &str, reply: &Document) {
    let error = outcome.expect_err(&format!("{name} takes {reply}"));
    assert!(matches!(error.kind(), ErrorKind::InvalidResponse { .. }), "{name}, {reply}: {error}");
    assert!(
        error.to_string().starts_with(&format!("{name} on db.coll: ")) && error.host().is_some(),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_write_errors_are_invalid_replies() {
    let error = |index: Bson, code: Bson| {
        doc! { "ok": 1, "n": 0, "writeErrors": [{ "index": index, "code": code }] }
    };
    let replies = [
        doc! { "ok": 1, "n": 1, "writeErrors": 5 },
        doc! { "ok": 1, "n": 1, "writeErrors": { "index": 0, "code": 1 } },
        doc! { "ok": 1, "n": 1, "writeErrors": [1, 2] },
        doc! { "ok": 1, "n": 1, "writeErrors": [{ "index": 0, "code": 11000 }, 2] },
        doc! { "ok": 1, "n": 1, "writeErrors": [{ "code": 11000 }] },
        doc! { "ok": 1, "n": 1, "writeErrors": [{ "index": 0 }] },
        error((-1).into(), 11000.into()),
        error("0".into(), 11000.into()),
        error(i64::MAX.into(), 11000.into()),
        error(2.into(), 11000.into()),
        error(0.5.into(), 11000.into()),
        error(0.into(), "11000".into()),
        error(0.into(), i64::MAX.into()),
    ];
    for name in WRITES {
        for reply in &replies {
            for outcome in in_both(name, reply).await {
                assert_invalid(outcome, name, reply);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_concern_errors_are_invalid_replies() {
    let cursor = doc! { "id": 0_i64, "ns": "db.coll", "firstBatch": [] };
    let replies = [
        doc! { "ok": 1, "n": 1, "cursor": &cursor, "writeConcernError": 5 },
        doc! { "ok": 1, "n": 1, "cursor": &cursor, "writeConcernError": [] },
        doc! { "ok": 1, "n": 1, "cursor": &cursor, "writeConcernError": {} },
        doc! { "ok": 1, "n": 1, "cursor": &cursor, "writeConcernError": { "code": "64" } },
        doc! { "ok": 1, "n": 1, "cursor": &cursor, "errorLabels": 5 },
    ];
    for name in WRITES.into_iter().chain(["aggregate", "drop"]) {
        for reply in &replies {
            for outcome in in_both(name, reply).await {
                assert_invalid(outcome, name, reply);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_counts_are_invalid_replies() {
    for n in [
        Bson::from("1"),
        Bson::from(-1),
        Bson::from(0.5),
        Bson::from(f64::NAN),
        Bson::Null,
        Bson::from(true),
    ] {
        for name in ["update_one", "update_many", "replace_one", "delete_one", "delete_many"] {
            let reply = doc! { "ok": 1, "n": n.clone(), "nModified": 0 };
            for outcome in in_both(name, &reply).await {
                assert_invalid(outcome, name, &reply);
            }
        }
        let reply = doc! { "ok": 1, "n": 1, "nModified": n };
        for outcome in in_both("update_one", &reply).await {
            assert_invalid(outcome, "update_one", &reply);
        }
    }
    for reply in [
        doc! { "ok": 1 },
        doc! { "ok": 1, "n": 1, "upserted": 5 },
        doc! { "ok": 1, "n": 1, "upserted": [5] },
        doc! { "ok": 1, "n": 1, "upserted": [{ "index": 0 }] },
    ] {
        for outcome in in_both("update_one", &reply).await {
            assert_invalid(outcome, "update_one", &reply);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn error_names_the_missing_ok_of_a_reply() {
    for reply in [doc! { "n": 1 }, doc! { "ok": "yes", "n": 1 }, doc! { "ok": 0.5, "n": 1 }] {
        for outcome in in_both("insert_one", &reply).await {
            assert!(
                outcome.as_ref().is_err_and(|error| error.to_string().contains("no ok")),
                "{outcome:?}"
            );
            assert_invalid(outcome, "insert_one", &reply);
        }
    }
    for outcome in in_both("insert_one", &doc! { "ok": 0 }).await {
        let error = outcome.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Command(_)), "{error}");
        assert!(error.to_string().contains("it gave no message"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_report_concern_errors_that_servers_send() {
    let reply = doc! {
        "ok": 1, "n": 1, "cursor": { "id": 0_i64, "ns": "db.coll", "firstBatch": [] },
        "writeConcernError": {
            "code": 100, "codeName": "UnsatisfiableWriteConcern", "errmsg": "too few",
        },
    };
    for name in WRITES.into_iter().chain(["delete_many", "aggregate", "drop"]) {
        for outcome in in_both(name, &reply).await {
            let error = outcome.expect_err(name);
            assert_eq!(error.code(), Some(100), "{name}: {error}");
            assert!(error.host().is_some() && error.server_response().is_some(), "{name}: {error}");
        }
    }
    // The specification leaves the reply of an unknown command to the caller.
    let server = FakeServer::that_says(reply.clone());
    let client = Client::with_uri_str(server.uri()).await.unwrap();
    let found = client.database("db").run_command(doc! { "insert": "coll" }).await.unwrap();
    assert_eq!(found, reply);
    let error = client.database("db").drop().await.unwrap_err();
    assert_eq!(error.code(), Some(100), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn timeout_during_a_retry_has_the_previous_error() {
    /// The first attempt loses its connection, the second gets no reply.
    fn fails_then_silent() -> FakeServer {
        let mut asked = 0;
        FakeServer::start(move |_| {
            asked += 1;
            if asked == 1 { Answer::Close } else { Answer::Silence }
        })
    }
    let check = |error: driver::error::Error| {
        assert!(error.is_timeout(), "{error}");
        let source =
            error.source().and_then(|source| source.downcast_ref::<driver::error::Error>());
        let source = source.expect("it has the error of the attempt before");
        assert!(source.is_network() && !source.is_timeout(), "{source}");
        assert!(error.to_string().contains(&source.kind().to_string()), "{error}");
    };
    let server = fails_then_silent();
    let client = Client::with_uri_str(format!("{}&timeoutMS=1500", server.uri())).await.unwrap();
    check(
        client.database("db").collection::<Document>("coll").find_one(doc! {}).await.unwrap_err(),
    );
    let server = fails_then_silent();
    let blocking = tokio::task::spawn_blocking(move || {
        let client =
            sync::Client::with_uri_str(format!("{}&timeoutMS=1500", server.uri())).unwrap();
        client.database("db").collection::<Document>("coll").find_one(doc! {}).run().unwrap_err()
    });
    check(blocking.await.unwrap());
}

#[test]
fn blocking_refresh_after_a_shutdown_fails() {
    let server = FakeServer::that_says(doc! { "ok": 1 });
    let client = sync::Client::with_uri_str(server.uri()).unwrap();
    client.wait_for_refresh().unwrap();
    client.clone().shutdown().run();
    let error = client.wait_for_refresh().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Shutdown), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_of_a_client_that_was_shut_down_fails() {
    let server = FakeServer::that_says(doc! { "ok": 1 });
    let client = Client::with_uri_str(server.uri()).await.unwrap();
    client.wait_for_refresh().await.unwrap();
    client.clone().shutdown().await;
    let error = client.wait_for_refresh().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Shutdown), "{error}");
}

/// A map that ends with a key.
struct Half;

impl Serialize for Half {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("whole", &1)?;
        map.serialize_key("half")?;
        map.end()
    }
}

fn nested(levels: usize) -> Document {
    (1..levels).fold(doc! { "x": 1 }, |inner, _| doc! { "x": inner })
}

/// A document of that many levels, as the bytes of BSON.
fn raw_nested(levels: usize) -> RawDocumentBuf {
    // Each level has a length, an element of type document with the key "x", and a terminator.
    let innermost = 5;
    let mut bytes = Vec::new();
    for level in 0..levels {
        let length = innermost + 8 * (levels - 1 - level);
        bytes.extend(u32::try_from(length).unwrap().to_le_bytes());
        if level + 1 < levels {
            bytes.extend([3, b'x', 0]);
        }
    }
    bytes.extend(vec![0; levels]);
    RawDocumentBuf::from_bytes(bytes).unwrap()
}

fn refused<T>(outcome: Result<T>, says: &str) {
    let error = outcome.map(drop).expect_err(says);
    assert!(matches!(error.kind(), ErrorKind::BsonSerialization(_)), "{error}");
    assert!(error.to_string().contains(says), "{error}");
}

const DEEP: &str = "more than 200 levels of nesting";

/// A client of a server that replies to any command.
fn database<F: Api>(server: &FakeServer) -> Database<F> {
    let mut options = ConnectionString::parse(server.uri()).unwrap().options;
    // Listeners see each command as a document.
    options.command_event_handler = Some(EventHandler::callback(|event: CommandEvent| {
        if let CommandEvent::Started(started) = event {
            assert!(!started.command_name.is_empty(), "{started:?}");
        }
    }));
    F::open(options).unwrap().database("db")
}

on_both_apis! {
    documents_that_cannot_be_written_are_refused
    deep_raw_documents_are_refused
}

fn documents_that_cannot_be_written_are_refused<F: Api>() {
    let server = FakeServer::that_says(doc! { "ok": 1, "n": 1 });
    let database = database::<F>(&server);
    let coll = database.collection::<Document>("coll");
    F::end(coll.insert_one(nested(180))).unwrap();
    refused(F::end(coll.insert_one(nested(3000))), DEEP);
    refused(F::end(coll.insert_many([doc! {}, nested(3000)])), DEEP);
    refused(F::end(coll.replace_one(doc! {}, nested(3000))), DEEP);
    refused(F::end(coll.update_one(nested(3000), doc! { "$set": { "x": 1 } })), DEEP);
    refused(F::end(coll.update_one(doc! {}, doc! { "$set": nested(3000) })), DEEP);
    refused(F::end(coll.update_one(doc! {}, vec![doc! { "$set": nested(3000) }])), DEEP);
    refused(F::end(coll.delete_one(nested(3000))), DEEP);
    refused(F::end(coll.find_one(nested(3000))), DEEP);
    refused(F::end(coll.find(doc! {}).sort(nested(3000))), DEEP);
    refused(F::end(coll.aggregate([doc! { "$match": nested(3000) }])), DEEP);
    refused(F::end(coll.insert_one(doc! {}).comment(nested(3000))), DEEP);
    refused(F::end(database.run_command(nested(3000))), DEEP);
    let half = "keys and values do not alternate";
    let halves = database.collection::<Half>("coll");
    refused(F::end(halves.insert_one(Half)), half);
    refused(F::end(halves.insert_many([Half])), half);
    refused(F::end(halves.replace_one(doc! {}, Half)), half);
}

fn deep_raw_documents_are_refused<F: Api>() {
    #[derive(Serialize)]
    struct Holding {
        inner: Inner,
    }
    #[derive(Serialize)]
    struct Inner {
        raw: RawDocumentBuf,
        array: RawArrayBuf,
    }
    let holding = |levels: usize| {
        let mut array = RawArrayBuf::new();
        array.push(raw_nested(levels - 1));
        Holding { inner: Inner { raw: raw_nested(levels), array } }
    };
    let server = FakeServer::that_says(doc! { "ok": 1, "n": 1 });
    let database = database::<F>(&server);
    let raw = database.collection::<RawDocumentBuf>("coll");
    F::end(raw.insert_one(raw_nested(180))).unwrap();
    for levels in [201, 3_000, 500_000] {
        refused(F::end(raw.insert_one(raw_nested(levels))), DEEP);
        refused(F::end(raw.insert_many([raw_nested(1), raw_nested(levels)])), DEEP);
        refused(F::end(raw.replace_one(doc! {}, raw_nested(levels))), DEEP);
        refused(F::end(database.run_raw_command(raw_nested(levels))), DEEP);
        refused(F::end(database.run_raw_cursor_command(raw_nested(levels))), DEEP);
    }
    let typed = database.collection::<Holding>("coll");
    F::end(typed.insert_one(holding(198))).unwrap();
    refused(F::end(typed.insert_one(holding(199))), DEEP);
    refused(F::end(typed.insert_one(holding(500_000))), DEEP);
}

/// A reply with a cursor whose first batch is `array`.
fn batch(array: Vec<Bson>, id: i64) -> Document {
    doc! { "ok": 1, "cursor": { "id": id, "ns": "db.coll", "firstBatch": array } }
}

on_both_apis! { errors_of_cursors_name_operation_and_host }

fn errors_of_cursors_name_operation_and_host<F: Api>() {
    let server = FakeServer::that_says(batch(vec![doc! { "a": 1 }.into(), Bson::from(5)], 0));
    let coll = database::<F>(&server).collection::<Document>("coll");
    let names = |error: Error, operation: &str| {
        assert!(matches!(error.kind(), ErrorKind::InvalidResponse { .. }), "{error}");
        assert!(error.host().is_some(), "{error}");
        assert!(error.to_string().starts_with(&format!("{operation} on db.coll: ")), "{error}");
    };
    names(F::end(coll.find(doc! {})).map(drop).unwrap_err(), "find");
    names(F::end(coll.aggregate([doc! {}])).map(drop).unwrap_err(), "aggregate");
}

#[derive(Debug, serde::Deserialize)]
struct Typed {
    #[serde(rename = "a")]
    _a: i32,
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_cursor_items_name_the_operation() {
    let server = FakeServer::that_says(batch(vec![doc! { "a": "text" }.into()], 7));
    let client = Client::with_uri_str(server.uri()).await.unwrap();
    let coll: Collection<Document> = client.database("db").collection("coll");
    let mut typed = coll.aggregate([doc! {}]).with_type::<Typed>().await.unwrap();
    let error = typed.try_next().await.unwrap_err();
    assert!(error.to_string().starts_with("aggregate on db.coll: "), "{error}");
    drop(typed);

    let blocking = tokio::task::spawn_blocking(move || {
        let client = sync::Client::with_uri_str(server.uri()).unwrap();
        let coll: sync::Collection<Document> = client.database("db").collection("coll");
        let mut typed = coll.aggregate([doc! {}]).with_type::<Typed>().run().unwrap();
        typed.next().unwrap().unwrap_err()
    });
    let error = blocking.await.unwrap();
    assert!(error.to_string().starts_with("aggregate on db.coll: "), "{error}");
}

/// The numbers of a fragment in its event (`splitEvent`).
fn fragment(split: Option<Document>) -> Bson {
    let mut event = doc! { "_id": { "_data": "token" }, "operationType": "insert" };
    event.extend(split.map(|split| doc! { "splitEvent": split }).unwrap_or_default());
    event.into()
}

/// Sequences of fragments that make no whole event.
fn incomplete_splits() -> Vec<Vec<Bson>> {
    let of = |number: i32, of: i32| Some(doc! { "fragment": number, "of": of });
    [
        vec![Some(doc! { "fragment": "1", "of": 1 })],
        vec![Some(doc! { "fragment": 1 })],
        vec![Some(doc! { "of": 1 })],
        vec![of(0, 0)],
        vec![of(2, 1)],
        vec![of(2, 2)],
        vec![of(1, 2), of(1, 2)],
        vec![of(1, 3), of(3, 3)],
        vec![of(1, 2), of(2, 3)],
        vec![of(1, 2), None],
    ]
    .into_iter()
    .map(|event| event.into_iter().map(fragment).collect())
    .collect()
}

/// Names the culprit, and the stream has ended.
fn assert_incomplete<T: std::fmt::Debug>(
    first: Result<Option<T>>,
    next: Result<Option<T>>,
    events: &[Bson],
) {
    let error = first.expect_err(&format!("{events:?}"));
    assert!(matches!(error.kind(), ErrorKind::InvalidResponse { .. }), "{error}");
    assert!(error.to_string().starts_with("watch on db.coll: "), "{error}");
    assert!(error.to_string().contains("split"), "{error}");
    assert!(next.unwrap().is_none(), "{events:?}");
}

#[tokio::test]
async fn incomplete_split_events_are_refused() {
    for events in incomplete_splits() {
        let server = FakeServer::that_says(batch(events.clone(), 0));
        let client = Client::with_uri_str(server.uri()).await.unwrap();
        let coll: Collection<Document> = client.database("db").collection("coll");
        let split = [doc! { "$changeStreamSplitLargeEvent": {} }];
        let mut stream = coll.watch().pipeline(split).await.unwrap().with_type::<Document>();
        assert_incomplete(stream.try_next().await, stream.try_next().await, &events);
    }
}

#[test]
fn incomplete_split_events_are_refused_blocking() {
    for events in incomplete_splits() {
        let server = FakeServer::that_says(batch(events.clone(), 0));
        let client = sync::Client::with_uri_str(server.uri()).unwrap();
        let coll: sync::Collection<Document> = client.database("db").collection("coll");
        let split = [doc! { "$changeStreamSplitLargeEvent": {} }];
        let mut stream = coll.watch().pipeline(split).run().unwrap().with_type::<Document>();
        assert_incomplete(stream.try_next(), stream.try_next(), &events);
    }
}

#[tokio::test]
async fn selection_with_a_direct_connection_asks_for_no_primary() {
    let uri = "mongodb://127.0.0.1:1/?directConnection=true&serverSelectionTimeoutMS=300";
    let client = Client::with_uri_str(uri).await.unwrap();
    let error = client.database("db").run_command(doc! { "ping": 1 }).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::ServerSelection { .. }), "{error}");
    assert!(!error.to_string().contains("no primary"), "{error}");
    assert!(error.to_string().contains("the server did not answer"), "{error}");
}
