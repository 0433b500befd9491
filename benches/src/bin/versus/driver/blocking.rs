//! The blocking API: the same operations on the calling thread.
//!
//! Its floor is a blocking socket. Its peer is the async API of the official crate, because the
//! blocking API of that crate calls `block_on` on its async API.

use super::floor::{BareBlocking, Request};
use super::measure::{Contender, work};
use super::setup::{DB, Setup};
use super::small::{NAME, find_request, key, monkeys, update_request};
use super::{Metric, Trial, small};
use benches::bound::Bound;
use driver::bson::{Document, RawDocumentBuf, doc};
use std::sync::Arc;
use std::time::{Duration, Instant};

const MANY: i32 = 50_000;

pub(super) fn cells() -> Vec<Trial> {
    vec![
        Trial::new("blocking ping", ping).bound(Metric::Cpu, small::small_cpu()),
        Trial::new("blocking find_one", find_one)
            .bound(Metric::Wall, [Bound::must("floor", 1.15), Bound::aim("floor", 1.05)])
            .bound(Metric::Cpu, [Bound::must("floor", 1.8), Bound::aim("floor", 1.3)])
            .bound(Metric::Cpu, small::small_cpu()),
        Trial::new("blocking find_one, beside a floor that pauses", find_one_and_pauses),
        Trial::new("blocking insert_one", insert_one).bound(Metric::Cpu, small::small_cpu()),
        Trial::new("blocking update_one", update_one).bound(Metric::Cpu, small::small_cpu()),
        Trial::new("blocking insert_many 50,000", insert_many)
            .bound(Metric::Cpu, [Bound::must("official", 0.7), Bound::aim("official", 0.5)]),
        Trial::new("blocking find 50,000, raw", find)
            .bound(Metric::Cpu, [Bound::must("official", 0.7), Bound::aim("official", 0.4)]),
    ]
}

/// The request, sent and answered on one bare socket.
fn floor(setup: &Setup, mut request: Request) -> Contender {
    let mut bare = BareBlocking::connect(&setup.primary);
    Contender::blocking("floor", move |ops| {
        for _ in 0..ops {
            bare.round_trip(&mut request);
        }
    })
}

/// The contender of the official crate: runs `$operation` once for each number `$i`.
macro_rules! official {
    ($setup:ident, |$coll:ident: $T:ty, $i:ident| $operation:expr) => {{
        let at = $setup.official.database(DB).collection::<$T>(NAME);
        let work = work(move |_, ops| {
            let $coll = at.clone();
            async move {
                for $i in 0..ops {
                    std::hint::black_box($operation.await.expect("the server answers"));
                }
            }
        });
        Contender::tasks("official", &$setup.runtime, 1, work)
    }};
}

fn ping(setup: &Setup) -> Vec<Contender> {
    let db = setup.blocking.database("admin");
    let theirs = setup.official.database("admin");
    let theirs = work(move |_, ops| {
        let db = theirs.clone();
        async move {
            for _ in 0..ops {
                db.run_command(mongodb::bson::doc! { "ping": 1 })
                    .await
                    .expect("a server answers a ping");
            }
        }
    });
    vec![
        Contender::blocking("driver", move |ops| {
            for _ in 0..ops {
                db.run_command(doc! { "ping": 1 }).run().expect("a server answers a ping");
            }
        }),
        Contender::tasks("official", &setup.runtime, 1, theirs),
        floor(setup, Request::new(doc! { "ping": 1 }, "admin")),
    ]
}

fn find_one(setup: &Setup) -> Vec<Contender> {
    monkeys(setup);
    let coll: driver::sync::Collection<Document> = setup.blocking.database(DB).collection(NAME);
    vec![
        Contender::blocking("driver", move |ops| {
            for i in 0..ops {
                let found =
                    coll.find_one(doc! { "_id": key(0, i) }).run().expect("the server answers");
                assert!(found.is_some());
            }
        }),
        official!(setup, |coll: mongodb::bson::Document, i| coll
            .find_one(mongodb::bson::doc! { "_id": key(0, i) })),
        floor(setup, find_request()),
    ]
}

/// A client does some work between a reply and its next request. A floor without that work meets a
/// server whose thread is still awake, which is faster. So this cell also measures floors that
/// pause briefly.
fn find_one_and_pauses(setup: &Setup) -> Vec<Contender> {
    let pausing = |name, pause| {
        let mut bare = BareBlocking::connect(&setup.primary);
        let mut request = find_request();
        Contender::blocking(name, move |ops| {
            for _ in 0..ops {
                bare.round_trip(&mut request);
                let begun = Instant::now();
                while begun.elapsed() < pause {
                    std::hint::spin_loop();
                }
            }
        })
    };
    let mut contenders = find_one(setup);
    contenders.retain(|contender| contender.name != "official");
    contenders.push(pausing("floor that pauses 2 us", Duration::from_micros(2)));
    contenders.push(pausing("floor that pauses 4 us", Duration::from_micros(4)));
    contenders
}

fn insert_one(setup: &Setup) -> Vec<Contender> {
    setup.fill(NAME, vec![doc! {}]);
    let coll: driver::sync::Collection<Document> = setup.blocking.database(DB).collection(NAME);
    let request =
        Request::insert(NAME, doc! { "name": "Mabel", "breath": 1_i64, "weight": 3.25 }, DB);
    vec![
        Contender::blocking("driver", move |ops| {
            for i in 0..ops {
                let document = doc! { "name": "Mabel", "breath": i as i64, "weight": 3.25 };
                coll.insert_one(document).run().expect("the server takes a document");
            }
        }),
        official!(setup, |coll: mongodb::bson::Document, i| coll.insert_one(
            mongodb::bson::doc! { "name": "Mabel", "breath": i as i64, "weight": 3.25 }
        )),
        floor(setup, request),
    ]
}

fn update_one(setup: &Setup) -> Vec<Contender> {
    monkeys(setup);
    let coll: driver::sync::Collection<Document> = setup.blocking.database(DB).collection(NAME);
    vec![
        Contender::blocking("driver", move |ops| {
            for i in 0..ops {
                let (filter, update) =
                    (doc! { "_id": key(0, i) }, doc! { "$inc": { "breaths": 1_i64 } });
                coll.update_one(filter, update).run().expect("the server changes a document");
            }
        }),
        official!(setup, |coll: mongodb::bson::Document, i| coll.update_one(
            mongodb::bson::doc! { "_id": key(0, i) },
            mongodb::bson::doc! { "$inc": { "breaths": 1_i64 } }
        )),
        floor(setup, update_request()),
    ]
}

fn insert_many(setup: &Setup) -> Vec<Contender> {
    setup.fill(NAME, vec![doc! {}]);
    let documents: Vec<Document> = (0..MANY)
        .map(|i| doc! { "name": format!("Mabel {i}"), "breaths": i64::from(i) * 7, "weight": 3.25 })
        .collect();
    let theirs: Arc<[mongodb::bson::Document]> = (0..MANY)
        .map(|i| {
            let breaths = i64::from(i) * 7;
            mongodb::bson::doc! {
                "name": format!("Mabel {i}"), "breaths": breaths, "weight": 3.25,
            }
        })
        .collect();
    let coll: driver::sync::Collection<Document> = setup.blocking.database(DB).collection(NAME);
    let at = setup.official.database(DB).collection::<mongodb::bson::Document>(NAME);
    let official = work(move |_, ops| {
        let (coll, documents) = (at.clone(), Arc::clone(&theirs));
        async move {
            for _ in 0..ops {
                coll.insert_many(documents.iter()).await.expect("the server takes documents");
            }
        }
    });
    vec![
        Contender::blocking("driver", move |ops| {
            for _ in 0..ops {
                coll.insert_many(documents.iter()).run().expect("the server takes documents");
            }
        }),
        Contender::tasks("official", &setup.runtime, 1, official),
    ]
}

fn find(setup: &Setup) -> Vec<Contender> {
    let document = |i| {
        let breaths = i64::from(i) * 7;
        doc! { "_id": i, "name": format!("Mabel {i}"), "breaths": breaths, "weight": 3.25 }
    };
    setup.fill(NAME, (0..MANY).map(document).collect());
    let coll: driver::sync::Collection<RawDocumentBuf> =
        setup.blocking.database(DB).collection(NAME);
    let at = setup.official.database(DB).collection::<mongodb::bson::RawDocumentBuf>(NAME);
    let official = work(move |_, ops| {
        let coll = at.clone();
        async move {
            for _ in 0..ops {
                let mut cursor =
                    coll.find(mongodb::bson::doc! {}).await.expect("the server answers");
                let mut n = 0;
                while cursor.advance().await.expect("the server has more") {
                    std::hint::black_box(cursor.current().as_bytes().len());
                    n += 1;
                }
                assert_eq!(n, MANY);
            }
        }
    });
    vec![
        Contender::blocking("driver", move |ops| {
            for _ in 0..ops {
                let mut cursor = coll.find(doc! {}).run().expect("the server answers");
                let mut n = 0;
                while cursor.advance().expect("the server has more") {
                    std::hint::black_box(cursor.current().as_bytes().len());
                    n += 1;
                }
                assert_eq!(n, MANY);
            }
        }),
        Contender::tasks("official", &setup.runtime, 1, official),
    ]
}
