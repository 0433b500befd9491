//! [`Until`]: a wait that ends when another future is ready.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::core::{Wait, Waiting};

pin_project! {
    /// A wait that expires when another future is ready. See [`Wait::until`].
    #[must_use = "a wait does nothing unless it is awaited"]
    pub struct Until<W, F> {
        #[pin]
        wait: Wait<W>,
        #[pin]
        end: F,
    }
}

impl<W: Waiting> Wait<W> {
    /// Waits until this wait or `end` is ready. If `end` is ready first, the wait expires, and the
    /// output of `end` is dropped.
    ///
    /// This needs neither a clock nor a runtime. `end` may be any timer, a shutdown signal, or
    /// another wait. The wait is polled first, so it succeeds if both are ready.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing, as with the wait itself.
    ///
    /// # Examples
    ///
    /// ```
    /// # use toro::{Event, Queue, WaitError};
    /// let (jobs, shutdown) = (Queue::<u32>::unbounded(), Event::new());
    /// shutdown.set();
    /// assert_eq!(jobs.get().until(shutdown.wait()).wait(), Err(WaitError::Timeout));
    /// ```
    #[doc(alias("select", "take_until"))]
    pub fn until<F: Future>(self, end: F) -> Until<W, F> {
        Until { wait: self, end }
    }
}

impl<W: Waiting, F: Future> Future for Until<W, F> {
    type Output = W::Timed;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<W::Timed> {
        let mut this = self.project();
        if let Poll::Ready(output) = this.wait.as_mut().poll(cx) {
            return Poll::Ready(W::in_time(output));
        }
        ready!(this.end.poll(cx));
        Poll::Ready(this.wait.expire())
    }
}

impl<W, F> fmt::Debug for Until<W, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Until").finish_non_exhaustive()
    }
}
