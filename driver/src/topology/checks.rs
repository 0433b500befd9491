//! The checks of one server: requested, started and ended ones.
//!
//! Checks are numbered when they start. A caller that needs the server's state *from now on* takes
//! the number of the next check to start, and waits until a check with at least that number has
//! ended. All callers before that start share the check. So any number of callers causes at most
//! one check in addition to the running one.
//!
//! There are two kinds of requests. A *refresh* is always answered: if the server streams its
//! changes, by a separate check beside the stream. A *nudge* only ends the wait of a monitor before
//! its next attempt. A streaming server needs none. Each request is a flag. The bell only wakes the
//! monitor to look at the flags, so a late bell causes no additional check.
//!
//! Numbers and flags change under the lock of a [`Handoff`]; the bell is set and cleared outside
//! it. The loom models of the crate `pool-model` explore every interleaving of a monitor and its
//! callers. The tests below use random schedules.

use toro::{Event, Handoff, Take};

/// The state of one server's checks. The monitor and all callers share it.
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

/// A running check. If it is dropped before its end, it has answered nobody, so a refresh that it
/// was to answer is requested again.
#[must_use]
pub(crate) struct Check<'a> {
    checks: &'a Checks,
    number: CheckNumber,
    answers_refresh: bool,
}

impl Check<'_> {
    #[cfg(any(test, loom))]
    pub(crate) fn number(&self) -> CheckNumber {
        self.number
    }

    /// Ends the check. Its result must have been published.
    pub(crate) fn end(mut self) {
        self.answers_refresh = false;
        self.checks.progress.with(|progress, waiters| {
            progress.ended = progress.ended.max(self.number.0);
            waiters.hand_off_all(|| ());
        });
    }
}

impl Drop for Check<'_> {
    fn drop(&mut self) {
        if self.answers_refresh {
            self.checks.progress.with(|progress, _| progress.refresh = true);
            self.checks.bell.set();
        }
    }
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

    /// Requests a check that has not started yet. A check with the returned number or a higher one
    /// will end.
    pub(crate) fn refresh(&self) -> CheckNumber {
        let number = self.progress.with(|progress, _| {
            progress.refresh = true;
            progress.started + 1
        });
        self.bell.set();
        CheckNumber(number)
    }

    /// Wakes a waiting monitor for its next attempt.
    pub(crate) fn nudge(&self) {
        self.progress.with(|progress, _| progress.nudge = true);
        self.bell.set();
    }

    /// Starts a check, which answers all earlier requests.
    pub(crate) fn begin(&self) -> Check<'_> {
        self.bell.clear();
        self.progress.with(|progress, _| {
            progress.nudge = false;
            progress.started += 1;
            Check {
                checks: self,
                number: CheckNumber(progress.started),
                answers_refresh: std::mem::take(&mut progress.refresh),
            }
        })
    }

    /// Whether a check with at least this number has ended, or the server was removed.
    pub(crate) fn has_ended(&self, check: CheckNumber) -> bool {
        self.progress.with(|progress, _| progress.closed || progress.ended >= check.0)
    }

    /// Waits until a check with at least this number has ended, or the server was removed.
    ///
    /// # Cancel safety
    /// A dropped future leaves nothing behind.
    pub(crate) async fn ended(&self, check: CheckNumber) {
        let done = |progress: &Progress| progress.closed || progress.ended >= check.0;
        while !self.has_ended(check) {
            self.progress
                .wait(|progress, _| if done(progress) { Take::Ready(()) } else { Take::Queue })
                .await;
        }
    }

    /// Waits for a refresh request without a check.
    pub(crate) async fn refresh_wanted(&self) {
        self.rung(|progress| progress.refresh).await;
    }

    /// Waits for any request without a check.
    pub(crate) async fn any_wanted(&self) {
        self.rung(|progress| progress.refresh || progress.nudge).await;
    }

    /// Requests a recheck of whether the server still replies, within about a second, because
    /// another primary has replaced it.
    pub(crate) fn recheck(&self) {
        self.recheck.set();
    }

    /// Waits for [`recheck`](Self::recheck). Several calls count as one.
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

    /// Interrupts the running check, because its connection is no longer reliable.
    pub(crate) fn cancel(&self) {
        self.cancelled.set();
    }

    /// Waits for [`cancel`](Self::cancel) or [`close`](Self::close).
    pub(crate) async fn interrupted(&self) {
        self.cancelled.wait().await;
    }

    /// Clears the interruption, so that it does not affect the next check.
    pub(crate) fn rearm(&self) {
        self.cancelled.clear();
        if self.is_closed() {
            self.cancelled.set();
        }
    }

    /// Ends the monitoring of the server and all waits for its checks.
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

    /// Checks a server, as a monitor does, until it is closed. `started` counts the checks.
    fn monitor(checks: &Checks, started: &AtomicU64) {
        while !checks.is_closed() {
            let check = checks.begin();
            started.fetch_add(1, Ordering::SeqCst);
            if fastrand::bool() {
                thread::yield_now();
            }
            check.end();
            block_on(super::super::either::either(checks.any_wanted(), checks.closed()));
        }
    }

    // On a random schedule, a check that started after the request answers it.
    #[test]
    fn requests_are_answered_by_later_checks() {
        const ASKERS: usize = 8;
        const QUESTIONS: usize = 300;
        let (checks, started) = (Checks::new(), AtomicU64::new(0));
        thread::scope(|scope| {
            let watched = scope.spawn(|| monitor(&checks, &started));
            let askers = [(); ASKERS].map(|()| {
                scope.spawn(|| {
                    for _ in 0..QUESTIONS {
                        // A check that has begun, but is not counted yet, also began after the
                        // request.
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

    // Requests during a check together cause one further check.
    #[test]
    fn requests_during_a_check_cause_one_more() {
        let checks = Checks::new();
        let running = checks.begin();
        let wanted = thread::scope(|scope| {
            let askers = [(); 16].map(|()| scope.spawn(|| checks.refresh()));
            askers.map(|asker| asker.join().unwrap())
        });
        running.end();
        assert!(wanted.iter().all(|check| !checks.has_ended(*check)));
        block_on(checks.refresh_wanted());
        let more = checks.begin();
        more.end();
        assert!(wanted.iter().all(|check| checks.has_ended(*check)));
        assert!(
            !checks.progress.with(|progress, _| progress.refresh || progress.nudge),
            "a third check is requested"
        );
    }

    #[test]
    fn interrupted_check_leaves_its_requests_to_the_next() {
        let checks = Checks::new();
        let wanted = checks.refresh();
        drop(checks.begin());
        assert!(!checks.has_ended(wanted));
        block_on(checks.refresh_wanted());
        let next = checks.begin();
        assert!(next.number() > wanted);
        next.end();
        assert!(checks.has_ended(wanted));
        // Nobody had asked for this one.
        drop(checks.begin());
        assert!(!checks.progress.with(|progress, _| progress.refresh));
    }

    #[test]
    fn nudge_ends_a_wait_without_a_refresh() {
        let checks = Checks::new();
        checks.nudge();
        block_on(checks.any_wanted());
        assert!(!checks.progress.with(|progress, _| progress.refresh));
    }

    #[test]
    fn close_ends_every_wait() {
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
