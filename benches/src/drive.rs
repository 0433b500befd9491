//! Driving futures by hand, and tasks that start together.

use crate::round::{Sample, Stalled};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::Barrier;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Drives a future that never has to wait, on this thread, without a runtime: no scheduler and no
/// cooperative budget stands between the code that is measured and the clock.
///
/// # Panics
/// If the future is not ready at its first poll: what was to be measured is then not what happened.
#[inline]
pub fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("an uncontended operation had to wait"),
    }
}

/// Times `ops` runs of `operation`, each polled by hand. `operation` is async, but must never have
/// to wait.
///
/// The loop is outside of the futures: its counter, were it inside of one, would be kept in memory
/// or in a register depending on what becomes of that future's address, and be measured with the
/// shorter operations.
pub fn time_ready<F: Future>(ops: u64, mut operation: impl FnMut() -> F) -> Sample {
    let start = Instant::now();
    for _ in 0..ops {
        ready(operation());
    }
    Sample { elapsed: start.elapsed(), ops }
}

/// The runtime of the contended cells: tokio's multi-thread runtime with two workers.
///
/// # Panics
/// If the operating system gives no threads.
pub fn two_workers() -> Arc<Runtime> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    Arc::new(runtime.expect("two threads can be started"))
}

/// Spawns the tasks, lets them start together once all of them run, and times them from the first
/// that starts to the last that ends. Returns what they returned, in their order.
///
/// Each task reads the clock itself: the thread that waits for them may be late to notice their
/// start.
///
/// # Errors
/// [`Stalled`] if they have not ended after [`PATIENCE`]: somebody waits for a wake-up that never comes. The tasks are
/// aborted then.
///
/// # Panics
/// If a task does.
pub fn time_together<T, F>(
    runtime: &Runtime,
    tasks: impl IntoIterator<Item = F>,
) -> Result<(Duration, Vec<T>), Stalled>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<F> = tasks.into_iter().collect();
    let gate = Arc::new(Barrier::new(tasks.len()));
    let spawn = |task: F| {
        let gate = gate.clone();
        runtime.spawn(async move {
            gate.wait().await;
            let start = Instant::now();
            let output = task.await;
            (start, output, Instant::now())
        })
    };
    let mut handles: Vec<_> = tasks.into_iter().map(spawn).collect();
    let mut outputs = Vec::with_capacity(handles.len());
    let mut span: Option<(Instant, Instant)> = None;
    let all = async {
        for handle in &mut handles {
            let (start, output, end) = handle.await.expect("a measured task ends without a panic");
            let (first, last) = span.unwrap_or((start, end));
            span = Some((first.min(start), last.max(end)));
            outputs.push(output);
        }
    };
    if runtime.block_on(async { timeout(PATIENCE, all).await }).is_err() {
        handles.iter().for_each(JoinHandle::abort);
        return Err(Stalled);
    }
    Ok((span.map_or(Duration::ZERO, |(first, last)| last - first), outputs))
}

/// How long tasks may take that are to take milliseconds, before they are given up.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Futures that wait, in places that are allocated once and used again: what is measured does not
/// include the harness's own memory, and places that follow each other do so in memory too,
/// whatever earlier cells have left of the heap.
pub struct Crowd<F> {
    places: Vec<Pin<Box<Option<F>>>>,
}

impl<F: Future> Crowd<F> {
    /// A crowd of `size` empty places.
    pub fn new(size: usize) -> Self {
        let mut places: Vec<Pin<Box<Option<F>>>> = (0..size).map(|_| Box::pin(None)).collect();
        places.sort_unstable_by_key(|place| (&raw const **place).addr());
        Self { places }
    }

    /// How many places there are.
    pub fn size(&self) -> usize {
        self.places.len()
    }

    /// Puts a future in every place and polls it once.
    ///
    /// # Panics
    /// If one of them is ready: it was to wait.
    pub fn gather(&mut self, mut make: impl FnMut(usize) -> F) {
        for (index, place) in self.places.iter_mut().enumerate() {
            place.as_mut().set(Some(make(index)));
            let future = place.as_mut().as_pin_mut().expect("the place was just taken");
            let polled = future.poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending(), "waiter {index} did not have to wait");
        }
    }

    /// Polls every future and drops it.
    ///
    /// # Panics
    /// If one of them is not ready.
    pub fn collect(&mut self) {
        for (index, place) in self.places.iter_mut().enumerate() {
            let Some(future) = place.as_mut().as_pin_mut() else { continue };
            let polled = future.poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_ready(), "waiter {index} was not let go");
            place.as_mut().set(None);
        }
    }

    /// Drops the future in one place.
    #[inline]
    pub fn dismiss(&mut self, index: usize) {
        self.places[index].as_mut().set(None);
    }
}
