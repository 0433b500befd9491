//! Specification "Client Side Operations Timeout", prose tests. The times are longer than those of
//! the specification, so that a busy machine keeps to them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use driver::bson::oid::ObjectId;
use driver::bson::{DateTime, Document, doc};
use driver::change_stream::ChangeStream;
use driver::error::ErrorKind;
use driver::options::{ClientOptions, CursorType, GridFsBucketOptions};
use driver::{Async, Blocking, Error};
use testbed::{Standalone, eventually, shared_replica_set};

use crate::api::{Api, block_on, on_both_apis};
use crate::files::Files;
use crate::observed::{Observed, held_once, turn_for_faults};

on_both_apis! {
    client_side_operations_timeout_prose_1
    client_side_operations_timeout_prose_4_used
    client_side_operations_timeout_prose_4_renewed
    client_side_operations_timeout_prose_5_tailable
    client_side_operations_timeout_prose_5_change_streams
    client_side_operations_timeout_prose_6_upload
    client_side_operations_timeout_prose_6_abort
    client_side_operations_timeout_prose_7
    client_side_operations_timeout_prose_8
    client_side_operations_timeout_prose_8_with_users
    client_side_operations_timeout_prose_10
}

/// A client of the shared replica set with this timeout.
fn timed<F: Api>(millis: u64) -> Observed<F> {
    Observed::with(&shared_replica_set().unwrap().uri(), |options| {
        options.timeout = Some(Duration::from_millis(millis));
    })
}

/// Another client of the same database, without a timeout.
fn internal<F: Api>(observed: &Observed<F>) -> driver::collection::Collection<Document, F> {
    let options = driver::options::ConnectionString::parse(shared_replica_set().unwrap().uri());
    let client = F::open(options.unwrap().options).unwrap();
    client.database(&observed.name).collection("coll")
}

/// Holds `commands`, `times` times or always.
fn hold<'a, F: Api>(
    observed: &Observed<F>,
    commands: &[&str],
    times: Option<i32>,
    millis: i32,
) -> testbed::FailPoint<'a> {
    let set = shared_replica_set().unwrap();
    let mut fail = held_once(&observed.name, "", millis);
    fail.get_document_mut("data").unwrap().insert("failCommands", commands.to_vec());
    match times {
        Some(times) => fail.insert("mode", doc! { "times": times }),
        None => fail.insert("mode", "alwaysOn"),
    };
    set.fail_point(set.wait_for_primary().unwrap(), fail).unwrap()
}

/// Multi-batch writes.
fn client_side_operations_timeout_prose_1<F: Api>() {
    // Half of the time is left for the first message, which has 48 MB.
    let observed = timed::<F>(12_000);
    F::end(internal(&observed).insert_one(doc! {})).unwrap();
    let _turn = turn_for_faults();
    let point = hold(&observed, &["insert"], Some(2), 6010);
    let text = "a".repeat(1 << 20);
    let coll = observed.database().collection::<Document>("coll");
    let error = F::end(coll.insert_many((0..50).map(|_| doc! { "a": &text }))).unwrap_err();
    drop(point);
    assert!(error.is_timeout(), "{error}");
    assert_eq!(observed.sent("insert").len(), 2);
}

/// A standalone server with a user.
fn guarded() -> &'static Standalone {
    static SERVER: OnceLock<Standalone> = OnceLock::new();
    SERVER.get_or_init(|| {
        let server = Standalone::builder().guarded().start().unwrap();
        let user = doc! { "createUser": "user", "pwd": "pencil", "roles": ["root"] };
        server.admin(user).unwrap();
        server
    })
}

/// A client with a user and these options, and the fault that holds its `commands` from the first
/// on, after the turn for it.
fn authenticated<F: Api>(
    commands: &[&str],
    times: Option<i32>,
    millis: i32,
    adjust: impl FnOnce(&mut ClientOptions),
) -> (Observed<F>, MutexGuard<'static, ()>, testbed::FailPoint<'static>) {
    let turn = turn_for_faults();
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let app = format!("authenticated_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let mut fail = held_once(&app, "", millis);
    fail.get_document_mut("data").unwrap().insert("failCommands", commands.to_vec());
    match times {
        Some(times) => fail.insert("mode", doc! { "times": times }),
        None => fail.insert("mode", "alwaysOn"),
    };
    let point = guarded().fail_point(fail).unwrap();
    let uri = guarded().uri().replace("mongodb://", "mongodb://user:pencil@");
    let observed = Observed::with(&uri, |options| {
        options.app_name = Some(app);
        adjust(options);
    });
    (observed, turn, point)
}

/// Background connection pooling: the timeout holds for the commands of the handshake.
fn client_side_operations_timeout_prose_4_used<F: Api>() {
    let (observed, _turn, _point) =
        authenticated::<F>(&["saslContinue"], Some(1), 2500, |options| {
            options.min_pool_size = Some(1);
            options.timeout = Some(Duration::from_millis(500));
        });
    eventually("a connection is opened and closed", || observed.connections() >= (1, 1));
}

/// Background connection pooling: each command of the handshake has the whole timeout.
fn client_side_operations_timeout_prose_4_renewed<F: Api>() {
    let commands = ["hello", "isMaster", "saslContinue"];
    let (observed, _turn, _point) = authenticated::<F>(&commands, None, 1000, |options| {
        options.min_pool_size = Some(1);
        options.timeout = Some(Duration::from_millis(1800));
    });
    eventually("a connection is ready", || observed.ready_connections() == 1);
}

/// Blocking iteration methods: tailable cursors.
fn client_side_operations_timeout_prose_5_tailable<F: Api>() {
    let observed = timed::<F>(4000);
    let options = driver::options::ConnectionString::parse(shared_replica_set().unwrap().uri());
    let client = F::open(options.unwrap().options).unwrap();
    let database = client.database(&observed.name);
    F::end(database.create_collection("coll").capped(true).size(5000_u64)).unwrap();
    F::end(database.collection("coll").insert_one(doc! { "x": 1 })).unwrap();
    let _turn = turn_for_faults();
    let point = hold(&observed, &["getMore"], None, 2300);
    let coll = observed.database().collection::<Document>("coll");
    let tail = coll.find(doc! {}).cursor_type(CursorType::Tailable);
    let mut cursor = F::end(tail).unwrap();
    assert_eq!(F::next(&mut cursor).unwrap().unwrap().get_i32("x").unwrap(), 1);
    assert!(observed.sent("getMore").is_empty());
    let error = F::next(&mut cursor).unwrap().unwrap_err();
    drop(point);
    assert!(error.is_timeout(), "{error}");
    assert_eq!((observed.sent("find").len(), observed.sent("getMore").len()), (1, 2));
}

/// Blocking iteration methods: change streams.
fn client_side_operations_timeout_prose_5_change_streams<F: Events>() {
    let observed = timed::<F>(4000);
    let _turn = turn_for_faults();
    // A step does not ask once more in the last quarter of its time.
    let point = hold(&observed, &["getMore"], None, 2200);
    let coll = observed.database().collection::<Document>("coll");
    // Without documents, the server answers at once, after it was held.
    let stream = F::end(coll.watch().max_await_time(Duration::from_millis(1))).unwrap();
    let error = F::event(&mut stream.with_type()).unwrap_err();
    drop(point);
    assert!(error.is_timeout(), "{error}");
    assert_eq!((observed.sent("aggregate").len(), observed.sent("getMore").len()), (1, 2));
}

/// Waits for events on either API.
trait Events: Api {
    fn event(stream: &mut ChangeStream<Document, Self>) -> driver::Result<Option<Document>>;
}

impl Events for Async {
    fn event(stream: &mut ChangeStream<Document, Self>) -> driver::Result<Option<Document>> {
        block_on(stream.try_next())
    }
}

impl Events for Blocking {
    fn event(stream: &mut ChangeStream<Document, Self>) -> driver::Result<Option<Document>> {
        stream.try_next()
    }
}

/// The options of a bucket whose chunks have so many bytes.
fn chunks_of(bytes: u32) -> GridFsBucketOptions {
    GridFsBucketOptions::builder().chunk_size_bytes(bytes).build()
}

/// GridFS: uploads via openUploadStream.
fn client_side_operations_timeout_prose_6_upload<F: Files>() {
    let observed = timed::<F>(1500);
    let _turn = turn_for_faults();
    let point = hold(&observed, &["insert"], Some(1), 2500);
    let bucket = observed.database().gridfs_bucket(None);
    let mut stream = F::end(bucket.open_upload_stream("filename")).unwrap();
    F::write_all(&mut stream, &[0x12]).unwrap();
    let error = F::close(&mut stream).unwrap_err();
    drop(point);
    assert!(error.is_timeout(), "{error}");
}

/// GridFS: abort of an upload.
fn client_side_operations_timeout_prose_6_abort<F: Files>() {
    // The chunks are written within this time.
    let observed = timed::<F>(4000);
    let _turn = turn_for_faults();
    let point = hold(&observed, &["delete"], Some(1), 5000);
    let bucket = observed.database().gridfs_bucket(chunks_of(2));
    let mut stream = F::end(bucket.open_upload_stream("filename")).unwrap();
    // More than the chunks of one batch: those of the first are on the server.
    F::write_all(&mut stream, &[1; 4000]).unwrap();
    let error = F::abort(&mut stream).unwrap_err();
    drop(point);
    assert!(error.is_timeout(), "{error}");
}

/// GridFS: download.
fn client_side_operations_timeout_prose_7<F: Files>() {
    // The file's document is read within this time.
    let observed = timed::<F>(3000);
    let id = ObjectId::parse_str("000000000000000000000005").unwrap();
    let file = doc! {
        "_id": id,
        "length": 10,
        "chunkSize": 4,
        "uploadDate": DateTime::from_millis(0),
        "filename": "length-10",
        "metadata": {},
    };
    let options = driver::options::ConnectionString::parse(shared_replica_set().unwrap().uri());
    let internal = F::open(options.unwrap().options).unwrap().database(&observed.name);
    F::end(internal.collection("fs.files").insert_one(file)).unwrap();
    let bucket = observed.database().gridfs_bucket(None);
    let _turn = turn_for_faults();
    let mut stream = F::end(bucket.open_download_stream(id.into())).unwrap();
    // The file's document has been read when the stream was opened.
    let point = hold(&observed, &["find"], Some(1), 4000);
    let error = F::read(&mut stream, &mut [0; 10]).unwrap_err();
    drop(point);
    assert!(error.is_timeout(), "{error}");
    let read: Vec<String> =
        observed.sent("find").iter().map(|find| find.get_str("find").unwrap().to_owned()).collect();
    assert_eq!(read, ["fs.files", "fs.chunks"]);
}

/// Server selection: the shorter of both timeouts holds.
fn client_side_operations_timeout_prose_8<F: Api>() {
    for (timeout, selection) in
        [(None, 100), (Some(100), 20_000), (Some(20_000), 100), (Some(0), 100)]
    {
        let options = driver::options::ConnectionString::parse("mongodb://invalid.invalid/");
        let mut options = options.unwrap().options;
        options.timeout = timeout.map(Duration::from_millis);
        options.server_selection_timeout = Some(Duration::from_millis(selection));
        let client = F::open(options).unwrap();
        let begun = Instant::now();
        let error = F::end(client.database("admin").run_command(doc! { "ping": 1 })).unwrap_err();
        assert!(begun.elapsed() < Duration::from_secs(10), "{timeout:?} {selection}: {error}");
        let selected = matches!(error.kind(), ErrorKind::ServerSelection { .. });
        assert!(selected || error.is_timeout(), "{error}");
    }
}

/// Server selection: both timeouts, for the commands of the handshake.
fn client_side_operations_timeout_prose_8_with_users<F: Api>() {
    for (timeout, selection) in [(500, 1000), (1000, 500)] {
        let (observed, _turn, _point) =
            authenticated::<F>(&["saslContinue"], Some(1), 2500, |options| {
                options.timeout = Some(Duration::from_millis(timeout));
                options.server_selection_timeout = Some(Duration::from_millis(selection));
            });
        let coll = observed.database().collection::<Document>("coll");
        let error = F::end(coll.insert_one(doc! { "x": 1 })).unwrap_err();
        assert!(error.is_timeout(), "{timeout} {selection}: {error}");
    }
}

/// Convenient transactions: the timeout begins anew for abortTransaction.
fn client_side_operations_timeout_prose_10<F: Api>() {
    let observed = timed::<F>(2000);
    F::end(internal(&observed).insert_one(doc! { "_id": 0 })).unwrap();
    let _turn = turn_for_faults();
    let point = hold(&observed, &["insert", "abortTransaction"], Some(2), 3000);
    let coll = observed.database().collection::<Document>("coll");
    let mut session = F::start_session(&observed.client);
    let ended = F::in_transaction(session.start_transaction(), &|session| {
        F::end(coll.insert_one(doc! { "_id": 1 }).session(session)).map(drop)
    });
    let error: Error = ended.unwrap_err();
    drop(point);
    assert!(error.is_timeout(), "{error}");
    assert_eq!(observed.names(), ["insert", "abortTransaction"]);
}
