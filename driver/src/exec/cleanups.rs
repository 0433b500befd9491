//! Background work on servers for dropped handles, such as removing the chunks of a dropped upload.
//!
//! One worker per client runs one piece after the other. So any number of dropped handles needs one
//! task, or in the blocking API one thread.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use toro::Event;

use super::Core;
use crate::deadline::Deadline;

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
    /// Whether there is a worker.
    working: bool,
    /// Set when the worker has ended.
    idle: Option<Arc<Event>>,
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
        if std::mem::replace(&mut queue.working, true) {
            return;
        }
    }
    let runtime = core.runtime.clone();
    runtime.detach(Worker { core, placed: true }.run());
}

/// Waits until all work is done, at most for a second.
///
/// Cancel safety: the worker continues.
pub(crate) async fn flush_cleanups(core: &Core) {
    let idle = {
        let mut queue = core.cleanups.lock();
        if !queue.working {
            return;
        }
        Arc::clone(queue.idle.get_or_insert_with(Arc::default))
    };
    let _ = core.runtime.timeout(Deadline::after(FLUSH), idle.wait()).await;
}

/// The worker. If it is dropped with its runtime, the next work starts another.
struct Worker {
    core: Core,
    /// Whether it is registered as the queue's worker.
    placed: bool,
}

impl Worker {
    async fn run(mut self) {
        while let Some(work) = self.next() {
            work.await;
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
            queue.working = false;
            self.placed = false;
            let idle = queue.idle.take();
            drop(queue);
            if let Some(idle) = idle {
                idle.set();
            }
        }
        next
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.placed {
            return;
        }
        let (left, idle) = {
            let mut queue = self.core.cleanups.lock();
            queue.working = false;
            (std::mem::take(&mut queue.waiting), queue.idle.take())
        };
        // Drops the work without the lock: each piece holds the client, which holds the queue.
        drop(left);
        if let Some(idle) = idle {
            idle.set();
        }
    }
}
