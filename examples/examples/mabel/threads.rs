//! The [writers](super::writers) and the [audit](super::audit) with threads and the blocking API.

use std::sync::Arc;
use std::thread;

use driver::Result;
use driver::bson::doc;
use driver::options::ReadConcern;
use driver::sync::Collection;
use examples::failover::{BoxError, Patience};

use super::arguments::{Arguments, Recipe};
use super::audit::{Audit, Tally};
use super::breath::Breath;
use super::timeline::Timeline;
use super::writers::Pace;

/// Records all breaths with `arguments.writers` threads. Ends early only if a write fails in a way
/// that a retry cannot fix.
pub(crate) fn record(
    breaths: &Collection<Breath>,
    arguments: &Arguments,
    timeline: &Arc<Timeline>,
    pace: &Arc<Pace>,
) -> std::result::Result<(), BoxError> {
    let writer = || -> Result<()> {
        while let Some(number) = pace.next_blocking(arguments.writes) {
            let breath = Breath::take(number);
            match arguments.recipe {
                Recipe::Retry => write_surely(breaths, &breath)?,
                Recipe::TryOnce => {
                    if let Err(error) = breaths.insert_one(&breath).run() {
                        println!("breath {number} was not acknowledged: {error}");
                        timeline.missed();
                        continue;
                    }
                }
            }
            timeline.acknowledge();
        }
        Ok(())
    };
    // A failing writer lets the others finish. Otherwise they would wait for a set that does not
    // recover.
    let surely = || writer().inspect_err(|_| pace.give_up());
    thread::scope(|scope| {
        let threads: Vec<_> = (0..arguments.writers).map(|_| scope.spawn(surely)).collect();
        let ended =
            threads.into_iter().map(|thread| thread.join().map_err(|_| "a writer panicked"));
        ended.collect::<Vec<_>>().into_iter().try_for_each(|ended| Ok(ended??))
    })
}

/// Records one breath. Returns once it is known to be recorded.
fn write_surely(breaths: &Collection<Breath>, breath: &Breath) -> Result<()> {
    let mut patience = Patience::new();
    loop {
        match breaths.insert_one(breath).run() {
            Ok(_) => return Ok(()),
            // An earlier attempt succeeded, but its acknowledgment was lost.
            Err(error) if error.is_duplicate_key() => return Ok(()),
            Err(error) => thread::sleep(patience.pause(error)?),
        }
    }
}

/// Counts every breath from 0 to `writes`. Reads from the primary with read concern majority.
pub(crate) fn read_back(breaths: &Collection<Breath>, writes: u32) -> Result<Audit> {
    let mut tally = Tally::of(writes);
    for breath in breaths.find(doc! {}).read_concern(ReadConcern::majority()).run()? {
        tally.count(&breath?);
    }
    Ok(tally.audit())
}
