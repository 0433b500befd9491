//! The state machine of a change stream (specification "Change Streams").
//!
//! It reads a cursor and keeps its [`Position`]: the token of the last returned event, or a later
//! one from the server. When the cursor fails with a resumable error, the command that opened it is
//! sent again to a newly selected server. It contains that position instead of the caller's. In the
//! async API a task does that, as for a batch, so that a dropped step loses nothing.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bson::raw::cstr;
use bson::{RawBsonRef, RawDocument, RawDocumentBuf, Timestamp};
use serde::de::DeserializeOwned;

use super::event::ResumeToken;
use super::fragments::Fragments;
use super::position::Position;
use super::reopen::Reopen;
use super::resumable::{is_final, is_of_server, is_resumable};
use super::watched::Watched;
use crate::cursor::{Fetch, Pace, RawCursor, Sent, SpareSession};
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result, codes};
use crate::exec::telemetry::{OperationSpan, Parent, Spanned};
use crate::exec::{self, Core, Reply, SessionRef, SessionState};

/// A change stream, independent of API and event type.
pub(crate) struct RawChangeStream {
    core: Arc<Core>,
    watched: Arc<Watched>,
    cursor: RawCursor,
    state: State,
    position: Position,
    /// Whether the server splits large events.
    splits: bool,
    /// The received fragments of a split event.
    fragments: Option<Fragments>,
    /// The current event, if it was joined from fragments.
    whole: Option<RawDocumentBuf>,
    /// The deadline of the current step.
    deadline: Option<Deadline>,
}

enum State {
    /// The cursor is open.
    Following,
    /// A new cursor is being opened.
    Resuming(Fetch<Reopened>),
    /// The next step opens a new cursor.
    Lost,
    Ended,
}

/// The result of reopening the cursor.
struct Reopened {
    cursor: Result<RawCursor>,
    operation_time: Option<Timestamp>,
    /// The stand-in for the caller's session.
    lent: Option<Box<SessionState>>,
    spare: Option<SpareSession>,
}

impl RawChangeStream {
    /// Takes the reply to the command that opened the cursor.
    ///
    /// # Errors
    /// `InvalidResponse` if it has no cursor.
    pub(crate) fn open(core: &Arc<Core>, reply: Reply<'_>, watched: Arc<Watched>) -> Result<Self> {
        let operation_time = reply.header().operation_time();
        let cursor = RawCursor::open(core, reply, watched.get_more_options())?;
        let mut stream = RawChangeStream {
            core: Arc::clone(core),
            position: Position::of(&watched.options),
            splits: watched.splits(),
            watched,
            cursor,
            state: State::Following,
            fragments: None,
            whole: None,
            deadline: None,
        };
        stream.opened(operation_time);
        Ok(stream)
    }

    pub(crate) fn resume_token(&self) -> Option<&ResumeToken> {
        self.position.token.as_ref()
    }

    pub(crate) fn is_alive(&self) -> bool {
        match self.state {
            State::Following => self.cursor.has_next(),
            State::Resuming(_) | State::Lost => true,
            State::Ended => false,
        }
    }

    /// The next event. `None` at the end.
    ///
    /// Cancel safety: nothing is lost.
    pub(crate) async fn next<T: DeserializeOwned>(
        &mut self,
        session: Option<&mut SessionState>,
    ) -> Option<Result<T>> {
        let advanced = self.advance(session, u32::MAX).await;
        self.event(advanced)
    }

    /// The next event, if the current batch or the next one has an event.
    ///
    /// Cancel safety: nothing is lost.
    pub(crate) async fn next_if_any<T: DeserializeOwned>(
        &mut self,
        session: Option<&mut SessionState>,
    ) -> Option<Result<T>> {
        // Reopening a cursor that an earlier step lost counts as one more batch.
        let batches = if matches!(self.state, State::Lost) { 2 } else { 1 };
        let advanced = self.advance(session, batches).await;
        self.event(advanced)
    }

    /// Like [`next`](Self::next), for a step that continues.
    pub(crate) fn poll_next<T: DeserializeOwned>(
        &mut self,
        session: Option<&mut SessionState>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<T>>> {
        let advanced = ready!(self.poll_advance(session, &mut { u32::MAX }, cx));
        Poll::Ready(self.event(advanced))
    }

    /// The result of a step. An event is large, so it is decoded last and moved little.
    #[inline]
    fn event<T: DeserializeOwned>(&self, advanced: Result<bool>) -> Option<Result<T>> {
        match advanced {
            Ok(true) => Some(self.decode()),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }

    #[inline]
    fn decode<T: DeserializeOwned>(&self) -> Result<T> {
        match &self.whole {
            None => self.cursor.decode(),
            Some(whole) => crate::decode::from_slice(whole.as_bytes()).map_err(|cause| {
                Error::deserialization(cause).during(&self.watched.operation_name())
            }),
        }
    }

    fn begin_step(&mut self) {
        self.deadline = Some(self.watched.timeout.begin());
        self.cursor.begin_step();
    }

    /// Moves to the next event, with at most `batches` batches from the server. False at the end of
    /// the stream, or after that many batches.
    async fn advance(
        &mut self,
        mut session: Option<&mut SessionState>,
        mut batches: u32,
    ) -> Result<bool> {
        self.begin_step();
        std::future::poll_fn(|cx| self.poll_advance(session.as_deref_mut(), &mut batches, cx)).await
    }

    fn poll_advance(
        &mut self,
        session: Option<&mut SessionState>,
        batches: &mut u32,
        cx: &mut Context<'_>,
    ) -> Poll<Result<bool>> {
        let advanced = ready!(self.poll_step(session, batches, cx));
        self.deadline = None;
        self.cursor.end_step();
        Poll::Ready(advanced)
    }

    fn poll_step(
        &mut self,
        mut session: Option<&mut SessionState>,
        batches: &mut u32,
        cx: &mut Context<'_>,
    ) -> Poll<Result<bool>> {
        let timeout = self.watched.timeout;
        let deadline = *self.deadline.get_or_insert_with(|| timeout.begin());
        loop {
            match &mut self.state {
                State::Ended => return Poll::Ready(Ok(false)),
                State::Lost => {
                    if *batches == 0 {
                        return Poll::Ready(Ok(false));
                    }
                    *batches -= 1;
                    let lent = session.as_deref_mut().map(|session| Box::new(session.lend()));
                    self.state = State::Resuming(self.resume(lent, deadline));
                }
                State::Resuming(fetch) => {
                    let reopened = ready!(fetch.poll(cx));
                    self.reopened(reopened, session.as_deref_mut())?;
                }
                State::Following => {
                    if self.advance_within_batch()? {
                        return Poll::Ready(Ok(true));
                    }
                    // A batch that was already requested counts too.
                    if *batches == 0 {
                        return Poll::Ready(Ok(false));
                    }
                    self.cursor.bound_step(deadline);
                    let fetched = ready!(self.cursor.poll_fetch(session.as_deref_mut(), cx));
                    *batches -= 1;
                    match fetched {
                        Ok(true) => self.fetched(),
                        Ok(false) => self.state = State::Ended,
                        Err(error) => {
                            self.failed(error)?;
                            // Resuming replaces that batch.
                            *batches += 1;
                        }
                    }
                }
            }
        }
    }

    /// Moves to the next event of the current batch.
    fn advance_within_batch(&mut self) -> Result<bool> {
        self.whole = None;
        loop {
            match self.cursor.advance_within_batch() {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(error) => {
                    self.state = State::Ended;
                    return Err(error);
                }
            }
            match self.take_event() {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(error) => {
                    self.state = State::Ended;
                    self.cursor.close();
                    return Err(error.during(&self.watched.operation_name()));
                }
            }
        }
    }

    /// Records the current event of the cursor. False if it is a fragment and more fragments
    /// follow.
    fn take_event(&mut self) -> Result<bool> {
        let event = self.cursor.current();
        let Ok(Some(id)) = event.get("_id") else { return Err(no_token()) };
        if self.splits
            && (self.fragments.is_some() || event.get("splitEvent").is_ok_and(|it| it.is_some()))
        {
            let mut fragments = self.fragments.take().unwrap_or_default();
            fragments.add(event)?;
            if !fragments.is_complete() {
                self.fragments = Some(fragments);
                return Ok(false);
            }
            let mut whole = fragments.into_event();
            whole.append(cstr!("_id"), id);
            self.whole = Some(whole);
        }
        let batch = self.cursor.batch();
        let last = batch.post_batch_resume_token().filter(|_| !batch.has_next());
        let token = last.map_or(id, RawBsonRef::Document);
        self.position.token = Some(ResumeToken::renewed(self.position.token.take(), token));
        self.position.given = true;
        Ok(true)
    }

    /// A batch has arrived.
    fn fetched(&mut self) {
        let batch = self.cursor.batch();
        // A stream that resumes in the middle of a split event would lose its first fragments.
        if batch.count() == 0
            && self.fragments.is_none()
            && let Some(token) = batch.post_batch_resume_token()
        {
            self.position.token = Some(token_of(token));
        }
    }

    /// The cursor was opened at this time (section "startAtOperationTime").
    fn opened(&mut self, operation_time: Option<Timestamp>) {
        self.fetched();
        let Position { token, time, .. } = &mut self.position;
        if token.is_none() && time.is_none() && self.cursor.batch().count() == 0 {
            *time = operation_time;
        }
    }

    /// The next batch could not be fetched.
    ///
    /// # Errors
    /// The error of the cursor, unless the stream resumes.
    fn failed(&mut self, error: Error) -> Result<()> {
        // Nothing was sent, and the server is not at fault.
        let waited = matches!(
            error.kind(),
            ErrorKind::WaitQueueTimeout { .. }
                | ErrorKind::WaitQueueFull { .. }
                | ErrorKind::Timeout { .. }
        );
        if self.cursor.is_open() && waited {
            return Err(error);
        }
        let resumable = is_resumable(&error, self.cursor.wire_version());
        self.cursor.close();
        self.state = if resumable { State::Lost } else { State::Ended };
        if resumable { Ok(()) } else { Err(error) }
    }

    /// Opens a new cursor at the current position.
    fn resume(
        &mut self,
        mut lent: Option<Box<SessionState>>,
        deadline: Deadline,
    ) -> Fetch<Reopened> {
        self.fragments = None;
        let (core, watched) = (Arc::clone(&self.core), Arc::clone(&self.watched));
        let (position, mut spare) = (self.position.clone(), self.cursor.take_session());
        let (pace, parent) = (Pace::Within(Duration::ZERO), Parent::current());
        Fetch::start(&self.core, pace, deadline, |sent: Arc<Sent>| async move {
            let mut command = Reopen { watched: &watched, position: &position, sent: &sent };
            let session = match (&mut lent, &mut spare) {
                (Some(lent), _) => SessionRef::Explicit(lent),
                (None, Some(spare)) => SessionRef::Held(spare.get()),
                (None, None) => SessionRef::Implicit,
            };
            let name = watched.operation_name();
            let span = OperationSpan::begin_under(&parent, &core, name.into(), None);
            let reply = Spanned::new(span, async {
                exec::execute(&core, &mut command, session, deadline).await
            })
            .await;
            let mut operation_time = None;
            let cursor = reply.and_then(|reply| {
                operation_time = reply.header().operation_time();
                RawCursor::open(&core, reply, watched.get_more_options())
            });
            let cursor = cursor.map_err(|error| error.during(&watched.operation_name()));
            Reopened { cursor, operation_time, lent, spare }
        })
    }

    /// Handles the result of opening a new cursor.
    ///
    /// # Errors
    /// The error of opening it. The next step may try again, unless the server refused.
    fn reopened(
        &mut self,
        reopened: Result<Reopened>,
        session: Option<&mut SessionState>,
    ) -> Result<()> {
        self.state = State::Lost;
        let Reopened { cursor, operation_time, lent, spare } = reopened?;
        if let (Some(session), Some(lent)) = (session, lent) {
            session.take_back(*lent);
        }
        match cursor {
            Ok(mut cursor) => {
                cursor.put_session(spare);
                self.cursor = cursor;
                self.state = State::Following;
                self.opened(operation_time);
                Ok(())
            }
            Err(error) => {
                self.cursor.put_session(spare);
                if is_of_server(&error) && !error.code().is_some_and(codes::is_resumable)
                    || is_final(&error)
                {
                    self.state = State::Ended;
                }
                Err(error)
            }
        }
    }
}

fn token_of(token: &RawDocument) -> ResumeToken {
    ResumeToken::renewed(None, RawBsonRef::Document(token))
}

#[cold]
fn no_token() -> Error {
    Error::invalid_response(
        "Cannot provide resume functionality when the resume token is missing: the pipeline of the \
         change stream must leave _id as it is",
    )
}
