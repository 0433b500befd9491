//! Downloads: ranges, positions, revisions, and malformed files.

use std::io::SeekFrom;

use driver::Result;
use driver::bson::spec::BinarySubtype;
use driver::bson::{Binary, Bson, DateTime, Document, doc};
use driver::error::{ErrorKind, GridFsErrorKind, GridFsFileIdentifier};

use super::{bucket, bytes, chunks, download, files, gridfs, not_found, standalone, upload};
use crate::api::on_both_apis;
use crate::files::Files;
use crate::observed::invalid;

on_both_apis! {
    range_gives_its_bytes_and_asks_for_no_others
    impossible_ranges_are_refused
    seeks_move_the_position
    revisions_are_told_apart
    broken_chunks_are_named
    files_of_other_programs_are_read
    impossible_files_are_refused
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
        // The bytes before the fault can be read.
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
    // One chunk beyond the end, even if the last chunk is full.
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
