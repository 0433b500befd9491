//! Help for tests of concurrent code: assertions that wait, and tasks whose panics are not lost.
//!
//! (Feature `testing`.) Neither needs a runtime of its own: [`assert_eventually`] blocks the thread
//! it is called on, and [`Tasks`] is handed futures by whatever spawns them.

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

/// How long an eventual assertion waits, unless `TIMEOUT_SEC` says longer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it looks.
const PAUSE: Duration = Duration::from_millis(1);

/// How long eventual assertions wait: five seconds, or `TIMEOUT_SEC` seconds if that environment
/// variable says more. It cannot shorten the wait, which would make tests fail on slow machines
/// only.
pub fn patience() -> Duration {
    let asked = std::env::var("TIMEOUT_SEC").ok().and_then(|seconds| seconds.trim().parse().ok());
    PATIENCE.max(asked.map_or(Duration::ZERO, Duration::from_secs))
}

/// Calls `observe` until it returns `expected`, for at most [`patience`].
///
/// It blocks the current thread between calls; in a test on a runtime use it where blocking is
/// allowed, or on another worker than the one that is to bring about what is expected.
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering};
/// static DONE: AtomicBool = AtomicBool::new(false);
///
/// std::thread::spawn(|| DONE.store(true, Ordering::Relaxed));
/// toro::testing::assert_eventually(true, || DONE.load(Ordering::Relaxed));
/// ```
///
/// # Panics
///
/// If what was expected was not seen in time; the message tells what was seen last.
#[track_caller]
pub fn assert_eventually<T: PartialEq + Debug>(expected: T, mut observe: impl FnMut() -> T) {
    let start = Instant::now();
    let patience = patience();
    loop {
        // The clock is read before the look, so that the last look is a whole one.
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

/// Tasks of a test, none of which can fail unnoticed.
///
/// A task that panics on a runtime usually takes its panic with it, and the test passes or hangs.
/// Here each future is [guarded](Tasks::guard) before it is spawned, and [`finish`](Tasks::finish)
/// waits for all of them and raises the first panic again, in the test.
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
    /// The fate of each task that has ended.
    ended: Arc<Queue<Result<(), Panic>>>,
    /// Tasks that were guarded: one item each, done when the task has ended.
    started: Arc<Queue<&'static Location<'static>>>,
}

impl Tasks {
    /// No tasks yet.
    pub fn new() -> Self {
        Tasks::default()
    }

    /// Wraps a future that is to be spawned: if it panics, or is dropped before its end,
    /// [`finish`](Tasks::finish) fails.
    #[track_caller]
    pub fn guard<F: Future<Output = ()>>(&self, future: F) -> Guarded<F> {
        // An unbounded queue that nobody closes takes everything.
        let _ = self.started.try_put(Location::caller());
        Guarded {
            future,
            report: Report {
                ended: Arc::clone(&self.ended),
                spawned: Location::caller(),
                told: Told::Nothing,
            },
        }
    }

    /// Waits for all tasks.
    ///
    /// # Panics
    ///
    /// With the first panic of a task; and if a task was dropped before its end, or does not end
    /// within [`patience`] of the one before it when [blocking](Tasks::finish_blocking).
    pub async fn finish(self) {
        for _ in 0..self.started.len() {
            raise(self.ended.get().await);
        }
    }

    /// As [`finish`](Tasks::finish), blocking the current thread, and with an end.
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
enum Told {
    Nothing,
    All,
}

/// Reports the fate of a task, at the latest when it is dropped.
#[derive(Debug)]
struct Report {
    ended: Arc<Queue<Result<(), Panic>>>,
    spawned: &'static Location<'static>,
    told: Told,
}

impl Report {
    fn tell(&mut self, fate: Result<(), Panic>) {
        self.told = Told::All;
        // An unbounded queue that nobody closes takes everything.
        let _ = self.ended.try_put(fate);
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if self.told == Told::Nothing {
            let message =
                format!("the task spawned at {} was dropped before its end", self.spawned);
            self.tell(Err(Box::new(message)));
        }
    }
}

pin_project! {
    /// A future whose panic is not lost; see [`Tasks::guard`].
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
        if this.report.told == Told::All {
            return Poll::Ready(());
        }
        match catch_unwind(AssertUnwindSafe(|| this.future.poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(())) => this.report.tell(Ok(())),
            Err(panic) => this.report.tell(Err(panic)),
        }
        Poll::Ready(())
    }
}
