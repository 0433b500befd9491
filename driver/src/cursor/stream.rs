//! The rest of a cursor within a session, as a stream or an iterator.

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
use crate::session::ClientSession;

/// The remaining documents of a cursor, with its session. Created by [`SessionCursor::stream`].
///
/// # Cancel safety
/// Dropping a `next` or the stream loses nothing. The cursor continues at the same position.
#[must_use = "a stream does nothing until its documents are requested"]
pub struct SessionCursorStream<'a, T> {
    raw: &'a mut RawCursor,
    session: &'a mut SessionState,
    kind: PhantomData<fn() -> T>,
}

impl<'a, T> SessionCursorStream<'a, T> {
    pub(super) fn new(raw: &'a mut RawCursor, session: &'a mut SessionState) -> Self {
        SessionCursorStream { raw, session, kind: PhantomData }
    }
}

impl<T: DeserializeOwned> Stream for SessionCursorStream<'_, T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        this.raw.poll_next_document(Some(this.session), cx)
    }
}

impl<T> fmt::Debug for SessionCursorStream<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionCursorStream").finish_non_exhaustive()
    }
}

/// The remaining documents of a cursor, with its session. Created by [`SessionCursor::iter`].
#[must_use = "an iterator does nothing until its documents are requested"]
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
