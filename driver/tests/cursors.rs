//! Cursors with dropped steps, with expired timeouts, or never read to their end.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use driver::bson::{Document, doc};
use driver::event::EventHandler;
use driver::event::cmap::CmapEvent;
use driver::event::command::CommandEvent;
use driver::options::{ClientOptions, CursorType, ServerAddress};
use driver::{Client, Collection, Cursor, sync};
use futures_util::StreamExt;
use testbed::{Standalone, shared_standalone};

/// Far longer than any step here, so only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(30);

fn server() -> &'static Standalone {
    shared_standalone().unwrap()
}

/// A name that no other test uses.
fn name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("cursors_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn options(server: &Standalone) -> ClientOptions {
    let mut options = ClientOptions::default();
    options.hosts = vec![ServerAddress::parse(server.host()).unwrap()];
    options
}

/// A client with one connection.
fn narrow() -> ClientOptions {
    let mut options = options(server());
    options.max_pool_size = Some(1);
    options
}

async fn capped(client: &Client) -> Collection<Document> {
    let database = client.database(&name());
    database.run_command(doc! { "create": "log", "capped": true, "size": 65536 }).await.unwrap();
    let log = database.collection("log");
    log.insert_one(doc! { "_id": -1 }).await.unwrap();
    log
}

/// A cursor at the current end of the collection.
async fn tail(log: &Collection<Document>, max_await_time: Duration) -> Cursor<Document> {
    let tail =
        log.find(doc! {}).cursor_type(CursorType::TailableAwait).max_await_time(max_await_time);
    let mut cursor = tail.await.unwrap();
    assert_eq!(cursor.next().await.unwrap().unwrap(), doc! { "_id": -1 });
    cursor
}

async fn in_time<F: IntoFuture>(what: F) -> F::Output {
    tokio::time::timeout(PATIENCE, what.into_future()).await.expect("it hangs")
}

/// Writes in turn with a waiting tailable cursor, and reads all documents.
async fn write_and_tail(log: &Collection<Document>, step: Step) {
    const WRITES: i32 = 10;
    let mut cursor = tail(log, Duration::from_millis(200)).await;
    let mut seen = Vec::new();
    for i in 0..WRITES {
        // Drops a step that has begun, or stops polling the stream.
        let begun = tokio::time::timeout(Duration::from_millis(20), next(&mut cursor, step)).await;
        seen.extend(begun.ok());
        in_time(log.insert_one(doc! { "_id": i })).await.unwrap();
    }
    while seen.len() < WRITES as usize {
        seen.push(in_time(next(&mut cursor, step)).await);
    }
    assert_eq!(seen, (0..WRITES).collect::<Vec<_>>());
}

#[derive(Clone, Copy)]
enum Step {
    Advance,
    Stream,
}

async fn next(cursor: &mut Cursor<Document>, step: Step) -> i32 {
    match step {
        Step::Advance => assert!(cursor.advance().await.unwrap()),
        Step::Stream => return cursor.next().await.unwrap().unwrap().get_i32("_id").unwrap(),
    }
    cursor.current().get_i32("_id").unwrap()
}

#[tokio::test]
async fn dropped_step_frees_the_only_connection() {
    for step in [Step::Advance, Step::Stream] {
        let client = Client::with_options(narrow()).unwrap();
        write_and_tail(&capped(&client).await, step).await;
    }
}

#[tokio::test]
async fn dropped_step_frees_the_connection_of_its_request() {
    for step in [Step::Advance, Step::Stream] {
        let client = Client::with_options(options(server())).unwrap();
        let request = client.start_request();
        write_and_tail(&capped(request.client()).await, step).await;
    }
}

/// The fail point applies to the whole server.
static FAULTS: toro::Lock<()> = toro::Lock::new(());

#[tokio::test]
async fn late_reply_ends_an_unpolled_cursor_with_an_error() {
    let _faults = FAULTS.acquire().await;
    let client = Client::with_options(narrow()).unwrap();
    let coll = client.database(&name()).collection::<Document>("c");
    coll.insert_many((0..6).map(|i| doc! { "_id": i })).await.unwrap();
    let mut cursor = coll.find(doc! {}).batch_size(2).await.unwrap();
    assert!(cursor.advance().await.unwrap() && cursor.advance().await.unwrap());
    let held = server()
        .fail_point(doc! {
            "configureFailPoint": "waitAfterPinningCursorBeforeGetMoreBatch", "mode": "alwaysOn",
            "data": { "nss": coll.namespace().to_string(), "shouldCheckForInterrupt": true },
        })
        .unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(50), cursor.advance()).await.is_err());
    // The reply does not arrive, but the pool still gets its connection or its slot back.
    in_time(coll.insert_one(doc! { "_id": 6 })).await.unwrap();
    held.disable().unwrap();
    let error = in_time(cursor.advance()).await.unwrap_err();
    assert!(error.to_string().contains("documents may be missing"), "{error}");
    assert!(!cursor.has_next() && !cursor.advance().await.unwrap());
}

/// A caller that polls the cursor is waiting, so the driver waits for the reply.
#[tokio::test]
async fn late_reply_is_waited_for_while_the_cursor_is_polled() {
    let _faults = FAULTS.acquire().await;
    let client = Client::with_options(options(server())).unwrap();
    let coll = client.database(&name()).collection::<Document>("c");
    coll.insert_many((0..4).map(|i| doc! { "_id": i })).await.unwrap();
    let mut cursor = coll.find(doc! {}).batch_size(2).await.unwrap();
    let held = server()
        .fail_point(doc! {
            "configureFailPoint": "waitAfterPinningCursorBeforeGetMoreBatch", "mode": "alwaysOn",
            "data": { "nss": coll.namespace().to_string(), "shouldCheckForInterrupt": true },
        })
        .unwrap();
    let release = tokio::task::spawn_blocking(move || {
        std::thread::sleep(Duration::from_secs(5));
        held.disable().unwrap();
    });
    let mut count = 0;
    while in_time(cursor.advance()).await.unwrap() {
        count += 1;
    }
    assert_eq!(count, 4);
    release.await.unwrap();
}

fn impatient() -> ClientOptions {
    let mut options = options(server());
    options.timeout = Some(Duration::from_secs(3));
    options
}

#[tokio::test]
async fn step_ends_at_its_deadline_although_batches_come() {
    let short = Duration::from_millis(100);
    let long = Duration::from_secs(600);
    tokio::join!(
        run_out_of_time(Step::Advance, short),
        run_out_of_time(Step::Advance, long),
        run_out_of_time(Step::Stream, short),
        run_out_of_time(Step::Stream, long),
    );
}

async fn run_out_of_time(step: Step, max_await_time: Duration) {
    let client = Client::with_options(impatient()).unwrap();
    let log = capped(&client).await;
    let mut cursor = tail(&log, max_await_time).await;
    for i in 0..2 {
        let error = match step {
            Step::Advance => in_time(cursor.advance()).await.unwrap_err(),
            Step::Stream => in_time(cursor.next()).await.unwrap().unwrap_err(),
        };
        assert!(error.is_timeout() && error.to_string().contains("still open"), "{error}");
        log.insert_one(doc! { "_id": i }).await.unwrap();
        assert_eq!(in_time(next(&mut cursor, step)).await, i, "the cursor goes on");
    }
}

#[test]
fn blocking_step_ends_at_its_deadline_although_batches_come() {
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || {
        let client = sync::Client::with_options(impatient()).unwrap();
        let database = client.database(&name());
        database
            .run_command(doc! { "create": "log", "capped": true, "size": 65536 })
            .run()
            .unwrap();
        let log = database.collection::<Document>("log");
        log.insert_one(doc! { "_id": -1 }).run().unwrap();
        let tail = log.find(doc! {}).cursor_type(CursorType::TailableAwait);
        let mut cursor = tail.max_await_time(Duration::from_millis(100)).run().unwrap();
        assert!(cursor.advance().unwrap());
        let error = cursor.advance().unwrap_err();
        assert!(error.is_timeout() && error.to_string().contains("still open"), "{error}");
        log.insert_one(doc! { "_id": 0 }).run().unwrap();
        assert_eq!(cursor.next().unwrap().unwrap(), doc! { "_id": 0 });
        done.send(()).unwrap();
    });
    ended.recv_timeout(PATIENCE).expect("the step ends");
}

/// The number of open cursors on `server`.
fn open(server: &Standalone) -> i64 {
    let status = server.admin(doc! { "serverStatus": 1 }).unwrap();
    let cursors = status.get_document("metrics").unwrap().get_document("cursor").unwrap();
    let total = cursors.get_document("open").unwrap().get("total").unwrap();
    total.as_i64().or(total.as_i32().map(i64::from)).unwrap()
}

fn none_is_left(server: &Standalone) {
    let end = Instant::now() + PATIENCE;
    while open(server) > 0 {
        assert!(Instant::now() < end, "{} cursors are still open", open(server));
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Records the connections and the commands of a client.
#[derive(Clone, Default)]
struct Watch {
    opened: Arc<AtomicU32>,
    kills: Arc<Mutex<Vec<usize>>>,
}

impl Watch {
    fn on(&self, options: &mut ClientOptions) {
        let opened = self.opened.clone();
        options.cmap_event_handler = Some(EventHandler::callback(move |event| {
            if let CmapEvent::ConnectionCreated(_) = event {
                opened.fetch_add(1, Ordering::Relaxed);
            }
        }));
        let kills = self.kills.clone();
        options.command_event_handler = Some(EventHandler::callback(move |event| {
            if let CommandEvent::Started(event) = event
                && event.command_name == "killCursors"
            {
                kills.lock().unwrap().push(event.command.get_array("cursors").unwrap().len());
            }
        }));
    }

    /// Asserts that few connections and commands have closed all cursors.
    fn saw_few(&self, cursors: usize, before: u32) {
        let opened = self.opened.load(Ordering::Relaxed) - before;
        assert!(opened <= 3, "{opened} connections were opened");
        let kills = self.kills.lock().unwrap();
        assert_eq!(kills.iter().sum::<usize>(), cursors);
        assert!(kills.len() < cursors / 10, "{} commands for {cursors} cursors", kills.len());
    }
}

const MANY: usize = 2000;

#[test]
fn many_dropped_blocking_cursors_cost_one_thread() {
    let server = Standalone::start().unwrap();
    let watch = Watch::default();
    let mut options = options(&server);
    watch.on(&mut options);
    let client = sync::Client::with_options(options).unwrap();
    let coll = client.database("d").collection::<Document>("c");
    coll.insert_many((0..3).map(|i| doc! { "_id": i })).run().unwrap();
    let cursors: Vec<_> =
        (0..MANY).map(|_| coll.find(doc! {}).batch_size(2).run().unwrap()).collect();
    assert_eq!(open(&server), MANY as i64);
    let before = watch.opened.load(Ordering::Relaxed);
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let idle = threads();
    drop(cursors);
    let mut most = threads();
    while open(&server) > 0 {
        most = most.max(threads());
    }
    // Other tests of the process start threads too.
    assert!(most < idle + 40, "{idle} threads became {most}");
    none_is_left(&server);
    watch.saw_few(MANY, before);
}

#[tokio::test]
async fn many_dropped_cursors_are_killed_together() {
    let server = tokio::task::spawn_blocking(|| Standalone::start().unwrap()).await.unwrap();
    let watch = Watch::default();
    let mut options = options(&server);
    watch.on(&mut options);
    let client = Client::with_options(options).unwrap();
    let coll = client.database("d").collection::<Document>("c");
    coll.insert_many((0..3).map(|i| doc! { "_id": i })).await.unwrap();
    let mut cursors = Vec::new();
    for _ in 0..MANY {
        cursors.push(coll.find(doc! {}).batch_size(2).await.unwrap());
    }
    let before = watch.opened.load(Ordering::Relaxed);
    drop(cursors);
    let server = tokio::task::spawn_blocking(move || {
        none_is_left(&server);
        server
    });
    drop(server.await.unwrap());
    watch.saw_few(MANY, before);
}

/// The wait for a connection fails repeatedly. The cursor is killed when the request ends.
#[test]
fn cursor_is_killed_once_the_only_connection_is_free() {
    let server = Standalone::start().unwrap();
    let mut options = options(&server);
    options.max_pool_size = Some(1);
    options.wait_queue_timeout = Some(Duration::from_millis(100));
    let client = sync::Client::with_options(options).unwrap();
    let coll = client.database("d").collection::<Document>("c");
    coll.insert_many((0..3).map(|i| doc! { "_id": i })).run().unwrap();
    let request = client.start_request();
    drop(coll.find(doc! {}).batch_size(2).run().unwrap());
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(open(&server), 1);
    drop(request);
    none_is_left(&server);
}

#[test]
fn shutdown_kills_dropped_cursors() {
    let server = Standalone::start().unwrap();
    let mut options = options(&server);
    options.max_pool_size = Some(1);
    options.wait_queue_timeout = Some(Duration::from_millis(100));
    let client = sync::Client::with_options(options).unwrap();
    let coll = client.database("d").collection::<Document>("c");
    coll.insert_many((0..3).map(|i| doc! { "_id": i })).run().unwrap();
    let request = client.start_request();
    let cursors: Vec<_> =
        (0..50).map(|_| coll.find(doc! {}).batch_size(2).run().unwrap()).collect();
    drop(cursors);
    std::thread::sleep(Duration::from_millis(300));
    drop(request);
    client.shutdown().run();
    assert_eq!(open(&server), 0);
}
