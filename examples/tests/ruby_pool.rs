//! The Ruby pool, simulated.

use examples::ruby_pool::{Design, run};
use examples::virtual_time::{Clock, End, simulate};

const SECONDS: u64 = 20_000;

#[test]
fn signal_leaves_sockets_unused_for_seven_to_eight_percent() {
    for threads in [11, 12, 15, 20, 30, 50, 100, 200, 300] {
        for seed in 1..=3 {
            let percent = run(Design::Signal, threads, SECONDS, seed).unused * 100.0;
            assert!(
                (7.0..=8.0).contains(&percent),
                "{threads} threads, seed {seed}: {percent:.3} %"
            );
        }
    }
}

#[test]
fn broadcast_leaves_none_unused_from_thirty_threads_on() {
    for threads in [30, 50, 100, 300] {
        let percent = run(Design::Broadcast, threads, SECONDS, 1).unused * 100.0;
        assert!(percent < 0.1, "{threads} threads: {percent:.3} %");
    }
}

#[test]
fn hand_off_leaves_none_unused_from_fifteen_threads_on() {
    for threads in [15, 20, 30, 50, 100, 300] {
        for seed in 1..=3 {
            let percent = run(Design::HandOff, threads, SECONDS, seed).unused * 100.0;
            assert!(percent < 0.1, "{threads} threads, seed {seed}: {percent:.3} %");
        }
    }
}

#[test]
fn no_design_deadlocks_and_hand_off_waits_shortest() {
    for threads in [1, 5, 10, 11, 15, 30, 100, 300] {
        let outcomes = Design::ALL.map(|design| (design, run(design, threads, SECONDS, 1)));
        let hand_off = outcomes[3].1.longest_wait;
        for (design, outcome) in &outcomes {
            assert_eq!(outcome.end, End::Time, "{design} with {threads} threads");
            assert!(
                hand_off <= outcome.longest_wait,
                "{design} with {threads} threads: {outcome:?}"
            );
        }
    }
}

#[test]
fn runs_have_the_same_result_each_time() {
    let two = [(), ()].map(|()| format!("{:?}", run(Design::Signal, 40, SECONDS, 7)));
    assert_eq!(two[0], two[1]);
}

#[test]
fn executor_tells_a_deadlock_from_the_end() {
    let clock = Clock::default();
    assert_eq!(simulate(&clock, 10, [Box::pin(std::future::pending()) as _]), End::Deadlock);
    assert_eq!(simulate(&clock, 10, [Box::pin(clock.sleep(3)) as _]), End::Done);
    assert_eq!(clock.now(), 3);
    assert_eq!(simulate(&clock, 10, [Box::pin(clock.sleep(30)) as _]), End::Time);
}
