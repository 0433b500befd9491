//! The times of all events.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use toro::Event;

/// The times of all acknowledgments and kills, counted from the start.
pub(crate) struct Timeline {
    start: Instant,
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

    /// Notifies those who wait for marks that have been reached, or never will be.
    fn tell(&mut self) {
        let (done, ended) = (self.done(), self.ended);
        for (_, event) in self.marks.extract_if(.., |(mark, _)| ended || done >= *mark) {
            event.set();
        }
    }
}

/// A failover: the primary was lost and another took over.
#[derive(Clone, Debug)]
pub(crate) struct Failover {
    /// When the old primary was killed, or else seen to be lost.
    pub(crate) since: Duration,
    /// When the new primary was seen.
    pub(crate) at: Duration,
    pub(crate) old: String,
    pub(crate) new: String,
}

impl Timeline {
    pub(crate) fn start() -> Self {
        Timeline { start: Instant::now(), log: Mutex::default() }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
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

    /// All writers have ended, so later marks will never be reached.
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

    /// The number of writes that have been answered, successfully or not.
    pub(crate) fn done(&self) -> u32 {
        self.log().done()
    }

    pub(crate) fn acknowledgments(&self) -> Vec<Duration> {
        self.log().acknowledged.clone()
    }

    pub(crate) fn kills(&self) -> Vec<(Duration, String)> {
        self.log().kills.clone()
    }

    /// The last time before `moment` at which `host` was killed.
    pub(crate) fn killed_at(&self, host: &str, moment: Duration) -> Option<Duration> {
        self.log()
            .kills
            .iter()
            .rev()
            .find(|(at, killed)| *at <= moment && killed == host)
            .map(|(at, _)| *at)
    }

    /// Set once `mark` writes have been answered, or the writers have ended.
    pub(crate) fn reached(&self, mark: u32) -> std::sync::Arc<Event> {
        let event = std::sync::Arc::new(Event::new());
        let mut log = self.log();
        log.marks.push((mark, event.clone()));
        log.tell();
        event
    }

    /// The time without an acknowledged write in a failover: the longest gap between
    /// acknowledgments that overlaps it. The gap may begin a little after the kill, because earlier
    /// acknowledgments may still arrive. `None` while no write has been acknowledged since.
    pub(crate) fn outage(&self, failover: &Failover) -> Option<Duration> {
        let log = self.log();
        let mut acknowledged = log.acknowledged.clone();
        acknowledged.sort_unstable();
        acknowledged.insert(0, Duration::ZERO);
        acknowledged.last().filter(|last| **last >= failover.at)?;
        let gaps = acknowledged
            .array_windows()
            .filter(|[from, to]| *to >= failover.since && *from <= failover.at);
        gaps.map(|[from, to]| *to - *from).max()
    }

    /// The longest outage.
    pub(crate) fn longest_outage(&self, failovers: &[Failover]) -> Duration {
        failovers.iter().filter_map(|failover| self.outage(failover)).max().unwrap_or_default()
    }
}
