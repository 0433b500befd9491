//! Chaos: tasks and threads use one client while servers are killed, paused and stepped down.
//!
//! Runs for a few seconds by default; `CHAOS_SECONDS=60` makes it longer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use driver::bson::{Document, doc};
use driver::options::ClientOptions;
use driver::{Client, sync};
use testbed::{Member, ReplicaSet, eventually};

use crate::watch::{Events, name};

const TASKS: usize = 64;
const THREADS: usize = 16;
const DOCUMENTS: i32 = 500;
const MOST: u32 = 10;

/// The counts of operation results.
#[derive(Default)]
struct Score {
    answered: AtomicU64,
    failed: AtomicU64,
    cancelled: AtomicU64,
}

impl Score {
    /// The reply to a query for document `id` must contain document `id`.
    fn note(&self, id: i32, answer: driver::Result<Option<Document>>) {
        match answer {
            Ok(Some(document)) => {
                assert_eq!(document.get_i32("_id").unwrap(), id, "the reply is another request's");
                self.answered.fetch_add(1, Ordering::Relaxed);
            }
            Ok(None) => panic!("document {id} is gone"),
            Err(_) => drop(self.failed.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

fn options(uri: &str, events: &Events) -> ClientOptions {
    let uri = format!(
        "{uri}&readPreference=primaryPreferred&maxPoolSize={MOST}&serverSelectionTimeoutMS=20000"
    );
    let mut options = ClientOptions::parse(uri).run().unwrap();
    options.cmap_event_handler = Some(events.handler());
    options.app_name = Some(name());
    options.heartbeat_freq = Some(Duration::from_millis(500));
    options
}

#[test]
fn pool_is_whole_after_chaos_and_replies_match_requests() {
    let seconds = std::env::var("CHAOS_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(6);
    let set = ReplicaSet::builder()
        .member(Member::new())
        .member(Member::new())
        .member(Member::new())
        .start();
    let set = Arc::new(set.unwrap());
    let tokio =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (task_events, thread_events) = (Events::default(), Events::default());
    let client = {
        let options = options(&set.uri(), &task_events);
        let _context = tokio.enter();
        Client::with_options(options).unwrap()
    };
    let threads_client = sync::Client::with_options(options(&set.uri(), &thread_events)).unwrap();
    let all = (0..DOCUMENTS).map(|id| doc! { "_id": id, "filling": "x".repeat(id as usize % 300) });
    let coll = threads_client.database("chaos").collection::<Document>("c");
    let majority = driver::options::WriteConcern::nodes(3);
    coll.insert_many(all).write_concern(majority).run().unwrap();

    let score = Arc::new(Score::default());
    let stop = Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> = (0..TASKS)
        .map(|seed| {
            let (client, score, stop) = (client.clone(), score.clone(), stop.clone());
            tokio.spawn(async move { task(seed as u64, &client, &score, &stop).await })
        })
        .collect();
    let threads: Vec<_> = (0..THREADS)
        .map(|seed| {
            let (client, score, stop) = (threads_client.clone(), score.clone(), stop.clone());
            std::thread::spawn(move || thread(seed as u64, &client, &score, &stop))
        })
        .collect();

    let seen = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let end = Instant::now() + Duration::from_secs(seconds);
    // A busy machine needs more time for enough results.
    let last = end + Duration::from_secs(60);
    let enough = || seen(&score.answered) > 1000 && seen(&score.cancelled) > 0;
    mischief(&set, || Instant::now() < end || (!enough() && Instant::now() < last));
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        tokio.block_on(task).unwrap();
    }
    for thread in threads {
        thread.join().unwrap();
    }

    for events in [&task_events, &thread_events] {
        eventually("nothing is in use", || events.in_use() == 0);
        eventually("each checkout has succeeded or failed", || events.all_answered());
        assert!(events.open() <= 3 * MOST as usize);
    }
    // The pools have lost no connection slot: all of them can be checked out at once.
    let whole = tokio.block_on(async {
        let requests: Vec<_> = (0..MOST).map(|_| client.start_request()).collect();
        for request in &requests {
            request
                .database("chaos")
                .collection::<Document>("c")
                .find_one(doc! { "_id": 1 })
                .await?;
        }
        driver::Result::Ok(())
    });
    whole.unwrap();
    let (answered, failed, cancelled) =
        (seen(&score.answered), seen(&score.failed), seen(&score.cancelled));
    println!("answered={answered} failed={failed} cancelled={cancelled}");
    assert!(enough(), "answered={answered} failed={failed} cancelled={cancelled}");
}

/// Runs queries, some within requests, and drops some of them after a moment.
async fn task(seed: u64, client: &Client, score: &Score, stop: &AtomicBool) {
    let mut random = fastrand::Rng::with_seed(seed);
    while !stop.load(Ordering::Relaxed) {
        let request = (random.u32(0..4) == 0).then(|| client.start_request());
        let client = request.as_ref().map_or(client, |request| request.client());
        let coll = client.database("chaos").collection::<Document>("c");
        for _ in 0..random.u32(1..6) {
            let id = random.i32(0..DOCUMENTS);
            if random.u32(0..5) > 0 {
                score.note(id, coll.find_one(doc! { "_id": id }).await);
                continue;
            }
            let moment = Duration::from_micros(random.u64(0..3000));
            let ask = async { coll.find_one(doc! { "_id": id }).await };
            match tokio::time::timeout(moment, ask).await {
                Ok(answer) => score.note(id, answer),
                Err(_) => drop(score.cancelled.fetch_add(1, Ordering::Relaxed)),
            }
        }
    }
}

/// The same on a thread: some queries within requests, some on threads that end within a request.
fn thread(seed: u64, client: &sync::Client, score: &Score, stop: &AtomicBool) {
    let mut random = fastrand::Rng::with_seed(1000 + seed);
    while !stop.load(Ordering::Relaxed) {
        let id = random.i32(0..DOCUMENTS);
        let ask = |client: &sync::Client| {
            client.database("chaos").collection::<Document>("c").find_one(doc! { "_id": id }).run()
        };
        match random.u32(0..8) {
            0 => {
                let _request = client.start_request();
                score.note(id, ask(client));
                score.note(id, ask(client));
            }
            1 => std::thread::scope(|scope| {
                scope
                    .spawn(|| {
                        std::mem::forget(client.start_request());
                        score.note(id, ask(client));
                    })
                    .join()
                    .unwrap();
            }),
            _ => score.note(id, ask(client)),
        }
    }
}

/// Kills, pauses, steps down and closes connections while `goes_on` holds.
fn mischief(set: &ReplicaSet, goes_on: impl Fn() -> bool) {
    let mut random = fastrand::Rng::with_seed(7);
    let mut round = 0;
    while goes_on() {
        let i = random.usize(0..set.len());
        match round % 4 {
            0 => {
                // Clears the pool of that member when a `find` hits the fail point.
                let point = set.fail_point(
                    i,
                    doc! {
                        "configureFailPoint": "failCommand", "mode": { "times": 20 },
                        "data": { "failCommands": ["find"], "closeConnection": true },
                    },
                );
                std::thread::sleep(Duration::from_millis(300));
                drop(point);
            }
            1 => {
                set.kill(i).unwrap();
                std::thread::sleep(Duration::from_millis(random.u64(100..600)));
                set.restart(i).unwrap();
            }
            2 => {
                set.pause(i).unwrap();
                std::thread::sleep(Duration::from_millis(random.u64(100..600)));
                set.resume(i).unwrap();
            }
            _ => {
                // There may be no primary at this moment.
                let _ = set.step_down();
            }
        }
        round += 1;
        std::thread::sleep(Duration::from_millis(200));
    }
    set.wait_for_primary().unwrap();
    set.wait_for_secondaries().unwrap();
}
