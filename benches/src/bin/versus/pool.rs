//! `versus pool`: the driver's pool, the nest and a thread's slot, each compared with its peers.
//!
//! The driver's pool has eight real connections to a server that is started for this. The other
//! pools hold numbers. A ping runs through each driver's whole path, including its pool.

use crate::trial::{Trial, measure_all, plan};
use benches::bound::Bound;
use benches::counting_alloc::count;
use benches::drive::{time_together, two_workers};
use benches::options::Options;
use benches::peers::pool::{Bb8, Deadpool, Driver, Mobc, Pool};
use benches::report::Report;
use benches::round::{Contender, Figures, Sample};
use benches::workloads::pool::{SIZE, crowd, fairness, fill, pair};
use benches::workloads::snapshot_cell::{self, QUIET, Writer};
use benches::workloads::thread_slot::{self, BARE_NAME};
use driver::bson::doc;
use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use testbed::Standalone;
use tokio::runtime::Runtime;

/// The packages whose versions are listed with the figures.
const PACKAGES: [&str; 9] = [
    "driver",
    "toro",
    "threadwatch",
    "deadpool",
    "bb8",
    "mobc",
    "arc-swap",
    "thread_local",
    "mongodb",
];

/// A pool of each kind, with all connections open.
#[derive(Clone)]
struct Pools {
    driver: Arc<Driver>,
    deadpool: Arc<Deadpool>,
    bb8: Arc<Bb8>,
    mobc: Arc<Mobc>,
}

impl Pools {
    fn new(runtime: &Runtime, uri: &str) -> Result<Self, String> {
        let _on_runtime = runtime.enter();
        let pools = Self {
            driver: Arc::new(
                runtime.block_on(Driver::new(uri, SIZE)).map_err(|why| format!("{uri}: {why}"))?,
            ),
            deadpool: Arc::new(Deadpool::new(SIZE)),
            bb8: Arc::new(Bb8::new(SIZE)),
            mobc: Arc::new(Mobc::new(SIZE)),
        };
        fill(runtime, &*pools.driver);
        fill(runtime, &*pools.deadpool);
        fill(runtime, &*pools.bb8);
        fill(runtime, &*pools.mobc);
        Ok(pools)
    }
}

/// Measures the cells that `options` select.
///
/// # Errors
///
/// No cell has the requested name, or no server is available.
pub(crate) fn run(options: &Options) -> Result<Report, String> {
    let begun = Instant::now();
    let server = Standalone::start().map_err(|why| why.to_string())?;
    let runtime = two_workers();
    let pools = Pools::new(&runtime, &server.uri())?;
    let clients = Clients::new(&runtime, &server.uri())?;
    let mut trials = checkouts(&pools, plan(options).rounds);
    trials.extend(pings(&clients));
    trials.extend(reads());
    trials.extend(slots());
    let cells = measure_all(trials, &runtime, options, |(), _| String::new())?;
    drop(clients);
    Ok(Report {
        title: format!(
            "pools, nest and slots: median of {} interleaved rounds",
            plan(options).rounds
        ),
        subject: "ours",
        against: None,
        shown: &[],
        packages: PACKAGES.to_vec(),
        notes: vec![
            format!(
                "the driver's pool holds {SIZE} connections to a real server, the others {SIZE} \
                 numbers"
            ),
            "longest wait: as a multiple of the wait in a first-in, first-out line".into(),
            format!("measured in {:.0} s", begun.elapsed().as_secs_f64()),
        ],
        cells,
    })
}

/// Runs `$make` for each pool as `$pool`.
macro_rules! for_each_pool {
    ($pools:ident, |$pool:ident| $make:expr) => {
        vec![
            {
                let $pool = &$pools.driver;
                $make
            },
            {
                let $pool = &$pools.deadpool;
                $make
            },
            {
                let $pool = &$pools.bb8;
                $make
            },
            {
                let $pool = &$pools.mobc;
                $make
            },
        ]
    };
}

fn checkouts(pools: &Pools, rounds: usize) -> Vec<Trial<()>> {
    let none = [Bound::must_be(0.0)];
    let half = [Bound::must("deadpool", 0.5)];
    let of = pools.clone();
    let mut cells =
        vec![Trial::together("checkout+checkin, uncontended", (), &half, move |runtime| {
            for_each_pool!(of, |pool| pair(runtime, pool))
        })];
    for tasks in [8, 64, 512] {
        let of = pools.clone();
        let name = format!("checkout+checkin, {tasks} tasks over {SIZE} connections");
        cells.push(Trial::together(name, (), &[], move |runtime| {
            for_each_pool!(of, |pool| crowd(runtime, pool, tasks))
        }));
    }
    // One measurement gives the figures of two cells.
    let measured = Rc::new(OnceCell::new());
    let in_a_crowd = move |runtime: &Runtime, of: &Pools| -> Vec<(Figures, Figures)> {
        measured
            .get_or_init(|| for_each_pool!(of, |pool| fairness_or_stalled(runtime, pool, rounds)))
            .clone()
    };
    let (of, figures, bound) = (pools.clone(), in_a_crowd.clone(), [Bound::must_be(2.0)]);
    cells.push(Trial::exact("longest wait, 512 tasks", (), "x FIFO", &bound, move |runtime| {
        figures(runtime, &of).into_iter().map(|(longest, _)| longest).collect()
    }));
    let of = pools.clone();
    cells.push(Trial::exact("futile wake-ups, 512 tasks", (), "per 1000", &none, move |runtime| {
        in_a_crowd(runtime, &of).into_iter().map(|(_, futile)| futile).collect()
    }));
    let of = pools.clone();
    cells.push(Trial::exact("allocations per checkout", (), "calls", &none, move |runtime| {
        for_each_pool!(of, |pool| allocations(runtime, pool))
    }));
    cells
}

/// The [`fairness`] of a pool with 512 tasks. A pool that stalls has no figures.
fn fairness_or_stalled<P: Pool>(
    runtime: &Runtime,
    pool: &Arc<P>,
    rounds: usize,
) -> (Figures, Figures) {
    let stalled = Figures { name: P::NAME, rounds: Vec::new() };
    fairness(runtime, pool, 512, rounds).unwrap_or_else(|_| (stalled.clone(), stalled))
}

fn allocations<P: Pool>(runtime: &Arc<Runtime>, pool: &Arc<P>) -> Figures {
    const PAIRS: u64 = 1000;
    let mut contender = pair(runtime, pool);
    let mut pairs = || contender.measure(PAIRS).expect("an uncontended checkout does not stall");
    pairs();
    let (sample, counted) = count(pairs);
    Figures::exact(P::NAME, counted.calls as f64 / sample.ops as f64)
}

/// A client of each kind, with as many connections as the pools above.
#[derive(Clone)]
struct Clients {
    ours: driver::Database,
    official: mongodb::Database,
}

impl Clients {
    fn new(runtime: &Runtime, uri: &str) -> Result<Self, String> {
        let uri = format!("{uri}&maxPoolSize={SIZE}");
        let say = |why: &dyn std::fmt::Display| format!("{uri}: {why}");
        let ours = runtime.block_on(driver::Client::with_uri_str(&uri)).map_err(|why| say(&why))?;
        let official =
            runtime.block_on(mongodb::Client::with_uri_str(&uri)).map_err(|why| say(&why))?;
        Ok(Self { ours: ours.database("admin"), official: official.database("admin") })
    }
}

fn pings(clients: &Clients) -> Vec<Trial<()>> {
    let cell = |tasks: u64| {
        let clients = clients.clone();
        let name = format!("ping, {tasks} tasks over {SIZE} connections");
        Trial::together(name, (), &[], move |runtime| {
            let Clients { ours, official } = clients;
            vec![
                pinged(runtime, tasks, "driver", move || {
                    let database = ours.clone();
                    async move {
                        drop(
                            database
                                .run_command(doc! { "ping": 1 })
                                .await
                                .expect("a ping is answered"),
                        )
                    }
                }),
                pinged(runtime, tasks, "mongodb", move || {
                    let database = official.clone();
                    async move {
                        drop(
                            database
                                .run_command(mongodb::bson::doc! { "ping": 1 })
                                .await
                                .expect("a ping is answered"),
                        )
                    }
                }),
            ]
        })
    };
    [1, 64].map(cell).into()
}

fn pinged<F>(
    runtime: &Arc<Runtime>,
    tasks: u64,
    name: &'static str,
    ping: impl Fn() -> F + Clone + Send + Sync + 'static,
) -> Contender
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = runtime.clone();
    Contender::may_stall(name, move |ops| {
        let each = ops.div_ceil(tasks);
        let work = (0..tasks).map(|_| {
            let ping = ping.clone();
            async move {
                for _ in 0..each {
                    ping().await;
                }
            }
        });
        let (elapsed, _) = time_together(&runtime, work)?;
        Ok(Sample { elapsed, ops: each * tasks })
    })
}

fn reads() -> Vec<Trial<()>> {
    let as_bare = [Bound::must("arc-swap", 1.1)];
    vec![
        Trial::alone("nest load", (), &as_bare, || snapshot_cell::read(Writer::None)),
        Trial::alone("nest load, a writer swaps", (), &as_bare, || {
            snapshot_cell::read(Writer::Swaps)
        }),
        Trial::alone(
            "nest load, a writer swaps or not",
            (),
            &[Bound::must(QUIET, 1.1)],
            snapshot_cell::with_and_without,
        ),
    ]
}

fn slots() -> Vec<Trial<()>> {
    vec![
        Trial::alone("a thread's slot", (), &[Bound::must(BARE_NAME, 1.5)], thread_slot::access),
        Trial::alone("watch+unwatch", (), &[Bound::must_be(200.0)], thread_slot::watch),
    ]
}
