//! The work on servers that dropped handles leave, such as removing the chunks of a dropped upload.
//!
//! One worker per client does it in the background, one piece after the other. So however many
//! handles are dropped at once, there is one task, or in the blocking API one thread.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use toro::Event;

use super::Core;
use crate::deadline::Deadline;

/// The time for which a shutdown waits for the queue.
const FLUSH: Duration = Duration::from_secs(1);

/// A piece of work. It bounds its own time.
type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The work that is to be done for one client.
#[derive(Default)]
pub(crate) struct Cleanups(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Work>,
    /// Whether a worker is there.
    working: bool,
    /// Set when the worker has ended.
    idle: Option<Arc<Event>>,
}

impl Cleanups {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has `work`, which uses connections of the client, done in the background.
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

/// Waits until the work is done, at most for a second.
///
/// Cancel safety: the worker goes on.
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

/// Dropped with its runtime, it leaves its place to the next.
struct Worker {
    core: Core,
    /// Whether it has the place of the queue's worker.
    placed: bool,
}

impl Worker {
    async fn run(mut self) {
        while let Some(work) = self.next() {
            work.await;
            // Where threads start requests by themselves, this one has; nothing else would end it.
            if let Some(threads) = &self.core.threads {
                threads.end_last();
            }
        }
    }

    fn next(&mut self) -> Option<Work> {
        let mut queue = self.core.cleanups.lock();
        let next = queue.waiting.pop_front();
        if next.is_none() {
            // Under the lock: what is added from now on starts another worker.
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
        // Each holds the client, which holds the queue.
        drop(left);
        if let Some(idle) = idle {
            idle.set();
        }
    }
}
