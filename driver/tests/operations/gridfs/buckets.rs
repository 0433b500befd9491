//! The operations of a bucket, its concerns and its timeout.

use std::time::Duration;

use driver::bson::{Bson, doc};
use driver::error::GridFsFileIdentifier;
use driver::options::{
    Acknowledgment, GridFsBucketOptions, GridFsFindOptions, ReadConcern, ReadPreference,
    SelectionCriteria, WriteConcern,
};
use testbed::{eventually, shared_replica_set};

use super::{all, bucket, bytes, chunks, download, files, not_found, standalone, upload};
use crate::api::on_both_apis;
use crate::files::Files;
use crate::observed::Observed;

on_both_apis! {
    files_are_found_renamed_and_deleted
    concerns_of_the_bucket_go_with_its_commands
    unacknowledged_bucket_finds_nothing_missing
    timeout_holds_for_the_whole_stream
}

fn files_are_found_renamed_and_deleted<F: Files>() {
    let observed = standalone::<F>();
    let bucket = bucket(&observed);
    let small = upload(&bucket, "a", b"abc", 2);
    for name in ["b", "b", "c"] {
        upload(&bucket, name, b"abcdef", 2);
    }
    let names = |options: GridFsFindOptions| {
        let found = F::end(bucket.find(doc! { "length": 6 }).with_options(options)).unwrap();
        let found = F::collect(found).unwrap();
        found.into_iter().map(|file| file.filename.unwrap()).collect::<Vec<_>>()
    };
    let sorted = GridFsFindOptions::builder().sort(doc! { "filename": -1 });
    assert_eq!(names(sorted.clone().batch_size(2).build()), ["c", "b", "b"]);
    assert_eq!(names(sorted.skip(1).limit(1).build()), ["b"]);
    let smallest = F::end(bucket.find_one(doc! {}).sort(doc! { "length": 1 })).unwrap().unwrap();
    assert_eq!(smallest.id, small);
    assert!(F::end(bucket.find_one(doc! { "filename": "x" })).unwrap().is_none());

    let absent = || GridFsFileIdentifier::Id(Bson::from("x"));
    let nameless = || GridFsFileIdentifier::Filename("x".into());
    F::end(bucket.rename(small.clone(), "d")).unwrap();
    assert_eq!(
        F::end(bucket.find_one(doc! { "_id": &small })).unwrap().unwrap().filename.unwrap(),
        "d"
    );
    F::end(bucket.rename_by_name("b", "e")).unwrap();
    assert_eq!(F::end(files(&observed).count_documents(doc! { "filename": "e" })).unwrap(), 2);
    not_found(F::end(bucket.rename("x".into(), "y")), absent());
    not_found(F::end(bucket.rename_by_name("x", "y")), nameless());

    F::end(bucket.delete(small.clone())).unwrap();
    not_found(F::end(bucket.delete(small.clone())), GridFsFileIdentifier::Id(small));
    assert_eq!(all(&chunks(&observed)).len(), 9);
    F::end(bucket.delete_by_name("e")).unwrap();
    assert_eq!((all(&files(&observed)).len(), all(&chunks(&observed)).len()), (1, 3));
    not_found(F::end(bucket.delete_by_name("x")), nameless());
    not_found(F::end(bucket.open_download_stream("x".into())), absent());
    // Chunks without a file are removed too.
    F::end(chunks(&observed).insert_one(doc! { "files_id": "x", "n": 0 })).unwrap();
    not_found(F::end(bucket.delete("x".into())), absent());
    assert_eq!(all(&chunks(&observed)).len(), 3);

    F::end(bucket.drop()).unwrap();
    F::end(bucket.drop()).unwrap();
    let left = F::end(observed.database().list_collection_names()).unwrap();
    assert!(left.is_empty(), "{left:?}");
}

fn concerns_of_the_bucket_go_with_its_commands<F: Files>() {
    let observed = Observed::<F>::of(&shared_replica_set().unwrap().uri());
    let options = GridFsBucketOptions::builder()
        .bucket_name("pictures".to_owned())
        .chunk_size_bytes(2)
        .write_concern(WriteConcern::majority())
        .read_concern(ReadConcern::majority())
        .selection_criteria(SelectionCriteria::from(ReadPreference::primary_preferred(None)))
        .build();
    let bucket = observed.database().gridfs_bucket(options);
    assert_eq!(bucket.write_concern(), Some(&WriteConcern::majority()));
    assert_eq!(bucket.read_concern(), Some(&ReadConcern::majority()));
    let id = F::upload(bucket.upload_from("file", &b"abc"[..])).unwrap();
    let majority = doc! { "w": "majority" };
    for name in ["createIndexes", "insert"] {
        for sent in observed.sent(name) {
            assert_eq!(sent.get_document("writeConcern").unwrap(), &majority);
        }
    }
    // The check for files is sent to the primary.
    let first = &observed.sent("find")[0];
    assert!(!first.contains_key("$readPreference"), "{first}");
    observed.forget();
    assert_eq!(download(&bucket, &id).unwrap(), b"abc");
    let sent = observed.sent("find");
    assert_eq!(sent[0].get_str("find").unwrap(), "pictures.files");
    assert_eq!(sent[1].get_str("find").unwrap(), "pictures.chunks");
    for find in &sent {
        assert_eq!(
            find.get_document("$readPreference").unwrap(),
            &doc! { "mode": "primaryPreferred" }
        );
        let level = find.get_document("readConcern").unwrap().get_str("level").unwrap();
        assert_eq!(level, "majority");
    }
    let mut stream = F::end(bucket.open_upload_stream("half")).unwrap();
    F::write_all(&mut stream, &bytes(4001)).unwrap();
    F::abort(&mut stream).unwrap();
    F::end(bucket.delete(id)).unwrap();
    for delete in observed.sent("delete") {
        assert_eq!(delete.get_document("writeConcern").unwrap(), &majority);
    }
}

fn unacknowledged_bucket_finds_nothing_missing<F: Files>() {
    let observed = standalone::<F>();
    let unacknowledged = WriteConcern::builder().w(Acknowledgment::Nodes(0)).build();
    let options = GridFsBucketOptions::builder().write_concern(unacknowledged).build();
    let bucket = observed.database().gridfs_bucket(options);
    let id = upload(&bucket, "file", b"abc", 2);
    F::end(bucket.rename(id.clone(), "other")).unwrap();
    let named = || F::end(bucket.find_one(doc! { "filename": "other" })).unwrap().is_some();
    eventually("the file has its new name", named);
    F::end(bucket.delete(id)).unwrap();
    eventually("the file is gone", || all(&chunks(&observed)).is_empty());
}

fn timeout_holds_for_the_whole_stream<F: Files>() {
    let observed = standalone::<F>();
    let bucket = bucket(&observed);
    let id = upload(&bucket, "file", &bytes(100), 10);
    let short = Duration::from_secs(2);
    let mut reading = F::end(bucket.open_download_stream(id).timeout(short)).unwrap();
    let mut writing = F::end(bucket.open_upload_stream("late").timeout(short)).unwrap();
    F::write_all(&mut writing, b"abc").unwrap();
    // The time itself is tested, so nothing else can be waited for.
    std::thread::sleep(short + Duration::from_millis(100));
    observed.forget();
    let error = F::read(&mut reading, &mut [0; 10]).unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    let error = F::close(&mut writing).unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    assert!(observed.names().is_empty(), "{:?}", observed.names());
}
