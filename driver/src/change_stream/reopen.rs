//! The command that opens another cursor for a change stream.

use super::position::Position;
use super::watched::Watched;
use crate::cursor::Sent;
use crate::error::Result;
use crate::exec::{Meta, Operation, RequestContext, Setting, Target};
use crate::ops::watch;
use crate::pool::ConnectionDescription;
use crate::wire::DocWriter;

/// The command that opens a new cursor.
pub(super) struct Reopen<'a> {
    pub(super) watched: &'a Watched,
    pub(super) position: &'a Position,
    pub(super) sent: &'a Sent,
}

impl Operation for Reopen<'_> {
    fn meta(&self) -> &'static Meta {
        watch::META
    }

    fn context(&self) -> RequestContext<'_> {
        let target = Target::Readable(&self.watched.selection_criteria);
        let read_concern = Setting::of(None, self.watched.read_concern.as_ref());
        RequestContext { read_concern, ..RequestContext::bare(&self.watched.db, target) }
    }

    fn sending(&mut self, server: &ConnectionDescription) {
        self.sent.now(server.max_wire_version);
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        use crate::ops::command::Options;
        let Watched { collection, cluster, pipeline, options, .. } = self.watched;
        let start = self.position.start(options);
        watch::write(body, collection.as_deref(), *cluster, pipeline, Some(options), &start)?;
        options.encode(body)
    }
}
