//! A fail point that is turned off on drop.

use bson::{Bson, Document, doc};

use crate::{
    error::{Error, Result},
    node::Node,
};

/// An active fail point on one server. Dropping it turns it off.
///
/// A `failCommand` fail point never matches the testbed's own `hello`.
#[derive(Debug)]
#[must_use = "the fail point is turned off when this is dropped"]
pub struct FailPoint<'a> {
    node: &'a Node,
    name: String,
    /// The number of times it had been entered before it was set.
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

    /// The name of the fail point.
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

    /// Turns the fail point off and reports errors.
    ///
    /// # Errors
    /// The server is down or does not reply.
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
            // A server that is down has no fail points any more.
            let _ = self.node.disable_fail_point(&self.name);
        }
    }
}
