//! Uploads: their bytes, their documents, their ends.

use driver::bson::spec::BinarySubtype;
use driver::bson::{Binary, Bson, DateTime, doc};
use driver::error::{ErrorKind, GridFsErrorKind};
use driver::gridfs::GridFsUploadStream;
use driver::options::GridFsBucketOptions;
use testbed::{ReplicaSet, shared_replica_set};

use super::{
    all, bucket, bytes, chunks, download, files, gridfs, half_uploaded, standalone, upload,
};
use crate::api::on_both_apis;
use crate::files::Files;
use crate::observed::{Observed, invalid, turn_for_faults};

on_both_apis! {
    files_of_all_sizes_come_back
    chunks_travel_in_batches
    documents_are_those_of_the_specification
    upload_under_an_id_in_use_removes_nothing
    chunk_size_of_zero_is_refused
    chunk_beyond_the_limit_of_documents_is_refused
    ended_upload_takes_no_bytes
    aborted_upload_leaves_nothing
    failed_source_aborts_its_upload
    upload_goes_on_over_a_new_connection
    upload_outlives_its_primary
}

fn files_of_all_sizes_come_back<F: Files>() {
    const CHUNK: u32 = 10;
    let observed = standalone::<F>();
    let bucket = bucket(&observed);
    // A batch has a thousand chunks.
    for length in [0, 1, 9, 10, 11, 20, 99, 10_000, 10_001, 25_003] {
        let content = bytes(length);
        let id = upload(&bucket, "file", &content, CHUNK);
        assert_eq!(download(&bucket, &id).unwrap(), content, "{length}");
        let chunks = F::end(chunks(&observed).find(doc! { "files_id": &id })).unwrap();
        let chunks = F::collect(chunks).unwrap();
        assert_eq!(chunks.len(), length.div_ceil(CHUNK as usize));
        // Written and read in pieces of uneven sizes.
        let mut stream =
            F::end(bucket.open_upload_stream("pieces").chunk_size_bytes(CHUNK)).unwrap();
        for piece in content.chunks(37) {
            F::write_all(&mut stream, piece).unwrap();
        }
        F::close(&mut stream).unwrap();
        let mut stream = F::end(bucket.open_download_stream(stream.id().clone())).unwrap();
        assert_eq!(stream.file().length, length as u64);
        assert_eq!(F::read_all(&mut stream, 7).unwrap(), content, "{length}");
        assert_eq!(F::read(&mut stream, &mut [0; 8]).unwrap(), 0, "the end stays the end");
    }
}

fn chunks_travel_in_batches<F: Files>() {
    let observed = standalone::<F>();
    let bucket = bucket(&observed);
    let content = bytes(5 << 20);
    let id = F::upload(bucket.upload_from("file", &content[..])).unwrap();
    let inserts = observed.sent("insert");
    let sent: Vec<usize> =
        inserts.iter().map(|insert| insert.get_array("documents").unwrap().len()).collect();
    assert_eq!(sent, [16, 5, 1]);
    let mut stream = F::end(bucket.open_download_stream(id)).unwrap();
    observed.forget();
    assert_eq!(F::read_all(&mut stream, 1 << 20).unwrap(), content);
    // 21 chunks in two batches. The second one shows the end.
    assert_eq!(observed.names(), ["find", "getMore"]);
    assert_eq!(observed.sent("find")[0].get_i64("batchSize").unwrap(), 11);
}

fn documents_are_those_of_the_specification<F: Files>() {
    let observed = standalone::<F>();
    let bucket = bucket(&observed);
    let before = DateTime::now();
    let metadata = doc! { "type": "text", "nested": { "a": 1 } };
    let described =
        bucket.upload_from("a", &b"abc"[..]).metadata(metadata.clone()).id("mabel".into());
    assert_eq!(F::upload(described).unwrap(), Bson::from("mabel"));
    let plain = upload(&bucket, "b", b"abcd", 3);
    assert!(matches!(plain, Bson::ObjectId(_)));
    let found = F::end(files(&observed).find_one(doc! { "_id": "mabel" })).unwrap().unwrap();
    let date = *found.get_datetime("uploadDate").unwrap();
    assert!(before <= date && date <= DateTime::now());
    let expected = doc! {
        "_id": "mabel", "length": 3_i64, "chunkSize": 255 * 1024, "uploadDate": date,
        "filename": "a", "metadata": metadata,
    };
    assert_eq!(found, expected);
    let found = F::end(files(&observed).find_one(doc! { "_id": &plain })).unwrap().unwrap();
    assert!(!found.contains_key("metadata"), "absent, not null: {found}");
    let last = F::end(chunks(&observed).find_one(doc! { "files_id": &plain, "n": 1 })).unwrap();
    let last = last.unwrap();
    let data = Binary { subtype: BinarySubtype::Generic, bytes: b"d".to_vec() };
    let id = last.get_object_id("_id").unwrap();
    assert_eq!(last, doc! { "_id": id, "files_id": plain, "n": 1, "data": data });
}

fn upload_under_an_id_in_use_removes_nothing<F: Files>() {
    let observed = standalone::<F>();
    let bucket = bucket(&observed);
    let of_first = |content: &[u8]| {
        let id = Bson::from(format!("id {}", content.len()));
        let first = bucket.upload_from("first", content).id(id.clone()).chunk_size_bytes(2);
        F::upload(first).unwrap();
        id
    };
    // With chunks, the first chunk is refused; without chunks, the document of the file.
    for content in [&b"abcde"[..], b""] {
        let id = of_first(content);
        let second = bucket.upload_from("second", &b"xyz"[..]).id(id.clone()).chunk_size_bytes(2);
        let error = F::upload(second).unwrap_err();
        assert!(error.is_duplicate_key(), "{error:?}");
        assert_eq!(download(&bucket, &id).unwrap(), content);

        let open = || bucket.open_upload_stream("third").id(id.clone()).chunk_size_bytes(2);
        let mut third = F::end(open()).unwrap();
        F::write_all(&mut third, b"xyz").unwrap();
        let error = F::close(&mut third).unwrap_err();
        assert!(error.is_duplicate_key(), "{error:?}");
        F::abort(&mut third).unwrap();
        let mut fourth = F::end(open()).unwrap();
        F::write_all(&mut fourth, b"xyz").unwrap();
        F::abort(&mut fourth).unwrap();
        assert_eq!(download(&bucket, &id).unwrap(), content);
        let left = F::end(chunks(&observed).count_documents(doc! { "files_id": &id })).unwrap();
        // By the specification, the failed upload must not remove its chunks.
        let of_second = if content.is_empty() { 2 } else { 3 };
        assert_eq!(left, of_second);
    }
}

fn chunk_size_of_zero_is_refused<F: Files>() {
    let observed = standalone::<F>();
    let bucket = bucket(&observed);
    let open = bucket.open_upload_stream("file").chunk_size_bytes(0);
    assert!(invalid(&F::end(open).unwrap_err()).contains("chunk_size_bytes is 0"));
    let upload = bucket.upload_from("file", &b"abc"[..]).chunk_size_bytes(0);
    assert!(invalid(&F::upload(upload).unwrap_err()).contains("chunk_size_bytes is 0"));
    let options = GridFsBucketOptions::builder().chunk_size_bytes(0).build();
    let of_zero = observed.database().gridfs_bucket(options);
    assert!(invalid(&F::end(of_zero.open_upload_stream("file")).unwrap_err()).contains("is 0"));
    let options = GridFsBucketOptions::builder().chunk_size_bytes(u32::MAX).build();
    let bucket = observed.database().gridfs_bucket(options);
    let message = invalid(&F::end(bucket.open_upload_stream("file")).unwrap_err());
    assert!(message.contains("open_upload_stream on") && message.contains(".fs:"), "{message}");
    assert!(observed.names().is_empty());
}

fn chunk_beyond_the_limit_of_documents_is_refused<F: Files>() {
    let observed = standalone::<F>();
    let bucket = bucket(&observed);
    let content = vec![7; 16 << 20];
    let upload = bucket.upload_from("file", &content[..]).chunk_size_bytes(16 << 20);
    let message = invalid(&F::upload(upload).unwrap_err());
    assert!(message.contains("chunk_size_bytes") && message.contains("\"file\""), "{message}");
    let id = self::upload(&bucket, "file", &content[..15 << 20], (16 << 20) - 1000);
    assert_eq!(download(&bucket, &id).unwrap().len(), 15 << 20);
}

fn ended_upload_takes_no_bytes<F: Files>() {
    let observed = standalone::<F>();
    let bucket = bucket(&observed);
    let ended = |stream: &mut GridFsUploadStream<F>| {
        for outcome in [F::write_all(stream, b"x"), F::close(stream), F::abort(stream)] {
            let error = outcome.unwrap_err();
            assert!(matches!(gridfs(&error), GridFsErrorKind::UploadStreamClosed), "{error:?}");
            assert!(error.to_string().contains("upload of \"file\" to"), "{error}");
        }
    };
    let mut stream = F::end(bucket.open_upload_stream("file")).unwrap();
    F::write_all(&mut stream, b"abc").unwrap();
    F::close(&mut stream).unwrap();
    ended(&mut stream);
    let mut stream = F::end(bucket.open_upload_stream("file")).unwrap();
    F::write_all(&mut stream, b"abc").unwrap();
    F::abort(&mut stream).unwrap();
    ended(&mut stream);
    assert_eq!(all(&files(&observed)).len(), 1);
}

fn aborted_upload_leaves_nothing<F: Files>() {
    let observed = standalone::<F>();
    let bucket = bucket(&observed);
    let mut stream = half_uploaded(&bucket);
    F::abort(&mut stream).unwrap();
    assert!(all(&files(&observed)).is_empty() && all(&chunks(&observed)).is_empty());
    assert_eq!(observed.sent("delete").len(), 1);
    drop(stream);
    // Nothing was sent, and nothing is removed.
    let mut stream = F::end(bucket.open_upload_stream("file")).unwrap();
    F::write_all(&mut stream, b"abc").unwrap();
    F::abort(&mut stream).unwrap();
    assert_eq!(observed.sent("delete").len(), 1);
}

/// A source that fails after its bytes.
struct Failing(Vec<u8>);

impl std::io::Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.0.is_empty() {
            return Err(std::io::Error::other("the tape has torn"));
        }
        let read = self.0.len().min(buffer.len());
        buffer[..read].copy_from_slice(&self.0[..read]);
        self.0.drain(..read);
        Ok(read)
    }
}

impl tokio::io::AsyncRead for Failing {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        let read = std::io::Read::read(self.get_mut(), buffer.initialize_unfilled())?;
        buffer.advance(read);
        std::task::Poll::Ready(Ok(()))
    }
}

fn failed_source_aborts_its_upload<F: Files>() {
    let observed = standalone::<F>();
    let bucket = bucket(&observed);
    let source = Failing(bytes(4001));
    let error =
        F::upload_failing(bucket.upload_from("torn", source).chunk_size_bytes(2)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Io { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("torn") && text.contains("the tape has torn"), "{text}");
    assert!(all(&files(&observed)).is_empty() && all(&chunks(&observed)).is_empty());
    assert_ne!(observed.sent("insert").len(), 0);
}

fn upload_goes_on_over_a_new_connection<F: Files>() {
    let _turn = turn_for_faults();
    let set = shared_replica_set().unwrap();
    let observed = Observed::<F>::of(&set.uri());
    let bucket = bucket(&observed);
    upload(&bucket, "first", b"abc", 2);
    let content = bytes(4001);
    for skipped in 0..3 {
        let once = doc! {
            "configureFailPoint": "failCommand", "mode": { "times": 1 },
            "data": {
                "failCommands": ["insert"], "closeConnection": true, "appName": &observed.name,
            },
        };
        let mut stream = F::end(bucket.open_upload_stream("file").chunk_size_bytes(2)).unwrap();
        F::write_all(&mut stream, &content[..skipped * 1999]).unwrap();
        let point = set.fail_point(set.wait_for_primary().unwrap(), once).unwrap();
        F::write_all(&mut stream, &content[skipped * 1999..]).unwrap();
        F::close(&mut stream).unwrap();
        drop(point);
        assert_eq!(download(&bucket, stream.id()).unwrap(), content);
    }
}

fn upload_outlives_its_primary<F: Files>() {
    let set = ReplicaSet::start(3).unwrap();
    let observed = Observed::<F>::of(&format!("{}&w=majority", set.uri()));
    let bucket = bucket(&observed);
    let content = bytes(40_001);
    let mut stream = F::end(bucket.open_upload_stream("file").chunk_size_bytes(2)).unwrap();
    F::write_all(&mut stream, &content[..15_000]).unwrap();
    let killed = set.wait_for_primary().unwrap();
    set.kill(killed).unwrap();
    F::write_all(&mut stream, &content[15_000..]).unwrap();
    F::close(&mut stream).unwrap();
    assert_eq!(download(&bucket, stream.id()).unwrap(), content);
    assert_eq!(all(&chunks(&observed)).len(), 20_001);
    // A download continues at its position.
    let mut stream = F::end(bucket.open_download_stream(stream.id().clone())).unwrap();
    let mut first = vec![0; 10_000];
    F::read_exact(&mut stream, &mut first).unwrap();
    set.restart(killed).unwrap();
    set.wait_for_secondaries().unwrap();
    set.kill(set.wait_for_primary().unwrap()).unwrap();
    let mut rest = Vec::new();
    // The first read after the loss of the cursor may fail. The next one opens another cursor.
    while first.len() + rest.len() < content.len() {
        let mut buffer = [0; 1000];
        match F::read(&mut stream, &mut buffer) {
            Ok(read) => rest.extend_from_slice(&buffer[..read]),
            Err(error) => assert!(error.is_network() || error.is_state_change(), "{error:?}"),
        }
    }
    assert!(first == content[..10_000] && rest == content[10_000..]);
}
