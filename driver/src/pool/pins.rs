//! Requests: connections that stay with a thread or a handle across operations.
//!
//! Each operation has a [`Lease`] of a connection. Outside of a request the connection belongs to
//! the pool and returns there. In a request, the first operation on a server pins a connection, and
//! it returns to its pin. After an operation that was dropped or timed out, the connection is
//! drained first, and the next operation waits for that. A broken connection is closed, and the
//! next operation pins another. This does not affect the request or its nesting. A request that
//! turns to another server gives up its connections to servers that are no longer there.
//!
//! A request of the blocking API belongs to a thread ([`ThreadPins`]). Its pinned connections
//! return to the pools when the thread ends. A request of the async API belongs to its handles
//! ([`RequestPins`]). Their operations use the pinned connection in turn, first come, first served.
//!
//! Behind a load balancer a cursor or a transaction pins its connection in the same way
//! ([`PinnedConnection`]). It keeps its place in the pool until the pin is given up, even if it
//! breaks (specification "Load Balancers", section "Behaviour With Cursors").

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use threadwatch::PerThread;
use toro::{Lock, OwnedGuard};

use super::connection::Connection;
use super::held::PooledConnection;
use super::shared::Shared;
use super::{CheckOutError, Pool};
use crate::deadline::Deadline;

/// The connection of one operation. Dropping it returns the connection.
#[derive(Debug)]
pub(crate) struct Lease {
    /// Present until it is dropped.
    connection: Option<PooledConnection>,
    return_to: ReturnTo,
}

/// The destination of a leased connection.
#[derive(Debug)]
enum ReturnTo {
    Pool,
    Thread(Arc<ThreadPins>),
    /// The slot of a request.
    PinnedSlot(Turn),
    /// The slot of a cursor or a transaction.
    Pinned(Turn, Arc<Counted>),
}

/// The turn of a request: the right to use its connection and to return it.
pub(super) type Turn = OwnedGuard<Option<PooledConnection>>;

impl Lease {
    /// Like [`of_pool`](Self::of_pool), if a connection is available at once.
    #[inline]
    pub(crate) fn of_idle(pool: &Pool) -> Option<Self> {
        Some(Lease { connection: Some(pool.check_out_now()?), return_to: ReturnTo::Pool })
    }

    /// A connection outside of any request, after [`of_idle`](Self::of_idle) found none.
    pub(crate) async fn of_pool(pool: &Pool, deadline: Deadline) -> Result<Self, CheckOutError> {
        Ok(Lease {
            connection: Some(pool.check_out_in_line(deadline).await?),
            return_to: ReturnTo::Pool,
        })
    }
}

/// A connection pinned to a cursor or a transaction. It is unpinned when the last clone is dropped
/// and no operation uses it.
#[derive(Clone, Debug)]
pub(crate) struct PinnedConnection {
    slot: Arc<Lock<Option<PooledConnection>>>,
    /// The id of the connection in its pool. A request that loses it puts another one into the
    /// slot.
    id: u64,
    /// `None` for the connection of a request.
    counted: Option<Arc<Counted>>,
}

/// The purpose of a pinned connection. Errors of a full pool contain the number for each purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PinnedFor {
    Cursor,
    Transaction,
}

/// Counts a pinned connection in its pool until it is dropped.
#[derive(Debug)]
struct Counted {
    pool: Arc<Shared>,
    purpose: PinnedFor,
}

impl Counted {
    fn new(pool: Arc<Shared>, purpose: PinnedFor) -> Arc<Self> {
        pool.pinned(purpose).fetch_add(1, Ordering::Relaxed);
        Arc::new(Counted { pool, purpose })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.pool.pinned(self.purpose).fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lease {
    /// Pins the connection beyond this operation. A connection of an async request or of a
    /// transaction also stays with that.
    pub(crate) fn pin(&mut self, purpose: PinnedFor) -> PinnedConnection {
        let id = self.id();
        match &self.return_to {
            ReturnTo::PinnedSlot(turn) => {
                let slot = Arc::clone(OwnedGuard::lock(turn));
                return PinnedConnection { slot, id, counted: None };
            }
            ReturnTo::Pinned(turn, counted) => {
                let (slot, counted) = (Arc::clone(OwnedGuard::lock(turn)), Arc::clone(counted));
                return PinnedConnection { slot, id, counted: Some(counted) };
            }
            ReturnTo::Pool | ReturnTo::Thread(_) => {}
        }
        let slot = Arc::new(Lock::new(None));
        let pool = self.connection.as_ref().map(PooledConnection::pool);
        let counted = pool.map(|pool| Counted::new(pool, purpose));
        if let (Some(turn), Some(counted)) = (slot.try_acquire_owned(), &counted) {
            self.return_to = ReturnTo::Pinned(turn, Arc::clone(counted));
        }
        PinnedConnection { slot, id, counted }
    }
}

impl PinnedConnection {
    /// The connection, after the earlier operations have finished with it. `None` if it is closed.
    pub(crate) async fn check_out(
        &self,
        pool: &Pool,
        deadline: Deadline,
    ) -> Result<Option<Lease>, CheckOutError> {
        let mut turn = take_turn(&self.slot, pool, deadline).await?;
        // A connection that cannot be used stays here, and keeps its place in the pool.
        let connection = turn.take_if(|pinned| self.is(pinned) && is_fit(pinned, pool));
        Ok(connection.map(|connection| Lease {
            connection: Some(connection),
            return_to: match &self.counted {
                None => ReturnTo::PinnedSlot(turn),
                Some(counted) => ReturnTo::Pinned(turn, Arc::clone(counted)),
            },
        }))
    }

    /// Whether no operation can use it any more.
    pub(crate) fn is_lost(&self) -> bool {
        let usable = |connection: &PooledConnection| {
            self.is(connection) && connection.is_idle() && !connection.is_stale()
        };
        self.slot.try_acquire().is_some_and(|slot| !slot.as_ref().is_some_and(usable))
    }

    /// Whether `connection`, which lies in the slot, is the pinned one.
    fn is(&self, connection: &PooledConnection) -> bool {
        connection.id() == self.id
    }

    /// Identifies the pinned connection while it exists.
    pub(crate) fn number(&self) -> (usize, u64) {
        (Arc::as_ptr(&self.slot).addr(), self.id)
    }
}

/// The right to use the connection in `slot`.
async fn take_turn(
    slot: &Arc<Lock<Option<PooledConnection>>>,
    pool: &Pool,
    deadline: Deadline,
) -> Result<Turn, CheckOutError> {
    let runtime = pool.shared.establisher().runtime();
    let turn = runtime.timeout(deadline, slot.acquire_owned()).await;
    turn.map_err(|_| pool.shared.timed_out())
}

impl Deref for Lease {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        match &self.connection {
            Some(connection) => connection,
            None => unreachable!("the connection is present until it is dropped"),
        }
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut Connection {
        match &mut self.connection {
            Some(connection) => connection,
            None => unreachable!("the connection is present until it is dropped"),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        if connection.can_be_drained() {
            return drain(connection, std::mem::replace(&mut self.return_to, ReturnTo::Pool));
        }
        if let ReturnTo::Pinned(turn, _) = &mut self.return_to {
            if connection.is_idle() {
                connection.reset();
            }
            **turn = Some(connection);
            return;
        }
        if !connection.is_idle() {
            return;
        }
        match &mut self.return_to {
            ReturnTo::Pool | ReturnTo::Pinned(..) => {}
            // The pool closes it.
            _ if connection.is_stale() => {}
            ReturnTo::Thread(pins) => {
                connection.reset();
                drop(pins.put_back(connection));
            }
            ReturnTo::PinnedSlot(turn) => {
                connection.reset();
                **turn = Some(connection);
            }
        }
    }
}

/// Drains the connection of an operation that was dropped or timed out. A connection of a request
/// returns to it.
#[cold]
fn drain(connection: PooledConnection, return_to: ReturnTo) {
    let turn = match return_to {
        ReturnTo::Pool => None,
        ReturnTo::Thread(pins) => pins.put_back_drained(&connection),
        ReturnTo::PinnedSlot(turn) | ReturnTo::Pinned(turn, _) => Some(turn),
    };
    match turn {
        Some(turn) => connection.drain_in_background(Some(turn)),
        // Checking it in makes the pool drain it.
        None => drop(connection),
    }
}

/// Returns a pinned connection that can take the next operation; otherwise the pool drains or
/// closes it.
fn fit(mut connection: PooledConnection, pool: &Pool) -> Option<PooledConnection> {
    is_fit(&mut connection, pool).then_some(connection)
}

/// Whether a pinned connection can take the next operation.
///
/// Requests can be long, and servers close connections when they step down. A check of the socket,
/// which neither waits nor consumes, avoids an error of the operation.
fn is_fit(connection: &mut PooledConnection, pool: &Pool) -> bool {
    if !connection.is_idle() || pool.is_stale(connection.generation()) {
        return false;
    }
    let is_quiet = connection.is_quiet();
    if !is_quiet {
        connection.condemn();
    }
    is_quiet
}

// ---- threads

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
    fn put_back(&self, connection: PooledConnection) -> Option<PooledConnection> {
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
    fn put_back_drained(&self, connection: &PooledConnection) -> Option<Turn> {
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

// ---- handles

/// The connections of one request of an async client. All its handles share them.
#[derive(Debug, Default)]
pub(crate) struct RequestPins {
    slots: Mutex<Vec<PinnedSlot>>,
}

/// The connection to one server and its waiting operations.
#[derive(Debug)]
struct PinnedSlot {
    pool: Weak<Shared>,
    slot: Arc<Lock<Option<PooledConnection>>>,
}

impl PinnedSlot {
    fn new(pool: &Arc<Shared>) -> Self {
        PinnedSlot { pool: Arc::downgrade(pool), slot: Arc::new(Lock::new(None)) }
    }

    fn is_of(&self, pool: &Arc<Shared>) -> bool {
        std::ptr::eq(self.pool.as_ptr(), Arc::as_ptr(pool))
    }

    /// Whether its pool has been closed, and no operation uses its connection.
    fn is_over(&self) -> bool {
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
