//! Small operations: ping, `find_one`, `insert_one`, `update_one`.

use super::floor::{Bare, Request};
use super::measure::{Contender, Work, work};
use super::setup::{DB, Setup};
use super::{Metric, Trial};
use benches::bound::Bound;
use driver::bson::{Document, RawDocumentBuf, doc};
use futures_util::FutureExt;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex};

/// The document that the cells find.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Monkey {
    #[serde(rename = "_id")]
    id: i32,
    name: String,
    breaths: i64,
    weight: f64,
}

pub(super) const NAME: &str = "small";
const COUNT: i32 = 1000;

pub(super) fn cells() -> Vec<Trial> {
    let mut cells = vec![Trial::new("ping", ping).bound(Metric::Cpu, small_cpu())];
    for tasks in [1, 16, 64, 256, 1000] {
        let documents = find_cell(tasks, "Document", find_one::<Document, mongodb::bson::Document>);
        cells.push(match tasks {
            1 => documents
                .bound(Metric::Wall, [Bound::must("floor", 1.20), Bound::aim("floor", 1.08)])
                .bound(Metric::Cpu, [Bound::must("floor", 1.8), Bound::aim("floor", 1.4)]),
            // At least 0.85 (0.95) of the floor's operations per second.
            64 => documents.bound(
                Metric::Wall,
                [Bound::must("floor", 1.0 / 0.85), Bound::aim("floor", 1.0 / 0.95)],
            ),
            _ => documents,
        });
        cells.push(find_cell(tasks, "struct", find_one::<Monkey, Monkey>));
        cells.push(find_cell(
            tasks,
            "raw",
            find_one::<RawDocumentBuf, mongodb::bson::RawDocumentBuf>,
        ));
    }
    cells.push(Trial::new("insert_one", insert_one).bound(Metric::Cpu, small_cpu()));
    cells.push(Trial::new("update_one", update_one).bound(Metric::Cpu, small_cpu()));
    cells
}

/// A cell in which this many tasks find a document each time.
fn find_cell(tasks: usize, form: &str, find: fn(&Setup, usize) -> Vec<Contender>) -> Trial {
    let plural = if tasks == 1 { "" } else { "s" };
    Trial::new(format!("find_one, {tasks} task{plural}, {form}"), move |setup| find(setup, tasks))
        .multiple(tasks as u64)
        .bound(Metric::Cpu, small_cpu())
}

/// The bounds of every small operation's processor time.
pub(super) fn small_cpu() -> [Bound; 2] {
    [Bound::must("official", 0.40), Bound::aim("official", 0.25)]
}

fn ping(setup: &Setup) -> Vec<Contender> {
    let (ours, official) = (setup.ours.database("admin"), setup.official.database("admin"));
    let ours = work(move |_, ops| {
        let db = ours.clone();
        async move {
            for _ in 0..ops {
                db.run_command(doc! { "ping": 1 }).await.expect("a server answers a ping");
            }
        }
    });
    let official = work(move |_, ops| {
        let db = official.clone();
        async move {
            for _ in 0..ops {
                db.run_command(mongodb::bson::doc! { "ping": 1 })
                    .await
                    .expect("a server answers a ping");
            }
        }
    });
    vec![
        Contender::tasks("driver", &setup.runtime, 1, ours),
        Contender::tasks("official", &setup.runtime, 1, official),
        floor(setup, 1, Request::new(doc! { "ping": 1 }, "admin")),
    ]
}

/// Fills the collection of the cells.
pub(super) fn monkeys(setup: &Setup) {
    let monkey = |i| {
        let breaths = i64::from(i) * 7;
        doc! { "_id": i, "name": format!("Mabel {i}"), "breaths": breaths, "weight": 3.25 }
    };
    setup.fill(NAME, (0..COUNT).map(monkey).collect());
}

/// Finds documents as `T`, and as `U` with the official crate.
fn find_one<T, U>(setup: &Setup, tasks: usize) -> Vec<Contender>
where
    T: DeserializeOwned + Send + Sync + 'static,
    U: DeserializeOwned + Send + Sync + 'static,
{
    monkeys(setup);
    let at = setup.collections::<T, U>(NAME);
    let ours = work(move |task, ops| {
        let coll = at.ours.clone();
        async move {
            for i in 0..ops {
                let found =
                    coll.find_one(doc! { "_id": key(task, i) }).await.expect("the server answers");
                assert!(found.is_some());
            }
        }
    });
    let official = work(move |task, ops| {
        let coll = at.official.clone();
        async move {
            for i in 0..ops {
                let filter = mongodb::bson::doc! { "_id": key(task, i) };
                let found = coll.find_one(filter).await.expect("the server answers");
                assert!(found.is_some());
            }
        }
    });
    vec![
        Contender::tasks("driver", &setup.runtime, tasks, ours),
        Contender::tasks("official", &setup.runtime, tasks, official),
        floor(setup, tasks.min(100), find_request()),
    ]
}

pub(super) fn find_request() -> Request {
    Request::new(
        doc! { "find": NAME, "filter": { "_id": 7 }, "limit": 1_i64, "singleBatch": true },
        DB,
    )
}

pub(super) fn key(task: usize, i: u64) -> i32 {
    ((task as u64 * 31 + i) % COUNT as u64) as i32
}

fn insert_one(setup: &Setup) -> Vec<Contender> {
    let name = "inserted";
    setup.fill(name, vec![doc! {}]);
    let at = setup.collections::<Document, mongodb::bson::Document>(name);
    let ours = work(move |_, ops| {
        let coll = at.ours.clone();
        async move {
            for i in 0..ops {
                let document = doc! { "name": "Mabel", "breath": i as i64, "weight": 3.25 };
                coll.insert_one(document).await.expect("the server takes a document");
            }
        }
    });
    let official = work(move |_, ops| {
        let coll = at.official.clone();
        async move {
            for i in 0..ops {
                let document =
                    mongodb::bson::doc! { "name": "Mabel", "breath": i as i64, "weight": 3.25 };
                coll.insert_one(document).await.expect("the server takes a document");
            }
        }
    });
    let request =
        Request::insert(name, doc! { "name": "Mabel", "breath": 1_i64, "weight": 3.25 }, DB);
    vec![
        Contender::tasks("driver", &setup.runtime, 1, ours),
        Contender::tasks("official", &setup.runtime, 1, official),
        floor(setup, 1, request),
    ]
}

fn update_one(setup: &Setup) -> Vec<Contender> {
    monkeys(setup);
    let at = setup.collections::<Document, mongodb::bson::Document>(NAME);
    let ours = work(move |_, ops| {
        let coll = at.ours.clone();
        async move {
            for i in 0..ops {
                let (filter, update) =
                    (doc! { "_id": key(0, i) }, doc! { "$inc": { "breaths": 1_i64 } });
                coll.update_one(filter, update).await.expect("the server changes a document");
            }
        }
    });
    let official = work(move |_, ops| {
        let coll = at.official.clone();
        async move {
            for i in 0..ops {
                use mongodb::bson::doc;
                let (filter, update) =
                    (doc! { "_id": key(0, i) }, doc! { "$inc": { "breaths": 1_i64 } });
                coll.update_one(filter, update).await.expect("the server changes a document");
            }
        }
    });
    vec![
        Contender::tasks("driver", &setup.runtime, 1, ours),
        Contender::tasks("official", &setup.runtime, 1, official),
        floor(setup, 1, update_request()),
    ]
}

pub(super) fn update_request() -> Request {
    let update = doc! { "q": { "_id": 7 }, "u": { "$inc": { "breaths": 1_i64 } } };
    Request::new(doc! { "update": NAME, "updates": [update] }, DB)
}

/// Bare sockets, one per task. They stay open between slices.
pub(super) fn floor(setup: &Setup, tasks: usize, request: Request) -> Contender {
    let open = |_| {
        let bare = setup.runtime.block_on(Bare::connect(&setup.primary));
        Arc::new(Mutex::new(Some((bare, request.in_new_session()))))
    };
    let sockets: Arc<[_]> = (0..tasks).map(open).collect();
    let work: Work = Arc::new(move |task, ops| {
        let place = Arc::clone(&sockets[task]);
        async move {
            let taken = place.lock().expect("nobody panicked").take();
            let (mut bare, mut request) = taken.expect("one task uses it at a time");
            for _ in 0..ops {
                bare.round_trip(&mut request).await;
            }
            *place.lock().expect("nobody panicked") = Some((bare, request));
        }
        .boxed()
    });
    Contender::tasks("floor", &setup.runtime, tasks, work)
}
