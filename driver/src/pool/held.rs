//! The values that a pool hands out. They return themselves when they are dropped.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::Pool;
use super::connection::Connection;
use super::shared::Shared;
use super::state::{Refusal, Ticket};
use crate::event::cmap::ConnectionClosedReason;

/// The result of a request for a connection.
#[derive(Debug)]
pub(super) enum Granted {
    /// `idle_too_long`: the socket must be checked.
    Connection {
        connection: PooledConnection,
        idle_too_long: bool,
    },
    Permit(Permit),
    /// The caller must drop this before its next request.
    ConnectionsToClose(ConnectionsToClose),
    Refused(Refusal),
}

/// A connection in use. Dropping it checks it in.
#[derive(Debug)]
pub(crate) struct PooledConnection {
    /// Present until it is dropped.
    inner: Option<(Box<Connection>, Arc<Shared>)>,
    /// Only a connection with this event gets a `ConnectionCheckedIn` event when it returns.
    checked_out_event: CheckedOutEvent,
}

/// Whether the `ConnectionCheckedOut` event was emitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CheckedOutEvent {
    NotSent,
    Sent,
}

impl PooledConnection {
    pub(super) fn new(connection: Box<Connection>, pool: Arc<Shared>) -> Self {
        PooledConnection {
            inner: Some((connection, pool)),
            checked_out_event: CheckedOutEvent::NotSent,
        }
    }

    /// Records that the `ConnectionCheckedOut` event was emitted.
    pub(super) fn note_checked_out_event(&mut self) {
        self.checked_out_event = CheckedOutEvent::Sent;
    }

    /// Whether the connection belongs to `pool`.
    pub(super) fn is_of(&self, pool: &Pool) -> bool {
        self.inner.as_ref().is_some_and(|(_, of)| Arc::ptr_eq(of, &pool.shared))
    }

    /// Whether both connections belong to the same pool.
    pub(super) fn is_same_pool(&self, other: &PooledConnection) -> bool {
        match (&self.inner, &other.inner) {
            (Some((_, a)), Some((_, b))) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// Whether its pool no longer uses it.
    pub(super) fn is_stale(&self) -> bool {
        self.inner.as_ref().is_some_and(|(connection, pool)| pool.is_stale(connection.generation()))
    }

    /// The pool of the connection.
    pub(super) fn pool(&self) -> Arc<Shared> {
        match &self.inner {
            Some((_, pool)) => pool.clone(),
            None => unreachable!("the connection is present until it is dropped"),
        }
    }

    /// Closes the connection instead of checking it in.
    pub(super) fn discard(mut self) {
        if let Some((connection, pool)) = self.inner.take() {
            pool.discard(connection);
        }
    }
}

impl Deref for PooledConnection {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        match &self.inner {
            Some((connection, _)) => connection,
            None => unreachable!("the connection is present until it is dropped"),
        }
    }
}

impl DerefMut for PooledConnection {
    fn deref_mut(&mut self) -> &mut Connection {
        match &mut self.inner {
            Some((connection, _)) => connection,
            None => unreachable!("the connection is present until it is dropped"),
        }
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        if let Some((connection, pool)) = self.inner.take() {
            pool.check_in(connection, self.checked_out_event);
        }
    }
}

/// The right to open a connection. Dropping it passes the slot to the next waiter.
#[derive(Debug)]
pub(super) struct Permit {
    ticket: Ticket,
    pool: Option<Arc<Shared>>,
}

impl Permit {
    pub(super) fn new(ticket: Ticket, pool: Arc<Shared>) -> Self {
        Permit { ticket, pool: Some(pool) }
    }

    pub(super) fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// A connection now uses the slot.
    pub(super) fn spend(mut self) {
        self.pool = None;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            pool.abandon(self.ticket);
        }
    }
}

/// Connections to close. Dropping this closes them and then frees their slots.
#[derive(Debug)]
#[expect(clippy::vec_box, reason = "connections are large to move")]
pub(super) struct ConnectionsToClose {
    connections: Vec<Box<Connection>>,
    reason: ConnectionClosedReason,
    pool: Arc<Shared>,
}

impl ConnectionsToClose {
    #[expect(clippy::vec_box, reason = "as above")]
    pub(super) fn new(
        connections: Vec<Box<Connection>>,
        reason: ConnectionClosedReason,
        pool: Arc<Shared>,
    ) -> Self {
        ConnectionsToClose { connections, reason, pool }
    }
}

impl Drop for ConnectionsToClose {
    fn drop(&mut self) {
        for connection in self.connections.drain(..) {
            self.pool.lose(connection, self.reason);
        }
    }
}
