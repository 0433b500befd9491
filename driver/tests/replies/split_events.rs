//! A change stream joins the fragments of an event that the server has split (stage
//! `$changeStreamSplitLargeEvent`). Servers before 6.0.9 do not split events.

use driver::bson::{Document, doc};
use driver::change_stream::{ChangeStreamEvent, OperationType};
use driver::options::ConnectionString;
use driver::{Client, sync};

use crate::server::{Answer, FakeServer};

type Event = ChangeStreamEvent<Document>;

/// A server that sends an event in three fragments, which are in three batches, and another event
/// after it.
fn server() -> FakeServer {
    let fragment = |number: i32, mut fields: Document| {
        let token = format!("fragment {number}");
        fields.extend(doc! { "splitEvent": { "fragment": number, "of": 3 } });
        fields.extend(doc! { "_id": { "_data": token } });
        fields
    };
    let namespace = doc! { "db": "db", "coll": "coll" };
    let mut batches = vec![
        vec![fragment(1, doc! { "operationType": "update", "ns": &namespace })],
        vec![fragment(2, doc! { "fullDocument": { "_id": 1, "n": 1 } })],
        vec![
            fragment(3, doc! { "fullDocumentBeforeChange": { "_id": 1, "n": 0 } }),
            doc! { "_id": { "_data": "last" }, "operationType": "drop", "ns": &namespace },
        ],
    ]
    .into_iter();
    FakeServer::start(move |command| {
        let batch = batches.next().unwrap_or_default();
        let cursor = match command {
            "aggregate" => doc! { "id": 7_i64, "ns": "db.coll", "firstBatch": batch },
            "getMore" => doc! { "id": 7_i64, "ns": "db.coll", "nextBatch": batch },
            _ => return Answer::Reply(doc! { "ok": 1 }),
        };
        Answer::Reply(doc! { "ok": 1, "cursor": cursor })
    })
}

fn options(server: &FakeServer) -> driver::options::ClientOptions {
    ConnectionString::parse(server.uri()).unwrap().options
}

fn split() -> [Document; 1] {
    [doc! { "$changeStreamSplitLargeEvent": {} }]
}

fn check([joined, last]: [Event; 2]) {
    assert_eq!(joined.operation_type, OperationType::Update);
    assert_eq!(joined.full_document, Some(doc! { "_id": 1, "n": 1 }));
    assert_eq!(joined.full_document_before_change, Some(doc! { "_id": 1, "n": 0 }));
    let token = driver::bson::serialize_to_bson(&joined.id).unwrap();
    assert_eq!(token, doc! { "_data": "fragment 3" }.into(), "a stream resumes after the event");
    assert_eq!(last.operation_type, OperationType::Drop);
    assert_eq!(last.full_document, None, "it has nothing of the event before");
}

#[tokio::test]
async fn fragments_of_a_split_event_are_joined() {
    let server = server();
    let client = Client::with_options(options(&server)).unwrap();
    let coll = client.database("db").collection::<Document>("coll");
    let mut stream = coll.watch().pipeline(split()).await.unwrap();
    let mut next = async || stream.try_next().await.unwrap().unwrap();
    check([next().await, next().await]);
}

#[test]
fn blocking_stream_joins_the_fragments_of_a_split_event() {
    let server = server();
    let client = sync::Client::with_options(options(&server)).unwrap();
    let coll = client.database("db").collection::<Document>("coll");
    let mut stream = coll.watch().pipeline(split()).run().unwrap();
    let mut next = || stream.try_next().unwrap().unwrap();
    check([next(), next()]);
}
