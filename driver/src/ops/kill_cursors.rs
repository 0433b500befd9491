//! `killCursors`: ends a cursor on the member that holds it.

use bson::raw::cstr;

use crate::error::Result;
use crate::exec::{Meta, Operation, RequestContext};
use crate::pool::ConnectionDescription;
use crate::wire::DocWriter;

pub(crate) struct KillCursors<'a> {
    pub(crate) context: RequestContext<'a>,
    pub(crate) cursor: i64,
    pub(crate) collection: &'a str,
}

impl Operation for KillCursors<'_> {
    fn meta(&self) -> &'static Meta {
        const { &Meta::sequel("killCursors") }
    }

    fn context(&self) -> RequestContext<'_> {
        self.context
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.str(cstr!("killCursors"), self.collection);
        body.array(cstr!("cursors")).i64(self.cursor);
        Ok(())
    }
}
