//! A single-threaded executor with a virtual clock. No time passes while any task can run. When
//! none can, the clock jumps to the next sleeper's time. A run is the same each time, and simulates
//! hours in milliseconds.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// Seconds since the start, on the virtual clock.
pub type Seconds = u64;

/// The clock of a simulation. Clones show the same time.
#[derive(Clone, Default)]
pub struct Clock {
    inner: Rc<RefCell<Inner>>,
}

#[derive(Default)]
struct Inner {
    now: Seconds,
    order: u64,
    /// The sleepers and the times to wake them. Sleepers of the same time are in the order in which
    /// they began to sleep.
    sleepers: BinaryHeap<Reverse<Sleeper>>,
}

struct Sleeper {
    until: Seconds,
    order: u64,
    waker: Waker,
}

impl PartialEq for Sleeper {
    fn eq(&self, other: &Self) -> bool {
        (self.until, self.order) == (other.until, other.order)
    }
}

impl Eq for Sleeper {}

impl PartialOrd for Sleeper {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Sleeper {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.until, self.order).cmp(&(other.until, other.order))
    }
}

impl Clock {
    /// The current time.
    pub fn now(&self) -> Seconds {
        self.inner.borrow().now
    }

    /// Sleeps for this number of seconds.
    pub async fn sleep(&self, seconds: Seconds) {
        let until = self.now() + seconds;
        let mut asleep = false;
        poll_fn(|cx| {
            if self.now() >= until {
                return Poll::Ready(());
            }
            if !std::mem::replace(&mut asleep, true) {
                let mut inner = self.inner.borrow_mut();
                inner.order += 1;
                let sleeper = Sleeper { until, order: inner.order, waker: cx.waker().clone() };
                inner.sleepers.push(Reverse(sleeper));
            }
            Poll::Pending
        })
        .await;
    }

    /// Advances the clock to the next sleeper's time and wakes the sleeper, unless that is after
    /// `end`.
    fn advance(&self, end: Seconds) -> Result<(), End> {
        let mut inner = self.inner.borrow_mut();
        let next =
            inner.sleepers.peek().map(|Reverse(sleeper)| sleeper.until).ok_or(End::Deadlock)?;
        if next > end {
            return Err(End::Time);
        }
        inner.now = next;
        let sleeper = inner.sleepers.pop();
        drop(inner);
        if let Some(Reverse(sleeper)) = sleeper {
            sleeper.waker.wake();
        }
        Ok(())
    }
}

/// The tasks that can run, in the order in which they were woken.
type Ready = Arc<Mutex<VecDeque<usize>>>;

struct Task {
    number: usize,
    ready: Ready,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if !ready.contains(&self.number) {
            ready.push_back(self.number);
        }
    }
}

/// Why a simulation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its time was over.
    Time,
    /// No task could run, and none slept.
    Deadlock,
    /// All tasks were done.
    Done,
}

/// Runs `tasks` on `clock` until `end`, until all are done, or until none can ever run again.
pub fn simulate<'a>(
    clock: &Clock,
    end: Seconds,
    tasks: impl IntoIterator<Item = Pin<Box<dyn Future<Output = ()> + 'a>>>,
) -> End {
    let ready = Ready::default();
    let mut tasks: Vec<_> = tasks
        .into_iter()
        .enumerate()
        .map(|(number, future)| {
            let waker = Waker::from(Arc::new(Task { number, ready: ready.clone() }));
            waker.wake_by_ref();
            (Some(future), waker)
        })
        .collect();
    loop {
        let next = ready.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        if let Some(number) = next {
            let (future, waker) = &mut tasks[number];
            let done = future
                .as_mut()
                .is_some_and(|f| f.as_mut().poll(&mut Context::from_waker(waker)).is_ready());
            if done {
                *future = None;
            }
        } else if tasks.iter().all(|(future, _)| future.is_none()) {
            return End::Done;
        } else if let Err(end) = clock.advance(end) {
            return end;
        }
    }
}
