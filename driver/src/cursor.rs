//! Cursors: results that arrive in batches.
//!
//! A cursor keeps the latest batch as the server sent it, and decodes one document at a time from
//! it. At the end of the batch it fetches the next one from the same server.

mod batches;
mod close;
mod fetch;
mod kills;
mod raw;
mod server_cursor;
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
pub(crate) use self::raw::{RawCursor, SpareSession};
pub(crate) use self::server_cursor::GetMoreOptions;
pub use self::session::SessionCursor;
pub use self::stream::{SessionCursorIter, SessionCursorStream};
use crate::error::Result;
use crate::mode::{Async, Blocking, Mode};
use crate::rt::block_on;

/// A cursor over the documents of a result.
///
/// It is a [`Stream`] in the async API and an [`Iterator`] in the blocking one. In both,
/// [`advance`](Cursor::advance) and [`current`](Cursor::current) return raw documents without
/// copying. [`next`](Cursor::next), [`try_next`](Cursor::try_next) and
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
/// If a cursor is dropped before its end, the client kills it on the server in the background.
/// Several dropped cursors are killed together. If there is no connection, the client tries again
/// later. A cursor that is not killed expires with its session, by default after 30 minutes without
/// use.
///
/// # Timeouts
/// The `timeout` of the operation bounds the operation and all steps of its cursor together.
/// Without one, that of the collection, the database or the client (`timeoutMS`) applies. After the
/// timeout, the rest of the current batch can still be read. A step that needs another batch fails,
/// and the cursor ends. With the `timeout_mode`
/// [`Iteration`](crate::options::CursorTimeoutMode::Iteration) the timeout bounds the operation and
/// each step separately.
///
/// A tailable cursor has no end, so the timeout bounds each of its steps separately, including all
/// empty batches of the step. A step may end up to half a second early if the next reply would be
/// too late.
///
/// If each step has its own timeout, a step that gets no connection, or times out between two
/// batches, leaves the cursor open, and the next step tries again. A timeout while waiting for a
/// reply ends the cursor. For the methods of [`Stream`], the time runs from the poll that requested
/// a batch to the next document, even if their future was dropped in between, because a stream does
/// not notice that.
///
/// Use it as [`driver::Cursor`](crate::Cursor) and [`driver::sync::Cursor`](crate::sync::Cursor).
///
/// # Cancel safety
/// A dropped [`advance`](Cursor::advance) or `next` loses nothing: its batch is received in the
/// background and kept for the next call. The connection is in use until the reply arrives. For a
/// [`TailableAwait`](crate::options::CursorType::TailableAwait) cursor that takes up to
/// `max_await_time` (1 second by default). Choose a short one if other operations need the same
/// connection: in a request, or with a small `maxPoolSize`.
///
/// If nobody polls the cursor and the reply is more than about two seconds late, the driver waits
/// one more second and then closes the connection. The batch is lost, so the next step returns an
/// error and the cursor ends. Documents are never skipped silently.
pub struct Cursor<T, F: Mode> {
    raw: RawCursor,
    kind: PhantomData<fn() -> (T, F)>,
}

impl<T, F: Mode> Cursor<T, F> {
    pub(crate) fn new(raw: RawCursor) -> Self {
        Cursor { raw, kind: PhantomData }
    }

    /// The part that is independent of type and API.
    pub(crate) fn into_raw(self) -> RawCursor {
        self.raw
    }

    /// The current document. Empty before the first document and after the last.
    pub fn current(&self) -> &RawDocument {
        self.raw.current()
    }

    /// Decodes the current document, which `T` may borrow from.
    ///
    /// # Errors
    /// `BsonDeserialization` if the document is not a `T`, or if there is no current document.
    pub fn deserialize_current<'a>(&'a self) -> Result<T>
    where
        T: Deserialize<'a>,
    {
        self.raw.decode()
    }

    /// Whether more documents may follow, from the current batch or from the server.
    pub fn has_next(&self) -> bool {
        self.raw.has_next()
    }

    /// The same cursor with documents of another type.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize)]
    /// struct Named {
    ///     name: String,
    /// }
    ///
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// let named = monkeys.find(doc! {}).projection(doc! { "name": 1 }).await?;
    /// let mut names = named.with_type::<Named>();
    /// while let Some(monkey) = names.try_next().await? {
    ///     println!("{}", monkey.name);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_type<U>(self) -> Cursor<U, F> {
        Cursor::new(self.raw)
    }

    /// Kills the cursor on the server and waits for the reply. Dropping a cursor does the same in
    /// the background. Does nothing if the cursor has reached its end.
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
    /// The `timeout` of the operation that opened the cursor starts again, even if it has expired.
    ///
    /// # Errors
    /// Those of every operation. The cursor is then killed in the background.
    ///
    /// # Cancel safety
    /// If the future is dropped, the cursor is killed in the background.
    pub fn close(self) -> CloseCursor<F> {
        CloseCursor::new(self.raw.into_source())
    }
}

impl<T> Cursor<T, Async> {
    /// Moves to the next document. Returns false if there is none.
    ///
    /// # Errors
    /// Those of every operation, if the next batch cannot be fetched. The cursor then ends, unless
    /// nothing was sent (see [`Cursor`], "Timeouts"). Behind a load balancer it also ends if its
    /// connection is lost.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize)]
    /// struct Named<'a> {
    ///     name: &'a str,
    /// }
    ///
    /// # async fn example(monkeys: driver::Collection<Named<'_>>) -> driver::Result<()> {
    /// // Reads without a copy: the names are borrowed from the batch.
    /// let mut cursor = monkeys.find(doc! {}).await?;
    /// while cursor.advance().await? {
    ///     println!("{} has {:?}", cursor.deserialize_current()?.name, cursor.current());
    /// }
    /// assert!(!cursor.has_next());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn advance(&mut self) -> Result<bool> {
        self.raw.advance_in(None).await
    }

    /// The next document. `None` at the end.
    ///
    /// # Errors
    /// Those of [`advance`](Self::advance), and `BsonDeserialization` if the document is not a `T`.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// let mut cursor = monkeys.find(doc! {}).await?;
    /// while let Some(monkey) = cursor.next().await {
    ///     println!("{}", monkey?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next(&mut self) -> Option<Result<T>>
    where
        T: DeserializeOwned,
    {
        self.raw.next_document(None).await
    }

    /// Like [`next`](Self::next), for use with `?`.
    ///
    /// # Errors
    /// Those of [`next`](Self::next).
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// let mut cursor = monkeys.find(doc! {}).await?;
    /// while let Some(monkey) = cursor.try_next().await? {
    ///     println!("{monkey}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn try_next(&mut self) -> Result<Option<T>>
    where
        T: DeserializeOwned,
    {
        self.raw.next_document(None).await.transpose()
    }

    /// The next document of this batch or of the next one. Sends at most one `getMore`.
    ///
    /// `None` if the next batch is empty, or at the end; [`has_next`](Self::has_next) tells which.
    /// This reads a tailable cursor without waiting for a document.
    ///
    /// # Errors
    /// Those of [`try_next`](Self::try_next).
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

    /// Collects the remaining documents.
    ///
    /// # Errors
    /// Those of [`next`](Self::next); the documents read before are lost.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// let all: Vec<Document> = monkeys.find(doc! {}).await?.try_collect().await?;
    /// # drop(all);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "to_vec")]
    pub async fn try_collect<C: Default + Extend<T>>(mut self) -> Result<C>
    where
        T: DeserializeOwned,
    {
        self.raw.collect(None).await
    }
}

impl<T> Cursor<T, Blocking> {
    /// Moves to the next document. Returns false if there is none.
    ///
    /// # Errors
    /// Those of every operation, if the next batch cannot be fetched. The cursor then ends, unless
    /// nothing was sent (see [`Cursor`], "Timeouts"). Behind a load balancer it also ends if its
    /// connection is lost.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # fn example(monkeys: driver::sync::Collection<Document>) -> driver::Result<()> {
    /// let mut cursor = monkeys.find(doc! {}).run()?;
    /// while cursor.advance()? {
    ///     println!("{:?}", cursor.current());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn advance(&mut self) -> Result<bool> {
        if self.raw.advance_within_batch()? {
            return Ok(true);
        }
        block_on(self.raw.advance_in(None))
    }

    /// The next document. `None` at the end. Like the iterator's `next`, for use with `?`.
    ///
    /// # Errors
    /// Those of [`advance`](Self::advance), and `BsonDeserialization` if the document is not a `T`.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # fn example(monkeys: driver::sync::Collection<Document>) -> driver::Result<()> {
    /// let mut cursor = monkeys.find(doc! {}).run()?;
    /// while let Some(monkey) = cursor.try_next()? {
    ///     println!("{monkey}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_next(&mut self) -> Result<Option<T>>
    where
        T: DeserializeOwned,
    {
        self.next().transpose()
    }

    /// The next document of this batch or of the next one. Sends at most one `getMore`.
    ///
    /// `None` if the next batch is empty, or at the end; [`has_next`](Self::has_next) tells which.
    /// This reads a tailable cursor without waiting for a document.
    ///
    /// # Errors
    /// Those of [`try_next`](Self::try_next).
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

    /// Collects the remaining documents.
    ///
    /// # Errors
    /// Those of [`try_next`](Self::try_next); the documents read before are lost.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # fn example(monkeys: driver::sync::Collection<Document>) -> driver::Result<()> {
    /// let all: Vec<Document> = monkeys.find(doc! {}).run()?.try_collect()?;
    /// # drop(all);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "to_vec")]
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
