//! A batch on its way to a cursor of the async API.
//!
//! A task of the client fetches it and puts it into a [`Slot`]. The reply is taken off its
//! connection even when nobody polls the cursor any more, so a dropped or forgotten step holds no
//! connection. The next step takes the batch from the slot.
//!
//! A stream cannot know whether a `next` was dropped or still waits. So the task wakes the waiter
//! when the reply is late. A waiter that does not poll again then is gone, and the fetch is given
//! up: a reply that may never come must not hold a connection.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use threadwatch::ForkGeneration;
use tokio::task::AbortHandle;

use super::raw::Fetched;
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result};
use crate::rt::{Runtime, Timer};

/// How long a reply may be late before the waiter is asked whether it still waits, and how long it
/// has to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// A fetch under way. Dropped, it is given up.
pub(super) struct Fetch {
    slot: Arc<Slot>,
    task: AbortHandle,
    runtime: Runtime,
    /// That of the step which began it.
    deadline: Deadline,
    timer: Option<Timer>,
    born: ForkGeneration,
}

impl Fetch {
    /// Runs `fetch` in a task. The server answers within `expected`.
    pub(super) fn start(
        runtime: &Runtime,
        expected: Duration,
        deadline: Deadline,
        fetch: impl Future<Output = Fetched> + Send + 'static,
    ) -> Self {
        let slot = Arc::new(Slot::default());
        let filler = Filler(Arc::clone(&slot));
        let task = runtime.task(async move {
            let outcome = watched(fetch, expected.saturating_add(PATIENCE), &filler.0).await;
            filler.0.fill(outcome.ok_or_else(abandoned));
        });
        let runtime = runtime.clone();
        Fetch { slot, task, runtime, deadline, timer: None, born: ForkGeneration::current() }
    }

    /// What was fetched.
    ///
    /// # Errors
    /// When the fetch was given up; `Timeout` when the client's runtime rests and the deadline
    /// passes.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fetched>> {
        if !self.born.is_current() {
            return Poll::Ready(Err(ended("the process forked")));
        }
        let mut contents = self.slot.lock();
        if let Some(outcome) = contents.outcome.take() {
            return Poll::Ready(outcome);
        }
        contents.polls += 1;
        match &mut contents.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        drop(contents);
        let over = self.runtime.poll_from_outside(self.deadline, &mut self.timer, cx);
        over.map(|()| Err(Error::timeout("no batch came within the timeout (timeoutMS)")))
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        // In a child of the process the task's runtime does not exist, and its locks may be held
        // for ever.
        if self.born.is_current() {
            self.task.abort();
        } else {
            std::mem::forget((self.task.clone(), Arc::clone(&self.slot)));
        }
    }
}

/// Where the task leaves what it has fetched.
#[derive(Default)]
struct Slot(Mutex<Contents>);

#[derive(Default)]
struct Contents {
    outcome: Option<Result<Fetched>>,
    waker: Option<Waker>,
    /// How often the waiter has polled.
    polls: u64,
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fill(&self, outcome: Result<Fetched>) {
        let waker = {
            let mut contents = self.lock();
            contents.outcome = Some(outcome);
            contents.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Has the waiter poll again, and gives how often it has polled so far.
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

/// Fills the slot with an error when the task ends without an outcome: its runtime has shut down,
/// or it panicked.
struct Filler(Arc<Slot>);

impl Drop for Filler {
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

/// Polls `fetch` to its end. `None` when it takes longer than `limit` and nobody waits for it.
async fn watched(
    fetch: impl Future<Output = Fetched>,
    limit: Duration,
    slot: &Slot,
) -> Option<Fetched> {
    let mut fetch = pin!(fetch);
    let mut timer = pin!(tokio::time::sleep(limit));
    let mut pinged = None;
    std::future::poll_fn(move |cx| {
        if let Poll::Ready(fetched) = fetch.as_mut().poll(cx) {
            return Poll::Ready(Some(fetched));
        }
        while timer.as_mut().poll(cx).is_ready() {
            pinged = match pinged {
                None => Some(slot.ping()),
                Some(polls) if slot.lock().polls != polls => None,
                Some(_) => return Poll::Ready(None),
            };
            timer.as_mut().reset(tokio::time::Instant::now() + PATIENCE);
        }
        Poll::Pending
    })
    .await
}

#[cold]
fn abandoned() -> Error {
    Error::invalid_argument(
        "the cursor was ended: nobody waited for its next batch any more, and the reply did not come in time; \
         documents may be missing, so run the query again",
    )
}

#[cold]
fn ended(why: &str) -> Error {
    Error::invalid_argument(format!("the cursor was ended: {why}; run the query again"))
}
