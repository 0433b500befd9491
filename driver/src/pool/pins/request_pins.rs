//! The requests of an async client.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use toro::Lock;

use super::{Lease, ReturnTo, fit, take_turn};
use crate::deadline::Deadline;
use crate::pool::held::PooledConnection;
use crate::pool::shared::Shared;
use crate::pool::{CheckOutError, Pool};

/// The connections of one request of an async client. All its handles share them.
#[derive(Debug, Default)]
pub(crate) struct RequestPins {
    slots: Mutex<Vec<PinnedSlot>>,
}

/// The connection to one server and its waiting operations.
#[derive(Debug)]
pub(super) struct PinnedSlot {
    pool: Weak<Shared>,
    pub(super) slot: Arc<Lock<Option<PooledConnection>>>,
}

impl PinnedSlot {
    pub(super) fn new(pool: &Arc<Shared>) -> Self {
        PinnedSlot { pool: Arc::downgrade(pool), slot: Arc::new(Lock::new(None)) }
    }

    pub(super) fn is_of(&self, pool: &Arc<Shared>) -> bool {
        std::ptr::eq(self.pool.as_ptr(), Arc::as_ptr(pool))
    }

    /// Whether its pool has been closed, and no operation uses its connection.
    pub(super) fn is_over(&self) -> bool {
        let is_open = self.pool.upgrade().is_some_and(|pool| !pool.is_closed());
        !is_open && self.slot.try_acquire().is_some()
    }
}

impl RequestPins {
    /// The request's connection of `pool`, after the earlier operations have finished with it.
    pub(crate) async fn check_out(
        &self,
        pool: &Pool,
        deadline: Deadline,
    ) -> Result<Lease, CheckOutError> {
        let mut turn = take_turn(&self.slot(pool), pool, deadline).await?;
        let connection = match turn.take().and_then(|pinned| fit(pinned, pool)) {
            Some(connection) => connection,
            None => pool.check_out(deadline).await?,
        };
        Ok(Lease { connection: Some(connection), return_to: ReturnTo::PinnedSlot(turn) })
    }

    fn slot(&self, pool: &Pool) -> Arc<Lock<Option<PooledConnection>>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = slots.iter().find(|slot| slot.is_of(&pool.shared)) {
            return known.slot.clone();
        }
        let over: Vec<_> = slots.extract_if(.., |slot| slot.is_over()).collect();
        let new = PinnedSlot::new(&pool.shared);
        let slot = new.slot.clone();
        slots.push(new);
        // Closing connections calls event handlers, which may use the client.
        drop(slots);
        drop(over);
        slot
    }
}
