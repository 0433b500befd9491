//! The requests of the threads of a blocking client.

use std::cell::RefCell;
use std::sync::Arc;

use threadwatch::PerThread;
use toro::Lock;

use super::request_pins::PinnedSlot;
use super::{Lease, ReturnTo, Turn, fit};
use crate::deadline::Deadline;
use crate::pool::held::PooledConnection;
use crate::pool::{CheckOutError, Pool};

/// The requests of the threads of one blocking client.
#[derive(Debug)]
pub(crate) struct ThreadPins {
    slots: PerThread<RefCell<Slot>>,
    auto_start: bool,
}

/// The request of one thread.
#[derive(Debug, Default)]
struct Slot {
    /// One mark per start that has not ended.
    started: Vec<Mark>,
    next: u64,
    /// At most one connection per pool, counted together with `draining`.
    pinned: Vec<PooledConnection>,
    draining: Vec<PinnedSlot>,
}

/// One start of a request, unique within its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark(u64);

impl Slot {
    fn start(&mut self) -> Mark {
        let mark = Mark(self.next);
        self.next += 1;
        self.started.push(mark);
        mark
    }

    /// Whether the request can pin `connection`: it has not ended and has no other connection of
    /// the same pool.
    fn has_room_for(&self, connection: &PooledConnection) -> bool {
        !self.started.is_empty()
            && !self.pinned.iter().any(|other| other.is_same_pool(connection))
            && !self.draining.iter().any(|slot| slot.is_of(&connection.pool()))
    }

    /// Takes what it holds of pools that have been closed.
    fn take_closed(&mut self) -> (Vec<PooledConnection>, Vec<PinnedSlot>) {
        let is_closed = |connection: &mut PooledConnection| connection.pool().is_closed();
        let pinned = self.pinned.extract_if(.., is_closed).collect();
        (pinned, self.draining.extract_if(.., |slot| slot.is_over()).collect())
    }

    /// Takes the pinned connection of `pool`.
    fn take(&mut self, pool: &Pool) -> Pinned {
        if let Some(at) = self.pinned.iter().position(|connection| connection.is_of(pool)) {
            return Pinned::Connection(self.pinned.swap_remove(at));
        }
        let Some(at) = self.draining.iter().position(|slot| slot.is_of(&pool.shared)) else {
            return Pinned::Nothing;
        };
        let slot = &self.draining[at].slot;
        let Some(drained) = slot.try_acquire().map(|mut slot| slot.take()) else {
            return Pinned::Draining(slot.clone());
        };
        self.draining.swap_remove(at);
        drained.map_or(Pinned::Nothing, Pinned::Connection)
    }
}

/// The calling thread's pinned connection of a pool.
enum Pinned {
    NoRequest,
    Nothing,
    /// The connection is available, or lost, once the lock is free.
    Draining(Arc<Lock<Option<PooledConnection>>>),
    Connection(PooledConnection),
}

impl ThreadPins {
    /// With `auto_start`, a thread's first operation starts a request.
    pub(crate) fn new(auto_start: bool) -> Arc<Self> {
        // The connections of an ending thread check themselves in when they are dropped.
        Arc::new(ThreadPins { slots: PerThread::new(drop), auto_start })
    }

    /// Starts a request of the calling thread, or nests one. `None` if the thread is ending.
    pub(crate) fn start(&self) -> Option<Mark> {
        let slot = self.slots.get_or_insert_with(RefCell::default).ok()?;
        Some(slot.borrow_mut().start())
    }

    /// Whether the calling thread is in a request.
    pub(crate) fn is_started(&self) -> bool {
        self.slots.get().is_some_and(|slot| !slot.borrow().started.is_empty())
    }

    /// Ends the start with this `mark`, if it has not ended.
    pub(crate) fn end(&self, mark: Mark) {
        self.end_with(|started| started.retain(|other| *other != mark));
    }

    /// Ends the most recent start.
    pub(crate) fn end_last(&self) {
        self.end_with(|started| started.truncate(started.len().saturating_sub(1)));
    }

    /// Pinned connections return to the pools after the last end.
    fn end_with(&self, end: impl FnOnce(&mut Vec<Mark>)) {
        let Some(slot) = self.slots.get() else { return };
        let mut slot = slot.borrow_mut();
        end(&mut slot.started);
        let unpinned = if slot.started.is_empty() {
            (std::mem::take(&mut slot.pinned), std::mem::take(&mut slot.draining))
        } else {
            (Vec::new(), Vec::new())
        };
        // Checking in calls event handlers, which may use the client.
        drop(slot);
        drop(unpinned);
    }

    /// A connection for an operation of the calling thread, if one is available at once.
    #[inline]
    pub(crate) fn check_out_now(self: &Arc<Self>, pool: &Pool) -> Option<Lease> {
        match self.take(pool) {
            Pinned::NoRequest => Lease::of_idle(pool),
            Pinned::Nothing => Some(self.lease(pool.check_out_now()?)),
            Pinned::Draining(_) => None,
            Pinned::Connection(connection) => Some(self.lease(connection)),
        }
    }

    /// Waits for a connection, after [`check_out_now`](Self::check_out_now) found none.
    pub(crate) async fn check_out(
        self: &Arc<Self>,
        pool: &Pool,
        deadline: Deadline,
    ) -> Result<Lease, CheckOutError> {
        loop {
            return match self.take(pool) {
                Pinned::NoRequest => Lease::of_pool(pool, deadline).await,
                Pinned::Nothing => Ok(self.lease(pool.check_out_in_line(deadline).await?)),
                Pinned::Draining(slot) => {
                    let drained = pool.shared.runtime().timeout(deadline, slot.acquire()).await;
                    match drained {
                        Ok(_) => continue,
                        Err(_) => Err(pool.shared.timed_out()),
                    }
                }
                Pinned::Connection(connection) => Ok(self.lease(connection)),
            };
        }
    }

    /// A lease that pins the connection at its end.
    fn lease(self: &Arc<Self>, connection: PooledConnection) -> Lease {
        Lease { connection: Some(connection), return_to: ReturnTo::Thread(self.clone()) }
    }

    /// Takes the calling thread's pinned connection, if it can take the next operation.
    fn take(&self, pool: &Pool) -> Pinned {
        match self.unpin(pool) {
            Pinned::Connection(connection) => {
                fit(connection, pool).map_or(Pinned::Nothing, Pinned::Connection)
            }
            pinned => pinned,
        }
    }

    fn unpin(&self, pool: &Pool) -> Pinned {
        let slot = if self.auto_start {
            self.slots.get_or_insert_with(RefCell::default).ok()
        } else {
            self.slots.get()
        };
        let Some(slot) = slot else { return Pinned::NoRequest };
        let mut slot = slot.borrow_mut();
        if slot.started.is_empty() {
            if !self.auto_start {
                return Pinned::NoRequest;
            }
            slot.start();
        }
        let pinned = slot.take(pool);
        if let Pinned::Nothing = pinned {
            let closed = slot.take_closed();
            // Closing connections calls event handlers, which may use the client.
            drop(slot);
            drop(closed);
        }
        pinned
    }

    /// Pins the connection, unless the request has ended or has pinned another.
    pub(super) fn put_back(&self, connection: PooledConnection) -> Option<PooledConnection> {
        let Some(slot) = self.slots.get() else { return Some(connection) };
        let mut slot = slot.borrow_mut();
        if !slot.has_room_for(&connection) {
            return Some(connection);
        }
        slot.pinned.push(connection);
        None
    }

    /// Like [`put_back`](Self::put_back), for a connection that is drained first. Returns a place,
    /// which receives the connection at the end of the turn.
    pub(super) fn put_back_drained(&self, connection: &PooledConnection) -> Option<Turn> {
        let slot = self.slots.get()?;
        let mut slot = slot.borrow_mut();
        if !slot.has_room_for(connection) {
            return None;
        }
        let pinned = PinnedSlot::new(&connection.pool());
        let turn = pinned.slot.try_acquire_owned();
        slot.draining.push(pinned);
        turn
    }
}
