//! Runs the cases of the public driver specifications: `cargo test -p driver --test spec`.
//!
//! The data is looked for in `MONGODB_SPECIFICATIONS`, else in `../shared/specifications` beside
//! the project. Each case is one trial, called `suite/file: description`; a name given on the
//! command line, or in `SPEC_FILTER`, chooses among them. At the end stands a scoreboard: per suite
//! what passed, failed, and was ignored for which reason. A case is ignored for a reason computed
//! from the servers that it would run on, or from the operations and options that it needs and the
//! driver lacks, or because `ignored.rs` names the component that cannot exist here; none because
//! it fails. A file that cannot be read is a failure. The trials of `harness` show that wrong
//! expectations fail.

mod data;
mod harness_tests;
mod ignored;
mod scoreboard;
mod suite;
mod suites;
mod unified;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Trial};

use self::scoreboard::Scoreboard;

/// How many trials run at a time, unless `--test-threads` says otherwise.
const TRIALS_AT_A_TIME: usize = 6;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Most trials wait for servers most of the time.
    arguments.test_threads.get_or_insert(TRIALS_AT_A_TIME);
    let scoreboard = Arc::new(Scoreboard::default());
    let mut trials = harness_tests::trials();
    match data::folder() {
        Ok(Some(folder)) => {
            let suites = suites::all();
            trials.push(suite::all_registered(&folder, &suites));
            trials.extend(suite::trials(&folder, &suites, &scoreboard));
        }
        Ok(None) => trials.push(Trial::ignorable_test("specifications", || {
            Ok(Completion::ignored_with(
                "no case files: set MONGODB_SPECIFICATIONS to a copy of the specifications' test data",
            ))
        })),
        Err(why) => trials.push(Trial::test("specifications", || Err(why.into()))),
    }
    if let Some(wanted) = std::env::var("SPEC_FILTER").ok().filter(|wanted| !wanted.is_empty()) {
        trials.retain(|trial| trial.name().contains(&wanted));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !arguments.list {
        print!("{scoreboard}");
    }
    conclusion.exit_code()
}
