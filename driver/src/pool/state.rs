//! The rules of a pool: who gets a connection, who may open one, what a returned connection is
//! still good for.
//!
//! A pure state machine, generic over what it keeps, without sockets, clock, events or locks; the
//! pool runs it under the one short lock of a [`toro::Handoff`]. Three rules hold after every step:
//!
//! - idle + in use + being opened + being closed = `total` ≤ `maxPoolSize`, and being opened =
//!   `pending` ≤ `maxConnecting`;
//! - nobody waits while there is an idle connection, or room to open another, unless the pool is
//!   opening one for them already;
//! - a newcomer never overtakes one who waits.
//!
//! Idle connections form a stack, so that those used last stay warm and those at the bottom grow
//! old together.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::{Duration, Instant};

use toro::Waiters;

/// The bounds of a pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// `maxPoolSize`; `u32::MAX`: without limit.
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

/// Whether connections are handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Not now: the server was not heard of yet, or was seen to fail.
    Paused,
    /// Yes.
    Ready,
    /// Never again.
    Closed,
}

/// The right, and the duty, to open one connection; already counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// The number of the connection within its pool.
    pub(crate) id: u64,
    /// The pool's generation as its opening begins.
    pub(crate) generation: u32,
    /// The pool opens it for itself: it goes to the one who waits longest when it is there.
    populates: bool,
}

/// What one who asks for a connection gets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Offer<C> {
    /// A connection. `idle_too_long`: it has lain idle for so long that it is worth a look whether
    /// it still stands.
    Connection { connection: C, idle_too_long: bool },
    /// The right to open one.
    Connect(Ticket),
    /// Connections that are of no more use, to be closed before asking again. Each keeps its place
    /// until it is [`lost`](State::lost).
    ToClose(Vec<C>, Why),
    /// None.
    Refused(Refusal),
}

/// Why an idle connection is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// It was idle for longer than `maxIdleTimeMS`.
    Idle,
    /// It is of a generation gone by.
    Stale,
}

/// Why nobody gets a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The pool is paused, or was cleared while one waited.
    Paused,
    /// The pool is closed.
    Closed,
    /// As many wait already as may.
    WaitQueueFull,
}

/// What became of a connection that was given back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Return<C> {
    /// It is idle, or has gone to the one who waited longest.
    Kept,
    /// It is of a generation gone by: to be closed. It keeps its place until it is
    /// [`lost`](State::lost).
    Stale(C),
    /// As `Stale`, of a pool that is closed.
    Closed(C),
}

/// The generation that a connection belongs to: that of the pool, or that of its service in the
/// pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Generation<S> {
    pub(crate) number: u32,
    pub(crate) service: Option<S>,
}

/// Makes what travels to one who waits: a value that finds its own way back when nobody takes it.
pub(crate) trait Wrap<C, T> {
    fn wrap(&self, offer: Offer<C>) -> T;
}

impl<C, T, F: Fn(Offer<C>) -> T> Wrap<C, T> for F {
    fn wrap(&self, offer: Offer<C>) -> T {
        self(offer)
    }
}

/// How many connections a pool has, by what they do.
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
    tick: u32,
    since: Option<Instant>,
}

/// Everything that the lock of a pool guards. `S` names a service behind a load balancer.
#[derive(Debug)]
pub(crate) struct State<C, S> {
    limits: Limits,
    phase: Phase,
    generation: u32,
    idle: VecDeque<Idle<C, S>>,
    total: u32,
    pending: u32,
    /// How many of `pending`, of the present generation, the pool opens for itself.
    populating: u32,
    opened: u64,
    tick: u32,
    services: HashMap<S, Service>,
}

#[derive(Debug, Default)]
struct Service {
    generation: u32,
    connections: u32,
}

impl<C, S: Copy + Eq + Hash> State<C, S> {
    /// A connection that was idle across this many ticks has idle_too_long.
    const REST: u32 = 2;

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

    /// The idle connection that was used last, where a newcomer can have it with nothing else to
    /// do; else [`ask`](Self::ask) tells what there is for it.
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

    /// As [`give_back`](Self::give_back), where there is nothing to it but to lay the connection to
    /// the idle ones; else the connection comes back.
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
        self.lay(connection, generation, now);
        None
    }

    #[inline]
    fn lay(&mut self, connection: C, generation: Generation<S>, since: Option<Instant>) {
        self.idle.push_back(Idle { connection, generation, tick: self.tick, since });
    }

    /// What a newcomer gets; `None`: it queues behind those who wait.
    pub(crate) fn ask<T>(
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
        // With one more to serve, the connections on their way may no longer be enough for those
        // who wait.
        self.serve_with(1, waiters, wrap);
        let offer = if waiters.is_empty() { self.next(1, now) } else { None };
        if offer.is_none()
            && self.limits.max_waiters.is_some_and(|most| waiters.len() as u64 >= most)
        {
            return Some(Offer::Refused(Refusal::WaitQueueFull));
        }
        offer
    }

    /// Whether those who may wait are bounded in number, and a newcomer would have to wait.
    pub(crate) fn is_crowded(&self, waiting: usize) -> bool {
        let at_once = !self.idle.is_empty() || self.total < self.limits.max_size;
        self.limits.max_waiters.is_some() && (waiting != 0 || !at_once)
    }

    /// What the first of `wanting` gets, if there is anything to be had.
    fn next(&mut self, wanting: usize, now: Option<Instant>) -> Option<Offer<C>> {
        if self.idle.back().is_some_and(|top| self.has_expired(top, now)) {
            // Those below it have lain there even longer.
            return Some(Offer::ToClose(self.empty(), Why::Idle));
        }
        if let Some(idle) = self.idle.pop_back() {
            if self.is_stale(idle.generation) {
                return Some(Offer::ToClose(vec![idle.connection], Why::Stale));
            }
            let idle_too_long = self.is_idle_too_long(&idle);
            return Some(Offer::Connection { connection: idle.connection, idle_too_long });
        }
        if wanting <= self.populating as usize {
            return None;
        }
        self.ticket(self.limits.max_size).map(Offer::Connect)
    }

    /// The right to open a connection, unless there are `most` or too many are being opened.
    fn ticket(&mut self, most: u32) -> Option<Ticket> {
        if self.total >= most || self.pending >= self.limits.max_connecting {
            return None;
        }
        self.total += 1;
        self.pending += 1;
        self.opened += 1;
        Some(Ticket { id: self.opened, generation: self.generation, populates: false })
    }

    /// The right to open a connection of those that `minPoolSize` asks for. Nobody who waits is
    /// passed over.
    pub(crate) fn populate(&mut self, waiting: usize) -> Option<Ticket> {
        if self.phase != Phase::Ready || waiting > 0 {
            return None;
        }
        let ticket = self.ticket(self.limits.min_size.min(self.limits.max_size))?;
        self.populating += 1;
        Some(Ticket { populates: true, ..ticket })
    }

    /// The connection of a ticket is open: it counts as in use from now on. Gives its generation.
    /// Those who wait are to be served next, in the same step: by [`serve`](Self::serve), or by
    /// giving the connection back at once.
    pub(crate) fn established(&mut self, ticket: Ticket, service: Option<S>) -> Generation<S> {
        self.spent(ticket);
        match service {
            None => Generation { number: ticket.generation, service: None },
            Some(id) => {
                let service = self.services.entry(id).or_default();
                service.connections += 1;
                Generation { number: service.generation, service: Some(id) }
            }
        }
    }

    fn spent(&mut self, ticket: Ticket) {
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
        self.spent(ticket);
        self.total -= 1;
        self.serve(waiters, wrap);
    }

    /// A connection that was in use comes back whole.
    pub(crate) fn give_back<T>(
        &mut self,
        connection: C,
        generation: Generation<S>,
        now: Option<Instant>,
        waiters: &mut Waiters<'_, T>,
        wrap: &impl Wrap<C, T>,
    ) -> Return<C> {
        if self.phase == Phase::Closed {
            return Return::Closed(connection);
        }
        if self.is_stale(generation) {
            return Return::Stale(connection);
        }
        if !waiters.is_empty() {
            // There is one to take it: the value cannot come back.
            let _ =
                waiters.hand_off(wrap.wrap(Offer::Connection { connection, idle_too_long: false }));
            return Return::Kept;
        }
        self.lay(connection, generation, now);
        Return::Kept
    }

    /// A connection that was in use, or taken out to be closed, is gone.
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

    /// Gives those who wait longest what there is to be had.
    pub(crate) fn serve<T>(&mut self, waiters: &mut Waiters<'_, T>, wrap: &impl Wrap<C, T>) {
        self.serve_with(0, waiters, wrap);
    }

    /// As [`serve`](Self::serve), when `newcomers` will queue behind them.
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
            // There is one to take it: the value cannot come back.
            let _ = waiters.hand_off(wrap.wrap(offer));
        }
    }

    /// Whether a connection of that generation serves nobody any more.
    pub(crate) fn is_stale(&self, generation: Generation<S>) -> bool {
        if self.phase == Phase::Closed {
            return true;
        }
        match generation.service {
            None => generation.number != self.generation,
            Some(id) => {
                self.services.get(&id).is_none_or(|service| service.generation != generation.number)
            }
        }
    }

    /// Hands out connections from now on, also to those who wait since before the pool was cleared
    /// and were not refused yet.
    pub(crate) fn ready<T>(&mut self, waiters: &mut Waiters<'_, T>, wrap: &impl Wrap<C, T>) {
        if self.phase == Phase::Paused {
            self.phase = Phase::Ready;
        }
        self.serve(waiters, wrap);
    }

    /// Begins a new generation and pauses. Gives whether the pool was not paused before, and the
    /// idle connections, to be closed: each keeps its place until it is [`lost`](Self::lost).
    pub(crate) fn clear(&mut self) -> (bool, Vec<C>) {
        let news = self.phase == Phase::Ready;
        if self.phase != Phase::Closed {
            self.generation = self.generation.wrapping_add(1);
            self.phase = Phase::Paused;
            // What is being opened now will serve nobody.
            self.populating = 0;
        }
        (news, self.empty())
    }

    /// Begins a new generation of one service. Gives its idle connections, as
    /// [`clear`](Self::clear) does.
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

    /// Closes the pool. Gives whether that is news, and the idle connections, as
    /// [`clear`](Self::clear) does.
    pub(crate) fn close(&mut self) -> (bool, Vec<C>) {
        let news = self.phase != Phase::Closed;
        self.phase = Phase::Closed;
        (news, self.empty())
    }

    /// Refuses all who wait, unless the pool has become ready again.
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
        self.tick.wrapping_sub(idle.tick) >= Self::REST
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

    /// Time passes: counts a tick, and takes out what has lain idle for too long, as
    /// [`clear`](Self::clear) does.
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
