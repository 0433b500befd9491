//! Cursors: results that come in batches.
//!
//! A cursor holds the batch that came last as the server sent it, and decodes one document at a time straight from it. The next batch is
//! fetched when this one is used up, from the member that holds the cursor.

mod feed;
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

pub(crate) use self::feed::{Feed, Follow};
pub use self::session::SessionCursor;
pub use self::stream::{SessionCursorIter, SessionCursorStream};
use crate::error::Result;
use crate::face::{Async, Blocking, Face};
use crate::rt::block_on;

/// The documents of a result, one after the other.
///
/// In the async face a [`Stream`], in the blocking one an [`Iterator`]; in both, [`advance`](Cursor::advance) and
/// [`current`](Cursor::current) give the documents undecoded, without a copy.
///
/// Dropped before its end, it is ended on the server too, in the background.
///
/// Named through its face: [`driver::Cursor`](crate::Cursor) and [`driver::sync::Cursor`](crate::sync::Cursor).
///
/// # Cancel safety
/// A dropped [`advance`](Cursor::advance) or `next` loses nothing: the batch that it was waiting for is still on its way, and the next call
/// takes it.
pub struct Cursor<T, F: Face> {
    feed: Feed,
    kind: PhantomData<fn() -> (T, F)>,
}

impl<T, F: Face> Cursor<T, F> {
    pub(crate) fn new(feed: Feed) -> Self {
        Cursor { feed, kind: PhantomData }
    }

    /// The current document: empty before the first and after the last.
    pub fn current(&self) -> &RawDocument {
        self.feed.current()
    }

    /// Decodes the current document, which `T` may borrow from.
    ///
    /// # Errors
    /// `BsonDeserialization` when it is no `T`, or when there is no current document.
    pub fn deserialize_current<'a>(&'a self) -> Result<T>
    where
        T: Deserialize<'a>,
    {
        self.feed.decode()
    }

    /// Whether more may come: documents that are here already, or a batch that the server still has.
    pub fn has_next(&self) -> bool {
        self.feed.has_next()
    }

    /// The same cursor with documents of another type.
    pub fn with_type<U>(self) -> Cursor<U, F> {
        Cursor::new(self.feed)
    }
}

impl<T> Cursor<T, Async> {
    /// Makes the next document the current one. False when there is none.
    ///
    /// # Errors
    /// Those of every operation when the next batch cannot be had; the cursor ends with that.
    pub async fn advance(&mut self) -> Result<bool> {
        std::future::poll_fn(|cx| self.feed.poll_advance(cx)).await
    }
}

impl<T> Cursor<T, Blocking> {
    /// Makes the next document the current one. False when there is none.
    ///
    /// # Errors
    /// Those of every operation when the next batch cannot be had; the cursor ends with that.
    pub fn advance(&mut self) -> Result<bool> {
        if self.feed.advance_within_batch()? {
            return Ok(true);
        }
        block_on(std::future::poll_fn(|cx| self.feed.poll_advance(cx)))
    }
}

impl<T: DeserializeOwned> Stream for Cursor<T, Async> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.feed.poll_advance(cx).map(|advanced| match advanced {
            Ok(true) => Some(self.feed.decode()),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        })
    }
}

impl<T: DeserializeOwned> Iterator for Cursor<T, Blocking> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.advance() {
            Ok(true) => Some(self.feed.decode()),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

impl<T, F: Face> fmt::Debug for Cursor<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor").field("has_next", &self.has_next()).finish_non_exhaustive()
    }
}
