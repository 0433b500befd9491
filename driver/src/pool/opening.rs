//! Opens connections, for a caller or for the pool itself.
//!
//! A [`Permit`] already occupies a slot of the pool. In one step the slot becomes a connection with
//! its owner. If the permit is dropped, for any reason, its slot is free.
//!
//! If the caller is dropped or times out during the opening, the pool completes the connection.
//! Otherwise callers with short timeouts would open one connection after the other and never get
//! one, and a timeout would look like a failed server. `connectTimeoutMS` then limits the opening.
//! Its socket must still connect by the caller's deadline, as the specification "Client Side
//! Operations Timeout" requires. The next caller does not depend on it, but opens another
//! connection within `maxConnecting` and `maxPoolSize`.

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
use super::shared::{PoolState, Shared, Watched, lock};
use super::state::{Offer, Refusal, Ticket};
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind};
use crate::event::cmap::{self, CmapEvent, ConnectionClosedReason};
use crate::stream::Interrupter;

impl Shared {
    /// Opens the connection of `permit` for a caller that waits until `deadline`.
    ///
    /// # Errors
    /// `Timeout` if the deadline expires, which does not concern the server; and those of opening a
    /// connection. If the opening cannot continue without its caller, an expired deadline is an
    /// error of the opening.
    ///
    /// # Cancel safety
    /// As for an expired deadline: if the opening can continue without its caller, the connection
    /// goes to the longest waiter or becomes idle.
    pub(super) async fn open_asked(
        self: &Arc<Self>,
        permit: Permit,
        deadline: Deadline,
    ) -> Result<PooledConnection, CheckOutError> {
        // A blocking opening cannot continue without its thread, and one without its own time limit
        // would never end.
        let outlives_asker = !self.runtime().is_blocking()
            && self.establisher().options().connect_timeout().is_some();
        let until = Until {
            socket: deadline,
            all: if outlives_asker { Deadline::NEVER } else { deadline },
            command: None,
        };
        let asked =
            Asked { pool: self, work: Some(self.clone().work(permit, until)), outlives_asker };
        match self.runtime().timeout(deadline, asked).await {
            Ok(Ok((opening, connection))) => opening.into_use(connection),
            Ok(Err(failed))
                if !(outlives_asker && failed.error.is_timeout() && deadline.is_over()) =>
            {
                Err(failed)
            }
            // The connection or its socket was not ready in time.
            _ => Err(self.not_opened_in_time()),
        }
    }

    /// Opens a connection for the pool itself.
    pub(super) fn populate(self: &Arc<Self>, ticket: Ticket) {
        let permit = Permit::new(ticket, self.clone());
        let timeout = self.establisher().options().timeout.filter(|timeout| !timeout.is_zero());
        let until = Until { command: timeout, ..Until::both(Deadline::NEVER) };
        self.open_unasked(self.clone().work(permit, until));
    }

    /// Runs `work` in the background. The connection goes to the longest waiter or becomes idle.
    fn open_unasked(self: &Arc<Self>, work: Work) {
        let pool = self.clone();
        self.runtime().detach(async move {
            if let Ok((opening, connection)) = work.await {
                opening.into_idle(connection);
                // The maintenance may open more.
                pool.wake.set();
            }
        });
    }

    /// The opening as a future. Boxed, because it is rare and large. Otherwise every operation's
    /// future would be as large.
    fn work(self: Arc<Self>, permit: Permit, until: Until) -> Work {
        Box::pin(self.open(permit, until))
    }

    /// Opens the connection of `permit`. On failure, the deployment is notified before the slot is
    /// free again.
    ///
    /// Cancel safety: a dropped future closes the socket and returns the permit.
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
        let watch = |interrupter: Interrupter| {
            let watched =
                Watched { generation, interrupter: interrupter.clone(), is_opening: true };
            lock(&self.open).insert(ticket.id, watched);
            // If it was set before, the connection was not found and not interrupted.
            if give_up.is_set() {
                interrupter.interrupt();
            }
        };
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
        // The opening either completes or was given up.
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
            Some(Err(EstablishError { error, stage, service }))
                if !given_up && !is_cleared(&error) =>
            {
                let generation = service.map_or(generation, |service| {
                    self.handoff.with_state(|state, _| state.generation_of(service))
                });
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

    /// Frees the slot of a connection that could not be opened.
    pub(super) fn abandon(self: &Arc<Self>, ticket: Ticket) {
        self.step(|state, waiters, wrap| state.abandoned(ticket, waiters, &wrap));
    }
}

fn is_cleared(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionPoolCleared { .. })
}

/// The result of an opening.
type Opened = Result<(Opening, Box<Connection>), CheckOutError>;

type Work = Pin<Box<dyn Future<Output = Opened> + Send>>;

/// An opening with a waiting caller. If it is dropped early, it continues without the caller or
/// ends.
struct Asked<'p> {
    pool: &'p Arc<Shared>,
    /// Present until it is done.
    work: Option<Work>,
    outlives_asker: bool,
}

impl Future for Asked<'_> {
    type Output = Opened;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Opened> {
        // Taken out meanwhile, so that it does not continue after a panic.
        let Some(mut work) = self.work.take() else {
            unreachable!("a completed opening is not polled again")
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
            // The socket belongs to the parent process, and a thread of the parent may hold the
            // lock.
            std::mem::forget(work);
        } else if self.outlives_asker {
            self.pool.open_unasked(work);
        }
    }
}

/// A connection being opened. If it is dropped early, it leaves the pool.
pub(super) struct Opening {
    pool: Arc<Shared>,
    ticket: Ticket,
    permit: Option<Permit>,
}

impl Opening {
    /// The connection goes to the caller that opened it.
    ///
    /// # Errors
    /// The pool was cleared or closed during the opening. The connection is closed.
    pub(super) fn into_use(
        mut self,
        connection: Box<Connection>,
    ) -> Result<PooledConnection, CheckOutError> {
        let pool = self.pool.clone();
        let opened = self.settle(connection, |connection, generation, state, waiters, wrap| {
            state.claim(connection, generation, waiters, &wrap)
        });
        match opened {
            Ok(connection) => Ok(PooledConnection::new(connection, pool)),
            Err(obsolete) => {
                pool.close_obsolete(obsolete);
                Err(pool.refused(Refusal::Paused))
            }
        }
    }

    /// The connection goes to the longest waiter or becomes idle. No caller can open another in
    /// between.
    pub(super) fn into_idle(mut self, connection: Box<Connection>) {
        let pool = self.pool.clone();
        let now = pool.now();
        let kept = self.settle(connection, |connection, generation, state, waiters, wrap| {
            let kept = state.give_back(connection, generation, now, waiters, &wrap);
            state.serve(waiters, &wrap);
            kept
        });
        if let Err(obsolete) = kept {
            pool.close_obsolete(obsolete);
        }
    }

    /// Turns the ticket into a connection. `then` decides its owner in the same step.
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
            if let Some(watched) = lock(&self.pool.open).get_mut(&ticket.id) {
                watched.generation = generation;
                watched.is_opening = false;
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
            // Dropped last, because the next owner of the slot emits an event for its connection at
            // once, and handlers would count both.
            drop(permit);
        }
    }
}
