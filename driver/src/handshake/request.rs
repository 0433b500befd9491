//! Writes `hello`, or its legacy name, for connections and monitors.

use bson::raw::cstr;

use crate::wire::DocWriter;

/// The name of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HelloName {
    /// `hello`: with the stable API, behind a load balancer, or if the server has reported
    /// `helloOk`.
    Hello,
    /// `isMaster`, which also asks whether the server supports `hello`.
    Legacy,
}

/// Writes the command. `fields` adds the fields of the caller and of the stable API.
pub(crate) fn write_hello(
    body: &mut DocWriter<'_>,
    name: HelloName,
    fields: impl FnOnce(&mut DocWriter<'_>),
) {
    match name {
        HelloName::Hello => body.i32(cstr!("hello"), 1),
        HelloName::Legacy => {
            body.i32(cstr!("isMaster"), 1);
            body.bool(cstr!("helloOk"), true);
        }
    }
    fields(body);
    body.str(cstr!("$db"), "admin");
}
