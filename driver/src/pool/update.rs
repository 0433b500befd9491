//! Makes a pool ready or clears it, in two parts.
//!
//! The deployment changes a pool under the write lock of the nest, so that a pool always fits the
//! snapshots that operations can load. That first part changes the state of the pool. The second
//! part serves or refuses waiting callers, which calls their wakers, and closes connections. Wakers
//! are foreign code, like event handlers: one that runs another task at once would need the lock
//! again. So the second part runs when the [`PoolUpdate`] is dropped, after the lock.
//!
//! In between, another update may change the pool again. Waiting callers are served if the pool is
//! ready at the time of a second part, and refused otherwise.

use std::sync::Arc;

use toro::Event;

use super::Interrupt;
use super::held::ConnectionsToClose;
use super::shared::{Shared, lock};
use super::state::Phase;
use crate::error::Error;
use crate::event::cmap::{self, CmapEvent, ConnectionClosedReason};

/// The second part of an update. Dropping it runs it.
#[must_use = "drop it after the lock under which the pool changes"]
pub(crate) struct PoolUpdate {
    pool: Arc<Shared>,
    second_part: Option<SecondPart>,
}

enum SecondPart {
    Serve,
    Refuse {
        /// The connections that were idle.
        idle: ConnectionsToClose,
        /// The last generation whose connections are interrupted, and the event for those being
        /// opened.
        interrupted: Option<(u32, Arc<Event>)>,
    },
}

impl Shared {
    /// Emits the event before the first connection can be checked out or opened, so that events
    /// stay in order. The caller ensures that the pool is not cleared meanwhile.
    pub(super) fn ready(self: &Arc<Self>) -> PoolUpdate {
        let is_paused = self.handoff.with_state(|state, _| state.phase()) == Phase::Paused;
        if is_paused {
            self.emit(|address| CmapEvent::PoolReady(cmap::PoolReadyEvent { address }));
            self.handoff.with_state(|state, _| state.ready());
        }
        PoolUpdate { pool: self.clone(), second_part: is_paused.then_some(SecondPart::Serve) }
    }

    /// Pauses the pool and starts a new generation, because of `cause`.
    pub(super) fn clear(self: &Arc<Self>, cause: &Error, interrupt: Interrupt) -> PoolUpdate {
        *lock(&self.cause) = Some(cause.without_host().into());
        let (cleared, (was_ready, idle)) =
            self.handoff.with_state(|state, _| (state.generation(), state.clear()));
        if was_ready {
            self.emit(|address| {
                CmapEvent::PoolCleared(cmap::PoolClearedEvent {
                    address,
                    service_id: None,
                    interrupt_in_use_connections: interrupt == Interrupt::InUse,
                })
            });
        }
        let interrupted = (interrupt == Interrupt::InUse).then(|| {
            // Connections that are opened after this are not interrupted.
            (cleared, std::mem::replace(&mut *lock(&self.give_up), Arc::new(Event::new())))
        });
        let idle = ConnectionsToClose::new(idle, ConnectionClosedReason::Stale, self.clone());
        let second_part = Some(SecondPart::Refuse { idle, interrupted });
        PoolUpdate { pool: self.clone(), second_part }
    }
}

impl Drop for PoolUpdate {
    fn drop(&mut self) {
        let pool = &self.pool;
        match self.second_part.take() {
            None => {}
            Some(SecondPart::Serve) => {
                pool.step(|state, waiters, wrap| state.serve(waiters, &wrap));
                pool.wake.set();
            }
            Some(SecondPart::Refuse { idle, interrupted }) => {
                pool.step(|state, waiters, wrap| state.refuse_waiters(waiters, &wrap));
                drop(idle);
                if let Some((cleared, given_up)) = interrupted {
                    given_up.set();
                    for watched in lock(&pool.open).values() {
                        if watched.generation.number <= cleared {
                            watched.interrupter.interrupt();
                        }
                    }
                }
            }
        }
    }
}
