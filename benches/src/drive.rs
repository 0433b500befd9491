//! Polls futures by hand, and starts tasks together.

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

/// Polls a future that never has to wait, on this thread, without a runtime. So neither a scheduler
/// nor a cooperative budget is measured.
///
/// # Panics
///
/// If the future is not ready at its first poll, because then something else would be measured.
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
/// The loop is outside the futures. Inside one, its counter would be in memory or in a register,
/// depending on the uses of the future's address, and that would be measured too.
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
///
/// If the operating system refuses to start threads.
pub fn two_workers() -> Arc<Runtime> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    Arc::new(runtime.expect("two threads can be started"))
}

/// Spawns the tasks, starts them together once all of them run, and times them from the first start
/// to the last end. Returns their results in order.
///
/// Each task reads the clock itself, because the waiting thread may notice the start late.
///
/// # Errors
///
/// [`Stalled`] if they have not ended after [`PATIENCE`]: a task waits for a wake-up that never
/// comes. Then the tasks are aborted.
///
/// # Panics
///
/// If a task panics.
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

/// The time limit of tasks that take milliseconds.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Waiting futures, in places that are allocated once and reused. So the harness's memory is not
/// measured. Consecutive places are consecutive in memory, independent of what earlier cells did to
/// the heap.
pub struct WaiterSet<F> {
    places: Vec<Pin<Box<Option<F>>>>,
}

impl<F: Future> WaiterSet<F> {
    /// A set of `size` empty places.
    pub fn new(size: usize) -> Self {
        let mut places: Vec<Pin<Box<Option<F>>>> = (0..size).map(|_| Box::pin(None)).collect();
        places.sort_unstable_by_key(|place| (&raw const **place).addr());
        Self { places }
    }

    /// The number of places.
    pub fn size(&self) -> usize {
        self.places.len()
    }

    /// Puts a future into every place and polls it once.
    ///
    /// # Panics
    ///
    /// If one of them is ready, because it should wait.
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
    ///
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
