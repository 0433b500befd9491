//! Transactions that are dropped at any point stay open nowhere, and lose no connection and no
//! session.
//!
//! `DROPPED_TRANSACTIONS` sets their number. The default is 10,000, and 1,000 without optimization.

use std::collections::HashSet;
use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use driver::bson::{Bson, Document, doc};
use driver::client::Client;
use driver::collection::Collection;
use driver::event::EventHandler;
use driver::event::command::CommandEvent;
use driver::options::ConnectionString;
use driver::session::ClientSession;
use driver::{Async, Blocking};
use testbed::{ReplicaSet, eventually};

use crate::api::{Api, block_on};

/// More than the number of connections, so that some wait for one.
const AT_ONCE: usize = 8;
const CONNECTIONS: u32 = 3;

fn transactions() -> usize {
    let given = std::env::var("DROPPED_TRANSACTIONS").ok().and_then(|given| given.parse().ok());
    given.unwrap_or(if cfg!(debug_assertions) { 1_000 } else { 10_000 })
}

/// A client of its own replica set, and the ids of its sessions.
struct Servers<F: Api> {
    set: ReplicaSet,
    client: Client<F>,
    sessions: Arc<Mutex<HashSet<Vec<u8>>>>,
}

impl<F: Api> Servers<F> {
    fn new() -> Self {
        let set = ReplicaSet::start(1).unwrap();
        let sessions: Arc<Mutex<HashSet<Vec<u8>>>> = Arc::default();
        let seen = Arc::clone(&sessions);
        let mut options = ConnectionString::parse(set.uri()).unwrap().options;
        options.max_pool_size = Some(CONNECTIONS);
        options.command_event_handler = Some(EventHandler::callback(move |event| {
            if let CommandEvent::Started(started) = event
                && let Ok(lsid) = started.command.get_document("lsid")
            {
                seen.lock().unwrap().insert(id_of(lsid));
            }
        }));
        let servers = Servers { set, client: F::open(options).unwrap(), sessions };
        F::end(servers.client.database("dropped").create_collection("items")).unwrap();
        servers
    }

    fn start_session(&self) -> ClientSession<F> {
        let session = F::start_session(&self.client);
        self.sessions.lock().unwrap().insert(id_of(session.id()));
        session
    }

    fn items(&self) -> Collection<Document, F> {
        self.client.database("dropped").collection("items")
    }

    /// The number of open transactions on the server.
    fn open(&self) -> i64 {
        let status = self.set.admin(0, doc! { "serverStatus": 1 }).unwrap();
        let open = status.get_document("transactions").unwrap().get("currentOpen").unwrap();
        open.as_i64().or(open.as_i32().map(i64::from)).unwrap()
    }

    fn check_nothing_is_left(&self) {
        let begin = std::time::Instant::now();
        eventually("no transaction is open", || self.open() == 0);
        let drained = begin.elapsed();
        eventually("all connections are back", || {
            let pools = self.client.pool_metrics();
            pools.iter().all(|pool| (pool.in_use, pool.opening, pool.waiting) == (0, 0, 0))
        });
        let connections: u32 = self.client.pool_metrics().iter().map(|pool| pool.idle).sum();
        assert!((1..=CONNECTIONS).contains(&connections), "{connections} connections");
        // The total number of sessions. A lost session would be replaced by a new one.
        let known = self.sessions.lock().unwrap().clone();
        eventually("all sessions are back", || {
            let again: Vec<_> = known.iter().map(|_| F::start_session(&self.client)).collect();
            again.iter().all(|session| known.contains(&id_of(session.id())))
        });
        F::end(self.items().insert_one(doc! {})).unwrap();
        println!(
            "transactions={} open={} drained_in={drained:?} connections={connections} of \
             {CONNECTIONS} sessions={} in use=0",
            transactions(),
            self.open(),
            known.len(),
        );
    }
}

fn id_of(lsid: &Document) -> Vec<u8> {
    let Some(Bson::Binary(id)) = lsid.get("id") else { panic!("no id in {lsid}") };
    id.bytes.clone()
}

/// Polls `future` at most `times` times.
pub(crate) async fn polled<T>(times: usize, future: impl Future<Output = T>) {
    let mut future = std::pin::pin!(future);
    let mut left = times;
    poll_fn(|cx| match left.checked_sub(1) {
        None => Poll::Ready(()),
        Some(rest) => {
            left = rest;
            future.as_mut().poll(cx).map(drop)
        }
    })
    .await;
}

async fn transact(
    session: &mut ClientSession<Async>,
    items: &Collection<Document, Async>,
    ends: bool,
) {
    let work = async {
        session.start_transaction().await?;
        items.insert_one(doc! {}).session(&mut *session).await?;
        items.insert_one(doc! {}).session(&mut *session).await?;
        if ends { session.commit_transaction().await } else { session.abort_transaction().await }
    };
    // The server may refuse the commands of dropped transactions.
    let _: driver::Result<()> = work.await;
}

#[test]
fn transactions_dropped_at_any_await_leave_nothing() {
    let (servers, transactions) = (Servers::<Async>::new(), transactions());
    block_on(async {
        let each = transactions / AT_ONCE;
        let tasks = (0..AT_ONCE).map(|task| {
            let (client, items) = (servers.client.clone(), servers.items());
            let sessions = Arc::clone(&servers.sessions);
            tokio::spawn(async move {
                for i in 0..each {
                    // Each number of polls is tried with both ways of dropping, and with both ends.
                    let (polls, ends) = ((i + task) % 11, i % 2 == 0);
                    let mut session = client.start_session().await.unwrap();
                    sessions.lock().unwrap().insert(id_of(session.id()));
                    if i % 3 == 0 {
                        let items = items.clone();
                        let owning = async move { transact(&mut session, &items, ends).await };
                        polled(polls, owning).await;
                    } else {
                        polled(polls, transact(&mut session, &items, ends)).await;
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

#[test]
fn dropped_blocking_sessions_leave_no_transaction() {
    let (servers, transactions) = (Servers::<Blocking>::new(), transactions());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                let items = servers.items();
                for i in 0..transactions / AT_ONCE {
                    let mut session = servers.start_session();
                    session.start_transaction().run().unwrap();
                    for _ in 0..i % 3 {
                        items.insert_one(doc! {}).session(&mut session).run().unwrap();
                    }
                    if i % 5 == 0 {
                        session.commit_transaction().run().unwrap();
                    }
                }
            });
        }
    });
    servers.check_nothing_is_left();
}
