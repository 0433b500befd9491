//! Change streams, uploads and downloads that are dropped at any point leave no cursor, no chunk
//! without a file, and no connection in use.
//!
//! `DROPPED_STREAMS` sets their number. The default is 6,000, and 300 without optimization.

use std::future::{Future, poll_fn};
use std::io::{Read, Seek, SeekFrom, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use driver::bson::{Bson, Document, doc};
use driver::client::Client;
use driver::collection::Collection;
use driver::event::EventHandler;
use driver::event::command::CommandEvent;
use driver::gridfs::{GridFsBucket, GridFsDownloadStream, GridFsUploadStream};
use driver::options::{ConnectionString, GridFsBucketOptions};
use driver::{Async, Blocking, Error, Result};
use testbed::{ReplicaSet, eventually};
use tokio::io::{AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

use crate::api::block_on;
use crate::dropped_transactions::polled;
use crate::files::Files;
use crate::reads::Reads;

/// More than there are connections, so that some wait for one.
const AT_ONCE: usize = 8;
const CONNECTIONS: u32 = 3;
/// Batches have a thousand chunks.
const CHUNK: u32 = 2;
const LONGEST: usize = 6000;

fn streams() -> usize {
    let given = std::env::var("DROPPED_STREAMS").ok().and_then(|given| given.parse().ok());
    given.unwrap_or(if cfg!(debug_assertions) { 300 } else { 6_000 })
}

/// Bytes that depend on their position.
fn content() -> Vec<u8> {
    (0..LONGEST).map(|i| (i % 251) as u8).collect()
}

/// A client of its own replica set.
struct Servers<F: Files + Reads> {
    set: ReplicaSet,
    client: Client<F>,
    /// The cursors of change streams that the server has opened.
    cursors: Arc<Mutex<Vec<i64>>>,
    /// A file that is downloaded.
    file: Bson,
}

impl<F: Files + Reads> Servers<F> {
    fn new() -> Self {
        let set = ReplicaSet::start(1).unwrap();
        let cursors: Arc<Mutex<Vec<i64>>> = Arc::default();
        let opened = Arc::clone(&cursors);
        let mut options = ConnectionString::parse(set.uri()).unwrap().options;
        options.max_pool_size = Some(CONNECTIONS);
        options.command_event_handler = Some(EventHandler::callback(move |event| {
            if let CommandEvent::Succeeded(event) = event
                && event.command_name == "aggregate"
            {
                let cursor = event.reply.get_document("cursor").unwrap();
                opened.lock().unwrap().push(cursor.get_i64("id").unwrap());
            }
        }));
        let client = F::open(options).unwrap();
        F::end(client.database("dropped").create_collection("items")).unwrap();
        let servers = Servers { set, client, cursors, file: Bson::Null };
        let file = F::upload(servers.bucket().upload_from("file", &content()[..])).unwrap();
        Servers { file, ..servers }
    }

    fn items(&self) -> Collection<Document, F> {
        self.client.database("dropped").collection("items")
    }

    fn bucket(&self) -> GridFsBucket<F> {
        let options = GridFsBucketOptions::builder().chunk_size_bytes(CHUNK).build();
        self.client.database("dropped").gridfs_bucket(options)
    }

    fn status(&self) -> Document {
        self.set.admin(0, doc! { "serverStatus": 1 }).unwrap()
    }

    fn check_nothing_is_left(&self) {
        eventually("no cursor is open", || {
            let status = self.status();
            let cursors = status.get_document("metrics").unwrap().get_document("cursor").unwrap();
            let open = cursors.get_document("open").unwrap();
            ["total", "pinned", "noTimeout"].iter().all(|kind| number(open, kind) == 0)
        });
        eventually("no chunk is without its file", || {
            let database = self.client.database("dropped");
            let ids = |collection: &str, field: &str| {
                F::end(database.collection::<Document>(collection).distinct(field, doc! {}))
                    .unwrap()
            };
            let files = ids("fs.files", "_id");
            ids("fs.chunks", "files_id").iter().all(|of| files.contains(of))
        });
        eventually("all connections are back", || {
            let pools = self.client.pool_metrics();
            pools.iter().all(|pool| (pool.in_use, pool.opening, pool.waiting) == (0, 0, 0))
        });
        let connections: u32 = self.client.pool_metrics().iter().map(|pool| pool.idle).sum();
        assert!((1..=CONNECTIONS).contains(&connections), "{connections} connections");
        self.check_files_are_whole();
    }

    fn check_files_are_whole(&self) {
        let (bucket, content) = (self.bucket(), content());
        let files = self.client.database("dropped").collection::<Document>("fs.files");
        for file in F::collect(F::end(files.find(doc! {})).unwrap()).unwrap() {
            let mut copy = Vec::new();
            let id = file.get("_id").unwrap().clone();
            F::download(bucket.download_to(id, &mut copy)).unwrap();
            assert!(copy == content[..copy.len()], "{file}");
        }
    }
}

fn number(document: &Document, key: &str) -> i64 {
    let number = document.get(key).unwrap();
    number.as_i64().or(number.as_i32().map(i64::from)).unwrap()
}

/// The stream that is dropped.
#[derive(Clone, Copy)]
enum Stream {
    Changes,
    Upload,
    Download,
    Source,
    Sink,
}

impl Stream {
    fn any() -> Self {
        let all = [Self::Changes, Self::Upload, Self::Download, Self::Source, Self::Sink];
        all[fastrand::usize(..all.len())]
    }
}

/// The number of steps before the drop. One stream in four may run to its end.
fn steps() -> usize {
    if fastrand::u8(..4) == 0 { 40 } else { fastrand::usize(..6) }
}

/// The server sometimes loses the cursor of a change stream, so that streams are dropped while they
/// resume.
fn lost_cursor(cursors: &Mutex<Vec<i64>>) -> Option<Document> {
    let cursors = cursors.lock().unwrap();
    let last = cursors.last().filter(|_| fastrand::u8(..3) == 0)?;
    Some(doc! { "killCursors": "items", "cursors": [*last] })
}

/// A stream resumes after the loss of its cursor, unless the server was about to reply.
fn check<T>(outcome: Result<T>) {
    const CURSOR_KILLED: i32 = 237;
    if let Err(error) = outcome {
        assert_eq!(error.code(), Some(CURSOR_KILLED), "{error:?}");
    }
}

/// Runs `future` to its end, or drops it after a few polls or a short time.
async fn dropped_somewhere<T, E: Into<Error>>(
    future: impl Future<Output = std::result::Result<T, E>>,
) {
    match fastrand::u8(..4) {
        0 => check(future.await.map_err(Into::into)),
        1 => polled(fastrand::usize(..8), future).await,
        _ => {
            let time = Duration::from_micros(fastrand::u64(..3000));
            if let Ok(outcome) = tokio::time::timeout(time, future).await {
                check(outcome.map_err(Into::into));
            }
        }
    }
}

async fn change_stream(
    items: &Collection<Document, Async>,
    cursors: &Mutex<Vec<i64>>,
) -> Result<()> {
    let mut stream = items.watch().max_await_time(Duration::from_millis(5)).await?;
    for _ in 0..steps() {
        items.insert_one(doc! {}).await?;
        if let Some(kill) = lost_cursor(cursors) {
            items.database().run_command(kill).await?;
        }
        if fastrand::bool() {
            dropped_somewhere(stream.next_if_any()).await;
        } else {
            dropped_somewhere(stream.try_next()).await;
        }
    }
    Ok(())
}

fn write<'a>(
    stream: &'a mut GridFsUploadStream,
    bytes: &'a [u8],
) -> impl Future<Output = std::io::Result<usize>> + 'a {
    poll_fn(|cx| AsyncWrite::poll_write(Pin::new(&mut *stream), cx, bytes))
}

async fn upload(bucket: &GridFsBucket, content: &[u8]) -> Result<()> {
    let mut stream = bucket.open_upload_stream("half").await?;
    let mut written = 0;
    for _ in 0..steps() {
        let most = (content.len() - written).min(fastrand::usize(1..2500));
        // A dropped write has taken no bytes.
        let step = write(&mut stream, &content[written..][..most]);
        if let Ok(taken) = tokio::time::timeout(Duration::from_millis(2), step).await {
            written += taken?;
        }
    }
    match fastrand::u8(..4) {
        0 => dropped_somewhere(stream.close()).await,
        1 => dropped_somewhere(stream.abort()).await,
        _ => {}
    }
    Ok(())
}

async fn download(bucket: &GridFsBucket, file: &Bson) -> Result<()> {
    let mut stream = bucket.open_download_stream(file.clone()).await?;
    let mut buffer = [0; 700];
    for _ in 0..steps() {
        if fastrand::u8(..4) == 0 {
            let to = SeekFrom::Start(fastrand::u64(..LONGEST as u64));
            Pin::new(&mut stream).start_seek(to)?;
        }
        let stream: &mut GridFsDownloadStream = &mut stream;
        let mut buffer = ReadBuf::new(&mut buffer);
        let read = poll_fn(|cx| AsyncRead::poll_read(Pin::new(&mut *stream), cx, &mut buffer));
        dropped_somewhere(read).await;
    }
    Ok(())
}

#[test]
fn streams_dropped_at_any_await_leave_nothing() {
    let servers = Servers::<Async>::new();
    let each = streams() / AT_ONCE;
    block_on(async {
        let tasks = (0..AT_ONCE).map(|_| {
            let (items, bucket) = (servers.items(), servers.bucket());
            let (cursors, file) = (Arc::clone(&servers.cursors), servers.file.clone());
            tokio::spawn(async move {
                let content = content();
                for _ in 0..each {
                    match Stream::any() {
                        Stream::Changes => dropped_somewhere(change_stream(&items, &cursors)).await,
                        Stream::Upload => dropped_somewhere(upload(&bucket, &content)).await,
                        Stream::Download => dropped_somewhere(download(&bucket, &file)).await,
                        Stream::Source => {
                            let source = &content[..fastrand::usize(..LONGEST)];
                            let upload = bucket.upload_from("source", source);
                            dropped_somewhere(upload.into_future()).await;
                        }
                        Stream::Sink => {
                            let mut copy = Vec::new();
                            let download = bucket.download_to(file.clone(), &mut copy);
                            dropped_somewhere(download.into_future()).await;
                        }
                    }
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
    });
    servers.check_nothing_is_left();
}

fn change_stream_blocking(
    items: &Collection<Document, Blocking>,
    cursors: &Mutex<Vec<i64>>,
) -> Result<()> {
    let mut stream = items.watch().max_await_time(Duration::from_millis(5)).run()?;
    for _ in 0..steps() {
        items.insert_one(doc! {}).run()?;
        if let Some(kill) = lost_cursor(cursors) {
            items.database().run_command(kill).run()?;
        }
        if fastrand::bool() {
            stream.next_if_any()?;
        } else {
            stream.try_next()?;
        }
    }
    Ok(())
}

fn upload_blocking(bucket: &GridFsBucket<Blocking>, mut content: &[u8]) -> Result<()> {
    let mut stream = bucket.open_upload_stream("half").run()?;
    for _ in 0..steps() {
        let most = content.len().min(fastrand::usize(1..2500));
        content = &content[stream.write(&content[..most])?..];
    }
    match fastrand::u8(..4) {
        0 => stream.close(),
        1 => stream.abort(),
        _ => Ok(()),
    }
}

fn download_blocking(bucket: &GridFsBucket<Blocking>, file: &Bson) -> Result<()> {
    let mut stream = bucket.open_download_stream(file.clone()).run()?;
    let mut buffer = [0; 700];
    for _ in 0..steps() {
        if fastrand::u8(..4) == 0 {
            stream.seek(SeekFrom::Start(fastrand::u64(..LONGEST as u64)))?;
        }
        let _ = stream.read(&mut buffer)?;
    }
    Ok(())
}

/// A source and a sink that fail after this many bytes.
struct Torn(usize);

impl Read for Torn {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.take(buffer.len())
    }
}

impl Write for Torn {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.take(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Torn {
    fn any() -> Self {
        Torn(fastrand::usize(..LONGEST))
    }

    fn take(&mut self, most: usize) -> std::io::Result<usize> {
        let taken = most.min(self.0);
        self.0 -= taken;
        if taken > 0 { Ok(taken) } else { Err(std::io::Error::other("the tape has torn")) }
    }
}

/// The error of a torn tape is expected.
fn torn(ended: Result<()>) -> Result<()> {
    match ended {
        Err(error) if error.to_string().contains("the tape has torn") => Ok(()),
        ended => ended,
    }
}

#[test]
fn dropped_blocking_streams_leave_nothing() {
    let servers = Servers::<Blocking>::new();
    let each = streams() / AT_ONCE;
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                let (items, bucket, content) = (servers.items(), servers.bucket(), content());
                for _ in 0..each {
                    let ended = match Stream::any() {
                        Stream::Changes => change_stream_blocking(&items, &servers.cursors),
                        Stream::Upload => upload_blocking(&bucket, &content),
                        Stream::Download => download_blocking(&bucket, &servers.file),
                        Stream::Source => {
                            torn(bucket.upload_from("source", Torn::any()).run().map(drop))
                        }
                        Stream::Sink => {
                            let sink = Torn::any();
                            torn(bucket.download_to(servers.file.clone(), sink).run().map(drop))
                        }
                    };
                    check(ended);
                }
            });
        }
    });
    servers.check_nothing_is_left();
}
