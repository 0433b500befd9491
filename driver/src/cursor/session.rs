//! Cursors within a caller's session.

use std::fmt;
use std::marker::PhantomData;

use bson::RawDocument;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::close::CloseCursor;
use super::raw::RawCursor;
use super::stream::{SessionCursorIter, SessionCursorStream};
use crate::error::Result;
use crate::mode::{Async, Blocking, Mode};
use crate::rt::block_on;
use crate::session::ClientSession;

/// A cursor within a session. Each step takes the session.
///
/// Use it as [`driver::SessionCursor`](crate::SessionCursor) or
/// [`driver::sync::SessionCursor`](crate::sync::SessionCursor).
///
/// # Cancel safety
/// As for [`Cursor`](crate::cursor::Cursor), a dropped step loses nothing and holds no connection
/// for long. Inside a transaction, commands run one after the other, so the next one waits for the
/// batch of the dropped step.
#[must_use = "a cursor does nothing until its documents are requested"]
pub struct SessionCursor<T, F: Mode> {
    raw: RawCursor,
    kind: PhantomData<fn() -> (T, F)>,
}

impl<T, F: Mode> SessionCursor<T, F> {
    pub(crate) fn new(raw: RawCursor) -> Self {
        SessionCursor { raw, kind: PhantomData }
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

    /// Kills the cursor on the server and waits for the reply, like
    /// [`Cursor::close`](super::Cursor::close).
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// let monkeys = client.database("zoo").collection::<Document>("monkeys");
    /// let mut session = client.start_session().await?;
    /// let mut cursor = monkeys.find(doc! {}).session(&mut session).await?;
    /// let first = cursor.try_next(&mut session).await?;
    /// cursor.close().await?;
    /// # drop(first);
    /// # Ok(())
    /// # }
    /// ```
    pub fn close(self) -> CloseCursor<F> {
        CloseCursor::new(self.raw.into_source())
    }

    /// The same cursor with documents of another type.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::RawDocumentBuf;
    /// # use driver::bson::{Document, doc};
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// let monkeys = client.database("zoo").collection::<Document>("monkeys");
    /// let mut session = client.start_session().await?;
    /// let cursor = monkeys.find(doc! {}).session(&mut session).await?;
    /// let mut raw = cursor.with_type::<RawDocumentBuf>();
    /// let first = raw.try_next(&mut session).await?;
    /// # drop(first);
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_type<U>(self) -> SessionCursor<U, F> {
        SessionCursor::new(self.raw)
    }
}

impl<T> SessionCursor<T, Async> {
    /// Moves to the next document. Returns false if there is none.
    ///
    /// # Errors
    /// Those of [`Cursor::advance`](crate::cursor::Cursor::advance).
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// let monkeys = client.database("zoo").collection::<Document>("monkeys");
    /// let mut session = client.start_session().await?;
    /// let mut cursor = monkeys.find(doc! {}).session(&mut session).await?;
    /// while cursor.advance(&mut session).await? {
    ///     println!("{:?}, or {}", cursor.current(), cursor.deserialize_current()?);
    /// }
    /// assert!(!cursor.has_next());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn advance(&mut self, session: &mut ClientSession<Async>) -> Result<bool> {
        self.raw.advance_in(Some(session.state())).await
    }

    /// The next document. `None` at the end.
    ///
    /// # Errors
    /// Those of [`advance`](Self::advance), and `BsonDeserialization` if the document is not a `T`.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// let monkeys = client.database("zoo").collection::<Document>("monkeys");
    /// let mut session = client.start_session().await?;
    /// let mut cursor = monkeys.find(doc! {}).session(&mut session).await?;
    /// while let Some(monkey) = cursor.next(&mut session).await {
    ///     println!("{}", monkey?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next(&mut self, session: &mut ClientSession<Async>) -> Option<Result<T>>
    where
        T: DeserializeOwned,
    {
        self.raw.next_document(Some(session.state())).await
    }

    /// Like [`next`](Self::next), for use with `?`.
    ///
    /// # Errors
    /// Those of [`next`](Self::next).
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// let monkeys = client.database("zoo").collection::<Document>("monkeys");
    /// let mut session = client.start_session().await?;
    /// let mut cursor = monkeys.find(doc! {}).session(&mut session).await?;
    /// while let Some(monkey) = cursor.try_next(&mut session).await? {
    ///     println!("{monkey}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn try_next(&mut self, session: &mut ClientSession<Async>) -> Result<Option<T>>
    where
        T: DeserializeOwned,
    {
        self.next(session).await.transpose()
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
    /// # use driver::bson::{Document, doc};
    /// use driver::options::CursorType;
    ///
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// let log = client.database("zoo").collection::<Document>("log");
    /// let mut session = client.start_session().await?;
    /// let tail = log.find(doc! {}).cursor_type(CursorType::Tailable);
    /// let mut cursor = tail.session(&mut session).await?;
    /// while let Some(entry) = cursor.next_if_any(&mut session).await? {
    ///     println!("{entry}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next_if_any(&mut self, session: &mut ClientSession<Async>) -> Result<Option<T>>
    where
        T: DeserializeOwned,
    {
        self.raw.next_if_any(Some(session.state())).await
    }

    /// Collects the remaining documents.
    ///
    /// # Errors
    /// Those of [`next`](Self::next); the documents read before are lost.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// let monkeys = client.database("zoo").collection::<Document>("monkeys");
    /// let mut session = client.start_session().await?;
    /// let cursor = monkeys.find(doc! {}).session(&mut session).await?;
    /// let all: Vec<Document> = cursor.try_collect(&mut session).await?;
    /// # drop(all);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn try_collect<C: Default + Extend<T>>(
        mut self,
        session: &mut ClientSession<Async>,
    ) -> Result<C>
    where
        T: DeserializeOwned,
    {
        self.raw.collect(Some(session.state())).await
    }

    /// The remaining documents, as a stream that borrows the session.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// use futures_util::TryStreamExt;
    ///
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// let monkeys = client.database("zoo").collection::<Document>("monkeys");
    /// let mut session = client.start_session().await?;
    /// let mut cursor = monkeys.find(doc! {}).session(&mut session).await?;
    /// let names = cursor.stream(&mut session).map_ok(|monkey| monkey.get("name").cloned());
    /// let names: Vec<_> = names.try_collect().await?;
    /// # drop(names);
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream<'a>(
        &'a mut self,
        session: &'a mut ClientSession<Async>,
    ) -> SessionCursorStream<'a, T> {
        SessionCursorStream::new(&mut self.raw, session.state())
    }
}

impl<T> SessionCursor<T, Blocking> {
    /// Moves to the next document. Returns false if there is none.
    ///
    /// # Errors
    /// Those of [`Cursor::advance`](crate::cursor::Cursor::advance).
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # fn example(client: driver::sync::Client) -> driver::Result<()> {
    /// let monkeys = client.database("zoo").collection::<Document>("monkeys");
    /// let mut session = client.start_session().run()?;
    /// let mut cursor = monkeys.find(doc! {}).session(&mut session).run()?;
    /// while cursor.advance(&mut session)? {
    ///     println!("{:?}", cursor.current());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn advance(&mut self, session: &mut ClientSession<Blocking>) -> Result<bool> {
        block_on(self.raw.advance_in(Some(session.state())))
    }

    /// The next document. `None` at the end.
    ///
    /// # Errors
    /// Those of [`advance`](Self::advance), and `BsonDeserialization` if the document is not a `T`.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # fn example(client: driver::sync::Client) -> driver::Result<()> {
    /// let monkeys = client.database("zoo").collection::<Document>("monkeys");
    /// let mut session = client.start_session().run()?;
    /// let mut cursor = monkeys.find(doc! {}).session(&mut session).run()?;
    /// while let Some(monkey) = cursor.next(&mut session) {
    ///     println!("{}", monkey?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn next(&mut self, session: &mut ClientSession<Blocking>) -> Option<Result<T>>
    where
        T: DeserializeOwned,
    {
        block_on(self.raw.next_document(Some(session.state())))
    }

    /// Like [`next`](Self::next), for use with `?`.
    ///
    /// # Errors
    /// Those of [`next`](Self::next).
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # fn example(client: driver::sync::Client) -> driver::Result<()> {
    /// let monkeys = client.database("zoo").collection::<Document>("monkeys");
    /// let mut session = client.start_session().run()?;
    /// let mut cursor = monkeys.find(doc! {}).session(&mut session).run()?;
    /// while let Some(monkey) = cursor.try_next(&mut session)? {
    ///     println!("{monkey}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_next(&mut self, session: &mut ClientSession<Blocking>) -> Result<Option<T>>
    where
        T: DeserializeOwned,
    {
        self.next(session).transpose()
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
    /// # use driver::bson::{Document, doc};
    /// use driver::options::CursorType;
    ///
    /// # fn example(client: driver::sync::Client) -> driver::Result<()> {
    /// let log = client.database("zoo").collection::<Document>("log");
    /// let mut session = client.start_session().run()?;
    /// let tail = log.find(doc! {}).cursor_type(CursorType::Tailable);
    /// let mut cursor = tail.session(&mut session).run()?;
    /// while let Some(entry) = cursor.next_if_any(&mut session)? {
    ///     println!("{entry}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn next_if_any(&mut self, session: &mut ClientSession<Blocking>) -> Result<Option<T>>
    where
        T: DeserializeOwned,
    {
        block_on(self.raw.next_if_any(Some(session.state())))
    }

    /// Collects the remaining documents.
    ///
    /// # Errors
    /// Those of [`next`](Self::next); the documents read before are lost.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # fn example(client: driver::sync::Client) -> driver::Result<()> {
    /// let monkeys = client.database("zoo").collection::<Document>("monkeys");
    /// let mut session = client.start_session().run()?;
    /// let cursor = monkeys.find(doc! {}).session(&mut session).run()?;
    /// let all: Vec<Document> = cursor.try_collect(&mut session)?;
    /// # drop(all);
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_collect<C: Default + Extend<T>>(
        mut self,
        session: &mut ClientSession<Blocking>,
    ) -> Result<C>
    where
        T: DeserializeOwned,
    {
        block_on(self.raw.collect(Some(session.state())))
    }

    /// The remaining documents, as an iterator that borrows the session.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # fn example(client: driver::sync::Client) -> driver::Result<()> {
    /// let monkeys = client.database("zoo").collection::<Document>("monkeys");
    /// let mut session = client.start_session().run()?;
    /// let mut cursor = monkeys.find(doc! {}).session(&mut session).run()?;
    /// for monkey in cursor.iter(&mut session) {
    ///     println!("{}", monkey?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn iter<'a>(
        &'a mut self,
        session: &'a mut ClientSession<Blocking>,
    ) -> SessionCursorIter<'a, T> {
        SessionCursorIter::new(self, session)
    }
}

impl<T, F: Mode> fmt::Debug for SessionCursor<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionCursor").field("has_next", &self.has_next()).finish_non_exhaustive()
    }
}
