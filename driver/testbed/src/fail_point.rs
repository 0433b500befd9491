//! A fail point that is switched off again when nobody holds it any more.

use bson::{Bson, Document, doc};

use crate::{
    error::{Error, Result},
    node::Node,
};

/// A fail point in force on one server. Dropping it switches it off.
///
/// The testbed's own questions to the server (who is primary?) never trip a `failCommand` fail
/// point.
#[derive(Debug)]
#[must_use = "the fail point is switched off as soon as this is dropped"]
pub struct FailPoint<'a> {
    node: &'a Node,
    name: String,
    /// How often it had been entered before it was set.
    entered_before: i64,
    active: bool,
}

impl<'a> FailPoint<'a> {
    pub(crate) fn set(node: &'a Node, command: &Document) -> Result<FailPoint<'a>> {
        let name = command.get_str("configureFailPoint").map_err(|_| {
            let example =
                r#"{ configureFailPoint: "failCommand", mode: { times: 1 }, data: { .. } }"#;
            Error::argument(format!("a fail point is a command like {example}, not {command}"))
        })?;
        let reply = node.admin(command)?;
        Ok(FailPoint { node, name: name.to_owned(), entered_before: entered(&reply), active: true })
    }

    /// The fail point's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Waits until the fail point has been entered `times` times since it was set.
    ///
    /// # Errors
    /// A timeout after 110 s; a command error if the server does not know `waitForFailPoint`.
    pub fn wait_entered(&self, times: u32) -> Result<()> {
        let times = self.entered_before + i64::from(times);
        let command =
            doc! { "waitForFailPoint": &self.name, "timesEntered": times, "maxTimeMS": 110_000 };
        self.node.admin(&command).map(drop)
    }

    /// Switches the fail point off now, and tells if that did not work.
    ///
    /// # Errors
    /// The server is down or does not answer.
    pub fn disable(mut self) -> Result<()> {
        self.active = false;
        self.node.disable_fail_point(&self.name)
    }
}

fn entered(reply: &Document) -> i64 {
    match reply.get("count") {
        Some(Bson::Int32(count)) => i64::from(*count),
        Some(Bson::Int64(count)) => *count,
        _ => 0,
    }
}

impl Drop for FailPoint<'_> {
    fn drop(&mut self) {
        if self.active {
            // A server that is down has forgotten its fail points.
            let _ = self.node.disable_fail_point(&self.name);
        }
    }
}
