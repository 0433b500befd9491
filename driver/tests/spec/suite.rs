//! Suites, and the trials of their files.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use libtest_mimic::{Completion, Failed, Trial};
use serde_json::Value;
use testbed::Version;

use crate::scoreboard::Scoreboard;
use crate::{data, ignored, report, watchdog};

/// The cases of one folder, all in one format.
pub(crate) struct Suite {
    /// The name on the scoreboard.
    pub(crate) name: &'static str,
    /// The folder within the data.
    pub(crate) folder: &'static str,
    /// Reads one file. An error is a failure.
    pub(crate) cases: fn(&Value) -> Result<Vec<Case>, String>,
}

/// One trial.
pub(crate) struct Case {
    /// The description in the file.
    pub(crate) description: String,
    /// Runs it.
    pub(crate) run: Box<dyn FnOnce() -> Outcome + Send>,
}

/// The result of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    /// It passed on servers behind a router, which presents them as another topology.
    Routed,
    /// The expected and the actual value.
    Failed(String),
    /// The requirement that the servers, or the features of the driver, do not meet. It is
    /// computed.
    Ignored(String),
    /// The component that the driver or its surroundings lack. `ignored.rs` lists it.
    Missing(String),
}

impl From<Result<(), String>> for Outcome {
    fn from(result: Result<(), String>) -> Self {
        match result {
            Ok(()) => Outcome::Passed,
            Err(why) => Outcome::Failed(why),
        }
    }
}

impl Case {
    /// A case with this description. It passes if `run` returns `Ok`.
    pub(crate) fn new(
        description: impl Into<String>,
        run: impl FnOnce() -> Result<(), String> + Send + 'static,
    ) -> Self {
        Case { description: description.into(), run: Box::new(|| run().into()) }
    }

    /// Runs the case; a panic is a failure.
    pub(crate) fn outcome(self) -> Outcome {
        catch_unwind(AssertUnwindSafe(self.run)).unwrap_or_else(|panic| {
            let message = panic.downcast_ref::<String>().map(String::as_str);
            let message = message.or_else(|| panic.downcast_ref::<&str>().copied());
            Outcome::Failed(format!("panicked: {}", message.unwrap_or("without a message")))
        })
    }
}

/// A trial that checks that every case file below `folder` belongs to a suite.
pub(crate) fn all_registered(folder: &Path, suites: &[Suite]) -> Trial {
    let outcome = data::case_files(folder).and_then(|files| {
        let folders: Vec<_> = suites.iter().map(|suite| folder.join(suite.folder)).collect();
        match files.iter().find(|file| !folders.iter().any(|folder| file.starts_with(folder))) {
            None => Ok(()),
            Some(file) => Err(format!("{} belongs to no suite", file.display())),
        }
    });
    Trial::test("harness: every case file belongs to a suite", || outcome.map_err(Failed::from))
}

/// The trials of all `suites` below `folder`.
pub(crate) fn trials(folder: &Path, suites: &[Suite], scoreboard: &Arc<Scoreboard>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for suite in suites {
        let folder = folder.join(suite.folder);
        match data::case_files(&folder) {
            Ok(files) => {
                for file in files {
                    let stem = file.strip_prefix(&folder).unwrap_or(&file).with_extension("");
                    let stem = stem.to_string_lossy().into_owned();
                    match data::read(&file).and_then(|content| (suite.cases)(&content)) {
                        Ok(cases) => trials.extend(
                            cases
                                .into_iter()
                                .map(|case| trial(suite.name, &stem, case, scoreboard)),
                        ),
                        Err(why) => trials.push(unreadable(suite.name, &stem, why, scoreboard)),
                    }
                }
            }
            Err(why) => trials.push(unreadable(suite.name, "*", why, scoreboard)),
        }
    }
    trials
}

/// The version of the servers that the testbed starts.
fn version() -> Result<Version, String> {
    testbed::Mongod::resolve(None).map(|mongod| mongod.version()).map_err(|error| error.to_string())
}

fn unreadable(suite: &'static str, stem: &str, why: String, scoreboard: &Arc<Scoreboard>) -> Trial {
    trial(suite, stem, Case::new("the file can be read", move || Err(why)), scoreboard)
}

fn trial(suite: &'static str, stem: &str, case: Case, scoreboard: &Arc<Scoreboard>) -> Trial {
    let name = format!("{suite}/{stem}: {}", case.description.trim());
    let component = ignored::missing_component(&name).map(str::to_owned);
    let scoreboard = Arc::clone(scoreboard);
    Trial::ignorable_test(name.clone(), move || {
        let missing = match component {
            Some(component) => Ok(Some(Outcome::Missing(component))),
            None => ignored::missing_in_server(&name, version).map(|why| why.map(Outcome::Ignored)),
        };
        let outcome = match missing {
            Ok(Some(outcome)) => outcome,
            Ok(None) => {
                let _running = watchdog::watch(&name);
                case.outcome()
            }
            Err(why) => Outcome::Failed(why),
        };
        scoreboard.record(suite, &outcome);
        report::add(suite, &name, &outcome);
        match outcome {
            Outcome::Passed | Outcome::Routed => Ok(Completion::Completed),
            Outcome::Failed(why) => Err(Failed::from(why)),
            Outcome::Ignored(reason) | Outcome::Missing(reason) => {
                Ok(Completion::ignored_with(reason))
            }
        }
    })
}
