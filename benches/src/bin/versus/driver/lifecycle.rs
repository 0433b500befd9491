//! Measurements around operations: the first result of a client, a burst on a cold pool, a set
//! compared with a standalone, cancellation, memory.

use super::burst;
use super::measure::{Contender, work};
use super::setup::{DB, Setup, with_option};
use super::{Metric, Trial};
use benches::bound::Bound;
use benches::round::Figures;
use driver::bson::{Document, doc};
use std::sync::Arc;
use testbed::Standalone;

const NAME: &str = "life";

pub(super) fn cells() -> Vec<Trial> {
    vec![
        Trial::new("cold start to first result", cold_start),
        Trial::new("burst of 80 tasks on a cold pool", burst::cell)
            .bound(Metric::Wall, [Bound::must("official", 0.7), Bound::aim("official", 0.5)]),
        Trial::new("find_one, set against standalone", set_and_standalone)
            .bound(Metric::Cpu, [Bound::must("standalone", 1.05), Bound::aim("standalone", 1.0)]),
        Trial::new("transaction of two inserts", transaction)
            .bound(Metric::Cpu, [Bound::must("official", 0.45)]),
        Trial::exact("10,000 operations, half cancelled: connections opened", "", cancelled).bound(
            Metric::Exact,
            [
                Bound::must_be(100.0),
                Bound { weight: benches::bound::Weight::Aim, ..Bound::must_be(10.0) },
            ],
        ),
        Trial::exact("memory of 1000 tasks on 100 connections", "kB", memory)
            .bound(Metric::Exact, [Bound::must("official", 0.6), Bound::aim("official", 0.4)]),
    ]
}

/// A transaction from its start to its commit. Its closure inserts two documents.
fn transaction(setup: &Setup) -> Vec<Contender> {
    let name = "transacted";
    setup.fill(name, vec![doc! {}]);
    let at = setup.collections::<Document, mongodb::bson::Document>(name);
    let (client, same) = (setup.ours.clone(), setup.official.clone());
    let ours = work(move |_, ops| {
        let (client, coll) = (client.clone(), at.ours.clone());
        async move {
            let mut session = client.start_session().await.expect("a session is at hand");
            for i in 0..ops {
                let body = async |session: &mut driver::ClientSession| {
                    for breath in [i as i64, -(i as i64)] {
                        let document = doc! { "name": "Mabel", "breath": breath, "weight": 3.25 };
                        coll.insert_one(document).session(&mut *session).await?;
                    }
                    Ok::<_, driver::Error>(())
                };
                session.start_transaction().and_run2(body).await.expect("the server commits");
            }
        }
    });
    let official = work(move |_, ops| {
        let (client, coll) = (same.clone(), at.official.clone());
        async move {
            use mongodb::bson::doc;
            let mut session = client.start_session().await.expect("a session is at hand");
            for i in 0..ops {
                // The future of its and_run2 cannot be spawned with what the closure borrows.
                let transaction = session.start_transaction().and_run(
                    (coll.clone(), i as i64),
                    |session, (coll, i)| {
                        Box::pin(async move {
                            for breath in [*i, -*i] {
                                let document =
                                    doc! { "name": "Mabel", "breath": breath, "weight": 3.25 };
                                coll.insert_one(document).session(&mut *session).await?;
                            }
                            Ok(())
                        })
                    },
                );
                transaction.await.expect("the server commits");
            }
        }
    });
    vec![
        Contender::tasks("driver", &setup.runtime, 1, ours),
        Contender::tasks("official", &setup.runtime, 1, official),
    ]
}

fn cold_start(setup: &Setup) -> Vec<Contender> {
    setup.fill(NAME, vec![doc! { "_id": 1 }]);
    let (uri, same) = (setup.uri.clone(), setup.uri.clone());
    let ours = work(move |_, ops| {
        let uri = uri.clone();
        async move {
            for _ in 0..ops {
                let client = driver::Client::with_uri_str(&uri)
                    .await
                    .expect("the connection string is good");
                let coll = client.database(DB).collection::<Document>(NAME);
                assert!(coll.find_one(doc! {}).await.expect("the server answers").is_some());
            }
        }
    });
    let official = work(move |_, ops| {
        let uri = same.clone();
        async move {
            for _ in 0..ops {
                let client = mongodb::Client::with_uri_str(&uri)
                    .await
                    .expect("the connection string is good");
                let coll = client.database(DB).collection::<mongodb::bson::Document>(NAME);
                assert!(
                    coll.find_one(mongodb::bson::doc! {})
                        .await
                        .expect("the server answers")
                        .is_some()
                );
            }
        }
    });
    vec![
        Contender::tasks("driver", &setup.runtime, 1, ours),
        Contender::tasks("official", &setup.runtime, 1, official),
    ]
}

fn set_and_standalone(setup: &Setup) -> Vec<Contender> {
    setup.fill(NAME, vec![doc! { "_id": 1 }]);
    let standalone = Arc::new(Standalone::start().expect("a standalone can be started"));
    let client = setup.runtime.block_on(driver::Client::with_uri_str(standalone.uri()));
    let alone: driver::Collection<Document> =
        client.expect("the connection string is good").database(DB).collection(NAME);
    setup
        .runtime
        .block_on(async { alone.insert_one(doc! { "_id": 1 }).await })
        .expect("it takes a document");
    let reader = |coll: driver::Collection<Document>, server: Option<Arc<Standalone>>| {
        work(move |_, ops| {
            let (coll, server) = (coll.clone(), server.clone());
            async move {
                for _ in 0..ops {
                    assert!(
                        coll.find_one(doc! { "_id": 1 })
                            .await
                            .expect("the server answers")
                            .is_some()
                    );
                }
                drop(server);
            }
        })
    };
    let set = setup.ours.database(DB).collection(NAME);
    vec![
        Contender::tasks("driver", &setup.runtime, 1, reader(set, None)),
        Contender::tasks("standalone", &setup.runtime, 1, reader(alone, Some(standalone))),
    ]
}

/// The number of connections opened on the primary while each client ran 10,000 operations. Every
/// second operation was dropped at a random point.
fn cancelled(setup: &Setup) -> Vec<Figures> {
    const TASKS: u64 = 10;
    const EACH: u64 = 1000;
    setup.fill(NAME, vec![doc! { "_id": 1 }]);
    let at = setup.collections::<Document, mongodb::bson::Document>(NAME);
    let opened = |run: &dyn Fn()| {
        let before = connections_created(setup);
        run();
        (connections_created(setup) - before) as f64
    };
    let ours = opened(&|| {
        setup.runtime.block_on(async {
            let tasks: Vec<_> = (0..TASKS)
                .map(|_| {
                    let coll = at.ours.clone();
                    tokio::spawn(async move {
                        for i in 0..EACH {
                            let found = coll.find_one(doc! { "_id": 1 });
                            sometimes_cancelled(i, found.into_future()).await;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.expect("no task panics");
            }
        });
    });
    let official = opened(&|| {
        setup.runtime.block_on(async {
            let tasks: Vec<_> = (0..TASKS)
                .map(|_| {
                    let coll = at.official.clone();
                    tokio::spawn(async move {
                        for i in 0..EACH {
                            let found = coll.find_one(mongodb::bson::doc! { "_id": 1 });
                            sometimes_cancelled(i, found.into_future()).await;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.expect("no task panics");
            }
        });
    });
    vec![Figures::exact("driver", ours), Figures::exact("official", official)]
}

/// Runs `operation`. Every second one is dropped after a random number of polls or of turns of the
/// runtime.
async fn sometimes_cancelled<T, E: std::fmt::Debug>(
    i: u64,
    operation: impl Future<Output = Result<T, E>>,
) {
    let operation = std::pin::pin!(operation);
    if i.is_multiple_of(2) {
        operation.await.expect("the server answers");
        return;
    }
    let turns = fastrand::u32(0..20);
    let end = std::pin::pin!(async {
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    });
    futures_util::future::select(operation, end).await;
}

fn connections_created(setup: &Setup) -> i64 {
    let status = setup.runtime.block_on(async {
        setup
            .ours
            .database("admin")
            .run_command(doc! { "serverStatus": 1 })
            .await
            .expect("the server answers")
    });
    let connections = status.get_document("connections").expect("the status tells of connections");
    connections
        .get("totalCreated")
        .and_then(|n| n.as_i64().or(n.as_i32().map(i64::from)))
        .unwrap_or_default()
}

/// The environment variable that turns this program into a child that measures the memory of one
/// client.
pub(super) const PROBE: &str = "VERSUS_MEMORY_OF";

/// The memory of each client, each in its own process.
fn memory(setup: &Setup) -> Vec<Figures> {
    setup.fill(NAME, vec![doc! { "_id": 1 }]);
    let of = |who: &'static str| {
        let program = std::env::current_exe().expect("the program has a path");
        let output = std::process::Command::new(program)
            .args(["driver", "--uri", &setup.uri])
            .env(PROBE, who)
            .output()
            .expect("the program can be run again");
        let text = String::from_utf8_lossy(&output.stdout);
        let kilobytes = text.trim().parse().unwrap_or(f64::NAN);
        Figures::exact(who, kilobytes)
    };
    vec![of("driver"), of("official")]
}

/// Runs 1000 tasks over one client's pool of 100 connections. Prints the memory used, in kB.
pub(super) fn probe_memory(who: &str, uri: &str) -> Result<(), String> {
    const TASKS: usize = 1000;
    let uri = with_option(&with_option(uri, "maxPoolSize", "100"), "minPoolSize", "100");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|why| format!("no runtime: {why}"))?;
    let before = peak();
    macro_rules! run {
        ($Client:ty, $coll:ty, $doc:path) => {{
            use $doc as doc;
            let client = <$Client>::with_uri_str(&uri).await.map_err(|why| why.to_string())?;
            let coll: $coll = client.database(DB).collection(NAME);
            let tasks: Vec<_> = (0..TASKS)
                .map(|_| {
                    let coll = coll.clone();
                    tokio::spawn(async move {
                        for _ in 0..20 {
                            coll.find_one(doc! { "_id": 1 }).await.expect("the server answers");
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.map_err(|why| why.to_string())?;
            }
        }};
    }
    runtime.block_on(async {
        match who {
            "driver" => run!(driver::Client, driver::Collection<Document>, driver::bson::doc),
            _ => run!(
                mongodb::Client,
                mongodb::Collection<mongodb::bson::Document>,
                mongodb::bson::doc
            ),
        }
        Ok::<(), String>(())
    })?;
    println!("{}", peak() - before);
    Ok(())
}

/// The peak memory of the process, in kB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
