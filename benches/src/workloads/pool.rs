//! Checks connections out of a pool and in again.

use crate::drive::time_together;
use crate::peers::pool::Pool;
use crate::round::{Contender, Figures, Sample, Stalled};
use std::future::Future;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// The number of connections of a pool.
pub const SIZE: u32 = 8;

/// Opens all connections that the pool may have.
pub fn fill<P: Pool>(runtime: &Runtime, pool: &P) {
    runtime.block_on(async {
        let mut held = Vec::new();
        for _ in 0..SIZE {
            held.push(pool.check_out().await.expect("a connection can be opened"));
        }
    });
}

/// A checkout and a checkin by a single task.
pub fn pair<P: Pool>(runtime: &Arc<Runtime>, pool: &Arc<P>) -> Contender {
    let (runtime, pool) = (runtime.clone(), pool.clone());
    Contender::new(P::NAME, move |ops| {
        runtime.block_on(async {
            let start = Instant::now();
            for _ in 0..ops {
                let held = black_box(&*pool).check_out().await.expect("the pool is open");
                black_box(&held);
            }
            Sample { elapsed: start.elapsed(), ops }
        })
    })
}

/// Many tasks that check out connections, and let other tasks run while they hold one.
pub fn crowd<P: Pool>(runtime: &Arc<Runtime>, pool: &Arc<P>, tasks: u64) -> Contender {
    let (runtime, pool) = (runtime.clone(), pool.clone());
    Contender::may_stall(P::NAME, move |ops| {
        let each = ops.div_ceil(tasks);
        let work = (0..tasks).map(|_| {
            let pool = pool.clone();
            async move {
                for _ in 0..each {
                    let held = pool.check_out().await.expect("the pool is open");
                    tokio::task::yield_now().await;
                    black_box(&held);
                }
            }
        });
        let (elapsed, _) = time_together(&runtime, work)?;
        Ok(Sample { elapsed, ops: each * tasks })
    })
}

/// The waits of a crowd.
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    /// The longest wait for a connection.
    pub longest: Duration,
    /// The wait of each task if every connection goes to the oldest waiter and all ask again at
    /// once: the number of tasks ahead, times the time between two grants.
    pub fifo: Duration,
    /// The number of wake-ups of waiting tasks without a connection.
    pub futile: u64,
}

/// Lets `tasks` tasks check out `each` times, and observes their waits.
///
/// # Errors
///
/// [`Stalled`] if they do not end.
///
/// # Panics
///
/// If there are not more tasks than connections. Then nobody has to wait.
pub fn waits<P: Pool>(
    runtime: &Runtime,
    pool: &Arc<P>,
    tasks: u64,
    each: u64,
) -> Result<Waits, Stalled> {
    assert!(tasks > u64::from(SIZE), "{tasks} tasks never wait for {SIZE} connections");
    let work = (0..tasks).map(|_| {
        let pool = pool.clone();
        async move {
            let (mut longest, mut futile) = (Duration::ZERO, 0);
            for _ in 0..each {
                let asked = Instant::now();
                let (held, polls) = CountPolls { future: pin!(pool.check_out()), polls: 0 }.await;
                let held = held.expect("the pool is open");
                longest = longest.max(asked.elapsed());
                // The first poll joins the line, the second gets the connection.
                futile += polls.saturating_sub(2);
                tokio::task::yield_now().await;
                drop(held);
            }
            (longest, futile)
        }
    });
    let (elapsed, each_of) = time_together(runtime, work)?;
    let between_grants = elapsed / u32::try_from(tasks * each).unwrap_or(u32::MAX);
    Ok(Waits {
        longest: each_of.iter().map(|(longest, _)| *longest).max().unwrap_or_default(),
        fifo: between_grants * (u32::try_from(tasks).unwrap_or(u32::MAX).saturating_sub(SIZE)),
        futile: each_of.iter().map(|(_, futile)| futile).sum(),
    })
}

/// Two figures, measured in `rounds` rounds: the longest wait, divided by the wait in a pool that
/// serves the oldest waiter first ([`Waits::fifo`]); and the futile wake-ups per thousand
/// checkouts.
pub fn fairness<P: Pool>(
    runtime: &Runtime,
    pool: &Arc<P>,
    tasks: u64,
    rounds: usize,
) -> Result<(Figures, Figures), Stalled> {
    const EACH: u64 = 40;
    let (mut longest, mut futile) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let waits = waits(runtime, pool, tasks, EACH)?;
        longest.push(waits.longest.as_secs_f64() / waits.fifo.as_secs_f64());
        futile.push(1000.0 * waits.futile as f64 / (tasks * EACH) as f64);
    }
    Ok((Figures { name: P::NAME, rounds: longest }, Figures { name: P::NAME, rounds: futile }))
}

/// A future that counts its polls.
struct CountPolls<'a, F> {
    future: Pin<&'a mut F>,
    polls: u64,
}

impl<F: Future> Future for CountPolls<'_, F> {
    type Output = (F::Output, u64);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.polls += 1;
        let polls = self.polls;
        self.future.as_mut().poll(cx).map(|output| (output, polls))
    }
}
