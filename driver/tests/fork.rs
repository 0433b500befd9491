//! Statement 40: a forked child leaves its parent's sockets alone, and has its own.
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
        return;
    }
    let server = Standalone::start().expect("a server");
    let mut options = ClientOptions::default();
    options.hosts = vec![ServerAddress::parse(server.host()).expect("an address")];
    options.max_pool_size = Some(MOST);
    let client = Client::with_options(options).expect("a client");

    // One connection is in a request of this thread, the others are idle; a cursor is open.
    let mine = connections(&client);
    assert_eq!(mine.len(), MOST as usize);
    let request = client.start_request();
    let pinned = connection(&client);
    let coll = client.database("fork").collection::<Document>("c");
    coll.insert_many((0..10).map(|i| doc! { "_id": i })).run().expect("inserts");
    let mut cursor = coll.find(doc! {}).batch_size(2).run().expect("a cursor");
    cursor.next().expect("a document").expect("a document");

    // SAFETY: the child runs ordinary code; the C library keeps its allocator usable across a fork, and what
    // else threads may have held, the driver does not touch.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork failed");
    if child == 0 {
        let done = catch_unwind(AssertUnwindSafe(|| in_child(&client, &mine)));
        // Without destructors: the server is the parent's.
        // SAFETY: it ends the process at once.
        unsafe { libc::_exit(i32::from(done.is_err())) };
    }
    for _ in 0..200 {
        assert_eq!(connection(&client), pinned, "the parent's connection is the parent's alone");
    }
    let mut status = 0;
    // SAFETY: it waits for the child that was made above, and writes into `status`.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!((waited, status), (child, 0), "the child failed");
    assert_eq!(connection(&client), pinned);
    let rest: Vec<Document> = cursor.collect::<Result<_, _>>().expect("documents");
    assert_eq!(rest.len(), 9);
    drop(request);
    assert_eq!(connections(&client), mine);
    println!("test a_forked_child_has_connections_of_its_own ... ok");
}

fn in_child(client: &Client, parents: &HashSet<String>) {
    assert!(!client.in_request(), "requests stay with the parent's threads");
    let own = connections(client);
    assert_eq!(own.len(), MOST as usize, "the child has its full capacity");
    assert!(own.is_disjoint(parents), "{own:?} and {parents:?}");
    let _request = client.start_request();
    assert_eq!(connection(client), connection(client));
    // A child of the child begins anew as well.
    // SAFETY: as above.
    let grandchild = unsafe { libc::fork() };
    if grandchild == 0 {
        let done = catch_unwind(AssertUnwindSafe(|| assert!(connections(client).is_disjoint(&own))));
        // SAFETY: as above.
        unsafe { libc::_exit(i32::from(done.is_err())) };
    }
    let mut status = 0;
    // SAFETY: as above.
    let waited = unsafe { libc::waitpid(grandchild, &raw mut status, 0) };
    assert_eq!((waited, status), (grandchild, 0), "the grandchild failed");
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
