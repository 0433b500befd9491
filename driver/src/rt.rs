//! Where futures run: the tokio runtime of an async client, or the calling thread of a blocking
//! one.
//!
//! Nothing below the public APIs asks which of the two it is, except where a socket is opened. A
//! wait with a limit goes through [`Runtime::timeout`]: under tokio it arms a timer, and only once
//! the inner future was found pending; on a blocking thread it tells [`block_on`] the instant at
//! which the thread has to look up again. Background work (monitors, pool upkeep, draining) always
//! runs on a tokio runtime: the ambient one of an async client, or the process-wide background
//! thread of blocking clients.
//!
//! The runtime of an async client may end before the client, or rest while the client is used from
//! another. Its sockets are of no use then, but deadlines pass all the same: a caller outside of it
//! has its timers on the background thread. A client whose runtime has ended learns of it by
//! [`Runtime::on_end`].

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::panic::catch_unwind;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;
use threadwatch::ForkGeneration;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::Sleep;
use toro::Event;

use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result};

/// How the operations of one client are driven.
#[derive(Clone, Debug)]
pub(crate) struct Runtime {
    background: Handle,
    blocking: bool,
    /// Set when `background` ends. The runtime of blocking clients never does.
    ended: Arc<AtomicBool>,
}

impl Runtime {
    /// The runtime of the calling task.
    ///
    /// # Errors
    /// `InvalidArgument` when the caller is not inside a tokio runtime, or in one that was built
    /// without I/O or timers; `Io` when the process can open no socket.
    pub(crate) fn current() -> Result<Self> {
        let Ok(background) = Handle::try_current() else {
            return Err(Error::invalid_argument(
                "a Client must be created inside a tokio runtime with I/O and time enabled; \
                 in a program without one, use driver::sync::Client",
            ));
        };
        let lacking =
            missing_drivers().map_err(|cause| Error::io("cannot open a socket", cause))?;
        if let Some(lacking) = lacking {
            return Err(Error::invalid_argument(format!(
                "a Client cannot work in this tokio runtime, which was built without {lacking}: call enable_all() on its \
                 tokio::runtime::Builder, or use driver::sync::Client, which needs no runtime"
            )));
        }
        Ok(Runtime { background, blocking: false, ended: Arc::default() })
    }

    /// Operations on the calling thread, background work on one thread shared by the whole process.
    pub(crate) fn blocking() -> Result<Self> {
        Ok(Runtime { background: BACKGROUND.handle()?, blocking: true, ended: Arc::default() })
    }

    /// Whether operations run on the caller's thread over blocking sockets.
    pub(crate) fn is_blocking(&self) -> bool {
        self.blocking
    }

    /// The same background, for work that is itself in the background and so never blocks a thread.
    pub(crate) fn for_background(&self) -> Self {
        Runtime { blocking: false, ..self.clone() }
    }

    /// Calls `then` when the runtime ends, unless `over` is set before.
    ///
    /// Tokio tells nobody, but drops its tasks, and only then its timers and sockets: a task of its
    /// own waits for that.
    pub(crate) fn on_end(&self, over: Arc<Event>, then: impl FnOnce() + Send + 'static) {
        let mut end = End { ended: Arc::clone(&self.ended), then: Some(then) };
        self.spawn(async move {
            over.wait().await;
            drop(end.then.take());
        });
    }

    /// Whether the runtime has ended, as far as [`on_end`](Self::on_end) was asked to look.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// # Errors
    /// `RuntimeEnded`, when it has.
    pub(crate) fn check(&self) -> Result<()> {
        if self.has_ended() { Err(Error::new(ErrorKind::RuntimeEnded)) } else { Ok(()) }
    }

    /// The error of an operation whose connection, pool or deployment has ended with the runtime.
    #[cold]
    pub(crate) fn explain(&self, error: Error) -> Error {
        let ended = matches!(
            error.kind(),
            ErrorKind::Io { .. }
                | ErrorKind::Shutdown
                | ErrorKind::DnsResolve { .. }
                | ErrorKind::ServerSelection { .. }
                | ErrorKind::ConnectionPoolCleared { .. }
        );
        if ended && self.has_ended() {
            return Error::interrupted(ErrorKind::RuntimeEnded, error);
        }
        error
    }

    /// Runs `work` in the background.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        drop(self.background.spawn(work));
    }

    /// Runs `work` in the background, until it is done or aborted.
    pub(crate) fn task(&self, work: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        self.background.spawn(work).abort_handle()
    }

    /// Runs `work`, which may block its thread, in the background. Gives `None` when the runtime
    /// shuts down before it is done.
    pub(crate) async fn spawn_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        self.background.spawn_blocking(work).await.ok()
    }

    /// Runs `work`, which may block its thread, in the background, and does not wait for it.
    pub(crate) fn detach_blocking(&self, work: impl FnOnce() + Send + 'static) {
        drop(self.background.spawn_blocking(work));
    }

    /// Polls `inner` inside the background runtime, as opening a socket needs, whoever polls.
    pub(crate) async fn within<F: Future>(&self, inner: F) -> F::Output {
        let mut inner = pin!(inner);
        poll_fn(|cx| {
            let _context = self.background.enter();
            inner.as_mut().poll(cx)
        })
        .await
    }

    /// Runs `work`, which uses connections of the client, so that nobody waits for it: in the
    /// background, or for a blocking client on a thread that may block.
    pub(crate) fn detach(&self, work: impl Future<Output = ()> + Send + 'static) {
        match self.blocking {
            false => drop(self.background.spawn(work)),
            true => drop(self.background.spawn_blocking(move || block_on(work))),
        }
    }

    /// Waits for `inner`, at most until `deadline`. A future that is ready succeeds even when the
    /// deadline has passed.
    ///
    /// Cancel safety: that of `inner`.
    pub(crate) fn timeout<F: Future>(&self, deadline: Deadline, inner: F) -> Timeout<'_, F> {
        Timeout { inner, timer: None, deadline, runtime: self }
    }

    /// Whether `instant` has come; if not, has the task polled again when it comes, on a runtime by
    /// `timer`.
    fn poll_until(
        &self,
        instant: Instant,
        timer: &mut Option<Timer>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if look_up_at(instant) {
            return if instant <= Instant::now() { Poll::Ready(()) } else { Poll::Pending };
        }
        let clock = self.clock();
        let timer = match timer {
            Some(timer) if timer.clock == clock => timer,
            // The first, or the caller has moved to another runtime meanwhile.
            timer => match Timer::new(clock, instant) {
                Some(made) => timer.insert(made),
                // The background thread cannot be started: better too early than never.
                None => return Poll::Ready(()),
            },
        };
        timer.sleep.as_mut().poll(cx)
    }

    /// Whether `deadline` has passed for a caller outside the client's runtime, which may rest; if
    /// not, has it polled again then. Inside the runtime the work that is waited for keeps its
    /// deadline itself.
    pub(crate) fn poll_from_outside(
        &self,
        deadline: Deadline,
        timer: &mut Option<Timer>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        match deadline.instant() {
            Some(instant) if self.clock() == Clock::Background => {
                self.poll_until(instant, timer, cx)
            }
            _ => Poll::Pending,
        }
    }

    /// What drives the timers of the caller. A timer of a runtime that has ended panics, and one of
    /// a runtime that rests never fires.
    fn clock(&self) -> Clock {
        let here = || Handle::try_current().is_ok_and(|here| here.id() == self.background.id());
        if !self.has_ended() && here() { Clock::Ambient } else { Clock::Background }
    }

    /// Waits until `instant`.
    pub(crate) async fn sleep_until(&self, instant: Instant) {
        let _ = self.timeout(Deadline::at(instant), std::future::pending::<()>()).await;
    }
}

/// The runtime that drives a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clock {
    /// That of the client, in which the caller is.
    Ambient,
    /// The background thread of the process.
    Background,
}

/// A timer, and what drives it.
pub(crate) struct Timer {
    // Boxed, for it is large.
    sleep: Pin<Box<Sleep>>,
    clock: Clock,
}

impl Timer {
    /// `None` where the background thread cannot be started.
    fn new(clock: Clock, instant: Instant) -> Option<Self> {
        let background = match clock {
            Clock::Ambient => None,
            Clock::Background => Some(BACKGROUND.handle().ok()?),
        };
        let _context = background.as_ref().map(Handle::enter);
        Some(Timer { sleep: Box::pin(tokio::time::sleep_until(instant.into())), clock })
    }
}

/// Calls `then` when it is dropped.
struct End<F: FnOnce()> {
    ended: Arc<AtomicBool>,
    then: Option<F>,
}

impl<F: FnOnce()> Drop for End<F> {
    fn drop(&mut self) {
        if let Some(then) = self.then.take() {
            self.ended.store(true, Ordering::Release);
            then();
        }
    }
}

/// What the ambient tokio runtime was built without; `None` where it has everything.
///
/// Tokio (1.54) has no way to ask. Every public path to a runtime's I/O or timers goes through an
/// accessor that panics where there are none, and neither the metrics, the flavor nor the `Debug`
/// form of a handle tell. So a timer and a socket are made and thrown away. Were it left to the
/// monitors to find out, they would panic unseen, and every operation wait for a server in vain.
/// Nothing panics in a runtime that has both. In one that lacks something, the panic hook reports
/// tokio's message first; where panics abort, the program ends with that message, which names the
/// remedy too.
fn missing_drivers() -> std::io::Result<Option<&'static str>> {
    let timer = catch_unwind(|| drop(tokio::time::sleep(Duration::ZERO))).is_ok();
    let socket = match catch_unwind(|| tokio::net::UnixDatagram::unbound().map(drop)) {
        Ok(made) => made.map(|()| true)?,
        Err(_) => false,
    };
    Ok(match (socket, timer) {
        (true, true) => None,
        (false, true) => Some("I/O"),
        (true, false) => Some("timers"),
        (false, false) => Some("I/O and timers"),
    })
}

/// The deadline passed before the future was ready.
#[derive(Debug)]
pub(crate) struct Elapsed;

pin_project! {
    /// A future with a limit; see [`Runtime::timeout`].
    pub(crate) struct Timeout<'a, F> {
        #[pin]
        inner: F,
        // Made only once the inner future was found pending: a wait without an end never pays for it.
        timer: Option<Timer>,
        deadline: Deadline,
        runtime: &'a Runtime,
    }
}

impl<F: Future> Future for Timeout<'_, F> {
    type Output = std::result::Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.inner.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        match this.deadline.instant() {
            None => Poll::Pending,
            Some(instant) => {
                this.runtime.poll_until(instant, this.timer, cx).map(|()| Err(Elapsed))
            }
        }
    }
}

thread_local! {
    /// On a thread inside `block_on`: the earliest instant at which a pending timeout wants to be polled again.
    static LOOK_UP: Cell<Option<Option<Instant>>> = const { Cell::new(None) };
}

/// Asks the `block_on` of this thread, if there is one, to poll again at `instant` at the latest.
fn look_up_at(instant: Instant) -> bool {
    LOOK_UP.with(|cell| match cell.get() {
        None => false,
        Some(earliest) => {
            cell.set(Some(Some(earliest.map_or(instant, |e| e.min(instant)))));
            true
        }
    })
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

thread_local! {
    static UNPARK: Waker = Waker::from(Arc::new(Unpark(thread::current())));
}

/// Polls `future` on this thread until it is ready, parking in between.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = UNPARK
        .try_with(Waker::clone)
        .unwrap_or_else(|_| Waker::from(Arc::new(Unpark(thread::current()))));
    let mut cx = Context::from_waker(&waker);
    let _restore = Restore(LOOK_UP.replace(Some(None)));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        match LOOK_UP.replace(Some(None)).flatten() {
            None => thread::park(),
            Some(instant) => {
                thread::park_timeout(instant.saturating_duration_since(Instant::now()))
            }
        }
    }
}

/// Puts the look-up cell back, so that `block_on` nests and survives panics.
struct Restore(Option<Option<Instant>>);

impl Drop for Restore {
    fn drop(&mut self) {
        LOOK_UP.set(self.0);
    }
}

static BACKGROUND: Background = Background::new();

/// The one background thread that serves all blocking clients of a process, and the timers of those
/// who use an async client outside of its runtime; and that of the process's child, should it fork.
struct Background {
    thread: OnceLock<(ForkGeneration, std::result::Result<Handle, Arc<std::io::Error>>)>,
    child: OnceLock<Box<Background>>,
}

impl Background {
    const fn new() -> Self {
        Background { thread: OnceLock::new(), child: OnceLock::new() }
    }

    /// The runtime of this process's background thread, started if there is none yet.
    fn handle(&self) -> Result<Handle> {
        let (born, handle) = self
            .thread
            .get_or_init(|| (ForkGeneration::current(), start_background().map_err(Arc::new)));
        if !born.is_current() {
            return self.child.get_or_init(|| Box::new(Background::new())).handle();
        }
        handle.clone().map_err(|cause| Error::io("cannot start the background thread", cause))
    }
}

fn start_background() -> std::io::Result<Handle> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new()
        .name("driver-background".into())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    Ok(handle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocking_wait_ends_at_its_deadline() {
        let runtime = Runtime::blocking().unwrap();
        let deadline = Deadline::after(Duration::from_millis(5));
        let waited = block_on(runtime.timeout(deadline, std::future::pending::<()>()));
        assert!(waited.is_err());
        assert!(deadline.is_over());
    }

    #[test]
    fn what_is_ready_succeeds_although_its_deadline_has_passed() {
        let runtime = Runtime::blocking().unwrap();
        let past = Deadline::after(Duration::ZERO);
        assert_eq!(block_on(runtime.timeout(past, std::future::ready(7))).unwrap(), 7);
    }

    #[test]
    fn an_inner_block_on_leaves_the_outer_deadline_in_force() {
        let runtime = Runtime::blocking().unwrap();
        let outer = async {
            block_on(async {});
            runtime
                .timeout(Deadline::after(Duration::from_millis(5)), std::future::pending::<()>())
                .await
        };
        assert!(block_on(outer).is_err());
    }

    #[tokio::test]
    async fn an_async_wait_ends_at_its_deadline() {
        let runtime = Runtime::current().unwrap();
        let waited = runtime
            .timeout(Deadline::after(Duration::from_millis(5)), std::future::pending::<()>())
            .await;
        assert!(waited.is_err());
    }

    #[test]
    fn outside_a_runtime_the_error_names_the_remedy() {
        let error = Runtime::current().unwrap_err();
        assert!(error.to_string().contains("driver::sync::Client"), "{error}");
    }
}
