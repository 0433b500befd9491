//! The state machine of every cursor: the current batch, and the source of the next one.
//!
//! A [`ServerCursor`] has the data for later commands: the server, the names, the session. During a
//! fetch it belongs to the [`Fetch`], together with a copy of the caller's session, if there is
//! one. So a dropped step loses nothing and holds no connection. An open server cursor that is
//! dropped is killed in the background on its server ([`kills`]).

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bson::{Bson, RawDocument};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use threadwatch::ForkGeneration;

use super::fetch::{Fetch, Pace, Sent};
use super::kills;
use crate::deadline::Deadline;
use crate::decode;
use crate::error::{Error, ErrorKind, Result, codes};
use crate::exec::SessionState;
use crate::exec::batch::Batch;
use crate::exec::telemetry::{Acts, OperationSpan, Parent, Spanned};
use crate::exec::{
    self, Core, CursorTimeout, PinnedTo, Reply, RequestContext, ServerSession, SessionRef, Target,
    Timeout,
};
use crate::ops::get_more::GetMore;
use crate::ops::kill_cursors::KillCursors;
use crate::ops::operation_name::OperationName;
use crate::options::ServerAddress;
use crate::pool::Lease;
use crate::wire;

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

/// The current batch, and the source of the next one.
pub(crate) struct RawCursor {
    /// The name of the operation that opened the cursor.
    operation: &'static str,
    batch: Batch,
    state: State,
    /// The deadline of the current step, once it needs the server.
    deadline: Option<Deadline>,
    /// The deadline of the change stream's step, if this step is part of one.
    bound: Option<Deadline>,
    /// The time limit of the steps.
    timeout: CursorTimeout,
    /// The session of a cursor that has failed.
    spare: Option<SpareSession>,
    /// A cursor that has failed behind a load balancer. Its connection stays pinned until the
    /// cursor is closed or dropped.
    failed: Option<Box<ServerCursor>>,
    /// The wire version of the last server.
    wire_version: i32,
}

/// The session of an ended cursor, for the cursor that replaces it.
pub(crate) struct SpareSession {
    session: Option<ServerSession>,
    core: Arc<Core>,
}

impl SpareSession {
    pub(crate) fn get(&mut self) -> Option<&mut ServerSession> {
        self.session.as_mut()
    }

    fn is_of_this_process(&self) -> bool {
        self.session.as_ref().is_some_and(ServerSession::is_of_this_process)
    }
}

impl Drop for SpareSession {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            self.core.give_back(session);
        }
    }
}

enum State {
    /// The server has more.
    Open(Box<ServerCursor>),
    /// The next batch is being fetched.
    Fetching(Fetch<Fetched>),
    /// The current batch is the last.
    Done,
}

/// The result of a fetch.
pub(super) struct Fetched {
    source: Box<ServerCursor>,
    batch: Result<Batch>,
    /// The copy of the caller's session.
    session: Option<Box<SessionState>>,
    sent: Arc<Sent>,
}

impl RawCursor {
    /// Takes the reply to a command that opened a cursor.
    ///
    /// # Errors
    /// `InvalidResponse` if it has no cursor, or no namespace.
    pub(crate) fn open(
        core: &Arc<Core>,
        mut reply: Reply<'_>,
        get_more_options: GetMoreOptions,
    ) -> Result<Self> {
        let batch = reply.take_batch()?;
        let (operation, timeout) = (get_more_options.operation, get_more_options.timeout);
        let mut cursor = RawCursor::new(operation, batch, timeout);
        if cursor.batch.id() != 0 {
            let (db, collection) = cursor.batch.names().map_err(|error| error.at(reply.host()))?;
            cursor.state = State::Open(Box::new(ServerCursor {
                id: cursor.batch.id(),
                db: db.to_owned(),
                collection: collection.to_owned(),
                pin: reply.pin(),
                session: reply.keep_session(),
                get_more_options,
                stream: None,
                core: Arc::clone(core),
                cut_short: false,
                born: ForkGeneration::current(),
            }));
        }
        Ok(cursor)
    }

    /// An empty cursor, for a command without a result.
    pub(crate) fn empty(operation: &'static str) -> Self {
        RawCursor::new(operation, Batch::empty(), CursorTimeout::default())
    }

    /// A cursor with a single batch.
    fn new(operation: &'static str, batch: Batch, timeout: CursorTimeout) -> Self {
        RawCursor {
            operation,
            batch,
            state: State::Done,
            deadline: None,
            bound: None,
            timeout,
            spare: None,
            failed: None,
            wire_version: 0,
        }
    }

    pub(crate) fn current(&self) -> &RawDocument {
        let current = RawDocument::from_bytes(self.batch.current());
        current.unwrap_or_else(|_| wire::empty_document())
    }

    pub(crate) fn decode<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        decode::from_slice(self.batch.current()).map_err(|cause| {
            let error = Error::deserialization(cause);
            match self.batch.names() {
                Ok((db, collection)) => error.during(&OperationName {
                    operation: self.operation,
                    db,
                    collection: Some(collection),
                }),
                Err(_) => error,
            }
        })
    }

    pub(crate) fn has_next(&self) -> bool {
        self.batch.has_next() || self.is_open()
    }

    /// Whether the server may have more.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.state, State::Done)
    }

    /// The current batch.
    pub(crate) fn batch(&self) -> &Batch {
        &self.batch
    }

    /// Starts to fetch the next batch in advance, if the cursor prefetches.
    pub(crate) fn prefetch(&mut self, session: Option<&mut SessionState>) {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Open(source) if source.prefetches() => {
                let deadline = self.timeout.begin();
                let session = session.map(|session| Box::new(session.lend()));
                let taken = self.batch.count();
                self.state = State::Fetching(source.start(taken, session, deadline));
            }
            state => self.state = state,
        }
    }

    /// Replaces the session of the cursor.
    pub(crate) fn put_session(&mut self, mut spare: Option<SpareSession>) {
        match (&mut self.state, &mut spare) {
            (State::Open(source), Some(spare)) if source.session.is_none() => {
                source.session = spare.session.take();
            }
            _ => self.spare = spare,
        }
    }

    /// Takes the session of a failed or closed cursor.
    pub(crate) fn take_session(&mut self) -> Option<SpareSession> {
        // In a forked child, the server cursor of the parent stays with the parent.
        self.spare.take().filter(SpareSession::is_of_this_process)
    }

    /// Ends the cursor, also on the server. Keeps its session.
    pub(crate) fn close(&mut self) {
        if let State::Open(source) = std::mem::replace(&mut self.state, State::Done) {
            drop(self.discard(source));
        }
        self.failed = None;
    }

    /// The cursor to kill on the server. A running fetch is cancelled, and its cursor is killed in
    /// the background.
    pub(super) fn into_source(mut self) -> Option<Box<ServerCursor>> {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Open(source) => Some(source),
            State::Fetching(_) => None,
            State::Done => self.failed.take().filter(|source| source.id != 0),
        }
    }

    /// Returns the cursor without its session, to be dropped.
    fn discard(&mut self, mut source: Box<ServerCursor>) -> Box<ServerCursor> {
        if let Some(session) = source.session.take() {
            let core = Arc::clone(&source.core);
            self.spare = Some(SpareSession { session: Some(session), core });
        }
        source
    }

    /// The wire version of the last server.
    pub(crate) fn wire_version(&self) -> i32 {
        self.wire_version
    }

    /// Bounds the current step, and all following steps until [`end_step`](Self::end_step).
    pub(crate) fn bound_step(&mut self, deadline: Deadline) {
        self.bound = Some(deadline);
    }

    /// The step has ended.
    pub(crate) fn end_step(&mut self) {
        (self.deadline, self.bound) = (None, None);
    }

    /// Takes the current batch out, read or not.
    pub(crate) fn take_batch(&mut self) -> Batch {
        self.batch.take()
    }

    /// Moves to the next document of the batch. False at the end of the batch.
    #[inline]
    pub(crate) fn advance_within_batch(&mut self) -> Result<bool> {
        self.batch.advance().inspect_err(|_| self.state = State::Done)
    }

    /// Starts a new step with its own deadline.
    pub(crate) fn begin_step(&mut self) {
        // A step that takes over the fetch of a dropped step waits from its start.
        let waits = matches!(self.state, State::Fetching(_));
        self.deadline = waits.then(|| self.bound.unwrap_or_else(|| self.timeout.begin()));
    }

    /// Moves to the next document. Fetches batches as needed. False at the end.
    ///
    /// Cancel safety: a batch that is on its way is kept for the next step.
    pub(crate) async fn advance_in(
        &mut self,
        mut session: Option<&mut SessionState>,
    ) -> Result<bool> {
        if self.advance_within_batch()? {
            return Ok(true);
        }
        self.begin_step();
        std::future::poll_fn(|cx| self.poll_advance(session.as_deref_mut(), cx)).await
    }

    /// Like [`advance_in`](Self::advance_in), for a step that continues.
    pub(crate) fn poll_advance(
        &mut self,
        mut session: Option<&mut SessionState>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<bool>> {
        let advanced = loop {
            match self.advance_within_batch() {
                Ok(false) => {}
                advanced => break advanced,
            }
            match ready!(self.poll_fetch(session.as_deref_mut(), cx)) {
                Ok(true) => {}
                ended => break ended,
            }
        };
        self.deadline = None;
        Poll::Ready(advanced)
    }

    /// The next document. `None` at the end.
    pub(crate) async fn next_document<T: DeserializeOwned>(
        &mut self,
        session: Option<&mut SessionState>,
    ) -> Option<Result<T>> {
        match self.advance_in(session).await {
            Ok(true) => Some(self.decode()),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }

    /// The next document of this batch or of the next one. Sends at most one command. `None` if the
    /// next batch is empty, or at the end.
    pub(crate) async fn next_if_any<T: DeserializeOwned>(
        &mut self,
        mut session: Option<&mut SessionState>,
    ) -> Result<Option<T>> {
        if !self.advance_within_batch()? {
            self.begin_step();
            let fetch = |cx: &mut Context<'_>| self.poll_next_batch(session.as_deref_mut(), cx);
            let fetched = std::future::poll_fn(fetch).await?;
            if !fetched || !self.advance_within_batch()? {
                return Ok(None);
            }
        }
        self.decode().map(Some)
    }

    /// Like [`next_document`](Self::next_document), for a step that continues.
    pub(crate) fn poll_next_document<T: DeserializeOwned>(
        &mut self,
        session: Option<&mut SessionState>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<T>>> {
        self.poll_advance(session, cx).map(|advanced| match advanced {
            Ok(true) => Some(self.decode()),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        })
    }

    /// Collects the remaining documents.
    pub(crate) async fn collect<T: DeserializeOwned, C: Default + Extend<T>>(
        &mut self,
        mut session: Option<&mut SessionState>,
    ) -> Result<C> {
        let mut all = C::default();
        while self.advance_in(session.as_deref_mut()).await? {
            let document = self.decode()?;
            all.extend(Some(document));
        }
        Ok(all)
    }

    /// Fetches the next batch, even if the current one is not read to its end. False if there is
    /// none.
    ///
    /// Cancel safety: a batch that is on its way is kept for the next step.
    pub(crate) fn poll_next_batch(
        &mut self,
        session: Option<&mut SessionState>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<bool>> {
        let fetched = ready!(self.poll_fetch(session, cx));
        self.deadline = None;
        Poll::Ready(fetched)
    }

    /// Like [`poll_next_batch`](Self::poll_next_batch), in a step that [`end_step`](Self::end_step)
    /// ends.
    pub(crate) fn poll_fetch(
        &mut self,
        mut session: Option<&mut SessionState>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<bool>> {
        loop {
            match std::mem::replace(&mut self.state, State::Done) {
                State::Done => return Poll::Ready(Ok(false)),
                State::Open(source) => {
                    let (source, deadline) = self.admit(source)?;
                    let taken = self.batch.count();
                    let session = session.as_deref_mut().map(|session| Box::new(session.lend()));
                    self.state = State::Fetching(source.start(taken, session, deadline));
                }
                State::Fetching(mut fetch) => match fetch.poll(cx) {
                    Poll::Pending => {
                        self.state = State::Fetching(fetch);
                        return Poll::Pending;
                    }
                    Poll::Ready(fetched) => {
                        let fetched = fetched?;
                        if let (Some(session), Some(lent)) = (&mut session, fetched.session) {
                            session.take_back(*lent);
                        }
                        self.took(fetched.source, fetched.batch, &fetched.sent)?;
                        self.prefetch(session);
                        return Poll::Ready(Ok(true));
                    }
                },
            }
        }
    }

    /// Allows the step to request another batch, unless its time is up. The cursor then stays open.
    fn admit(&mut self, mut source: Box<ServerCursor>) -> Result<(Box<ServerCursor>, Deadline)> {
        if self.timeout.is_over() {
            let error = source.out_of_life();
            drop(self.discard(source));
            return Err(error);
        }
        let cut_short = std::mem::take(&mut source.cut_short);
        let Some(deadline) = self.deadline else {
            let deadline = self.bound.unwrap_or_else(|| self.timeout.begin());
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

    /// Takes the result of a fetch. If the command was not sent, the cursor stays open for the next
    /// step, unless its pinned connection is lost.
    fn took(
        &mut self,
        mut source: Box<ServerCursor>,
        batch: Result<Batch>,
        sent: &Sent,
    ) -> Result<()> {
        self.wire_version = sent.wire_version();
        match batch {
            Ok(batch) => self.batch = batch,
            Err(error)
                if sent.at().is_none()
                    && !self.timeout.is_over()
                    && !source.pin.is_lost()
                    && may_succeed_later(&error) =>
            {
                source.cut_short = false;
                self.state = State::Open(source);
                return Err(error);
            }
            Err(error) => {
                let source = self.discard(source);
                self.failed = Some(source).filter(|source| source.pin.holds_connection());
                return Err(error);
            }
        }
        if source.id != 0 {
            self.state = State::Open(source);
        }
        Ok(())
    }
}

/// Whether a command that was not sent may be sent later, because its client and its server still
/// exist, and the command itself is not the cause.
fn may_succeed_later(error: &Error) -> bool {
    !matches!(
        error.kind(),
        ErrorKind::Shutdown
            | ErrorKind::RuntimeEnded
            | ErrorKind::InvalidArgument { .. }
            | ErrorKind::BsonSerialization(_)
            | ErrorKind::IncompatibleServer { .. }
    )
}

/// The default time that a server waits for documents.
const AWAIT: Duration = Duration::from_secs(1);

/// The server should reply this long before the deadline of a step, or a quarter of the time if
/// that is less.
const MARGIN: Duration = Duration::from_millis(500);

/// An open cursor on the server.
pub(super) struct ServerCursor {
    id: i64,
    db: String,
    collection: String,
    pin: PinnedTo,
    session: Option<ServerSession>,
    get_more_options: GetMoreOptions,
    /// The connection of an exhaust cursor, on which the server sends the next batch.
    stream: Option<Lease>,
    core: Arc<Core>,
    /// Whether the server waited for less than `max_await_time`, so that the step could end in
    /// time.
    cut_short: bool,
    /// The process that opened it.
    born: ForkGeneration,
}

impl ServerCursor {
    /// Starts to fetch the next batch. The current one has `taken` documents.
    fn start(
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
    fn margin(&self) -> Duration {
        self.get_more_options.timeout.of_step().map_or(MARGIN, |limit| MARGIN.min(limit / 4))
    }

    /// Whether the next batch is fetched in advance. Not in a request of a thread, because the
    /// fetch would use another connection.
    fn prefetches(&self) -> bool {
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
    fn out_of_time(&self) -> Error {
        self.timed_out(
            "no document arrived within the timeout (timeoutMS); the cursor is still open",
        )
    }

    #[cold]
    fn out_of_life(&self) -> Error {
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
