//! [`Timed`]: a wait with a deadline on tokio's clock.

use std::fmt;
use std::future::Future;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::core::{Wait, Waiting};

/// When a wait ends.
#[derive(Clone, Copy)]
enum End {
    After(Duration),
    At(Instant),
}

pin_project! {
    /// A wait with a deadline; see [`Wait::timeout`] and [`Wait::deadline`].
    #[must_use = "a wait does nothing unless it is awaited"]
    pub struct Timed<W> {
        #[pin]
        wait: Wait<W>,
        // Made when there is something to wait for: a wait that is ready touches no clock and needs no runtime.
        #[pin]
        sleep: Option<Sleep>,
        end: End,
    }
}

impl<W: Waiting> Wait<W> {
    /// Waits at most `duration`, counted from the first poll.
    ///
    /// A wait that is ready succeeds, whatever the duration, and then touches no clock.
    ///
    /// # Panics
    ///
    /// If it has to wait and is polled outside a tokio runtime with its timer enabled.
    /// [`wait_timeout`](Wait::wait_timeout) and [`until`](Wait::until) need no runtime.
    pub fn timeout(self, duration: Duration) -> Timed<W> {
        Timed { wait: self, sleep: None, end: End::After(duration) }
    }

    /// Waits until `deadline` at the latest: an [`Instant`] of tokio or of the standard library.
    ///
    /// A wait that is ready succeeds although its deadline has passed.
    ///
    /// # Panics
    ///
    /// As [`timeout`](Wait::timeout).
    pub fn deadline(self, deadline: impl Into<Instant>) -> Timed<W> {
        Timed { wait: self, sleep: None, end: End::At(deadline.into()) }
    }
}

// The timer is only polled, and a panic leaves it in order; tokio does not say so itself.
impl<W: UnwindSafe> UnwindSafe for Timed<W> {}
impl<W: RefUnwindSafe> RefUnwindSafe for Timed<W> {}

impl<W: Waiting> Future for Timed<W> {
    type Output = W::Timed;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<W::Timed> {
        let mut this = self.project();
        if let Poll::Ready(output) = this.wait.as_mut().poll(cx) {
            return Poll::Ready(W::in_time(output));
        }
        if this.sleep.is_none() {
            this.sleep.set(Some(match *this.end {
                End::After(duration) => sleep(duration),
                End::At(deadline) => sleep_until(deadline),
            }));
        }
        if let Some(sleep) = this.sleep.as_pin_mut() {
            ready!(sleep.poll(cx));
        }
        Poll::Ready(this.wait.expire())
    }
}

impl<W> fmt::Debug for Timed<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timed").finish_non_exhaustive()
    }
}
