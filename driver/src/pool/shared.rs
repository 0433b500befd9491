//! The pool behind its handles: the lock, and the effects of the decisions under it.
//!
//! Sockets are closed, events emitted and futures woken only after the lock is released.

use std::collections::HashMap;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use bson::oid::ObjectId;
use threadwatch::ForkGeneration;
use toro::{Event, Handoff, Take, Waiters};

use super::connection::Connection;
use super::establish::Establisher;
use super::events::PoolEvents;
use super::generation::Generation;
use super::held::{CheckedOutEvent, ConnectionsToClose, Granted, Permit, PooledConnection};
#[cfg(test)]
use super::state::Counts;
use super::state::{CloseReason, Limits, Obsolete, Offer, Phase, State, Ticket};
use super::{CheckOutError, PinnedFor};
use crate::deadline::Deadline;
use crate::event::cmap::{self, CmapEvent, ConnectionClosedReason};
use crate::options::ServerAddress;
use crate::rt::Runtime;
use crate::stream::Interrupter;
use crate::types::PoolMetrics;

pub(super) type PoolState = State<Box<Connection>, ObjectId>;

/// The hook for errors of connections that could not be opened.
pub(crate) type ErrorHook = Arc<dyn Fn(&CheckOutError) + Send + Sync>;

/// A connection that can be ended from outside.
pub(super) struct Watched {
    pub(super) generation: Generation,
    pub(super) interrupter: Interrupter,
    /// Whether it is still being opened.
    pub(super) is_opening: bool,
}

pub(super) struct Shared {
    pub(super) address: Arc<ServerAddress>,
    pub(super) establisher: Establisher,
    pub(super) limits: Limits,
    /// The handler for the pool's events.
    events: PoolEvents,
    pub(super) handoff: Handoff<PoolState, Granted>,
    /// Every connection that has a socket, by its id.
    pub(super) open: Mutex<HashMap<u64, Watched>>,
    /// Set and replaced to interrupt the connections being opened.
    pub(super) give_up: Mutex<Arc<Event>>,
    /// The cause of the last clear.
    pub(super) cause: Mutex<Option<Arc<str>>>,
    /// Wakes the maintenance early.
    pub(super) wake: Arc<Event>,
    pub(super) hook: OnceLock<ErrorHook>,
    /// The number of connections that are pinned for cursors, and for transactions.
    pinned: [AtomicU32; 2],
    /// The process that owns the sockets.
    born: ForkGeneration,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("address", &self.address).finish_non_exhaustive()
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(
        address: Arc<ServerAddress>,
        establisher: Establisher,
        limits: Limits,
    ) -> Self {
        Shared {
            address,
            events: PoolEvents::new(establisher.options().cmap_event_handler.clone()),
            establisher,
            limits,
            handoff: Handoff::new(State::new(limits)),
            open: Mutex::default(),
            give_up: Mutex::new(Arc::new(Event::new())),
            cause: Mutex::default(),
            wake: Arc::new(Event::new()),
            hook: OnceLock::new(),
            pinned: Default::default(),
            born: ForkGeneration::current(),
        }
    }

    /// The number of connections that are pinned for `purpose`.
    pub(super) fn pinned(&self, purpose: PinnedFor) -> &AtomicU32 {
        &self.pinned[purpose as usize]
    }

    pub(super) fn establisher(&self) -> &Establisher {
        &self.establisher
    }

    pub(super) fn runtime(&self) -> &Runtime {
        self.establisher.runtime()
    }

    pub(super) fn events(&self) -> &PoolEvents {
        &self.events
    }

    /// Emits an event. Builds none without a handler.
    pub(super) fn emit(&self, event: impl FnOnce(ServerAddress) -> CmapEvent) {
        self.events.emit(&self.address, event);
    }

    /// Runs `step` under the lock.
    pub(super) fn step<R>(
        self: &Arc<Self>,
        step: impl FnOnce(
            &mut PoolState,
            &mut Waiters<'_, Granted>,
            &dyn Fn(Offer<Box<Connection>>) -> Granted,
        ) -> R,
    ) -> R {
        self.handoff.with(|state, waiters| step(state, waiters, &|offer| self.wrap(offer)))
    }

    fn wrap(self: &Arc<Self>, offer: Offer<Box<Connection>>) -> Granted {
        let pool = self.clone();
        match offer {
            Offer::Connection { connection, idle_too_long } => Granted::Connection {
                connection: PooledConnection::new(connection, pool),
                idle_too_long,
            },
            Offer::Connect(ticket) => Granted::Permit(Permit::new(ticket, pool)),
            Offer::ToClose(connections, reason) => {
                let reason = match reason {
                    CloseReason::Idle => ConnectionClosedReason::Idle,
                    CloseReason::Stale => ConnectionClosedReason::Stale,
                };
                Granted::ConnectionsToClose(ConnectionsToClose::new(connections, reason, pool))
            }
            Offer::Refused(refusal) => Granted::Refused(refusal),
        }
    }

    /// The time, if idle connections have an age limit. Otherwise the clock is not read.
    pub(super) fn now(&self) -> Option<Instant> {
        self.limits.max_idle.map(|_| Instant::now())
    }

    pub(super) fn metrics(&self) -> PoolMetrics {
        self.handoff.with_state(|state, waiting| {
            let counts = state.counts();
            PoolMetrics {
                address: (*self.address).clone(),
                generation: state.generation(),
                in_use: counts.total.saturating_sub(counts.idle + counts.pending),
                idle: counts.idle,
                opening: counts.pending,
                waiting: u32::try_from(waiting).unwrap_or(u32::MAX),
            }
        })
    }

    #[cfg(test)]
    pub(super) fn counts(&self) -> Counts {
        self.handoff.with_state(|state, _| state.counts())
    }

    pub(super) fn generation(&self) -> Generation {
        self.handoff.with_state(|state, _| Generation { number: state.generation(), service: None })
    }

    pub(super) fn would_wait_in_bounded_queue(&self) -> bool {
        self.handoff.with_state(|state, waiting| state.would_wait_in_bounded_queue(waiting))
    }

    pub(super) fn is_stale(&self, generation: Generation) -> bool {
        self.handoff.with_state(|state, _| state.is_stale(generation))
    }

    pub(super) fn is_closed(&self) -> bool {
        self.handoff.with_state(|state, _| state.phase()) == Phase::Closed
    }

    /// Whether the pool belongs to the parent of this process.
    #[inline]
    pub(super) fn is_inherited(&self) -> bool {
        !self.born.is_current()
    }

    // ---- out

    /// Whether the pool's events have a handler.
    #[inline]
    pub(super) fn is_listened_to(&self) -> bool {
        self.events.is_listened_to()
    }

    /// Takes the most recently used connection if that needs no further steps. Waiting callers and
    /// old connections are left to [`check_out`](Self::check_out).
    #[inline]
    pub(super) fn take_idle(self: &Arc<Self>) -> Option<PooledConnection> {
        if self.is_inherited() {
            return None;
        }
        let now = self.now();
        let connection = self.handoff.with_state(|state, waiting| state.take_idle(waiting, now))?;
        Some(PooledConnection::new(connection, self.clone()))
    }

    pub(super) async fn check_out(
        self: &Arc<Self>,
        deadline: Deadline,
    ) -> Result<PooledConnection, CheckOutError> {
        if self.is_inherited() {
            return Err(self.left_behind());
        }
        let in_queue = deadline.within_older(self.establisher.options().wait_queue_timeout());
        loop {
            let request = |state: &mut PoolState, waiters: &mut Waiters<'_, Granted>| match state
                .request(self.now(), waiters, &|offer| self.wrap(offer))
            {
                Some(offer) => Take::Ready(self.wrap(offer)),
                None => Take::Queue,
            };
            match self.runtime().timeout(in_queue, self.handoff.wait(request)).await {
                Ok(Granted::Connection { connection, idle_too_long }) => {
                    if idle_too_long && !connection.is_quiet() {
                        connection.discard();
                        continue;
                    }
                    return Ok(connection);
                }
                Ok(Granted::Permit(permit)) => {
                    return self.open_asked(permit, deadline).await;
                }
                Ok(Granted::ConnectionsToClose(connections)) => drop(connections),
                Ok(Granted::Refused(refusal)) => return Err(self.refused(refusal)),
                Err(_) => return Err(self.timed_out()),
            }
        }
    }

    // ---- back

    /// Returns a connection that was in use.
    pub(super) fn check_in(
        self: Arc<Self>,
        connection: Box<Connection>,
        checked_out_event: CheckedOutEvent,
    ) {
        if self.is_inherited() {
            // The socket belongs to the parent process, and a thread of the parent may hold the
            // lock.
            std::mem::forget(connection);
            return;
        }
        if checked_out_event == CheckedOutEvent::Sent {
            let connection_id = connection.id();
            self.emit(|address| {
                CmapEvent::ConnectionCheckedIn(cmap::ConnectionCheckedInEvent {
                    address,
                    connection_id,
                })
            });
        }
        if connection.is_idle() {
            self.put_back(connection);
        } else {
            self.save(connection);
        }
    }

    /// Drains a connection that cannot take the next operation, or closes it.
    #[cold]
    fn save(self: Arc<Self>, connection: Box<Connection>) {
        if connection.can_be_drained() {
            PooledConnection::new(connection, self).drain_in_background(None);
        } else {
            self.discard(connection);
        }
    }

    /// Hands a usable connection to the longest waiter, or makes it idle. Closes it if it is too
    /// old.
    #[inline]
    pub(super) fn put_back(self: &Arc<Self>, mut connection: Box<Connection>) {
        connection.reset();
        let (generation, now) = (connection.generation(), self.now());
        if let Some(connection) = self
            .handoff
            .with_state(|state, waiting| state.keep(connection, generation, now, waiting))
        {
            self.hand_over(connection);
        }
    }

    /// Like [`put_back`](Self::put_back), with waiters or for a connection that the pool does not
    /// keep.
    #[inline(never)]
    fn hand_over(self: &Arc<Self>, connection: Box<Connection>) {
        let (generation, now) = (connection.generation(), self.now());
        let kept = self.step(|state, waiters, wrap| {
            state.give_back(connection, generation, now, waiters, &wrap)
        });
        if let Err(obsolete) = kept {
            self.close_obsolete(obsolete);
        }
    }

    pub(super) fn close_obsolete(self: &Arc<Self>, obsolete: Obsolete<Box<Connection>>) {
        match obsolete {
            Obsolete::Stale(connection) => self.lose(connection, ConnectionClosedReason::Stale),
            Obsolete::Closed(connection) => {
                self.lose(connection, ConnectionClosedReason::PoolClosed);
            }
        }
    }

    /// Closes a connection that was in use.
    pub(super) fn discard(self: &Arc<Self>, connection: Box<Connection>) {
        let generation = connection.generation();
        let stale = self
            .handoff
            .with_state(|state, _| state.phase() != Phase::Closed && state.is_stale(generation));
        // Behind a load balancer the reason is the error, although it has cleared the service.
        let stale = stale && generation.service().is_none();
        self.lose(
            connection,
            if stale { ConnectionClosedReason::Stale } else { ConnectionClosedReason::Error },
        );
    }

    /// Closes a connection that is neither idle nor in use, and then passes its slot to the next
    /// waiter. So neither the server nor an event handler ever counts more connections than
    /// permitted.
    pub(super) fn lose(
        self: &Arc<Self>,
        connection: Box<Connection>,
        reason: ConnectionClosedReason,
    ) {
        let (connection_id, generation) = (connection.id(), connection.generation());
        lock(&self.open).remove(&connection_id);
        drop(connection);
        self.emit(|address| {
            CmapEvent::ConnectionClosed(cmap::ConnectionClosedEvent {
                address,
                connection_id,
                reason,
            })
        });
        self.step(|state, waiters, wrap| state.lost(generation, waiters, &wrap));
    }

    // ---- the pool as a whole

    pub(super) fn clear_service(self: &Arc<Self>, service: ObjectId) {
        let idle = self.handoff.with_state(|state, _| state.clear_service(service));
        self.emit(|address| {
            CmapEvent::PoolCleared(cmap::PoolClearedEvent {
                address,
                service_id: Some(service),
                interrupt_in_use_connections: false,
            })
        });
        self.close_all(idle, ConnectionClosedReason::Stale);
    }

    pub(super) fn close(self: &Arc<Self>) {
        let (was_open, idle) = self.handoff.with_state(|state, _| state.close());
        self.step(|state, waiters, wrap| state.refuse_waiters(waiters, &wrap));
        self.close_all(idle, ConnectionClosedReason::PoolClosed);
        if was_open {
            self.emit(|address| CmapEvent::PoolClosed(cmap::PoolClosedEvent { address }));
        }
        let give_up = lock(&self.give_up).clone();
        give_up.set();
        for watched in lock(&self.open).values().filter(|watched| watched.is_opening) {
            watched.interrupter.interrupt();
        }
        self.wake.set();
    }

    #[expect(clippy::vec_box, reason = "connections are large to move")]
    fn close_all(
        self: &Arc<Self>,
        connections: Vec<Box<Connection>>,
        reason: ConnectionClosedReason,
    ) {
        drop(ConnectionsToClose::new(connections, reason, self.clone()));
    }

    /// Runs the maintenance once: closes connections that were idle for too long, and opens
    /// connections for `minPoolSize`. Returns whether the pool is still open.
    pub(super) fn upkeep(self: &Arc<Self>) -> bool {
        let now = Instant::now();
        let (phase, expired) =
            self.handoff.with_state(|state, _| (state.phase(), state.expire(now)));
        self.close_all(expired, ConnectionClosedReason::Idle);
        // Takes all tickets first. If openings fail at once because the runtime shuts down, their
        // tickets return before the next is taken.
        let tickets: Vec<Ticket> = self
            .handoff
            .with_state(|state, waiting| std::iter::from_fn(|| state.populate(waiting)).collect());
        tickets.into_iter().for_each(|ticket| self.populate(ticket));
        phase != Phase::Closed
    }
}
