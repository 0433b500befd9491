//! A forked child does not use its parent's sockets, sessions and ids. It has its own. Both APIs.
//!
//! A blocking client continues in the child with new connections. An async client cannot continue,
//! because its runtime stays in the parent. Its operations fail without I/O, and a new client has
//! its full capacity.
//!
//! The tests have their own program without a test harness, so the forking process has only the
//! threads of the driver and of the testbed.

mod buckets;

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Barrier, Mutex};

use driver::bson::{Bson, Document, doc};
use driver::error::ErrorKind;
use driver::event::EventHandler;
use driver::event::command::CommandEvent;
use driver::options::{ClientOptions, ServerAddress};
use driver::sync::Client;
use testbed::{ReplicaSet, Standalone};

const MOST: u32 = 3;

type Test = fn(&Standalone);

fn main() {
    let tests: [(&str, Test); 10] = [
        ("forked_child_opens_its_own_connections", threads),
        ("async_client_belongs_to_its_process", tasks),
        ("forked_children_generate_different_ids", ids),
        ("session_belongs_to_its_process", sessions),
        ("async_session_belongs_to_its_process", async_sessions),
        ("cursor_belongs_to_its_process", cursors),
        ("forked_child_resumes_a_change_stream", change_streams),
        ("forked_child_uses_the_bucket_of_its_parent", buckets::buckets),
        ("async_bucket_belongs_to_its_process", buckets::async_buckets),
        ("upload_of_a_child_ignores_those_of_its_parent", buckets::uploads),
    ];
    if std::env::args().any(|argument| argument == "--list") {
        tests.iter().for_each(|(name, _)| println!("{name}: test"));
        return;
    }
    let server = Standalone::start().expect("a server");
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let is_chosen = |name: &str| filter.as_deref().is_none_or(|filter| name.contains(filter));
    for (name, test) in tests.into_iter().filter(|(name, _)| is_chosen(name)) {
        test(&server);
        println!("test {name} ... ok");
    }
}

fn options(server: &Standalone) -> ClientOptions {
    let mut options = ClientOptions::default();
    options.hosts = vec![ServerAddress::parse(server.host()).expect("an address")];
    options.max_pool_size = Some(MOST);
    options
}

/// Forks, runs `child` in the child process and `parent` in this one. The child must not fail.
fn fork(child: impl FnOnce(), parent: impl FnOnce()) {
    let process = spawn(child);
    parent();
    join(process);
}

/// Forks and runs `child` in the child process.
fn spawn(child: impl FnOnce()) -> libc::pid_t {
    // SAFETY: the child runs ordinary code. The C library keeps its allocator usable across a fork,
    // and the driver touches nothing else that other threads may have locked.
    let process = unsafe { libc::fork() };
    assert!(process >= 0, "fork failed");
    if process == 0 {
        let done = catch_unwind(AssertUnwindSafe(child));
        // No destructors run, because the server belongs to the parent. SAFETY: the call ends the
        // process at once.
        unsafe { libc::_exit(i32::from(done.is_err())) };
    }
    process
}

/// Waits for a child, which must not have failed.
fn join(process: libc::pid_t) {
    let mut status = 0;
    // SAFETY: the call waits for the child that was forked above and writes to `status`.
    let waited = unsafe { libc::waitpid(process, &raw mut status, 0) };
    assert_eq!((waited, status), (process, 0), "the child failed");
}

fn threads(server: &Standalone) {
    let client = Client::with_options(options(server)).expect("a client");

    // One connection is in a request of this thread, the others are idle, and a cursor is open.
    let mine = connections(&client);
    assert_eq!(mine.len(), MOST as usize);
    let request = client.start_request();
    let pinned = connection(&client);
    let coll = client.database("fork").collection::<Document>("c");
    coll.insert_many((0..10).map(|i| doc! { "_id": i })).run().expect("inserts");
    let mut cursor = coll.find(doc! {}).batch_size(2).run().expect("a cursor");
    cursor.next().expect("a document").expect("a document");

    fork(
        || in_child(&client, &mine),
        || {
            for _ in 0..200 {
                assert_eq!(
                    connection(&client),
                    pinned,
                    "the child must not use the parent's connection"
                );
            }
        },
    );
    assert_eq!(connection(&client), pinned);
    let rest: Vec<Document> = cursor.collect::<Result<_, _>>().expect("documents");
    assert_eq!(rest.len(), 9);
    drop(request);
    assert_eq!(connections(&client), mine);
}

fn in_child(client: &Client, parents: &HashSet<String>) {
    assert!(!client.in_request(), "requests stay with the parent's threads");
    let own = connections(client);
    assert_eq!(own.len(), MOST as usize, "the child has its full capacity");
    assert!(own.is_disjoint(parents), "{own:?} and {parents:?}");
    let _request = client.start_request();
    assert_eq!(connection(client), connection(client));
    // A child of the child starts anew as well.
    fork(|| assert!(connections(client).is_disjoint(&own)), || ());
}

/// The connection of the next operation, as the server sees it.
fn connection(client: &Client) -> String {
    let reply =
        client.database("admin").run_command(doc! { "whatsmyuri": 1 }).run().expect("a reply");
    reply.get_str("you").expect("an address").to_owned()
}

/// The connections of [`MOST`] concurrent threads.
fn connections(client: &Client) -> HashSet<String> {
    let all = Arc::new(Barrier::new(MOST as usize));
    let threads: Vec<_> = (0..MOST)
        .map(|_| {
            let (client, all) = (client.clone(), all.clone());
            std::thread::spawn(move || {
                let _request = client.start_request();
                let connection = connection(&client);
                all.wait();
                connection
            })
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().expect("a connection")).collect()
}

fn tasks(server: &Standalone) {
    let tokio = runtime();
    let (client, mine, mut cursor) = tokio.block_on(async {
        let client = driver::Client::with_options(options(server)).expect("a client");
        let mine = connections_of_requests(&client).await;
        let coll = client.database("fork").collection::<Document>("c");
        let cursor = coll.find(doc! {}).batch_size(2).await.expect("a cursor");
        (client, mine, cursor)
    });
    assert_eq!(mine.len(), MOST as usize);
    let mut inherited = Some(client.clone());
    fork(
        || {
            let inherited = inherited.take().expect("the parent's client");
            let own = runtime();
            own.block_on(async {
                let error =
                    inherited.database("admin").run_command(doc! { "ping": 1 }).await.unwrap_err();
                assert!(error.to_string().contains("create a new client there"), "{error}");
                let request = inherited.start_request();
                let error =
                    request.database("admin").run_command(doc! { "ping": 1 }).await.unwrap_err();
                assert!(error.to_string().contains("create a new client there"), "{error}");
                drop((request, inherited));
                let client = driver::Client::with_options(options(server)).expect("a client");
                let theirs = connections_of_requests(&client).await;
                assert_eq!(theirs.len(), MOST as usize, "the child has its full capacity");
                assert!(theirs.is_disjoint(&mine), "{theirs:?} and {mine:?}");
            });
        },
        || {
            for _ in 0..20 {
                assert_eq!(tokio.block_on(connections_of_requests(&client)), mine);
            }
        },
    );
    assert_eq!(tokio.block_on(connections_of_requests(&client)), mine);
    let mut rest = 0;
    while tokio.block_on(cursor.advance()).expect("the cursor goes on") {
        rest += 1;
    }
    assert_eq!(rest, 10);
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// The connections of [`MOST`] concurrent requests.
async fn connections_of_requests(client: &driver::Client) -> HashSet<String> {
    let mut requests = Vec::new();
    let mut connections = HashSet::new();
    for _ in 0..MOST {
        let request = client.start_request();
        let who =
            request.database("admin").run_command(doc! { "whatsmyuri": 1 }).await.expect("a reply");
        connections.insert(who.get_str("you").expect("an address").to_owned());
        requests.push(request);
    }
    connections
}

/// Children that insert concurrently, each through the inherited client (blocking) or through a new
/// one (async).
fn ids(server: &Standalone) {
    const CHILDREN: u64 = 4;
    const EACH: u64 = 25;
    let client = Client::with_options(options(server)).expect("a client");
    let coll = client.database("fork").collection::<Document>("ids");
    coll.insert_one(doc! {}).run().expect("an insert");
    let children: Vec<_> = (0..2 * CHILDREN)
        .map(|i| {
            spawn(|| match i % 2 {
                0 => {
                    (1..EACH).for_each(|_| {
                        coll.insert_one(doc! {}).run().map(drop).expect("an id of its own")
                    });
                    coll.insert_many([doc! {}]).run().expect("an id of its own");
                }
                _ => runtime().block_on(async {
                    let client = driver::Client::with_options(options(server)).expect("a client");
                    let coll = client.database("fork").collection::<Document>("ids");
                    for _ in 1..EACH {
                        coll.insert_one(doc! {}).await.expect("an id of its own");
                    }
                    coll.insert_many([doc! {}]).await.expect("an id of its own");
                }),
            })
        })
        .collect();
    children.into_iter().for_each(join);
    assert_eq!(coll.count_documents(doc! {}).run().expect("a count"), 1 + 2 * CHILDREN * EACH);
    let made = driver::new_object_id();
    fork(|| assert_ne!(driver::new_object_id().bytes()[4..9], made.bytes()[4..9]), || ());
    assert_eq!(driver::new_object_id().bytes()[4..9], made.bytes()[4..9]);
}

/// The ids of the sessions in a client's commands, including `endSessions`.
#[derive(Clone, Default)]
struct SessionIds(Arc<Mutex<Vec<(String, Bson)>>>);

impl SessionIds {
    fn of(options: &mut ClientOptions) -> Self {
        let ids = Self::default();
        let log = ids.clone();
        options.command_event_handler = Some(EventHandler::callback(move |event| {
            let CommandEvent::Started(event) = event else { return };
            let mut log = log.0.lock().unwrap();
            let named =
                event.command.get_document("lsid").ok().and_then(|lsid| lsid.get("id")).cloned();
            let ended = event.command.get_array("endSessions").into_iter().flatten();
            let ended = ended.filter_map(|session| session.as_document()?.get("id").cloned());
            log.extend(named.into_iter().chain(ended).map(|id| (event.command_name.clone(), id)));
        }));
        ids
    }

    /// The ids recorded since the last call.
    fn take(&self) -> Vec<(String, Bson)> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// A child neither uses nor ends a session of its parent, nor one of the parent's cursors.
fn sessions(server: &Standalone) {
    let mut options = options(server);
    let ids = SessionIds::of(&mut options);
    let client = Client::with_options(options).expect("a client");
    let coll = client.database("fork").collection::<Document>("sessions");
    coll.insert_many((0..10).map(|i| doc! { "_id": i })).run().expect("inserts");
    let session = client.start_session().run().expect("a session");
    let mut session = Some(session);
    let mut cursor = Some(coll.find(doc! {}).batch_size(2).run().expect("a cursor"));
    coll.insert_one(doc! {}).session(session.as_mut().unwrap()).run().expect("an insert");
    let mut cursor_in_session = Some(
        coll.find(doc! {})
            .batch_size(2)
            .session(session.as_mut().unwrap())
            .run()
            .expect("a cursor"),
    );
    let parents = ids.take();
    fork(
        || {
            let mut session = session.take().expect("the parent's session");
            let error = coll.insert_one(doc! {}).session(&mut session).run().unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::InvalidArgument { .. }), "{error:?}");
            assert!(error.to_string().contains("fork"), "{error}");
            let mut of_session = cursor_in_session.take().expect("the parent's cursor");
            let rest = of_session.iter(&mut session).find(|next| next.is_err());
            let error = rest.expect("an error").unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::InvalidArgument { .. }), "{error:?}");
            assert!(ids.take().is_empty(), "nothing was sent");
            drop((session, of_session, cursor.take()));
            for _ in 0..3 {
                coll.insert_one(doc! {}).run().expect("an insert");
            }
            let mut own = client.start_session().run().expect("a session");
            coll.insert_one(doc! {}).session(&mut own).run().expect("an insert");
            drop(own);
            client.clone().shutdown().run();
            let own = ids.take();
            assert!(own.iter().any(|(command, _)| command == "endSessions"), "{own:?}");
            let shared = own.iter().find(|(_, id)| parents.iter().any(|(_, theirs)| theirs == id));
            assert_eq!(shared, None, "the child used a session of its parent");
        },
        || (),
    );
    let session = session.as_mut().expect("the session");
    coll.insert_one(doc! {}).session(&mut *session).run().expect("the parent goes on");
    let of_session = cursor_in_session.as_mut().expect("the cursor");
    of_session.iter(session).for_each(|document| drop(document.expect("the cursor goes on")));
    cursor.expect("the cursor").for_each(|document| drop(document.expect("the cursor goes on")));
}

fn async_sessions(server: &Standalone) {
    let tokio = runtime();
    let (coll, mut session) = tokio.block_on(async {
        let client = driver::Client::with_options(options(server)).expect("a client");
        let mut session = client.start_session().await.expect("a session");
        let coll = client.database("fork").collection::<Document>("async_sessions");
        coll.insert_one(doc! {}).session(&mut session).await.expect("an insert");
        (coll, Some(session))
    });
    fork(
        || {
            let mut session = session.take().expect("the parent's session");
            runtime().block_on(async {
                let error = coll.insert_one(doc! {}).session(&mut session).await.unwrap_err();
                assert!(matches!(error.kind(), ErrorKind::InvalidArgument { .. }), "{error:?}");
                let client = driver::Client::with_options(options(server)).expect("a client");
                let coll = client.database("fork").collection::<Document>("async_sessions");
                let error = coll.insert_one(doc! {}).session(&mut session).await.unwrap_err();
                assert!(matches!(error.kind(), ErrorKind::InvalidArgument { .. }), "{error:?}");
                drop(session);
                coll.insert_one(doc! {}).await.expect("the child's own client goes on");
            });
        },
        || (),
    );
    let mut session = session.expect("the session");
    tokio.block_on(async {
        coll.insert_one(doc! {}).session(&mut session).await.expect("the parent goes on")
    });
    assert_eq!(tokio.block_on(async { coll.count_documents(doc! {}).await }).expect("a count"), 3);
}

/// Both processes would take documents from each other.
fn cursors(server: &Standalone) {
    let client = Client::with_options(options(server)).expect("a client");
    let coll = client.database("fork").collection::<Document>("cursors");
    coll.insert_many((0..10).map(|i| doc! { "_id": i })).run().expect("inserts");
    let mut cursor = coll.find(doc! {}).batch_size(2).run().expect("a cursor");
    fork(
        || {
            // The first batch is here already.
            for _ in 0..2 {
                cursor.next().expect("a document").expect("a document");
            }
            let error = cursor.next().expect("an error").unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::InvalidArgument { .. }), "{error:?}");
            assert!(error.to_string().contains("fork"), "{error}");
            assert!(cursor.next().is_none());
        },
        || (),
    );
    let rest: Vec<Document> = cursor.collect::<Result<_, _>>().expect("the cursor goes on");
    assert_eq!(rest.len(), 10);
}

/// The child opens another cursor at the same position.
fn change_streams(_: &Standalone) {
    let set = ReplicaSet::start(1).expect("a replica set");
    let mut options = ClientOptions::default();
    options.hosts = vec![ServerAddress::parse(set.host(0).expect("a host")).expect("an address")];
    options.repl_set_name = Some(set.name().to_owned());
    let ids = SessionIds::of(&mut options);
    let client = Client::with_options(options).expect("a client");
    let coll = client.database("fork").collection::<Document>("changes");
    coll.insert_one(doc! { "_id": -1 }).run().expect("an insert");
    let mut stream = coll.watch().run().expect("a change stream");
    coll.insert_many((0..5).map(|i| doc! { "_id": i })).run().expect("inserts");
    let mut seen = |from: i32| {
        for i in from..5 {
            let event = stream.try_next().expect("an event").expect("an event");
            assert_eq!(event.full_document, Some(doc! { "_id": i }));
        }
    };
    let parents = ids.take();
    fork(
        || {
            seen(0);
            let own = ids.take();
            let shared = own.iter().find(|(_, id)| parents.iter().any(|(_, theirs)| theirs == id));
            assert_eq!(shared, None, "the child used a session of its parent");
        },
        || (),
    );
    seen(0);
}
