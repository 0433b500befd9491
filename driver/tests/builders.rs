//! Options built apart from their operation, and results as another type or as a stream, on a real
//! server, on both APIs.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use driver::bson::{Document, doc};
use driver::error::ErrorKind;
use driver::event::EventHandler;
use driver::event::command::CommandEvent;
use driver::options::{
    AggregateOptions, ClientOptions, Collation, CollationStrength, CollectionOptions,
    DatabaseOptions, FindOneOptions, FindOptions, Hint, InsertManyOptions, ReadConcern,
    ReadPreference, ReadPreferenceOptions, SelectionCriteria, SessionOptions, UpdateOptions,
    WriteConcern,
};
use driver::{Client, Collection, sync};
use futures_util::{FutureExt, StreamExt, TryStreamExt};
use serde::Deserialize;
use testbed::shared_standalone;

fn uri() -> String {
    shared_standalone().unwrap().uri().to_owned()
}

fn fresh_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("builders_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A client, and a separate collection with the documents `{ _id: 0 }` to `{ _id: n - 1 }`.
async fn numbered(n: i32) -> (Client, Collection<Document>) {
    let client = Client::with_uri_str(uri()).await.unwrap();
    let coll = client.database(&fresh_name()).collection("numbers");
    coll.insert_many((0..n).map(|i| doc! { "_id": i })).await.unwrap();
    (client, coll)
}

#[derive(Debug, PartialEq, Deserialize)]
struct Numbered {
    #[serde(rename = "_id")]
    id: i32,
}

/// The ids in order.
fn ids(range: std::ops::Range<i32>) -> Vec<Numbered> {
    range.map(|id| Numbered { id }).collect()
}

#[tokio::test]
async fn built_options_equal_options_set_on_the_operation() {
    let client = Client::with_uri_str(uri()).await.unwrap();
    let coll: Collection<Document> = client.database(&fresh_name()).collection("monkeys");
    let unordered =
        InsertManyOptions::builder().ordered(false).write_concern(WriteConcern::majority()).build();
    let twice =
        [doc! { "_id": 1, "name": "Mabel" }, doc! { "_id": 1 }, doc! { "_id": 2, "name": "mabel" }];
    let error = coll.insert_many(&twice).with_options(unordered).await.unwrap_err();
    assert!(error.is_duplicate_key(), "{error}");

    let upsert =
        UpdateOptions::builder().upsert(true).comment(Some("an option may be given as one".into()));
    let update = doc! { "$set": { "name": "MABEL" } };
    let updated =
        coll.update_one(doc! { "_id": 3 }, update).with_options(upsert.build()).await.unwrap();
    assert_eq!(updated.upserted_id, Some(3.into()));

    let regardless_of_case =
        Collation::builder().locale("en").strength(CollationStrength::Secondary).build();
    let options = FindOptions::builder()
        .collation(regardless_of_case)
        .sort(doc! { "_id": -1 })
        .limit(2)
        .batch_size(1)
        .max_time(Duration::from_secs(60))
        .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::Nearest {
            options: None,
        }))
        .read_concern(ReadConcern::local())
        .skip(None)
        .build();
    let found = coll.find(doc! { "name": "mabel" }).with_options(options).await.unwrap();
    let found: Vec<Numbered> = found.with_type().try_collect().await.unwrap();
    assert_eq!(found, [Numbered { id: 3 }, Numbered { id: 2 }]);

    let options = FindOneOptions::builder().skip(1).sort(doc! { "_id": 1 }).build();
    let found = coll.find_one(doc! {}).with_options(options).await.unwrap().unwrap();
    assert_eq!(found.get_i32("_id").unwrap(), 2);
    let options = AggregateOptions::builder().let_vars(doc! { "x": 7 }).build();
    let mut seven =
        coll.aggregate([doc! { "$project": { "x": "$$x" } }]).with_options(options).await.unwrap();
    assert_eq!(seven.try_next().await.unwrap().unwrap().get_i32("x").unwrap(), 7);

    let options = SessionOptions::builder().causal_consistency(true).snapshot(true).build();
    let error = client.start_session().with_options(options).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::InvalidArgument { .. }), "{error}");
}

/// Idioms of programs for the official crate. The test must above all compile: a setter that takes
/// any convertible type rejects an argument with `.into()`.
#[tokio::test]
async fn idioms_of_the_official_crate_compile() {
    let (client, coll) = numbered(3).await;
    let anyone = ReadPreferenceOptions::builder().build();
    assert_eq!(
        coll.find_one(doc! { "_id": 1 })
            .selection_criteria(ReadPreference::Secondary { options: Some(anyone) }.into())
            .read_concern(ReadConcern::local())
            .hint(Hint::Keys(doc! { "_id": 1 }))
            .comment("who asks")
            .await
            .unwrap(),
        Some(doc! { "_id": 1 })
    );
    let nearest: SelectionCriteria = ReadPreference::Nearest { options: None }.into();
    let cursor =
        coll.find(doc! {}).selection_criteria(nearest.clone()).hint(Hint::Name("_id_".to_string()));
    assert_eq!(cursor.await.unwrap().try_collect::<Vec<_>>().await.unwrap().len(), 3);
    let stages = vec![doc! { "$match": { "_id": 2 } }];
    let matched = coll.aggregate(stages).selection_criteria(nearest.clone()).await.unwrap();
    assert_eq!(matched.try_collect::<Vec<_>>().await.unwrap().len(), 1);
    let counted = coll.count_documents(doc! {}).selection_criteria(ReadPreference::Primary.into());
    assert_eq!(counted.await.unwrap(), 3);
    let estimated =
        coll.estimated_document_count().selection_criteria(ReadPreference::Primary.into());
    assert_eq!(estimated.await.unwrap(), 3);
    let field = &"_id";
    let distinct = coll.distinct(field, doc! {}).selection_criteria(ReadPreference::Primary.into());
    assert_eq!(distinct.await.unwrap().len(), 3);
    let admin = client.database("admin");
    admin.run_command(doc! { "ping": 1 }).selection_criteria(nearest.clone()).await.unwrap();

    let update = doc! { "$set": { "marks.$[low]": 0 } };
    coll.update_one(doc! { "_id": 0 }, doc! { "$set": { "marks": [1, 9] } })
        .write_concern(WriteConcern::builder().w(driver::options::Acknowledgment::Nodes(1)).build())
        .await
        .unwrap();
    let low = [5].into_iter().map(|limit| doc! { "low": { "$lt": limit } });
    assert_eq!(
        coll.update_one(doc! { "_id": 0 }, update).array_filters(low).await.unwrap().modified_count,
        1
    );

    let options = DatabaseOptions::builder()
        .selection_criteria(nearest)
        .read_concern(ReadConcern::majority())
        .write_concern(WriteConcern::majority());
    let database = client.database_with_options(coll.namespace().db.as_str(), options.build());
    let options = CollectionOptions::builder()
        .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::Primary))
        .read_concern(ReadConcern::local());
    let same: Collection<Document> = database.collection_with_options(coll.name(), options.build());
    let found = same.find_one(doc! { "_id": 0 }).await.unwrap().unwrap();
    assert_eq!(found.get_array("marks").unwrap()[0].as_i32(), Some(0));
}

#[tokio::test]
async fn aggregate_has_a_result_type() {
    let (client, coll) = numbered(3).await;
    let sorted = || coll.aggregate([doc! { "$sort": { "_id": 1 } }]).batch_size(1);
    let out: Vec<_> = sorted().with_type::<Numbered>().await.unwrap().try_collect().await.unwrap();
    assert_eq!(out, ids(0..3));

    let mut session = client.start_session().await.unwrap();
    let mut cursor = sorted().with_type::<Numbered>().session(&mut session).await.unwrap();
    assert_eq!(cursor.next(&mut session).await.unwrap().unwrap(), Numbered { id: 0 });
    drop(cursor);
    let mut cursor = sorted().session(&mut session).with_type::<Numbered>().await.unwrap();
    assert_eq!(cursor.next(&mut session).await.unwrap().unwrap(), Numbered { id: 0 });
}

#[tokio::test]
async fn session_cursor_is_a_stream() {
    let (client, coll) = numbered(7).await;
    let coll = coll.clone_with_type::<Numbered>();
    let mut session = client.start_session().await.unwrap();
    let mut cursor = coll
        .find(doc! {})
        .sort(doc! { "_id": 1 })
        .batch_size(2)
        .session(&mut session)
        .await
        .unwrap();
    let first: Vec<_> = cursor.stream(&mut session).take(3).try_collect().await.unwrap();
    assert_eq!(first, ids(0..3));
    assert_eq!(cursor.next(&mut session).await.unwrap().unwrap(), Numbered { id: 3 });
    let rest: Vec<_> = cursor.stream(&mut session).try_collect().await.unwrap();
    assert_eq!(rest, ids(4..7));
    assert!(cursor.stream(&mut session).next().await.is_none(), "it has ended");
}

#[tokio::test]
async fn dropped_next_of_a_stream_loses_no_document() {
    let (client, coll) = numbered(50).await;
    let coll = coll.clone_with_type::<Numbered>();
    let mut session = client.start_session().await.unwrap();
    let mut cursor = coll
        .find(doc! {})
        .sort(doc! { "_id": 1 })
        .batch_size(1)
        .session(&mut session)
        .await
        .unwrap();
    let mut stream = cursor.stream(&mut session);
    let mut seen = Vec::new();
    loop {
        // Polled once and dropped, then awaited.
        let item = match stream.next().now_or_never() {
            Some(item) => item,
            None => stream.next().await,
        };
        let Some(item) = item else { break };
        seen.push(item.unwrap());
    }
    assert_eq!(seen, ids(0..50));
}

#[tokio::test]
async fn stream_dropped_during_get_more_loses_nothing() {
    let (client, coll) = numbered(50).await;
    let mut session = client.start_session().await.unwrap();
    let mut cursor = coll.find(doc! {}).batch_size(1).session(&mut session).await.unwrap();
    let mut stream = cursor.stream(&mut session);
    let mut count = 0;
    while let Some(item) = stream.next().now_or_never() {
        item.expect("the server answers some of fifty requests with a delay").unwrap();
        count += 1;
    }
    drop(stream);
    while let Some(item) = cursor.next(&mut session).await {
        item.unwrap();
        count += 1;
    }
    assert_eq!(count, 50);
    assert_eq!(coll.count_documents(doc! {}).session(&mut session).await.unwrap(), 50);
}

#[tokio::test]
async fn missing_fields_convert_to_driver_errors() {
    async fn count(coll: &Collection<Document>) -> driver::Result<i32> {
        let found = coll.find_one(doc! {}).await?.unwrap_or_default();
        Ok(found.get_i32("count")?)
    }
    let (_client, coll) = numbered(1).await;
    let error = count(&coll).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Bson(_)), "{error:?}");
    assert!(error.to_string().contains("count"), "{error}");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn blocking_session_cursor_is_an_iterator() {
    let client = driver::sync::Client::with_uri_str(uri()).unwrap();
    let coll = client.database(&fresh_name()).collection::<Document>("numbers");
    coll.insert_many((0..7).map(|i| doc! { "_id": i })).run().unwrap();
    let mut session = client.start_session().run().unwrap();
    let sorted =
        coll.aggregate([doc! { "$sort": { "_id": 1 } }]).with_type::<Numbered>().batch_size(2);
    let mut cursor = sorted.session(&mut session).run().unwrap();
    let first: Vec<_> = cursor.iter(&mut session).take(3).collect::<Result<_, _>>().unwrap();
    assert_eq!(first, ids(0..3));
    let rest: Vec<_> = cursor.iter(&mut session).collect::<Result<_, _>>().unwrap();
    assert_eq!(rest, ids(3..7));
}

#[tokio::test]
async fn options_are_set_before_or_after_the_session() {
    let (client, coll) = numbered(5).await;
    let mut session = client.start_session().await.unwrap();
    let descending = doc! { "_id": -1 };
    let find = coll.find(doc! {}).limit(2).session(&mut session).sort(descending.clone());
    let mut cursor =
        find.with_options(FindOptions::builder().sort(descending).limit(3).build()).await.unwrap();
    let mut found = Vec::new();
    while let Some(document) = cursor.next(&mut session).await {
        found.push(document.unwrap().get_i32("_id").unwrap());
    }
    assert_eq!(found, [4, 3, 2]);
}

/// Code that is generic over both APIs.
async fn insert_and_count<F: driver::Mode>(
    coll: &driver::collection::Collection<Document, F>,
) -> driver::Result<(u64, Vec<driver::bson::Bson>)> {
    use driver::ops::Operation;
    coll.insert_one(doc! { "_id": 1 }).perform().await?;
    let values = coll.distinct("_id", doc! {}).perform().await?;
    Ok((coll.count_documents(doc! {}).perform().await?, values))
}

#[tokio::test]
async fn generic_code_performs_operations_on_both_apis() {
    let (client, name) = (Client::with_uri_str(uri()).await.unwrap(), fresh_name());
    let expected = (1, vec![driver::bson::Bson::Int32(1)]);
    assert_eq!(
        insert_and_count(&client.database(&name).collection("async")).await.unwrap(),
        expected
    );
    let blocking = tokio::task::spawn_blocking(move || {
        let client = sync::Client::with_uri_str(uri()).unwrap();
        sync::block_on(insert_and_count(&client.database(&name).collection("blocking")))
    });
    assert_eq!(blocking.await.unwrap().unwrap(), expected);
}

/// The timeout of an operation replaces those of the collection, the database and the client. The
/// server gets what is left of it.
#[tokio::test]
async fn innermost_timeout_bounds_an_operation() {
    let (short, long) = (Duration::from_secs(60), Duration::from_secs(120));
    let mut options = ClientOptions::parse(uri()).await.unwrap();
    options.timeout = Some(4 * long);
    let left = Arc::new(Mutex::new(Vec::new()));
    let sent = Arc::clone(&left);
    options.command_event_handler = Some(EventHandler::callback(move |event| {
        if let CommandEvent::Started(event) = event {
            let limit = event.command.get_i64("maxTimeMS").unwrap();
            sent.lock().unwrap().push(Duration::from_millis(limit as u64));
        }
    }));
    let (client, name) = (Client::with_options(options).unwrap(), fresh_name());
    let database = |timeout| {
        let options = DatabaseOptions::builder().timeout(timeout).build();
        client.database_with_options(&name, options)
    };
    let collection = |on: &driver::Database, timeout: Duration| {
        let options = CollectionOptions::builder().timeout(timeout).build();
        on.collection_with_options::<Document>("c", options)
    };
    let plain = |timeout| database(timeout).collection::<Document>("c");
    plain(long).find_one(doc! {}).timeout(short).await.unwrap();
    collection(&database(long), short).find_one(doc! {}).await.unwrap();
    plain(short).find_one(doc! {}).await.unwrap();
    plain(short).find_one(doc! {}).timeout(long).await.unwrap();
    collection(&database(short), long).find_one(doc! {}).await.unwrap();
    plain(long).find_one(doc! {}).await.unwrap();
    client.database(&name).collection::<Document>("c").find_one(doc! {}).await.unwrap();
    let left = left.lock().unwrap();
    let within =
        |least: Duration, most: Duration| move |left: &Duration| least < *left && *left <= most;
    assert!(left[..3].iter().all(within(Duration::ZERO, short)), "{left:?}");
    assert!(left[3..6].iter().all(within(short, long)), "{left:?}");
    assert!(left[6..].iter().all(within(long, 4 * long)), "{left:?}");
    assert_eq!(left.len(), 7);
}

/// The timeout of an operation, not the client's, bounds the later batches of its cursor.
#[tokio::test]
async fn timeout_of_an_operation_bounds_its_cursor() {
    const SHORT: Duration = Duration::from_secs(2);
    let (_client, coll) = numbered(4).await;
    let app = fresh_name();
    // The server holds each later batch back for longer than the short timeout.
    let hold = doc! {
        "configureFailPoint": "failCommand", "mode": "alwaysOn",
        "data": {
            "failCommands": ["getMore"], "blockConnection": true, "blockTimeMS": 2500,
            "appName": &app,
        },
    };
    let _held = shared_standalone().unwrap().fail_point(hold).unwrap();
    let of_client = async |timeout| {
        let mut options = ClientOptions::parse(uri()).await.unwrap();
        (options.app_name, options.timeout) = (Some(app.clone()), Some(timeout));
        let client = Client::with_options(options).unwrap();
        client.database(&coll.namespace().db).collection::<Document>("numbers")
    };
    let long = 30 * SHORT;
    let patient = of_client(long).await;
    let mut cursor = patient.find(doc! {}).batch_size(2).timeout(SHORT).await.unwrap();
    assert!(cursor.advance().await.unwrap() && cursor.advance().await.unwrap());
    assert!(cursor.advance().await.unwrap_err().is_timeout());
    let impatient = of_client(SHORT).await;
    let cursor = impatient.find(doc! {}).batch_size(3).timeout(long).await.unwrap();
    assert_eq!(cursor.count().await, 4);
}

/// A thread may look at a cursor that another one reads.
#[test]
fn cursors_are_shared_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<driver::Cursor<Document>>();
    check::<driver::SessionCursor<Document>>();
    check::<sync::Cursor<Document>>();
    check::<sync::SessionCursor<Document>>();
    check::<driver::cursor::RawBatchCursor<driver::Async>>();
    check::<driver::cursor::SessionRawBatchCursor<driver::Blocking>>();
    check::<driver::change_stream::ChangeStream<Document, driver::Async>>();
    check::<driver::change_stream::SessionChangeStream<Document, driver::Blocking>>();
}
