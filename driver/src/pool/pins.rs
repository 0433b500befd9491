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

mod request_pins;
mod thread_pins;

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use toro::{Lock, OwnedGuard};

pub(crate) use self::request_pins::RequestPins;
pub(crate) use self::thread_pins::{Mark, ThreadPins};
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
