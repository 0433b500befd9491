//! Runs futures on the tokio runtime of an async client, or on the calling thread of a blocking
//! one.
//!
//! The layers below the public APIs do not distinguish the two, except to open a socket. A wait
//! with a limit uses [`Runtime::timeout`]. Under tokio it arms a timer, but only if the inner
//! future is pending. On a blocking thread it gives [`block_on`] the instant of the next poll.
//! Background work (monitors, pool maintenance, draining) always runs on a tokio runtime: the
//! ambient runtime of an async client, or the process-wide background thread of blocking clients.
//!
//! The runtime of an async client may end before the client. It may also be idle while another
//! runtime uses the client. The sockets do not work then, but deadlines hold: a caller outside the
//! client's runtime uses timers of the background thread. [`Runtime::on_end`] tells a client that
//! its runtime has ended.

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

/// The runtime of one client.
#[derive(Clone, Debug)]
pub(crate) struct Runtime {
    background: Handle,
    blocking: bool,
    /// Set when `background` ends. The runtime of blocking clients never ends.
    ended: Arc<AtomicBool>,
}

impl Runtime {
    /// The runtime of the calling task.
    ///
    /// # Errors
    /// `InvalidArgument` if the caller is not inside a tokio runtime, or the runtime lacks I/O or
    /// timers; `Io` if the process cannot open a socket.
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
                "a Client cannot work in this tokio runtime, which was built without {lacking}: \
                 call enable_all() on its tokio::runtime::Builder, or use driver::sync::Client, \
                 which needs no runtime"
            )));
        }
        Ok(Runtime { background, blocking: false, ended: Arc::default() })
    }

    /// Operations run on the calling thread, background work on one thread per process.
    pub(crate) fn blocking() -> Result<Self> {
        Ok(Runtime { background: BACKGROUND.handle()?, blocking: true, ended: Arc::default() })
    }

    /// Whether operations use blocking sockets on the caller's thread.
    pub(crate) fn is_blocking(&self) -> bool {
        self.blocking
    }

    /// The same runtime for background work, which must not block its thread.
    pub(crate) fn for_background(&self) -> Self {
        Runtime { blocking: false, ..self.clone() }
    }

    /// Calls `then` when the runtime ends, unless `over` is set before.
    ///
    /// Tokio sends no notification, but it drops its tasks before its timers and sockets. A task
    /// waits for that.
    pub(crate) fn on_end(&self, over: Arc<Event>, then: impl FnOnce() + Send + 'static) {
        let mut end = End { ended: Arc::clone(&self.ended), then: Some(then) };
        self.spawn(async move {
            over.wait().await;
            drop(end.then.take());
        });
    }

    /// Whether the runtime has ended. Known only after [`on_end`](Self::on_end).
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Checks that the runtime has not ended.
    ///
    /// # Errors
    /// `RuntimeEnded` if it has.
    pub(crate) fn check(&self) -> Result<()> {
        if self.has_ended() { Err(Error::new(ErrorKind::RuntimeEnded)) } else { Ok(()) }
    }

    /// Turns `error` into `RuntimeEnded` if the end of the runtime caused it.
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

    /// Runs `work`, which may use connections of the client, in the background, until it is done or
    /// aborted. On a thread of a blocking client it cannot be aborted.
    pub(crate) fn task(&self, work: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        if self.blocking {
            self.background.spawn_blocking(move || block_on(work)).abort_handle()
        } else {
            self.background.spawn(work).abort_handle()
        }
    }

    /// Polls `work` once, unless that would block the thread. Nothing wakes it afterwards, so a
    /// task has to continue it.
    pub(crate) fn poll_once<F: Future>(&self, work: Pin<&mut F>) -> Poll<F::Output> {
        if self.blocking {
            return Poll::Pending;
        }
        let _context = self.background.enter();
        work.poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Runs blocking `work` in the background. `None` if the runtime shuts down before `work`
    /// completes.
    pub(crate) async fn spawn_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        self.background.spawn_blocking(work).await.ok()
    }

    /// Polls `inner` inside the background runtime, which opening a socket requires.
    pub(crate) async fn within<F: Future>(&self, inner: F) -> F::Output {
        let mut inner = pin!(inner);
        poll_fn(|cx| {
            let _context = self.background.enter();
            inner.as_mut().poll(cx)
        })
        .await
    }

    /// Runs `work`, which uses the client's connections, without waiting for it: in the background,
    /// or for a blocking client on a thread that may block.
    pub(crate) fn detach(&self, work: impl Future<Output = ()> + Send + 'static) {
        drop(self.task(work));
    }

    /// Waits for `inner`, at most until `deadline`. A ready future succeeds even after the
    /// deadline.
    ///
    /// # Cancel safety
    /// That of `inner`.
    pub(crate) fn timeout<F: Future>(&self, deadline: Deadline, inner: F) -> Timeout<'_, F> {
        Timeout { inner, timer: None, deadline, runtime: self }
    }

    /// Whether `instant` has passed. If not, the task is polled again then; on a runtime by
    /// `timer`.
    fn poll_until(
        &self,
        instant: Instant,
        timer: &mut Option<Timer>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if poll_again_at(instant) {
            return if instant <= Instant::now() { Poll::Ready(()) } else { Poll::Pending };
        }
        let clock = self.clock();
        let timer = match timer {
            Some(timer) if timer.clock == clock => timer,
            // There is no timer yet, or the caller has moved to another runtime.
            timer => match Timer::new(clock, instant) {
                Some(made) => timer.insert(made),
                // The background thread cannot start. An early end is better than none.
                None => return Poll::Ready(()),
            },
        };
        timer.sleep.as_mut().poll(cx)
    }

    /// Whether `deadline` has passed, for a caller outside the client's runtime, which may be idle.
    /// If not, the caller is polled again then. Inside the runtime, the awaited work enforces its
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

    /// The runtime for the caller's timers. A timer of an ended runtime panics, and a timer of an
    /// idle one never fires.
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
    /// The client's runtime, which also runs the caller.
    Ambient,
    /// The background thread of the process.
    Background,
}

/// A timer and its runtime.
pub(crate) struct Timer {
    // Boxed, because it is large.
    sleep: Pin<Box<Sleep>>,
    clock: Clock,
}

impl Timer {
    /// `None` if the background thread cannot start.
    fn new(clock: Clock, instant: Instant) -> Option<Self> {
        let background = match clock {
            Clock::Ambient => None,
            Clock::Background => Some(BACKGROUND.handle().ok()?),
        };
        let _context = background.as_ref().map(Handle::enter);
        Some(Timer { sleep: Box::pin(tokio::time::sleep_until(instant.into())), clock })
    }
}

/// Sets `ended` and calls `then` when it is dropped.
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

/// The drivers that the ambient tokio runtime lacks; `None` if it has all.
///
/// Tokio (1.54) has no query for this. Every public path to a runtime's I/O or timers panics if
/// they are missing. So this creates a timer and a socket and drops them. Without this check the
/// monitors would panic unseen, and every operation would time out in server selection. Nothing
/// panics in a complete runtime. In an incomplete one the panic hook first prints tokio's message.
/// With `panic = "abort"` the program ends with that message.
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
        // Created only if the inner future is pending, so a ready future costs no timer.
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
    /// On a thread inside `block_on`: the earliest instant at which a pending timeout needs a poll.
    /// The outer `None` is outside of `block_on`, the inner one is no timeout.
    static NEXT_POLL: Cell<Option<Option<Instant>>> = const { Cell::new(None) };
}

/// Asks this thread's `block_on` to poll again at `instant` at the latest. `false` outside of one.
fn poll_again_at(instant: Instant) -> bool {
    NEXT_POLL.with(|cell| match cell.get() {
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

/// Polls `future` on this thread until it is ready. Parks the thread in between.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = UNPARK
        .try_with(Waker::clone)
        .unwrap_or_else(|_| Waker::from(Arc::new(Unpark(thread::current()))));
    let mut cx = Context::from_waker(&waker);
    let _restore = Restore(NEXT_POLL.replace(Some(None)));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        match NEXT_POLL.replace(Some(None)).flatten() {
            None => thread::park(),
            Some(instant) => {
                thread::park_timeout(instant.saturating_duration_since(Instant::now()))
            }
        }
    }
}

/// Restores `NEXT_POLL`, so that `block_on` can nest and survives panics.
struct Restore(Option<Option<Instant>>);

impl Drop for Restore {
    fn drop(&mut self) {
        NEXT_POLL.set(self.0);
    }
}

static BACKGROUND: Background = Background::new();

/// The background thread of the process. It serves blocking clients, and the timers of callers
/// outside the runtime of their async client. A forked child has its own, in `child`.
struct Background {
    thread: OnceLock<(ForkGeneration, std::result::Result<Handle, Arc<std::io::Error>>)>,
    child: OnceLock<Box<Background>>,
}

impl Background {
    const fn new() -> Self {
        Background { thread: OnceLock::new(), child: OnceLock::new() }
    }

    /// The runtime of this process's background thread. Starts the thread if there is none.
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
    fn blocking_wait_ends_at_its_deadline() {
        let runtime = Runtime::blocking().unwrap();
        let deadline = Deadline::after(Duration::from_millis(5));
        let waited = block_on(runtime.timeout(deadline, std::future::pending::<()>()));
        assert!(waited.is_err());
        assert!(deadline.is_over());
    }

    #[test]
    fn ready_future_succeeds_after_its_deadline() {
        let runtime = Runtime::blocking().unwrap();
        let past = Deadline::after(Duration::ZERO);
        assert_eq!(block_on(runtime.timeout(past, std::future::ready(7))).unwrap(), 7);
    }

    #[test]
    fn nested_block_on_keeps_the_outer_deadline() {
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
    async fn async_wait_ends_at_its_deadline() {
        let runtime = Runtime::current().unwrap();
        let waited = runtime
            .timeout(Deadline::after(Duration::from_millis(5)), std::future::pending::<()>())
            .await;
        assert!(waited.is_err());
    }

    #[test]
    fn error_outside_a_runtime_names_the_remedy() {
        let error = Runtime::current().unwrap_err();
        assert!(error.to_string().contains("driver::sync::Client"), "{error}");
    }
}
