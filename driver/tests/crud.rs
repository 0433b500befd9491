//! Create, read, update and delete on a real server, on both APIs.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use driver::bson::oid::ObjectId;
use driver::bson::{Bson, Document, RawDocumentBuf, doc};
use driver::error::ErrorKind;
use driver::options::{ClientOptions, CollectionOptions, FindOptions, Hint, WriteConcern};
use driver::{Client, Collection, Database};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use testbed::{Standalone, shared_standalone};

/// The time limit for effects without an acknowledgement.
const PATIENCE: Duration = Duration::from_secs(60);

fn server() -> &'static Standalone {
    shared_standalone().unwrap()
}

/// A client of the shared server, and a separate database.
async fn fresh() -> Database {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("crud_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let client = Client::with_uri_str(server().uri()).await.unwrap();
    client.database(&name)
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Monkey {
    #[serde(rename = "_id", skip_serializing_if = "Option::is_none")]
    id: Option<ObjectId>,
    name: String,
    breaths: i64,
}

impl Monkey {
    fn named(name: &str) -> Self {
        Monkey { id: None, name: name.to_owned(), breaths: 0 }
    }
}

#[tokio::test]
async fn typed_document_round_trips() {
    let coll: Collection<Monkey> = fresh().await.collection("monkeys");
    let inserted = coll.insert_one(Monkey::named("Mabel")).await.unwrap().inserted_id;
    let found = coll.find_one(doc! { "name": "Mabel" }).await.unwrap().unwrap();
    assert_eq!(Bson::ObjectId(found.id.unwrap()), inserted);
    assert_eq!(found, Monkey { id: found.id, ..Monkey::named("Mabel") });
    assert_eq!(coll.find_one(doc! { "name": "nobody" }).await.unwrap(), None);

    let raw = coll.clone_with_type::<RawDocumentBuf>().find_one(doc! {}).await.unwrap().unwrap();
    let first = raw.iter().next().unwrap().unwrap().0;
    assert_eq!(first.as_str(), "_id", "the generated id is the first field");
}

#[tokio::test]
async fn id_of_a_document_is_kept_and_its_duplicate_refused() {
    let coll: Collection<Document> = fresh().await.collection("ids");
    let inserted = coll.insert_one(&doc! { "x": 1, "_id": "mine" }).await.unwrap();
    assert_eq!(inserted.inserted_id, Bson::from("mine"));
    let error = coll.insert_one(&doc! { "_id": "mine" }).await.unwrap_err();
    assert!(error.is_duplicate_key(), "{error}");
    assert!(matches!(error.kind(), ErrorKind::Write(_)), "{error}");
    assert_eq!(error.host().unwrap().to_string(), server().host());
    assert!(error.server_response().is_some());
    assert_eq!(coll.count_documents(doc! {}).await.unwrap(), 1);
}

#[tokio::test]
async fn documents_are_inserted_and_streamed_in_batches() {
    let coll: Collection<Document> = fresh().await.collection("many");
    let documents: Vec<Document> = (0..1000).map(|i| doc! { "i": i }).collect();
    let inserted = coll.insert_many(&documents).await.unwrap().inserted_ids;
    assert_eq!(inserted.len(), 1000);
    let found: Vec<Document> = coll
        .find(doc! {})
        .sort(doc! { "i": 1 })
        .batch_size(7)
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(found.len(), 1000);
    for (position, document) in found.iter().enumerate() {
        assert_eq!(document.get_i32("i").unwrap(), position as i32);
        assert_eq!(document.get("_id"), inserted.get(&position));
    }

    let mut cursor = coll.find(doc! { "i": { "$lt": 50 } }).batch_size(9).await.unwrap();
    let mut sum = 0;
    while cursor.advance().await.unwrap() {
        sum += cursor.current().get_i32("i").unwrap();
    }
    assert_eq!(sum, (0..50).sum::<i32>());
    assert!(!cursor.has_next() && cursor.current().is_empty());
    assert!(!cursor.advance().await.unwrap(), "the end stays the end");
}

#[tokio::test]
async fn inserts_split_into_commands_at_the_servers_limits() {
    let coll: Collection<RawDocumentBuf> = fresh().await.collection("split");
    let large = |i: i32| {
        let mut document = RawDocumentBuf::new();
        document.append(driver::bson::raw::cstr!("_id"), i);
        document.append(driver::bson::raw::cstr!("filling"), "x".repeat(15_000_000).as_str());
        document
    };
    let before = inserts().await;
    let inserted = coll.insert_many((0..4).map(large)).await.unwrap().inserted_ids;
    assert_eq!(inserted, (0..4).map(|i| (i as usize, Bson::Int32(i))).collect::<HashMap<_, _>>());
    assert_eq!(coll.count_documents(doc! {}).await.unwrap(), 4);
    assert!(inserts().await >= before + 2, "60 MB do not fit into one message");

    let small = (0..100_001).map(|i| RawDocumentBuf::try_from(&doc! { "_id": i + 10 }).unwrap());
    let inserted = coll.insert_many(small).await.unwrap().inserted_ids;
    assert_eq!(inserted.len(), 100_001);
    assert_eq!(inserted[&100_000], Bson::Int32(100_010));
    coll.drop().await.unwrap();
}

/// The number of insert commands on the shared server.
async fn inserts() -> i64 {
    let status = server().admin(doc! { "serverStatus": 1 }).unwrap();
    let insert = status
        .get_document("metrics")
        .unwrap()
        .get_document("commands")
        .unwrap()
        .get_document("insert");
    insert.unwrap().get_i64("total").unwrap()
}

#[tokio::test]
async fn ordered_insert_stops_at_an_error_and_unordered_continues() {
    let coll: Collection<Document> = fresh().await.collection("refusals");
    let documents = [
        doc! { "_id": 1 },
        doc! { "_id": 1 },
        doc! { "_id": 2 },
        doc! { "_id": 2 },
        doc! { "_id": 3 },
    ];
    for (ordered, refused, inserted) in
        [(true, vec![1], vec![0]), (false, vec![1, 3], vec![0, 2, 4])]
    {
        coll.delete_many(doc! {}).await.unwrap();
        let error = coll.insert_many(&documents).ordered(ordered).await.unwrap_err();
        assert!(error.is_duplicate_key(), "{error}");
        let ErrorKind::InsertMany(failed) = error.kind() else { panic!("{error:?}") };
        let at: Vec<usize> = failed.write_errors.iter().map(|e| e.index).collect();
        assert_eq!(at, refused);
        let mut done: Vec<usize> = failed.inserted_ids.keys().copied().collect();
        done.sort_unstable();
        assert_eq!(done, inserted);
        assert_eq!(coll.count_documents(doc! {}).await.unwrap(), inserted.len() as u64);
    }
}

#[tokio::test]
async fn documents_are_updated_replaced_and_deleted() {
    let coll: Collection<Monkey> = fresh().await.collection("changes");
    coll.insert_many(["a", "b", "c"].map(Monkey::named)).await.unwrap();

    let one =
        coll.update_one(doc! { "name": "a" }, doc! { "$inc": { "breaths": 2 } }).await.unwrap();
    assert_eq!((one.matched_count, one.modified_count, one.upserted_id), (1, 1, None));
    let many = coll.update_many(doc! {}, doc! { "$max": { "breaths": 2 } }).await.unwrap();
    assert_eq!((many.matched_count, many.modified_count), (3, 2));
    let pipeline = vec![doc! { "$set": { "breaths": { "$add": ["$breaths", 5] } } }];
    coll.update_one(doc! { "name": "c" }, pipeline).await.unwrap();
    assert_eq!(coll.find_one(doc! { "name": "c" }).await.unwrap().unwrap().breaths, 7);

    let upserted = coll
        .update_one(doc! { "name": "d" }, doc! { "$set": { "breaths": 1 } })
        .upsert(true)
        .await
        .unwrap();
    assert_eq!((upserted.matched_count, upserted.modified_count), (0, 0));
    assert!(matches!(upserted.upserted_id, Some(Bson::ObjectId(_))));

    let replaced = coll.replace_one(doc! { "name": "d" }, Monkey::named("e")).await.unwrap();
    assert_eq!((replaced.matched_count, replaced.modified_count), (1, 1));
    assert_eq!(coll.find_one(doc! { "name": "e" }).await.unwrap().unwrap().breaths, 0);

    assert_eq!(coll.delete_one(doc! { "breaths": 2 }).await.unwrap().deleted_count, 1);
    assert_eq!(coll.delete_many(doc! {}).await.unwrap().deleted_count, 3);
    assert_eq!(coll.estimated_document_count().await.unwrap(), 0);
}

#[tokio::test]
async fn counts_distinct_values_and_pipelines() {
    let database = fresh().await;
    let coll: Collection<Document> = database.collection("numbers");
    coll.insert_many((0..20).map(|i| doc! { "i": i, "even": i % 2 == 0 })).await.unwrap();
    assert_eq!(coll.count_documents(doc! { "even": true }).await.unwrap(), 10);
    assert_eq!(coll.count_documents(doc! {}).skip(5).limit(8).await.unwrap(), 8);
    assert_eq!(coll.count_documents(doc! { "i": 99 }).await.unwrap(), 0);
    assert_eq!(coll.estimated_document_count().await.unwrap(), 20);
    assert_eq!(coll.distinct("even", doc! {}).await.unwrap().len(), 2);
    let stages = [
        doc! { "$group": { "_id": "$even", "sum": { "$sum": "$i" } } },
        doc! { "$sort": { "sum": 1 } },
    ];
    let sums: Vec<Document> = coll.aggregate(stages).await.unwrap().try_collect().await.unwrap();
    assert_eq!(sums, [doc! { "_id": true, "sum": 90 }, doc! { "_id": false, "sum": 100 }]);
    coll.aggregate([doc! { "$out": "copied" }]).await.unwrap();
    assert_eq!(
        database.collection::<Document>("copied").count_documents(doc! {}).await.unwrap(),
        20
    );
}

#[tokio::test]
async fn find_options_reach_the_server() {
    let coll: Collection<Document> = fresh().await.collection("options");
    coll.insert_many((0..10).map(|i| doc! { "_id": i, "name": format!("n{i}") })).await.unwrap();
    let mut options = FindOptions::default();
    options.skip = Some(2);
    options.limit = Some(3);
    options.sort = Some(doc! { "_id": -1 });
    options.projection = Some(doc! { "_id": 1 });
    options.hint = Some(Hint::Keys(doc! { "_id": 1 }));
    let found: Vec<Document> = coll
        .find(doc! {})
        .with_options(options)
        .comment("why")
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(found, [doc! { "_id": 7 }, doc! { "_id": 6 }, doc! { "_id": 5 }]);
    let single: Vec<Document> =
        coll.find(doc! {}).limit(-4).batch_size(4).await.unwrap().try_collect().await.unwrap();
    assert_eq!(single.len(), 4);
    let exact: Vec<Document> =
        coll.find(doc! {}).limit(4).batch_size(4).await.unwrap().try_collect().await.unwrap();
    assert_eq!(exact.len(), 4);
    let error = coll.find_one(doc! {}).hint(Hint::Name("none".into())).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Command(_)), "{error}");
}

#[tokio::test]
async fn collections_are_listed_and_dropped_and_commands_run() {
    let database = fresh().await;
    for name in ["a", "b"] {
        database.collection::<Document>(name).insert_one(doc! {}).await.unwrap();
    }
    let mut names = database.list_collection_names().await.unwrap();
    names.sort();
    assert_eq!(names, ["a", "b"]);
    let only = database.list_collection_names().filter(doc! { "name": "b" }).await.unwrap();
    assert_eq!(only, ["b"]);
    database.collection::<Document>("a").drop().await.unwrap();
    database.collection::<Document>("a").drop().await.unwrap();
    assert_eq!(database.list_collection_names().await.unwrap(), ["b"]);
    let pong = database.run_command(doc! { "ping": 1 }).await.unwrap();
    assert_eq!(pong.get("ok"), Some(&Bson::Double(1.0)));
    let error = database.run_command(doc! { "noSuchCommand": 1 }).await.unwrap_err();
    assert_eq!((error.code(), error.code_name()), (Some(59), Some("CommandNotFound")));
    database.drop().await.unwrap();
    assert!(database.list_collection_names().await.unwrap().is_empty());
}

#[tokio::test]
async fn cursor_continues_after_a_document_of_another_type() {
    let database = fresh().await;
    let coll: Collection<Document> = database.collection("mixed");
    coll.insert_many([doc! { "name": 1 }, doc! { "name": "ok", "breaths": 1_i64 }]).await.unwrap();
    let found: Vec<_> =
        coll.clone_with_type::<Monkey>().find(doc! {}).await.unwrap().collect().await;
    let error = found[0].as_ref().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::BsonDeserialization(_)));
    let whose = format!("find on {}.mixed: ", database.name());
    assert!(error.to_string().starts_with(&whose), "{error}");
    assert_eq!(found[1].as_ref().unwrap().name, "ok");
}

/// The error of an invalid argument names the operation and its namespace once.
#[tokio::test]
async fn error_names_its_operation_once() {
    let coll: Collection<Document> = fresh().await.collection("c");
    let place = coll.namespace().to_string();
    let errors = [
        ("update_one", coll.update_one(doc! {}, doc! { "name": "Mabel" }).await.unwrap_err()),
        ("update_many", coll.update_many(doc! {}, doc! {}).await.unwrap_err()),
        ("update_one", coll.update_one(doc! {}, Vec::<Document>::new()).await.unwrap_err()),
        (
            "replace_one",
            coll.replace_one(doc! {}, doc! { "$set": { "name": "Mabel" } }).await.unwrap_err(),
        ),
        ("insert_many", coll.insert_many(Vec::<Document>::new()).await.unwrap_err()),
    ];
    for (operation, error) in errors {
        let message = error.to_string();
        assert!(
            message.starts_with(&format!("{operation} on {place}: invalid argument: ")),
            "{message}"
        );
        assert_eq!(message.matches(&place).count(), 1, "{message}");
    }
}

#[tokio::test]
async fn writes_are_acknowledged_unless_w_is_0() {
    let coll: Collection<Document> = fresh().await.collection("acknowledged");
    coll.insert_one(doc! { "_id": 1 }).await.unwrap();
    let error = coll.insert_one(doc! { "_id": 1 }).await.unwrap_err();
    assert!(error.is_duplicate_key(), "{error}");
    let quiet = WriteConcern::nodes(0);
    coll.insert_one(doc! { "_id": 1 }).write_concern(quiet.clone()).await.unwrap();
    coll.insert_one(doc! { "_id": 2 }).write_concern(quiet.clone()).await.unwrap();
    let updated = coll
        .update_one(doc! { "_id": 2 }, doc! { "$set": { "x": 1 } })
        .write_concern(quiet)
        .await
        .unwrap();
    assert_eq!(updated.matched_count, 0, "an unacknowledged write has no result");
    let done = async { while coll.find_one(doc! { "_id": 2, "x": 1 }).await.unwrap().is_none() {} };
    tokio::time::timeout(PATIENCE, done).await.expect("the writes were sent");
}

#[tokio::test]
async fn contradictory_write_concern_is_refused_at_every_level() {
    let database = fresh().await;
    let torn =
        WriteConcern::builder().w(driver::options::Acknowledgment::Nodes(0)).journal(true).build();
    let options = CollectionOptions::builder().write_concern(torn.clone()).build();
    let coll: Collection<Document> = database.collection_with_options("torn", options);
    for error in [
        coll.insert_one(doc! {}).await.unwrap_err(),
        coll.delete_many(doc! {}).await.unwrap_err(),
        database.collection("torn").insert_one(doc! {}).write_concern(torn).await.unwrap_err(),
    ] {
        assert!(matches!(error.kind(), ErrorKind::InvalidArgument { .. }), "{error}");
        assert!(error.to_string().contains("journal"), "{error}");
    }
}

#[tokio::test]
async fn all_commands_of_an_insert_share_one_deadline() {
    let name = fresh().await.name().to_owned();
    let mut options = ClientOptions::parse(server().uri()).await.unwrap();
    options.app_name = Some(name.clone());
    options.timeout = Some(Duration::from_millis(1500));
    let coll: Collection<RawDocumentBuf> =
        Client::with_options(options).unwrap().database(&name).collection("late");
    let fault = doc! {
        "configureFailPoint": "failCommand", "mode": "alwaysOn",
            "data": {
                "failCommands": ["insert"], "blockConnection": true, "blockTimeMS": 1000,
                "appName": &name,
            },
    };
    let _fault = server().fail_point(fault).unwrap();
    // Two commands, each faster than the limit for both.
    let documents = (0..100_001).map(|i| RawDocumentBuf::try_from(&doc! { "_id": i }).unwrap());
    let error = coll.insert_many(documents).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
}

#[tokio::test]
async fn error_names_the_bad_document_and_the_client_stays_usable() {
    let coll: Collection<Document> = fresh().await.collection("bad");
    let nul = coll.insert_one(doc! { "a\0b": 1 }).await.unwrap_err();
    assert!(matches!(nul.kind(), ErrorKind::BsonSerialization(_)), "{nul}");
    assert!(nul.to_string().contains(r"a\0b"), "{nul}");
    let on = format!("insert_one on {}.bad: ", coll.namespace().db);
    assert!(nul.to_string().starts_with(&on) && nul.host().is_none(), "{nul}");

    let large = doc! { "_id": "whale", "filling": "x".repeat(17_000_000) };
    for error in [
        coll.insert_one(&large).await.unwrap_err(),
        coll.insert_many([&doc! {}, &large]).await.unwrap_err(),
        coll.update_one(doc! {}, doc! { "$set": large.clone() }).await.unwrap_err(),
        coll.replace_one(doc! {}, &large).await.unwrap_err(),
        coll.find_one(large.clone()).await.unwrap_err(),
    ] {
        assert!(matches!(error.kind(), ErrorKind::InvalidArgument { .. }), "{error}");
        let words = error.to_string();
        assert!(words.contains("bytes") && words.contains("16"), "{words}");
    }
    assert!(
        coll.insert_many([&doc! {}, &large]).await.unwrap_err().to_string().contains("document 1")
    );

    for update in [doc! {}, doc! { "name": "no operator" }, doc! { "$set": { "x": 1 }, "y": 2 }] {
        let error = coll.update_one(doc! {}, update).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::InvalidArgument { .. }), "{error}");
        assert!(error.to_string().contains("$set"), "{error}");
    }
    let error = coll.update_one(doc! {}, Vec::new()).await.unwrap_err();
    assert!(error.to_string().contains("stages"), "{error}");
    let error = coll.replace_one(doc! {}, doc! { "$set": { "x": 1 } }).await.unwrap_err();
    assert!(error.to_string().contains("$set"), "{error}");
    let none = coll.insert_many(Vec::<Document>::new()).await.unwrap_err();
    assert!(none.to_string().contains("no documents"), "{none}");
    let error = coll.clone_with_type::<i32>().insert_one(5).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::BsonSerialization(_)), "{error:?}");

    coll.insert_one(doc! { "fine": true }).await.unwrap();
    assert_eq!(coll.count_documents(doc! {}).await.unwrap(), 1);
}

#[tokio::test]
async fn error_of_an_interrupted_insert_has_its_partial_result() {
    let coll: Collection<Document> = fresh().await.collection("interrupted");
    let filling = "x".repeat(15_000_000);
    let mut documents: Vec<Document> =
        (0..4).map(|i| doc! { "_id": i, "filling": &filling }).collect();
    documents.push(doc! { "_id": 4, "a\0b": 1 });
    let error = coll.insert_many(&documents).await.unwrap_err();
    let ErrorKind::InsertMany(done) = error.kind() else { panic!("{error:?}") };
    assert_eq!(done.inserted_ids.len() as u64, coll.count_documents(doc! {}).await.unwrap());
    assert!(done.inserted_ids.len() >= 3, "the first command was full with three");
    let words = error.to_string();
    assert!(words.contains(r"a\0b") && words.contains("document 4: "), "{words}");
    assert!(std::error::Error::source(&error).is_some());
    coll.drop().await.unwrap();
}

#[test]
fn blocking_api_creates_reads_updates_and_deletes() {
    use driver::sync;
    let client = sync::Client::with_uri_str(server().uri()).unwrap();
    let database = client.database(&format!("crud_{}_blocking", std::process::id()));
    let coll: sync::Collection<Monkey> = database.collection("monkeys");
    coll.insert_many((0..30).map(|i| Monkey { breaths: i, ..Monkey::named("m") })).run().unwrap();
    let one = coll.insert_one(Monkey::named("Mabel")).run().unwrap().inserted_id;
    let found = coll.find_one(doc! { "name": "Mabel" }).run().unwrap().unwrap();
    assert_eq!(Bson::ObjectId(found.id.unwrap()), one);
    coll.update_one(doc! { "name": "Mabel" }, doc! { "$set": { "breaths": 100 } }).run().unwrap();
    let breaths: Vec<i64> = coll
        .find(doc! {})
        .sort(doc! { "breaths": 1 })
        .batch_size(4)
        .run()
        .unwrap()
        .map(|monkey| monkey.unwrap().breaths)
        .collect();
    assert_eq!(breaths, (0..30).chain([100]).collect::<Vec<i64>>());
    assert_eq!(coll.count_documents(doc! {}).run().unwrap(), 31);
    assert_eq!(coll.delete_many(doc! {}).run().unwrap().deleted_count, 31);
    drop(coll.find(doc! {}).run().unwrap());
    database.drop().run().unwrap();
    client.shutdown().run();
}

/// The server returns a cursor for any write concern.
#[tokio::test]
async fn unacknowledged_aggregate_with_merge_returns_a_cursor() {
    let database = fresh().await;
    let options = CollectionOptions::builder().write_concern(WriteConcern::nodes(0)).build();
    let coll = database.collection_with_options::<Document>("source", options);
    database.collection::<Document>("source").insert_one(doc! { "_id": 1 }).await.unwrap();
    let mut cursor = coll.aggregate([doc! { "$out": "target" }]).await.unwrap();
    assert!(!cursor.advance().await.unwrap());
    assert_eq!(
        database.collection::<Document>("target").count_documents(doc! {}).await.unwrap(),
        1
    );
}
