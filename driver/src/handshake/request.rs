//! `hello`, or its older name, as every connection and every monitor writes it.

use bson::raw::cstr;

use crate::wire::DocWriter;

/// The name under which a server knows the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HelloName {
    /// `hello`: every server that declares a stable API, stands behind a load balancer, or has said
    /// `helloOk`.
    Hello,
    /// `isMaster`, with the question whether the server knows `hello` too.
    Legacy,
}

/// Writes the command; `fields` adds those that are the caller's own, and the stable API.
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
