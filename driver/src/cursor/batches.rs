//! Cursors over whole raw batches.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bson::{RawArray, RawDocument};
use futures_core::Stream;

use super::raw::RawCursor;
use crate::error::{Error, Result};
use crate::exec::SessionState;
use crate::exec::batch::Batch;
use crate::mode::{Async, Blocking, Mode};
use crate::rt::block_on;
use crate::session::ClientSession;

/// The documents of one reply, as the server sent them. Nothing is decoded or copied.
#[derive(Clone)]
pub struct RawBatch {
    batch: Batch,
}

impl RawBatch {
    /// The documents.
    ///
    /// # Errors
    /// `InvalidResponse` if the batch is not an array.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// let mut batches = monkeys.find(doc! {}).batch().await?;
    /// while let Some(batch) = batches.try_next().await? {
    ///     println!("a reply of {} bytes", batch.as_raw_document().as_bytes().len());
    ///     for monkey in batch.doc_slices()? {
    ///         println!("{:?}", monkey?);
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn doc_slices(&self) -> Result<&RawArray> {
        let cursor = self.as_raw_document().get_document("cursor");
        let batch = cursor.and_then(|cursor| {
            cursor.get_array("firstBatch").or_else(|_| cursor.get_array("nextBatch"))
        });
        batch.map_err(|cause| Error::invalid_response(cause.to_string()))
    }

    /// The whole reply.
    pub fn as_raw_document(&self) -> &RawDocument {
        self.batch.document()
    }
}

impl fmt::Debug for RawBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RawBatch").field(&self.as_raw_document()).finish()
    }
}

/// Returns the current batch once, then the following ones.
struct Batches {
    raw: RawCursor,
    /// Whether the current batch was not returned yet.
    fresh: bool,
}

impl Batches {
    fn new(raw: RawCursor) -> Self {
        Batches { raw, fresh: true }
    }

    fn poll_next(
        &mut self,
        session: Option<&mut SessionState>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<RawBatch>>> {
        if !std::mem::take(&mut self.fresh) {
            match ready!(self.raw.poll_next_batch(session, cx)) {
                Ok(true) => {}
                Ok(false) => return Poll::Ready(None),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        Poll::Ready(Some(Ok(RawBatch { batch: self.raw.take_batch() })))
    }

    async fn next(&mut self, mut session: Option<&mut SessionState>) -> Option<Result<RawBatch>> {
        self.raw.begin_step();
        std::future::poll_fn(|cx| self.poll_next(session.as_deref_mut(), cx)).await
    }
}

/// A cursor over the raw batches of a result. Created by a method `batch`, such as
/// [`Find::batch`](crate::ops::Find::batch).
///
/// It is a [`Stream`] in the async API and an [`Iterator`] in the blocking one. A batch can be
/// empty, for example the first one with a batch size of 0, or those of a tailable cursor.
///
/// Timeouts, cancel safety and the cleanup on the server are as for [`Cursor`](super::Cursor).
pub struct RawBatchCursor<F: Mode> {
    batches: Batches,
    kind: PhantomData<fn() -> F>,
}

impl<F: Mode> RawBatchCursor<F> {
    pub(crate) fn new(raw: RawCursor) -> Self {
        RawBatchCursor { batches: Batches::new(raw), kind: PhantomData }
    }
}

impl RawBatchCursor<Async> {
    /// The next batch. `None` at the end.
    ///
    /// # Errors
    /// Those of [`Cursor::advance`](super::Cursor::advance).
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// let mut batches = monkeys.find(doc! {}).batch().await?;
    /// while let Some(batch) = batches.next().await {
    ///     println!("{:?}", batch?.doc_slices()?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next(&mut self) -> Option<Result<RawBatch>> {
        self.batches.next(None).await
    }

    /// Like [`next`](Self::next), for use with `?`.
    ///
    /// # Errors
    /// Those of [`next`](Self::next).
    pub async fn try_next(&mut self) -> Result<Option<RawBatch>> {
        self.next().await.transpose()
    }
}

impl Stream for RawBatchCursor<Async> {
    type Item = Result<RawBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.batches.poll_next(None, cx)
    }
}

impl RawBatchCursor<Blocking> {
    /// The next batch. `None` at the end. Like the iterator's `next`, for use with `?`.
    ///
    /// # Errors
    /// Those of [`Cursor::advance`](super::Cursor::advance).
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # fn example(monkeys: driver::sync::Collection<Document>) -> driver::Result<()> {
    /// let mut batches = monkeys.find(doc! {}).batch().run()?;
    /// while let Some(batch) = batches.try_next()? {
    ///     println!("{:?}", batch.doc_slices()?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_next(&mut self) -> Result<Option<RawBatch>> {
        self.next().transpose()
    }
}

impl Iterator for RawBatchCursor<Blocking> {
    type Item = Result<RawBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        block_on(self.batches.next(None))
    }
}

impl<F: Mode> fmt::Debug for RawBatchCursor<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawBatchCursor").finish_non_exhaustive()
    }
}

/// Like [`RawBatchCursor`], within a session. Each step takes the session.
#[must_use = "a cursor does nothing until its batches are requested"]
pub struct SessionRawBatchCursor<F: Mode> {
    batches: Batches,
    kind: PhantomData<fn() -> F>,
}

impl<F: Mode> SessionRawBatchCursor<F> {
    pub(crate) fn new(raw: RawCursor) -> Self {
        SessionRawBatchCursor { batches: Batches::new(raw), kind: PhantomData }
    }
}

impl SessionRawBatchCursor<Async> {
    /// The next batch. `None` at the end.
    ///
    /// # Errors
    /// Those of [`Cursor::advance`](super::Cursor::advance).
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// let monkeys = client.database("zoo").collection::<Document>("monkeys");
    /// let mut session = client.start_session().await?;
    /// let mut batches = monkeys.find(doc! {}).session(&mut session).batch().await?;
    /// while let Some(batch) = batches.next(&mut session).await {
    ///     println!("{:?}", batch?.doc_slices()?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next(&mut self, session: &mut ClientSession<Async>) -> Option<Result<RawBatch>> {
        self.batches.next(Some(session.state())).await
    }

    /// The remaining batches, as a stream that borrows the session.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// use futures_util::TryStreamExt;
    ///
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// let monkeys = client.database("zoo").collection::<Document>("monkeys");
    /// let mut session = client.start_session().await?;
    /// let mut batches = monkeys.find(doc! {}).session(&mut session).batch().await?;
    /// let all: Vec<_> = batches.stream(&mut session).try_collect().await?;
    /// println!("{} batches", all.len());
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream<'a>(
        &'a mut self,
        session: &'a mut ClientSession<Async>,
    ) -> SessionRawBatchCursorStream<'a> {
        SessionRawBatchCursorStream { batches: &mut self.batches, session: session.state() }
    }
}

impl SessionRawBatchCursor<Blocking> {
    /// The next batch. `None` at the end.
    ///
    /// # Errors
    /// Those of [`Cursor::advance`](super::Cursor::advance).
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # fn example(client: driver::sync::Client) -> driver::Result<()> {
    /// let monkeys = client.database("zoo").collection::<Document>("monkeys");
    /// let mut session = client.start_session().run()?;
    /// let mut batches = monkeys.find(doc! {}).session(&mut session).batch().run()?;
    /// while let Some(batch) = batches.next(&mut session) {
    ///     println!("{:?}", batch?.doc_slices()?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn next(&mut self, session: &mut ClientSession<Blocking>) -> Option<Result<RawBatch>> {
        block_on(self.batches.next(Some(session.state())))
    }

    /// The remaining batches, as an iterator that borrows the session.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # fn example(client: driver::sync::Client) -> driver::Result<()> {
    /// let monkeys = client.database("zoo").collection::<Document>("monkeys");
    /// let mut session = client.start_session().run()?;
    /// let mut batches = monkeys.find(doc! {}).session(&mut session).batch().run()?;
    /// for batch in batches.iter(&mut session) {
    ///     println!("{:?}", batch?.doc_slices()?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn iter<'a>(
        &'a mut self,
        session: &'a mut ClientSession<Blocking>,
    ) -> SessionRawBatchCursorIter<'a> {
        SessionRawBatchCursorIter { cursor: self, session }
    }
}

impl<F: Mode> fmt::Debug for SessionRawBatchCursor<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionRawBatchCursor").finish_non_exhaustive()
    }
}

/// The remaining batches of a cursor, with its session. Created by
/// [`SessionRawBatchCursor::stream`].
#[must_use = "a stream does nothing until its batches are requested"]
pub struct SessionRawBatchCursorStream<'a> {
    batches: &'a mut Batches,
    session: &'a mut SessionState,
}

impl Stream for SessionRawBatchCursorStream<'_> {
    type Item = Result<RawBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        this.batches.poll_next(Some(this.session), cx)
    }
}

impl fmt::Debug for SessionRawBatchCursorStream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionRawBatchCursorStream").finish_non_exhaustive()
    }
}

/// The remaining batches of a cursor, with its session. Created by [`SessionRawBatchCursor::iter`].
#[must_use = "an iterator does nothing until its batches are requested"]
#[derive(Debug)]
pub struct SessionRawBatchCursorIter<'a> {
    cursor: &'a mut SessionRawBatchCursor<Blocking>,
    session: &'a mut ClientSession<Blocking>,
}

impl Iterator for SessionRawBatchCursorIter<'_> {
    type Item = Result<RawBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.cursor.next(self.session)
    }
}
