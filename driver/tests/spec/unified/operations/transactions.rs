//! Transactions.

use std::sync::{Arc, Mutex};

use bson::{Document, doc};
use driver::options::{SessionOptions, TransactionOptions};
use driver::session::ClientSession;

use super::{Answer, Kind, Read, Registry, of_runner, on_session};
use crate::unified::Steps;
use crate::unified::arguments::Arguments;
use crate::unified::entities::{Session, lock};
use crate::unified::format::Operation;
use crate::unified::runner::Runner;
use crate::unified::stop::Stop;

pub(super) fn register<F: Steps>(registry: &mut Registry<F>) {
    registry.add(Kind::Session, "startTransaction", start_transaction);
    registry.add(Kind::Session, "commitTransaction", commit_transaction);
    registry.add(Kind::Session, "abortTransaction", abort_transaction);
    registry.add(Kind::Session, "withTransaction", with_transaction);
    registry.add(Kind::Runner, "assertSessionTransactionState", assert_state);
    registry.add(Kind::Runner, "assertSessionPinned", assert_pinned);
    registry.add(Kind::Runner, "assertSessionUnpinned", assert_unpinned);
    registry.add(Kind::Runner, "targetedFailPoint", targeted_fail_point);
}

/// The options of a transaction, which are among other arguments.
pub(crate) fn transaction_options(arguments: &mut Arguments) -> Result<TransactionOptions, Stop> {
    let mut options = TransactionOptions::default();
    options.read_concern = arguments.read_concern()?;
    options.write_concern = arguments.write_concern()?;
    options.selection_criteria = arguments.selection()?;
    options.max_commit_time = arguments.millis("maxCommitTimeMS")?;
    Ok(options)
}

fn start_transaction<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let options = transaction_options(arguments)?;
    on_session(move |_, session| {
        let mut session = lock(session);
        let session = session.as_mut().ok_or("the session has ended")?;
        let ended = F::end(session.start_transaction().with_options(options));
        Ok(ended.map(|()| Answer::Nothing))
    })
}

fn commit_transaction<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let timeout = arguments.millis("timeoutMS")?;
    on_session(move |_, session| {
        let mut session = lock(session);
        let session = session.as_mut().ok_or("the session has ended")?;
        let operation = match timeout {
            None => session.commit_transaction(),
            Some(timeout) => session.commit_transaction().timeout(timeout),
        };
        Ok(F::end(operation).map(|()| Answer::Nothing))
    })
}

fn abort_transaction<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let timeout = arguments.millis("timeoutMS")?;
    on_session(move |_, session| {
        let mut session = lock(session);
        let session = session.as_mut().ok_or("the session has ended")?;
        let operation = match timeout {
            None => session.abort_transaction(),
            Some(timeout) => session.abort_transaction().timeout(timeout),
        };
        Ok(F::end(operation).map(|()| Answer::Nothing))
    })
}

fn with_transaction<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let callback: Vec<Operation> = arguments.required("callback")?;
    let options = transaction_options(arguments)?;
    let timeout = arguments.millis("timeoutMS")?;
    on_session(move |runner, named| {
        let mut session = lock(named).take().ok_or("the session has ended")?;
        let spare = F::session_with(session.client(), SessionOptions::default());
        let spare = Mutex::new(Some(spare.map_err(|error| error.to_string())?));
        let mut operation = session.start_transaction().with_options(options);
        if let Some(timeout) = timeout {
            operation = operation.timeout(timeout);
        }
        let stopped = Mutex::new(None);
        let ended = F::with_transaction(operation, &|held| {
            let mut borrowed = Borrowed::of(held, &spare, named);
            let outcome = run(runner, &callback, &stopped);
            borrowed.give_back();
            outcome
        });
        *lock(named) = Some(session);
        match lock(&stopped).take() {
            Some(stop) => Err(stop),
            None => Ok(ended.map(|()| Answer::Nothing)),
        }
    })
}

/// Operations find a session by its name, and the callback gets the session itself. While the
/// operations run, the session is stored under its name, and a spare session replaces it.
struct Borrowed<'a, F: Steps> {
    held: &'a mut ClientSession<F>,
    spare: &'a Mutex<Option<ClientSession<F>>>,
    named: &'a Session<F>,
}

impl<'a, F: Steps> Borrowed<'a, F> {
    fn of(
        held: &'a mut ClientSession<F>,
        spare: &'a Mutex<Option<ClientSession<F>>>,
        named: &'a Session<F>,
    ) -> Self {
        if let Some(other) = lock(spare).take() {
            *lock(named) = Some(std::mem::replace(held, other));
        }
        Borrowed { held, spare, named }
    }

    fn give_back(&mut self) {
        if let Some(session) = lock(self.named).take() {
            *lock(self.spare) = Some(std::mem::replace(self.held, session));
        }
    }
}

/// Runs the operations of a callback until one fails or the test stops.
fn run<F: Steps>(
    runner: &Arc<Runner<F>>,
    callback: &[Operation],
    stopped: &Mutex<Option<Stop>>,
) -> driver::Result<()> {
    for operation in callback {
        match runner.run_for_error(operation) {
            Ok(None) => {}
            Ok(Some(error)) => return Err(error),
            Err(stop) => {
                *lock(stopped) = Some(stop);
                // Any error ends the transaction.
                return driver::options::ConnectionString::parse("").map(drop);
            }
        }
    }
    Ok(())
}

/// The debug output of a session contains the state.
fn assert_state<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let session: String = arguments.required("session")?;
    let state: String = arguments.required("state")?;
    let shown = match state.as_str() {
        "none" => "None",
        "starting" => "Starting",
        "in_progress" => "InProgress",
        "committed" => "Committed",
        "aborted" => "Aborted",
        _ => return Err(format!("{state:?} is no state of a transaction").into()),
    };
    of_runner(move |runner| {
        let session = runner.entities.session(&session)?;
        let session = format!("{:?}", lock(&session));
        if session.contains(&format!("transaction: {shown},")) {
            Ok(())
        } else {
            Err(format!("the state {state} was expected, but there is {session}").into())
        }
    })
}

fn assert_pinned<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let session: String = arguments.required("session")?;
    of_runner(move |runner| {
        if is_pinned(runner, &session)? {
            Ok(())
        } else {
            Err(format!("{session:?} is not pinned").into())
        }
    })
}

fn assert_unpinned<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let session: String = arguments.required("session")?;
    of_runner(move |runner| {
        if is_pinned(runner, &session)? {
            Err(format!("{session:?} is pinned").into())
        } else {
            Ok(())
        }
    })
}

/// All routers lead to the same server, so the fail point is set there.
fn targeted_fail_point<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let session: String = arguments.required("session")?;
    let given: Document = arguments.required("failPoint")?;
    let name = given.get_str("configureFailPoint").map_err(|e| e.to_string())?.to_owned();
    of_runner(move |runner| {
        if !is_pinned(runner, &session)? {
            return Err(format!("{session:?} is not pinned").into());
        }
        runner.servers.will_restore(&name);
        // The command is known by its first field, wherever the file has it.
        let mut command = doc! { "configureFailPoint": name };
        command.extend(given);
        runner.servers.command("admin", command)?;
        Ok(())
    })
}

/// The debug output of a session contains its pinned server.
fn is_pinned<F: Steps>(runner: &Arc<Runner<F>>, session: &str) -> Result<bool, Stop> {
    let session = runner.entities.session(session)?;
    let session = lock(&session);
    let session = session.as_ref().ok_or("the session has ended")?;
    Ok(format!("{session:?}").contains("pinned_to: Some"))
}

/// The default transaction options of sessions.
pub(crate) fn nested_options(given: Document) -> Result<TransactionOptions, Stop> {
    let mut given = Arguments::of("defaultTransactionOptions", given);
    let options = transaction_options(&mut given)?;
    given.done()?;
    Ok(options)
}
