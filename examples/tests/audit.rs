//! `audit` through the loss of its primary and of its mirroring process, on both APIs.

#[allow(dead_code, reason = "its `main`, command line and printing are not used here")]
#[path = "../examples/audit/main.rs"]
mod audit;

use audit::arguments::Arguments;
use audit::script::Step;
use audit::verdict::Verdict;
use examples::failover::{Mode, Summary};

/// Not a test by itself, but the mirroring process of the other tests.
#[test]
fn mirroring_process() {
    if let Some(assignment) = audit::Assignment::of_this_process() {
        panic!("{}", assignment.fulfil());
    }
}

fn mirrors_once(mode: Mode) {
    let process = ["mirroring_process", "--exact", "--nocapture"].map(str::to_owned).to_vec();
    let arguments =
        Arguments { mode, events: 400, kills: 1, restarts: 2, process, ..Arguments::default() };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let summary = runtime.block_on(audit::run(arguments)).unwrap();
    assert!(summary.is_perfect(), "{summary}");
    assert_eq!(summary.verdict.mirrored, 400, "{summary}");
    // The first process has opened a stream, and the last one continues where it stopped. One in
    // between can be killed before it opens a stream.
    assert!(summary.resumes >= 1, "{summary}");
}

#[test]
fn tasks_mirror_every_change_once() {
    mirrors_once(Mode::Async);
}

#[test]
fn threads_mirror_every_change_once() {
    mirrors_once(Mode::Blocking);
}

#[test]
fn lost_and_repeated_changes_are_counted() {
    let journal = || (0..70).map(|number| Step::of(number).entry());
    let whole = Verdict { mirrored: 70, lost: 0, duplicated: 0, is_equal: true };
    assert_eq!(Verdict::of(70, journal(), true), whole);
    let repeated = journal().chain(journal().skip(69));
    let repeated = Verdict::of(70, repeated, true);
    assert_eq!(repeated, Verdict { mirrored: 71, duplicated: 1, ..whole });
    let lost = Verdict::of(70, journal().skip(2), true);
    assert_eq!(lost, Verdict { mirrored: 68, lost: 2, ..whole });
    // A change that nobody has written is a surplus entry.
    let foreign = Verdict::of(69, journal(), true);
    assert_eq!(foreign, Verdict { mirrored: 70, duplicated: 1, ..whole });
}

#[test]
fn arguments_that_cannot_be_are_refused_with_a_sentence() {
    let read = |arguments: &[&str]| Arguments::read(lexopt::Parser::from_args(arguments));
    for (arguments, culprits) in [
        (&["--uri", "mongodb://localhost", "--kills", "1"][..], ["--kills 1", "--uri"]),
        (&["--events", "2", "--kills", "2"], ["--kills 2", "--events is 2"]),
        (&["--events", "0"], ["--events", "at least 1"]),
        (&["--restarts", "many"], ["many", "invalid digit"]),
        (&["--restart", "2"], ["--restart", "usage"]),
    ] {
        let error = read(arguments).unwrap_err().to_string();
        assert!(culprits.iter().all(|culprit| error.contains(culprit)), "{arguments:?}: {error}");
    }
    assert_eq!(read(&["--events", "5"]).unwrap().kills, 4);
}
