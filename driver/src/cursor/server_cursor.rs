//! An open cursor on the server.
//!
//! It has the data for later commands: the server, the names, the session. During a fetch it
//! belongs to the [`Fetch`], together with a copy of the caller's session, if there is one. When an
//! open server cursor is dropped, it is killed in the background on its server ([`kills`]).

use std::sync::Arc;
use std::time::Duration;

use bson::Bson;
use threadwatch::ForkGeneration;

use super::fetch::{Fetch, Pace, Sent};
use super::kills;
use crate::deadline::Deadline;
use crate::error::{Error, Result, codes};
use crate::exec::batch::Batch;
use crate::exec::telemetry::{Acts, OperationSpan, Parent, Spanned};
use crate::exec::{
    self, Core, CursorTimeout, PinnedTo, RequestContext, ServerSession, SessionRef, SessionState,
    Target, Timeout,
};
use crate::ops::get_more::GetMore;
use crate::ops::kill_cursors::KillCursors;
use crate::ops::operation_name::OperationName;
use crate::options::ServerAddress;
use crate::pool::Lease;

/// The options of further batches.
#[derive(Clone, Debug, Default)]
pub(crate) struct GetMoreOptions {
    /// Whether the server waits for documents if there are none.
    pub(crate) awaits: bool,
    /// Whether the next batch is fetched while the current one is read.
    pub(crate) prefetch: bool,
    /// Whether the server may send batches without requests (exhaust).
    pub(crate) exhaust: bool,
    /// The name of the operation that opened the cursor.
    pub(crate) operation: &'static str,
    pub(crate) batch_size: Option<u32>,
    /// The number of documents that remain within the limit.
    pub(crate) left: Option<u64>,
    pub(crate) max_await_time: Option<Duration>,
    pub(crate) comment: Option<Bson>,
    /// The time limit of its steps.
    pub(crate) timeout: CursorTimeout,
}

impl GetMoreOptions {
    /// The size of the next batch, within the rest of the limit. If nothing is left, the next reply
    /// only closes the cursor (specification "Find, getMore and killCursors commands", section
    /// "Behavior of Limit, skip and batchSize").
    fn batch_size(&self, left: Option<u64>) -> Option<u32> {
        let left = left.filter(|left| *left != 0).and_then(|left| u32::try_from(left).ok());
        self.batch_size.map(|size| left.map_or(size, |left| size.min(left)))
    }
}

/// The result of a fetch.
pub(super) struct Fetched {
    pub(super) source: Box<ServerCursor>,
    pub(super) batch: Result<Batch>,
    /// The copy of the caller's session.
    pub(super) session: Option<Box<SessionState>>,
    pub(super) sent: Arc<Sent>,
}

/// The default time that a server waits for documents.
const AWAIT: Duration = Duration::from_secs(1);

/// The server should reply this long before the deadline of a step, or a quarter of the time if
/// that is less.
const MARGIN: Duration = Duration::from_millis(500);

/// An open cursor on the server.
pub(super) struct ServerCursor {
    pub(super) id: i64,
    pub(super) db: String,
    pub(super) collection: String,
    pub(super) pin: PinnedTo,
    pub(super) session: Option<ServerSession>,
    pub(super) get_more_options: GetMoreOptions,
    /// The connection of an exhaust cursor, on which the server sends the next batch.
    pub(super) stream: Option<Lease>,
    pub(super) core: Arc<Core>,
    /// Whether the server waited for less than `max_await_time`, so that the step could end in
    /// time.
    pub(super) cut_short: bool,
    /// The process that opened it.
    pub(super) born: ForkGeneration,
}

impl ServerCursor {
    /// Starts to fetch the next batch. The current one has `taken` documents.
    pub(super) fn start(
        self: Box<Self>,
        taken: u64,
        session: Option<Box<SessionState>>,
        deadline: Deadline,
    ) -> Fetch<Fetched> {
        if !self.born.is_current() {
            return Fetch::Refused(Error::invalid_argument(
                "the cursor was opened before the process forked, so it stays with the parent; run \
                 its operation again in the child",
            ));
        }
        let core = Arc::clone(&self.core);
        let ahead = self.prefetches();
        let pace = if ahead { Pace::Ahead } else { Pace::Within(self.expected()) };
        let parent = Parent::current();
        Fetch::start(&core, pace, deadline, |sent| {
            self.fetch(taken, session, deadline, sent, parent, ahead)
        })
    }

    async fn fetch(
        mut self: Box<Self>,
        taken: u64,
        mut session: Option<Box<SessionState>>,
        deadline: Deadline,
        sent: Arc<Sent>,
        parent: Parent,
        ahead: bool,
    ) -> Fetched {
        let left = self.get_more_options.left.map(|left| left.saturating_sub(taken));
        let acts = Acts { operation: "getMore", db: &self.db, collection: Some(&self.collection) };
        let span = OperationSpan::begin_under(&parent, &self.core, acts, session.as_deref());
        let batch = self.next_batch(left, session.as_deref_mut(), deadline, &sent);
        let batch = Spanned::new(span, batch).await;
        let operation_name = OperationName {
            operation: self.get_more_options.operation,
            db: &self.db,
            collection: Some(&self.collection),
        };
        let batch = batch.map_err(|error| error.during(&"getMore").during(&operation_name));
        match &batch {
            Ok(batch) => {
                self.id = batch.id();
                self.get_more_options.left = left;
            }
            Err(error) if is_gone(error) => self.id = 0,
            Err(_) => {}
        }
        // A thread that prefetches may have started a request automatically. Nothing else ends it.
        // A fetch in place runs on the caller's thread, whose request continues.
        if let (true, Some(threads)) = (ahead, &self.core.threads) {
            threads.end_last();
        }
        Fetched { source: self, batch, session, sent }
    }

    async fn next_batch(
        &mut self,
        left: Option<u64>,
        session: Option<&mut SessionState>,
        deadline: Deadline,
        sent: &Sent,
    ) -> Result<Batch> {
        let max_await_time = self.max_await_time(deadline);
        let mut command = GetMore {
            context: RequestContext::bare(&self.db, Target::Pinned(&self.pin)),
            cursor: self.id,
            collection: &self.collection,
            batch_size: self.get_more_options.batch_size(left),
            max_await_time,
            comment: self.get_more_options.comment.as_ref(),
            sent,
            exhaust: self.get_more_options.exhaust
                && session.is_none()
                && !self.core.is_in_request(),
            stream: self.stream.take(),
        };
        let session_ref = match session {
            Some(session) => SessionRef::Explicit(session),
            None => SessionRef::Held(self.session.as_mut()),
        };
        let reply = exec::execute(&self.core, &mut command, session_ref, deadline).await?;
        let (batch, stream) = reply.into_stream()?;
        self.stream = stream;
        Ok(batch)
    }

    /// Kills the cursor on the server, within `own` or else the timeout of the operation that
    /// opened it.
    pub(super) async fn close(mut self: Box<Self>, own: Timeout) -> Result<()> {
        self.end_stream();
        let deadline = own.or(self.get_more_options.timeout.of_close()).begin();
        let mut command = KillCursors {
            context: RequestContext::bare(&self.db, Target::Pinned(&self.pin)),
            cursors: &[self.id],
            collection: &self.collection,
        };
        let acts = Acts { operation: "close", db: &self.db, collection: Some(&self.collection) };
        let span = OperationSpan::begin(&self.core, acts, None);
        let session = SessionRef::Held(self.session.as_mut());
        let sent = exec::execute(&self.core, &mut command, session, deadline);
        match Spanned::new(span, sent).await.map(drop) {
            // Dropping it with its id kills it in the background.
            Err(error) if !self.pin.is_lost() => {
                let operation_name = OperationName {
                    operation: "close",
                    db: &self.db,
                    collection: Some(&self.collection),
                };
                Err(error.during(&operation_name))
            }
            // A cursor behind a load balancer ends with its connection.
            _ => {
                self.id = 0;
                Ok(())
            }
        }
    }

    /// Gives up the connection of an exhaust cursor. Nobody reads its batches any more.
    fn end_stream(&mut self) {
        if let Some(mut stream) = self.stream.take() {
            stream.condemn();
            self.session.iter_mut().for_each(ServerSession::mark_dirty);
        }
    }

    /// The time between the reply and the deadline of the step.
    pub(super) fn margin(&self) -> Duration {
        self.get_more_options.timeout.of_step().map_or(MARGIN, |limit| MARGIN.min(limit / 4))
    }

    /// Whether the next batch is fetched in advance. Not in a request of a thread, because the
    /// fetch would use another connection.
    pub(super) fn prefetches(&self) -> bool {
        let in_request = self.core.threads.as_ref().is_some_and(|threads| threads.is_started());
        self.get_more_options.prefetch && !self.get_more_options.awaits && !in_request
    }

    /// The time in which the server replies if there are no documents.
    fn expected(&self) -> Duration {
        if self.get_more_options.awaits {
            self.get_more_options.max_await_time.unwrap_or(AWAIT)
        } else {
            Duration::ZERO
        }
    }

    /// The time that the server should wait for documents, so that its reply arrives before
    /// `deadline` (specification "Client Side Operations Timeout", section "Tailable Cursors").
    fn max_await_time(&mut self, deadline: Deadline) -> Option<Duration> {
        // If the caller does not set the time, the server chooses it.
        self.get_more_options.max_await_time?;
        let left = deadline.remaining().filter(|_| self.get_more_options.awaits);
        let most = left.map(|left| left.saturating_sub(self.margin().min(left / 2)));
        let Some(most) = most.filter(|most| *most < self.expected()) else {
            return self.get_more_options.max_await_time;
        };
        self.cut_short = true;
        let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
        Some(Duration::from_millis(most.max(1)))
    }

    #[cold]
    pub(super) fn out_of_time(&self) -> Error {
        self.timed_out(
            "no document arrived within the timeout (timeoutMS); the cursor is still open",
        )
    }

    #[cold]
    pub(super) fn out_of_life(&self) -> Error {
        self.timed_out(
            "the timeout (timeoutMS) of the operation expired before its last batch was \
             requested, and the cursor has ended; set a longer timeout, or the timeout_mode \
             Iteration",
        )
    }

    fn timed_out(&self, why: &'static str) -> Error {
        let operation_name = OperationName {
            operation: "getMore",
            db: &self.db,
            collection: Some(&self.collection),
        };
        Error::timeout(why).at(self.address()).during(&operation_name)
    }

    fn address(&self) -> &ServerAddress {
        self.pin.server().address()
    }
}

/// Whether the error means that the cursor no longer exists on the server.
fn is_gone(error: &Error) -> bool {
    error.code().is_some_and(codes::is_cursor_gone)
}

impl Drop for ServerCursor {
    fn drop(&mut self) {
        self.end_stream();
        if let Some(session) = self.session.take() {
            self.core.give_back(session);
        }
        if self.id != 0 && self.born.is_current() {
            let (db, collection) =
                (std::mem::take(&mut self.db), std::mem::take(&mut self.collection));
            let timeout = self.get_more_options.timeout.of_close();
            kills::add(&self.core, self.pin.clone(), db, collection, self.id, timeout);
        }
    }
}
