//! `getMore`: fetches the next batch of a cursor from its server.

use std::time::Duration;

use bson::Bson;
use bson::raw::cstr;

use super::fields::Field;
use crate::cursor::Sent;
use crate::error::Result;
use crate::exec::{MaxTime, Meta, Operation, RequestContext};
use crate::pool::{ConnectionDescription, Lease};
use crate::wire::DocWriter;
use crate::wire_version;

pub(crate) struct GetMore<'a> {
    pub(crate) context: RequestContext<'a>,
    pub(crate) cursor: i64,
    pub(crate) collection: &'a str,
    pub(crate) batch_size: Option<u32>,
    pub(crate) max_await_time: Option<Duration>,
    pub(crate) comment: Option<&'a Bson>,
    /// Records the time at which the command is sent.
    pub(crate) sent: &'a Sent,
    /// Whether the server may send further batches without requests (exhaust).
    pub(crate) exhaust: bool,
    /// The connection of an exhaust cursor, on which the server sends this batch.
    pub(crate) stream: Option<Lease>,
}

impl Operation for GetMore<'_> {
    fn meta(&self) -> &'static Meta {
        const { &Meta::continuation("getMore") }
    }

    fn context(&self) -> RequestContext<'_> {
        RequestContext { max_time: MaxTime::Await(self.max_await_time), ..self.context }
    }

    fn allows_exhaust(&self) -> bool {
        self.exhaust
    }

    fn take_stream(&mut self) -> Option<Lease> {
        self.stream.take()
    }

    fn sending(&mut self, server: &ConnectionDescription) {
        self.sent.now(server.max_wire_version);
    }

    fn body(&mut self, body: &mut DocWriter<'_>, server: &ConnectionDescription) -> Result<()> {
        body.i64(cstr!("getMore"), self.cursor);
        body.str(cstr!("collection"), self.collection);
        if let Some(size) = self.batch_size.filter(|size| *size != 0) {
            body.i64(cstr!("batchSize"), size.into());
        }
        match self.comment {
            // Servers before 4.4 do not support a comment here.
            Some(comment) if server.max_wire_version >= wire_version::V4_4 => {
                comment.write(cstr!("comment"), body)
            }
            _ => Ok(()),
        }
    }
}
