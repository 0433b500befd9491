//! Dropped streams, and dropped steps of streams.

use driver::Async;
use driver::bson::{Document, doc};
use driver::gridfs::{GridFsDownloadStream, GridFsUploadStream};
use testbed::{Standalone, eventually, shared_standalone};

use super::{all, bucket, bytes, chunks, download, files, half_uploaded, standalone, upload};
use crate::api::{block_on, on_both_apis};
use crate::files::Files;
use crate::observed::{Observed, held_once, turn_for_faults};

on_both_apis! {
    dropped_upload_leaves_nothing
    shutdown_waits_for_dropped_uploads
    dropped_download_leaves_no_cursor
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
    assert!(observed.replied("delete").is_empty(), "the chunks are removed in the background");
    F::shut_down(observed.client.clone());
    assert_eq!(all(&chunks).len(), 0);
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

#[test]
fn dropped_upload_waits_for_its_inserts() {
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
    // If the removal did not wait, the chunks would arrive after it.
    drop(point);
    eventually("the removal is done", || observed.replied("delete").len() == 1);
    assert_eq!(observed.ended(), ["insert", "delete"]);
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
            // Polled once, and dropped if it is not ready.
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
