//! Operations on a replica set: server selection, session fields and retries.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use driver::bson::{Document, doc};
use driver::error::{ErrorKind, RETRYABLE_WRITE_ERROR};
use driver::event::EventHandler;
use driver::event::command::CommandEvent;
use driver::options::{Acknowledgment, ClientOptions, ReadConcern, ReadPreference, WriteConcern};
use driver::{Client, Collection};
use testbed::{FailPoint, ReplicaSet, Version, shared_replica_set};
use toro::Queue;

fn set() -> &'static ReplicaSet {
    shared_replica_set().unwrap()
}

/// A client of the shared set with its own application name and collection.
async fn fresh(more: &str) -> (Client, Collection<Document>, String) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("rs_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let uri = format!("{}&appName={name}&{more}", set().uri());
    let client = Client::with_uri_str(uri).await.unwrap();
    let coll = client.database(&name).collection("c");
    (client, coll, name)
}

/// Makes the primary of the shared set fail one command of one client as `data` says.
///
/// A server has one `failCommand`. A test holds [`FAULTS`] while it uses it.
fn fail_once(app: &str, mut data: Document) -> FailPoint<'static> {
    data.insert("appName", app);
    let fault = doc! { "configureFailPoint": "failCommand", "mode": { "times": 1 }, "data": data };
    set().fail_point(primary(), fault).unwrap()
}

static FAULTS: toro::Lock<()> = toro::Lock::new(());

fn primary() -> usize {
    set().wait_for_primary().unwrap()
}

/// The number of times that member `i` has run `command`.
fn count(set: &ReplicaSet, i: usize, command: &str) -> i64 {
    let status = set.admin(i, doc! { "serverStatus": 1 }).unwrap();
    let commands = status.get_document("metrics").unwrap().get_document("commands").unwrap();
    commands.get_document(command).unwrap().get_i64("total").unwrap()
}

#[tokio::test]
async fn interrupted_write_is_retried_and_applied_once() {
    let _faults = FAULTS.acquire().await;
    let (_client, coll, app) = fresh("").await;
    coll.insert_one(doc! { "_id": 0, "n": 0 }).await.unwrap();
    for command in ["insert", "update", "delete"] {
        let fault = fail_once(&app, doc! { "failCommands": [command], "closeConnection": true });
        match command {
            "insert" => {
                coll.insert_many([doc! { "_id": 1 }, doc! { "_id": 2 }]).await.unwrap();
            }
            "update" => {
                let updated =
                    coll.update_one(doc! { "_id": 0 }, doc! { "$inc": { "n": 1 } }).await.unwrap();
                assert_eq!(updated.modified_count, 1);
            }
            _ => assert_eq!(coll.delete_one(doc! { "_id": 2 }).await.unwrap().deleted_count, 1),
        }
        drop(fault);
    }
    assert_eq!(coll.find_one(doc! { "_id": 0 }).await.unwrap().unwrap().get_i32("n").unwrap(), 1);
    assert_eq!(coll.count_documents(doc! {}).await.unwrap(), 2);
}

#[tokio::test]
async fn interrupted_write_concern_is_retried_and_applied_once() {
    let _faults = FAULTS.acquire().await;
    let (_client, coll, app) = fresh("").await;
    let _fault = fail_once(
        &app,
        doc! {
        "failCommands": ["insert"], "errorLabels": [RETRYABLE_WRITE_ERROR],
        "writeConcernError": { "code": 91, "errmsg": "shutting down" } },
    );
    coll.insert_one(doc! { "_id": 1 }).await.unwrap();
    assert_eq!(coll.count_documents(doc! {}).await.unwrap(), 1);
}

// The connection (here without a user) is reauthenticated. The command did not run, so it is sent
// again even if it is not retryable.
#[tokio::test]
async fn command_is_sent_again_after_reauthentication() {
    let _faults = FAULTS.acquire().await;
    let (_client, coll, app) = fresh("").await;
    coll.insert_one(doc! { "n": 0 }).await.unwrap();
    let _fault = fail_once(&app, doc! { "failCommands": ["update"], "errorCode": 391 });
    let updated = coll.update_many(doc! {}, doc! { "$inc": { "n": 1 } }).await.unwrap();
    assert_eq!(updated.modified_count, 1);
    assert_eq!(coll.find_one(doc! {}).await.unwrap().unwrap().get_i32("n").unwrap(), 1);
}

#[tokio::test]
async fn non_retryable_write_is_sent_once() {
    let _faults = FAULTS.acquire().await;
    let (_client, coll, app) = fresh("").await;
    let _fault = fail_once(&app, doc! { "failCommands": ["update"], "closeConnection": true });
    let error = coll.update_many(doc! {}, doc! { "$set": { "x": 1 } }).await.unwrap_err();
    assert!(error.is_network() && !error.has_label(RETRYABLE_WRITE_ERROR), "{error:?}");
    coll.update_many(doc! {}, doc! { "$set": { "x": 1 } }).await.unwrap();
}

#[tokio::test]
async fn disabled_retries_are_not_made() {
    let _faults = FAULTS.acquire().await;
    let (_client, coll, app) = fresh("retryWrites=false&retryReads=false").await;
    for command in ["insert", "find"] {
        let _fault = fail_once(&app, doc! { "failCommands": [command], "closeConnection": true });
        let error = match command {
            "insert" => coll.insert_one(doc! {}).await.map(drop).unwrap_err(),
            _ => coll.find_one(doc! {}).await.map(drop).unwrap_err(),
        };
        assert!(error.is_network(), "{error:?}");
        assert!(error.host().is_some());
    }
}

#[tokio::test]
async fn read_is_retried_after_a_transient_error() {
    let _faults = FAULTS.acquire().await;
    let (_client, coll, app) = fresh("").await;
    coll.insert_one(doc! { "_id": 1 }).await.unwrap();
    for data in
        [doc! { "closeConnection": true }, doc! { "errorCode": 11600 }, doc! { "errorCode": 134 }]
    {
        let mut data = data;
        data.insert("failCommands", ["find"].as_slice());
        let _fault = fail_once(&app, data);
        assert!(coll.find_one(doc! { "_id": 1 }).await.unwrap().is_some());
    }
    let _fault = fail_once(&app, doc! { "failCommands": ["find"], "errorCode": 2 });
    assert_eq!(coll.find_one(doc! {}).await.unwrap_err().code(), Some(2));
}

/// The members to which a client's started `command`s were sent, in order.
fn sent_to(command: &'static str, events: &Queue<CommandEvent>) -> Vec<String> {
    let started = std::iter::from_fn(|| events.try_get().ok()).filter_map(|event| match event {
        CommandEvent::Started(e) if e.command_name == command => {
            Some(e.connection.address.to_string())
        }
        _ => None,
    });
    started.collect()
}

/// Like [`fresh`], with the client's command events. The client knows all members.
async fn fresh_with_events(more: &str) -> (Collection<Document>, String, Arc<Queue<CommandEvent>>) {
    let (.., name) = fresh("").await;
    let mut options =
        ClientOptions::parse(format!("{}&appName={name}&{more}", set().uri())).await.unwrap();
    let (handler, events) = EventHandler::queue();
    options.command_event_handler = Some(handler);
    let client = Client::with_options(options).unwrap();
    client.wait_for_refresh().await.unwrap();
    (client.database(&name).collection("c"), name, events)
}

/// The prose tests 3.1 to 3.3 of the specification "Retryable Reads".
#[tokio::test]
async fn overload_retargeting_moves_a_retried_read() {
    let _faults = FAULTS.acquire().await;
    for (labels, retargeting, moves) in [
        (&["RetryableError", "SystemOverloadedError"][..], "true", true),
        (&["RetryableError", "SystemOverloadedError"], "false", false),
        (&["RetryableError"], "true", false),
    ] {
        let more =
            format!("readPreference=primaryPreferred&enableOverloadRetargeting={retargeting}");
        let (coll, app, events) = fresh_with_events(&more).await;
        let _fault = fail_once(
            &app,
            doc! { "failCommands": ["find"], "errorLabels": labels, "errorCode": 6 },
        );
        coll.find_one(doc! {}).await.unwrap();
        let [first, second] = &sent_to("find", &events)[..] else {
            panic!("the read was not sent twice")
        };
        assert_eq!(first != second, moves, "{labels:?} {retargeting}: {first}, {second}");
    }
}

/// Includes operations that are otherwise not retryable, because the server has not begun them.
#[tokio::test]
async fn overload_errors_are_retried_up_to_the_limit() {
    let _faults = FAULTS.acquire().await;
    for (more, attempts) in [
        ("", 3),
        ("maxAdaptiveRetries=1", 2),
        ("maxAdaptiveRetries=0", 1),
        ("maxAdaptiveRetries=3&timeoutMS=60000", 4),
        ("retryReads=false", 3),
        ("retryWrites=false", 1),
    ] {
        let (coll, app, events) = fresh_with_events(more).await;
        let fault = doc! {
            "configureFailPoint": "failCommand", "mode": "alwaysOn",
            "data": {
                "failCommands": ["update"], "errorCode": 462, "appName": &app,
                "errorLabels": ["RetryableError", "SystemOverloadedError"],
            },
        };
        let _fault = set().fail_point(primary(), fault).unwrap();
        let error = coll.update_many(doc! {}, doc! { "$set": { "x": 1 } }).await.unwrap_err();
        assert_eq!(error.code(), Some(462), "{error}");
        assert_eq!(sent_to("update", &events).len(), attempts, "{more}");
    }
}

// The connection string selects the member. `getMore` and `killCursors` go only to the member with
// the cursor.
#[tokio::test]
async fn cursor_stays_on_its_member() {
    const CURSORS: i64 = 8;
    let own = ReplicaSet::start(3).unwrap();
    let writer = Client::with_uri_str(own.uri()).await.unwrap();
    let target = writer.database("d").collection::<Document>("c");
    let documents = (0..100).map(|i| doc! { "_id": i });
    target.insert_many(documents).write_concern(WriteConcern::nodes(3)).await.unwrap();
    for i in 0..3 {
        own.command(i, "d", doc! { "profile": 2 }).unwrap();
    }

    let reader =
        Client::with_uri_str(format!("{}&readPreference=secondary", own.uri())).await.unwrap();
    let coll = reader.database("d").collection::<Document>("c");
    for _ in 0..CURSORS {
        let found: Vec<Document> =
            coll.find(doc! {}).batch_size(10).await.unwrap().try_collect().await.unwrap();
        assert_eq!(found.len(), 100);
        let mut cursor = coll.find(doc! {}).batch_size(10).await.unwrap();
        assert!(cursor.advance().await.unwrap());
    }
    let profiled = |i: usize, operation: Document| {
        let command = doc! {
            "count": "system.profile", "query": operation,
            "$readPreference": { "mode": "primaryPreferred" },
        };
        let n = own.command(i, "d", command).unwrap();
        i64::from(n.get_i32("n").unwrap())
    };
    let on_collection = |i| profiled(i, doc! { "ns": "d.c" });
    let kills = |i| profiled(i, doc! { "command.killCursors": "c" });
    let secondaries = own.secondaries();
    assert_eq!(secondaries.len(), 2);
    let killed = async {
        while secondaries.iter().map(|&i| kills(i)).sum::<i64>() < CURSORS {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), killed)
        .await
        .expect("each dropped cursor is killed");
    for &i in &secondaries {
        let not_found = profiled(i, doc! { "ns": "d.c", "errCode": { "$exists": true } });
        assert_eq!(not_found, 0, "member {i} got the cursor of another member");
    }
    let more: i64 =
        secondaries.iter().map(|&i| profiled(i, doc! { "op": "getmore", "ns": "d.c" })).sum();
    assert!((9 * CURSORS..=10 * CURSORS).contains(&more), "{more} getMores");
    assert_eq!(on_collection(own.primary().unwrap()), 0, "the primary got a command");
}

#[tokio::test]
async fn session_reads_its_own_writes_on_any_member() {
    let (client, coll, _) = fresh("").await;
    let mut session = client.start_session().await.unwrap();
    for i in 0..50 {
        coll.insert_one(doc! { "_id": i })
            .write_concern(WriteConcern::majority())
            .session(&mut session)
            .await
            .unwrap();
        let found = coll
            .find_one(doc! { "_id": i })
            .selection_criteria(ReadPreference::secondary(None).into())
            .read_concern(ReadConcern::majority())
            .session(&mut session)
            .await
            .unwrap();
        assert!(found.is_some(), "write {i} is not seen");
    }
    assert!(session.operation_time().is_some() && session.cluster_time().is_some());

    let mut cursor = coll.find(doc! {}).batch_size(9).session(&mut session).await.unwrap();
    let mut n = 0;
    while cursor.advance(&mut session).await.unwrap() {
        n += 1;
    }
    assert_eq!(n, 50);

    let (other, _, _) = fresh("").await;
    let mut foreign = other.start_session().await.unwrap();
    let error = coll.find_one(doc! {}).session(&mut foreign).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::InvalidArgument { .. }), "{error}");
    let error = coll
        .insert_one(doc! {})
        .write_concern(WriteConcern::nodes(0))
        .session(&mut session)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("w: 0"), "{error}");
}

#[tokio::test]
async fn snapshot_session_reads_one_point_in_time() {
    let (client, coll, _) = fresh("").await;
    coll.insert_one(doc! { "_id": 1 }).write_concern(WriteConcern::majority()).await.unwrap();
    let mut session = client.start_session().snapshot(true).await.unwrap();
    if set().version() < Version::new(5, 0, 0) {
        let error = coll.count_documents(doc! {}).session(&mut session).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::IncompatibleServer { .. }), "{error:?}");
        assert!(error.to_string().contains("5.0"), "{error}");
        return;
    }
    assert_eq!(coll.count_documents(doc! {}).session(&mut session).await.unwrap(), 1);
    coll.insert_one(doc! { "_id": 2 }).write_concern(WriteConcern::majority()).await.unwrap();
    assert_eq!(coll.count_documents(doc! {}).session(&mut session).await.unwrap(), 1);
    assert_eq!(coll.count_documents(doc! {}).await.unwrap(), 2);
    // The server refuses writes in a snapshot session.
    let error = coll.insert_one(doc! { "_id": 3 }).session(&mut session).await.unwrap_err();
    assert!(error.code().is_some() && coll.count_documents(doc! {}).await.unwrap() == 2, "{error}");
    let twice = doc! { "count": "c", "readConcern": { "level": "local" } };
    let error =
        client.database(coll.name()).run_command(twice).session(&mut session).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::InvalidArgument { .. }), "{error:?}");
    let both = client.start_session().snapshot(true).causal_consistency(true).await;
    let error = both.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::InvalidArgument { .. }), "{error:?}");
}

#[tokio::test]
async fn direct_connection_reads_from_a_secondary() {
    let set = set();
    let (_client, coll, name) = fresh("").await;
    coll.insert_one(doc! { "_id": 1 }).write_concern(WriteConcern::nodes(3)).await.unwrap();
    let secondary = set.secondaries()[0];
    let uri = format!("mongodb://{}/?directConnection=true", set.host(secondary).unwrap());
    let direct = Client::with_uri_str(uri).await.unwrap();
    let coll: Collection<Document> = direct.database(&name).collection("c");
    assert!(coll.find_one(doc! {}).await.unwrap().is_some());
    let error = coll.insert_one(doc! {}).await.unwrap_err();
    assert!(error.is_state_change(), "{error}");
    assert_eq!(error.host().unwrap().to_string(), set.host(secondary).unwrap());
}

#[tokio::test]
async fn write_concern_error_reports_the_completed_write() {
    let (_client, coll, _) = fresh("").await;
    let mut concern = WriteConcern::nodes(50);
    concern.w_timeout = Some(Duration::from_millis(10));
    let error =
        coll.insert_one(doc! { "_id": 1 }).write_concern(concern.clone()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Write(_)), "{error:?}");
    assert!(matches!(error.code(), Some(64 | 100)), "{error:?}");
    let error = coll
        .insert_many([doc! { "_id": 2 }, doc! { "_id": 3 }])
        .write_concern(concern)
        .await
        .unwrap_err();
    let ErrorKind::InsertMany(done) = error.kind() else { panic!("{error:?}") };
    assert_eq!(done.inserted_ids.len(), 2);
    assert!(done.write_concern_error.is_some() && done.write_errors.is_empty());
    assert_eq!(coll.count_documents(doc! {}).await.unwrap(), 3);
}

#[tokio::test]
async fn implicit_sessions_are_reused_and_ended_at_shutdown() {
    let (client, coll, app) = fresh("").await;
    for _ in 0..20 {
        coll.insert_one(doc! {}).await.unwrap();
    }
    let set = set();
    let ended = count(set, primary(), "endSessions");
    let seen = coll.clone_with_type::<Document>();
    drop((coll, seen));
    client.shutdown().await;
    assert_eq!(count(set, primary(), "endSessions"), ended + 1, "client {app}");
}

#[tokio::test]
async fn aggregate_that_writes_reports_the_write_concern_error() {
    let (client, coll, name) = fresh("").await;
    coll.insert_one(doc! { "_id": 1 }).await.unwrap();
    let nine = || WriteConcern::from(Acknowledgment::from(9));
    let unmet = |outcome: Result<(), driver::error::Error>, what: &str| {
        let error = outcome.expect_err(what);
        assert_eq!(error.code(), Some(100), "{what}: {error}");
        assert!(matches!(error.kind(), ErrorKind::Write(_)), "{what}: {error}");
    };
    let options = driver::options::CollectionOptions::builder().write_concern(nine()).build();
    let firm: Collection<Document> = client.database(&name).collection_with_options("c", options);
    let mut session = client.start_session().await.unwrap();
    for stage in [doc! { "$merge": "dst" }, doc! { "$out": "dst" }] {
        let pipeline = || [stage.clone()];
        unmet(coll.aggregate(pipeline()).write_concern(nine()).await.map(drop), "of the operation");
        unmet(firm.aggregate(pipeline()).await.map(drop), "of the collection");
        let within = coll.aggregate(pipeline()).write_concern(nine()).session(&mut session).await;
        unmet(within.map(drop), "in a session");
        let (uri, name, stage) = (set().uri(), name.clone(), stage.clone());
        let blocking = tokio::task::spawn_blocking(move || {
            let client = driver::sync::Client::with_uri_str(uri).unwrap();
            let coll: driver::sync::Collection<Document> = client.database(&name).collection("c");
            coll.aggregate([stage])
                .write_concern(WriteConcern::from(Acknowledgment::from(9)))
                .run()
                .map(drop)
        });
        unmet(blocking.await.unwrap(), "blocking");
    }
    let _faults = FAULTS.acquire().await;
    let sent = doc! {
        "failCommands": ["aggregate"],
        "writeConcernError": { "code": 100, "errmsg": "sent by the server" },
    };
    let _fault = fail_once(&name, sent);
    unmet(coll.aggregate([doc! { "$out": "dst" }]).await.map(drop), "sent by the server");
}
