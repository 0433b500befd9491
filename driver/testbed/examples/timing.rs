//! Measures how long servers take to start, to become writable and to elect a successor.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use testbed::{ReplicaSet, Standalone, bson::doc};

fn main() -> Result<(), Box<dyn Error>> {
    let rounds: usize = std::env::args().nth(1).map_or(Ok(5), |text| text.parse())?;
    testbed::Mongod::resolve(None)?;
    let [mut standalone, mut set, mut writable, mut failover, mut recovery] =
        [(); 5].map(|()| Vec::new());
    for _ in 0..rounds {
        let clock = Instant::now();
        let server = Standalone::start()?;
        standalone.push(clock.elapsed());
        drop(server);

        let clock = Instant::now();
        let members = ReplicaSet::start(3)?;
        set.push(clock.elapsed());
        let primary = members.wait_for_primary()?;
        let insert =
            doc! { "insert": "things", "documents": [{ "n": 1 }], "writeConcern": { "w": 3 } };
        members.command(primary, "test", insert)?;
        writable.push(clock.elapsed());

        let clock = Instant::now();
        members.kill(primary)?;
        members.wait_for_primary()?;
        failover.push(clock.elapsed());

        let clock = Instant::now();
        members.restart(primary)?;
        members.wait_for_secondaries()?;
        recovery.push(clock.elapsed());
    }
    println!("{rounds} rounds, milliseconds: median (least to most)");
    for (what, times) in [
        ("standalone started", standalone),
        ("three members started, all serving", set),
        ("...and a write on all three", writable),
        ("successor after SIGKILL of the primary", failover),
        ("killed member back and serving", recovery),
    ] {
        println!("{what:>40}: {}", summary(times));
    }
    Ok(())
}

fn summary(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |i: usize| times.get(i).map_or(0, Duration::as_millis);
    format!("{} ({} to {})", at(times.len() / 2), at(0), at(times.len().saturating_sub(1)))
}
