//! Models of a server's checks: its monitor, and threads that request a check.

use loom::future::block_on;
use loom::sync::Arc;
use loom::thread;

use crate::checks::{CheckNumber, Checks};
use crate::either::{Either, either};
use crate::model;

/// A monitor of a polled server: checks, then waits for the next request. Returns the number of
/// checks.
fn monitor(checks: &Checks) -> u64 {
    let mut started = 0;
    while !checks.is_closed() {
        let check = checks.begin();
        started += 1;
        check.end();
        block_on(either(checks.any_wanted(), checks.closed()));
    }
    started
}

fn watched(checks: &Arc<Checks>) -> thread::JoinHandle<u64> {
    let checks = checks.clone();
    thread::spawn(move || monitor(&checks))
}

fn check_once(checks: &Checks) -> CheckNumber {
    let check = checks.begin();
    let number = check.number();
    check.end();
    number
}

/// A thread requests a check while one is interrupted. Another check answers it.
#[test]
fn asking_against_an_interruption() {
    model(|| {
        let checks = Arc::new(Checks::new());
        let interrupted = {
            let checks = checks.clone();
            thread::spawn(move || {
                drop(checks.begin());
                block_on(either(checks.any_wanted(), checks.closed()));
                checks.begin().end();
            })
        };
        let wanted = checks.refresh();
        block_on(checks.ended(wanted));
        checks.close();
        interrupted.join().unwrap();
    });
}

/// A thread requests a check while the monitor runs. It gets its answer, and causes at most one
/// additional check.
#[test]
fn asking_against_a_monitor() {
    model(|| {
        let checks = Arc::new(Checks::new());
        let monitor = watched(&checks);
        block_on(checks.ended(checks.refresh()));
        checks.close();
        assert!(monitor.join().unwrap() <= 2);
    });
}

/// Two threads request a check while one check ends and the next begins. Both may share each check,
/// and no request remains.
#[test]
fn two_requests_against_the_next_check() {
    model(|| {
        let checks = Arc::new(Checks::new());
        let running = checks.begin();
        let askers = [(); 2].map(|()| {
            let checks = checks.clone();
            thread::spawn(move || checks.refresh())
        });
        let first = running.number();
        running.end();
        let mut last = check_once(&checks);
        let wanted = askers.map(|asker| asker.join().unwrap()).into_iter().max().unwrap();
        while let Either::Left(()) =
            block_on(either(checks.refresh_wanted(), std::future::ready(())))
        {
            last = check_once(&checks);
        }
        assert_eq!(last, wanted, "a check is missing, or was started without a request");
        assert!(checks.has_ended(wanted) && wanted > first);
    });
}

/// A wake-up comes while the monitor is about to wait. It ends the wait, or the check that begins
/// answers it.
#[test]
fn nudge_races_with_going_to_rest() {
    model(|| {
        let checks = Arc::new(Checks::new());
        let nudges = {
            let checks = checks.clone();
            thread::spawn(move || checks.nudge())
        };
        block_on(checks.any_wanted());
        let check = checks.begin();
        check.end();
        nudges.join().unwrap();
    });
}

/// Monitoring ends while one thread requests a check and the monitor waits. Both are notified.
#[test]
fn closing_against_asking_and_rest() {
    model(|| {
        let checks = Arc::new(Checks::new());
        let asks = {
            let checks = checks.clone();
            thread::spawn(move || block_on(checks.ended(checks.refresh())))
        };
        let monitor = watched(&checks);
        checks.close();
        asks.join().unwrap();
        monitor.join().unwrap();
    });
}

/// A check is interrupted while the next begins. The interruption is cleared, or the next check
/// sees it. After a close the check always sees it.
#[test]
fn closing_against_rearming() {
    model(|| {
        let checks = Arc::new(Checks::new());
        let closes = {
            let checks = checks.clone();
            thread::spawn(move || checks.close())
        };
        checks.rearm();
        block_on(checks.interrupted());
        closes.join().unwrap();
    });
}
