//! `killCursors`: kills cursors on their server.

use crate::error::Result;
use crate::exec::{Meta, Operation, RequestContext};
use crate::pool::ConnectionDescription;
use crate::wire::{DocWriter, kill_cursors};

pub(crate) struct KillCursors<'a> {
    pub(crate) context: RequestContext<'a>,
    pub(crate) cursors: &'a [i64],
    pub(crate) collection: &'a str,
}

impl Operation for KillCursors<'_> {
    fn meta(&self) -> &'static Meta {
        const { &Meta::continuation("killCursors") }
    }

    fn context(&self) -> RequestContext<'_> {
        self.context
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        kill_cursors::write(body, self.collection, self.cursors);
        Ok(())
    }
}
