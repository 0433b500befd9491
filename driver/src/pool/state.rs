//! The rules of a pool: the assignment of connections, of rights to open one, and the treatment of
//! returned connections.
//!
//! A pure state machine, generic over the connection type, without sockets, clock, events or locks.
//! The pool runs it under the short lock of a [`toro::Handoff`]. Three rules hold after every step:
//!
//! - idle + in use + being opened + being closed = `total` ≤ `maxPoolSize`, and being opened =
//!   `pending` ≤ `maxConnecting`;
//! - no caller waits while there is an idle connection or room to open one, unless the pool is
//!   already opening one for it;
//! - a newcomer never overtakes a waiter.
//!
//! A connection that was taken out to be closed occupies its slot until it is
//! [`lost`](State::lost).
//!
//! Idle connections form a stack, so the most recently used ones stay in use, and those at the
//! bottom expire together.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::{Duration, Instant};

use toro::Waiters;

/// The limits of a pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// `maxPoolSize`; `u32::MAX` means no limit.
    pub(crate) max_size: u32,
    /// `minPoolSize`.
    pub(crate) min_size: u32,
    /// `maxConnecting`.
    pub(crate) max_connecting: u32,
    /// `maxPoolSize` times `waitQueueMultiple`.
    pub(crate) max_waiters: Option<u64>,
    /// `maxIdleTimeMS`.
    pub(crate) max_idle: Option<Duration>,
}

/// The phase of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Paused: the server is unknown or has failed.
    Paused,
    /// Ready to provide connections.
    Ready,
    /// Closed.
    Closed,
}

/// The right and the duty to open one connection. It is already counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// The id of the connection within its pool.
    pub(crate) id: u64,
    /// The pool's generation at the start of the opening.
    pub(crate) generation: u32,
    /// The pool opens it for itself. The connection goes to the longest waiter.
    populates: bool,
}

/// The result of a request for a connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Offer<C> {
    /// A connection. `idle_too_long`: it was idle for so long that its socket must be checked.
    Connection { connection: C, idle_too_long: bool },
    /// The right to open a connection.
    Connect(Ticket),
    /// Connections to close before the next request.
    ToClose(Vec<C>, CloseReason),
    /// No connection.
    Refused(Refusal),
}

/// The reason for closing an idle connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseReason {
    /// It was idle for longer than `maxIdleTimeMS`.
    Idle,
    /// Its generation is old.
    Stale,
}

/// The reason for refusing a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The pool is paused, or was cleared during the wait.
    Paused,
    /// The pool is closed.
    Closed,
    /// The wait queue is full.
    WaitQueueFull,
}

/// A connection that must be closed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Obsolete<C> {
    /// Its generation is old.
    Stale(C),
    /// Its pool is closed.
    Closed(C),
}

/// The generation of a connection: that of the pool, or that of its service in the pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Generation<S> {
    pub(crate) number: u32,
    pub(crate) service: Option<S>,
}

/// Wraps the value for a waiter. The wrapped value returns itself if no waiter takes it.
pub(crate) trait Wrap<C, T> {
    fn wrap(&self, offer: Offer<C>) -> T;
}

impl<C, T, F: Fn(Offer<C>) -> T> Wrap<C, T> for F {
    fn wrap(&self, offer: Offer<C>) -> T {
        self(offer)
    }
}

/// The numbers of connections in a pool by state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) total: u32,
    pub(crate) idle: u32,
    pub(crate) pending: u32,
}

#[derive(Debug)]
struct Idle<C, S> {
    connection: C,
    generation: Generation<S>,
    /// The tick at which it became idle.
    tick: u32,
    /// The time at which it became idle, if `maxIdleTimeMS` is set.
    since: Option<Instant>,
}

/// The state under the lock of a pool. `S` identifies a service behind a load balancer.
#[derive(Debug)]
pub(crate) struct State<C, S> {
    limits: Limits,
    phase: Phase,
    generation: u32,
    idle: VecDeque<Idle<C, S>>,
    total: u32,
    pending: u32,
    /// The number of `pending` connections of the current generation that the pool opens for
    /// itself.
    populating: u32,
    opened: u64,
    /// The number of calls of [`expire`](Self::expire). It measures idle times without a clock.
    tick: u32,
    services: HashMap<S, Service>,
}

#[derive(Debug, Default)]
struct Service {
    generation: u32,
    connections: u32,
}

impl<C, S: Copy + Eq + Hash> State<C, S> {
    /// A connection that was idle during this many ticks counts as `idle_too_long`.
    const IDLE_TICKS: u32 = 2;

    pub(crate) fn new(limits: Limits) -> Self {
        State {
            limits,
            phase: Phase::Paused,
            generation: 0,
            idle: VecDeque::new(),
            total: 0,
            pending: 0,
            populating: 0,
            opened: 0,
            tick: 0,
            services: HashMap::new(),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn generation(&self) -> u32 {
        self.generation
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts { total: self.total, idle: self.idle.len() as u32, pending: self.pending }
    }

    /// Takes the most recently used idle connection, if a newcomer can have it without further
    /// steps. Otherwise use [`request`](Self::request).
    #[inline]
    pub(crate) fn take_idle(&mut self, waiting: usize, now: Option<Instant>) -> Option<C> {
        let top = self.idle.back()?;
        let fit = self.phase == Phase::Ready
            && waiting == 0
            && !self.is_stale(top.generation)
            && !self.is_idle_too_long(top)
            && !self.has_expired(top, now);
        if fit { self.idle.pop_back().map(|idle| idle.connection) } else { None }
    }

    /// Like [`give_back`](Self::give_back), if the connection only becomes idle. Otherwise returns
    /// the connection.
    #[inline]
    pub(crate) fn keep(
        &mut self,
        connection: C,
        generation: Generation<S>,
        now: Option<Instant>,
        waiting: usize,
    ) -> Option<C> {
        if waiting != 0 || self.phase == Phase::Closed || self.is_stale(generation) {
            return Some(connection);
        }
        self.push_idle(connection, generation, now);
        None
    }

    #[inline]
    fn push_idle(&mut self, connection: C, generation: Generation<S>, since: Option<Instant>) {
        self.idle.push_back(Idle { connection, generation, tick: self.tick, since });
    }

    /// The offer for a newcomer; `None` if it has to queue behind the waiters.
    pub(crate) fn request<T>(
        &mut self,
        now: Option<Instant>,
        waiters: &mut Waiters<'_, T>,
        wrap: &impl Wrap<C, T>,
    ) -> Option<Offer<C>> {
        match self.phase {
            Phase::Paused => return Some(Offer::Refused(Refusal::Paused)),
            Phase::Closed => return Some(Offer::Refused(Refusal::Closed)),
            Phase::Ready => {}
        }
        // With one more caller, the connections being opened may no longer suffice for the waiters.
        self.serve_with(1, waiters, wrap);
        let offer = if waiters.is_empty() { self.next(1, now) } else { None };
        if offer.is_none()
            && self.limits.max_waiters.is_some_and(|limit| waiters.len() as u64 >= limit)
        {
            return Some(Offer::Refused(Refusal::WaitQueueFull));
        }
        offer
    }

    /// Whether the wait queue is bounded, and a newcomer would have to wait.
    pub(crate) fn would_wait_in_bounded_queue(&self, waiting: usize) -> bool {
        let at_once = !self.idle.is_empty() || self.total < self.limits.max_size;
        self.limits.max_waiters.is_some() && (waiting != 0 || !at_once)
    }

    /// The offer for the first of `wanting` callers, if there is one.
    fn next(&mut self, wanting: usize, now: Option<Instant>) -> Option<Offer<C>> {
        if self.idle.back().is_some_and(|top| self.has_expired(top, now)) {
            // The connections below it have been idle even longer.
            return Some(Offer::ToClose(self.empty(), CloseReason::Idle));
        }
        if let Some(idle) = self.idle.pop_back() {
            if self.is_stale(idle.generation) {
                return Some(Offer::ToClose(vec![idle.connection], CloseReason::Stale));
            }
            let idle_too_long = self.is_idle_too_long(&idle);
            return Some(Offer::Connection { connection: idle.connection, idle_too_long });
        }
        if wanting <= self.populating as usize {
            return None;
        }
        self.ticket(self.limits.max_size).map(Offer::Connect)
    }

    /// The right to open a connection, unless `limit` are open already, or too many are being
    /// opened.
    fn ticket(&mut self, limit: u32) -> Option<Ticket> {
        if self.total >= limit || self.pending >= self.limits.max_connecting {
            return None;
        }
        self.total += 1;
        self.pending += 1;
        self.opened += 1;
        Some(Ticket { id: self.opened, generation: self.generation, populates: false })
    }

    /// The right to open a connection for `minPoolSize`. Waiters come first.
    pub(crate) fn populate(&mut self, waiting: usize) -> Option<Ticket> {
        if self.phase != Phase::Ready || waiting > 0 {
            return None;
        }
        let ticket = self.ticket(self.limits.min_size.min(self.limits.max_size))?;
        self.populating += 1;
        Some(Ticket { populates: true, ..ticket })
    }

    /// The connection of a ticket is open and counts as in use. Returns its generation. The waiters
    /// must be served in the same step: by [`claim`](Self::claim), or by returning the
    /// connection at once.
    pub(crate) fn established(&mut self, ticket: Ticket, service: Option<S>) -> Generation<S> {
        self.opening_ended(ticket);
        match service {
            None => Generation { number: ticket.generation, service: None },
            Some(id) => {
                let service = self.services.entry(id).or_default();
                service.connections += 1;
                Generation { number: service.generation, service: Some(id) }
            }
        }
    }

    /// The connection of a ticket goes to its opener. `Err` if the pool was cleared or closed
    /// during the opening: connections of an older generation run no operation.
    pub(crate) fn claim<T>(
        &mut self,
        connection: C,
        generation: Generation<S>,
        waiters: &mut Waiters<'_, T>,
        wrap: &impl Wrap<C, T>,
    ) -> Result<C, Obsolete<C>> {
        self.serve(waiters, wrap);
        self.current(connection, generation)
    }

    /// The connection of a ticket is no longer being opened.
    fn opening_ended(&mut self, ticket: Ticket) {
        self.pending -= 1;
        self.populating -= u32::from(ticket.populates && ticket.generation == self.generation);
    }

    /// The connection of a ticket could not be opened.
    pub(crate) fn abandoned<T>(
        &mut self,
        ticket: Ticket,
        waiters: &mut Waiters<'_, T>,
        wrap: &impl Wrap<C, T>,
    ) {
        self.opening_ended(ticket);
        self.total -= 1;
        self.serve(waiters, wrap);
    }

    /// Returns an intact connection that was in use. It becomes idle, or goes to the longest
    /// waiter.
    pub(crate) fn give_back<T>(
        &mut self,
        connection: C,
        generation: Generation<S>,
        now: Option<Instant>,
        waiters: &mut Waiters<'_, T>,
        wrap: &impl Wrap<C, T>,
    ) -> Result<(), Obsolete<C>> {
        let connection = self.current(connection, generation)?;
        if !waiters.is_empty() {
            // There is a waiter, so the value cannot come back.
            let _ =
                waiters.hand_off(wrap.wrap(Offer::Connection { connection, idle_too_long: false }));
            return Ok(());
        }
        self.push_idle(connection, generation, now);
        Ok(())
    }

    /// The connection, unless it must not be used any more.
    fn current(&self, connection: C, generation: Generation<S>) -> Result<C, Obsolete<C>> {
        match self.phase {
            Phase::Closed => Err(Obsolete::Closed(connection)),
            _ if self.is_stale(generation) => Err(Obsolete::Stale(connection)),
            _ => Ok(connection),
        }
    }

    /// A connection that was in use, or was taken out for closing, is closed.
    pub(crate) fn lost<T>(
        &mut self,
        generation: Generation<S>,
        waiters: &mut Waiters<'_, T>,
        wrap: &impl Wrap<C, T>,
    ) {
        self.total -= 1;
        self.forget_service(generation.service);
        self.serve(waiters, wrap);
    }

    fn forget_service(&mut self, service: Option<S>) {
        if let Some(id) = service
            && let Some(entry) = self.services.get_mut(&id)
        {
            entry.connections -= 1;
            if entry.connections == 0 {
                self.services.remove(&id);
            }
        }
    }

    /// Serves the longest waiters with the available connections.
    pub(crate) fn serve<T>(&mut self, waiters: &mut Waiters<'_, T>, wrap: &impl Wrap<C, T>) {
        self.serve_with(0, waiters, wrap);
    }

    /// Like [`serve`](Self::serve), with `newcomers` about to queue.
    fn serve_with<T>(
        &mut self,
        newcomers: usize,
        waiters: &mut Waiters<'_, T>,
        wrap: &impl Wrap<C, T>,
    ) {
        while self.phase == Phase::Ready
            && !waiters.is_empty()
            && let Some(offer) = self.next(waiters.len() + newcomers, None)
        {
            // There is a waiter, so the value cannot come back.
            let _ = waiters.hand_off(wrap.wrap(offer));
        }
    }

    /// Whether connections of that generation must not be used any more.
    pub(crate) fn is_stale(&self, generation: Generation<S>) -> bool {
        if self.phase == Phase::Closed {
            return true;
        }
        match generation.service {
            None => generation.number != self.generation,
            Some(id) => generation != self.generation_of(id),
        }
    }

    /// The current generation of a service. The first generation if there is no connection to it.
    pub(crate) fn generation_of(&self, id: S) -> Generation<S> {
        let number = self.services.get(&id).map_or(0, |service| service.generation);
        Generation { number, service: Some(id) }
    }

    /// Makes the pool ready, also for waiters from before a clear that were not refused yet. They
    /// must then be [`served`](Self::serve).
    pub(crate) fn ready(&mut self) {
        if self.phase == Phase::Paused {
            self.phase = Phase::Ready;
        }
    }

    /// Starts a new generation and pauses. Returns whether the pool was ready, and the idle
    /// connections to close.
    pub(crate) fn clear(&mut self) -> (bool, Vec<C>) {
        let was_ready = self.phase == Phase::Ready;
        if self.phase != Phase::Closed {
            self.generation = self.generation.wrapping_add(1);
            self.phase = Phase::Paused;
            // The connections being opened will not be used.
            self.populating = 0;
        }
        (was_ready, self.empty())
    }

    /// Starts a new generation of one service. Returns its idle connections to close.
    pub(crate) fn clear_service(&mut self, id: S) -> Vec<C> {
        let Some(service) = self.services.get_mut(&id) else { return Vec::new() };
        service.generation = service.generation.wrapping_add(1);
        let mut cleared = Vec::new();
        for idle in std::mem::take(&mut self.idle) {
            if idle.generation.service == Some(id) {
                cleared.push(idle.connection);
            } else {
                self.idle.push_back(idle);
            }
        }
        cleared
    }

    /// Closes the pool. Returns whether it was open, and the idle connections to close.
    pub(crate) fn close(&mut self) -> (bool, Vec<C>) {
        let was_open = self.phase != Phase::Closed;
        self.phase = Phase::Closed;
        (was_open, self.empty())
    }

    /// Refuses all waiters, unless the pool is ready again.
    pub(crate) fn refuse_waiters<T>(
        &mut self,
        waiters: &mut Waiters<'_, T>,
        wrap: &impl Wrap<C, T>,
    ) {
        let refusal = match self.phase {
            Phase::Ready => return,
            Phase::Paused => Refusal::Paused,
            Phase::Closed => Refusal::Closed,
        };
        waiters.hand_off_all(|| wrap.wrap(Offer::Refused(refusal)));
    }

    fn is_idle_too_long(&self, idle: &Idle<C, S>) -> bool {
        self.tick.wrapping_sub(idle.tick) >= Self::IDLE_TICKS
    }

    fn has_expired(&self, idle: &Idle<C, S>, now: Option<Instant>) -> bool {
        match (self.limits.max_idle, now) {
            (Some(limit), Some(now)) => idle.has_expired(limit, now),
            _ => false,
        }
    }

    fn empty(&mut self) -> Vec<C> {
        std::mem::take(&mut self.idle).into_iter().map(|idle| idle.connection).collect()
    }

    /// Counts a tick. Returns the connections to close that were idle for too long.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<C> {
        self.tick = self.tick.wrapping_add(1);
        let Some(limit) = self.limits.max_idle else { return Vec::new() };
        let young = self.idle.partition_point(|idle| idle.has_expired(limit, now));
        let rest = self.idle.split_off(young);
        let expired = self.empty();
        self.idle = rest;
        expired
    }
}

impl<C, S> Idle<C, S> {
    fn has_expired(&self, limit: Duration, now: Instant) -> bool {
        self.since.is_some_and(|since| now.saturating_duration_since(since) > limit)
    }
}

#[cfg(test)]
#[path = "state/model.rs"]
pub(crate) mod model;
#[cfg(all(test, not(loom)))]
mod tests;
