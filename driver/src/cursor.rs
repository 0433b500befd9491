//! Cursors: results that come in batches.
//!
//! A cursor holds the batch that came last as the server sent it, and decodes one document at a
//! time straight from it. The next batch is fetched when this one is used up, from the member that
//! holds the cursor.

mod fetch;
mod kills;
mod raw;
mod session;
mod stream;

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use bson::RawDocument;
use futures_core::Stream;
use serde::Deserialize;
use serde::de::DeserializeOwned;

pub(crate) use self::kills::flush as flush_kills;
pub(crate) use self::raw::{GetMoreOptions, RawCursor};
pub use self::session::SessionCursor;
pub use self::stream::{SessionCursorIter, SessionCursorStream};
use crate::error::Result;
use crate::mode::{Async, Blocking, Mode};
use crate::rt::block_on;

/// The documents of a result, one after the other.
///
/// In the async API a [`Stream`], in the blocking one an [`Iterator`]; in both,
/// [`advance`](Cursor::advance) and [`current`](Cursor::current) give the documents undecoded,
/// without a copy.
///
/// Dropped before its end, it is ended on the server too, in the background: cursors that are
/// dropped in numbers are ended together. Where requests hold all connections, they are ended when
/// one comes back within ten minutes. What is left then is ended when the client is shut
/// down, or by the server when the cursor's session expires (half an hour without use, by default).
///
/// # Timeouts
/// The `timeout` of the operation bounds each step as a whole; without one, that of the collection,
/// the database or the client (`timeoutMS`) does. It holds however many empty batches a tailable
/// cursor gets in that time. It may end up to half a second earlier, where the next reply would not
/// come in time. A step that ends between two batches with a timeout leaves the cursor open: the
/// next step waits again. One that ends later, while it waits for a connection or a reply, ends the
/// cursor. For a stream the time runs from the poll that asked for a batch to the next document,
/// even if `next` was dropped in between: the stream cannot know.
///
/// Named through its API: [`driver::Cursor`](crate::Cursor) and
/// [`driver::sync::Cursor`](crate::sync::Cursor).
///
/// # Cancel safety
/// A dropped [`advance`](Cursor::advance) or `next` loses nothing: the batch that it was waiting
/// for is received in the background and kept for the next call. Its connection is free as soon as
/// the reply has come. That takes up to `max_await_time` for a
/// [`TailableAwait`](crate::options::CursorType::TailableAwait) cursor (1 second by default), so
/// choose a short one where other operations need the same connection: in a request, or with a
/// small `maxPoolSize`.
///
/// A reply that is more than about two seconds late while nobody polls the cursor is given up and
/// its connection closed, unless the reply comes within one more second. The documents in it are
/// lost, so the next step is an error and the cursor has ended. Documents are never skipped in
/// silence.
pub struct Cursor<T, F: Mode> {
    raw: RawCursor,
    kind: PhantomData<fn() -> (T, F)>,
}

impl<T, F: Mode> Cursor<T, F> {
    pub(crate) fn new(raw: RawCursor) -> Self {
        Cursor { raw, kind: PhantomData }
    }

    /// The current document: empty before the first and after the last.
    pub fn current(&self) -> &RawDocument {
        self.raw.current()
    }

    /// Decodes the current document, which `T` may borrow from.
    ///
    /// # Errors
    /// `BsonDeserialization` when it is no `T`, or when there is no current document.
    pub fn deserialize_current<'a>(&'a self) -> Result<T>
    where
        T: Deserialize<'a>,
    {
        self.raw.decode()
    }

    /// Whether more may come: documents that are here already, or a batch that the server still
    /// has.
    pub fn has_next(&self) -> bool {
        self.raw.has_next()
    }

    /// The same cursor with documents of another type.
    pub fn with_type<U>(self) -> Cursor<U, F> {
        Cursor::new(self.raw)
    }
}

impl<T> Cursor<T, Async> {
    /// Makes the next document the current one. False when there is none.
    ///
    /// # Errors
    /// Those of every operation when the next batch cannot be had; the cursor ends with that.
    /// `Timeout` when the time limit of the step passes (see [`Cursor`], "Timeouts"). A step
    /// that ends between two batches leaves the cursor open.
    pub async fn advance(&mut self) -> Result<bool> {
        self.raw.begin_step();
        std::future::poll_fn(|cx| self.raw.poll_advance(cx)).await
    }
}

impl<T> Cursor<T, Blocking> {
    /// Makes the next document the current one. False when there is none.
    ///
    /// # Errors
    /// Those of every operation when the next batch cannot be had; the cursor ends with that.
    /// `Timeout` when the time limit of the step passes (see [`Cursor`], "Timeouts"). A step
    /// that ends between two batches leaves the cursor open.
    pub fn advance(&mut self) -> Result<bool> {
        if self.raw.advance_within_batch()? {
            return Ok(true);
        }
        block_on(self.raw.advance_in(None))
    }
}

impl<T: DeserializeOwned> Stream for Cursor<T, Async> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.raw.poll_advance(cx).map(|advanced| match advanced {
            Ok(true) => Some(self.raw.decode()),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        })
    }
}

impl<T: DeserializeOwned> Iterator for Cursor<T, Blocking> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.advance() {
            Ok(true) => Some(self.raw.decode()),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

impl<T, F: Mode> fmt::Debug for Cursor<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor").field("has_next", &self.has_next()).finish_non_exhaustive()
    }
}
