//! The results of the cases, by suite.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::suite::Outcome;

/// Counts the outcomes.
#[derive(Default)]
pub(crate) struct Scoreboard {
    suites: Mutex<BTreeMap<&'static str, Score>>,
}

#[derive(Default)]
struct Score {
    passed: usize,
    /// Those of the passed that ran through a router.
    routed: usize,
    failed: usize,
    ignored: BTreeMap<String, usize>,
}

impl Scoreboard {
    /// Counts one case of `suite`.
    pub(crate) fn record(&self, suite: &'static str, outcome: &Outcome) {
        let mut suites = self.suites.lock().unwrap_or_else(PoisonError::into_inner);
        let score = suites.entry(suite).or_default();
        match outcome {
            Outcome::Passed => score.passed += 1,
            Outcome::Routed => {
                score.passed += 1;
                score.routed += 1;
            }
            Outcome::Failed(_) => score.failed += 1,
            Outcome::Ignored(reason) => *score.ignored.entry(reason.clone()).or_default() += 1,
        }
    }
}

impl fmt::Display for Scoreboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suites = self.suites.lock().unwrap_or_else(PoisonError::into_inner);
        if suites.is_empty() {
            return Ok(());
        }
        let line = |f: &mut fmt::Formatter<'_>, name: &str, passed, failed, ignored| {
            writeln!(f, "{name:<58} {passed:>7} {failed:>7} {ignored:>8}")
        };
        writeln!(f, "{:<58} {:>7} {:>7} {:>8}", "suite", "passed", "failed", "ignored")?;
        let mut total = [0; 3];
        for (name, score) in suites.iter() {
            let ignored = score.ignored.values().sum();
            line(f, name, score.passed, score.failed, ignored)?;
            if score.routed > 0 {
                writeln!(f, "    {} passed through the router", score.routed)?;
            }
            for (reason, count) in &score.ignored {
                writeln!(f, "    {count} ignored: {reason}")?;
            }
            total[0] += score.passed;
            total[1] += score.failed;
            total[2] += ignored;
        }
        line(f, "total", total[0], total[1], total[2])
    }
}
