//! A burst of tasks on a pool that has one connection.
//!
//! Most of what it takes is the servers' work: a connection that is opened costs them more than several reads. How many are opened is not the
//! pool's to choose: the specification has it open them as long as somebody waits, two at a time. So the floor is a pool of bare sockets
//! under the same rule.

use super::floor::{Bare, Request};
use super::ground::{DB, Ground};
use super::measure::Contender;
use driver::bson::{Document, doc};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};
use toro::{Handoff, Take};

const NAME: &str = "burst";
const TASKS: usize = 80;
/// `maxConnecting`, and `maxPoolSize`.
const CONNECTING: usize = 2;
const SIZE: usize = 100;

/// The time from the first task to the last result, of clients that know their servers and have the one connection that a ping
/// leaves: the official crate has no other way to wait until it knows them.
pub(super) fn cell(ground: &Ground) -> Vec<Contender> {
    ground.fill(NAME, vec![doc! { "_id": 1 }]);
    let (runtime, uri) = (Arc::clone(&ground.runtime), ground.uri.clone());
    let ours = move |ops: u64| {
        let bursts = (0..ops).map(|_| {
            runtime.block_on(async {
                let client = driver::Client::with_uri_str(&uri).await.expect("the connection string is good");
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
    let (runtime, uri) = (Arc::clone(&ground.runtime), ground.uri.clone());
    let official = move |ops: u64| {
        let bursts = (0..ops).map(|_| {
            runtime.block_on(async {
                let client =
                    mongodb::Client::with_uri_str(&uri).await.expect("the connection string is good");
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
    let (runtime, host) = (Arc::clone(&ground.runtime), ground.primary.clone());
    let request = Request::new(doc! { "find": NAME, "filter": {}, "limit": 1_i64, "singleBatch": true }, DB);
    let floor = move |ops: u64| {
        let bursts = (0..ops).map(|_| {
            runtime.block_on(async {
                let sockets = Arc::new(Sockets::warmed(&host).await);
                burst(|| {
                    let (sockets, mut request) = (Arc::clone(&sockets), request.in_new_session());
                    async move { sockets.round_trip(&mut request).await }
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
    let begun = Instant::now();
    let tasks: Vec<_> = (0..TASKS).map(|_| tokio::spawn(operation())).collect();
    for task in tasks {
        task.await.expect("no task panics");
    }
    begun.elapsed()
}

/// Bare sockets under the rules of a pool.
struct Sockets {
    host: String,
    places: Handoff<Places, Turn>,
}

struct Places {
    idle: Vec<Bare>,
    opening: usize,
    total: usize,
}

impl Places {
    /// Leave to open a socket, if there is room.
    fn leave(&mut self) -> Option<Turn> {
        if self.opening == CONNECTING || self.total == SIZE {
            return None;
        }
        (self.opening, self.total) = (self.opening + 1, self.total + 1);
        Some(Turn::Open)
    }
}

/// What one who waits is given.
enum Turn {
    Take(Bare),
    Open,
}

impl Sockets {
    async fn warmed(host: &str) -> Self {
        let places = Places { idle: vec![Bare::connect(host).await], opening: 0, total: 1 };
        Sockets { host: host.to_owned(), places: Handoff::new(places) }
    }

    async fn round_trip(&self, request: &mut Request) {
        let turn = self.places.wait(|places, waiters| {
            if !waiters.is_empty() {
                return Take::Queue;
            }
            let turn = places.idle.pop().map(Turn::Take).or_else(|| places.leave());
            turn.map_or(Take::Queue, Take::Ready)
        });
        let mut bare = match turn.await {
            Turn::Take(bare) => bare,
            Turn::Open => {
                let bare = Bare::connect(&self.host).await;
                self.places.with(|places, waiters| {
                    places.opening -= 1;
                    if !waiters.is_empty()
                        && let Some(turn) = places.leave()
                    {
                        let _ = waiters.hand_off(turn);
                    }
                });
                bare
            }
        };
        bare.round_trip(request).await;
        self.places.with(|places, waiters| {
            if let Err(Turn::Take(bare)) = waiters.hand_off(Turn::Take(bare)) {
                places.idle.push(bare);
            }
        });
    }
}
