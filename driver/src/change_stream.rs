//! Change streams: what happens to the data, as it happens.
//!
//! A change stream is a cursor that the driver opens anew when it breaks: behind the event that was
//! given last, so that none is lost or given twice (`change_stream/raw.rs`).

mod event;
mod raw;
mod session;

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
pub(crate) use self::raw::{RawChangeStream, StartAt, Watched};
pub use self::session::SessionChangeStream;
use crate::error::Result;
use crate::mode::{Async, Blocking, Mode};
use crate::rt::block_on;

/// The changes of a collection, a database or the whole deployment, one after the other. Made by
/// [`Collection::watch`](crate::collection::Collection::watch),
/// [`Database::watch`](crate::database::Database::watch) and
/// [`Client::watch`](crate::client::Client::watch).
///
/// In the async API a [`Stream`], in the blocking one an [`Iterator`]. A step waits until there is
/// an event; [`next_if_any`](Self::next_if_any) does not. The stream ends with an event of type
/// [`Invalidate`](OperationType::Invalidate), and with an error that is not about the connection.
///
/// # Resumption
/// After a network error, an election or the loss of its cursor, the stream is resumed by itself,
/// once for each failure, on a server that suits its selection criteria. Nothing is lost and
/// nothing comes twice. Where that fails too, the step gives the error. If that is a network error
/// or a timeout, the stream is still alive: the next step tries again.
///
/// A program that is to go on after its own end stores the [`resume_token`](Self::resume_token). It
/// moves on even where no event comes, so take it after each `next_if_any`:
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
/// Large events come in fragments where the pipeline ends with `$changeStreamSplitLargeEvent`; the
/// stream puts them together.
///
/// # Timeouts
/// The `timeout` of the operation bounds each step as a whole, the resumption included; without
/// one, that of the handle or the client does.
///
/// # Cancel safety
/// A dropped step loses nothing. A dropped stream ends its cursor on the server, in the background.
pub struct ChangeStream<T, F: Mode> {
    raw: RawChangeStream,
    kind: PhantomData<fn() -> (T, F)>,
}

impl<T, F: Mode> ChangeStream<T, F> {
    pub(crate) fn new(raw: RawChangeStream) -> Self {
        ChangeStream { raw, kind: PhantomData }
    }

    /// From where another stream would go on: behind the event that was given last, or where the
    /// server has looked at more since and found nothing, behind that. None before the server has
    /// told of any.
    pub fn resume_token(&self) -> Option<ResumeToken> {
        self.raw.resume_token().cloned()
    }

    /// Whether more events may come.
    pub fn is_alive(&self) -> bool {
        self.raw.is_alive()
    }

    /// The same stream with events of another type.
    pub fn with_type<U>(self) -> ChangeStream<U, F> {
        ChangeStream::new(self.raw)
    }
}

impl<T: DeserializeOwned> ChangeStream<T, Async> {
    /// The next event, waiting for it; none at the end of the stream.
    ///
    /// # Errors
    /// Those of every operation, where resuming the stream did not help; `BsonDeserialization` when
    /// the event is no `T`, in which case the stream goes on with the one behind it.
    pub async fn next(&mut self) -> Option<Result<T>> {
        self.raw.next(None).await.transpose()
    }

    /// As [`next`](Self::next), for use with `?`.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn try_next(&mut self) -> Result<Option<T>> {
        self.raw.next(None).await
    }

    /// The next event, if one is here already or comes with the next batch. It asks the server at
    /// most once, which waits for up to `max_await_time`.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn next_if_any(&mut self) -> Result<Option<T>> {
        self.raw.next_if_any(None).await
    }
}

impl<T: DeserializeOwned> ChangeStream<T, Blocking> {
    /// The next event, waiting for it; none at the end of the stream. As the iterator's `next`, for
    /// use with `?`.
    ///
    /// # Errors
    /// Those of every operation, where resuming the stream did not help; `BsonDeserialization` when
    /// the event is no `T`, in which case the stream goes on with the one behind it.
    pub fn try_next(&mut self) -> Result<Option<T>> {
        block_on(self.raw.next(None))
    }

    /// The next event, if one is here already or comes with the next batch. It asks the server at
    /// most once, which waits for up to `max_await_time`.
    ///
    /// # Errors
    /// As [`try_next`](Self::try_next).
    pub fn next_if_any(&mut self) -> Result<Option<T>> {
        block_on(self.raw.next_if_any(None))
    }
}

impl<T: DeserializeOwned> Stream for ChangeStream<T, Async> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.raw.poll_next(None, cx).map(Result::transpose)
    }
}

impl<T: DeserializeOwned> Iterator for ChangeStream<T, Blocking> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        self.try_next().transpose()
    }
}

impl<T, F: Mode> fmt::Debug for ChangeStream<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangeStream").field("is_alive", &self.is_alive()).finish_non_exhaustive()
    }
}
