//! Operations beside the small ones: bulk writes, `find_one_and_update`, aggregations, indexes,
//! change streams, and cursors over a slow connection.

use super::floor::Request;
use super::measure::{Contender, Work, work};
use super::setup::{DB, Setup, with_option};
use super::small::{NAME, floor, monkeys, small_cpu};
use super::{Metric, Trial};
use benches::bound::Bound;
use driver::IndexModel;
use driver::bson::{Document, doc};
use driver::options::{CursorType, DeleteOneModel, InsertOneModel, UpdateOneModel, WriteModel};
use std::sync::Arc;
use std::time::Duration;
use testbed::{Direction, Fault, Proxy};

/// The models of one bulk write.
const MODELS: i32 = 100_000;
/// The events of one change stream.
const EVENTS: i32 = 20_000;
/// The number of documents that are read over a slow connection, and of those in a batch.
const SLOW: i32 = 1_000_000;
const BATCH: u32 = 1000;

pub(super) fn cells() -> Vec<Trial> {
    vec![
        Trial::new("bulk_write of 100,000 mixed models", bulk_write)
            .bound(Metric::Cpu, [Bound::must("official", 0.6)])
            .at_most_rounds(5),
        Trial::new("find_one_and_update", find_one_and_update).bound(Metric::Cpu, small_cpu()),
        Trial::new("aggregate", aggregate).bound(Metric::Cpu, small_cpu()),
        Trial::new("create_index", create_index).bound(Metric::Cpu, small_cpu()),
        Trial::new("change stream, 20,000 events", change_stream)
            .bound(Metric::Cpu, [Bound::must("official", 0.5)])
            .at_most_rounds(5),
        Trial::new("find 1,000,000, prefetch, 1 ms of delay", prefetch)
            .bound(Metric::Wall, [Bound::must("no prefetch", 1.0)])
            .at_most_rounds(5),
    ]
}

/// The driver, the official crate, and the bytes of `command` on a bare socket.
fn with_floor(setup: &Setup, ours: Work, official: Work, command: Document) -> Vec<Contender> {
    let mut contenders = pair(setup, ours, official);
    contenders.push(floor(setup, 1, Request::new(command, DB)));
    contenders
}

fn pair(setup: &Setup, ours: Work, official: Work) -> Vec<Contender> {
    vec![
        Contender::tasks("driver", &setup.runtime, 1, ours),
        Contender::tasks("official", &setup.runtime, 1, official),
    ]
}

/// Half of the models insert, a quarter update, a quarter delete. A program collects all of them
/// before it sends any. The official crate has no bulk write for this server, so it collects one
/// list for each kind, inserts, and then sends the other statements by `run_command`. The floors
/// only build the models, or the lists, and drop them.
fn bulk_write(setup: &Setup) -> Vec<Contender> {
    const STATEMENTS: i32 = MODELS / 4;
    setup.fill("bulk_mixed", (0..1000).map(|i| doc! { "_id": i, "n": 0 }).collect());
    let at = setup.collections::<Document, mongodb::bson::Document>("bulk_mixed");
    let official = setup.official.database(DB);
    let ours = work(move |_, ops| {
        let coll = at.ours.clone();
        async move {
            for _ in 0..ops {
                let done = coll.bulk_write(mixed_models(STATEMENTS)).ordered(false).await;
                assert_eq!(done.expect("the server writes").matched_count, STATEMENTS as u64);
            }
        }
    });
    let floor = work(move |_, ops| async move {
        for _ in 0..ops {
            drop(std::hint::black_box(mixed_models(STATEMENTS)));
        }
    });
    let official = work(move |_, ops| {
        let (coll, db) = (at.official.clone(), official.clone());
        async move {
            use mongodb::bson::{Document, doc};
            for _ in 0..ops {
                let [documents, updates, deletes] = mixed_statements(STATEMENTS);
                coll.insert_many(documents).ordered(false).await.expect("the server writes");
                let command = |name: &str, list: &str, statements: Vec<Document>| {
                    doc! { name: "bulk_mixed", list: statements, "ordered": false }
                };
                let update = command("update", "updates", updates);
                db.run_command(update).await.expect("the server writes");
                let delete = command("delete", "deletes", deletes);
                db.run_command(delete).await.expect("the server writes");
            }
        }
    });
    let statements = work(move |_, ops| async move {
        for _ in 0..ops {
            drop(std::hint::black_box(mixed_statements(STATEMENTS)));
        }
    });
    let mut contenders = pair(setup, ours, official);
    contenders.push(Contender::tasks("floor", &setup.runtime, 1, floor));
    contenders.push(Contender::tasks("floor of the official crate", &setup.runtime, 1, statements));
    contenders
}

/// The same for the official crate: the documents to insert, the updates, the deletes.
fn mixed_statements(statements: i32) -> [Vec<mongodb::bson::Document>; 3] {
    use mongodb::bson::doc;
    let (mut documents, mut updates, mut deletes) = (vec![], vec![], vec![]);
    for i in 0..statements {
        for n in [2 * i, 2 * i + 1] {
            documents.push(doc! { "name": format!("Mabel {n}"), "weight": 3.25 });
        }
        let (filter, update) = (doc! { "_id": i % 1000 }, doc! { "$inc": { "n": 1 } });
        updates.push(doc! { "q": filter, "u": update });
        deletes.push(doc! { "q": { "_id": -1 }, "limit": 1 });
    }
    [documents, updates, deletes]
}

/// `statements` updates, as many deletes, and twice as many inserts.
fn mixed_models(statements: i32) -> Vec<WriteModel> {
    let mut models = Vec::with_capacity(4 * statements as usize);
    for i in 0..statements {
        for n in [2 * i, 2 * i + 1] {
            let document = doc! { "name": format!("Mabel {n}"), "weight": 3.25 };
            models.push(InsertOneModel::new(document).into());
        }
        let (filter, update) = (doc! { "_id": i % 1000 }, doc! { "$inc": { "n": 1 } });
        models.push(UpdateOneModel::new(filter, update).into());
        models.push(DeleteOneModel::new(doc! { "_id": -1 }).into());
    }
    models
}

fn find_one_and_update(setup: &Setup) -> Vec<Contender> {
    monkeys(setup);
    let at = setup.collections::<Document, mongodb::bson::Document>(NAME);
    let ours = work(move |_, ops| {
        let coll = at.ours.clone();
        async move {
            for i in 0..ops {
                let filter = doc! { "_id": (i % 1000) as i32 };
                let found = coll.find_one_and_update(filter, doc! { "$inc": { "breaths": 1_i64 } });
                assert!(found.await.expect("the server changes a document").is_some());
            }
        }
    });
    let official = work(move |_, ops| {
        let coll = at.official.clone();
        async move {
            use mongodb::bson::doc;
            for i in 0..ops {
                let filter = doc! { "_id": (i % 1000) as i32 };
                let found = coll.find_one_and_update(filter, doc! { "$inc": { "breaths": 1_i64 } });
                assert!(found.await.expect("the server changes a document").is_some());
            }
        }
    });
    let command = doc! {
        "findAndModify": NAME, "query": { "_id": 7 }, "update": { "$inc": { "breaths": 1_i64 } },
    };
    with_floor(setup, ours, official, command)
}

fn aggregate(setup: &Setup) -> Vec<Contender> {
    monkeys(setup);
    let at = setup.collections::<Document, mongodb::bson::Document>(NAME);
    let ours = work(move |_, ops| {
        let coll = at.ours.clone();
        async move {
            for i in 0..ops {
                let found = doc! { "$match": { "_id": (i % 1000) as i32 } };
                let pipeline = [found, doc! { "$project": { "name": 1 } }];
                let mut cursor = coll.aggregate(pipeline).await.expect("the server answers");
                assert!(cursor.advance().await.expect("the document is here"));
            }
        }
    });
    let official = work(move |_, ops| {
        let coll = at.official.clone();
        async move {
            use mongodb::bson::doc;
            for i in 0..ops {
                let found = doc! { "$match": { "_id": (i % 1000) as i32 } };
                let pipeline = [found, doc! { "$project": { "name": 1 } }];
                let mut cursor = coll.aggregate(pipeline).await.expect("the server answers");
                assert!(cursor.advance().await.expect("the document is here"));
            }
        }
    });
    let stages = [doc! { "$match": { "_id": 7 } }, doc! { "$project": { "name": 1 } }];
    let command = doc! { "aggregate": NAME, "pipeline": stages.to_vec(), "cursor": {} };
    with_floor(setup, ours, official, command)
}

/// The index exists, so the server has little to do.
fn create_index(setup: &Setup) -> Vec<Contender> {
    monkeys(setup);
    let at = setup.collections::<Document, mongodb::bson::Document>(NAME);
    let index = IndexModel::builder().keys(doc! { "name": 1 }).build();
    let created = setup.runtime.block_on(async { at.ours.create_index(index).await });
    created.expect("the server creates an index");
    let ours = work(move |_, ops| {
        let coll = at.ours.clone();
        async move {
            for _ in 0..ops {
                let index = IndexModel::builder().keys(doc! { "name": 1 }).build();
                coll.create_index(index).await.expect("the server has the index");
            }
        }
    });
    let official = work(move |_, ops| {
        let coll = at.official.clone();
        async move {
            for _ in 0..ops {
                let keys = mongodb::bson::doc! { "name": 1 };
                let index = mongodb::IndexModel::builder().keys(keys).build();
                coll.create_index(index).await.expect("the server has the index");
            }
        }
    });
    let index = doc! { "key": { "name": 1 }, "name": "name_1" };
    let command = doc! { "createIndexes": NAME, "indexes": [index] };
    with_floor(setup, ours, official, command)
}

/// The events are written once. Each operation reads all of them.
fn change_stream(setup: &Setup) -> Vec<Contender> {
    let db = setup.ours.database(DB);
    let reply = setup.runtime.block_on(async { db.run_command(doc! { "ping": 1 }).await });
    let reply = reply.expect("a server answers a ping");
    let begin = reply.get_timestamp("operationTime").expect("a member tells the time");
    setup.fill("watched", (0..EVENTS).map(|i| doc! { "name": format!("Mabel {i}") }).collect());
    let at = setup.collections::<Document, mongodb::bson::Document>("watched");
    let inserted = doc! { "$match": { "operationType": "insert" } };
    let ours = work(move |_, ops| {
        let (coll, inserted) = (at.ours.clone(), inserted.clone());
        async move {
            for _ in 0..ops {
                let watch = coll.watch().pipeline([inserted.clone()]);
                let watch = watch.start_at_operation_time(begin).await;
                let mut stream = watch.expect("the server opens a stream");
                for _ in 0..EVENTS {
                    let event = stream.next().await.expect("there is an event");
                    std::hint::black_box(event.expect("it is one"));
                }
            }
        }
    });
    let official = work(move |_, ops| {
        let coll = at.official.clone();
        async move {
            use futures_util::StreamExt;
            use mongodb::bson::{Timestamp, doc};
            let begin = Timestamp { time: begin.time, increment: begin.increment };
            for _ in 0..ops {
                let watch =
                    coll.watch().pipeline([doc! { "$match": { "operationType": "insert" } }]);
                let watch = watch.start_at_operation_time(begin).await;
                let mut stream = watch.expect("the server opens a stream");
                for _ in 0..EVENTS {
                    let event = stream.next().await.expect("there is an event");
                    std::hint::black_box(event.expect("it is one"));
                }
            }
        }
    });
    pair(setup, ours, official)
}

/// The way in which a cursor fetches its batches.
#[derive(Clone, Copy)]
enum Fetch {
    WhenNeeded,
    Ahead,
    Unasked,
}

/// Reads the collection over a connection that delays all bytes by a millisecond, and decodes each
/// document, so that there is work while the next batch is on its way.
fn prefetch(setup: &Setup) -> Vec<Contender> {
    setup.fill("slow", (0..SLOW).map(|i| doc! { "_id": i, "n": i }).collect());
    let proxy = Arc::new(Proxy::start(&setup.primary).expect("a proxy can be started"));
    proxy.set(Direction::ToClient, Fault::Delay(Duration::from_millis(1)));
    let uri = with_option(&proxy.uri(), "directConnection", "true");
    let client = setup.runtime.block_on(driver::Client::with_uri_str(&uri));
    let client = client.expect("the proxy leads to a server");
    let reader = |name, fetch: Fetch| {
        let (client, proxy) = (client.clone(), Arc::clone(&proxy));
        let read = work(move |_, ops| {
            let coll = client.database(DB).collection::<Document>("slow");
            let proxy = Arc::clone(&proxy);
            async move {
                for _ in 0..ops {
                    let find = coll.find(doc! {}).batch_size(BATCH);
                    let find = match fetch {
                        Fetch::WhenNeeded => find,
                        Fetch::Ahead => find.prefetch(true),
                        Fetch::Unasked => find.cursor_type(CursorType::Exhaust),
                    };
                    let mut cursor = find.await.expect("the server answers");
                    let mut count = 0;
                    while cursor.advance().await.expect("the server has more") {
                        let document = cursor.deserialize_current().expect("it is a document");
                        std::hint::black_box(document);
                        count += 1;
                    }
                    assert_eq!(count, SLOW);
                }
                drop(proxy);
            }
        });
        Contender::tasks(name, &setup.runtime, 1, read)
    };
    vec![
        reader("driver", Fetch::Ahead),
        reader("no prefetch", Fetch::WhenNeeded),
        reader("exhaust", Fetch::Unasked),
    ]
}
