//! Cursors that are dropped before their end.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use driver::bson::{Document, doc};
use driver::event::EventHandler;
use driver::event::cmap::CmapEvent;
use driver::event::command::CommandEvent;
use driver::options::{ClientOptions, ReadPreference};
use driver::{Client, sync};
use testbed::{Standalone, eventually};

use crate::*;

/// The number of open cursors on `server`.
fn open(server: &Standalone) -> i64 {
    let status = server.admin(doc! { "serverStatus": 1 }).unwrap();
    let cursors = status.get_document("metrics").unwrap().get_document("cursor").unwrap();
    let total = cursors.get_document("open").unwrap().get("total").unwrap();
    total.as_i64().or(total.as_i32().map(i64::from)).unwrap()
}

fn none_is_left(server: &Standalone) {
    eventually("no cursor is open", || open(server) == 0);
}

/// A handler that counts the checkouts of connections that fail.
fn failed_checkouts(options: &mut ClientOptions) -> Arc<AtomicU32> {
    let failed: Arc<AtomicU32> = Arc::default();
    let counted = Arc::clone(&failed);
    options.cmap_event_handler = Some(EventHandler::callback(move |event| {
        if let CmapEvent::ConnectionCheckoutFailed(_) = event {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    }));
    failed
}

/// A client with one connection, for which nobody waits long, and its failed checkouts.
fn impatient(server: &Standalone) -> (ClientOptions, Arc<AtomicU32>) {
    let mut options = options(server);
    options.max_pool_size = Some(1);
    options.wait_queue_timeout = Some(Duration::from_millis(100));
    let failed = failed_checkouts(&mut options);
    (options, failed)
}

/// Waits until so many commands that end cursors have had no connection.
fn wait_for_failures(failed: &AtomicU32, number: u32) {
    eventually("a command that ends a cursor was tried", || {
        failed.load(Ordering::Relaxed) >= number
    });
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
    let (options, failed) = impatient(&server);
    let client = sync::Client::with_options(options).unwrap();
    let coll = client.database("d").collection::<Document>("c");
    coll.insert_many((0..3).map(|i| doc! { "_id": i })).run().unwrap();
    let request = client.start_request();
    drop(coll.find(doc! {}).batch_size(2).run().unwrap());
    wait_for_failures(&failed, 2);
    assert_eq!(open(&server), 1);
    drop(request);
    none_is_left(&server);
}

#[test]
fn shutdown_kills_dropped_cursors() {
    let server = Standalone::start().unwrap();
    let (options, failed) = impatient(&server);
    let client = sync::Client::with_options(options).unwrap();
    let coll = client.database("d").collection::<Document>("c");
    coll.insert_many((0..3).map(|i| doc! { "_id": i })).run().unwrap();
    let request = client.start_request();
    let cursors: Vec<_> =
        (0..50).map(|_| coll.find(doc! {}).batch_size(2).run().unwrap()).collect();
    drop(cursors);
    wait_for_failures(&failed, 1);
    drop(request);
    client.shutdown().run();
    assert_eq!(open(&server), 0);
}

/// A server that hangs does not delay the kills on another.
#[tokio::test]
async fn hung_server_does_not_delay_kills_on_another() {
    let set = tokio::task::spawn_blocking(|| testbed::ReplicaSet::start(2).unwrap());
    let set = set.await.unwrap();
    set.wait_for_secondaries().unwrap();
    let mut options = ClientOptions::parse(set.uri()).await.unwrap();
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = events.clone();
    options.command_event_handler = Some(EventHandler::callback(move |event| {
        let (name, what, address) = match event {
            CommandEvent::Started(event) => {
                (event.command_name, "started", event.connection.address)
            }
            CommandEvent::Succeeded(event) => {
                (event.command_name, "ended", event.connection.address)
            }
            CommandEvent::Failed(event) => (event.command_name, "ended", event.connection.address),
            _ => return,
        };
        if name == "killCursors" {
            seen.lock().unwrap().push((what, address.to_string()));
        }
    }));
    let client = Client::with_options(options).unwrap();
    let coll = client.database("d").collection::<Document>("c");
    coll.insert_many((0..3).map(|i| doc! { "_id": i })).await.unwrap();
    let on = async |preference: ReadPreference| {
        coll.find(doc! {}).batch_size(2).selection_criteria(preference.into()).await.unwrap()
    };
    // The secondary has the documents before it is read.
    let majority = driver::options::WriteConcern::nodes(2);
    coll.insert_one(doc! { "_id": 3 }).write_concern(majority).await.unwrap();
    let (there, here) =
        (on(ReadPreference::secondary(None)).await, on(ReadPreference::Primary).await);
    let hung = set.secondaries()[0];
    set.pause(hung).unwrap();
    drop(there);
    let happened = |event, i| {
        let address = set.host(i).unwrap();
        events.lock().unwrap().iter().any(|seen| *seen == (event, address.clone()))
    };
    let primary = set.primary().unwrap();
    in_time(until(|| happened("started", hung))).await;
    drop(here);
    in_time(until(|| happened("ended", primary))).await;
    assert!(!happened("ended", hung), "it waited for the server that hangs");
    set.resume(hung).unwrap();
}

/// Killing a cursor that was opened without a timeout takes at most the driver's own limit. The
/// cursors of other servers do not wait for it, and the client can be dropped meanwhile.
#[tokio::test]
async fn kill_on_a_hung_server_ends_although_no_timeout_is_set() {
    let server = tokio::task::spawn_blocking(|| Standalone::start().unwrap()).await.unwrap();
    let mut options = options(&server);
    // Only the limit of the kill ends it: no monitor notices the hang, and no option bounds it.
    options.heartbeat_freq = Some(Duration::from_secs(600));
    options.server_monitoring_mode = Some(driver::options::ServerMonitoringMode::Poll);
    let failed = Arc::new(Mutex::new(Vec::new()));
    let seen = failed.clone();
    options.command_event_handler = Some(EventHandler::callback(move |event| {
        if let CommandEvent::Failed(event) = event
            && event.command_name == "killCursors"
        {
            seen.lock().unwrap().push(event.failure.is_timeout());
        }
    }));
    let client = Client::with_options(options).unwrap();
    let coll = client.database("d").collection::<Document>("c");
    coll.insert_many((0..3).map(|i| doc! { "_id": i })).await.unwrap();
    let cursor = coll.find(doc! {}).batch_size(2).await.unwrap();
    server.pause().unwrap();
    drop(cursor);
    in_time(until(|| !failed.lock().unwrap().is_empty())).await;
    server.resume().unwrap();
    assert!(failed.lock().unwrap()[0], "it ended for another reason");
    // The next attempt kills the cursor.
    let done = tokio::task::spawn_blocking(move || none_is_left(&server));
    done.await.unwrap();
}

async fn until(mut there: impl FnMut() -> bool) {
    while !there() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A dropped shutdown loses no cursor to kill.
#[tokio::test]
async fn dropped_shutdown_leaves_the_kills_to_the_client() {
    let server = tokio::task::spawn_blocking(|| Standalone::start().unwrap()).await.unwrap();
    let (options, failed) = impatient(&server);
    let client = Client::with_options(options).unwrap();
    let coll = client.database("d").collection::<Document>("c");
    coll.insert_many((0..3).map(|i| doc! { "_id": i })).await.unwrap();
    let request = client.start_request();
    let within = request.database("d").collection::<Document>("c");
    drop(within.find(doc! {}).batch_size(2).await.unwrap());
    in_time(until(|| failed.load(Ordering::Relaxed) > 0)).await;
    let shutdown = client.clone().shutdown().into_future();
    assert!(tokio::time::timeout(Duration::from_millis(50), shutdown).await.is_err());
    assert_eq!(open(&server), 1);
    drop((request, within));
    let done = tokio::task::spawn_blocking(move || none_is_left(&server));
    done.await.unwrap();
}

/// The only place in the wait queue is for operations. The kill keeps its timeout until it is sent.
#[tokio::test]
async fn kill_takes_no_place_in_a_bounded_wait_queue() {
    let server = tokio::task::spawn_blocking(|| Standalone::start().unwrap()).await.unwrap();
    let mut options = options(&server);
    (options.max_pool_size, options.wait_queue_multiple) = (Some(1), Some(1));
    let kills = Arc::new(Mutex::new(Vec::new()));
    let sent = Arc::clone(&kills);
    options.command_event_handler = Some(EventHandler::callback(move |event| {
        if let CommandEvent::Started(event) = event
            && event.command_name == "killCursors"
        {
            sent.lock().unwrap().push(event.command);
        }
    }));
    let client = Client::with_options(options).unwrap();
    let coll = client.database("d").collection::<Document>("c");
    coll.insert_many((0..3).map(|i| doc! { "_id": i })).await.unwrap();
    let request = client.start_request();
    let within = request.database("d").collection::<Document>("c");
    drop(within.find(doc! {}).batch_size(2).timeout(PATIENCE).await.unwrap());
    // The task of the kill runs on this thread, in between.
    for _ in 0..100 {
        tokio::task::yield_now().await;
        assert_eq!(client.pool_metrics()[0].waiting, 0);
    }
    let waiting = tokio::spawn(async move { coll.count_documents(doc! {}).await });
    in_time(until(|| client.pool_metrics()[0].waiting == 1)).await;
    assert_eq!(open(&server), 1);
    drop((request, within));
    assert_eq!(in_time(waiting).await.unwrap().unwrap(), 3);
    let done = tokio::task::spawn_blocking(move || none_is_left(&server));
    done.await.unwrap();
    let kills = kills.lock().unwrap();
    assert!(kills[0].contains_key("maxTimeMS"), "{kills:?}");
}
