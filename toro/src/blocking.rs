//! Blocks a thread on a wait.
//!
//! Tasks and threads use the same futures. A thread polls its wait with a waker that unparks the
//! thread, and parks between polls. Each thread keeps one such waker, so waiting does not allocate.

use std::cell::Cell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::core::{Wait, Waiting};
use crate::until::Until;

/// Wakes a parked thread.
struct Alarm {
    thread: Thread,
    /// Distinguishes wakes of this waker from other unparks of the thread.
    rung: AtomicBool,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.rung.swap(true, Ordering::Release) {
            self.thread.unpark();
        }
    }
}

/// A thread's alarm and its waker.
struct Kept {
    alarm: Arc<Alarm>,
    waker: Waker,
}

thread_local! {
    /// `None` while the thread waits, so a wait within a wait gets another alarm.
    static KEPT: Cell<Option<Kept>> = const { Cell::new(None) };
}

impl Kept {
    fn take() -> Kept {
        KEPT.try_with(Cell::take).ok().flatten().unwrap_or_else(|| {
            let alarm = Arc::new(Alarm { thread: thread::current(), rung: AtomicBool::new(false) });
            Kept { waker: Waker::from(Arc::clone(&alarm)), alarm }
        })
    }

    fn put_back(self) {
        // An ending thread has no place to keep it.
        let _ = KEPT.try_with(|kept| kept.set(Some(self)));
    }
}

/// Polls `future` to its end and parks in between. Returns `None` when the deadline passes first.
fn block_on<F: Future>(mut future: Pin<&mut F>, deadline: Option<Instant>) -> Option<F::Output> {
    let kept = Kept::take();
    // Clears a wake for an earlier wait. This wait has not registered its waker yet.
    kept.alarm.rung.store(false, Ordering::Relaxed);
    let mut context = Context::from_waker(&kept.waker);
    let output = loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            break Some(output);
        }
        if !park(&kept.alarm, deadline) {
            break match future.as_mut().poll(&mut context) {
                Poll::Ready(output) => Some(output),
                Poll::Pending => None,
            };
        }
    };
    kept.put_back();
    output
}

/// Parks until the alarm rings. Returns `false` when the deadline passes first.
fn park(alarm: &Alarm, deadline: Option<Instant>) -> bool {
    while !alarm.rung.swap(false, Ordering::Acquire) {
        match deadline {
            None => thread::park(),
            Some(deadline) => match deadline.checked_duration_since(Instant::now()) {
                Some(left) if !left.is_zero() => thread::park_timeout(left),
                _ => return false,
            },
        }
    }
    true
}

impl<W: Waiting> Wait<W> {
    /// Blocks the current thread until the wait is over.
    ///
    /// The thread stands in the same line as tasks. Do not call this within a task: it blocks the
    /// executor's thread, which may have to run the very task that it waits for.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = toro::Lock::new(1);
    /// *lock.acquire().wait() += 1;
    /// assert_eq!(lock.into_inner(), 2);
    /// ```
    #[doc(alias("block_on", "blocking_lock", "blocking_recv", "recv_blocking", "lock_blocking"))]
    pub fn wait(self) -> W::Output {
        let mut wait = pin!(self);
        loop {
            if let Some(output) = block_on(wait.as_mut(), None) {
                return output;
            }
        }
    }

    /// Blocks the current thread until the wait is over, or `duration` has passed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use toro::{Queue, WaitError};
    ///
    /// let queue = Queue::<u8>::new(1);
    /// assert_eq!(queue.get().wait_timeout(Duration::from_millis(1)), Err(WaitError::Timeout));
    /// ```
    #[doc(alias = "recv_timeout")]
    pub fn wait_timeout(self, duration: Duration) -> W::Timed {
        self.wait_until(Instant::now().checked_add(duration))
    }

    /// Blocks the current thread until the wait is over, or the deadline has passed.
    ///
    /// A wait that is ready succeeds although its deadline has passed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Instant;
    ///
    /// let past = Instant::now();
    /// assert!(toro::Lock::new(()).acquire().wait_deadline(past).is_ok());
    /// ```
    #[doc(alias = "recv_deadline")]
    pub fn wait_deadline(self, deadline: Instant) -> W::Timed {
        self.wait_until(Some(deadline))
    }

    fn wait_until(self, deadline: Option<Instant>) -> W::Timed {
        let mut wait = pin!(self);
        match block_on(wait.as_mut(), deadline) {
            Some(output) => W::in_time(output),
            None => wait.expire(),
        }
    }
}

impl<W: Waiting, F: Future> Until<W, F> {
    /// Blocks the current thread until the wait is over, or the other future is ready.
    ///
    /// # Examples
    ///
    /// ```
    /// let event = toro::Event::new();
    /// let stop = std::future::ready(());
    /// assert_eq!(event.wait().until(stop).wait(), Err(toro::Timeout));
    /// ```
    pub fn wait(self) -> W::Timed {
        let mut until = pin!(self);
        loop {
            if let Some(output) = block_on(until.as_mut(), None) {
                return output;
            }
        }
    }
}
