//! Change streams: notifications of changes to the data.
//!
//! A change stream is a cursor that the driver reopens after a failure. The new cursor starts after
//! the last returned event, so no event is lost or repeated (`change_stream/raw.rs`).

pub mod event;
mod fragments;
mod position;
mod raw;
mod reopen;
mod resumable;
pub mod session;
mod watched;

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use serde::de::DeserializeOwned;

pub use self::event::{
    ChangeNamespace, ChangeNamespaceType, ChangeStreamEvent, OperationType, ResumeToken,
    TruncatedArray, UpdateDescription,
};
pub(crate) use self::position::StartAt;
pub(crate) use self::raw::RawChangeStream;
pub use self::session::SessionChangeStream;
pub(crate) use self::watched::Watched;
use crate::error::Result;
use crate::mode::{Async, Blocking, Mode};
use crate::rt::block_on;

/// A stream of the changes of a collection, a database or the whole deployment. Created by
/// [`Collection::watch`](crate::collection::Collection::watch),
/// [`Database::watch`](crate::database::Database::watch) and
/// [`Client::watch`](crate::client::Client::watch).
///
/// It is a [`Stream`] in the async API and an [`Iterator`] in the blocking one. Each step waits for
/// an event, except [`next_if_any`](Self::next_if_any). The stream ends after an event of type
/// [`Invalidate`](OperationType::Invalidate), or after an error that cannot be resumed.
///
/// # Resumption
/// After a network error, an election or the loss of its cursor, the stream resumes automatically,
/// on a server that matches its selection criteria. It tries once per failure. No event is lost or
/// repeated. If resuming fails, the step returns the error. After a network error or a timeout the
/// stream is still alive, and the next step tries again.
///
/// To continue after a restart, a program stores the [`resume_token`](Self::resume_token). The
/// token advances even without events, so read it after each `next_if_any`:
///
/// ```no_run
/// # use driver::bson::Document;
/// # fn store(_: Option<driver::change_stream::ResumeToken>) {}
/// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
/// let mut stream = monkeys.watch().await?;
/// while stream.is_alive() {
///     if let Some(event) = stream.next_if_any().await? {
///         println!("{:?} of {:?}", event.operation_type, event.document_key);
///     }
///     store(stream.resume_token());
/// }
/// # Ok(())
/// # }
/// ```
///
/// If the pipeline ends with `$changeStreamSplitLargeEvent`, the server splits large events into
/// fragments. The stream joins them again.
///
/// # Timeouts
/// The `timeout` of the operation bounds each step, including resuming. Without one, that of the
/// handle or the client applies.
///
/// # Cancel safety
/// A dropped step loses nothing. If the stream is dropped, its cursor is killed in the background.
pub struct ChangeStream<T, F: Mode = Async> {
    raw: RawChangeStream,
    kind: PhantomData<fn() -> (T, F)>,
}

impl<T, F: Mode> ChangeStream<T, F> {
    pub(crate) fn new(raw: RawChangeStream) -> Self {
        ChangeStream { raw, kind: PhantomData }
    }

    /// The position at which another stream would continue: after the last returned event, or later
    /// if the server has reported a newer position since. `None` until the server has sent a token.
    pub fn resume_token(&self) -> Option<ResumeToken> {
        self.raw.resume_token().cloned()
    }

    /// Whether more events may follow.
    pub fn is_alive(&self) -> bool {
        self.raw.is_alive()
    }

    /// The same stream with events of another type.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// let names = [doc! { "$project": { "fullDocument.name": 1 } }];
    /// let mut stream = monkeys.watch().pipeline(names).await?.with_type::<Document>();
    /// while let Some(event) = stream.try_next().await? {
    ///     println!("{event}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_type<U>(self) -> ChangeStream<U, F> {
        ChangeStream::new(self.raw)
    }
}

impl<T: DeserializeOwned> ChangeStream<T, Async> {
    /// Waits for the next event. `None` at the end of the stream.
    ///
    /// # Errors
    /// Those of every operation, if resuming the stream failed. `BsonDeserialization` if the event
    /// is not a `T`; the stream then continues with the next event.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::Document;
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// let mut stream = monkeys.watch().await?;
    /// while let Some(event) = stream.next().await {
    ///     println!("{:?}", event?.operation_type);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next(&mut self) -> Option<Result<T>> {
        self.raw.next(None).await
    }

    /// Like [`next`](Self::next), for use with `?`.
    ///
    /// # Errors
    /// Those of [`next`](Self::next).
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::Document;
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// let mut stream = monkeys.watch().await?;
    /// while let Some(event) = stream.try_next().await? {
    ///     println!("{:?}: {:?}", event.operation_type, event.full_document);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn try_next(&mut self) -> Result<Option<T>> {
        self.raw.next(None).await.transpose()
    }

    /// The next event, if the current batch or the next one has one. Sends at most one `getMore`,
    /// which waits for up to `max_await_time`.
    ///
    /// # Errors
    /// Those of [`next`](Self::next).
    pub async fn next_if_any(&mut self) -> Result<Option<T>> {
        self.raw.next_if_any(None).await.transpose()
    }
}

impl<T: DeserializeOwned> ChangeStream<T, Blocking> {
    /// Waits for the next event. `None` at the end of the stream. Like the iterator's `next`, for
    /// use with `?`.
    ///
    /// # Errors
    /// Those of every operation, if resuming the stream failed. `BsonDeserialization` if the event
    /// is not a `T`; the stream then continues with the next event.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::Document;
    /// # fn example(monkeys: driver::sync::Collection<Document>) -> driver::Result<()> {
    /// let mut stream = monkeys.watch().run()?;
    /// while let Some(event) = stream.try_next()? {
    ///     println!("{:?}: {:?}", event.operation_type, event.full_document);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_next(&mut self) -> Result<Option<T>> {
        block_on(self.raw.next(None)).transpose()
    }

    /// The next event, if the current batch or the next one has one. Sends at most one `getMore`,
    /// which waits for up to `max_await_time`.
    ///
    /// # Errors
    /// Those of [`try_next`](Self::try_next).
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::Document;
    /// # fn example(monkeys: driver::sync::Collection<Document>) -> driver::Result<()> {
    /// let mut stream = monkeys.watch().run()?;
    /// while let Some(event) = stream.next_if_any()? {
    ///     println!("{:?}", event.operation_type);
    /// }
    /// println!("no more changes at the moment");
    /// # Ok(())
    /// # }
    /// ```
    pub fn next_if_any(&mut self) -> Result<Option<T>> {
        block_on(self.raw.next_if_any(None)).transpose()
    }
}

impl<T: DeserializeOwned> Stream for ChangeStream<T, Async> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.raw.poll_next(None, cx)
    }
}

impl<T: DeserializeOwned> Iterator for ChangeStream<T, Blocking> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        block_on(self.raw.next(None))
    }
}

impl<T, F: Mode> fmt::Debug for ChangeStream<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangeStream").field("is_alive", &self.is_alive()).finish_non_exhaustive()
    }
}
