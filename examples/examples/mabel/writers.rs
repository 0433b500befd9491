//! The writers. Their retries lose nothing.
//!
//! A write without an acknowledgment may or may not have been executed. The client makes the `_id`
//! before the first attempt, which makes a retry safe. It either writes the document or fails with
//! a duplicate key error, which means that the first attempt succeeded. In both cases the document
//! exists once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use driver::{Collection, Error};
use examples::failover::{BoxError, Patience};
use toro::Semaphore;

use super::arguments::{Arguments, Recipe};
use super::breath::Breath;
use super::timeline::Timeline;

/// Controls which breaths may be taken now.
///
/// Between two disasters the set must recover, because otherwise a majority would be down. Writers
/// continue meanwhile, but not past the mark of the next disaster.
pub(crate) struct Pace {
    allowed: Semaphore,
    next: AtomicU32,
    stretches: std::sync::Mutex<std::vec::IntoIter<u32>>,
}

impl Pace {
    pub(crate) fn new(writes: u32, marks: &[u32]) -> Self {
        // The first part ends at the second mark, so the first disaster happens in its middle.
        let ends: Vec<u32> = marks.iter().skip(1).copied().chain([writes]).collect();
        let lengths: Vec<u32> =
            ends.iter().scan(0, |from, end| Some(end - std::mem::replace(from, *end))).collect();
        let mut stretches = lengths.into_iter();
        let first = stretches.next().unwrap_or(writes);
        Pace {
            allowed: Semaphore::new(first),
            next: AtomicU32::new(0),
            stretches: stretches.into(),
        }
    }

    /// All members serve: the next part may be written, and the next disaster may happen at its
    /// beginning.
    pub(crate) fn go_on(&self) -> Result<(), BoxError> {
        let stretch = self.stretches.lock().map_err(|e| e.to_string())?.next();
        match stretch {
            Some(length) => Ok(self.allowed.add(length)?),
            None => Ok(()),
        }
    }

    /// `go_on` will not be called again, so everything may be written.
    pub(crate) fn give_up(&self) {
        self.allowed.close();
    }

    async fn next(&self, writes: u32) -> Option<u32> {
        let number = self.number(writes)?;
        if let Ok(permit) = self.allowed.acquire().await {
            permit.forget();
        }
        Some(number)
    }

    /// Like `next`, on a thread.
    pub(crate) fn next_blocking(&self, writes: u32) -> Option<u32> {
        let number = self.number(writes)?;
        if let Ok(permit) = self.allowed.acquire().wait() {
            permit.forget();
        }
        Some(number)
    }

    fn number(&self, writes: u32) -> Option<u32> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number < writes).then_some(number)
    }
}

/// Records all breaths with `arguments.writers` tasks. Ends early only if a write fails in a way
/// that a retry cannot fix.
pub(crate) async fn record(
    breaths: &Collection<Breath>,
    arguments: &Arguments,
    timeline: &Arc<Timeline>,
    pace: &Arc<Pace>,
) -> Result<(), BoxError> {
    let writer = || {
        let (breaths, timeline, pace) = (breaths.clone(), timeline.clone(), pace.clone());
        let (writes, recipe) = (arguments.writes, arguments.recipe);
        async move {
            while let Some(number) = pace.next(writes).await {
                let breath = Breath::take(number);
                match recipe {
                    Recipe::Retry => write_surely(&breaths, &breath).await?,
                    Recipe::TryOnce => {
                        if let Err(error) = breaths.insert_one(&breath).await {
                            println!("breath {number} was not acknowledged: {error}");
                            timeline.missed();
                            continue;
                        }
                    }
                }
                timeline.acknowledge();
            }
            Ok::<(), Error>(())
        }
    };
    // A failing writer lets the others finish. Otherwise they would wait for a set that does not
    // recover.
    let surely = || {
        let (writer, pace) = (writer(), pace.clone());
        async move { writer.await.inspect_err(|_| pace.give_up()) }
    };
    let tasks: Vec<_> = (0..arguments.writers).map(|_| tokio::spawn(surely())).collect();
    let mut outcome = Ok(());
    for task in tasks {
        if let Err(error) = task.await? {
            outcome = Err(error.into());
        }
    }
    outcome
}

/// Records one breath. Returns once it is known to be recorded.
async fn write_surely(breaths: &Collection<Breath>, breath: &Breath) -> Result<(), Error> {
    let mut patience = Patience::new();
    loop {
        match breaths.insert_one(breath).await {
            Ok(_) => return Ok(()),
            // An earlier attempt succeeded, but its acknowledgment was lost.
            Err(error) if error.is_duplicate_key() => return Ok(()),
            Err(error) => tokio::time::sleep(patience.pause(error)?).await,
        }
    }
}
