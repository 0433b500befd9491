//! GridFS buckets (specification "GridFS").

use std::io::SeekFrom;
use std::time::Duration;

use driver::bson::oid::ObjectId;
use driver::bson::spec::BinarySubtype;
use driver::bson::{Binary, Bson, DateTime, Document, doc};
use driver::collection::Collection;
use driver::error::{ErrorKind, GridFsErrorKind, GridFsFileIdentifier};
use driver::gridfs::{GridFsBucket, GridFsDownloadStream, GridFsUploadStream};
use driver::options::{
    Acknowledgment, GridFsBucketOptions, GridFsFindOptions, ReadConcern, ReadPreference,
    SelectionCriteria, WriteConcern,
};
use driver::{Async, Error, Result};
use testbed::{ReplicaSet, Standalone, shared_replica_set, shared_standalone};

use crate::api::{block_on, on_both_apis};
use crate::files::Files;
use crate::observed::{Observed, eventually, held_once, invalid, turn_for_faults};

on_both_apis! {
    files_of_all_sizes_come_back
    chunks_travel_in_batches
    documents_are_those_of_the_specification
    first_upload_creates_the_indexes
    indexes_are_left_alone_where_there_are_files
    indexes_of_other_numeric_types_count
    range_gives_its_bytes_and_asks_for_no_others
    impossible_ranges_are_refused
    seeks_move_the_position
    revisions_are_told_apart
    broken_chunks_are_named
    files_of_other_programs_are_read
    impossible_files_are_refused
    upload_under_an_id_in_use_removes_nothing
    chunk_size_of_zero_is_refused
    chunk_beyond_the_limit_of_documents_is_refused
    ended_upload_takes_no_bytes
    aborted_upload_leaves_nothing
    dropped_upload_leaves_nothing
    shutdown_waits_for_dropped_uploads
    failed_source_aborts_its_upload
    upload_goes_on_over_a_new_connection
    upload_outlives_its_primary
    dropped_download_leaves_no_cursor
    files_are_found_renamed_and_deleted
    concerns_of_the_bucket_go_with_its_commands
    unacknowledged_bucket_finds_nothing_missing
    upload_stream_can_time_out
    abort_can_time_out
    download_stream_can_time_out
    timeout_holds_for_the_whole_stream
}

/// A bucket of its own on `observed`.
fn bucket<F: Files>(observed: &Observed<F>) -> GridFsBucket<F> {
    observed.database().gridfs_bucket(None)
}

fn standalone<F: Files>() -> Observed<F> {
    Observed::of(&shared_standalone().unwrap().uri())
}

fn files<F: Files>(observed: &Observed<F>) -> Collection<Document, F> {
    observed.database().collection("fs.files")
}

fn chunks<F: Files>(observed: &Observed<F>) -> Collection<Document, F> {
    observed.database().collection("fs.chunks")
}

fn all<F: Files>(collection: &Collection<Document, F>) -> Vec<Document> {
    F::collect(F::end(collection.find(doc! {}).sort(doc! { "n": 1 })).unwrap()).unwrap()
}

/// Bytes that tell where they are.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i % 251) as u8).collect()
}

fn upload<F: Files>(bucket: &GridFsBucket<F>, name: &str, bytes: &[u8], chunk: u32) -> Bson {
    F::upload(bucket.upload_from(name, bytes).chunk_size_bytes(chunk)).unwrap()
}

fn download<F: Files>(bucket: &GridFsBucket<F>, id: &Bson) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    let length = F::download(bucket.download_to(id.clone(), &mut all))?;
    assert_eq!(length, all.len() as u64);
    Ok(all)
}

fn gridfs(error: &Error) -> &GridFsErrorKind {
    match error.kind() {
        ErrorKind::GridFs(kind) => kind,
        other => panic!("{other:?}"),
    }
}

fn not_found(outcome: Result<impl Sized>, wanted: GridFsFileIdentifier) {
    match outcome.map(drop).unwrap_err() {
        error if matches!(gridfs(&error), GridFsErrorKind::FileNotFound { identifier, .. } if *identifier == wanted) =>
            {}
        error => panic!("{error:?}"),
    }
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
        // Written and read in odd pieces.
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
    // 21 chunks in two batches, of which the second says that nothing follows.
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
        "_id": "mabel", "length": 3_i64, "chunkSize": 255 * 1024, "uploadDate": date, "filename": "a",
        "metadata": metadata,
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
    upload(&bucket, "again", b"abc", 2);
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

fn range_gives_its_bytes_and_asks_for_no_others<F: Files>() {
    let observed = standalone::<F>();
    let bucket = bucket(&observed);
    let content = bytes(95);
    let id = upload(&bucket, "file", &content, 10);
    for (start, end) in [(0, 95), (0, 0), (95, 95), (9, 11), (10, 20), (25, 26), (90, 95), (3, 94)]
    {
        let open = bucket.open_download_stream(id.clone()).start(start).end(end);
        let mut stream = F::end(open).unwrap();
        let expected = &content[start as usize..end as usize];
        assert_eq!(F::read_all(&mut stream, 4).unwrap(), expected, "{start}..{end}");
        let mut copy = Vec::new();
        let copied = bucket.download_to(id.clone(), &mut copy).start(start).end(end);
        assert_eq!((F::download(copied).unwrap(), &copy[..]), (end - start, expected));
    }
    observed.forget();
    let mut stream = F::end(bucket.open_download_stream(id).start(25).end(45)).unwrap();
    F::read_all(&mut stream, 100).unwrap();
    let filter = observed.sent("find")[1].get_document("filter").unwrap().clone();
    assert_eq!(filter.get_document("n").unwrap(), &doc! { "$gte": 2_i64, "$lte": 4_i64 });
}

fn impossible_ranges_are_refused<F: Files>() {
    let observed = standalone::<F>();
    let bucket = bucket(&observed);
    let id = upload(&bucket, "file", b"abc", 2);
    for (start, end) in [(2, 1), (0, 4), (4, 4), (u64::MAX, 3)] {
        let open = bucket.open_download_stream(id.clone()).start(start).end(end);
        let message = invalid(&F::end(open).unwrap_err());
        assert!(message.contains("3 bytes") && message.contains("start"), "{message}");
    }
}

fn seeks_move_the_position<F: Files>() {
    let observed = standalone::<F>();
    let bucket = bucket(&observed);
    let content = bytes(100);
    let id = upload(&bucket, "file", &content, 10);
    let mut stream = F::end(bucket.open_download_stream(id.clone())).unwrap();
    let mut two = [0; 2];
    for (to, position) in [
        (SeekFrom::Start(50), 50),
        (SeekFrom::Current(-2), 50),
        (SeekFrom::Start(0), 0),
        (SeekFrom::End(-1), 99),
        (SeekFrom::Start(7), 7),
        (SeekFrom::Current(60), 69),
        (SeekFrom::End(0), 100),
        (SeekFrom::End(5), 105),
        (SeekFrom::Start(98), 98),
    ] {
        assert_eq!(F::seek(&mut stream, to).unwrap(), position as u64, "{to:?}");
        let read = F::read(&mut stream, &mut two).unwrap();
        let expected = content.get(position..).unwrap_or_default();
        assert_eq!(&two[..read], &expected[..read]);
        assert!(read > 0 || expected.is_empty());
        // A read ends with its chunk.
        let missing = 2.min(expected.len()) - read;
        assert_eq!(F::seek(&mut stream, SeekFrom::Current(missing as i64)).unwrap(), {
            (position + 2.min(expected.len())) as u64
        });
    }
    let error = F::seek(&mut stream, SeekFrom::Current(-200)).unwrap_err();
    assert!(invalid(&error).contains("before the beginning"));
    assert_eq!(F::read_all(&mut stream, 9).unwrap(), b"", "the position has not moved");
    // Within a range, positions count from its beginning.
    let mut stream = F::end(bucket.open_download_stream(id).start(15).end(35)).unwrap();
    assert_eq!(F::seek(&mut stream, SeekFrom::End(-3)).unwrap(), 17);
    assert_eq!(F::read_all(&mut stream, 9).unwrap(), &content[32..35]);
}

fn revisions_are_told_apart<F: Files>() {
    let observed = standalone::<F>();
    let bucket = bucket(&observed);
    for (day, content) in ["first", "second", "third"].iter().enumerate() {
        let id = upload(&bucket, "diary", content.as_bytes(), 10);
        let date = DateTime::from_millis(day as i64);
        let update = doc! { "$set": { "uploadDate": date } };
        F::end(files(&observed).update_one(doc! { "_id": id }, update)).unwrap();
    }
    let read = |revision: Option<i32>| {
        let mut content = Vec::new();
        let mut download = bucket.download_to_by_name("diary", &mut content);
        if let Some(revision) = revision {
            download = download.revision(revision);
        }
        F::download_by_name(download)?;
        Result::Ok(String::from_utf8(content).unwrap())
    };
    assert_eq!(read(None).unwrap(), "third");
    for (revision, content) in
        [(0, "first"), (1, "second"), (2, "third"), (-1, "third"), (-2, "second"), (-3, "first")]
    {
        assert_eq!(read(Some(revision)).unwrap(), content);
        let open = bucket.open_download_stream_by_name("diary").revision(revision);
        assert_eq!(F::read_all(&mut F::end(open).unwrap(), 9).unwrap(), content.as_bytes());
    }
    for wanted in [3, -4, i32::MIN, i32::MAX] {
        let error = read(Some(wanted)).unwrap_err();
        match gridfs(&error) {
            GridFsErrorKind::RevisionNotFound { filename, revision, .. } => {
                assert_eq!((filename.as_str(), *revision), ("diary", wanted));
            }
            other => panic!("{other:?}"),
        }
    }
    let absent = F::end(bucket.open_download_stream_by_name("book").revision(1));
    not_found(absent, GridFsFileIdentifier::Filename("book".into()));
}

fn broken_chunks_are_named<F: Files>() {
    type Check = fn(&GridFsErrorKind) -> bool;
    let data = |bytes: &[u8]| Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() };
    let set = |field: &str, value: Bson| doc! { "$set": { field: value } };
    let missing: Check = |kind| matches!(kind, GridFsErrorKind::MissingChunk { n: 1, .. });
    let observed = standalone::<F>();
    let (bucket, chunks) = (bucket(&observed), chunks(&observed));
    let content = bytes(25);
    let broken = |n: i32, update: Option<Document>, check: Check| {
        let id = upload(&bucket, "file", &content, 10);
        let chunk = doc! { "files_id": &id, "n": n };
        match update {
            Some(update) => drop(F::end(chunks.update_one(chunk, update)).unwrap()),
            None => drop(F::end(chunks.delete_one(chunk)).unwrap()),
        }
        let error = download(&bucket, &id).unwrap_err();
        let named = error.to_string().contains(&format!("file with _id {id}"));
        assert!(check(gridfs(&error)) && named, "{error}");
        // The bytes before it can be read.
        let mut stream = F::end(bucket.open_download_stream(id)).unwrap();
        let mut before = vec![0; 10 * n.min(1) as usize];
        F::read_exact(&mut stream, &mut before).unwrap();
        assert_eq!(before, &content[..before.len()]);
    };
    broken(1, None, missing);
    broken(2, None, |kind| matches!(kind, GridFsErrorKind::MissingChunk { n: 2, .. }));
    broken(1, Some(set("n", Bson::Int32(7))), missing);
    broken(2, Some(set("n", Bson::Int32(7))), |kind| {
        matches!(kind, GridFsErrorKind::ExtraChunk { n: 7, .. })
    });
    broken(1, Some(set("data", Bson::Binary(data(b"short")))), |kind| {
        matches!(
            kind,
            GridFsErrorKind::WrongSizeChunk { n: 1, actual_size: 5, expected_size: 10, .. }
        )
    });
    broken(2, Some(set("data", Bson::Binary(data(b"too long")))), |kind| {
        matches!(kind, GridFsErrorKind::WrongSizeChunk { n: 2, .. })
    });
    broken(1, Some(set("data", Bson::from("text"))), |kind| {
        matches!(kind, GridFsErrorKind::CorruptChunk { n: 1, .. })
    });
    // One beyond the end, also where the last chunk is full.
    for length in [20, 25] {
        let id = upload(&bucket, "file", &content[..length], 10);
        let extra = doc! { "files_id": &id, "n": 3, "data": data(b"x") };
        F::end(chunks.insert_one(extra)).unwrap();
        let error = download(&bucket, &id).unwrap_err();
        assert!(matches!(gridfs(&error), GridFsErrorKind::ExtraChunk { n: 3, .. }), "{error}");
        let part = F::end(bucket.open_download_stream(id).end(15));
        assert_eq!(F::read_all(&mut part.unwrap(), 99).unwrap(), &content[..15]);
    }
}

fn files_of_other_programs_are_read<F: Files>() {
    let observed = standalone::<F>();
    let bucket = bucket(&observed);
    let data = |bytes: &[u8]| Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() };
    let file = doc! {
        "_id": 1, "length": 5.0, "chunkSize": 4_i64, "uploadDate": DateTime::now(), "md5": "x",
        "contentType": "text/plain", "aliases": ["a"], "metadata": null,
    };
    F::end(files(&observed).insert_one(file)).unwrap();
    for (n, bytes) in [(Bson::Double(0.0), &b"abcd"[..]), (Bson::Int64(1), b"e")] {
        let chunk = doc! { "files_id": 1, "n": n, "data": data(bytes) };
        F::end(chunks(&observed).insert_one(chunk)).unwrap();
    }
    assert_eq!(download(&bucket, &Bson::Int32(1)).unwrap(), b"abcde");
    let found = F::end(bucket.find_one(doc! {})).unwrap().unwrap();
    assert_eq!((found.length, found.filename, found.metadata), (5, None, None));
}

fn impossible_files_are_refused<F: Files>() {
    let observed = standalone::<F>();
    let bucket = bucket(&observed);
    let file = |id: i32, length: Bson, chunk_size: Bson| {
        let date = DateTime::now();
        let file =
            doc! { "_id": id, "length": length, "chunkSize": chunk_size, "uploadDate": date };
        F::end(files(&observed).insert_one(file)).unwrap();
        download(&bucket, &Bson::Int32(id))
    };
    let error = file(1, Bson::Int32(5), Bson::Int32(0)).unwrap_err();
    assert!(matches!(gridfs(&error), GridFsErrorKind::CorruptFile { .. }), "{error}");
    assert!(error.to_string().contains("file with _id 1"), "{error}");
    let error = file(2, Bson::Int64(i64::MAX), Bson::Int32(1)).unwrap_err();
    assert!(matches!(gridfs(&error), GridFsErrorKind::CorruptFile { .. }), "{error}");
    let error = file(3, Bson::Int32(-5), Bson::Int32(1)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::BsonDeserialization(_)), "{error}");
    assert_eq!(file(4, Bson::Int32(0), Bson::Int32(0)).unwrap(), b"");
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
    // With chunks, the first chunk is refused; without, the document of the file.
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
        // The specification forbids that the failed upload removes its own.
        let of_second = if content.is_empty() { 2 } else { 3 };
        assert_eq!(left, of_second);
    }
}

fn chunk_size_of_zero_is_refused<F: Files>() {
    let observed = standalone::<F>();
    let bucket = bucket(&observed);
    let open = bucket.open_upload_stream("file").chunk_size_bytes(0);
    assert!(invalid(&F::end(open).unwrap_err()).contains("chunk_size_bytes is 0"));
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

/// A stream that has sent chunks, and holds bytes that it has not.
fn half_uploaded<F: Files>(bucket: &GridFsBucket<F>) -> GridFsUploadStream<F> {
    let mut stream = F::end(bucket.open_upload_stream("half").chunk_size_bytes(2)).unwrap();
    F::write_all(&mut stream, &bytes(4001)).unwrap();
    stream
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

fn dropped_upload_leaves_nothing<F: Files>() {
    let observed = standalone::<F>();
    let bucket = bucket(&observed);
    let kept = upload(&bucket, "kept", b"abc", 2);
    for _ in 0..5 {
        drop(half_uploaded(&bucket));
    }
    eventually("the chunks are gone", || all(&chunks(&observed)).len() == 2);
    assert_eq!(all(&files(&observed)).len(), 1);
    assert_eq!(download(&bucket, &kept).unwrap(), b"abc");
}

fn shutdown_waits_for_dropped_uploads<F: Files>() {
    let observed = standalone::<F>();
    let other = Observed::<F>::of(&shared_standalone().unwrap().uri());
    let chunks = other.client.database(&observed.name).collection::<Document>("fs.chunks");
    let stream = half_uploaded(&bucket(&observed));
    let _turn = turn_for_faults();
    let held = held_once(&observed.name, "delete", 300);
    let _point = shared_standalone().unwrap().fail_point(held).unwrap();
    drop(stream);
    assert_ne!(all(&chunks).len(), 0);
    F::shut_down(observed.client.clone());
    assert_eq!(all(&chunks).len(), 0);
}

/// A source that fails behind its bytes.
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
            "data": { "failCommands": ["insert"], "closeConnection": true, "appName": &observed.name },
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
    // A download goes on from its position.
    let mut stream = F::end(bucket.open_download_stream(stream.id().clone())).unwrap();
    let mut first = vec![0; 10_000];
    F::read_exact(&mut stream, &mut first).unwrap();
    set.restart(killed).unwrap();
    set.wait_for_secondaries().unwrap();
    set.kill(set.wait_for_primary().unwrap()).unwrap();
    let mut rest = Vec::new();
    // The first read behind the loss of the cursor may fail; the next one opens another.
    while first.len() + rest.len() < content.len() {
        let mut buffer = [0; 1000];
        match F::read(&mut stream, &mut buffer) {
            Ok(read) => rest.extend_from_slice(&buffer[..read]),
            Err(error) => assert!(error.is_network() || error.is_state_change(), "{error:?}"),
        }
    }
    assert!(first == content[..10_000] && rest == content[10_000..]);
}

fn dropped_download_leaves_no_cursor<F: Files>() {
    let observed = standalone::<F>();
    let bucket = bucket(&observed);
    // Chunks of a megabyte: four in a batch.
    let id = upload(&bucket, "file", &bytes(20 << 20), 1 << 20);
    let mut stream = F::end(bucket.open_download_stream(id)).unwrap();
    F::read_exact(&mut stream, &mut [0; 10]).unwrap();
    eventually("a cursor is open", || observed.open_cursors() == 1);
    drop(stream);
    eventually("no cursor is open", || observed.open_cursors() == 0);
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
    // Chunks without a file go as well.
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
    // Whether there are files is asked of the primary.
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

/// A client with a timeout on a server of its own.
fn limited<F: Files>(server: &Standalone) -> Observed<F> {
    let observed = Observed::with(&server.uri(), |options| {
        options.timeout = Some(Duration::from_millis(1500));
    });
    upload(&bucket(&observed), "first", b"abc", 2);
    observed
}

/// Client-side operations timeout, prose test 6: "uploads via openUploadStream can be timed out".
fn upload_stream_can_time_out<F: Files>() {
    let server = Standalone::start().unwrap();
    let observed = limited::<F>(&server);
    let mut stream = F::end(bucket(&observed).open_upload_stream("filename")).unwrap();
    let _point = server.fail_point(held_once(&observed.name, "insert", 3000)).unwrap();
    F::write_all(&mut stream, &[0x12]).unwrap();
    let error = F::close(&mut stream).unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
}

/// Prose test 6: "Aborting an upload stream can be timed out". Chunks go in batches, so that it
/// takes more than two of them before there is something to be removed.
fn abort_can_time_out<F: Files>() {
    let server = Standalone::start().unwrap();
    let observed = limited::<F>(&server);
    let mut stream = half_uploaded(&bucket(&observed));
    let _point = server.fail_point(held_once(&observed.name, "delete", 3000)).unwrap();
    let error = F::abort(&mut stream).unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    let kind = gridfs(&error);
    assert!(matches!(kind, GridFsErrorKind::AbortError { original_error: None, .. }), "{kind:?}");
    // The drop of the stream tries again.
    drop(stream);
    eventually("the chunks are gone", || all(&chunks(&observed)).len() == 2);
}

/// Prose test 7: "GridFS - Download".
fn download_stream_can_time_out<F: Files>() {
    let server = Standalone::start().unwrap();
    let observed = limited::<F>(&server);
    let id = ObjectId::parse_str("000000000000000000000005").unwrap();
    let file = doc! {
        "_id": id, "length": 10, "chunkSize": 4, "uploadDate": DateTime::from_millis(0),
        "filename": "length-10", "aliases": [], "metadata": {},
    };
    F::end(files(&observed).insert_one(file)).unwrap();
    observed.forget();
    let mut stream = F::end(bucket(&observed).open_download_stream(id.into())).unwrap();
    let _point = server.fail_point(held_once(&observed.name, "find", 3000)).unwrap();
    let error = F::read(&mut stream, &mut [0; 10]).unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    let sent = observed.sent("find");
    let of: Vec<&str> = sent.iter().map(|find| find.get_str("find").unwrap()).collect();
    assert_eq!(of, ["fs.files", "fs.chunks"]);
}

fn timeout_holds_for_the_whole_stream<F: Files>() {
    let observed = standalone::<F>();
    let bucket = bucket(&observed);
    let id = upload(&bucket, "file", &bytes(100), 10);
    let short = Duration::from_millis(200);
    let mut reading = F::end(bucket.open_download_stream(id).timeout(short)).unwrap();
    let mut writing = F::end(bucket.open_upload_stream("late").timeout(short)).unwrap();
    F::write_all(&mut writing, b"abc").unwrap();
    std::thread::sleep(2 * short);
    observed.forget();
    let error = F::read(&mut reading, &mut [0; 10]).unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    let error = F::close(&mut writing).unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    assert!(observed.names().is_empty(), "{:?}", observed.names());
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

#[test]
fn dropped_upload_waits_for_what_is_on_its_way() {
    let server = Standalone::start().unwrap();
    let observed = Observed::<Async>::of(&server.uri());
    let bucket = bucket(&observed);
    upload(&bucket, "first", b"abc", 2);
    let point = server.fail_point(held_once(&observed.name, "insert", 300)).unwrap();
    observed.forget();
    let mut stream =
        block_on(bucket.open_upload_stream("half").chunk_size_bytes(2).into_future()).unwrap();
    Async::write_all(&mut stream, &bytes(2001)).unwrap();
    drop(stream);
    eventually("the removal is sent", || !observed.sent("delete").is_empty());
    assert_eq!(observed.names(), ["insert", "delete"]);
    // Had the removal not waited, the chunks would arrive behind it.
    std::thread::sleep(Duration::from_millis(600));
    drop(point);
    assert_eq!(all(&chunks(&observed)).len(), 2);
    assert_eq!(observed.connections().1, 0);
}

#[test]
fn upload_dropped_at_its_very_end_leaves_a_whole_file() {
    let server = Standalone::start().unwrap();
    let observed = Observed::<Async>::of(&server.uri());
    let bucket = bucket(&observed);
    upload(&bucket, "first", b"abc", 2);
    // The chunks pass, and the document of the file is held back.
    let mut held = held_once(&observed.name, "insert", 300);
    held.insert("mode", doc! { "skip": 1 });
    let point = server.fail_point(held).unwrap();
    observed.forget();
    let id = block_on(async {
        let mut stream = bucket.open_upload_stream("last").chunk_size_bytes(2).await.unwrap();
        while once(|cx| poll_write(&mut stream, cx, b"xyz")).await.is_none() {}
        while observed.sent("insert").len() < 2 {
            let closed = once(|cx| std::pin::pin!(stream.close()).as_mut().poll(cx)).await;
            assert!(closed.is_none());
            tokio::task::yield_now().await;
        }
        stream.id().clone()
    });
    eventually("the file is there", || {
        block_on(bucket.find_one(doc! { "_id": &id }).into_future()).unwrap().is_some()
    });
    drop(point);
    assert_eq!(download(&bucket, &id).unwrap(), b"xyz");
    assert!(observed.sent("delete").is_empty());
}

#[test]
fn dropped_steps_of_streams_lose_nothing() {
    let observed = standalone::<Async>();
    let bucket = bucket(&observed);
    let content = bytes(6000);
    block_on(async {
        let mut stream = bucket.open_upload_stream("file").chunk_size_bytes(2).await.unwrap();
        let mut left = &content[..];
        while !left.is_empty() {
            // Polled once, and dropped where it is not ready.
            let written = once(|cx| poll_write(&mut stream, cx, left)).await;
            left = &left[written.map_or(0, |written| written.unwrap())..];
            tokio::task::yield_now().await;
        }
        while once(|cx| std::pin::pin!(stream.close()).as_mut().poll(cx)).await.is_none() {
            tokio::task::yield_now().await;
        }
        let mut stream = bucket.open_download_stream(stream.id().clone()).await.unwrap();
        let mut read = Vec::new();
        let mut buffer = [0; 100];
        loop {
            match once(|cx| poll_read(&mut stream, cx, &mut buffer)).await {
                None => tokio::task::yield_now().await,
                Some(Ok(0)) => break,
                Some(got) => read.extend_from_slice(&buffer[..got.unwrap()]),
            }
        }
        assert!(read == content);
    });
    assert_eq!(observed.connections().1, 0);
}

/// Polls once.
async fn once<T>(
    mut poll: impl FnMut(&mut std::task::Context<'_>) -> std::task::Poll<T>,
) -> Option<T> {
    std::future::poll_fn(|cx| match poll(cx) {
        std::task::Poll::Ready(ready) => std::task::Poll::Ready(Some(ready)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}

fn poll_write(
    stream: &mut GridFsUploadStream,
    cx: &mut std::task::Context<'_>,
    bytes: &[u8],
) -> std::task::Poll<std::io::Result<usize>> {
    tokio::io::AsyncWrite::poll_write(std::pin::Pin::new(stream), cx, bytes)
}

fn poll_read(
    stream: &mut GridFsDownloadStream,
    cx: &mut std::task::Context<'_>,
    buffer: &mut [u8],
) -> std::task::Poll<std::io::Result<usize>> {
    let mut buffer = tokio::io::ReadBuf::new(buffer);
    tokio::io::AsyncRead::poll_read(std::pin::Pin::new(stream), cx, &mut buffer)
        .map_ok(|()| buffer.filled().len())
}
