//! The checks of one server: who wants one, which have started, which have ended.
//!
//! Checks are numbered as they start. Whoever wants to know the server's state *from now on* asks
//! for the number of the next check to start and waits until a check of at least that number has
//! ended; any number of callers who ask before it starts share it. So however many ask, a server
//! sees at most the check that is running and one more.
//!
//! There are two wishes. A *refresh* is answered in any case: where the server streams its changes,
//! by a probe beside the stream. A *nudge* only ends the rest of a monitor that is waiting to try
//! again; where the server streams, it would tell nothing new. Each is a flag beside the numbers;
//! the bell only says that a flag was raised, so that a bell rung too late for the check that
//! answers it causes no other.
//!
//! Numbers and flags change only under the lock of a [`Handoff`]; the bell is rung and taken back
//! outside it. The loom models of the crate `pool-model` go through every interleaving of a monitor
//! with those who ask, the tests below through random schedules.

use toro::{Event, Handoff, Take};

/// The state of one server's checks, shared by its monitor and whoever wants news.
pub(crate) struct Checks {
    progress: Handoff<Progress, ()>,
    bell: Event,
    recheck: Event,
    cancelled: Event,
    closed: Event,
}

#[derive(Default)]
struct Progress {
    started: u64,
    ended: u64,
    refresh: bool,
    nudge: bool,
    closed: bool,
}

/// The number of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CheckNumber(u64);

impl Checks {
    pub(crate) fn new() -> Self {
        Checks {
            progress: Handoff::new(Progress {
                started: 0,
                ended: 0,
                refresh: false,
                nudge: false,
                closed: false,
            }),
            bell: Event::new(),
            recheck: Event::new(),
            cancelled: Event::new(),
            closed: Event::new(),
        }
    }

    /// Wants a check that has not started yet; its number, or a greater one, will end.
    pub(crate) fn refresh(&self) -> CheckNumber {
        let number = self.progress.with(|progress, _| {
            progress.refresh = true;
            progress.started + 1
        });
        self.bell.set();
        CheckNumber(number)
    }

    /// Wants the monitor to try again, if it is resting.
    pub(crate) fn nudge(&self) {
        self.progress.with(|progress, _| progress.nudge = true);
        self.bell.set();
    }

    /// Starts a check, which answers all requests made so far.
    pub(crate) fn begin(&self) -> CheckNumber {
        self.bell.clear();
        self.progress.with(|progress, _| {
            (progress.refresh, progress.nudge) = (false, false);
            progress.started += 1;
            CheckNumber(progress.started)
        })
    }

    /// Ends a check. What it found must have been published before.
    pub(crate) fn end(&self, check: CheckNumber) {
        self.progress.with(|progress, waiters| {
            progress.ended = progress.ended.max(check.0);
            waiters.hand_off_all(|| ());
        });
    }

    /// Whether a check of at least this number has ended, or the server has been removed.
    pub(crate) fn has_ended(&self, check: CheckNumber) -> bool {
        self.progress.with(|progress, _| progress.closed || progress.ended >= check.0)
    }

    /// Waits until a check of at least this number has ended, or the server has been removed.
    ///
    /// Cancel safety: waiting leaves nothing behind.
    pub(crate) async fn ended(&self, check: CheckNumber) {
        let done = |progress: &Progress| progress.closed || progress.ended >= check.0;
        while !self.has_ended(check) {
            self.progress
                .wait(|progress, _| if done(progress) { Take::Ready(()) } else { Take::Queue })
                .await;
        }
    }

    /// Waits until a refresh is wanted that has not started.
    pub(crate) async fn refresh_wanted(&self) {
        self.rung(|progress| progress.refresh).await;
    }

    /// Waits until any check is wanted that has not started.
    pub(crate) async fn any_wanted(&self) {
        self.rung(|progress| progress.refresh || progress.nudge).await;
    }

    /// Wants to know within about a second whether the server still answers, for another primary
    /// has replaced it.
    pub(crate) fn recheck(&self) {
        self.recheck.set();
    }

    /// Waits for [`recheck`](Self::recheck). Any number of calls before this returns are one.
    pub(crate) async fn recheck_wanted(&self) {
        self.recheck.wait().await;
        self.recheck.clear();
    }

    async fn rung(&self, wanted: impl Fn(&Progress) -> bool) {
        while !self.progress.with(|progress, _| wanted(progress)) {
            self.bell.wait().await;
            self.bell.clear();
        }
    }

    /// Interrupts the check that is running, if one is: its connection is not to be trusted any
    /// longer.
    pub(crate) fn cancel(&self) {
        self.cancelled.set();
    }

    /// Waits for [`cancel`](Self::cancel), or [`close`](Self::close).
    pub(crate) async fn interrupted(&self) {
        self.cancelled.wait().await;
    }

    /// Interruptions until now are done with; the next check is not affected by them.
    pub(crate) fn rearm(&self) {
        self.cancelled.clear();
        if self.is_closed() {
            self.cancelled.set();
        }
    }

    /// The server is watched no longer: its monitor ends, and nobody waits for its checks.
    pub(crate) fn close(&self) {
        self.closed.set();
        self.cancelled.set();
        self.progress.with(|progress, waiters| {
            progress.closed = true;
            waiters.hand_off_all(|| ());
        });
    }

    /// Whether [`close`](Self::close) was called.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.is_set()
    }

    /// Waits for [`close`](Self::close).
    pub(crate) async fn closed(&self) {
        self.closed.wait().await;
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use std::thread;

    use super::*;
    use crate::rt::block_on;

    /// Checks a server, as a monitor does, until there is nothing left to do; `started` counts the
    /// checks.
    fn monitor(checks: &Checks, started: &AtomicU64) {
        while !checks.is_closed() {
            let check = checks.begin();
            started.fetch_add(1, Ordering::SeqCst);
            if fastrand::bool() {
                thread::yield_now();
            }
            checks.end(check);
            block_on(super::super::either::either(checks.any_wanted(), checks.closed()));
        }
    }

    // On a random schedule, every request is answered, and only by a check that started after it.
    #[test]
    fn an_answer_is_always_a_check_that_started_after_the_question() {
        const ASKERS: usize = 8;
        const QUESTIONS: usize = 300;
        let (checks, started) = (Checks::new(), AtomicU64::new(0));
        thread::scope(|scope| {
            let watched = scope.spawn(|| monitor(&checks, &started));
            let askers = [(); ASKERS].map(|()| {
                scope.spawn(|| {
                    for _ in 0..QUESTIONS {
                        // A check that has begun but is not counted yet may answer as well: it
                        // began after this.
                        let before = started.load(Ordering::SeqCst);
                        let wanted = checks.refresh();
                        block_on(checks.ended(wanted));
                        assert!(checks.has_ended(wanted));
                        assert!(
                            started.load(Ordering::SeqCst) > before,
                            "answered by a check that had started before"
                        );
                    }
                })
            });
            askers.into_iter().for_each(|asker| asker.join().unwrap());
            checks.close();
            watched.join().unwrap();
        });
    }

    // At most one check runs and one more follows, however many ask.
    #[test]
    fn any_number_of_requests_during_a_check_cause_one_more() {
        let checks = Checks::new();
        let running = checks.begin();
        let wanted = thread::scope(|scope| {
            let askers = [(); 16].map(|()| scope.spawn(|| checks.refresh()));
            askers.map(|asker| asker.join().unwrap())
        });
        checks.end(running);
        assert!(wanted.iter().all(|check| !checks.has_ended(*check)));
        block_on(checks.refresh_wanted());
        let more = checks.begin();
        checks.end(more);
        assert!(wanted.iter().all(|check| checks.has_ended(*check)));
        assert!(
            !checks.progress.with(|progress, _| progress.refresh || progress.nudge),
            "a third check is wanted"
        );
    }

    #[test]
    fn a_nudge_ends_a_rest_and_wants_no_refresh() {
        let checks = Checks::new();
        checks.nudge();
        block_on(checks.any_wanted());
        assert!(!checks.progress.with(|progress, _| progress.refresh));
    }

    #[test]
    fn closing_ends_every_wait() {
        let (checks, answered) = (Checks::new(), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                block_on(checks.ended(checks.refresh()));
                answered.store(true, Ordering::SeqCst);
            });
            checks.close();
            block_on(checks.closed());
            checks.rearm();
            block_on(checks.interrupted());
        });
        assert!(answered.load(Ordering::SeqCst));
    }
}
