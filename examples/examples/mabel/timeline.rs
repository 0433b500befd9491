//! What happened when.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use toro::Event;

/// The moments of all acknowledgments and of all kills, counted from the start.
pub(crate) struct Timeline {
    start: Instant,
    writes: u32,
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    acknowledged: Vec<Duration>,
    missed: u32,
    ended: bool,
    kills: Vec<(Duration, String)>,
    marks: Vec<(u32, std::sync::Arc<Event>)>,
}

impl Log {
    fn done(&self) -> u32 {
        self.acknowledged.len() as u32 + self.missed
    }

    /// Tells those who wait for marks that have been reached, or never will be.
    fn tell(&mut self) {
        let (done, ended) = (self.done(), self.ended);
        for (_, event) in self.marks.extract_if(.., |(mark, _)| ended || done >= *mark) {
            event.set();
        }
    }
}

/// The primary was lost and another took over.
#[derive(Clone, Debug)]
pub(crate) struct Failover {
    /// When the new primary was seen.
    pub(crate) at: Duration,
    pub(crate) old: String,
    pub(crate) new: String,
}

impl Timeline {
    pub(crate) fn start(writes: u32) -> Self {
        Timeline { start: Instant::now(), writes, log: Mutex::default() }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    pub(crate) fn writes(&self) -> u32 {
        self.writes
    }

    pub(crate) fn acknowledge(&self) {
        let now = self.now();
        let mut log = self.log();
        log.acknowledged.push(now);
        log.tell();
    }

    pub(crate) fn missed(&self) {
        let mut log = self.log();
        log.missed += 1;
        log.tell();
    }

    /// All writers have ended: a mark that is not reached now never will be.
    pub(crate) fn end(&self) {
        let mut log = self.log();
        log.ended = true;
        log.tell();
    }

    pub(crate) fn killed(&self, host: String) {
        let now = self.now();
        self.log().kills.push((now, host));
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.log().acknowledged.len()
    }

    /// How many writes have had their answer, good or bad.
    pub(crate) fn done(&self) -> u32 {
        self.log().done()
    }

    pub(crate) fn acknowledgments(&self) -> Vec<Duration> {
        self.log().acknowledged.clone()
    }

    pub(crate) fn kills(&self) -> Vec<(Duration, String)> {
        self.log().kills.clone()
    }

    /// When `host` was killed, if that was before `moment`: the last time.
    pub(crate) fn killed_at(&self, host: &str, moment: Duration) -> Option<Duration> {
        self.log().kills.iter().rev().find(|(at, killed)| *at <= moment && killed == host).map(|(at, _)| *at)
    }

    /// Set once `mark` writes have had their answer, or the writers have ended before.
    pub(crate) fn reached(&self, mark: u32) -> std::sync::Arc<Event> {
        let event = std::sync::Arc::new(Event::new());
        let mut log = self.log();
        log.marks.push((mark, event.clone()));
        log.tell();
        event
    }

    /// The gap between acknowledgments in which `moment` lies, if a write was acknowledged after it.
    pub(crate) fn outage_at(&self, moment: Duration) -> Option<Duration> {
        let log = self.log();
        let before = log.acknowledged.iter().filter(|at| **at < moment).max().copied().unwrap_or_default();
        let after = log.acknowledged.iter().filter(|at| **at >= moment).min()?;
        Some(*after - before)
    }

    /// The longest time without an acknowledgment around a kill or, where nothing was killed here, around a failover.
    pub(crate) fn longest_outage(&self, failovers: &[Failover]) -> Duration {
        let kills = self.kills();
        let moments: Vec<Duration> = match &kills[..] {
            [] => failovers.iter().map(|failover| failover.at).collect(),
            kills => kills.iter().map(|(at, _)| *at).collect(),
        };
        moments.into_iter().filter_map(|moment| self.outage_at(moment)).max().unwrap_or_default()
    }
}
