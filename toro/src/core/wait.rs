//! [`Wait`]: the face of every wait, and the ways in which it can end.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::operation::{Operation, Start};
use super::waiter::Waiter;

pin_project! {
    /// A wait: the one future type of this crate, returned by every method that may have to wait.
    ///
    /// It is lazy, and joins the line at its first poll. It can end in four ways:
    ///
    /// - `.await`ed, when what it waits for is there;
    /// - [`wait`](Wait::wait), the same, but blocking the current thread instead of a task;
    /// - bounded in time: [`wait_timeout`](Wait::wait_timeout) and [`wait_deadline`](Wait::wait_deadline) block a thread,
    ///   `timeout` and `deadline` (feature `time`) are futures on tokio's clock;
    /// - [`until`](Wait::until) another future is ready, which needs no clock and no runtime.
    ///
    /// Where an end is given, being ready comes first: a wait whose turn has come succeeds although its deadline has
    /// passed, and a grant that meets its waiter's expiry is kept.
    ///
    /// # Cancel safety
    ///
    /// Dropping a wait at any point loses nothing: it gives up its place in line in constant time, and what had
    /// already been granted to it goes to the next in line.
    ///
    /// A wait that was granted and is neither polled nor dropped holds its grant. A task that keeps such a future
    /// aside (polled once in a `select!` by reference, say) and meanwhile waits for the same primitive waits for
    /// itself. Drop futures that are no longer polled, or [`barging`](crate::Lock::barging) aside, give each wait a task
    /// of its own.
    ///
    /// A wait that has been polled has its place in line in itself, so it cannot be moved: it is not [`Unpin`].
    ///
    /// ```compile_fail,E0277
    /// fn can_be_moved(_: impl Unpin) {}
    /// can_be_moved(toro::Lock::new(()).acquire());
    /// ```
    ///
    /// # Panics
    ///
    /// Polling again after the wait has returned panics, as with any `async fn`.
    #[must_use = "a wait does nothing unless it is awaited, or ended by `wait`, `timeout`, `deadline` or `until`"]
    pub struct Wait<W> {
        #[pin]
        waiting: W,
    }
}

/// What a [`Wait`] waits for. Sealed: the kinds of waits are those of this crate.
pub trait Waiting: sealed::Sealed {
    /// What the wait returns.
    type Output;
    /// What it returns when it was given an end: a `Result` whose error tells a timeout from other
    /// failures.
    type Timed;

    #[doc(hidden)]
    fn poll_wait(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output>;
    #[doc(hidden)]
    fn expire(self: Pin<&mut Self>) -> Self::Timed;
    #[doc(hidden)]
    fn in_time(output: Self::Output) -> Self::Timed;
}

pub(crate) mod sealed {
    pub trait Sealed {}
}

impl<O: Operation> sealed::Sealed for Waiter<O> {}

impl<O: Start> Waiting for Waiter<O> {
    type Output = O::Output;
    type Timed = O::Timed;

    #[inline]
    fn poll_wait(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<O::Output> {
        self.poll(cx)
    }

    fn expire(self: Pin<&mut Self>) -> O::Timed {
        Waiter::expire(self)
    }

    fn in_time(output: O::Output) -> O::Timed {
        O::in_time(output)
    }
}

impl<W: Waiting> Wait<W> {
    #[inline]
    pub(crate) fn new(waiting: W) -> Self {
        Wait { waiting }
    }

    /// Gives up, unless the grant came first.
    pub(crate) fn expire(self: Pin<&mut Self>) -> W::Timed {
        self.project().waiting.expire()
    }
}

impl<W: Waiting> Future for Wait<W> {
    type Output = W::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<W::Output> {
        self.project().waiting.poll_wait(cx)
    }
}

impl<W> fmt::Debug for Wait<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").finish_non_exhaustive()
    }
}
