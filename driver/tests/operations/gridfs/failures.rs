//! Uploads that fail, and the removal of their chunks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use driver::bson::doc;
use driver::error::{ErrorKind, GridFsErrorKind};
use testbed::{eventually, shared_standalone};

use super::{all, bucket, bytes, chunks, files, gridfs, half_uploaded, standalone, upload};
use crate::api::on_both_apis;
use crate::files::Files;
use crate::full_pool::{failed_checkouts, hold_connection};
use crate::observed::{Observed, held_once, invalid, turn_for_faults};

on_both_apis! {
    close_after_a_failed_abort_is_refused
    removal_in_the_background_outlasts_a_full_pool
    indexes_made_during_a_drop_are_made_again
    unsent_close_leaves_the_chunks_to_abort_and_drop
    close_without_a_connection_leaves_the_chunks_to_drop
}

/// The document of the file would stand for chunks of which some are gone.
fn close_after_a_failed_abort_is_refused<F: Files>() {
    let _turn = turn_for_faults();
    let observed = standalone::<F>();
    let mut stream = half_uploaded(&bucket(&observed));
    let fail = doc! {
        "configureFailPoint": "failCommand", "mode": { "times": 1 },
        "data": { "failCommands": ["delete"], "errorCode": 8, "appName": &observed.name },
    };
    let _point = shared_standalone().unwrap().fail_point(fail).unwrap();
    let error = F::abort(&mut stream).unwrap_err();
    assert!(matches!(gridfs(&error), GridFsErrorKind::AbortError { .. }), "{error:?}");
    let error = F::close(&mut stream).unwrap_err();
    assert!(matches!(gridfs(&error), GridFsErrorKind::UploadStreamClosed), "{error:?}");
    assert!(all(&files(&observed)).is_empty());
    F::abort(&mut stream).unwrap();
    assert!(all(&chunks(&observed)).is_empty());
}

/// A client with one connection and this option, and the number of its failed checkouts.
fn one_connection<F: Files>(option: &str) -> (Observed<F>, Arc<AtomicU32>) {
    let mut failed = Arc::default();
    let uri = format!("{}&maxPoolSize=1&{option}", shared_standalone().unwrap().uri());
    let observed = Observed::with(&uri, |options| failed = failed_checkouts(options));
    (observed, failed)
}

fn removal_in_the_background_outlasts_a_full_pool<F: Files>() {
    for option in ["waitQueueTimeoutMS=1000", "waitQueueMultiple=1"] {
        let (observed, failed) = one_connection::<F>(option);
        let stream = half_uploaded(&bucket(&observed));
        eventually("the chunks are there", || all(&chunks(&observed)).len() == 2000);
        let held = hold_connection(&observed);
        std::thread::scope(|scope| {
            if option == "waitQueueMultiple=1" {
                // The queue is full.
                scope.spawn(|| all(&chunks(&observed)));
                eventually("it waits", || observed.client.pool_metrics()[0].waiting == 1);
            }
            drop(stream);
            eventually("an attempt has failed", || failed.load(Ordering::Relaxed) > 0);
            drop(held);
        });
        eventually("the chunks are gone", || all(&chunks(&observed)).is_empty());
    }
}

fn indexes_made_during_a_drop_are_made_again<F: Files>() {
    let _turn = turn_for_faults();
    let observed = standalone::<F>();
    let bucket = bucket(&observed);
    upload(&bucket, "before", b"abc", 2);
    // The files are dropped, and then the chunks with a pause before.
    let mut held = held_once(&observed.name, "drop", 1000);
    held.insert("mode", doc! { "skip": 1 });
    let point = shared_standalone().unwrap().fail_point(held).unwrap();
    std::thread::scope(|scope| {
        let dropped = scope.spawn(|| F::end(bucket.drop()));
        eventually("the chunks are being dropped", || observed.sent("drop").len() == 2);
        F::abort(&mut half_uploaded(&bucket)).unwrap();
        dropped.join().unwrap().unwrap();
    });
    drop(point);
    upload(&bucket, "after", b"abc", 2);
    let indexes = F::collect(F::end(chunks(&observed).list_indexes()).unwrap()).unwrap();
    assert!(indexes.iter().any(|index| index.keys == doc! { "files_id": 1, "n": 1 }));
}

/// No server accepts the document of the file.
fn unsent_close_leaves_the_chunks_to_abort_and_drop<F: Files>() {
    let observed = standalone::<F>();
    let bucket = bucket(&observed);
    for aborts in [true, false] {
        let metadata = doc! { "text": "x".repeat(17 << 20) };
        let open = bucket.open_upload_stream("large").chunk_size_bytes(2).metadata(metadata);
        let mut stream = F::end(open).unwrap();
        F::write_all(&mut stream, b"abc").unwrap();
        invalid(&F::close(&mut stream).unwrap_err());
        assert_eq!(all(&chunks(&observed)).len(), 2);
        let error = F::close(&mut stream).unwrap_err();
        assert!(matches!(gridfs(&error), GridFsErrorKind::UploadStreamClosed), "{error:?}");
        if aborts {
            F::abort(&mut stream).unwrap();
            assert!(all(&chunks(&observed)).is_empty());
        }
        drop(stream);
        eventually("the chunks are gone", || all(&chunks(&observed)).is_empty());
    }
}

fn close_without_a_connection_leaves_the_chunks_to_drop<F: Files>() {
    let (observed, _) = one_connection::<F>("waitQueueTimeoutMS=1000");
    let bucket = bucket(&observed);
    let mut stream = F::end(bucket.open_upload_stream("full").chunk_size_bytes(2)).unwrap();
    // One whole batch, so that nothing is left but the document of the file.
    F::write_all(&mut stream, &bytes(2000)).unwrap();
    eventually("the chunks are there", || all(&chunks(&observed)).len() == 1000);
    let held = hold_connection(&observed);
    let error = F::close(&mut stream).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WaitQueueTimeout { .. }), "{error:?}");
    drop(held);
    drop(stream);
    eventually("the chunks are gone", || all(&chunks(&observed)).is_empty());
    assert!(all(&files(&observed)).is_empty());
}
