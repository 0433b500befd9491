//! `versus failover`: the time between the moment at which a new primary accepts writes and a
//! client's first acknowledged write.
//!
//! Sixteen writers of each client insert into a set of three members. Its primary is killed, or
//! steps down. A probe writes directly to each other member, every 2 ms, over a bare socket. Its
//! first success is the moment at which the set accepts writes again, and thus the floor for every
//! client. Both clients and the probe see the same failovers, five of each kind.

mod probe;

use benches::bound::{Bound, Weight};
use benches::options::{Options, Pace};
use benches::report::{Cell, Report};
use benches::round::Figures;
use benches::table::figure;
use probe::Probe;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use testbed::ReplicaSet;
use tokio::sync::mpsc;

const WRITERS: usize = 16;
const DB: &str = "failover";

/// The ways to lose a primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Kill,
    StepDown,
}

/// Causes failovers and measures them.
///
/// # Errors
///
/// There are no servers, or the set does not recover.
pub(crate) fn run(options: &Options) -> Result<Report, String> {
    if options.uri.is_some() {
        return Err("failover starts and kills servers of its own: it takes no --uri".into());
    }
    let times = options.rounds.unwrap_or(match options.pace {
        Pace::Full => 5,
        Pace::Quick => 2,
    });
    let set = ReplicaSet::start(3).map_err(|why| why.to_string())?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|why| format!("no runtime: {why}"))?;
    let begun = Instant::now();
    let mut report = Report {
        title: format!(
            "first acknowledged write after that of a probe, {times} failovers of each kind"
        ),
        subject: "driver",
        against: None,
        shown: &[],
        packages: vec!["driver", "mongodb"],
        notes: Vec::new(),
        cells: Vec::new(),
    };
    for (end, name, must, aim) in
        [(End::Kill, "kill", 100.0, 20.0), (End::StepDown, "stepdown", 50.0, 10.0)]
    {
        if !options.wants(name) {
            continue;
        }
        let mut ours = Figures { name: "driver", rounds: Vec::new() };
        let mut theirs = Figures { name: "official", rounds: Vec::new() };
        for round in 0..times {
            let seen = runtime
                .block_on(fail_over(&set, end))
                .map_err(|why| format!("{name} {round}: {why}"))?;
            let after =
                |first: Instant| first.saturating_duration_since(seen.probe).as_secs_f64() * 1e3;
            let outage = seen.probe.saturating_duration_since(seen.begun);
            eprintln!(
                "{name} {}: writable after {} ms; driver {} ms later, official {} ms later",
                round + 1,
                outage.as_millis(),
                figure(after(seen.ours)),
                figure(after(seen.official)),
            );
            ours.rounds.push(after(seen.ours));
            theirs.rounds.push(after(seen.official));
        }
        let bounds = [Bound::must_be(must), Bound { weight: Weight::Aim, ..Bound::must_be(aim) }];
        report.cells.push(Cell::judged(
            format!("first write after {name}"),
            "ms",
            vec![ours, theirs],
            &bounds,
        ));
    }
    report.notes.push(format!("measured in {:.0} s", begun.elapsed().as_secs_f64()));
    Ok(report)
}

/// The times of the events of one failover.
struct Seen {
    begun: Instant,
    probe: Instant,
    ours: Instant,
    official: Instant,
}

async fn fail_over(set: &ReplicaSet, end: End) -> Result<Seen, String> {
    let say = |why: &dyn std::fmt::Display| why.to_string();
    let uri = format!("{}&w=1", set.uri());
    let ours = driver::Client::with_uri_str(&uri).await.map_err(|why| say(&why))?;
    let official = mongodb::Client::with_uri_str(&uri).await.map_err(|why| say(&why))?;
    let stop = Arc::new(AtomicBool::new(false));
    let ours_acknowledged = {
        let coll = ours.database(DB).collection::<driver::bson::Document>("ours");
        writers(&stop, move |id| {
            let coll = coll.clone();
            async move { coll.insert_one(driver::bson::doc! { "_id": id }).await.is_ok() }
        })
    };
    let official_acknowledged = {
        let coll = official.database(DB).collection::<mongodb::bson::Document>("official");
        writers(&stop, move |id| {
            let coll = coll.clone();
            async move { coll.insert_one(mongodb::bson::doc! { "_id": id }).await.is_ok() }
        })
    };
    let [mut ours_acknowledged, mut official_acknowledged] =
        [ours_acknowledged, official_acknowledged];
    // Waits until both clients have written for a moment.
    for acknowledged in [&mut ours_acknowledged, &mut official_acknowledged] {
        for _ in 0..4 * WRITERS {
            acknowledged.recv().await.ok_or("the writers ended")?;
        }
    }
    let primary = set.wait_for_primary().map_err(|why| say(&why))?;
    let survivors: Vec<String> = set
        .hosts()
        .into_iter()
        .enumerate()
        .filter(|(i, _)| *i != primary)
        .map(|(_, host)| host)
        .collect();
    let probe = Probe::start(survivors);
    match end {
        End::Kill => set.kill(primary).map_err(|why| say(&why))?,
        End::StepDown => {
            set.step_down().map_err(|why| say(&why))?;
        }
    }
    // Acknowledgements of the old primary may still be on their way through the client, so those
    // within `slack` do not count. After a kill no set elects so soon. After a step-down one may,
    // so the slack is shorter.
    let begun = Instant::now();
    let slack = match end {
        End::Kill => Duration::from_millis(50),
        End::StepDown => Duration::from_millis(2),
    };
    let limit = Duration::from_secs(60);
    let first = async |acknowledged: &mut mpsc::UnboundedReceiver<Instant>| {
        loop {
            match acknowledged.recv().await {
                Some(at) if at >= begun + slack => return Ok(at),
                Some(_) => {}
                None => return Err("the writers ended"),
            }
        }
    };
    let found = tokio::time::timeout(limit, async {
        let (ours, official) = futures_util::future::join(
            first(&mut ours_acknowledged),
            first(&mut official_acknowledged),
        )
        .await;
        Ok::<_, &str>((ours?, official?))
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    let (first_of_ours, first_of_theirs) =
        found.map_err(|_| "no write was acknowledged within a minute".to_owned())??;
    let probe = probe.first().ok_or("the probe saw no primary")?;
    ours.shutdown().await;
    official.shutdown().await;
    if end == End::Kill {
        set.restart(primary).map_err(|why| say(&why))?;
    }
    set.wait_for_secondaries().map_err(|why| say(&why))?;
    Ok(Seen { begun, probe, ours: first_of_ours, official: first_of_theirs })
}

/// Starts writers that write until `stop`. Sends the time of each acknowledgement. Failed writes
/// are repeated.
fn writers<F>(
    stop: &Arc<AtomicBool>,
    write: impl Fn(String) -> F + Clone + Send + 'static,
) -> mpsc::UnboundedReceiver<Instant>
where
    F: Future<Output = bool> + Send,
{
    let (tell, acknowledged) = mpsc::unbounded_channel();
    for writer in 0..WRITERS {
        let (stop, write, tell) = (Arc::clone(stop), write.clone(), tell.clone());
        tokio::spawn(async move {
            let run = fastrand::u64(..);
            let mut n = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                n += 1;
                if write(format!("{run}-{writer}-{n}")).await {
                    // Sending fails when the receiver has seen enough.
                    let _ = tell.send(Instant::now());
                } else {
                    tokio::task::yield_now().await;
                }
            }
        });
    }
    acknowledged
}
