//! The indexes of a bucket.

use std::time::Duration;

use driver::Async;
use driver::bson::{Document, doc};
use driver::collection::Collection;
use testbed::{eventually, shared_standalone};

use super::{all, bucket, chunks, files, standalone, upload};
use crate::api::{block_on, on_both_apis};
use crate::files::Files;
use crate::observed::{held_once, turn_for_faults};

on_both_apis! {
    first_upload_creates_the_indexes
    indexes_are_left_alone_where_there_are_files
    indexes_of_other_numeric_types_count
}

fn first_upload_creates_the_indexes<F: Files>() {
    let observed = standalone::<F>();
    let bucket = bucket(&observed);
    assert!(F::end(bucket.find_one(doc! {})).unwrap().is_none());
    let mut stream = F::end(bucket.open_upload_stream("empty")).unwrap();
    assert_eq!(observed.names(), ["find"], "nothing is created for a read, or before a write");
    F::close(&mut stream).unwrap();
    let index = |collection: Collection<Document, F>| {
        let indexes = F::collect(F::end(collection.list_indexes()).unwrap()).unwrap();
        let index = indexes.into_iter().find(|index| !index.keys.contains_key("_id")).unwrap();
        (index.keys, index.options.unwrap().unique)
    };
    assert_eq!(index(files(&observed)), (doc! { "filename": 1, "uploadDate": 1 }, None));
    assert_eq!(index(chunks(&observed)), (doc! { "files_id": 1, "n": 1 }, Some(true)));
    observed.forget();
    upload(&bucket.clone(), "another", b"abc", 2);
    assert_eq!(observed.names(), ["insert", "insert"], "asked for once");
    F::end(bucket.drop()).unwrap();
    upload(&bucket, "smaller than a chunk", b"abc", 255);
    assert_eq!(index(chunks(&observed)), (doc! { "files_id": 1, "n": 1 }, Some(true)));
}

fn indexes_are_left_alone_where_there_are_files<F: Files>() {
    let observed = standalone::<F>();
    F::end(files(&observed).insert_one(doc! { "_id": 1 })).unwrap();
    observed.forget();
    upload(&bucket(&observed), "file", b"abc", 2);
    assert_eq!(observed.names(), ["find", "insert", "insert"]);
    let find = &observed.sent("find")[0];
    assert_eq!(find.get_document("projection").unwrap(), &doc! { "_id": 1 });
}

fn indexes_of_other_numeric_types_count<F: Files>() {
    let observed = standalone::<F>();
    let model = |keys: Document| driver::IndexModel::builder().keys(keys).build();
    let by_name = doc! { "filename": 1.0, "uploadDate": 1_i64 };
    F::end(files(&observed).create_index(model(by_name))).unwrap();
    F::end(chunks(&observed).create_index(model(doc! { "files_id": 1_i64, "n": 1.0 }))).unwrap();
    observed.forget();
    upload(&bucket(&observed), "file", b"abc", 2);
    assert_eq!(observed.names(), ["find", "listIndexes", "listIndexes", "insert", "insert"]);
}

#[test]
fn concurrent_uploads_create_the_indexes_once() {
    let observed = standalone::<Async>();
    let bucket = bucket(&observed);
    let uploads = (0..8).map(|_| bucket.upload_from("file", &b"abc"[..]).into_future());
    for uploaded in block_on(futures_util::future::join_all(uploads)) {
        uploaded.unwrap();
    }
    assert_eq!(observed.sent("createIndexes").len(), 2);
    assert_eq!(observed.sent("listIndexes").len(), 2);
}

/// An upload beside the drop still finds the indexes.
#[test]
fn dropped_drop_forgets_the_indexes() {
    let observed = standalone::<Async>();
    let bucket = bucket(&observed);
    upload(&bucket, "first", b"abc", 2);
    let _turn = turn_for_faults();
    let held = held_once(&observed.name, "drop", 1000);
    let _point = shared_standalone().unwrap().fail_point(held).unwrap();
    block_on(async {
        let beside = async {
            while observed.sent("drop").is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            bucket.upload_from("beside", &b"abc"[..]).await.unwrap();
        };
        // Both futures are dropped when the upload is done.
        tokio::select! {
            dropped = bucket.drop().into_future() => dropped.unwrap(),
            () = beside => {}
        }
    });
    eventually("the files are dropped", || all(&files(&observed)).is_empty());
    observed.forget();
    upload(&bucket, "last", b"abc", 2);
    assert!(!observed.sent("createIndexes").is_empty(), "{:?}", observed.names());
}
