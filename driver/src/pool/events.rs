//! Delivers the events of a pool to its handler, in order.
//!
//! A pool usually calls the handler directly. While the deployment changes a pool, it holds the
//! write lock of the nest. A handler may use the client, which may need that lock. So the
//! deployment holds the events back, and delivers them after it has released the lock. Events of
//! other threads join the queue meanwhile, so the order stays.

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

#[derive(Default)]
struct EventQueue {
    events: VecDeque<CmapEvent>,
    /// The number of [`HeldEvents`].
    held: usize,
    /// A thread delivers the queue.
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
        if queue.held > 0 || queue.delivering {
            queue.events.push_back(event);
            return;
        }
        drop(queue);
        handler.handle(event);
    }

    /// Delivers the queue, unless another thread does. That thread also delivers later events.
    fn release(&self) {
        let Some(handler) = &self.handler else { return };
        let mut queue = lock(&self.queue);
        queue.held -= 1;
        if std::mem::replace(&mut queue.delivering, true) {
            return;
        }
        while let Some(event) = queue.events.pop_front() {
            drop(queue);
            handler.handle(event);
            queue = lock(&self.queue);
        }
        queue.delivering = false;
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
        self.0.events().release();
    }
}
