//! Work in equal parts. The primary is killed after each part except the last.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use testbed::ReplicaSet;
use tokio::task::JoinHandle;
use toro::Semaphore;

use super::BoxError;

/// The units of work, which the workers take one by one.
pub struct Work {
    total: u32,
    kills: u32,
    started: AtomicU32,
    done: AtomicU32,
    ended: AtomicBool,
    /// One permit for each unit before the second next kill.
    gate: Semaphore,
}

impl Work {
    /// This many units. With `kills`, [`unleash`] lets them begin.
    pub fn new(total: u32, kills: u32) -> Self {
        Work {
            total,
            kills,
            started: AtomicU32::new(0),
            done: AtomicU32::new(0),
            ended: AtomicBool::new(false),
            gate: Semaphore::new(if kills == 0 { total } else { 0 }),
        }
    }

    /// The number of the next unit, counted from 0. `None` if there are no more.
    pub async fn next(&self) -> Option<u32> {
        let number = self.number()?;
        self.gate.acquire().await.ok()?.forget();
        Some(number)
    }

    /// Like [`next`](Self::next), on a thread.
    pub fn next_blocking(&self) -> Option<u32> {
        let number = self.number()?;
        self.gate.acquire().wait().ok()?.forget();
        Some(number)
    }

    fn number(&self) -> Option<u32> {
        Some(self.started.fetch_add(1, Ordering::Relaxed)).filter(|number| *number < self.total)
    }

    /// A unit is done.
    pub fn count(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of units that are done.
    pub fn done(&self) -> u32 {
        self.done.load(Ordering::Relaxed)
    }

    /// Lets no further unit begin.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        self.gate.close();
    }

    /// Whether no further unit begins.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Blocks the thread until this many units are done. Returns false if they will never be.
    pub fn reach(&self, mark: u32) -> bool {
        while self.done() < mark && !self.has_ended() {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.done() >= mark
    }

    /// The number of units in the first `part` of `parts` equal parts.
    pub fn mark(&self, part: u32, parts: u32) -> u32 {
        (u64::from(self.total) * u64::from(part) / u64::from(parts)) as u32
    }

    fn admit(&self, units: u32) {
        // There are never more permits than units.
        let _ = self.gate.add(units);
    }
}

/// Kills the primary with SIGKILL after each part of the work except the last. The next part
/// continues meanwhile. It ends only after the set is whole again, so that a majority always lives.
pub fn unleash(set: Arc<ReplicaSet>, work: Arc<Work>) -> JoinHandle<Result<(), BoxError>> {
    tokio::task::spawn_blocking(move || {
        let mark = |part| work.mark(part, work.kills + 1);
        if work.kills > 0 {
            work.admit(mark(1));
        }
        let result = (1..=work.kills).try_for_each(|kill| {
            work.reach(mark(kill));
            work.admit(mark(kill + 1) - mark(kill));
            // The workers have failed already, so there is nothing to disturb.
            if work.has_ended() { Ok(()) } else { strike(&set, || work.done(), |_| ()) }
        });
        if result.is_err() {
            work.end();
        }
        result
    })
}

/// Kills the primary, and restarts it. Returns once all members serve. `done` counts the work, and
/// `seen` gets the address of the primary before it is killed.
///
/// # Errors
///
/// The set does not recover.
pub fn strike(
    set: &ReplicaSet,
    done: impl Fn() -> u32,
    seen: impl FnOnce(&str),
) -> Result<(), BoxError> {
    let victim = set.wait_for_primary()?;
    let host = set.host(victim)?;
    println!("{} done: kill -9 of the primary, {host}", done());
    seen(&host);
    set.kill(victim)?;
    set.wait_for_primary()?;
    set.restart(victim)?;
    set.wait_for_secondaries()?;
    println!("{host} is back: the set is whole");
    Ok(())
}
