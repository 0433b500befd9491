//! Killing a cursor before its end, and waiting for the reply.

use std::future::IntoFuture;
use std::marker::PhantomData;
use std::time::Duration;

use super::server_cursor::ServerCursor;
use crate::error::Result;
use crate::exec::Timeout;
use crate::mode::{Async, Blocking, Mode};
use crate::ops::{Boxed, Operation, sealed};
use crate::rt::block_on;

/// Kills a cursor on its server. Created by [`Cursor::close`](super::Cursor::close) and
/// [`SessionCursor::close`](super::SessionCursor::close).
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct CloseCursor<F: Mode> {
    /// `None` if there is nothing to kill on the server.
    source: Option<Box<ServerCursor>>,
    timeout: Option<Duration>,
    mode: PhantomData<fn() -> F>,
}

impl<F: Mode> CloseCursor<F> {
    pub(super) fn new(source: Option<Box<ServerCursor>>) -> Self {
        CloseCursor { source, timeout: None, mode: PhantomData }
    }

    /// The time limit (`timeoutMS`). Replaces that of the operation that opened the cursor. Zero
    /// means no limit.
    pub fn timeout(mut self, value: Duration) -> Self {
        self.timeout = Some(value);
        self
    }

    async fn close(self) -> Result<()> {
        match self.source {
            Some(source) => source.close(Timeout::from(self.timeout)).await,
            None => Ok(()),
        }
    }
}

impl IntoFuture for CloseCursor<Async> {
    type Output = Result<()>;
    type IntoFuture = Boxed<'static, Result<()>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.close())
    }
}

impl CloseCursor<Blocking> {
    /// Runs the operation on the calling thread.
    ///
    /// # Errors
    /// Those of the async API's `.await`.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # fn example(monkeys: driver::sync::Collection<Document>) -> driver::Result<()> {
    /// let mut cursor = monkeys.find(doc! {}).run()?;
    /// let first = cursor.try_next()?;
    /// cursor.close().run()?;
    /// # drop(first);
    /// # Ok(())
    /// # }
    /// ```
    pub fn run(self) -> Result<()> {
        block_on(self.close())
    }
}

impl<F: Mode> sealed::Sealed for CloseCursor<F> {}

impl<F: Mode> Operation for CloseCursor<F> {
    type Output = ();

    fn perform(self) -> impl Future<Output = Result<()>> + Send {
        self.close()
    }
}

impl<F: Mode> std::fmt::Debug for CloseCursor<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CloseCursor").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
