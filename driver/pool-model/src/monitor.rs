//! The checks of a server: its monitor, and those who ask it for news.

use loom::future::block_on;
use loom::sync::Arc;
use loom::thread;

use crate::checks::Checks;
use crate::either::{Either, either};
use crate::model;

/// A monitor, as it works on a server that is polled: a check, then rest until another is wanted.
/// Gives how many it started.
fn monitor(checks: &Checks) -> u64 {
    let mut started = 0;
    while !checks.is_closed() {
        let check = checks.begin();
        started += 1;
        checks.end(check);
        block_on(either(checks.any_wanted(), checks.closed()));
    }
    started
}

fn watched(checks: &Arc<Checks>) -> thread::JoinHandle<u64> {
    let checks = checks.clone();
    thread::spawn(move || monitor(&checks))
}

/// One asks while the monitor goes about its checks: it is answered, and causes no more than one
/// check besides the first.
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

/// Two ask while one check ends and the next begins: however they come between, each check that
/// they caused is one that both could share, and nothing is left to be checked that nobody asked
/// for.
#[test]
fn two_who_ask_against_the_next_check() {
    model(|| {
        let checks = Arc::new(Checks::new());
        let running = checks.begin();
        let askers = [(); 2].map(|()| {
            let checks = checks.clone();
            thread::spawn(move || checks.refresh())
        });
        checks.end(running);
        let mut last = checks.begin();
        checks.end(last);
        let wanted = askers.map(|asker| asker.join().unwrap()).into_iter().max().unwrap();
        while let Either::Left(()) =
            block_on(either(checks.refresh_wanted(), std::future::ready(())))
        {
            last = checks.begin();
            checks.end(last);
        }
        assert_eq!(last, wanted, "a check is missing, or was started that nobody asked for");
        assert!(checks.has_ended(wanted) && wanted > running);
    });
}

/// A nudge comes while the monitor goes to rest: it ends the rest, or the check that begins answers
/// it.
#[test]
fn a_nudge_against_going_to_rest() {
    model(|| {
        let checks = Arc::new(Checks::new());
        let nudges = {
            let checks = checks.clone();
            thread::spawn(move || checks.nudge())
        };
        block_on(checks.any_wanted());
        let check = checks.begin();
        checks.end(check);
        nudges.join().unwrap();
    });
}

/// The server is no longer watched while one asks and the monitor rests: both are told.
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

/// A check is interrupted as the next begins: either the interruption is done with, or the check
/// sees it. After closing it always does.
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
