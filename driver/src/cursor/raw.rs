//! Where a cursor's batches come from.
//!
//! A [`ServerCursor`] holds what later commands need: the member, the names, the session. While a
//! batch is being fetched the source belongs to the fetch: a task in the async API ([`Fetch`]), so
//! that whoever stops waiting loses nothing and holds no connection. A source that is dropped with
//! its cursor still open has it killed, in the background, on the member that holds it ([`kills`]).

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bson::{Bson, RawDocument};
use serde::Deserialize;
use threadwatch::ForkGeneration;

use super::fetch::Fetch;
use super::kills;
use crate::deadline::Deadline;
use crate::decode;
use crate::error::{Error, Result, codes};
use crate::exec::SessionState;
use crate::exec::batch::Batch;
use crate::exec::{
    self, Core, PinnedTo, Reply, RequestContext, ServerSession, SessionRef, Target, Timeout,
};
use crate::ops::get_more::GetMore;
use crate::ops::operation_name::OperationName;

/// How further batches are asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct GetMoreOptions {
    /// Whether the server waits for documents where there are none.
    pub(crate) awaits: bool,
    /// What the operation is called that opened the cursor.
    pub(crate) operation: &'static str,
    pub(crate) batch_size: Option<u32>,
    /// How many documents the server may still give, where there is a limit.
    pub(crate) left: Option<u64>,
    pub(crate) max_await_time: Option<Duration>,
    pub(crate) comment: Option<Bson>,
    /// The time limit of each step: that of the operation, or else of its handle.
    pub(crate) timeout: Timeout,
}

impl GetMoreOptions {
    /// The size of the next batch: not more than what is left of the limit. Once nothing is left,
    /// the server has only to say so (specification "Find, getMore and killCursors commands",
    /// section "Behavior of Limit, skip and batchSize").
    fn batch_size(&self) -> Option<u32> {
        let left = self.left.filter(|left| *left != 0).and_then(|left| u32::try_from(left).ok());
        self.batch_size.map(|size| left.map_or(size, |left| size.min(left)))
    }
}

/// The batch at hand, and where the next one comes from.
pub(crate) struct RawCursor {
    /// What the operation is called that opened the cursor.
    operation: &'static str,
    batch: Batch,
    state: State,
    /// That of the step which is under way, once it has to ask the server.
    deadline: Option<Deadline>,
    /// The time limit of each step.
    timeout: Timeout,
}

enum State {
    /// The server holds more.
    Open(Box<ServerCursor>),
    /// It is being asked for more.
    Fetching(Fetch),
    /// A step within a session was dropped while it waited for a batch.
    Interrupted,
    /// Nothing follows the batch at hand.
    Done,
}

pub(super) type Fetched = (Box<ServerCursor>, Result<Batch>);

impl RawCursor {
    /// Takes over the reply to a command that opened a cursor.
    ///
    /// # Errors
    /// `InvalidResponse` when it has none, or does not say whose it is.
    pub(crate) fn open(
        core: &Arc<Core>,
        mut reply: Reply<'_>,
        get_more_options: GetMoreOptions,
    ) -> Result<Self> {
        let info = reply.cursor_info()?;
        if info.id == 0 {
            let (operation, batch) = (get_more_options.operation, reply.take_batch()?);
            return Ok(RawCursor {
                operation,
                batch,
                state: State::Done,
                deadline: None,
                timeout: Timeout::Unset,
            });
        }
        let (id, (db, collection)) = (info.id, info.names()?);
        let (operation, timeout) = (get_more_options.operation, get_more_options.timeout);
        let source = Box::new(ServerCursor {
            id,
            db: db.to_owned(),
            collection: collection.to_owned(),
            pin: reply.pin(),
            session: reply.keep_session(),
            get_more_options,
            core: Arc::clone(core),
            cut_short: false,
            born: ForkGeneration::current(),
        });
        let batch = reply.take_batch()?;
        Ok(RawCursor { operation, batch, state: State::Open(source), deadline: None, timeout })
    }

    /// One that gives nothing, of a command that found nothing to open a cursor over.
    pub(crate) fn empty(operation: &'static str) -> Self {
        let (batch, state) = (Batch::empty(), State::Done);
        RawCursor { operation, batch, state, deadline: None, timeout: Timeout::Unset }
    }

    pub(crate) fn current(&self) -> &RawDocument {
        const EMPTY: &[u8] = &[5, 0, 0, 0, 0];
        let current = RawDocument::from_bytes(self.batch.current());
        current
            .or_else(|_| RawDocument::from_bytes(EMPTY))
            .expect("five bytes make an empty document")
    }

    pub(crate) fn decode<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        decode::from_slice(self.batch.current()).map_err(|cause| {
            let error = Error::deserialization(cause);
            match self.batch.names() {
                Some((db, collection)) => error.during(&OperationName {
                    operation: self.operation,
                    db,
                    collection: Some(collection),
                }),
                None => error,
            }
        })
    }

    pub(crate) fn has_next(&self) -> bool {
        self.batch.has_next() || !matches!(self.state, State::Done)
    }

    /// Moves on without asking the server. False at the end of the batch.
    pub(crate) fn advance_within_batch(&mut self) -> Result<bool> {
        self.batch.advance().inspect_err(|_| self.state = State::Done)
    }

    /// A new step begins, with a deadline of its own.
    pub(crate) fn begin_step(&mut self) {
        // A step that takes over the batch of a dropped one has been waiting from its beginning.
        let waits = matches!(self.state, State::Fetching(_));
        self.deadline = waits.then(|| self.timeout.begin());
    }

    /// Moves on to the next document, fetching batches as needed. False at the end.
    ///
    /// Cancel safety: a batch that is on its way is kept for the next step.
    pub(crate) fn poll_advance(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        let advanced = ready!(self.poll_step(cx));
        self.deadline = None;
        Poll::Ready(advanced)
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        loop {
            if self.advance_within_batch()? {
                return Poll::Ready(Ok(true));
            }
            match std::mem::replace(&mut self.state, State::Done) {
                State::Done => return Poll::Ready(Ok(false)),
                State::Interrupted => return Poll::Ready(Err(interrupted())),
                State::Open(source) => {
                    let (source, deadline) = self.admit(source)?;
                    source.core.check_usable()?;
                    let (runtime, expected) = (source.core.runtime.clone(), source.expected());
                    let fetch = source.fetch(self.batch.taken(), None, deadline);
                    self.state = State::Fetching(Fetch::start(&runtime, expected, deadline, fetch));
                }
                State::Fetching(mut fetch) => match fetch.poll(cx) {
                    Poll::Pending => {
                        self.state = State::Fetching(fetch);
                        return Poll::Pending;
                    }
                    Poll::Ready(fetched) => self.took(fetched?)?,
                },
            }
        }
    }

    /// As [`poll_advance`](Self::poll_advance), in the caller's session if there is one, and
    /// without a task.
    ///
    /// Cancel safety: dropped while it waits for a batch, the next step gives an error.
    pub(crate) async fn advance_in(&mut self, session: Option<&mut SessionState>) -> Result<bool> {
        self.begin_step();
        let advanced = self.step_in(session).await;
        self.deadline = None;
        advanced
    }

    async fn step_in(&mut self, mut session: Option<&mut SessionState>) -> Result<bool> {
        loop {
            if self.advance_within_batch()? {
                return Ok(true);
            }
            match std::mem::replace(&mut self.state, State::Interrupted) {
                State::Open(source) => {
                    let (source, deadline) = self.admit(source)?;
                    let fetched =
                        source.fetch(self.batch.taken(), session.as_deref_mut(), deadline).await;
                    self.state = State::Done;
                    self.took(fetched)?;
                }
                State::Fetching(mut fetch) => {
                    let fetched = std::future::poll_fn(|cx| fetch.poll(cx)).await;
                    self.state = State::Done;
                    self.took(fetched?)?;
                }
                State::Done => {
                    self.state = State::Done;
                    return Ok(false);
                }
                State::Interrupted => {
                    self.state = State::Done;
                    return Err(interrupted());
                }
            }
        }
    }

    /// Lets the step ask for another batch, unless its time is up; then the cursor stays open.
    fn admit(&mut self, mut source: Box<ServerCursor>) -> Result<(Box<ServerCursor>, Deadline)> {
        let cut_short = std::mem::take(&mut source.cut_short);
        let Some(deadline) = self.deadline else {
            let deadline = source.get_more_options.timeout.begin();
            self.deadline = Some(deadline);
            return Ok((source, deadline));
        };
        let too_little = source.get_more_options.awaits
            && deadline.remaining().is_some_and(|left| left < source.margin());
        if cut_short || too_little || deadline.is_over() {
            let error = source.out_of_time();
            self.state = State::Open(source);
            return Err(error);
        }
        Ok((source, deadline))
    }

    fn took(&mut self, (source, batch): Fetched) -> Result<()> {
        self.batch = batch?;
        if source.id != 0 {
            self.state = State::Open(source);
        }
        Ok(())
    }
}

fn interrupted() -> Error {
    Error::invalid_argument(
        "the cursor was ended when a step of it was dropped while it waited for a batch; run the query again",
    )
}

/// How long a server waits for documents where it is not told.
const AWAIT: Duration = Duration::from_secs(1);

/// How long before the deadline of a step the server is to answer: at most this, and at most a
/// quarter of the time.
const MARGIN: Duration = Duration::from_millis(500);

/// An open cursor on the server.
pub(super) struct ServerCursor {
    id: i64,
    db: String,
    collection: String,
    pin: PinnedTo,
    session: Option<ServerSession>,
    get_more_options: GetMoreOptions,
    core: Arc<Core>,
    /// Whether the server waited for documents for less than it was to, so that the step could end
    /// in time.
    cut_short: bool,
    /// The process that holds it.
    born: ForkGeneration,
}

impl ServerCursor {
    /// Fetches the batch that follows one of `taken` documents.
    async fn fetch(
        mut self: Box<Self>,
        taken: u64,
        session: Option<&mut SessionState>,
        deadline: Deadline,
    ) -> Fetched {
        self.get_more_options.left =
            self.get_more_options.left.map(|left| left.saturating_sub(taken));
        let batch = self.next_batch(session, deadline).await;
        let operation_name = OperationName {
            operation: self.get_more_options.operation,
            db: &self.db,
            collection: Some(&self.collection),
        };
        let batch = batch.map_err(|error| error.during(&"getMore").during(&operation_name));
        if batch.as_ref().is_err_and(is_gone) {
            self.id = 0;
        }
        (self, batch)
    }

    async fn next_batch(
        &mut self,
        session: Option<&mut SessionState>,
        deadline: Deadline,
    ) -> Result<Batch> {
        let max_await_time = self.max_await_time(deadline);
        let mut command = GetMore {
            context: RequestContext::bare(&self.db, Target::Pinned(&self.pin)),
            cursor: self.id,
            collection: &self.collection,
            batch_size: self.get_more_options.batch_size(),
            max_await_time,
            comment: self.get_more_options.comment.as_ref(),
        };
        let session_ref = match session {
            Some(session) => SessionRef::Explicit(session),
            None => SessionRef::Held(self.session.as_mut()),
        };
        let mut reply = exec::execute(&self.core, &mut command, session_ref, deadline).await?;
        self.id = reply.cursor_info()?.id;
        reply.take_batch()
    }

    /// The time that a reply needs to come before the deadline of its step.
    fn margin(&self) -> Duration {
        self.get_more_options.timeout.limit().map_or(MARGIN, |limit| MARGIN.min(limit / 4))
    }

    /// How long the server takes to answer where there are no documents.
    fn expected(&self) -> Duration {
        match self.get_more_options.awaits {
            true => self.get_more_options.max_await_time.unwrap_or(AWAIT),
            false => Duration::ZERO,
        }
    }

    /// How long the server is to wait for documents, so that its reply comes before `deadline`
    /// (specification "Client Side Operations Timeout", section "Tailable Cursors").
    fn max_await_time(&mut self, deadline: Deadline) -> Option<Duration> {
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
    fn out_of_time(&self) -> Error {
        let operation_name = OperationName {
            operation: "getMore",
            db: &self.db,
            collection: Some(&self.collection),
        };
        Error::timeout("no document came within the timeout (timeoutMS); the cursor is still open")
            .at(self.pin.server().address())
            .during(&operation_name)
    }
}

/// Whether the error means that there is no such cursor on the server any more.
fn is_gone(error: &Error) -> bool {
    error.code().is_some_and(codes::is_cursor_gone)
}

impl Drop for ServerCursor {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            self.core.give_back(session);
        }
        if self.id != 0 && self.born.is_current() {
            let (db, collection) =
                (std::mem::take(&mut self.db), std::mem::take(&mut self.collection));
            kills::add(&self.core, self.pin.clone(), db, collection, self.id);
        }
    }
}
