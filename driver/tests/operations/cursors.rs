//! The documents and batches of cursors.

use driver::bson::{Document, doc};
use driver::collection::Collection;
use driver::cursor::{Cursor, RawBatch};
use driver::options::CursorType;
use serde::Deserialize;
use testbed::shared_replica_set;

use crate::api::on_both_apis;
use crate::observed::Observed;
use crate::reads::Reads;

on_both_apis! {
    cursor_gives_documents_one_by_one_or_all_at_once
    cursor_of_a_session_gives_the_same
    batches_come_whole_and_undecoded
    later_batches_ask_for_the_rest_of_the_limit
    batches_of_a_session_are_the_same
    batch_size_of_zero_gives_an_empty_batch_first
    document_of_another_type_is_an_error_and_the_next_follows
    tailing_cursor_returns_present_documents
}

fn numbers<F: Reads>(count: i32) -> Collection<Document, F> {
    let collection = F::fresh_database().collection("numbers");
    F::end(collection.insert_many((0..count).map(|i| doc! { "_id": i }))).unwrap();
    collection
}

#[derive(Debug, Deserialize, PartialEq)]
struct Number {
    _id: i32,
}

fn ids(documents: &[Document]) -> Vec<i32> {
    documents.iter().map(|document| document.get_i32("_id").unwrap()).collect()
}

fn ids_of(batch: &RawBatch) -> Vec<i32> {
    let documents = batch.doc_slices().unwrap().into_iter();
    documents.map(|value| value.unwrap().as_document().unwrap().get_i32("_id").unwrap()).collect()
}

fn cursor_gives_documents_one_by_one_or_all_at_once<F: Reads>() {
    let collection = numbers::<F>(9);
    let find = || F::end(collection.find(doc! {}).batch_size(2).sort(doc! { "_id": 1 })).unwrap();
    let mut cursor = find();
    assert_eq!(F::next_of(&mut cursor).unwrap().unwrap(), doc! { "_id": 0 });
    assert_eq!(F::try_next(&mut cursor).unwrap(), Some(doc! { "_id": 1 }));
    let rest: Vec<Document> = F::try_collect(cursor).unwrap();
    assert_eq!(ids(&rest), (2..9).collect::<Vec<_>>());
    let mut typed: Cursor<Number, F> = find().with_type();
    for i in 0..9 {
        assert_eq!(F::try_next(&mut typed).unwrap(), Some(Number { _id: i }));
    }
    assert!(F::try_next(&mut typed).unwrap().is_none() && !typed.has_next());
    assert!(F::next_of(&mut typed).is_none(), "an ended cursor stays at its end");
}

fn cursor_of_a_session_gives_the_same<F: Reads>() {
    let collection = numbers::<F>(9);
    let mut session = F::session(&collection);
    let mut cursor = F::end(collection.find(doc! {}).batch_size(2).session(&mut session)).unwrap();
    assert_eq!(F::next_in(&mut cursor, &mut session).unwrap().unwrap(), doc! { "_id": 0 });
    assert_eq!(F::try_next_in(&mut cursor, &mut session).unwrap(), Some(doc! { "_id": 1 }));
    let rest: Vec<Document> = F::try_collect_in(cursor, &mut session).unwrap();
    assert_eq!(ids(&rest), (2..9).collect::<Vec<_>>());
}

fn batches_come_whole_and_undecoded<F: Reads>() {
    let collection = numbers::<F>(5);
    let mut cursor = F::end(collection.find(doc! {}).batch_size(2).batch()).unwrap();
    let mut seen = Vec::new();
    while let Some(batch) = F::try_next_batch(&mut cursor).unwrap() {
        assert!(batch.as_raw_document().get_document("cursor").is_ok());
        seen.push(ids_of(&batch));
    }
    assert_eq!(seen, [vec![0, 1], vec![2, 3], vec![4]]);
    // The limit applies to all batches together.
    let mut cursor = F::end(collection.find(doc! {}).batch_size(2).limit(3).batch()).unwrap();
    let mut seen = Vec::new();
    while let Some(batch) = F::try_next_batch(&mut cursor).unwrap() {
        seen.extend(ids_of(&batch));
    }
    assert_eq!(seen, [0, 1, 2]);
    let pipeline = [doc! { "$match": { "_id": { "$lt": 3 } } }];
    let mut cursor = F::end(collection.aggregate(pipeline).batch_size(2).batch()).unwrap();
    let mut seen = Vec::new();
    while let Some(batch) = F::try_next_batch(&mut cursor).unwrap() {
        seen.push(ids_of(&batch));
    }
    assert_eq!(seen, [vec![0, 1], vec![2]]);
}

fn later_batches_ask_for_the_rest_of_the_limit<F: Reads>() {
    let observed = Observed::<F>::of(&shared_replica_set().unwrap().uri());
    let collection = observed.database().collection::<Document>("numbers");
    F::end(collection.insert_many((0..9).map(|i| doc! { "_id": i }))).unwrap();
    let find = collection.find(doc! {}).sort(doc! { "_id": 1 }).batch_size(2).limit(5);
    assert_eq!(ids(&F::collect(F::end(find).unwrap()).unwrap()), [0, 1, 2, 3, 4]);
    let sizes = observed.sent("getMore").into_iter().map(|sent| sent.get_i64("batchSize").unwrap());
    assert_eq!(sizes.collect::<Vec<_>>(), [2, 1]);
}

fn batches_of_a_session_are_the_same<F: Reads>() {
    let collection = numbers::<F>(5);
    let mut session = F::session(&collection);
    let find = collection.find(doc! {}).batch_size(3).session(&mut session);
    let mut cursor = F::end(find.batch()).unwrap();
    let mut seen = Vec::new();
    while let Some(batch) = F::next_batch_in(&mut cursor, &mut session) {
        seen.push(ids_of(&batch.unwrap()));
    }
    assert_eq!(seen, [vec![0, 1, 2], vec![3, 4]]);
}

fn batch_size_of_zero_gives_an_empty_batch_first<F: Reads>() {
    let collection = numbers::<F>(3);
    let mut cursor = F::end(collection.find(doc! {}).batch_size(0).batch()).unwrap();
    let first = F::try_next_batch(&mut cursor).unwrap().unwrap();
    assert_eq!(ids_of(&first), [0_i32; 0]);
    let second = F::try_next_batch(&mut cursor).unwrap().unwrap();
    assert_eq!(ids_of(&second), [0, 1, 2]);
    assert_eq!(ids_of(&second.clone()), [0, 1, 2]);
}

fn document_of_another_type_is_an_error_and_the_next_follows<F: Reads>() {
    let collection = numbers::<F>(2);
    F::end(collection.insert_one(doc! { "_id": "two" })).unwrap();
    F::end(collection.insert_one(doc! { "_id": 3 })).unwrap();
    let mut cursor: Cursor<Number, F> = F::end(collection.find(doc! {})).unwrap().with_type();
    let mut outcomes = Vec::new();
    while let Some(next) = F::next_of(&mut cursor) {
        outcomes.push(next.map_err(|error| error.to_string()));
    }
    assert_eq!(outcomes.len(), 4);
    let error = outcomes[2].as_ref().unwrap_err();
    assert!(error.starts_with("find on operations_"), "{error}");
    assert_eq!(outcomes[3], Ok(Number { _id: 3 }));
}

/// A tailable cursor over the whole collection.
fn tailing<F: Reads>() -> (Collection<Document, F>, Cursor<Document, F>) {
    let database = F::fresh_database();
    F::end(database.create_collection("log").capped(true).size(65_536)).unwrap();
    let log = database.collection("log");
    F::end(log.insert_many((0..3).map(|i| doc! { "_id": i }))).unwrap();
    let cursor = F::end(log.find(doc! {}).cursor_type(CursorType::Tailable).batch_size(2));
    (log, cursor.unwrap())
}

fn tailing_cursor_returns_present_documents<F: Reads>() {
    let (log, mut cursor) = tailing::<F>();
    let mut next =
        || F::next_if_any(&mut cursor).unwrap().map(|found| found.get_i32("_id").unwrap());
    assert_eq!([next(), next(), next(), next()], [Some(0), Some(1), Some(2), None]);
    F::end(log.insert_one(doc! { "_id": 3 })).unwrap();
    assert_eq!([next(), next()], [Some(3), None]);
    assert!(cursor.has_next());

    let mut session = F::session(&log);
    let find = log.find(doc! {}).cursor_type(CursorType::Tailable);
    let mut cursor = F::end(find.batch_size(3).session(&mut session)).unwrap();
    let mut next = || F::next_if_any_in(&mut cursor, &mut session).unwrap().is_some();
    assert_eq!([next(), next(), next(), next(), next()], [true, true, true, true, false]);
}
