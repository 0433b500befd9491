//! Change streams within a caller's session.

use std::fmt;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use super::ResumeToken;
use super::raw::RawChangeStream;
use crate::error::Result;
use crate::mode::{Async, Blocking, Mode};
use crate::rt::block_on;
use crate::session::ClientSession;

/// Like [`ChangeStream`](super::ChangeStream), within a session. Each step takes the session.
#[must_use = "a change stream does nothing until its events are requested"]
pub struct SessionChangeStream<T, F: Mode> {
    raw: RawChangeStream,
    kind: PhantomData<fn() -> (T, F)>,
}

impl<T, F: Mode> SessionChangeStream<T, F> {
    pub(crate) fn new(raw: RawChangeStream) -> Self {
        SessionChangeStream { raw, kind: PhantomData }
    }

    /// Like [`ChangeStream::resume_token`](super::ChangeStream::resume_token).
    pub fn resume_token(&self) -> Option<ResumeToken> {
        self.raw.resume_token().cloned()
    }

    /// Whether more events may follow.
    pub fn is_alive(&self) -> bool {
        self.raw.is_alive()
    }

    /// The same stream with events of another type.
    pub fn with_type<U>(self) -> SessionChangeStream<U, F> {
        SessionChangeStream::new(self.raw)
    }
}

impl<T: DeserializeOwned> SessionChangeStream<T, Async> {
    /// Waits for the next event. `None` at the end of the stream.
    ///
    /// # Errors
    /// Those of [`ChangeStream::next`](super::ChangeStream::next).
    pub async fn next(&mut self, session: &mut ClientSession<Async>) -> Result<Option<T>> {
        self.raw.next(Some(session.state())).await
    }

    /// The next event, if the current batch or the next one has one.
    ///
    /// # Errors
    /// Those of [`next`](Self::next).
    pub async fn next_if_any(&mut self, session: &mut ClientSession<Async>) -> Result<Option<T>> {
        self.raw.next_if_any(Some(session.state())).await
    }
}

impl<T: DeserializeOwned> SessionChangeStream<T, Blocking> {
    /// Waits for the next event. `None` at the end of the stream.
    ///
    /// # Errors
    /// Those of [`ChangeStream::next`](super::ChangeStream::next).
    pub fn next(&mut self, session: &mut ClientSession<Blocking>) -> Result<Option<T>> {
        block_on(self.raw.next(Some(session.state())))
    }

    /// The next event, if the current batch or the next one has one.
    ///
    /// # Errors
    /// Those of [`next`](Self::next).
    pub fn next_if_any(&mut self, session: &mut ClientSession<Blocking>) -> Result<Option<T>> {
        block_on(self.raw.next_if_any(Some(session.state())))
    }
}

impl<T, F: Mode> fmt::Debug for SessionChangeStream<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionChangeStream")
            .field("is_alive", &self.is_alive())
            .finish_non_exhaustive()
    }
}
