//! The writers, and the recipe by which they lose nothing.
//!
//! A write whose acknowledgment did not come may or may not have been done. The recipe makes trying
//! again harmless: the `_id` is made by the client before the first attempt, so the second attempt
//! either writes the document or is told that its key is already there, which means that the first
//! attempt had arrived. Either way it is there once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use driver::{Collection, Error};
use toro::Semaphore;

use super::BoxError;
use super::arguments::{Arguments, Recipe};
use super::breath::Breath;
use super::timeline::Timeline;

/// How long a writer keeps trying before it calls for help.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Which breaths may be taken now.
///
/// Between two disasters the set has to become whole again, or a majority would be dead. Writers go
/// on writing meanwhile, but not past the mark of the next disaster.
pub(crate) struct Pace {
    allowed: Semaphore,
    next: AtomicU32,
    stretches: std::sync::Mutex<std::vec::IntoIter<u32>>,
}

impl Pace {
    pub(crate) fn new(writes: u32, marks: &[u32]) -> Self {
        // The first stretch ends at the second mark: the first disaster strikes in the middle of
        // it.
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

    /// The set is whole: the next stretch may be written, and the next disaster may strike in its
    /// beginning.
    pub(crate) fn go_on(&self) -> Result<(), BoxError> {
        let stretch = self.stretches.lock().map_err(|e| e.to_string())?.next();
        match stretch {
            Some(length) => Ok(self.allowed.add(length)?),
            None => Ok(()),
        }
    }

    /// Nobody will say `go_on` any more: everything may be written.
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

    /// As `next`, on a thread.
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

/// Records all breaths with `arguments.writers` tasks. Ends early only when a write failed in a way
/// that trying again cannot cure.
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
    // Whoever fails lets the others go on to the end, instead of waiting for a set that will not
    // become whole.
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

/// The recipe. Returns once the breath is known to be recorded.
async fn write_surely(breaths: &Collection<Breath>, breath: &Breath) -> Result<(), Error> {
    let since = Instant::now();
    let mut pause = Duration::from_millis(10);
    loop {
        match breaths.insert_one(breath).await {
            Ok(_) => return Ok(()),
            // An earlier attempt was done, although its acknowledgment was lost.
            Err(error) if error.is_duplicate_key() => return Ok(()),
            Err(error) if may_pass(&error) && since.elapsed() < PATIENCE => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether the error is of the kind that a failover causes and cures.
pub(crate) fn may_pass(error: &Error) -> bool {
    error.is_network()
        || error.is_timeout()
        || error.is_state_change()
        || error.has_label(driver::error::RETRYABLE_WRITE_ERROR)
        || matches!(error.kind(), driver::error::ErrorKind::ConnectionPoolCleared { .. })
}
