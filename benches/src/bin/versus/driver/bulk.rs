//! Many documents, and large ones.

use super::measure::{Contender, work};
use super::setup::Setup;
use super::{Metric, Trial};
use benches::bound::Bound;
use driver::bson::{Document, RawDocumentBuf, doc};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const COUNT: i32 = 50_000;
const NAME: &str = "bulk";

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Monkey {
    #[serde(rename = "_id")]
    id: i32,
    name: String,
    breaths: i64,
    weight: f64,
}

pub(super) fn cells() -> Vec<Trial> {
    let find = |what: &str, make: fn(&Setup) -> Vec<Contender>, must: f64, aim: f64| {
        Trial::new(format!("find 50,000, {what}"), make)
            .bound(Metric::Cpu, [Bound::must("official", must), Bound::aim("official", aim)])
    };
    vec![
        Trial::new("insert_many 50,000", insert_many)
            .bound(Metric::Cpu, [Bound::must("official", 0.7), Bound::aim("official", 0.5)]),
        find("raw", find_raw, 0.7, 0.4),
        find("struct", find_struct, 0.5, 0.35),
        Trial::new("find 50,000, Document", find_document),
        Trial::new("insert_one, 2.5 MB", insert_large),
        Trial::new("find_one, 2.5 MB", find_large),
    ]
}

fn small(i: i32) -> Document {
    doc! { "_id": i, "name": format!("Mabel {i}"), "breaths": i64::from(i) * 7, "weight": 3.25 }
}

fn insert_many(setup: &Setup) -> Vec<Contender> {
    let at = setup.collections::<Document, mongodb::bson::Document>("bulk_inserted");
    setup.fill("bulk_inserted", vec![doc! {}]);
    let documents: Arc<[Document]> = (0..COUNT)
        .map(|i| doc! { "name": format!("Mabel {i}"), "breaths": i64::from(i) * 7, "weight": 3.25 })
        .collect();
    let theirs: Arc<[mongodb::bson::Document]> = (0..COUNT)
        .map(|i| {
            let breaths = i64::from(i) * 7;
            mongodb::bson::doc! {
                "name": format!("Mabel {i}"), "breaths": breaths, "weight": 3.25,
            }
        })
        .collect();
    let ours = work(move |_, ops| {
        let (coll, documents) = (at.ours.clone(), Arc::clone(&documents));
        async move {
            for _ in 0..ops {
                coll.insert_many(documents.iter()).await.expect("the server takes documents");
            }
        }
    });
    let official = work(move |_, ops| {
        let (coll, documents) = (at.official.clone(), Arc::clone(&theirs));
        async move {
            for _ in 0..ops {
                coll.insert_many(documents.iter()).await.expect("the server takes documents");
            }
        }
    });
    vec![
        Contender::tasks("driver", &setup.runtime, 1, ours),
        Contender::tasks("official", &setup.runtime, 1, official),
    ]
}

/// One contender per client that reads the whole collection. `$look` reads each document from the
/// cursor.
macro_rules! readers {
    ($setup:ident, $ours:ty, $theirs:ty, |$cursor:ident| $look:expr) => {{
        $setup.fill(NAME, (0..COUNT).map(small).collect());
        let at = $setup.collections::<$ours, $theirs>(NAME);
        let ours = work(move |_, ops| {
            let coll = at.ours.clone();
            async move {
                for _ in 0..ops {
                    let mut $cursor = coll.find(doc! {}).await.expect("the server answers");
                    let mut n = 0;
                    while $cursor.advance().await.expect("the server has more") {
                        std::hint::black_box($look);
                        n += 1;
                    }
                    assert_eq!(n, COUNT);
                }
            }
        });
        let official = work(move |_, ops| {
            let coll = at.official.clone();
            async move {
                for _ in 0..ops {
                    let mut $cursor =
                        coll.find(mongodb::bson::doc! {}).await.expect("the server answers");
                    let mut n = 0;
                    while $cursor.advance().await.expect("the server has more") {
                        std::hint::black_box($look);
                        n += 1;
                    }
                    assert_eq!(n, COUNT);
                }
            }
        });
        vec![
            Contender::tasks("driver", &$setup.runtime, 1, ours),
            Contender::tasks("official", &$setup.runtime, 1, official),
        ]
    }};
}

fn find_raw(setup: &Setup) -> Vec<Contender> {
    readers!(setup, RawDocumentBuf, mongodb::bson::RawDocumentBuf, |cursor| cursor
        .current()
        .as_bytes()
        .len())
}

fn find_struct(setup: &Setup) -> Vec<Contender> {
    readers!(setup, Monkey, Monkey, |cursor| cursor.deserialize_current().expect("it is a monkey"))
}

fn find_document(setup: &Setup) -> Vec<Contender> {
    readers!(setup, Document, mongodb::bson::Document, |cursor| cursor
        .deserialize_current()
        .expect("it is a document"))
}

/// About 2.5 MB in many fields.
fn large() -> Document {
    (0..25_000)
        .map(|i| (format!("field{i:06}"), driver::bson::Bson::String("x".repeat(80))))
        .collect()
}

fn theirs(document: &Document) -> mongodb::bson::Document {
    let bytes = driver::bson::serialize_to_vec(document).expect("it is a document");
    mongodb::bson::Document::from_reader(&bytes[..]).expect("it is a document")
}

fn insert_large(setup: &Setup) -> Vec<Contender> {
    setup.fill("large_inserted", vec![doc! {}]);
    let at = setup.collections::<Document, mongodb::bson::Document>("large_inserted");
    let document = Arc::new(large());
    let other = Arc::new(theirs(&document));
    let ours = work(move |_, ops| {
        let (coll, document) = (at.ours.clone(), Arc::clone(&document));
        async move {
            for _ in 0..ops {
                coll.insert_one(&*document).await.expect("the server takes a document");
            }
        }
    });
    let official = work(move |_, ops| {
        let (coll, document) = (at.official.clone(), Arc::clone(&other));
        async move {
            for _ in 0..ops {
                coll.insert_one(&*document).await.expect("the server takes a document");
            }
        }
    });
    vec![
        Contender::tasks("driver", &setup.runtime, 1, ours),
        Contender::tasks("official", &setup.runtime, 1, official),
    ]
}

fn find_large(setup: &Setup) -> Vec<Contender> {
    setup.fill("large", vec![large()]);
    let at = setup.collections::<Document, mongodb::bson::Document>("large");
    let ours = work(move |_, ops| {
        let coll = at.ours.clone();
        async move {
            for _ in 0..ops {
                assert!(coll.find_one(doc! {}).await.expect("the server answers").is_some());
            }
        }
    });
    let official = work(move |_, ops| {
        let coll = at.official.clone();
        async move {
            for _ in 0..ops {
                let found =
                    coll.find_one(mongodb::bson::doc! {}).await.expect("the server answers");
                assert!(found.is_some());
            }
        }
    });
    vec![
        Contender::tasks("driver", &setup.runtime, 1, ours),
        Contender::tasks("official", &setup.runtime, 1, official),
    ]
}
