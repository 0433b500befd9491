//! A burst of tasks on a pool that has one connection.
//!
//! The servers do most of the work: opening a connection costs them as much as three reads. The
//! pool does not choose the number of connections: the specification requires it to open
//! connections, two at a time, while callers wait. So the floor is a pool of bare sockets with the
//! same rule and the same handshake.

use super::floor::{Bare, Request};
use super::measure::Contender;
use super::setup::{DB, Setup};
use driver::bson::{Document, doc};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::sleep;
use toro::{Handoff, Take};

const NAME: &str = "burst";
const TASKS: usize = 80;
/// `maxConnecting`.
const CONNECTING: usize = 2;
/// `maxPoolSize`, as in the connection string of the clients.
const SIZE: usize = 100;
/// The pause before each burst, in which the servers finish with the connections of the last one.
const REST: Duration = Duration::from_millis(20);

/// The time from the first task to the last result. Both clients know their servers and have one
/// connection, because each has sent a ping: the official crate has no other way to wait for
/// discovery. CPU time and allocations include the whole life of a client. So compare them between
/// the two clients only, not with the floor.
pub(super) fn cell(setup: &Setup) -> Vec<Contender> {
    setup.fill(NAME, vec![doc! { "_id": 1 }]);
    let (runtime, uri) = (Arc::clone(&setup.runtime), setup.uri.clone());
    let ours = move |ops: u64| {
        let bursts = (0..ops).map(|_| {
            runtime.block_on(async {
                let client = driver::Client::with_uri_str(&uri)
                    .await
                    .expect("the connection string is good");
                client.database("admin").run_command(doc! { "ping": 1 }).await.expect("a ping");
                let coll = client.database(DB).collection::<Document>(NAME);
                burst(|| {
                    let coll = coll.clone();
                    async move { drop(coll.find_one(doc! {}).await.expect("the server answers")) }
                })
                .await
            })
        });
        bursts.sum()
    };
    let (runtime, uri) = (Arc::clone(&setup.runtime), setup.uri.clone());
    let official = move |ops: u64| {
        let bursts = (0..ops).map(|_| {
            runtime.block_on(async {
                let client = mongodb::Client::with_uri_str(&uri)
                    .await
                    .expect("the connection string is good");
                let ping = mongodb::bson::doc! { "ping": 1 };
                client.database("admin").run_command(ping).await.expect("a ping");
                let coll = client.database(DB).collection::<mongodb::bson::Document>(NAME);
                burst(|| {
                    let coll = coll.clone();
                    let filter = mongodb::bson::doc! {};
                    async move { drop(coll.find_one(filter).await.expect("the server answers")) }
                })
                .await
            })
        });
        bursts.sum()
    };
    let (runtime, host) = (Arc::clone(&setup.runtime), setup.primary.clone());
    let request =
        Request::new(doc! { "find": NAME, "filter": {}, "limit": 1_i64, "singleBatch": true }, DB);
    let floor = move |ops: u64| {
        let bursts = (0..ops).map(|_| {
            runtime.block_on(async {
                let sockets = Arc::new(Sockets::warmed(&host, request.clone()).await);
                burst(|| {
                    let sockets = Arc::clone(&sockets);
                    async move { sockets.round_trip().await }
                })
                .await
            })
        });
        bursts.sum()
    };
    vec![
        Contender::timed("driver", ours),
        Contender::timed("official", official),
        Contender::timed("floor", floor),
    ]
}

async fn burst<F>(mut operation: impl FnMut() -> F) -> Duration
where
    F: Future<Output = ()> + Send + 'static,
{
    sleep(REST).await;
    let begun = Instant::now();
    let mut tasks: JoinSet<()> = (0..TASKS).map(|_| operation()).collect();
    while let Some(ended) = tasks.join_next().await {
        ended.expect("no task panics");
    }
    begun.elapsed()
}

/// Bare sockets under the rules of a pool.
struct Sockets {
    host: String,
    request: Request,
    places: Handoff<Places, Turn>,
}

/// A socket, and the request that it sends, in its own session.
type Socket = (Bare, Request);

struct Places {
    idle: Vec<Socket>,
    opening: usize,
    total: usize,
}

impl Places {
    /// The right to open a socket, if there is room.
    fn ticket(&mut self) -> Option<Turn> {
        if self.opening == CONNECTING || self.total == SIZE {
            return None;
        }
        (self.opening, self.total) = (self.opening + 1, self.total + 1);
        Some(Turn::Open)
    }
}

/// The value that a waiter gets.
enum Turn {
    Take(Socket),
    Open,
}

impl Sockets {
    /// With one socket, which is idle.
    async fn warmed(host: &str, request: Request) -> Self {
        let first = (Bare::connect(host).await, request.in_new_session());
        let places = Places { idle: vec![first], opening: 0, total: 1 };
        Sockets { host: host.to_owned(), request, places: Handoff::new(places) }
    }

    async fn round_trip(&self) {
        let turn = self.places.wait(|places, waiters| {
            if !waiters.is_empty() {
                return Take::Queue;
            }
            let turn = places.idle.pop().map(Turn::Take).or_else(|| places.ticket());
            turn.map_or(Take::Queue, Take::Ready)
        });
        let (mut bare, mut request) = match turn.await {
            Turn::Take(socket) => socket,
            Turn::Open => self.open().await,
        };
        bare.round_trip(&mut request).await;
        self.places.with(|places, waiters| {
            if let Err(Turn::Take(socket)) = waiters.hand_off(Turn::Take((bare, request))) {
                places.idle.push(socket);
            }
        });
    }

    async fn open(&self) -> Socket {
        let bare = Bare::connect(&self.host).await;
        self.places.with(|places, waiters| {
            places.opening -= 1;
            if !waiters.is_empty()
                && let Some(turn) = places.ticket()
            {
                let _ = waiters.hand_off(turn);
            }
        });
        (bare, self.request.in_new_session())
    }
}
