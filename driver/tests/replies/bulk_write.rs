//! `bulk_write` on a client, with fake servers. The tests check how replies are read, not whether a
//! real server accepts the command.

use std::sync::{Arc, Mutex};

use driver::bson::{Bson, Document, doc};
use driver::error::{BulkWriteError, ErrorKind, PartialBulkWriteResult};
use driver::options::{InsertOneModel, UpdateOneModel, WriteModel};
use driver::results::{InsertOneResult, UpdateResult};
use driver::{Client, Error, Namespace, sync};

use crate::server::{Answer, FakeServer};

/// The wire version of 8.0.
const BULK_WRITE: i32 = 25;

fn models(count: i32) -> Vec<WriteModel> {
    let namespace = || Namespace::new("db", "c");
    let set = || doc! { "$set": { "x": 1 } };
    (0..count)
        .map(|id| match id % 2 {
            0 => InsertOneModel::new(doc! { "_id": id }).namespace(namespace()).into(),
            _ => UpdateOneModel::new(doc! { "_id": id }, set()).namespace(namespace()).into(),
        })
        .collect()
}

/// The reply to a `bulkWrite`. `numbers` are those of errors, inserts, matches, changes and
/// upserts.
fn reply(numbers: [i32; 5], id: i64, batch: Vec<Document>) -> Document {
    let [errors, inserted, matched, modified, upserted] = numbers;
    doc! {
        "ok": 1, "nErrors": errors, "nInserted": inserted, "nMatched": matched,
        "nModified": modified,
        "nUpserted": upserted, "nDeleted": 0,
        "cursor": { "id": id, "ns": "admin.$cmd.bulkWrite", "firstBatch": batch },
    }
}

fn next_batch(batch: Vec<Document>) -> Document {
    let cursor = doc! { "id": 0_i64, "ns": "admin.$cmd.bulkWrite", "nextBatch": batch };
    doc! { "ok": 1, "cursor": cursor }
}

/// A server with these consecutive replies, which records its commands.
fn server(answers: Vec<Answer>) -> (FakeServer, Arc<Mutex<Vec<String>>>) {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let note = Arc::clone(&asked);
    let mut answers = answers.into_iter();
    let script = move |name: &str| {
        note.lock().unwrap().push(name.to_owned());
        answers.next().unwrap_or_else(|| Answer::Reply(doc! { "ok": 1 }))
    };
    (FakeServer::of_version(BULK_WRITE, script), asked)
}

fn failed(error: &Error) -> &BulkWriteError {
    match error.kind() {
        ErrorKind::BulkWrite(failed) => failed,
        _ => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn verbose_results_are_read_to_the_end() {
    let upserted = doc! { "_id": 77 };
    let first = vec![
        doc! { "ok": 1, "idx": 0, "n": 1 },
        doc! { "ok": 1.0, "idx": 1_i64, "n": 1, "nModified": 1 },
    ];
    let last = vec![
        doc! { "ok": 1, "idx": 2, "n": 1 },
        doc! { "ok": 1, "idx": 3, "n": 1, "nModified": 0, "upserted": upserted },
    ];
    let answers =
        vec![Answer::Reply(reply([0, 2, 1, 1, 1], 9, first)), Answer::Reply(next_batch(last))];
    let (server, asked) = server(answers);
    let client = Client::with_uri_str(server.uri()).await.unwrap();
    let result = client.bulk_write(models(4)).verbose_results().await.unwrap();
    assert_eq!((result.summary.inserted_count, result.summary.upserted_count), (2, 1));
    assert_eq!(result.insert_results.len(), 2);
    let InsertOneResult { inserted_id, .. } = &result.insert_results[&2];
    assert_eq!(inserted_id, &Bson::Int32(2));
    let UpdateResult { matched_count, upserted_id, .. } = &result.update_results[&3];
    assert_eq!((*matched_count, upserted_id), (0, &Some(Bson::Int32(77))));
    assert_eq!(*asked.lock().unwrap(), ["bulkWrite", "getMore"]);
}

#[test]
fn errors_of_single_models_are_told_by_position() {
    let refused = doc! { "ok": 0, "idx": 1, "code": 11000, "errmsg": "dup", "errInfo": { "a": 1 } };
    let (server, _) = server(vec![Answer::Reply(reply([1, 1, 0, 0, 0], 0, vec![refused]))]);
    let client = sync::Client::with_uri_str(server.uri()).unwrap();
    let error = client.bulk_write(models(4)).run().unwrap_err();
    let failed = failed(&error);
    assert_eq!(failed.write_errors.len(), 1);
    assert_eq!(failed.write_errors[&1].details, Some(doc! { "a": 1 }));
    assert_eq!(failed.unprocessed, [2, 3]);
    let Some(PartialBulkWriteResult::Summary(done)) = &failed.partial_result else {
        panic!("{failed:?}")
    };
    assert_eq!(done.inserted_count, 1);
    assert!(error.is_duplicate_key() && error.to_string().contains("model 1"), "{error}");
}

#[test]
fn results_that_are_cut_off_leave_models_unconfirmed() {
    let first = vec![doc! { "ok": 0, "idx": 1, "code": 11000, "errmsg": "dup" }];
    let answers = vec![Answer::Reply(reply([2, 1, 1, 1, 0], 9, first)), Answer::Close];
    let (server, asked) = server(answers);
    let client = sync::Client::with_uri_str(server.uri()).unwrap();
    let error = client.bulk_write(models(4)).ordered(false).run().unwrap_err();
    assert!(error.is_network(), "{error:?}");
    let failed = failed(&error);
    assert!(failed.partial_result.is_some() && failed.write_errors.contains_key(&1));
    assert_eq!(failed.unconfirmed, [0, 2, 3]);
    testbed::eventually("the cursor is killed", || {
        asked.lock().unwrap().iter().any(|name| name == "killCursors")
    });
}

#[test]
fn malformed_results_are_invalid_replies() {
    let whole = |part: Document| reply([0, 1, 1, 1, 0], 0, vec![part]);
    let mut without_numbers = whole(doc! { "ok": 1, "idx": 0, "n": 1 });
    without_numbers.remove("nInserted");
    let replies = [
        without_numbers,
        doc! { "ok": 1 },
        whole(doc! { "ok": 1, "n": 1 }),
        whole(doc! { "ok": 1, "idx": 2, "n": 1 }),
        whole(doc! { "ok": 1, "idx": -1, "n": 1 }),
        whole(doc! { "ok": 1, "idx": 0 }),
        whole(doc! { "ok": 0, "idx": 0 }),
        whole(doc! { "ok": 1, "idx": 1, "n": 1, "nModified": 0, "upserted": 5 }),
        whole(doc! { "ok": 1, "idx": 1, "n": 1, "nModified": 0, "upserted": {} }),
    ];
    for reply in replies {
        let (server, _) = server(vec![Answer::Reply(reply.clone())]);
        let client = sync::Client::with_uri_str(server.uri()).unwrap();
        let error = client.bulk_write(models(2)).verbose_results().run().unwrap_err();
        let words = error.to_string();
        assert!(words.contains("invalid reply"), "{reply}: {words}");
        assert!(words.starts_with("bulk_write on admin: "), "{words}");
    }
}
