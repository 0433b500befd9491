//! Opening connections: for one who asked and found room, or for the pool itself.
//!
//! Whoever holds a [`Permit`] has its place in the pool's count already. The place becomes a
//! connection in one step, in which it is decided whose it is; or the permit is dropped, and with
//! it the place, whatever went wrong.
//!
//! One who asked and gives up while its connection is being opened, or whose deadline passes,
//! leaves it to the pool. Callers with less patience than it takes to open a connection would
//! otherwise open one after the other, and never have any; and a deadline that passed would look
//! like a server that is lost. The opening then ends with `connectTimeoutMS`, as one that nobody
//! asked for; its socket still has to stand by the deadline, as specification "Client Side
//! Operations Timeout" asks. Who comes next does not rely on it, but opens another, as
//! `maxConnecting` and `maxPoolSize` allow.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use toro::Waiters;

use super::CheckOutError;
use super::connection::Connection;
use super::establish::{EstablishError, Purpose, Until};
use super::generation::Generation;
use super::held::{Granted, Permit, PooledConnection};
use super::shared::{PoolState, Shared, lock};
use super::state::{Offer, Refusal, Ticket};
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind};
use crate::event::cmap::{self, CmapEvent, ConnectionClosedReason};

impl Shared {
    /// Opens the connection that `permit` allows, for a caller who waits for it until `deadline`.
    ///
    /// # Errors
    /// `Timeout` when the deadline passes, which says nothing about the server; and those of
    /// opening a connection. Where the opening cannot outlive its asker, a deadline that passes
    /// is one of these.
    ///
    /// Cancel safety: as when the deadline passes, the connection is opened all the same where it
    /// can outlive its asker, for the one who waits longest, or is idle.
    pub(super) async fn open_asked(
        self: &Arc<Self>,
        permit: Permit,
        deadline: Deadline,
    ) -> Result<PooledConnection, CheckOutError> {
        // One that blocks its thread cannot be left, and one without a limit of its own would have
        // no end.
        let outlives_asker = !self.runtime().is_blocking()
            && self.establisher().options().connect_timeout().is_some();
        let until = Until {
            socket: deadline,
            all: if outlives_asker { Deadline::NEVER } else { deadline },
        };
        let asked =
            Asked { pool: self, work: Some(self.clone().work(permit, until)), outlives_asker };
        match self.runtime().timeout(deadline, asked).await {
            Ok(Ok((opening, connection))) => Ok(opening.into_use(connection)),
            Ok(Err(failed))
                if !(outlives_asker && failed.error.is_timeout() && deadline.is_over()) =>
            {
                Err(failed)
            }
            // It is not there in time, or its socket was not.
            _ => Err(self.not_opened_in_time()),
        }
    }

    /// Opens a connection that nobody asked for yet.
    pub(super) fn populate(self: &Arc<Self>, ticket: Ticket) {
        let permit = Permit::new(ticket, self.clone());
        self.open_unasked(self.clone().work(permit, Until::both(Deadline::NEVER)));
    }

    /// Has `work` done in the background. The connection goes to the one who waits longest, or is
    /// idle.
    fn open_unasked(self: &Arc<Self>, work: Work) {
        let pool = self.clone();
        self.runtime().detach(async move {
            if let Ok((opening, connection)) = work.await {
                opening.into_idle(connection);
                // There may be more to open.
                pool.wake.set();
            }
        });
    }

    /// Opening as a value. Boxed, for it is rare and large, and would make every operation's future
    /// as large.
    fn work(self: Arc<Self>, permit: Permit, until: Until) -> Work {
        Box::pin(self.open(permit, until))
    }

    /// Opens the connection that `permit` allows; if it cannot, the deployment is notified before the
    /// place is free again.
    ///
    /// Cancel safety: a dropped future closes the socket and gives the permit back.
    async fn open(self: Arc<Self>, permit: Permit, until: Until) -> Opened {
        let ticket = permit.ticket();
        let generation = Generation { number: ticket.generation, service: None };
        let give_up = lock(&self.give_up).clone();
        if self.is_stale(generation) {
            return Err(self.refused(Refusal::Paused));
        }
        let created = Instant::now();
        self.emit(|address| {
            CmapEvent::ConnectionCreated(cmap::ConnectionCreatedEvent {
                address,
                connection_id: ticket.id,
            })
        });
        let opening = Opening { pool: self.clone(), ticket, permit: Some(permit) };
        let watch =
            |interrupter| drop(lock(&self.open).insert(ticket.id, (generation, interrupter)));
        let mut outcome = None;
        let establish = async {
            let purpose = Purpose::Application;
            let (address, establisher) = (&self.address, &self.establisher);
            outcome = Some(
                establisher
                    .establish_watched(address, ticket.id, generation, purpose, until, watch)
                    .await,
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

    /// The place of a connection that could not be opened is free again.
    pub(super) fn abandon(self: &Arc<Self>, ticket: Ticket) {
        self.step(|state, waiters, wrap| state.abandoned(ticket, waiters, &wrap));
    }
}

fn is_cleared(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionPoolCleared { .. })
}

/// What comes of opening.
type Opened = Result<(Opening, Box<Connection>), CheckOutError>;

type Work = Pin<Box<dyn Future<Output = Opened> + Send>>;

/// An opening that its asker waits for. Dropped before it is done, it goes on without the asker, or
/// ends.
struct Asked<'p> {
    pool: &'p Arc<Shared>,
    /// There until it is done.
    work: Option<Work>,
    outlives_asker: bool,
}

impl Future for Asked<'_> {
    type Output = Opened;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Opened> {
        // Taken out meanwhile: what panics does not go on.
        let Some(mut work) = self.work.take() else {
            unreachable!("what is done is not polled again")
        };
        let polled = work.as_mut().poll(cx);
        if polled.is_pending() {
            self.work = Some(work);
        }
        polled
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let Some(work) = self.work.take() else { return };
        if self.pool.is_inherited() {
            // The socket is the parent's, and so may be whoever holds the lock.
            std::mem::forget(work);
        } else if self.outlives_asker {
            self.pool.open_unasked(work);
        }
    }
}

/// A connection that is being opened. Dropped before it is there, it leaves the pool again.
pub(super) struct Opening {
    pool: Arc<Shared>,
    ticket: Ticket,
    permit: Option<Permit>,
}

impl Opening {
    /// The connection is for the one who opened it.
    pub(super) fn into_use(mut self, connection: Box<Connection>) -> PooledConnection {
        let pool = self.pool.clone();
        let connection = self.settle(connection, |connection, _, state, waiters, wrap| {
            state.serve(waiters, &wrap);
            connection
        });
        PooledConnection::new(connection, pool)
    }

    /// The connection is for the one who waits longest, or is idle. No one can open another in
    /// between.
    pub(super) fn into_idle(mut self, connection: Box<Connection>) {
        let pool = self.pool.clone();
        let now = pool.now();
        let returned = self.settle(connection, |connection, generation, state, waiters, wrap| {
            let returned = state.give_back(connection, generation, now, waiters, &wrap);
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
            let generation = state.established(ticket, service);
            connection.set_generation(generation);
            if service.is_some()
                && let Some((known, _)) = lock(&self.pool.open).get_mut(&ticket.id)
            {
                *known = generation;
            }
            then(connection, generation, state, waiters, wrap)
        })
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            let connection_id = permit.ticket().id;
            lock(&self.pool.open).remove(&connection_id);
            self.pool.emit(|address| {
                let reason = ConnectionClosedReason::Error;
                CmapEvent::ConnectionClosed(cmap::ConnectionClosedEvent {
                    address,
                    connection_id,
                    reason,
                })
            });
            // Last: whoever gets the place tells at once of the connection that it opens, and
            // listeners would count both.
            drop(permit);
        }
    }
}
