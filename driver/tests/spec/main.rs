//! Runs the test cases of the driver specifications: `cargo test -p driver --test spec`.
//!
//! `MONGODB_SPECIFICATIONS` is the folder of the data. Its default is `../shared/specifications`.
//! Each case is one trial with the name `suite/file: description`. A part of a name on the command
//! line selects trials, and so do several parts in `SPEC_FILTER`, with commas. A scoreboard at the
//! end shows the number of cases of each suite that can run here, and how many of them passed,
//! failed, or miss a component. `ignored.rs` lists every missing component. The other cases are
//! ignored for a requirement, computed from the version, the topology and the parameters of the
//! servers. No case is ignored because it fails. A malformed file is a failure. The trials of
//! `harness` show that wrong expectations fail.
//!
//! A case runs on the first servers that meet its requirements. `SPEC_SERVERS` names the only ones
//! to use (see `servers.rs`). `SPEC_REPORT` is the path of a file for the outcomes: one JSON object
//! in each line.

#[allow(dead_code, unused_imports, unused_macros, reason = "other test targets use the rest")]
#[path = "../operations/api.rs"]
mod api;
mod data;
#[allow(dead_code, reason = "the tests of operations use the rest")]
#[path = "../operations/files.rs"]
mod files;
mod harness_tests;
mod ignored;
#[allow(dead_code, reason = "the tests of operations use the rest")]
#[path = "../operations/reads.rs"]
mod reads;
mod report;
mod scoreboard;
mod suite;
mod suites;
mod unified;
mod watchdog;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Trial};

use self::scoreboard::Scoreboard;

/// The default number of concurrent trials, unless `--test-threads` is given.
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
                "no case files: set MONGODB_SPECIFICATIONS to the test data of the specifications",
            ))
        })),
        Err(why) => trials.push(Trial::test("specifications", || Err(why.into()))),
    }
    if let Some(wanted) = std::env::var("SPEC_FILTER").ok().filter(|wanted| !wanted.is_empty()) {
        trials.retain(|trial| wanted.split(',').any(|part| trial.name().contains(part)));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !arguments.list {
        print!("{scoreboard}");
    }
    conclusion.exit_code()
}
