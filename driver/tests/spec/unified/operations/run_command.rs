//! Commands that the caller writes.

use bson::{Document, doc};
use driver::options::RunCommandOptions;

use super::{Kind, Read, Registry, end, on_database};
use crate::unified::api::Api;
use crate::unified::arguments::Arguments;
use crate::unified::stop::Stop;

pub(super) fn register<F: Api>(registry: &mut Registry<F>) {
    registry.add(Kind::Database, "runCommand", run_command);
    registry.lacks(
        Kind::Database,
        &["runCursorCommand", "createCommandCursor"],
        "cursors over the result of the caller's own command",
    );
}

fn run_command<F: Api>(arguments: &mut Arguments) -> Read<F> {
    let command = command(arguments)?;
    let mut options = RunCommandOptions::default();
    options.selection_criteria = arguments.selection()?;
    on_database(move |database, session| {
        let operation = database.run_command(command).with_options(options);
        Ok(end!(F, operation, session)?.into())
    })
}

/// The command is known by its first field, wherever the file has it.
fn command(arguments: &mut Arguments) -> Result<Document, Stop> {
    let name: String = arguments.required("commandName")?;
    let given: Document = arguments.required("command")?;
    let mut command = doc! { &name: given.get(&name).ok_or("the command lacks its name")? };
    command.extend(given);
    Ok(command)
}
