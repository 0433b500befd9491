//! `endSessions`: releases idle sessions on the server.

use std::time::Duration;

use bson::raw::cstr;

use crate::deadline::Deadline;
use crate::error::Result;
use crate::exec::{self, Core, Meta, Operation, RequestContext, SessionRef, Target};
use crate::options::{ReadPreference, SelectionCriteria};
use crate::pool::ConnectionDescription;
use crate::wire::DocWriter;

/// The maximum number of sessions per command (specification "Driver Sessions", section
/// "endSessions").
const AT_ONCE: usize = 10_000;
/// A short time limit, because sessions also expire on the server.
const LIMIT: Duration = Duration::from_secs(1);

/// Ends all idle sessions. Ignores errors, because servers expire unused sessions.
pub(crate) async fn end_sessions(core: &Core) {
    let sessions = core.sessions.drain();
    let deadline = Deadline::after(LIMIT);
    for sessions in sessions.chunks(AT_ONCE) {
        let held = SessionRef::Held(None);
        if exec::execute(core, &mut EndSessions { sessions }, held, deadline).await.is_err() {
            return;
        }
    }
}

struct EndSessions<'a> {
    sessions: &'a [[u8; 16]],
}

impl Operation for EndSessions<'_> {
    fn meta(&self) -> &'static Meta {
        const { &Meta::continuation("endSessions") }
    }

    fn context(&self) -> RequestContext<'_> {
        const ANYONE: &SelectionCriteria =
            &SelectionCriteria::ReadPreference(ReadPreference::PrimaryPreferred { options: None });
        RequestContext::bare("admin", Target::Readable(ANYONE))
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        let mut sessions = body.array(cstr!("endSessions"));
        for id in self.sessions {
            sessions.nested().uuid(cstr!("id"), id);
        }
        Ok(())
    }
}
