//! Uploads and downloads of a process that forks.

use std::future::poll_fn;
use std::io::{Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use driver::bson::doc;
use driver::error::ErrorKind;
use driver::event::EventHandler;
use driver::event::command::CommandEvent;
use driver::gridfs::{GridFsDownloadStream, GridFsUploadStream};
use driver::sync::Client;
use testbed::{Standalone, eventually};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{fork, options, runtime};

/// More than two batches of chunks.
const LENGTH: usize = 9 << 20;

/// The bytes of a file.
fn content() -> Vec<u8> {
    (0..LENGTH).map(|i| (i % 251) as u8).collect()
}

fn is_of_the_parent(error: &driver::Error) {
    assert!(matches!(error.kind(), ErrorKind::InvalidArgument { .. }), "{error:?}");
    assert!(error.to_string().contains("fork"), "{error}");
}

pub(super) fn buckets(server: &Standalone) {
    let client = Client::with_options(options(server)).expect("a client");
    let bucket = client.database("fork").gridfs_bucket(None);
    let content = content();
    let id = bucket.upload_from("first", &content[..]).run().expect("an upload");
    let mut upload = Some(bucket.open_upload_stream("half").run().expect("a stream"));
    upload.as_mut().unwrap().write_all(&content[..LENGTH / 2]).expect("a write");
    let mut download = bucket.open_download_stream(id.clone()).run().expect("a stream");
    download.read_exact(&mut [0; 10]).expect("bytes");
    let mut rest = || {
        let mut rest = Vec::new();
        download.read_to_end(&mut rest).expect("the rest");
        assert!(rest == content[10..]);
    };
    fork(
        || {
            rest();
            let mut inherited = upload.take().expect("the parent's stream");
            is_of_the_parent(&inherited.write(b"x").unwrap_err().into());
            is_of_the_parent(&inherited.close().unwrap_err());
            is_of_the_parent(&inherited.abort().unwrap_err());
            drop(inherited);
            let mut copy = Vec::new();
            bucket.download_to(id.clone(), &mut copy).run().expect("a download");
            assert!(copy == content);
            bucket.upload_from("of the child", &content[..]).run().expect("an upload");
            client.clone().shutdown().run();
        },
        || (),
    );
    rest();
    let mut upload = upload.expect("the stream");
    upload.write_all(&content[LENGTH / 2..]).expect("the upload goes on");
    upload.close().expect("the upload ends");
    for name in ["half", "of the child"] {
        let mut copy = Vec::new();
        bucket.download_to_by_name(name, &mut copy).run().expect("a download");
        assert!(copy == content, "{name}");
    }
}

async fn write(stream: &mut GridFsUploadStream, bytes: &[u8]) -> std::io::Result<usize> {
    poll_fn(|cx| AsyncWrite::poll_write(Pin::new(&mut *stream), cx, bytes)).await
}

async fn write_all(stream: &mut GridFsUploadStream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let written = write(stream, bytes).await.expect("the upload goes on");
        bytes = &bytes[written..];
    }
}

async fn read(stream: &mut GridFsDownloadStream, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut buffer = ReadBuf::new(buffer);
    poll_fn(|cx| AsyncRead::poll_read(Pin::new(&mut *stream), cx, &mut buffer)).await?;
    Ok(buffer.filled().len())
}

/// Reads so many bytes, which `expected` begins with.
async fn read_to(stream: &mut GridFsDownloadStream, length: usize, expected: &[u8]) {
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < length {
        match read(stream, &mut bytes[filled..]).await.expect("the download goes on") {
            0 => panic!("the file is too short"),
            read => filled += read,
        }
    }
    assert!(bytes == expected[..length]);
}

pub(super) fn async_buckets(server: &Standalone) {
    let tokio = runtime();
    let content = content();
    let (client, upload, mut download) = tokio.block_on(async {
        let client = driver::Client::with_options(options(server)).expect("a client");
        let bucket = client.database("fork_async").gridfs_bucket(None);
        let id = bucket.upload_from("first", &content[..]).await.expect("an upload");
        let mut upload = bucket.open_upload_stream("half").await.expect("a stream");
        write_all(&mut upload, &content[..LENGTH / 2]).await;
        let mut download = bucket.open_download_stream(id).await.expect("a stream");
        read_to(&mut download, 10, &content).await;
        (client, upload, download)
    });
    let mut upload = Some(upload);
    fork(
        || {
            runtime().block_on(async {
                let new = "create a new client there";
                let mut inherited = upload.take().expect("the parent's stream");
                is_of_the_parent(&write(&mut inherited, b"x").await.unwrap_err().into());
                is_of_the_parent(&inherited.close().await.unwrap_err());
                is_of_the_parent(&inherited.abort().await.unwrap_err());
                drop(inherited);
                let error = read(&mut download, &mut [0; 10]).await.unwrap_err();
                assert!(error.to_string().contains(new), "{error}");
                let bucket = client.database("fork_async").gridfs_bucket(None);
                let error = bucket.upload_from("x", &b"x"[..]).await.unwrap_err();
                assert!(error.to_string().contains(new), "{error}");
                let client = driver::Client::with_options(options(server)).expect("a client");
                let bucket = client.database("fork_async").gridfs_bucket(None);
                let mut copy = Vec::new();
                bucket.download_to_by_name("first", &mut copy).await.expect("a download");
                assert!(copy == content);
            });
        },
        || (),
    );
    tokio.block_on(async {
        read_to(&mut download, LENGTH - 10, &content[10..]).await;
        let mut upload = upload.expect("the stream");
        write_all(&mut upload, &content[LENGTH / 2..]).await;
        upload.close().await.expect("the upload ends");
        let bucket = client.database("fork_async").gridfs_bucket(None);
        let mut copy = Vec::new();
        bucket.download_to_by_name("half", &mut copy).await.expect("a download");
        assert!(copy == content);
    });
}

/// The process forks while one of its uploads creates the indexes of the bucket.
pub(super) fn uploads(server: &Standalone) {
    let mut options = options(server);
    options.app_name = Some("uploads".to_owned());
    let creating = Arc::new(AtomicBool::new(false));
    let flag = creating.clone();
    options.command_event_handler = Some(EventHandler::callback(move |event| {
        if let CommandEvent::Started(event) = event
            && event.command_name == "listIndexes"
        {
            flag.store(true, Ordering::Release);
        }
    }));
    let client = Client::with_options(options).expect("a client");
    let bucket = client.database("fork_uploads").gridfs_bucket(None);
    let held = doc! {
        "configureFailPoint": "failCommand", "mode": { "times": 1 },
        "data": {
            "failCommands": ["listIndexes"], "blockConnection": true, "blockTimeMS": 2000,
            "appName": "uploads",
        },
    };
    let _point = server.fail_point(held).expect("a fail point");
    let upload = |limit| {
        let upload = bucket.upload_from("file", &b"abc"[..]).timeout(Duration::from_secs(limit));
        upload.run().expect("an upload")
    };
    std::thread::scope(|scope| {
        let of_parent = scope.spawn(|| upload(60));
        eventually("the indexes are created", || creating.load(Ordering::Acquire));
        fork(|| drop(upload(10)), || ());
        of_parent.join().expect("an upload");
    });
}
