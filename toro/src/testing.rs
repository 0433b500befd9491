//! Helpers for tests of concurrent code (feature `testing`): assertions that wait, and tasks whose
//! panics reach the test.
//!
//! No runtime is needed. [`assert_eventually`] blocks its thread, and [`Tasks`] works with any
//! spawn function.

use std::any::Any;
use std::fmt::Debug;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use crate::Queue;

/// The time limit of an eventual assertion, unless `TIMEOUT_SEC` is longer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause between two observations.
const PAUSE: Duration = Duration::from_millis(1);

/// The time limit of eventual assertions: five seconds, or the value of the environment variable
/// `TIMEOUT_SEC` in seconds if that is longer. A shorter value has no effect, because it would only
/// make tests fail on slow machines.
///
/// # Examples
///
/// ```
/// assert!(toro::testing::patience() >= std::time::Duration::from_secs(5));
/// ```
pub fn patience() -> Duration {
    let asked = std::env::var("TIMEOUT_SEC").ok().and_then(|seconds| seconds.trim().parse().ok());
    PATIENCE.max(asked.map_or(Duration::ZERO, Duration::from_secs))
}

/// Calls `observe` until it returns `expected`, for at most [`patience`].
///
/// It blocks the current thread between the calls. In a test on a runtime, call it where blocking
/// is allowed, or on another worker than the one that must bring about the expected value.
///
/// # Panics
///
/// If the expected value is not observed in time. The message contains the last observed value.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering};
/// static DONE: AtomicBool = AtomicBool::new(false);
///
/// std::thread::spawn(|| DONE.store(true, Ordering::Relaxed));
/// toro::testing::assert_eventually(true, || DONE.load(Ordering::Relaxed));
/// ```
#[track_caller]
pub fn assert_eventually<T: PartialEq + Debug>(expected: T, mut observe: impl FnMut() -> T) {
    let start = Instant::now();
    let patience = patience();
    loop {
        // Reads the clock first, so the last observation happens after the deadline.
        let late = start.elapsed() >= patience;
        let seen = observe();
        if seen == expected {
            return;
        }
        assert!(!late, "expected {expected:?} within {patience:?}, but it is still {seen:?}");
        std::thread::sleep(PAUSE);
    }
}

type Panic = Box<dyn Any + Send>;

/// The tasks of a test. None of them can fail unnoticed.
///
/// A panic in a spawned task is usually lost, and the test passes or hangs. Here each future is
/// [guarded](Tasks::guard) before it is spawned. [`finish`](Tasks::finish) waits for all of them
/// and raises the first panic again, in the test.
///
/// # Examples
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// use toro::testing::Tasks;
///
/// let tasks = Tasks::new();
/// for number in 0..3 {
///     tokio::spawn(tasks.guard(async move { assert!(number < 3) }));
/// }
/// tasks.finish().await;
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Tasks {
    /// The result of each ended task.
    ended: Arc<Queue<Result<(), Panic>>>,
    /// One item per guarded task, where it was spawned.
    started: Arc<Queue<&'static Location<'static>>>,
}

impl Tasks {
    /// Creates an empty set of tasks.
    ///
    /// # Examples
    ///
    /// ```
    /// let tasks = toro::testing::Tasks::new();
    /// tasks.finish_blocking();
    /// ```
    pub fn new() -> Self {
        Tasks::default()
    }

    /// Wraps a future before it is spawned. If it panics, or is dropped before its end,
    /// [`finish`](Tasks::finish) fails.
    ///
    /// # Examples
    ///
    /// ```
    /// let tasks = toro::testing::Tasks::new();
    /// let future = tasks.guard(async { assert_eq!(1 + 1, 2) });
    /// std::thread::spawn(|| futures_executor::block_on(future));
    /// tasks.finish_blocking();
    /// ```
    #[track_caller]
    pub fn guard<F: Future<Output = ()>>(&self, future: F) -> Guarded<F> {
        // An unbounded queue that nobody closes never refuses an item.
        let _ = self.started.try_put(Location::caller());
        Guarded {
            future,
            report: Report {
                ended: Arc::clone(&self.ended),
                spawned: Location::caller(),
                reported: Reported::No,
            },
        }
    }

    /// Waits for all tasks.
    ///
    /// # Panics
    ///
    /// With the first panic of a task, and if a task was dropped before its end.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures_executor::block_on(async {
    /// let tasks = toro::testing::Tasks::new();
    /// let future = tasks.guard(async {});
    /// std::thread::spawn(|| futures_executor::block_on(future));
    /// tasks.finish().await;
    /// # });
    /// ```
    pub async fn finish(self) {
        for _ in 0..self.started.len() {
            raise(self.ended.get().await);
        }
    }

    /// Like [`finish`](Tasks::finish), but blocks the current thread and has a time limit.
    ///
    /// # Panics
    ///
    /// Like [`finish`](Tasks::finish), and if no task ends for [`patience`].
    ///
    /// # Examples
    ///
    /// ```
    /// let tasks = toro::testing::Tasks::new();
    /// let future = tasks.guard(async {});
    /// std::thread::spawn(|| futures_executor::block_on(future));
    /// tasks.finish_blocking();
    /// ```
    pub fn finish_blocking(self) {
        for left in (1..=self.started.len()).rev() {
            match self.ended.get().wait_timeout(patience()) {
                Ok(fate) => raise(Ok::<_, crate::Closed>(fate)),
                Err(_) => panic!("{left} tasks have not ended within {:?}", patience()),
            }
        }
    }
}

fn raise<E>(fate: Result<Result<(), Panic>, E>) {
    if let Ok(Err(panic)) = fate {
        resume_unwind(panic);
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Reported {
    No,
    Yes,
}

/// Reports the result of a task, at the latest when it is dropped.
#[derive(Debug)]
struct Report {
    ended: Arc<Queue<Result<(), Panic>>>,
    spawned: &'static Location<'static>,
    reported: Reported,
}

impl Report {
    fn send(&mut self, fate: Result<(), Panic>) {
        self.reported = Reported::Yes;
        // An unbounded queue that nobody closes never refuses an item.
        let _ = self.ended.try_put(fate);
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if self.reported == Reported::No {
            let message =
                format!("the task spawned at {} was dropped before its end", self.spawned);
            self.send(Err(Box::new(message)));
        }
    }
}

pin_project! {
    /// A future whose panic is not lost. See [`Tasks::guard`].
    #[derive(Debug)]
    #[must_use = "a guarded future does nothing unless it is spawned"]
    pub struct Guarded<F> {
        #[pin]
        future: F,
        report: Report,
    }
}

impl<F: Future<Output = ()>> Future for Guarded<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.report.reported == Reported::Yes {
            return Poll::Ready(());
        }
        match catch_unwind(AssertUnwindSafe(|| this.future.poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(())) => this.report.send(Ok(())),
            Err(panic) => this.report.send(Err(panic)),
        }
        Poll::Ready(())
    }
}
