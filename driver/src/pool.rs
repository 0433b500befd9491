//! The pool of connections to one server.
//!
//! | question | file |
//! |---|---|
//! | who gets a connection, who may open one? | `state.rs`, pure rules |
//! | which sockets and events follow from that? | `shared.rs` |
//! | who opens a connection, and who gets it? | `opening.rs` |
//! | how is a pool cleared, and made ready? | `update.rs` |
//! | what happens to an unread reply? | `draining.rs` |
//! | which errors do refused checkouts return? | `refused.rs` |
//! | how do connections and permits return? | `held.rs` |
//! | how does a connection stay with a request? | `pins.rs` |
//! | what does the maintenance do? | `upkeep.rs` |
//! | how is a connection established? | `establish.rs` |
//! | what is a connection, and which replies are due on it? | `connection.rs` |
//! | how much memory does an idle connection keep? | `room.rs` |
//!
//! Specification "Connection Monitoring and Pooling". A checkout that finds an idle connection
//! takes one short lock. Otherwise it waits in a queue, and is handed a connection or the permit to
//! open one. A connection or permit returns itself when it is dropped, so no error, panic or
//! dropped future loses a slot.

pub(crate) mod auth;
mod connection;
mod draining;
mod establish;
mod events;
mod generation;
mod held;
mod opening;
mod pins;
mod refused;
mod room;
mod shared;
mod state;
mod update;
mod upkeep;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bson::oid::ObjectId;

pub(crate) use self::connection::{Connection, ConnectionDescription, OwnedReply};
pub(crate) use self::establish::{Establisher, Purpose, Stage};
pub(crate) use self::events::HeldEvents;
pub(crate) use self::generation::Generation;
pub(crate) use self::held::PooledConnection;
pub(crate) use self::pins::{Lease, Mark, PinnedConnection, PinnedFor, RequestPins, ThreadPins};
pub(crate) use self::shared::ErrorHook;
use self::shared::Shared;
#[cfg(test)]
pub(crate) use self::state::Counts;
use self::state::Limits;
pub(crate) use self::update::PoolUpdate;
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind};
use crate::event::cmap::{self, CmapEvent, ConnectionCheckoutFailedReason};
use crate::options::{ClientOptions, ServerAddress};
use crate::types::PoolMetrics;

/// The error of a checkout.
#[derive(Debug)]
pub(crate) struct CheckOutError {
    pub(crate) error: Error,
    /// The generation of the connection that could not be opened, or of the pool that refused.
    pub(crate) generation: Generation,
    pub(crate) stage: Stage,
}

/// Whether clearing a pool interrupts the operations on its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interrupt {
    /// Operations continue. Their connections are closed when they return.
    No,
    /// Operations fail at once, and connections being opened are closed.
    InUse,
}

/// The pool of one server. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

impl Pool {
    /// A pool that is paused until [`ready`](Self::ready). Its events, from the first one, are held
    /// back.
    pub(crate) fn new(address: ServerAddress, establisher: &Establisher) -> (Self, HeldEvents) {
        Self::with_upkeep(address, establisher, Some(upkeep::INTERVAL))
    }

    /// Creates a pool with this interval of the maintenance; `None` disables it.
    pub(crate) fn with_upkeep(
        address: ServerAddress,
        establisher: &Establisher,
        interval: Option<Duration>,
    ) -> (Self, HeldEvents) {
        let options = establisher.options();
        let limits = Limits {
            max_size: match options.max_pool_size() {
                0 => u32::MAX,
                most => most,
            },
            min_size: options.min_pool_size(),
            max_connecting: options.max_connecting(),
            max_waiters: options.max_waiters(),
            max_idle: options.max_idle_time(),
        };
        let shared = Arc::new(Shared::new(Arc::new(address), establisher.clone(), limits));
        let held = HeldEvents::of(&shared);
        shared.emit(|address| {
            CmapEvent::PoolCreated(cmap::PoolCreatedEvent {
                address,
                options: changed_options(establisher.options()),
            })
        });
        if let Some(interval) = interval {
            upkeep::start(&shared, establisher.runtime(), interval);
        }
        (Pool { shared }, held)
    }

    /// Calls `hook` with the error of each connection that could not be opened, before its slot is
    /// free again. The first hook stays.
    pub(crate) fn set_error_hook(&self, hook: ErrorHook) {
        // Only the deployment sets a hook, once per pool.
        let _ = self.shared.hook.set(hook);
    }

    /// The fast path of a checkout: takes an idle connection that needs no further steps. Otherwise
    /// use [`check_out_in_line`](Self::check_out_in_line).
    ///
    /// It needs no future. Callers box the future of the slow path, which costs an allocation.
    #[inline]
    pub(crate) fn check_out_now(&self) -> Option<PooledConnection> {
        if self.shared.is_listened_to() { None } else { self.shared.take_idle() }
    }

    /// Checks a connection out: an idle one, or else a new one if there is room, or else a returned
    /// one. Callers are served in order.
    ///
    /// # Errors
    /// - `ConnectionPoolCleared` while the pool is paused, `Shutdown` when it is closed.
    /// - `WaitQueueTimeout` if `deadline` or `waitQueueTimeoutMS` expires in the queue,
    ///   `WaitQueueFull` if `waitQueueMultiple` is exceeded.
    /// - `Timeout` if `deadline` expires while a connection is being opened.
    /// - Those of opening a connection.
    ///
    /// # Cancel safety
    /// A dropped future leaves the queue, returns its connection, or leaves the opening to the
    /// pool.
    #[inline]
    pub(crate) async fn check_out(
        &self,
        deadline: Deadline,
    ) -> Result<PooledConnection, CheckOutError> {
        match self.check_out_now() {
            Some(connection) => Ok(connection),
            None => self.check_out_in_line(deadline).await,
        }
    }

    /// The slow path of a checkout, after [`check_out_now`](Self::check_out_now) found nothing.
    ///
    /// # Errors
    /// Those of [`check_out`](Self::check_out).
    ///
    /// # Cancel safety
    /// As for [`check_out`](Self::check_out).
    pub(crate) async fn check_out_in_line(
        &self,
        deadline: Deadline,
    ) -> Result<PooledConnection, CheckOutError> {
        let Some(started) = self.checkout_started() else {
            return self.shared.check_out(deadline).await;
        };
        let mut reported = ReportedCheckout { pool: self, started, over: false };
        let mut checked_out = match self.shared.take_idle() {
            Some(connection) => Ok(connection),
            None => self.shared.check_out(deadline).await,
        };
        reported.over = true;
        match &mut checked_out {
            Ok(connection) => {
                connection.note_checked_out_event();
                let (connection_id, duration) = (connection.id(), started.elapsed());
                self.shared.emit(|address| {
                    CmapEvent::ConnectionCheckedOut(cmap::ConnectionCheckedOutEvent {
                        address,
                        connection_id,
                        duration,
                    })
                });
            }
            Err(failed) => self.checkout_failed(
                started,
                match failed.error.kind() {
                    ErrorKind::WaitQueueTimeout { .. }
                    | ErrorKind::WaitQueueFull { .. }
                    | ErrorKind::Timeout { .. } => ConnectionCheckoutFailedReason::Timeout,
                    ErrorKind::Shutdown => ConnectionCheckoutFailedReason::PoolClosed,
                    _ => ConnectionCheckoutFailedReason::ConnectionError,
                },
            ),
        }
        checked_out
    }

    fn checkout_failed(&self, started: Instant, reason: ConnectionCheckoutFailedReason) {
        let duration = started.elapsed();
        self.shared.emit(|address| {
            CmapEvent::ConnectionCheckoutFailed(cmap::ConnectionCheckoutFailedEvent {
                address,
                reason,
                duration,
            })
        });
    }

    /// The start of the checkout, if there is an event handler.
    fn checkout_started(&self) -> Option<Instant> {
        let mut started = None;
        self.shared.emit(|address| {
            started = Some(Instant::now());
            CmapEvent::ConnectionCheckoutStarted(cmap::ConnectionCheckoutStartedEvent { address })
        });
        started
    }

    /// Holds back the events of this pool until the guard is dropped. A caller that changes the
    /// pool under a lock drops the guard after the lock, because handlers may use the client.
    pub(crate) fn hold_events(&self) -> HeldEvents {
        HeldEvents::of(&self.shared)
    }

    /// Makes the pool ready to provide connections. Waiting checkouts are served when the update is
    /// dropped.
    pub(crate) fn ready(&self) -> PoolUpdate {
        self.shared.ready()
    }

    /// Starts a new generation. New checkouts fail until the pool is ready again. When the update
    /// is dropped, waiting ones fail and idle connections are closed. Connections in use are closed
    /// when they return. The errors name `cause`.
    pub(crate) fn clear(&self, cause: &Error, interrupt: Interrupt) -> PoolUpdate {
        self.shared.clear(cause, interrupt)
    }

    /// In load-balanced mode: starts a new generation of the connections to `service`. The pool
    /// stays ready.
    pub(crate) fn clear_service(&self, service: ObjectId) {
        self.shared.clear_service(service);
    }

    /// Closes the pool. Idle connections are closed now, those in use when they return. Waiting
    /// checkouts fail.
    pub(crate) fn close(&self) {
        self.shared.close();
    }

    /// The metrics of the pool.
    pub(crate) fn metrics(&self) -> PoolMetrics {
        self.shared.metrics()
    }

    /// Opens connections until there are `minPoolSize`, or until one cannot be opened.
    pub(crate) async fn warm(&self, deadline: Deadline) {
        let limits = self.shared.limits;
        let mut held = Vec::new();
        loop {
            let metrics = self.metrics();
            if metrics.in_use + metrics.idle >= limits.min_size.min(limits.max_size) {
                return;
            }
            match self.check_out(deadline).await {
                Ok(connection) => held.push(connection),
                Err(_) => return,
            }
        }
    }

    /// The current generation.
    #[cfg(feature = "conformance")]
    pub(crate) fn generation(&self) -> Generation {
        self.shared.generation()
    }

    /// Whether a checkout would now have to wait in a bounded wait queue.
    pub(crate) fn would_wait_in_bounded_queue(&self) -> bool {
        self.shared.would_wait_in_bounded_queue()
    }

    /// Whether the pool is closed, or was cleared since `generation`, as a whole or for its
    /// service.
    pub(crate) fn is_stale(&self, generation: Generation) -> bool {
        self.shared.is_stale(generation)
    }

    /// The numbers of connections by state.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> Counts {
        self.shared.counts()
    }
}

/// A checkout with a reported start. Dropping it before its end reports a failure.
struct ReportedCheckout<'p> {
    pool: &'p Pool,
    started: Instant,
    over: bool,
}

impl Drop for ReportedCheckout<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.pool.checkout_failed(self.started, ConnectionCheckoutFailedReason::Timeout);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// The options of a pool that differ from their defaults, for its first event.
fn changed_options(options: &ClientOptions) -> cmap::ConnectionPoolOptions {
    cmap::ConnectionPoolOptions {
        max_idle_time: options.max_idle_time,
        max_pool_size: options.max_pool_size,
        min_pool_size: options.min_pool_size,
        max_connecting: options.max_connecting,
        wait_queue_timeout: options.wait_queue_timeout,
    }
}

#[cfg(test)]
mod tests;
