//! All that is left of a cursor within a session, as a stream or an iterator.
//!
//! A batch is fetched by a future that takes the cursor and the session with it and brings them
//! back, so that whoever stops waiting for an item, and keeps the stream, loses nothing. Documents
//! of the batch at hand need no such future.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use serde::de::DeserializeOwned;

use super::raw::RawCursor;
use super::session::SessionCursor;
use crate::error::Result;
use crate::exec::SessionState;
use crate::mode::Blocking;
use crate::ops::Boxed;
use crate::session::ClientSession;

/// The documents that are left of a cursor, while it has its session. Made by
/// [`SessionCursor::stream`].
///
/// # Cancel safety
/// A dropped `next` loses nothing. The stream itself, dropped while it waits for a batch, ends the
/// cursor: its next step gives an error.
#[must_use = "a stream gives its documents when it is asked for them"]
pub struct SessionCursorStream<'a, T> {
    state: State<'a>,
    kind: PhantomData<fn() -> T>,
}

type Borrowed<'a> = (&'a mut RawCursor, &'a mut SessionState);

enum State<'a> {
    /// The batch at hand has not been used up, as far as is known.
    Ready(Borrowed<'a>),
    /// The server is being asked for more.
    Fetching(Boxed<'a, (Result<bool>, Borrowed<'a>)>),
    /// A step panicked.
    Broken,
}

impl<'a, T> SessionCursorStream<'a, T> {
    pub(super) fn new(raw: &'a mut RawCursor, session: &'a mut SessionState) -> Self {
        SessionCursorStream { state: State::Ready((raw, session)), kind: PhantomData }
    }

    /// Moves on to the next document. False at the end.
    fn poll_advance(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        loop {
            match std::mem::replace(&mut self.state, State::Broken) {
                State::Broken => return Poll::Ready(Ok(false)),
                State::Ready((raw, session)) => {
                    let advanced = raw.advance_within_batch();
                    if !matches!(advanced, Ok(false)) || !raw.has_next() {
                        self.state = State::Ready((raw, session));
                        return Poll::Ready(advanced);
                    }
                    self.state = State::Fetching(Box::pin(async move {
                        let advanced = raw.advance_in(Some(&mut *session)).await;
                        (advanced, (raw, session))
                    }));
                }
                State::Fetching(mut fetch) => match fetch.as_mut().poll(cx) {
                    Poll::Pending => {
                        self.state = State::Fetching(fetch);
                        return Poll::Pending;
                    }
                    Poll::Ready((advanced, borrowed)) => {
                        self.state = State::Ready(borrowed);
                        return Poll::Ready(advanced);
                    }
                },
            }
        }
    }
}

impl<T: DeserializeOwned> Stream for SessionCursorStream<'_, T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let advanced = std::task::ready!(self.poll_advance(cx));
        Poll::Ready(match (advanced, &self.state) {
            (Ok(true), State::Ready((raw, _))) => Some(raw.decode()),
            (Ok(_), _) => None,
            (Err(error), _) => Some(Err(error)),
        })
    }
}

impl<T> fmt::Debug for SessionCursorStream<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionCursorStream").finish_non_exhaustive()
    }
}

/// The documents that are left of a cursor, while it has its session. Made by
/// [`SessionCursor::iter`].
#[must_use = "an iterator gives its documents when it is asked for them"]
pub struct SessionCursorIter<'a, T> {
    cursor: &'a mut SessionCursor<T, Blocking>,
    session: &'a mut ClientSession<Blocking>,
}

impl<'a, T> SessionCursorIter<'a, T> {
    pub(super) fn new(
        cursor: &'a mut SessionCursor<T, Blocking>,
        session: &'a mut ClientSession<Blocking>,
    ) -> Self {
        SessionCursorIter { cursor, session }
    }
}

impl<T: DeserializeOwned> Iterator for SessionCursorIter<'_, T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        self.cursor.next(self.session)
    }
}

impl<T> fmt::Debug for SessionCursorIter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionCursorIter").finish_non_exhaustive()
    }
}
