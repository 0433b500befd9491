//! `transfer` through the loss of its primary, on both APIs.

#[allow(dead_code, reason = "its `main`, command line and printing are not used here")]
#[path = "../examples/transfer/main.rs"]
mod transfer;

use examples::failover::{Mode, Summary};
use transfer::arguments::Arguments;

fn keeps_its_sum(mode: Mode) {
    let arguments = Arguments { mode, transfers: 300, kills: 1, ..Arguments::default() };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let summary = runtime.block_on(transfer::run(arguments)).unwrap();
    assert!(summary.is_perfect(), "{summary}");
    assert_eq!(summary.transfers + summary.aborted, 300, "{summary}");
    assert!(summary.transfers > 0, "{summary}");
}

#[test]
fn tasks_keep_the_sum() {
    keeps_its_sum(Mode::Async);
}

#[test]
fn threads_keep_the_sum() {
    keeps_its_sum(Mode::Blocking);
}

#[test]
fn impossible_arguments_are_refused_with_a_reason() {
    let read = |arguments: &[&str]| Arguments::read(lexopt::Parser::from_args(arguments));
    for (arguments, culprits) in [
        (&["--uri", "mongodb://localhost", "--kills", "1"][..], ["--kills 1", "--uri"]),
        (&["--transfers", "2", "--kills", "2"], ["--kills 2", "--transfers is 2"]),
        (&["--transfers", "0"], ["--transfers", "at least 1"]),
        (&["--accounts", "1"], ["--accounts is 1", "two accounts"]),
        (&["--kils", "2"], ["--kils", "usage"]),
    ] {
        let error = read(arguments).unwrap_err().to_string();
        assert!(culprits.iter().all(|culprit| error.contains(culprit)), "{arguments:?}: {error}");
    }
    assert_eq!(read(&["--transfers", "5"]).unwrap().kills, 4);
    assert_eq!(read(&["--uri", "mongodb://localhost"]).unwrap().kills, 0);
}
