//! Blocking a thread on a wait.
//!
//! The very same futures serve tasks and threads: a thread polls its wait with a waker that unparks
//! it, and parks between polls. Each thread keeps one such waker, so that waiting does not
//! allocate.

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
    /// Tells this waker's wakes from those that others send to the thread.
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

/// A thread's alarm and the waker made of it.
struct Kept {
    alarm: Arc<Alarm>,
    waker: Waker,
}

thread_local! {
    /// Absent while the thread waits, so that a wait within a wait gets an alarm of its own.
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
        // A thread that is ending has no place to keep it.
        let _ = KEPT.try_with(|kept| kept.set(Some(self)));
    }
}

/// Polls `future` to its end, parking in between; `None` when the deadline passed first.
fn block_on<F: Future>(mut future: Pin<&mut F>, deadline: Option<Instant>) -> Option<F::Output> {
    let kept = Kept::take();
    // What rang for an earlier wait does not concern this one, which has registered nowhere yet.
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

/// Parks until the alarm rings; `false` when the deadline passed first.
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
    /// It stands in the same line as tasks do. Not to be called from within a task: its executor's
    /// thread would be blocked, and perhaps the very task it waits for.
    ///
    /// ```
    /// let lock = toro::Lock::new(1);
    /// *lock.acquire().wait() += 1;
    /// assert_eq!(lock.into_inner(), 2);
    /// ```
    pub fn wait(self) -> W::Output {
        let mut wait = pin!(self);
        loop {
            if let Some(output) = block_on(wait.as_mut(), None) {
                return output;
            }
        }
    }

    /// Blocks the current thread until the wait is over, at most for `duration`.
    pub fn wait_timeout(self, duration: Duration) -> W::Timed {
        self.wait_until(Instant::now().checked_add(duration))
    }

    /// Blocks the current thread until the wait is over, or the deadline has passed.
    ///
    /// A wait that is ready succeeds although its deadline has passed.
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
    /// Blocks the current thread until the wait is over or its end is ready.
    pub fn wait(self) -> W::Timed {
        let mut until = pin!(self);
        loop {
            if let Some(output) = block_on(until.as_mut(), None) {
                return output;
            }
        }
    }
}
