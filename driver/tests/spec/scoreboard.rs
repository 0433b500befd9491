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
    /// The passed cases that ran through a router.
    routed: usize,
    failed: usize,
    /// The cases that only lack a component.
    missing: BTreeMap<String, usize>,
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
            Outcome::Missing(reason) => *score.missing.entry(reason.clone()).or_default() += 1,
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
        let line = |f: &mut fmt::Formatter<'_>,
                    name: &str,
                    [passed, failed, missing, ignored]: [usize; 4]| {
            let runnable: usize = passed + failed + missing;
            writeln!(
                f,
                "{name:<58} {runnable:>8} {passed:>7} {failed:>7} {missing:>8} {ignored:>8}"
            )
        };
        let titles = ["runnable", "passed", "failed", "missing", "ignored"];
        let [runnable, passed, failed, missing, ignored] = titles;
        writeln!(
            f,
            "{:<58} {runnable} {passed:>7} {failed:>7} {missing:>8} {ignored:>8}",
            "suite"
        )?;
        let mut total = [0; 4];
        for (name, score) in suites.iter() {
            let counts = [
                score.passed,
                score.failed,
                score.missing.values().sum(),
                score.ignored.values().sum(),
            ];
            line(f, name, counts)?;
            if score.routed > 0 {
                writeln!(f, "    {} passed through the router", score.routed)?;
            }
            for (reason, count) in &score.missing {
                writeln!(f, "    {count} missing: {reason}")?;
            }
            for (reason, count) in &score.ignored {
                writeln!(f, "    {count} ignored: {reason}")?;
            }
            for (sum, count) in total.iter_mut().zip(counts) {
                *sum += count;
            }
        }
        line(f, "total", total)
    }
}
