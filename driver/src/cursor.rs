//! Cursors: results that come in batches.
//!
//! A cursor holds the batch that came last as the server sent it, and decodes one document at a
//! time straight from it. The next batch is fetched when this one is used up, from the member that
//! holds the cursor.

mod batches;
mod close;
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

pub use self::batches::{
    RawBatch, RawBatchCursor, SessionRawBatchCursor, SessionRawBatchCursorIter,
    SessionRawBatchCursorStream,
};
pub use self::close::CloseCursor;
pub(crate) use self::fetch::{Fetch, Pace, Sent};
pub(crate) use self::kills::flush as flush_kills;
pub(crate) use self::raw::{GetMoreOptions, RawCursor, SpareSession};
pub use self::session::SessionCursor;
pub use self::stream::{SessionCursorIter, SessionCursorStream};
use crate::error::Result;
use crate::mode::{Async, Blocking, Mode};
use crate::rt::block_on;

/// The documents of a result, one after the other.
///
/// In the async API a [`Stream`], in the blocking one an [`Iterator`]; in both,
/// [`advance`](Cursor::advance) and [`current`](Cursor::current) give the documents undecoded,
/// without a copy. [`next`](Cursor::next), [`try_next`](Cursor::try_next) and
/// [`try_collect`](Cursor::try_collect) need no other crate.
///
/// ```no_run
/// # use driver::bson::{Document, doc};
/// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
/// let mut cursor = monkeys.find(doc! {}).await?;
/// while let Some(monkey) = cursor.try_next().await? {
///     println!("{monkey}");
/// }
/// let all: Vec<Document> = monkeys.find(doc! {}).await?.try_collect().await?;
/// # Ok(())
/// # }
/// ```
///
/// Dropped before its end, it is ended on the server too, in the background: cursors that are
/// dropped in numbers are ended together. Where no connection can be had, the client tries again
/// until one can. Without that, the server ends the cursor when its session expires (half an hour
/// without use, by default).
///
/// # Timeouts
/// The `timeout` of the operation, or else that of the collection, the database or the client
/// (`timeoutMS`), bounds the operation and all steps of its cursor together. Documents that are
/// here already are given even after that; a step that needs another batch then fails, and the
/// cursor ends. With a `timeout_mode` of
/// [`Iteration`](crate::options::CursorTimeoutMode::Iteration) the timeout bounds the operation by
/// itself, and each step by itself.
///
/// A tailable cursor has no end, so the timeout always bounds each of its steps by itself. It holds
/// however many empty batches the cursor gets in that time. The step may end up to half a second
/// earlier, where the next reply would not come in time.
///
/// Where each step has its own time, a step that gets no connection, or ends between two batches
/// with a timeout, leaves the cursor open: the next step tries again. One that ends while it waits
/// for a reply ends the cursor. For the methods of [`Stream`] the time runs from the poll that
/// asked for a batch to the next document, even if their future was dropped in between: a stream
/// cannot know.
///
/// Use it as [`driver::Cursor`](crate::Cursor) and [`driver::sync::Cursor`](crate::sync::Cursor).
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

    /// The part that is the same for all types and APIs.
    pub(crate) fn into_raw(self) -> RawCursor {
        self.raw
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

    /// Ends the cursor on the server now, and waits until that is done. Otherwise the server ends
    /// it in the background when it is dropped. Does nothing for a cursor that has come to its
    /// end.
    ///
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// let mut cursor = monkeys.find(doc! {}).await?;
    /// let first = cursor.try_next().await?;
    /// cursor.close().await?;
    /// # drop(first);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Timeouts
    /// The `timeout` of the operation which opened the cursor begins anew, even where it has
    /// passed.
    ///
    /// # Errors
    /// Those of every operation. The cursor is then ended in the background.
    ///
    /// # Cancel safety
    /// Dropped before its end, it leaves the cursor to be ended in the background.
    pub fn close(self) -> CloseCursor<F> {
        CloseCursor::new(self.raw.into_source())
    }
}

impl<T> Cursor<T, Async> {
    /// Makes the next document the current one. False when there is none.
    ///
    /// # Errors
    /// Those of every operation when the next batch cannot be had. The cursor ends with that,
    /// unless nothing was sent (see [`Cursor`], "Timeouts").
    pub async fn advance(&mut self) -> Result<bool> {
        self.raw.advance_in(None).await
    }

    /// The next document; none at the end.
    ///
    /// # Errors
    /// As [`advance`](Self::advance), and `BsonDeserialization` when it is no `T`.
    pub async fn next(&mut self) -> Option<Result<T>>
    where
        T: DeserializeOwned,
    {
        self.raw.next_document(None).await
    }

    /// As [`next`](Self::next), for use with `?`.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn try_next(&mut self) -> Result<Option<T>>
    where
        T: DeserializeOwned,
    {
        self.raw.next_document(None).await.transpose()
    }

    /// The next document of this batch or of the next one. Sends at most one `getMore`.
    ///
    /// None if the next batch is empty, or at the end; [`has_next`](Self::has_next) tells which. A
    /// tailing cursor can so be read without waiting for a document to arrive.
    ///
    /// # Errors
    /// As [`try_next`](Self::try_next).
    ///
    /// # Examples
    /// ```no_run
    /// use driver::bson::{Document, doc};
    /// use driver::options::CursorType;
    ///
    /// # async fn example(log: driver::Collection<Document>) -> driver::error::Result<()> {
    /// let mut cursor = log.find(doc! {}).cursor_type(CursorType::Tailable).await?;
    /// while let Some(entry) = cursor.next_if_any().await? {
    ///     println!("{entry}");
    /// }
    /// println!("no more entries at the moment");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next_if_any(&mut self) -> Result<Option<T>>
    where
        T: DeserializeOwned,
    {
        self.raw.next_if_any(None).await
    }

    /// All documents that are left.
    ///
    /// # Errors
    /// As [`next`](Self::next); what was read before is lost.
    pub async fn try_collect<C: Default + Extend<T>>(mut self) -> Result<C>
    where
        T: DeserializeOwned,
    {
        self.raw.collect(None).await
    }
}

impl<T> Cursor<T, Blocking> {
    /// Makes the next document the current one. False when there is none.
    ///
    /// # Errors
    /// Those of every operation when the next batch cannot be had. The cursor ends with that,
    /// unless nothing was sent (see [`Cursor`], "Timeouts").
    pub fn advance(&mut self) -> Result<bool> {
        if self.raw.advance_within_batch()? {
            return Ok(true);
        }
        block_on(self.raw.advance_in(None))
    }

    /// The next document; none at the end. As the iterator's `next`, for use with `?`.
    ///
    /// # Errors
    /// As [`advance`](Self::advance), and `BsonDeserialization` when it is no `T`.
    pub fn try_next(&mut self) -> Result<Option<T>>
    where
        T: DeserializeOwned,
    {
        self.next().transpose()
    }

    /// The next document of this batch or of the next one. Sends at most one `getMore`.
    ///
    /// None if the next batch is empty, or at the end; [`has_next`](Self::has_next) tells which. A
    /// tailing cursor can so be read without waiting for a document to arrive.
    ///
    /// # Errors
    /// As [`try_next`](Self::try_next).
    ///
    /// # Examples
    /// ```no_run
    /// use driver::bson::{Document, doc};
    /// use driver::options::CursorType;
    ///
    /// # fn example(log: driver::sync::Collection<Document>) -> driver::error::Result<()> {
    /// let mut cursor = log.find(doc! {}).cursor_type(CursorType::Tailable).run()?;
    /// while let Some(entry) = cursor.next_if_any()? {
    ///     println!("{entry}");
    /// }
    /// println!("no more entries at the moment");
    /// # Ok(())
    /// # }
    /// ```
    pub fn next_if_any(&mut self) -> Result<Option<T>>
    where
        T: DeserializeOwned,
    {
        block_on(self.raw.next_if_any(None))
    }

    /// All documents that are left.
    ///
    /// # Errors
    /// As [`try_next`](Self::try_next); what was read before is lost.
    pub fn try_collect<C: Default + Extend<T>>(mut self) -> Result<C>
    where
        T: DeserializeOwned,
    {
        block_on(self.raw.collect(None))
    }
}

impl<T: DeserializeOwned> Stream for Cursor<T, Async> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.raw.poll_next_document(None, cx)
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
