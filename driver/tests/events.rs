//! The command events of a client, on both APIs.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use driver::bson::{Document, doc};
use driver::error::ErrorKind;
use driver::event::EventHandler;
use driver::event::cmap::CmapEvent;
use driver::event::command::CommandEvent;
use driver::options::{ClientOptions, ConnectionString, ServerApi, WriteConcern};
use driver::{Client, sync};
use testbed::{ReplicaSet, Standalone, Version, shared_standalone};

type Queue = std::sync::Arc<toro::Queue<CommandEvent>>;

/// The options of a client that records its command events, with its own application name and
/// database.
fn recording(uri: &str) -> (ClientOptions, Queue, String) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("events_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let (handler, queue) = EventHandler::queue();
    let mut options = ConnectionString::parse(uri).unwrap().options;
    options.command_event_handler = Some(handler);
    options.app_name = Some(name.clone());
    (options, queue, name)
}

fn drain(queue: &Queue) -> Vec<CommandEvent> {
    std::iter::from_fn(|| queue.try_get().ok()).collect()
}

/// The kind and the command name of each event. Started and ended events must match.
fn story(events: &[CommandEvent]) -> Vec<(&'static str, String)> {
    let mut open = None;
    let word = |event: &CommandEvent| match event {
        CommandEvent::Started(e) => {
            assert_eq!(
                open.replace(e.request_id),
                None,
                "a command started before the last one ended"
            );
            assert!(e.connection.server_id.is_some() && e.connection.id > 0);
            ("started", e.command_name.clone())
        }
        CommandEvent::Succeeded(e) => {
            assert_eq!(open.take(), Some(e.request_id));
            ("succeeded", e.command_name.clone())
        }
        CommandEvent::Failed(e) => {
            assert_eq!(open.take(), Some(e.request_id));
            ("failed", e.command_name.clone())
        }
        _ => unreachable!("there are three kinds of events"),
    };
    let story = events.iter().map(word).collect();
    assert_eq!(open, None, "a command has not ended");
    story
}

fn words(events: &[CommandEvent]) -> Vec<String> {
    story(events).into_iter().map(|(word, name)| format!("{name} {word}")).collect()
}

fn started(events: &[CommandEvent]) -> Vec<&Document> {
    fn command(event: &CommandEvent) -> Option<&Document> {
        match event {
            CommandEvent::Started(e) => Some(&e.command),
            _ => None,
        }
    }
    events.iter().filter_map(command).collect()
}

fn check_usual_story(events: &[CommandEvent], db: &str) {
    let expected = [
        "insert started",
        "insert succeeded",
        "find started",
        "find succeeded",
        "insert started",
        "insert succeeded",
    ];
    assert_eq!(words(events), expected);
    let commands = started(events);
    assert_eq!(commands[0].get_array("documents").unwrap().len(), 2);
    assert_eq!(commands[0].get_str("$db").unwrap(), db);
    assert_eq!(commands[1].get_document("filter").unwrap(), &doc! { "_id": 1 });
    let replies: Vec<&Document> = events
        .iter()
        .filter_map(|event| match event {
            CommandEvent::Succeeded(e) => Some(&e.reply),
            _ => None,
        })
        .collect();
    assert_eq!(replies[0].get_i32("n").unwrap(), 2);
    assert_eq!(
        replies[1].get_document("cursor").unwrap().get_array("firstBatch").unwrap().len(),
        1
    );
    assert_eq!(replies[2], &doc! { "ok": 1 }, "an unacknowledged write counts as succeeded");
}

#[tokio::test]
async fn command_events_have_documents_and_replies() {
    let (options, queue, db) = recording(&shared_standalone().unwrap().uri());
    let client = Client::with_options(options).unwrap();
    let coll = client.database(&db).collection::<Document>("c");
    coll.insert_many([doc! { "_id": 1 }, doc! { "_id": 2 }]).await.unwrap();
    coll.find_one(doc! { "_id": 1 }).await.unwrap();
    coll.insert_one(doc! {}).write_concern(WriteConcern::nodes(0)).await.unwrap();
    check_usual_story(&drain(&queue), &db);
}

#[test]
fn blocking_client_emits_the_same_command_events() {
    let (options, queue, db) = recording(&shared_standalone().unwrap().uri());
    let client = sync::Client::with_options(options).unwrap();
    let coll = client.database(&db).collection::<Document>("c");
    coll.insert_many([doc! { "_id": 1 }, doc! { "_id": 2 }]).run().unwrap();
    coll.find_one(doc! { "_id": 1 }).run().unwrap();
    coll.insert_one(doc! {}).write_concern(WriteConcern::nodes(0)).run().unwrap();
    check_usual_story(&drain(&queue), &db);
}

#[tokio::test]
async fn command_events_report_failures_and_redact_secrets() {
    let (options, queue, db) = recording(&shared_standalone().unwrap().uri());
    let client = Client::with_options(options).unwrap();
    client.database(&db).run_command(doc! { "noSuchCommand": 1 }).await.unwrap_err();
    let events = drain(&queue);
    assert_eq!(words(&events), ["noSuchCommand started", "noSuchCommand failed"]);
    let Some(CommandEvent::Failed(failed)) = events.last() else { panic!("{events:?}") };
    assert_eq!(failed.failure.code(), Some(59));

    let create = doc! { "createUser": "al", "pwd": "open sesame", "roles": [] };
    client.database(&db).run_command(create.clone()).await.unwrap();
    let refused = client.database(&db).run_command(create).await.unwrap_err();
    assert!(
        refused.to_string().contains("al"),
        "the caller's error has the server's message: {refused}"
    );
    let events = drain(&queue);
    assert_eq!(
        words(&events),
        ["createUser started", "createUser succeeded", "createUser started", "createUser failed"]
    );
    let printed = format!("{events:?}");
    assert!(!printed.contains("sesame") && !printed.contains("already exists"), "{printed}");
    client.database(&db).run_command(doc! { "dropUser": "al" }).await.unwrap();
}

/// The batch sizes that a `find` of five documents with a limit requests.
fn batch_sizes(events: &[CommandEvent]) -> Vec<i64> {
    started(events).iter().take(3).map(|command| command.get_i64("batchSize").unwrap()).collect()
}

/// Specification "Find, getMore and killCursors commands", section "Behavior of Limit, skip and
/// batchSize".
#[tokio::test]
async fn get_more_requests_the_rest_of_the_limit() {
    let (options, queue, db) = recording(&shared_standalone().unwrap().uri());
    let client = Client::with_options(options).unwrap();
    let coll = client.database(&db).collection::<Document>("c");
    coll.insert_many((0..9).map(|i| doc! { "_id": i })).await.unwrap();
    drain(&queue);
    let mut cursor = coll.find(doc! {}).limit(5).batch_size(2).await.unwrap();
    let mut found = 0;
    while cursor.advance().await.unwrap() {
        found += 1;
    }
    assert_eq!((found, batch_sizes(&drain(&queue))), (5, vec![2, 2, 1]));

    let mut session = client.start_session().await.unwrap();
    let mut cursor = coll.find(doc! {}).limit(5).batch_size(2).session(&mut session).await.unwrap();
    let mut found = 0;
    while cursor.advance(&mut session).await.unwrap() {
        found += 1;
    }
    assert_eq!((found, batch_sizes(&drain(&queue))), (5, vec![2, 2, 1]));
}

#[test]
fn blocking_get_more_requests_the_rest_of_the_limit() {
    let (options, queue, db) = recording(&shared_standalone().unwrap().uri());
    let client = sync::Client::with_options(options).unwrap();
    let coll = client.database(&db).collection::<Document>("c");
    coll.insert_many((0..9).map(|i| doc! { "_id": i })).run().unwrap();
    drain(&queue);
    let found = coll.find(doc! {}).limit(5).batch_size(2).run().unwrap().count();
    assert_eq!((found, batch_sizes(&drain(&queue))), (5, vec![2, 2, 1]));
}

/// Specification "Versioned API", "Command Syntax".
#[tokio::test]
async fn every_command_declares_the_stable_api() {
    let server = shared_standalone().unwrap();
    if server.version() < Version::new(5, 0, 0) {
        // These servers have no Stable API and refuse its fields.
        return;
    }
    let (mut options, queue, db) = recording(&server.uri());
    options.server_api = Some(ServerApi::builder().strict(true).deprecation_errors(false).build());
    let client = Client::with_options(options).unwrap();
    let coll = client.database(&db).collection::<Document>("c");
    coll.insert_many((0..3).map(|i| doc! { "_id": i })).await.unwrap();
    let mut cursor = coll.find(doc! {}).batch_size(2).await.unwrap();
    while cursor.advance().await.unwrap() {}
    let refused =
        client.database("admin").run_command(doc! { "serverStatus": 1 }).await.unwrap_err();
    let ErrorKind::Command(refused) = refused.kind() else { panic!("{refused}") };
    assert_eq!(refused.code, 323, "APIStrictError: the command is not part of version 1");
    let events = drain(&queue);
    let names: Vec<_> =
        started(&events).iter().map(|command| command.keys().next().unwrap().as_str()).collect();
    assert_eq!(names, ["insert", "find", "getMore", "serverStatus"]);
    for command in started(&events) {
        assert_eq!(command.get_str("apiVersion").unwrap(), "1", "{command}");
        assert!(command.get_bool("apiStrict").unwrap(), "{command}");
        assert!(!command.get_bool("apiDeprecationErrors").unwrap(), "{command}");
    }
}

#[tokio::test]
async fn attempts_of_a_write_share_one_transaction_number() {
    let set = ReplicaSet::start(1).unwrap();
    let (options, queue, name) = recording(&set.uri());
    let client = Client::with_options(options).unwrap();
    let coll = client.database("d").collection::<Document>("c");
    coll.insert_one(doc! {}).await.unwrap();
    drain(&queue);
    let fault = doc! {
        "configureFailPoint": "failCommand", "mode": { "times": 1 },
        "data": { "failCommands": ["insert"], "closeConnection": true, "appName": name },
    };
    let _fault = set.fail_point(0, fault).unwrap();
    coll.insert_one(doc! {}).await.unwrap();
    let events = drain(&queue);
    assert_eq!(
        words(&events),
        ["insert started", "insert failed", "insert started", "insert succeeded"]
    );
    let identity =
        |command: &Document| (command.get("lsid").cloned(), command.get_i64("txnNumber").unwrap());
    let commands = started(&events);
    assert_eq!(identity(commands[0]), identity(commands[1]));
    let Some(CommandEvent::Failed(failed)) = events.get(1) else { panic!("{events:?}") };
    assert!(matches!(failed.failure.kind(), ErrorKind::Io { .. }));
}

#[tokio::test]
async fn dropped_operation_emits_a_failed_event() {
    let server = shared_standalone().unwrap();
    let (options, queue, name) = recording(&server.uri());
    let client = Client::with_options(options).unwrap();
    let coll = client.database(&name).collection::<Document>("c");
    coll.insert_one(doc! {}).await.unwrap();
    drain(&queue);
    let fault = doc! {
                "configureFailPoint": "waitInFindBeforeMakingBatch", "mode": "alwaysOn",
                "data": { "nss": format!("{name}.c") },
    };
    let fault = server.fail_point(fault).unwrap();
    // The operation is dropped while the server holds it back.
    let held_back = tokio::task::spawn_blocking(move || fault.wait_entered(1).map(|()| fault));
    let fault = tokio::select! {
        _ = coll.find_one(doc! {}) => panic!("the server has not held the command back"),
        held = held_back => held.unwrap().unwrap(),
    };
    fault.disable().unwrap();
    assert_eq!(words(&drain(&queue)), ["find started", "find failed"]);
    coll.find_one(doc! {}).await.unwrap();
}

/// The handler needs the lock under which the pool is cleared.
#[test]
fn handlers_of_pool_events_may_shut_the_client_down() {
    let server = Standalone::start().unwrap();
    let watched = Arc::new(OnceLock::<sync::Client>::new());
    let (client, (sender, seen)) = (watched.clone(), channel());
    let mut options = ConnectionString::parse(server.uri()).unwrap().options;
    options.cmap_event_handler = Some(EventHandler::callback(move |event| match event {
        CmapEvent::PoolCleared(_) => {
            sender.send("cleared").unwrap();
            client.get().unwrap().clone().shutdown().immediate(true).run();
            sender.send("shut down").unwrap();
        }
        CmapEvent::PoolClosed(_) => sender.send("closed").unwrap(),
        _ => {}
    }));
    let client = sync::Client::with_options(options).unwrap();
    let coll = client.database("events").collection::<Document>("c");
    coll.insert_one(doc! {}).run().unwrap();
    assert!(watched.set(client).is_ok());
    server.kill().unwrap();
    let failing = std::thread::spawn(move || coll.insert_one(doc! {}).run().unwrap_err());
    let next = || seen.recv_timeout(Duration::from_secs(60)).unwrap();
    let mut all = [next(), next(), next()];
    all.sort_unstable();
    assert_eq!(all, ["cleared", "closed", "shut down"]);
    failing.join().unwrap();
}
