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
pub struct SessionChangeStream<T, F: Mode = Async> {
    raw: RawChangeStream,
    kind: PhantomData<fn() -> (T, F)>,
}

impl<T, F: Mode> SessionChangeStream<T, F> {
    pub(crate) fn new(raw: RawChangeStream) -> Self {
        SessionChangeStream { raw, kind: PhantomData }
    }

    /// Like [`ChangeStream::resume_token`](super::ChangeStream::resume_token).
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::Document;
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// let monkeys = client.database("zoo").collection::<Document>("monkeys");
    /// let mut session = client.start_session().await?;
    /// let mut stream = monkeys.watch().session(&mut session).await?.with_type::<Document>();
    /// while stream.is_alive() {
    ///     if let Some(event) = stream.next_if_any(&mut session).await? {
    ///         println!("{event}");
    ///     }
    ///     println!("to be resumed after {:?}", stream.resume_token());
    /// }
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::Document;
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// let monkeys = client.database("zoo").collection::<Document>("monkeys");
    /// let mut session = client.start_session().await?;
    /// let mut stream = monkeys.watch().session(&mut session).await?;
    /// while let Some(event) = stream.next(&mut session).await? {
    ///     println!("{:?}", event.operation_type);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next(&mut self, session: &mut ClientSession<Async>) -> Result<Option<T>> {
        self.raw.next(Some(session.state())).await.transpose()
    }

    /// The next event, if the current batch or the next one has one.
    ///
    /// # Errors
    /// Those of [`next`](Self::next).
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::Document;
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// let monkeys = client.database("zoo").collection::<Document>("monkeys");
    /// let mut session = client.start_session().await?;
    /// let mut stream = monkeys.watch().session(&mut session).await?;
    /// while let Some(event) = stream.next_if_any(&mut session).await? {
    ///     println!("{:?}", event.operation_type);
    /// }
    /// println!("no more changes at the moment");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next_if_any(&mut self, session: &mut ClientSession<Async>) -> Result<Option<T>> {
        self.raw.next_if_any(Some(session.state())).await.transpose()
    }
}

impl<T: DeserializeOwned> SessionChangeStream<T, Blocking> {
    /// Waits for the next event. `None` at the end of the stream.
    ///
    /// # Errors
    /// Those of [`ChangeStream::next`](super::ChangeStream::next).
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::Document;
    /// # fn example(client: driver::sync::Client) -> driver::Result<()> {
    /// let monkeys = client.database("zoo").collection::<Document>("monkeys");
    /// let mut session = client.start_session().run()?;
    /// let mut stream = monkeys.watch().session(&mut session).run()?;
    /// while let Some(event) = stream.next(&mut session)? {
    ///     println!("{:?}", event.operation_type);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn next(&mut self, session: &mut ClientSession<Blocking>) -> Result<Option<T>> {
        block_on(self.raw.next(Some(session.state()))).transpose()
    }

    /// The next event, if the current batch or the next one has one.
    ///
    /// # Errors
    /// Those of [`next`](Self::next).
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::Document;
    /// # fn example(client: driver::sync::Client) -> driver::Result<()> {
    /// let monkeys = client.database("zoo").collection::<Document>("monkeys");
    /// let mut session = client.start_session().run()?;
    /// let mut stream = monkeys.watch().session(&mut session).run()?;
    /// while let Some(event) = stream.next_if_any(&mut session)? {
    ///     println!("{:?}", event.operation_type);
    /// }
    /// println!("no more changes at the moment");
    /// # Ok(())
    /// # }
    /// ```
    pub fn next_if_any(&mut self, session: &mut ClientSession<Blocking>) -> Result<Option<T>> {
        block_on(self.raw.next_if_any(Some(session.state()))).transpose()
    }
}

impl<T, F: Mode> fmt::Debug for SessionChangeStream<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionChangeStream")
            .field("is_alive", &self.is_alive())
            .finish_non_exhaustive()
    }
}
