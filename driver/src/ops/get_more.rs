//! `getMore`: the next batch of a cursor, from the member that holds it.

use std::time::Duration;

use bson::Bson;
use bson::raw::cstr;

use super::fields::Fields;
use crate::error::Result;
use crate::exec::{Meta, Operation, Retry};
use crate::pool::ConnectionDescription;
use crate::wire::DocWriter;

pub(crate) struct GetMore<'a> {
    pub(crate) cursor: i64,
    pub(crate) collection: &'a str,
    pub(crate) batch_size: Option<u32>,
    pub(crate) max_await_time: Option<Duration>,
    pub(crate) comment: Option<&'a Bson>,
}

impl Operation for GetMore<'_> {
    fn meta(&self) -> &'static Meta {
        &Meta { name: "getMore", retry: Retry::Never }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, server: &ConnectionDescription) -> Result<()> {
        /// Servers before 4.4 know no comment here.
        const COMMENT: i32 = 9;
        body.i64(cstr!("getMore"), self.cursor);
        body.str(cstr!("collection"), self.collection);
        body.maybe_i64(cstr!("batchSize"), self.batch_size.filter(|size| *size != 0).map(i64::from));
        body.maybe_millis(cstr!("maxTimeMS"), self.max_await_time)?;
        if server.max_wire_version >= COMMENT {
            body.maybe_comment(self.comment)?;
        }
        Ok(())
    }
}
