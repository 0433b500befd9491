//! Import and export of files with one JSON document per line: "LDJSON multi-file import" and
//! "export" of the specification "Performance Benchmarking".
//!
//! The files are those of that specification, with 5000 documents of about 1 KB each. They come
//! from `parallel.tgz` in the folder `MONGODB_BENCHMARK_DATA`, by default
//! `../shared/benchmark-data`. An operation processes [`FILES`] of its hundred files, one per
//! worker at a time. Reading, parsing and printing JSON is part of it, and each client uses its own
//! version of `bson`.

use super::Trial;
use super::measure::{Contender, work};
use super::setup::{DB, Setup};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of files in an operation.
const FILES: usize = 10;
const DOCUMENTS: usize = 5000;
const WORKERS: usize = 4;

pub(super) fn cells() -> Vec<Trial> {
    let cell = |what: &str, make: fn(&Setup) -> Vec<Contender>| {
        Trial::new(format!("LDJSON {what}, {FILES} files of 5,000 documents"), make)
            .at_most_rounds(3)
    };
    vec![cell("import", import), cell("export", export)]
}

/// The files, unpacked into a folder. It is removed when this is dropped.
struct Corpus {
    folder: PathBuf,
    files: Vec<PathBuf>,
}

impl Corpus {
    /// `None` if there is no archive, or it cannot be unpacked.
    fn unpack() -> Option<Self> {
        let named = std::env::var_os("MONGODB_BENCHMARK_DATA").map(PathBuf::from);
        let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/benchmark-data");
        let archive = named.unwrap_or_else(default).join("parallel.tgz");
        if !archive.is_file() {
            return None;
        }
        let folder = std::env::temp_dir().join(format!("versus-ldjson-{}", std::process::id()));
        std::fs::create_dir_all(&folder).ok()?;
        let names: Vec<String> =
            (0..FILES).map(|i| format!("parallel/ldjson_multi/ldjson{i:03}.txt")).collect();
        let files = names.iter().map(|name| folder.join(name)).collect();
        let corpus = Corpus { folder, files };
        let status = Command::new("tar")
            .arg("-xzf")
            .arg(&archive)
            .arg("-C")
            .arg(&corpus.folder)
            .args(&names)
            .status();
        status.is_ok_and(|status| status.success()).then_some(corpus)
    }
}

impl Drop for Corpus {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Spreads the numbers below `FILES` over one task per worker.
async fn each_file<F>(one: impl Fn(usize) -> F + Clone + Send + Sync + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    let next = Arc::new(AtomicUsize::new(0));
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let (one, next) = (one.clone(), Arc::clone(&next));
            tokio::spawn(async move {
                loop {
                    let file = next.fetch_add(1, Ordering::Relaxed);
                    if file >= FILES {
                        return;
                    }
                    one(file).await;
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.expect("no worker panics");
    }
}

fn parse<D: serde::de::DeserializeOwned>(path: &Path) -> Vec<D> {
    let text = std::fs::read_to_string(path).expect("the file was unpacked");
    text.lines().map(|line| serde_json::from_str(line).expect("each line is a document")).collect()
}

fn print<D: serde::Serialize>(documents: &[D], path: &Path) {
    let mut text = Vec::new();
    for document in documents {
        serde_json::to_writer(&mut text, document).expect("a document has a JSON form");
        text.push(b'\n');
    }
    std::fs::write(path, text).expect("the folder takes a file");
}

const IMPORTED: &str = "ldjson_imported";
const EXPORTED: &str = "ldjson_exported";

fn import(setup: &Setup) -> Vec<Contender> {
    let Some(corpus) = Corpus::unpack().map(Arc::new) else { return Vec::new() };
    macro_rules! contender {
        ($name:literal, $client:expr, $Document:ty) => {{
            let (db, corpus) = ($client.database(DB), Arc::clone(&corpus));
            let work = work(move |_, ops| {
                let (coll, corpus) = (db.collection::<$Document>(IMPORTED), Arc::clone(&corpus));
                async move {
                    for _ in 0..ops {
                        coll.drop().await.expect("a collection can be dropped");
                        let (coll, corpus) = (coll.clone(), Arc::clone(&corpus));
                        each_file(move |file| {
                            let (coll, corpus) = (coll.clone(), Arc::clone(&corpus));
                            async move {
                                let documents: Vec<$Document> = parse(&corpus.files[file]);
                                coll.insert_many(documents)
                                    .ordered(false)
                                    .await
                                    .expect("they are new");
                            }
                        })
                        .await;
                    }
                }
            });
            Contender::tasks($name, &setup.runtime, 1, work)
        }};
    }
    vec![
        contender!("driver", setup.ours, driver::bson::Document),
        contender!("official", setup.official, mongodb::bson::Document),
    ]
}

fn export(setup: &Setup) -> Vec<Contender> {
    let Some(corpus) = Corpus::unpack().map(Arc::new) else { return Vec::new() };
    let documents = corpus.files.iter().enumerate().flat_map(|(file, path)| {
        let mut documents: Vec<driver::bson::Document> = parse(path);
        documents.iter_mut().for_each(|document| drop(document.insert("file", file as i32)));
        documents
    });
    setup.fill(EXPORTED, documents.collect());
    let db = setup.ours.database(DB);
    let indexed = db.run_command(driver::bson::doc! {
        "createIndexes": EXPORTED, "indexes": [{ "key": { "file": 1 }, "name": "file_1" }],
    });
    setup.runtime.block_on(indexed.into_future()).expect("the server makes an index");
    macro_rules! contender {
        ($name:literal, $client:expr, $Document:ty, $doc:path) => {{
            use $doc as doc;
            let (db, corpus) = ($client.database(DB), Arc::clone(&corpus));
            let work = work(move |_, ops| {
                let (coll, corpus) = (db.collection::<$Document>(EXPORTED), Arc::clone(&corpus));
                async move {
                    for _ in 0..ops {
                        let (coll, corpus) = (coll.clone(), Arc::clone(&corpus));
                        each_file(move |file| {
                            let (coll, corpus) = (coll.clone(), Arc::clone(&corpus));
                            async move {
                                let mut documents = Vec::with_capacity(DOCUMENTS);
                                let mut cursor = coll
                                    .find(doc! { "file": file as i32 })
                                    .await
                                    .expect("the server answers");
                                while cursor.advance().await.expect("the server has more") {
                                    documents.push(
                                        cursor.deserialize_current().expect("it is a document"),
                                    );
                                }
                                assert_eq!(documents.len(), DOCUMENTS);
                                let name = format!("{}{file:03}.txt", $name);
                                print::<$Document>(&documents, &corpus.folder.join(name));
                            }
                        })
                        .await;
                    }
                }
            });
            Contender::tasks($name, &setup.runtime, 1, work)
        }};
    }
    vec![
        contender!("driver", setup.ours, driver::bson::Document, driver::bson::doc),
        contender!("official", setup.official, mongodb::bson::Document, mongodb::bson::doc),
    ]
}
