//! Commands of the caller.

use bson::{Document, doc};
use driver::options::{RunCommandOptions, RunCursorCommandOptions};

use super::{Answer, Kind, Read, Registry, end, on_database};
use crate::unified::Steps;
use crate::unified::arguments::{Arguments, fill};
use crate::unified::entities::OpenCursor;
use crate::unified::stop::Stop;

pub(super) fn register<F: Steps>(registry: &mut Registry<F>) {
    registry.add(Kind::Database, "runCommand", run_command);
    registry.add(Kind::Database, "runCursorCommand", run_cursor_command);
    registry.add(Kind::Database, "createCommandCursor", create_command_cursor);
}

fn run_command<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let command = command(arguments)?;
    let mut options = RunCommandOptions::default();
    options.selection_criteria = arguments.selection()?;
    options.timeout = arguments.millis("timeoutMS")?;
    on_database(move |database, session| {
        let operation = database.run_command(command).with_options(options);
        Ok(end!(F, operation, session)?.into())
    })
}

fn run_cursor_command<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let command = command(arguments)?;
    let options = cursor_options(arguments)?;
    on_database(move |database, session| {
        let operation = database.run_cursor_command(command).with_options(options);
        let documents = match session {
            None => F::end(operation).and_then(F::collect),
            Some(session) => F::end(operation.session(&mut *session))
                .and_then(|cursor| F::collect_in(cursor, session)),
        };
        documents.map(Answer::Documents)
    })
}

fn create_command_cursor<F: Steps>(arguments: &mut Arguments) -> Read<F> {
    let command = command(arguments)?;
    let options = cursor_options(arguments)?;
    on_database(move |database, session| {
        let operation = database.run_cursor_command(command).with_options(options);
        let cursor = match session {
            None => F::end(operation).map(OpenCursor::Plain)?,
            Some(session) => F::end(operation.session(session)).map(OpenCursor::OfSession)?,
        };
        Ok(Answer::Cursor(Box::new(cursor)))
    })
}

fn cursor_options(arguments: &mut Arguments) -> Result<RunCursorCommandOptions, Stop> {
    let mut options = RunCursorCommandOptions::default();
    fill!(options from arguments:
        batch_size = "batchSize", comment = "comment", timeout_mode = "timeoutMode");
    options.selection_criteria = arguments.selection()?;
    options.cursor_type = arguments.cursor_type()?;
    options.max_time = arguments.millis("maxTimeMS")?;
    Ok(options)
}

/// Moves the command name to the front, because the file may have it anywhere.
fn command(arguments: &mut Arguments) -> Result<Document, Stop> {
    let name: String = arguments.required("commandName")?;
    let given: Document = arguments.required("command")?;
    let mut command = doc! { &name: given.get(&name).ok_or("the command lacks its name")? };
    command.extend(given);
    Ok(command)
}
