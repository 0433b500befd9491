//! Fetches a batch for a cursor.
//!
//! In the blocking API, the thread that needs a batch fetches it. In the async API, a task of the
//! client fetches it and puts it into a [`Slot`]. The task receives the reply even if nobody polls
//! the cursor any more, so a dropped or forgotten step holds no connection. The next step takes the
//! batch from the slot.
//!
//! A stream does not notice when a `next` is dropped. So if the reply is late, the task wakes the
//! waiter. If no waiter polls then, the fetch is cancelled, because a reply that may never come
//! must not hold a connection. The wait for a connection does not count, because it holds none.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use threadwatch::ForkGeneration;
use tokio::task::AbortHandle;

use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result};
use crate::exec::Core;
use crate::ops::Boxed;
use crate::rt::{Runtime, Timer};

/// The time that a reply may be late before the waiter is woken, and the time that the waiter has
/// to poll again.
const PATIENCE: Duration = Duration::from_secs(1);

/// A running fetch. Dropping it cancels it.
pub(crate) enum Fetch<T> {
    /// The polling task or thread does the work. The mutex is never locked; it makes cursors
    /// `Sync`.
    InPlace(Mutex<Boxed<'static, T>>),
    InBackground(Background<T>),
    /// It was not started.
    Refused(Error),
}

/// The time at which the command was sent, if it was, and the wire version of the server.
#[derive(Default)]
pub(crate) struct Sent(OnceLock<(Instant, i32)>);

impl Sent {
    /// The first byte of the command is about to be written.
    pub(crate) fn now(&self, wire_version: i32) {
        // On a retry, the first time counts.
        let _ = self.0.set((Instant::now(), wire_version));
    }

    pub(super) fn at(&self) -> Option<Instant> {
        self.0.get().map(|(at, _)| *at)
    }

    pub(super) fn wire_version(&self) -> i32 {
        self.0.get().map_or(0, |(_, wire_version)| *wire_version)
    }
}

/// The kind of a fetch.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// A waiter needs the batch now. The server should reply within this time.
    Within(Duration),
    /// In the background on both APIs, before a waiter needs the batch.
    Ahead,
}

impl<T: Send + 'static> Fetch<T> {
    /// Starts `fetch`, unless the client can no longer be used, because then no task would run it.
    pub(crate) fn start<F: Future<Output = T> + Send + 'static>(
        core: &Core,
        pace: Pace,
        deadline: Deadline,
        fetch: impl FnOnce(Arc<Sent>) -> F,
    ) -> Self {
        if let Err(error) = core.check_usable() {
            return Fetch::Refused(error);
        }
        let runtime = &core.runtime;
        let sent = Arc::new(Sent::default());
        let fetch = fetch(Arc::clone(&sent));
        match (runtime.is_blocking(), pace) {
            (true, Pace::Within(_)) => Fetch::InPlace(Mutex::new(Box::pin(fetch))),
            _ => Fetch::InBackground(Background::start(runtime, pace, deadline, sent, fetch)),
        }
    }

    /// The fetched batch.
    ///
    /// # Errors
    /// An error if the fetch was refused or cancelled. `Timeout` if the deadline expires while the
    /// client's runtime is idle.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T>> {
        match self {
            Fetch::InPlace(fetch) => {
                let fetch = fetch.get_mut().unwrap_or_else(PoisonError::into_inner);
                fetch.as_mut().poll(cx).map(Ok)
            }
            Fetch::InBackground(fetch) => fetch.poll(cx),
            Fetch::Refused(error) => Poll::Ready(Err(error.clone())),
        }
    }
}

/// A fetch by a task.
pub(crate) struct Background<T> {
    slot: Arc<Slot<T>>,
    task: AbortHandle,
    runtime: Runtime,
    /// The deadline of the step that started it.
    deadline: Deadline,
    timer: Option<Timer>,
    born: ForkGeneration,
}

impl<T: Send + 'static> Background<T> {
    fn start(
        runtime: &Runtime,
        pace: Pace,
        deadline: Deadline,
        sent: Arc<Sent>,
        fetch: impl Future<Output = T> + Send + 'static,
    ) -> Self {
        let slot = Arc::new(Slot::default());
        let filler = Filler(Arc::clone(&slot));
        let task = match pace {
            Pace::Within(expected) => runtime.task(async move {
                let limit = expected.saturating_add(PATIENCE);
                let outcome = watched(pin!(fetch), limit, &sent, &filler.0).await;
                filler.0.fill(outcome.ok_or_else(abandoned));
            }),
            Pace::Ahead => {
                // A task that is spawned here may start only when the reader of the batch waits.
                // So the first poll, which sends the command, is here.
                let mut fetch = Box::pin(fetch);
                let polled = runtime.poll_once(fetch.as_mut());
                runtime.task(async move {
                    let outcome = match polled {
                        Poll::Ready(outcome) => outcome,
                        Poll::Pending => fetch.await,
                    };
                    filler.0.fill(Ok(outcome));
                })
            }
        };
        let runtime = runtime.clone();
        Background { slot, task, runtime, deadline, timer: None, born: ForkGeneration::current() }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T>> {
        if !self.born.is_current() {
            return Poll::Ready(Err(ended("the process forked")));
        }
        if let Some(outcome) = self.slot.take_or_wait(cx.waker()) {
            return Poll::Ready(outcome);
        }
        let over = self.runtime.poll_from_outside(self.deadline, &mut self.timer, cx);
        over.map(|()| Err(Error::timeout("no batch arrived within the timeout (timeoutMS)")))
    }
}

impl<T> Drop for Background<T> {
    fn drop(&mut self) {
        // In a forked child the task's runtime does not exist, and its locks may stay locked for
        // ever.
        if self.born.is_current() {
            self.task.abort();
        } else {
            std::mem::forget((self.task.clone(), Arc::clone(&self.slot)));
        }
    }
}

/// Where the task puts the batch. Wakers are foreign code, so they are cloned, dropped and woken
/// without the lock.
struct Slot<T>(Mutex<Contents<T>>);

struct Contents<T> {
    outcome: Option<Result<T>>,
    waker: Option<Waker>,
    /// The number of polls by the waiter.
    polls: u64,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Slot(Mutex::new(Contents { outcome: None, waker: None, polls: 0 }))
    }
}

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, Contents<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the batch if it is there. Otherwise `waker` is woken when it arrives.
    fn take_or_wait(&self, waker: &Waker) -> Option<Result<T>> {
        let mut contents = self.lock();
        if let Some(outcome) = contents.outcome.take() {
            return Some(outcome);
        }
        contents.polls += 1;
        if contents.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            return None;
        }
        drop(contents);
        let waker = waker.clone();
        let mut contents = self.lock();
        let outcome = contents.outcome.take();
        let earlier = contents.waker.replace(waker);
        drop(contents);
        drop(earlier);
        outcome
    }

    fn fill(&self, outcome: Result<T>) {
        let waker = {
            let mut contents = self.lock();
            contents.outcome = Some(outcome);
            contents.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Wakes the waiter, and returns its number of polls so far.
    fn ping(&self) -> u64 {
        let (polls, waker) = {
            let mut contents = self.lock();
            (contents.polls, contents.waker.take())
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        polls
    }
}

/// Fills the slot with an error if the task ends without a result, because its runtime has shut
/// down or it panicked.
struct Filler<T>(Arc<Slot<T>>);

impl<T> Drop for Filler<T> {
    fn drop(&mut self) {
        let unfilled = Arc::strong_count(&self.0) > 1 && self.0.lock().outcome.is_none();
        if unfilled {
            self.0.fill(Err(if std::thread::panicking() {
                ended("the task that fetched its next batch panicked")
            } else {
                Error::new(ErrorKind::RuntimeEnded)
            }));
        }
    }
}

/// Polls `fetch` to its end. `None` if no reply came within `limit` after the command was sent, and
/// nobody waits for it.
async fn watched<T>(
    mut fetch: Pin<&mut impl Future<Output = T>>,
    limit: Duration,
    sent: &Sent,
    slot: &Slot<T>,
) -> Option<T> {
    let mut timer = pin!(tokio::time::sleep(limit));
    let mut pinged = None;
    std::future::poll_fn(move |cx| {
        if let Poll::Ready(fetched) = fetch.as_mut().poll(cx) {
            return Poll::Ready(Some(fetched));
        }
        while timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            let late = sent.at().unwrap_or(now) + limit;
            let next = if now < late {
                late
            } else {
                pinged = match pinged {
                    None => Some(slot.ping()),
                    Some(polls) if slot.lock().polls != polls => None,
                    Some(_) => return Poll::Ready(None),
                };
                now + PATIENCE
            };
            timer.as_mut().reset(next.into());
        }
        Poll::Pending
    })
    .await
}

#[cold]
fn abandoned() -> Error {
    Error::invalid_argument(
        "the cursor has ended: nobody waited for its next batch any more, and the reply did not \
         arrive in time; documents may be missing, so run the query again",
    )
}

#[cold]
fn ended(why: &str) -> Error {
    Error::invalid_argument(format!("the cursor was ended: {why}; run the query again"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;

    use super::*;

    /// A waker that checks the lock of the slot when it is dropped or woken.
    struct Curious {
        slot: Arc<Slot<()>>,
        locked: Arc<AtomicU32>,
    }

    impl Curious {
        fn look(&self) {
            let locked = self.slot.0.try_lock().is_err();
            self.locked.fetch_add(u32::from(locked), Ordering::Relaxed);
        }
    }

    impl Wake for Curious {
        fn wake(self: Arc<Self>) {
            self.look();
        }
    }

    impl Drop for Curious {
        fn drop(&mut self) {
            self.look();
        }
    }

    #[test]
    fn no_waker_runs_under_the_lock_of_the_slot() {
        let (slot, locked) = (Arc::<Slot<()>>::default(), Arc::<AtomicU32>::default());
        let waker = || {
            let (slot, locked) = (Arc::clone(&slot), Arc::clone(&locked));
            Waker::from(Arc::new(Curious { slot, locked }))
        };
        for _ in 0..3 {
            assert!(slot.take_or_wait(&waker()).is_none());
        }
        slot.ping();
        assert!(slot.take_or_wait(&waker()).is_none());
        slot.fill(Err(ended("test")));
        assert!(slot.take_or_wait(&waker()).is_some());
        assert_eq!(locked.load(Ordering::Relaxed), 0);
    }
}
