//! Opening connections: for one who asked and found room, or for the pool itself.
//!
//! Whoever holds a [`Permit`] has its place in the pool's count already. The place becomes a connection in one step, in
//! which it is decided whose it is; or the permit is dropped, and with it the place, whatever went wrong.

use std::sync::Arc;
use std::time::Instant;

use toro::Waiters;

use super::CheckOutError;
use super::connection::Connection;
use super::establish::{EstablishError, Purpose};
use super::generation::Generation;
use super::held::{Granted, Permit, PooledConnection};
use super::shared::{PoolState, Shared, lock};
use super::state::{Offer, Refusal, Ticket};
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind};
use crate::event::cmap::{self, CmapEvent, ConnectionClosedReason};
use crate::rt::block_on;

impl Shared {
    /// Opens the connection that `permit` allows; if it cannot, the deployment is told before the place is free again.
    ///
    /// Cancel safety: a dropped future closes the socket and gives the permit back.
    pub(super) async fn open(
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

    /// Opens a connection that nobody asked for yet.
    pub(super) fn populate(self: &Arc<Self>, ticket: Ticket) {
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

    /// The place of a connection that could not be opened is free again.
    pub(super) fn abandon(self: &Arc<Self>, ticket: Ticket) {
        self.step(|state, waiters, wrap| state.abandoned(ticket, waiters, &wrap));
    }
}

fn is_cleared(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionPoolCleared { .. })
}

/// A connection that is being opened. Dropped before it is there, it leaves the pool again.
pub(super) struct Opening<'a> {
    pool: &'a Arc<Shared>,
    ticket: Ticket,
    permit: Option<Permit>,
}

impl Opening<'_> {
    /// The connection is for the one who opened it.
    pub(super) fn into_use(mut self, connection: Box<Connection>) -> PooledConnection {
        let pool = self.pool;
        let connection = self.settle(connection, |connection, _, state, waiters, wrap| {
            state.serve(waiters, &wrap);
            connection
        });
        PooledConnection::new(connection, pool.clone())
    }

    /// The connection is for the one who waits longest, or is idle. No one can open another in between.
    pub(super) fn into_idle(mut self, connection: Box<Connection>) {
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
            lock(&self.pool.open).remove(&connection_id);
            self.pool.emit(|address| {
                let reason = ConnectionClosedReason::Error;
                CmapEvent::ConnectionClosed(cmap::ConnectionClosedEvent { address, connection_id, reason })
            });
            // Last: whoever gets the place tells at once of the connection that it opens, and listeners would count both.
            drop(permit);
        }
    }
}
