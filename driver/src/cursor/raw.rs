//! The state machine of every cursor: the current batch, and the source of the next one.
//!
//! The source is a [`ServerCursor`]. During a fetch it belongs to the [`Fetch`]. So a dropped step
//! loses nothing and holds no connection.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bson::RawDocument;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use threadwatch::ForkGeneration;

use super::fetch::{Fetch, Sent};
use super::server_cursor::{Fetched, GetMoreOptions, ServerCursor};
use crate::deadline::Deadline;
use crate::decode;
use crate::error::{Error, ErrorKind, Result};
use crate::exec::batch::Batch;
use crate::exec::{Core, CursorTimeout, Reply, ServerSession, SessionState};
use crate::ops::operation_name::OperationName;
use crate::wire;

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
