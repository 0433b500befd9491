//! The pool behind its handles: the lock, and everything that follows from what was decided under it.
//!
//! Sockets are closed, events told, futures woken only after the lock is released.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bson::oid::ObjectId;
use threadwatch::ForkGeneration;
use toro::{Event, Handoff, Take, Waiters};

use super::connection::Connection;
use super::establish::{EstablishError, Establisher, Purpose, Stage};
use super::generation::Generation;
use super::held::{Doomed, Granted, Permit, PooledConnection, Told};
use super::state::{Counts, Limits, Offer, Phase, Refusal, Return, State, Ticket, Why};
use super::{CheckOutError, Interrupt};
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind};
use crate::event::EventHandler;
use crate::event::cmap::{self, CmapEvent, ConnectionClosedReason};
use crate::options::ServerAddress;
use crate::rt::{Runtime, block_on};
use crate::stream::Interrupter;

/// How long, and how much, the pool reads on to save a connection whose reply nobody waits for any more.
const DRAIN_TIME: Duration = Duration::from_secs(1);
const DRAIN_BYTES: usize = 16 * 1024 * 1024;

type PoolState = State<Box<Connection>, ObjectId>;

/// What the pool does with the error of a connection that it could not open.
pub(crate) type ErrorHook = Arc<dyn Fn(&CheckOutError) + Send + Sync>;

pub(super) struct Shared {
    address: Arc<ServerAddress>,
    establisher: Establisher,
    limits: Limits,
    handoff: Handoff<PoolState, Granted>,
    /// Every connection that was opened and not closed, with the way to interrupt it.
    open: Mutex<HashMap<u64, (Generation, Interrupter)>>,
    /// Set, and replaced, when connections that are being opened are to be given up.
    give_up: Mutex<Arc<Event>>,
    /// Why the pool was cleared last.
    cause: Mutex<Option<Arc<str>>>,
    /// Wakes the upkeep before its time.
    pub(super) wake: Arc<Event>,
    pub(super) hook: OnceLock<ErrorHook>,
    /// The process whose sockets these are.
    born: ForkGeneration,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("address", &self.address).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(address: Arc<ServerAddress>, establisher: Establisher, limits: Limits) -> Self {
        Shared {
            address,
            establisher,
            limits,
            handoff: Handoff::new(State::new(limits)),
            open: Mutex::default(),
            give_up: Mutex::new(Arc::new(Event::new())),
            cause: Mutex::default(),
            wake: Arc::new(Event::new()),
            hook: OnceLock::new(),
            born: ForkGeneration::current(),
        }
    }

    pub(super) fn establisher(&self) -> &Establisher {
        &self.establisher
    }

    fn runtime(&self) -> &Runtime {
        self.establisher.runtime()
    }

    fn handler(&self) -> Option<&EventHandler<CmapEvent>> {
        self.establisher.options().cmap_event_handler.as_ref()
    }

    /// Tells an event to whoever listens; builds none where nobody does.
    pub(super) fn emit(&self, event: impl FnOnce(ServerAddress) -> CmapEvent) {
        if let Some(handler) = self.handler() {
            handler.handle(event((*self.address).clone()));
        }
    }

    /// Runs `step` under the lock.
    fn step<R>(
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
            Offer::Connection { connection, rested } => {
                Granted::Connection { connection: PooledConnection::new(connection, pool), rested }
            }
            Offer::Connect(ticket) => Granted::Permit(Permit::new(ticket, pool)),
            Offer::Perished(connections, why) => {
                let reason = match why {
                    Why::Idle => ConnectionClosedReason::Idle,
                    Why::Stale => ConnectionClosedReason::Stale,
                };
                Granted::Doomed(Doomed::new(connections, reason, pool))
            }
            Offer::Refused(refusal) => Granted::Refused(refusal),
        }
    }

    /// The time, where idle connections have an age limit: otherwise nobody asks for it.
    fn now(&self) -> Option<Instant> {
        self.limits.max_idle.map(|_| Instant::now())
    }

    #[cfg(test)]
    pub(super) fn counts(&self) -> Counts {
        self.handoff.with(|state, _| state.counts())
    }

    pub(super) fn generation(&self) -> Generation {
        self.handoff.with(|state, _| Generation { number: state.generation(), service: None })
    }

    pub(super) fn is_stale(&self, generation: Generation) -> bool {
        self.handoff.with(|state, _| state.is_stale(generation))
    }

    // ---- out

    pub(super) async fn check_out(
        self: &Arc<Self>,
        deadline: Deadline,
    ) -> Result<PooledConnection, CheckOutError> {
        if !self.born.is_current() {
            return Err(self.left_behind());
        }
        let in_queue = deadline.within(self.establisher.options().wait_queue_timeout());
        loop {
            let ask = |state: &mut PoolState, waiters: &mut Waiters<'_, Granted>| match state.ask(
                self.now(),
                waiters,
                &|offer| self.wrap(offer),
            ) {
                Some(offer) => Take::Ready(self.wrap(offer)),
                None => Take::Queue,
            };
            match self.runtime().timeout(in_queue, self.handoff.wait(ask)).await {
                Ok(Granted::Connection { connection, rested }) => {
                    if rested && !connection.is_quiet() {
                        connection.discard();
                        continue;
                    }
                    return Ok(connection);
                }
                // Boxed, for it is rare and large, and would make every operation's future as large.
                Ok(Granted::Permit(permit)) => {
                    let (opening, connection) = Box::pin(self.open(permit, deadline)).await?;
                    return Ok(opening.into_use(connection));
                }
                Ok(Granted::Doomed(doomed)) => drop(doomed),
                Ok(Granted::Refused(refusal)) => return Err(self.refused(refusal)),
                Err(_) => return Err(self.timed_out()),
            }
        }
    }

    /// Opens the connection that `permit` allows; if it cannot, the deployment is told before the place is free again.
    ///
    /// Cancel safety: a dropped future closes the socket and gives the permit back.
    async fn open(
        self: &Arc<Self>,
        permit: Permit,
        deadline: Deadline,
    ) -> Result<(Opening<'_>, Box<Connection>), CheckOutError> {
        let ticket = permit.ticket();
        let generation = Generation { number: ticket.generation, service: None };
        let give_up = lock(&self.give_up).clone();
        if self.is_stale(generation) {
            return Err(self.refused(Refusal::Paused));
        }
        let created = Instant::now();
        self.emit(|address| {
            CmapEvent::ConnectionCreated(cmap::ConnectionCreatedEvent { address, connection_id: ticket.id })
        });
        let opening = Opening { pool: self, ticket, permit: Some(permit) };
        let watch = |interrupter| drop(lock(&self.open).insert(ticket.id, (generation, interrupter)));
        let mut outcome = None;
        let establish = async {
            let purpose = Purpose::Application;
            let (address, establisher) = (&self.address, &self.establisher);
            outcome = Some(
                establisher.establish_watched(address, ticket.id, generation, purpose, deadline, watch).await,
            );
        };
        // Either the event was set, or the connection is made or not.
        let given_up = give_up.wait().until(establish).await.is_ok();
        match outcome {
            Some(Ok(connection)) if !given_up => {
                self.emit(|address| {
                    let duration = created.elapsed();
                    let connection_id = ticket.id;
                    CmapEvent::ConnectionReady(cmap::ConnectionReadyEvent {
                        address,
                        connection_id,
                        duration,
                    })
                });
                Ok((opening, Box::new(connection)))
            }
            Some(Err(EstablishError { error, stage })) if !given_up && !is_cleared(&error) => {
                let error = CheckOutError { error, generation, stage };
                if let Some(hook) = self.hook.get() {
                    hook(&error);
                }
                Err(error)
            }
            _ => {
                drop(opening);
                Err(self.refused(Refusal::Paused))
            }
        }
    }

    // ---- back

    /// Takes a connection back that was in use.
    pub(super) fn check_in(self: Arc<Self>, connection: Box<Connection>, told: Told) {
        if !self.born.is_current() {
            // The socket is the parent's, and so may be whoever holds the lock.
            std::mem::forget(connection);
            return;
        }
        if told == Told::Yes {
            let connection_id = connection.id();
            self.emit(|address| {
                CmapEvent::ConnectionCheckedIn(cmap::ConnectionCheckedInEvent { address, connection_id })
            });
        }
        if connection.is_idle() {
            self.put_back(connection);
        } else if connection.is_healthy() && !connection.more_to_come() {
            self.drain(connection);
        } else {
            self.discard(connection);
        }
    }

    /// An intact connection goes to the one who waits longest, else among the idle ones, unless its time is over.
    pub(super) fn put_back(self: &Arc<Self>, connection: Box<Connection>) {
        let era = connection.generation();
        let now = self.now();
        self.returned(
            self.step(|state, waiters, wrap| state.give_back(connection, era, now, waiters, &wrap)),
        );
    }

    fn returned(&self, returned: Return<Box<Connection>>) {
        match returned {
            Return::Kept => {}
            Return::Stale(connection) => self.close_connection(connection, ConnectionClosedReason::Stale),
            Return::Closed(connection) => {
                self.close_connection(connection, ConnectionClosedReason::PoolClosed)
            }
        }
    }

    /// A connection that was in use leaves the pool.
    pub(super) fn discard(self: &Arc<Self>, connection: Box<Connection>) {
        let era = connection.generation();
        let stale = self.step(|state, waiters, wrap| {
            let stale = state.is_stale(era);
            state.lost(era, waiters, &wrap);
            stale
        });
        let reason = if stale { ConnectionClosedReason::Stale } else { ConnectionClosedReason::Error };
        self.close_connection(connection, reason);
    }

    /// The place of a connection that could not be opened is free again.
    pub(super) fn abandon(self: &Arc<Self>, ticket: Ticket) {
        self.step(|state, waiters, wrap| state.abandoned(ticket, waiters, &wrap));
    }

    /// Reads in the background what a connection is owed, and puts it back. It counts as in use until then.
    fn drain(self: Arc<Self>, connection: Box<Connection>) {
        let runtime = self.runtime().clone();
        let blocking = connection.is_blocking();
        // Dropped with a runtime that shuts down, it closes its connection.
        let mut draining = Draining { inner: Some((connection, self)) };
        let work = {
            let runtime = runtime.clone();
            async move { draining.run(&runtime).await }
        };
        if blocking {
            runtime.detach_blocking(move || block_on(work));
        } else {
            runtime.spawn(work);
        }
    }

    /// Closes a connection that has left the count.
    pub(super) fn close_connection(&self, connection: Box<Connection>, reason: ConnectionClosedReason) {
        let connection_id = connection.id();
        lock(&self.open).remove(&connection_id);
        drop(connection);
        self.emit(|address| {
            CmapEvent::ConnectionClosed(cmap::ConnectionClosedEvent { address, connection_id, reason })
        });
    }

    // ---- the pool as a whole

    pub(super) fn ready(self: &Arc<Self>) {
        let news = self.step(|state, waiters, wrap| {
            let news = state.ready();
            state.serve(waiters, &wrap);
            news
        });
        if news {
            self.emit(|address| CmapEvent::PoolReady(cmap::PoolReadyEvent { address }));
            self.handoff.with(|state, _| state.announced());
            self.wake.set();
        }
    }

    pub(super) fn clear(self: &Arc<Self>, cause: &Error, interrupt: Interrupt) {
        *lock(&self.cause) = Some(cause.to_string().into());
        let (cleared, (news, idle)) = self.handoff.with(|state, _| (state.generation(), state.clear()));
        if news {
            self.emit(|address| {
                CmapEvent::PoolCleared(cmap::PoolClearedEvent {
                    address,
                    service_id: None,
                    interrupt_in_use_connections: interrupt == Interrupt::InUse,
                })
            });
        }
        self.step(|state, waiters, wrap| state.refuse_waiters(waiters, &wrap));
        self.doom(idle, ConnectionClosedReason::Stale);
        if interrupt == Interrupt::InUse {
            std::mem::replace(&mut *lock(&self.give_up), Arc::new(Event::new())).set();
            for (generation, interrupter) in lock(&self.open).values() {
                if generation.number <= cleared {
                    interrupter.interrupt();
                }
            }
        }
    }

    pub(super) fn clear_service(self: &Arc<Self>, service: ObjectId) {
        let idle = self.handoff.with(|state, _| state.clear_service(service));
        self.emit(|address| {
            CmapEvent::PoolCleared(cmap::PoolClearedEvent {
                address,
                service_id: Some(service),
                interrupt_in_use_connections: false,
            })
        });
        self.doom(idle, ConnectionClosedReason::Stale);
        // Its places are free for those who wait.
        self.step(|state, waiters, wrap| state.serve(waiters, &wrap));
    }

    pub(super) fn close(self: &Arc<Self>) {
        let (news, idle) = self.handoff.with(|state, _| state.close());
        self.step(|state, waiters, wrap| state.refuse_waiters(waiters, &wrap));
        self.doom(idle, ConnectionClosedReason::PoolClosed);
        if news {
            self.emit(|address| CmapEvent::PoolClosed(cmap::PoolClosedEvent { address }));
        }
        lock(&self.give_up).set();
        self.wake.set();
    }

    #[expect(clippy::vec_box, reason = "connections stay where they are; they are large to move")]
    fn doom(self: &Arc<Self>, connections: Vec<Box<Connection>>, reason: ConnectionClosedReason) {
        drop(Doomed::new(connections, reason, self.clone()));
    }

    /// One run of the upkeep: closes what has lain idle for too long, opens what `minPoolSize` asks for. Gives whether the pool is
    /// still open.
    pub(super) fn upkeep(self: &Arc<Self>) -> bool {
        let now = Instant::now();
        let (phase, expired) = self.handoff.with(|state, _| (state.phase(), state.expire(now)));
        self.doom(expired, ConnectionClosedReason::Idle);
        self.step(|state, waiters, wrap| state.serve(waiters, &wrap));
        while let Some(ticket) = self.handoff.with(|state, waiters| state.populate(waiters.len())) {
            self.populate(ticket);
        }
        phase != Phase::Closed
    }

    /// Opens a connection that nobody asked for yet.
    fn populate(self: &Arc<Self>, ticket: Ticket) {
        let permit = Permit::new(ticket, self.clone());
        let pool = self.clone();
        let work = async move {
            if let Ok((opening, connection)) = pool.open(permit, Deadline::NEVER).await {
                opening.into_idle(connection);
                // There may be more to open.
                pool.wake.set();
            }
        };
        if self.runtime().is_blocking() {
            self.runtime().detach_blocking(move || block_on(work));
        } else {
            self.runtime().spawn(work);
        }
    }

    // ---- errors

    fn refused(&self, refusal: Refusal) -> CheckOutError {
        let closed = || self.handoff.with(|state, _| state.phase() == Phase::Closed);
        let kind = match refusal {
            Refusal::Paused if closed() => ErrorKind::Shutdown,
            Refusal::Paused => {
                let cause = lock(&self.cause).clone();
                let message = match cause {
                    Some(cause) => format!(
                        "Connection pool for {} was cleared because another operation failed with: {cause}",
                        self.address
                    ),
                    None => format!(
                        "connection pool for {} is paused: its server has not answered yet",
                        self.address
                    ),
                };
                ErrorKind::ConnectionPoolCleared { message }
            }
            Refusal::Closed => ErrorKind::Shutdown,
            Refusal::Crowded => ErrorKind::WaitQueueFull {
                message: format!(
                    "too many operations wait for a connection to {}: waitQueueMultiple allows {} ({})",
                    self.address,
                    self.limits.max_waiters.unwrap_or_default(),
                    self.summary()
                ),
            },
        };
        self.queue_error(kind)
    }

    /// The answer to what was begun in the parent of this process and goes on here, such as a cursor.
    #[cold]
    fn left_behind(&self) -> CheckOutError {
        let message = format!(
            "the connections to {} belong to the process that this one was forked from",
            self.address
        );
        let cause = std::io::Error::from(std::io::ErrorKind::NotConnected);
        let error = Error::io(message, cause).at(&self.address);
        CheckOutError { error, generation: Generation::FIRST, stage: Stage::Queue }
    }

    pub(super) fn timed_out(&self) -> CheckOutError {
        let message = format!(
            "Timed out while checking out a connection from connection pool of {} ({})",
            self.address,
            self.summary()
        );
        self.queue_error(ErrorKind::WaitQueueTimeout { message })
    }

    fn queue_error(&self, kind: ErrorKind) -> CheckOutError {
        let error = Error::new(kind).at(&self.address);
        CheckOutError { error, generation: self.generation(), stage: Stage::Queue }
    }

    fn summary(&self) -> String {
        let (counts, waiting) = self.handoff.with(|state, waiters| (state.counts(), waiters.len()));
        let Counts { total, idle, pending } = counts;
        let most = match self.limits.max_size {
            u32::MAX => "no limit".to_owned(),
            most => most.to_string(),
        };
        format!(
            "maxPoolSize: {most}, in use: {}, idle: {idle}, being opened: {pending}, waiting: {waiting}",
            total - idle - pending
        )
    }
}

fn is_cleared(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionPoolCleared { .. })
}

/// A connection that is being opened. Dropped before it is there, it leaves the pool again.
struct Opening<'a> {
    pool: &'a Arc<Shared>,
    ticket: Ticket,
    permit: Option<Permit>,
}

impl Opening<'_> {
    /// The connection is for the one who opened it.
    fn into_use(mut self, connection: Box<Connection>) -> PooledConnection {
        let pool = self.pool;
        let connection = self.settle(connection, |connection, _, state, waiters, wrap| {
            state.serve(waiters, &wrap);
            connection
        });
        PooledConnection::new(connection, pool.clone())
    }

    /// The connection is for the one who waits longest, or is idle. No one can open another in between.
    fn into_idle(mut self, connection: Box<Connection>) {
        let pool = self.pool;
        let now = pool.now();
        let returned = self.settle(connection, |connection, era, state, waiters, wrap| {
            let returned = state.give_back(connection, era, now, waiters, &wrap);
            state.serve(waiters, &wrap);
            returned
        });
        pool.returned(returned);
    }

    /// The ticket becomes a connection, and `then` decides whose, in one step.
    fn settle<R>(
        &mut self,
        mut connection: Box<Connection>,
        then: impl FnOnce(
            Box<Connection>,
            Generation,
            &mut PoolState,
            &mut Waiters<'_, Granted>,
            &dyn Fn(Offer<Box<Connection>>) -> Granted,
        ) -> R,
    ) -> R {
        let service = connection.description().service_id;
        let ticket = self.ticket;
        if let Some(permit) = self.permit.take() {
            permit.spend();
        }
        self.pool.step(|state, waiters, wrap| {
            let era = state.established(ticket, service);
            connection.set_generation(era);
            if service.is_some()
                && let Some((known, _)) = lock(&self.pool.open).get_mut(&ticket.id)
            {
                *known = era;
            }
            then(connection, era, state, waiters, wrap)
        })
    }
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            let connection_id = permit.ticket().id;
            drop(permit);
            lock(&self.pool.open).remove(&connection_id);
            self.pool.emit(|address| {
                let reason = ConnectionClosedReason::Error;
                CmapEvent::ConnectionClosed(cmap::ConnectionClosedEvent { address, connection_id, reason })
            });
        }
    }
}

/// A connection whose reply is read in the background. Dropped before the end, it is closed.
struct Draining {
    inner: Option<(Box<Connection>, Arc<Shared>)>,
}

impl Draining {
    async fn run(&mut self, runtime: &Runtime) {
        let Some((connection, _)) = &mut self.inner else { return };
        let deadline = Deadline::after(DRAIN_TIME);
        if connection.drain(runtime, deadline, DRAIN_BYTES).await.is_ok()
            && let Some((connection, pool)) = self.inner.take()
        {
            pool.put_back(connection);
        }
    }
}

impl Drop for Draining {
    fn drop(&mut self) {
        if let Some((connection, pool)) = self.inner.take() {
            pool.discard(connection);
        }
    }
}
