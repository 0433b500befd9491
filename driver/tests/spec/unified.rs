//! Runs files of the specification "Unified Test Format". Each test creates clients, runs
//! operations, and compares results, events, log messages and the final data. Each test runs once
//! per API.

mod arguments;
mod entities;
mod events;
mod expected_error;
mod format;
mod log_messages;
mod matching;
mod operations;
mod requirements;
mod runner;
mod servers;
#[cfg(feature = "opentelemetry")]
mod spans;
mod stop;

use std::sync::Arc;

use driver::{Async, Blocking};
use serde_json::Value;

use self::format::{File, Test};
use self::log_messages::Turn;
use self::runner::Runner;
use self::servers::Kind;
use self::stop::Stop;
use crate::api::Api;
use crate::files::Files;
use crate::reads::Reads;
use crate::suite::{Case, Outcome};
use crate::{ignored, report};

/// An API with all steps that a test can take.
pub(crate) trait Steps: Api + Reads + Files {}

impl<F: Api + Reads + Files> Steps for F {}

/// The tests of one file.
///
/// # Errors
/// The file is malformed, or has a newer format version.
pub(crate) fn cases(content: &Value) -> Result<Vec<Case>, String> {
    let file = Arc::new(File::read(content)?);
    Ok((0..file.tests.len())
        .flat_map(|i| [case::<Async>(&file, i), case::<Blocking>(&file, i)])
        .collect())
}

/// The tests of one file that must all fail.
pub(crate) fn failing_cases(content: &Value) -> Result<Vec<Case>, String> {
    let Ok(cases) = cases(content) else { return Ok(vec![Case::new("is refused", || Ok(()))]) };
    let fails = |case: Case| Case {
        description: format!("fails: {}", case.description),
        run: Box::new(|| match case.outcome() {
            Outcome::Failed(_) => Outcome::Passed,
            Outcome::Passed | Outcome::Routed => Outcome::Failed("it passes".into()),
            ignored => ignored,
        }),
    };
    Ok(cases.into_iter().map(fails).collect())
}

/// One file that must be refused.
pub(crate) fn refused_cases(content: &Value) -> Result<Vec<Case>, String> {
    let outcome = match File::read(content) {
        Ok(_) => Err("the file is read without an error".to_owned()),
        Err(_) => Ok(()),
    };
    Ok(vec![Case::new("is refused", || outcome)])
}

/// The attempts of a case whose pauses use up most of a timeout, but not all of it. A busy machine
/// can use up the rest.
const TIGHT_ATTEMPTS: usize = 3;

fn case<F: Steps>(file: &Arc<File>, index: usize) -> Case {
    let file = Arc::clone(file);
    Case {
        description: format!("{} [{}]", file.tests[index].description, F::NAME),
        run: Box::new(move || {
            let test = &file.tests[index];
            let attempt = || match run::<F>(&file, test) {
                Ok(kind) if kind.is_routed() => Outcome::Routed,
                Ok(_) => Outcome::Passed,
                Err(outcome) => outcome,
            };
            let mut outcome = attempt();
            for _ in 1..if runner::is_tight(&file, test) { TIGHT_ATTEMPTS } else { 1 } {
                if let Outcome::Failed(why) = &outcome {
                    println!("{}: run again after: {why}", test.description);
                    outcome = attempt();
                }
            }
            outcome
        }),
    }
}

/// Returns the kind of servers that the test has passed on.
fn run<F: Steps>(file: &File, test: &Test) -> Result<Kind, Outcome> {
    let failed = Outcome::Failed;
    if let Some(why) = &test.skip_reason {
        return Err(Outcome::Ignored(format!("skipped by the test itself: {why}")));
    }
    let requirements = [&*file.run_on_requirements, &*test.run_on_requirements];
    let kind = requirements::servers(&requirements).map_err(failed)?.map_err(Outcome::Ignored)?;
    if kind.is_routed() {
        let events = test.expect_events.iter().flat_map(|expected| &expected.events);
        if let Some(why) = ignored::missing_behind_router(events) {
            return Err(Outcome::Missing(why.into()));
        }
    }
    report::runs_on(kind.name());
    let messages = &test.expect_log_messages;
    if !messages.is_empty() && !cfg!(feature = "tracing") {
        return Err(Outcome::Ignored("needs the driver's feature tracing".into()));
    }
    if !test.expect_tracing_messages.is_empty() && !cfg!(feature = "opentelemetry") {
        return Err(Outcome::Ignored("needs the driver's feature opentelemetry".into()));
    }
    Runner::<F>::check(&file.create_entities, test)?;

    let alone = kind.take().map_err(failed)?;
    let servers = alone.servers;
    let turn = Turn::take(!messages.is_empty());
    let runner = Runner::<F>::on(servers, file, test);
    let played = servers
        .load(&file.initial_data, &file.collections())
        .map_err(Stop::Failed)
        .and_then(|()| play(&runner, file, test))
        // The fail points are still on, so that nothing they delay happens before the check.
        .and_then(|()| Ok(servers.check(&test.outcome)?));
    runner.entities.end();
    servers.restore().map_err(failed)?;
    played?;
    turn.end().map_err(failed)?;
    Ok(kind)
}

fn play<F: Steps>(runner: &Arc<Runner<F>>, file: &File, test: &Test) -> Result<(), Stop> {
    file.create_entities.iter().try_for_each(|entity| runner.entities.create(entity))?;
    for (i, operation) in test.operations.iter().enumerate() {
        runner.run(operation).map_err(|stop| stop.during(&format!("operation {i}")))?;
    }
    for expected in test.expect_events.iter() {
        runner.entities.client(&expected.client)?.events.check(expected, &runner.entities)?;
    }
    for expected in test.expect_log_messages.iter() {
        let client = runner.entities.client(&expected.client)?;
        let levels = client
            .log_levels
            .as_ref()
            .ok_or("log messages are expected from a client that does not observe them")?;
        log_messages::check(expected, levels, &runner.entities)?;
    }
    #[cfg(feature = "opentelemetry")]
    for expected in test.expect_tracing_messages.iter() {
        let client = runner.entities.client(&expected.client)?;
        let spans = client.spans.as_ref();
        let spans = spans.ok_or("spans are expected from a client that does not observe them")?;
        spans.check(expected, &runner.entities)?;
    }
    Ok(())
}
