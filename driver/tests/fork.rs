//! Statement 40: a forked child leaves its parent's sockets alone, and has its own, on both faces.
//!
//! A blocking client goes on in the child, with connections of its own. An async client cannot, for its runtime stayed behind:
//! it says so, touches nothing, and a new one has its full capacity.
//!
//! A program of its own, without the test harness, so that the process that forks has no threads but those of the driver and
//! of the servers' keeper.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Barrier};

use driver::bson::{Document, doc};
use driver::options::{ClientOptions, ServerAddress};
use driver::sync::Client;
use testbed::Standalone;

const MOST: u32 = 3;

fn main() {
    if std::env::args().any(|argument| argument == "--list") {
        println!("a_forked_child_has_connections_of_its_own: test");
        println!("an_async_client_stays_with_the_process_that_made_it: test");
        return;
    }
    let server = Standalone::start().expect("a server");
    threads(&server);
    println!("test a_forked_child_has_connections_of_its_own ... ok");
    tasks(&server);
    println!("test an_async_client_stays_with_the_process_that_made_it ... ok");
}

fn options(server: &Standalone) -> ClientOptions {
    let mut options = ClientOptions::default();
    options.hosts = vec![ServerAddress::parse(server.host()).expect("an address")];
    options.max_pool_size = Some(MOST);
    options
}

/// Forks, runs `child` there, and `parent` here; the child must not fail.
fn fork(child: impl FnOnce(), parent: impl FnOnce()) {
    // SAFETY: the child runs ordinary code; the C library keeps its allocator usable across a fork, and what
    // else threads may have held, the driver does not touch.
    let process = unsafe { libc::fork() };
    assert!(process >= 0, "fork failed");
    if process == 0 {
        let done = catch_unwind(AssertUnwindSafe(child));
        // Without destructors: the server is the parent's.
        // SAFETY: it ends the process at once.
        unsafe { libc::_exit(i32::from(done.is_err())) };
    }
    parent();
    let mut status = 0;
    // SAFETY: it waits for the child that was made above, and writes into `status`.
    let waited = unsafe { libc::waitpid(process, &raw mut status, 0) };
    assert_eq!((waited, status), (process, 0), "the child failed");
}

fn threads(server: &Standalone) {
    let client = Client::with_options(options(server)).expect("a client");

    // One connection is in a request of this thread, the others are idle; a cursor is open.
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
                assert_eq!(connection(&client), pinned, "the parent's connection is the parent's alone");
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
    // A child of the child begins anew as well.
    fork(|| assert!(connections(client).is_disjoint(&own)), || ());
}

/// The connection that the next operation goes to, as the server sees it.
fn connection(client: &Client) -> String {
    let reply = client.database("admin").run_command(doc! { "whatsmyuri": 1 }).run().expect("a reply");
    reply.get_str("you").expect("an address").to_owned()
}

/// The connections of as many threads as may have one at a time.
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
                let error = inherited.database("admin").run_command(doc! { "ping": 1 }).await.unwrap_err();
                assert!(error.to_string().contains("make a new client in the child"), "{error}");
                let request = inherited.start_request();
                let error = request.database("admin").run_command(doc! { "ping": 1 }).await.unwrap_err();
                assert!(error.to_string().contains("make a new client in the child"), "{error}");
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

/// The connections of as many requests as may have one at a time.
async fn connections_of_requests(client: &driver::Client) -> HashSet<String> {
    let mut requests = Vec::new();
    let mut connections = HashSet::new();
    for _ in 0..MOST {
        let request = client.start_request();
        let who = request.database("admin").run_command(doc! { "whatsmyuri": 1 }).await.expect("a reply");
        connections.insert(who.get_str("you").expect("an address").to_owned());
        requests.push(request);
    }
    connections
}
