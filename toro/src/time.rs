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

/// The end of a wait.
#[derive(Clone, Copy)]
enum End {
    After(Duration),
    At(Instant),
}

pin_project! {
    /// A wait with a deadline on tokio's clock. See [`Wait::timeout`] and [`Wait::deadline`].
    #[must_use = "a wait does nothing unless it is awaited"]
    pub struct Timed<W> {
        #[pin]
        wait: Wait<W>,
        // Created when the wait is not ready. A wait that is ready uses no clock and needs no
        // runtime.
        #[pin]
        sleep: Option<Sleep>,
        end: End,
    }
}

impl<W: Waiting> Wait<W> {
    /// Waits at most `duration`, counted from the first poll.
    ///
    /// A wait that is ready succeeds for any duration, and uses no clock.
    ///
    /// # Panics
    ///
    /// If it must wait and is polled outside a tokio runtime with an enabled timer.
    /// [`wait_timeout`](Wait::wait_timeout) and [`until`](Wait::until) need no runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    /// # runtime.block_on(async {
    /// use std::time::Duration;
    /// use toro::{Queue, WaitError};
    ///
    /// let queue = Queue::<u8>::new(1);
    /// let result = queue.get().timeout(Duration::from_millis(1)).await;
    /// assert_eq!(result, Err(WaitError::Timeout));
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn timeout(self, duration: Duration) -> Timed<W> {
        Timed { wait: self, sleep: None, end: End::After(duration) }
    }

    /// Waits until `deadline` at most. The deadline is an [`Instant`] of tokio or of the standard
    /// library.
    ///
    /// A wait that is ready succeeds although its deadline has passed.
    ///
    /// # Panics
    ///
    /// Like [`timeout`](Wait::timeout).
    ///
    /// # Examples
    ///
    /// ```
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    /// # runtime.block_on(async {
    /// let event = toro::Event::new();
    /// let result = event.wait().deadline(std::time::Instant::now()).await;
    /// assert_eq!(result, Err(toro::Timeout));
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn deadline(self, deadline: impl Into<Instant>) -> Timed<W> {
        Timed { wait: self, sleep: None, end: End::At(deadline.into()) }
    }
}

// The timer is only polled, and a panic leaves it valid. Tokio does not declare that itself.
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
