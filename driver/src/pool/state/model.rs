//! A pool without sockets: the real rules under the real lock, with numbers as connections.
//!
//! Its values return themselves when they are dropped, like those of the real pool. The random
//! schedules in `tests.rs` use it, and the loom models of the crate `pool-model` compile it a
//! second time.

use std::sync::Arc;

use toro::{Handoff, Take, Waiters};

use super::{Counts, Generation, Limits, Obsolete, Offer, Refusal, State, Ticket};

pub(crate) struct Model {
    handoff: Handoff<State<u64, u8>, Granted>,
}

/// The result of a request.
pub(crate) enum Granted {
    Connection(Held),
    Permit(Permit),
    ToClose(ToClose),
    Refused(Refusal),
}

/// A connection in use.
pub(crate) struct Held {
    pub(crate) id: u64,
    generation: Generation<u8>,
    /// `None` once the connection is gone.
    pool: Option<Arc<Model>>,
}

/// Connections being closed. Dropping this completes the closing.
pub(crate) struct ToClose {
    connections: Vec<u64>,
    pool: Arc<Model>,
}

/// The right to open a connection.
pub(crate) struct Permit {
    ticket: Ticket,
    pool: Option<Arc<Model>>,
}

pub(crate) fn limits(max_size: u32, max_connecting: u32) -> Limits {
    Limits { max_size, min_size: 0, max_connecting, max_waiters: None, max_idle: None }
}

impl Model {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        let model = Arc::new(Model { handoff: Handoff::new(State::new(limits)) });
        model.ready();
        model
    }

    fn step<R>(
        self: &Arc<Self>,
        step: impl FnOnce(
            &mut State<u64, u8>,
            &mut Waiters<'_, Granted>,
            &dyn Fn(Offer<u64>) -> Granted,
        ) -> R,
    ) -> R {
        self.handoff.with(|state, waiters| step(state, waiters, &|offer| self.wrap(offer)))
    }

    fn wrap(self: &Arc<Self>, offer: Offer<u64>) -> Granted {
        match offer {
            Offer::Connection { connection, .. } => Granted::Connection(Held {
                id: connection,
                generation: generation(connection),
                pool: Some(self.clone()),
            }),
            Offer::Connect(ticket) => Granted::Permit(Permit { ticket, pool: Some(self.clone()) }),
            Offer::ToClose(connections, _) => Granted::ToClose(self.to_close(connections)),
            Offer::Refused(refusal) => Granted::Refused(refusal),
        }
    }

    fn to_close(self: &Arc<Self>, connections: Vec<u64>) -> ToClose {
        ToClose { connections, pool: self.clone() }
    }

    /// Requests a connection once, as a checkout does.
    pub(crate) async fn request(self: &Arc<Self>) -> Granted {
        if let Some(id) = self.handoff.with_state(|state, waiting| state.take_idle(waiting, None)) {
            return self.wrap(Offer::Connection { connection: id, idle_too_long: false });
        }
        let request = |state: &mut State<u64, u8>, waiters: &mut Waiters<'_, Granted>| match state
            .request(None, waiters, &|offer| self.wrap(offer))
        {
            Some(offer) => Take::Ready(self.wrap(offer)),
            None => Take::Queue,
        };
        self.handoff.wait(request).await
    }

    /// A connection, opened if needed.
    ///
    /// # Errors
    /// The pool refuses.
    pub(crate) async fn check_out(self: &Arc<Self>) -> Result<Held, Refusal> {
        loop {
            match self.request().await {
                Granted::Connection(held) => return Ok(held),
                Granted::Permit(permit) => return permit.open(),
                Granted::ToClose(to_close) => drop(to_close),
                Granted::Refused(refusal) => return Err(refusal),
            }
        }
    }

    /// The steps of a clear. The real pool emits its event and releases the lock of the nest
    /// between the first two, and closes sockets in the last.
    pub(crate) fn clear(self: &Arc<Self>) {
        let (_, idle) = self.handoff.with_state(|state, _| state.clear());
        self.step(|state, waiters, wrap| state.refuse_waiters(waiters, &wrap));
        drop(self.to_close(idle));
    }

    /// The steps of making the pool ready. The real pool releases the lock of the nest in between.
    pub(crate) fn ready(self: &Arc<Self>) {
        self.handoff.with_state(|state, _| state.ready());
        self.step(|state, waiters, wrap| state.serve(waiters, &wrap));
    }

    pub(crate) fn close(self: &Arc<Self>) {
        let (_, idle) = self.handoff.with_state(|state, _| state.close());
        self.step(|state, waiters, wrap| state.refuse_waiters(waiters, &wrap));
        drop(self.to_close(idle));
    }

    /// Closes the connection. Returns the refusal of its opener.
    fn close_obsolete(self: &Arc<Self>, obsolete: Obsolete<u64>) -> Refusal {
        let (id, refusal) = match obsolete {
            Obsolete::Stale(id) => (id, Refusal::Paused),
            Obsolete::Closed(id) => (id, Refusal::Closed),
        };
        drop(self.to_close(vec![id]));
        refusal
    }

    /// The right to open a connection in the background.
    pub(crate) fn populate(self: &Arc<Self>) -> Option<Permit> {
        let ticket = self.handoff.with_state(|state, waiting| state.populate(waiting))?;
        Some(Permit { ticket, pool: Some(self.clone()) })
    }

    /// The counts, and the number of waiters.
    pub(crate) fn counts(&self) -> (Counts, usize) {
        self.handoff.with_state(|state, waiting| (state.counts(), waiting))
    }
}

/// The upper half of a connection number is its generation.
fn numbered(ticket: Ticket) -> u64 {
    u64::from(ticket.generation) << 32 | ticket.id
}

fn generation(connection: u64) -> Generation<u8> {
    Generation { number: (connection >> 32) as u32, service: None }
}

impl Drop for ToClose {
    fn drop(&mut self) {
        for connection in self.connections.drain(..) {
            self.pool
                .step(|state, waiters, wrap| state.lost(generation(connection), waiters, &wrap));
        }
    }
}

impl Permit {
    /// The connection is open and belongs to its opener.
    ///
    /// # Errors
    /// The pool was cleared or closed during the opening.
    pub(crate) fn open(mut self) -> Result<Held, Refusal> {
        let Some(pool) = self.pool.take() else { return Err(Refusal::Closed) };
        let ticket = self.ticket;
        let opened = pool.step(|state, waiters, wrap| {
            let generation = state.established(ticket, None);
            state.claim(numbered(ticket), generation, waiters, &wrap)
        });
        match opened {
            Ok(id) => Ok(Held { id, generation: generation(id), pool: Some(pool) }),
            Err(obsolete) => Err(pool.close_obsolete(obsolete)),
        }
    }

    /// Whether the connection will be stale.
    pub(crate) fn is_stale(&self) -> bool {
        let generation = |pool: &Arc<Model>| pool.handoff.with_state(|state, _| state.generation());
        self.pool.as_ref().is_some_and(|pool| self.ticket.generation != generation(pool))
    }

    /// The connection is open and goes to the longest waiter.
    pub(crate) fn open_idle(mut self) {
        let ticket = self.ticket;
        if let Some(pool) = self.pool.take() {
            let kept = pool.step(|state, waiters, wrap| {
                let generation = state.established(ticket, None);
                let kept = state.give_back(numbered(ticket), generation, None, waiters, &wrap);
                state.serve(waiters, &wrap);
                kept
            });
            if let Err(obsolete) = kept {
                pool.close_obsolete(obsolete);
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            pool.step(|state, waiters, wrap| state.abandoned(self.ticket, waiters, &wrap));
        }
    }
}

impl Held {
    /// The connection failed.
    pub(crate) fn lose(mut self) {
        if let Some(pool) = self.pool.take() {
            pool.step(|state, waiters, wrap| state.lost(self.generation, waiters, &wrap));
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            let kept = pool
                .handoff
                .with_state(|state, waiting| state.keep(self.id, self.generation, None, waiting));
            if kept.is_none() {
                return;
            }
            let kept = pool.step(|state, waiters, wrap| {
                state.give_back(self.id, self.generation, None, waiters, &wrap)
            });
            if let Err(obsolete) = kept {
                pool.close_obsolete(obsolete);
            }
        }
    }
}
