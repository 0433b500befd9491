//! Background work on servers for dropped handles, such as removing the chunks of a dropped upload.
//!
//! A few workers per client run the pieces. So any number of dropped handles needs few tasks, or in
//! the blocking API few threads, and a piece that waits for a server does not hold up all others.
//! Each piece has its own time limit, and a panic ends only its piece. Their number is not limited:
//! one piece per dropped handle.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use toro::Event;

use super::Core;
use crate::deadline::Deadline;
use crate::event::contain;

/// The maximum number of workers.
const WORKERS: usize = 4;
/// The time for which a shutdown waits for the queue.
const FLUSH: Duration = Duration::from_secs(1);

/// A piece of work, with its own time limit.
type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The pending work of one client.
#[derive(Default)]
pub(crate) struct Cleanups(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Work>,
    /// The number of workers.
    workers: usize,
    /// Set when the last worker has ended.
    idle: Option<Arc<Event>>,
}

impl Queue {
    /// A worker has ended. Returns the event to set if it was the last.
    fn leave(&mut self) -> Option<Arc<Event>> {
        self.workers -= 1;
        if self.workers == 0 { self.idle.take() } else { None }
    }
}

impl Cleanups {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `work`, which uses connections of the client, in the background.
pub(crate) fn clean_up(core: &Core, work: impl Future<Output = ()> + Send + 'static) {
    let core = core.outside_of_requests();
    {
        let mut queue = core.cleanups.lock();
        queue.waiting.push_back(Box::pin(work));
        if queue.workers == WORKERS {
            return;
        }
        queue.workers += 1;
    }
    let runtime = core.runtime.clone();
    runtime.detach(Worker { core, placed: true }.run());
}

/// Waits until all work is done, at most for a second.
///
/// Cancel safety: the workers continue.
pub(crate) async fn flush_cleanups(core: &Core) {
    let idle = {
        let mut queue = core.cleanups.lock();
        if queue.workers == 0 {
            return;
        }
        Arc::clone(queue.idle.get_or_insert_with(Arc::default))
    };
    let _ = core.runtime.timeout(Deadline::after(FLUSH), idle.wait()).await;
}

/// A worker. If all are dropped with their runtime, the next work starts another.
struct Worker {
    core: Core,
    /// Whether it is counted as one of the queue's workers.
    placed: bool,
}

impl Worker {
    async fn run(mut self) {
        while let Some(work) = self.next() {
            run(work).await;
            // If threads start requests automatically, this thread has started one. Nothing else
            // ends it.
            if let Some(threads) = &self.core.threads {
                threads.end_last();
            }
        }
    }

    fn next(&mut self) -> Option<Work> {
        let mut queue = self.core.cleanups.lock();
        let next = queue.waiting.pop_front();
        if next.is_none() {
            // Under the lock, so that work added later starts another worker.
            self.placed = false;
            let idle = queue.leave();
            drop(queue);
            if let Some(idle) = idle {
                idle.set();
            }
        }
        next
    }
}

/// Runs `work`. A panic ends only this piece, so that the worker continues with the next one.
async fn run(mut work: Work) {
    poll_fn(|cx| {
        let mut polled = Poll::Ready(());
        contain(|| polled = work.as_mut().poll(cx));
        polled
    })
    .await;
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.placed {
            return;
        }
        let (left, idle) = {
            let mut queue = self.core.cleanups.lock();
            let idle = queue.leave();
            // The other workers run the rest, if there are others.
            let left =
                if queue.workers == 0 { Some(std::mem::take(&mut queue.waiting)) } else { None };
            (left, idle)
        };
        // Drops the work without the lock: each piece holds the client, which holds the queue.
        drop(left);
        if let Some(idle) = idle {
            idle.set();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::ClientOptions;
    use crate::rt::{Runtime, block_on};

    /// The first piece ends only after the second one has run.
    fn check(runtime: Runtime) {
        let core = Core::open(ClientOptions::default(), runtime).unwrap();
        let second = Arc::new(Event::new());
        let (waits, sets) = (Arc::clone(&second), Arc::clone(&second));
        clean_up(&core, async move { waits.wait().await });
        clean_up(&core, async move { sets.set() });
        block_on(async {
            let limit = Deadline::after(Duration::from_secs(30));
            core.runtime.timeout(limit, second.wait()).await.expect("the second piece runs");
            core.runtime.timeout(limit, flush_cleanups(&core)).await.expect("all pieces end");
        });
    }

    /// Each worker gets a piece that panics, before the last piece is queued.
    fn check_panics(runtime: Runtime) {
        let core = Core::open(ClientOptions::default(), runtime).unwrap();
        let (all_queued, last) = (Arc::new(Event::new()), Arc::new(Event::new()));
        for _ in 0..WORKERS {
            let all_queued = Arc::clone(&all_queued);
            clean_up(&core, async move {
                all_queued.wait().await;
                panic!("a panic of the test");
            });
        }
        let sets = Arc::clone(&last);
        clean_up(&core, async move { sets.set() });
        all_queued.set();
        block_on(async {
            let limit = Deadline::after(Duration::from_secs(30));
            core.runtime.timeout(limit, last.wait()).await.expect("the last piece runs");
            core.runtime.timeout(limit, flush_cleanups(&core)).await.expect("all pieces end");
        });
    }

    #[test]
    fn panic_of_a_piece_ends_only_this_piece() {
        let tokio = tokio::runtime::Runtime::new().unwrap();
        let entered = tokio.enter();
        check_panics(Runtime::current().unwrap());
        drop(entered);
        check_panics(Runtime::blocking().unwrap());
    }

    #[test]
    fn waiting_piece_does_not_hold_up_another() {
        let tokio = tokio::runtime::Runtime::new().unwrap();
        let entered = tokio.enter();
        check(Runtime::current().unwrap());
        drop(entered);
        check(Runtime::blocking().unwrap());
    }
}
