//! Delivers the events of a pool to its handler, in order.
//!
//! A pool usually calls the handler directly. While the deployment changes a pool, it holds the
//! write lock of the nest. A handler may use the client, which may need that lock. So the
//! deployment holds the events back, and delivers them after it has released the lock. Events of
//! other threads join the queue meanwhile, so the order stays.
//!
//! A thread delivers a bounded number of events. A task, or in the blocking API a thread, delivers
//! the rest, so that the events of others do not delay a monitor or an operation without end.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use super::shared::{Shared, lock};
use crate::event::EventHandler;
use crate::event::cmap::CmapEvent;
use crate::options::ServerAddress;

pub(super) struct PoolEvents {
    handler: Option<EventHandler<CmapEvent>>,
    queue: Mutex<EventQueue>,
}

/// The number of queued events that a thread delivers before it leaves the rest to a task.
const AT_ONCE: usize = 64;

#[derive(Default)]
struct EventQueue {
    events: VecDeque<CmapEvent>,
    /// The number of [`HeldEvents`].
    held: usize,
    /// A thread or a task delivers the queue.
    delivering: bool,
}

impl PoolEvents {
    pub(super) fn new(handler: Option<EventHandler<CmapEvent>>) -> Self {
        PoolEvents { handler, queue: Mutex::default() }
    }

    pub(super) fn is_listened_to(&self) -> bool {
        self.handler.is_some()
    }

    /// Emits an event. Builds none without a handler.
    pub(super) fn emit(
        &self,
        address: &ServerAddress,
        event: impl FnOnce(ServerAddress) -> CmapEvent,
    ) {
        let Some(handler) = &self.handler else { return };
        let event = event(address.clone());
        let mut queue = lock(&self.queue);
        let is_direct = queue.held == 0 && !queue.delivering;
        if is_direct && queue.events.is_empty() {
            drop(queue);
            handler.handle(event);
            return;
        }
        queue.events.push_back(event);
        if is_direct {
            // The runtime of the task that delivered the queue has ended.
            queue.delivering = true;
            drop(queue);
            if !self.deliver_some() {
                lock(&self.queue).delivering = false;
            }
        }
    }

    /// Ends one of the [`HeldEvents`]. True when the caller is to deliver the queue.
    fn release(&self) -> bool {
        let mut queue = lock(&self.queue);
        queue.held -= 1;
        !queue.events.is_empty() && !std::mem::replace(&mut queue.delivering, true)
    }

    /// Delivers events, also later ones. True at the end of the queue: then nobody delivers it any
    /// more.
    fn deliver_some(&self) -> bool {
        for _ in 0..AT_ONCE {
            let next = {
                let mut queue = lock(&self.queue);
                let next = queue.events.pop_front();
                queue.delivering = next.is_some();
                next
            };
            match (next, &self.handler) {
                (Some(event), Some(handler)) => handler.handle(event),
                _ => return true,
            }
        }
        false
    }
}

/// Delivers the rest of the queue. Dropped with its runtime, it leaves that to the next event.
struct Delivery {
    pool: Arc<Shared>,
    done: bool,
}

impl Delivery {
    async fn run(mut self) {
        while !self.pool.events().deliver_some() {
            tokio::task::yield_now().await;
        }
        self.done = true;
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if !self.done {
            lock(&self.pool.events().queue).delivering = false;
        }
    }
}

/// Holds back the events of a pool until it is dropped.
#[must_use]
pub(crate) struct HeldEvents(Arc<Shared>);

impl HeldEvents {
    pub(super) fn of(pool: &Arc<Shared>) -> Self {
        if pool.events().is_listened_to() {
            lock(&pool.events().queue).held += 1;
        }
        HeldEvents(Arc::clone(pool))
    }
}

impl Drop for HeldEvents {
    fn drop(&mut self) {
        let events = self.0.events();
        if events.is_listened_to() && events.release() && !events.deliver_some() {
            let delivery = Delivery { pool: Arc::clone(&self.0), done: false };
            self.0.runtime().detach(delivery.run());
        }
    }
}
