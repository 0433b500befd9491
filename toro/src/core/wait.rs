//! [`Wait`]: the public type of every wait, and the ways in which it can end.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::operation::{Operation, Start};
use super::waiter::Waiter;

pin_project! {
    /// The future type of this crate: every method that may have to wait returns it.
    ///
    /// A wait is lazy: it joins the line at its first poll. There are four ways to wait:
    ///
    /// - `.await` it in a task;
    /// - [`wait`](Wait::wait) blocks the current thread;
    /// - with a time limit: [`wait_timeout`](Wait::wait_timeout) and
    ///   [`wait_deadline`](Wait::wait_deadline) block a thread, `timeout` and `deadline` (feature
    ///   `time`) are futures on tokio's clock;
    /// - [`until`](Wait::until) another future is ready, which needs no clock and no runtime.
    ///
    /// Readiness wins over a time limit. A wait whose turn has come succeeds although its deadline
    /// has passed, and a grant that arrives at the same time as the expiry is kept.
    ///
    /// # Cancel safety
    ///
    /// Dropping a wait at any point loses nothing. It gives up its place in line in constant time,
    /// and a grant that had already reached it goes to the next in line.
    ///
    /// A wait that was granted and is neither polled nor dropped keeps its grant. If a task keeps
    /// such a future aside (for example, polled once in a `select!` by reference) and then waits
    /// for the same primitive, it waits for itself. Drop futures that are no longer polled, or run
    /// each wait in its own task. ([`barging`](crate::Lock::barging) locks do not have this
    /// problem.)
    ///
    /// A polled wait contains its place in line, so it cannot be moved: it is not [`Unpin`].
    ///
    /// ```compile_fail,E0277
    /// fn can_be_moved(_: impl Unpin) {}
    /// can_be_moved(toro::Lock::new(()).acquire());
    /// ```
    ///
    /// # Panics
    ///
    /// Polling again after the wait has returned panics, as with any `async fn`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use toro::{Event, Timeout};
    ///
    /// let event = Event::new();
    /// assert_eq!(event.wait().wait_timeout(Duration::from_millis(1)), Err(Timeout));
    /// event.set();
    /// event.wait().wait();
    /// ```
    #[must_use = "a wait does nothing unless it is awaited, or ended by one of its methods"]
    pub struct Wait<W> {
        #[pin]
        waiting: W,
    }
}

/// The kind of a [`Wait`]. Sealed: only this crate has implementations.
pub trait Waiting: sealed::Sealed {
    /// The result of the wait.
    type Output;
    /// The result of a wait with a time limit: a `Result` whose error distinguishes a
    /// timeout from other failures.
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
