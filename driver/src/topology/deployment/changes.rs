//! Changes of the known state: the results of checks and lookups, applied to the nest.

use std::sync::Arc;
use std::time::Instant;

use super::{Deployment, Watched};
use crate::description::{RoundTrip, ServerDescription, TopologyType};
use crate::error::Error;
use crate::handshake::HelloReply;
use crate::nest::Update;
#[cfg(feature = "dns")]
use crate::options::ServerAddress;
use crate::pool::Interrupt;
use crate::topology::monitor;
use crate::topology::server::Server;
use crate::topology::snapshot::Topology;
#[cfg(feature = "dns")]
use crate::topology::srv_polling;
use crate::topology::transition::{PoolChange, Transition};
#[cfg(feature = "dns")]
use crate::topology::update;
use crate::types::ServerType;

impl Deployment {
    /// A check of `server` succeeded with `hello`.
    pub(in crate::topology) fn found(
        &self,
        server: &Arc<Server>,
        hello: HelloReply,
        round_trip: RoundTrip,
    ) {
        let direct = self.nest.load().description().topology_type() == TopologyType::Single;
        let pool = if direct || hello.server_type().is_data_bearing() {
            PoolChange::Ready
        } else {
            PoolChange::Keep
        };
        let address = server.address().clone();
        let description = ServerDescription::checked(address, hello, round_trip, Instant::now());
        let update = self.nest.update();
        if update.old().has(server) {
            self.take_in(update, description, pool);
        }
    }

    /// A check of `server` failed. Returns whether the server was known before.
    pub(in crate::topology) fn lost(&self, server: &Arc<Server>, error: Error) -> bool {
        // A hung server may have operations that would wait forever.
        let interrupt = if error.is_timeout() { Interrupt::InUse } else { Interrupt::No };
        let update = self.nest.update();
        let known = update.old().server_type(server);
        if known.is_some() {
            self.take_in_loss(update, server, error, interrupt);
        }
        known.is_some_and(|server_type| server_type != ServerType::Unknown)
    }

    /// Another primary has replaced `server`, which does not reply: interrupts operations on it.
    /// Does so only, and returns true, if the server is still unknown.
    pub(in crate::topology) fn replaced_and_lost(
        &self,
        server: &Arc<Server>,
        error: Error,
    ) -> bool {
        let update = self.nest.update();
        update.old().server_type(server) == Some(ServerType::Unknown)
            && self.take_in_loss(update, server, error, Interrupt::InUse)
    }

    fn take_in_loss(
        &self,
        update: Update<'_, Topology>,
        server: &Server,
        error: Error,
        interrupt: Interrupt,
    ) -> bool {
        let pool = PoolChange::Clear(error.clone(), interrupt);
        let address = server.address().clone();
        let description = ServerDescription::failed(address, error, None, Instant::now());
        self.take_in(update, description, pool)
    }

    /// Applies the new `description` of a server. False if the known description is newer.
    pub(super) fn take_in(
        &self,
        update: Update<'_, Topology>,
        description: ServerDescription,
        pool: PoolChange,
    ) -> bool {
        let old = update.old().description();
        let Some(transition) =
            Transition::of_description(old, description, pool, self.publisher.listener())
        else {
            return false;
        };
        self.perform(update, transition);
        true
    }

    /// Applies the addresses of an SRV lookup, at most `max_hosts` of them; 0 means all.
    #[cfg(feature = "dns")]
    pub(in crate::topology) fn take_in_hosts(&self, hosts: &[ServerAddress], max_hosts: u32) {
        let update = self.nest.update();
        let old = update.old().description();
        if srv_polling::may_change(old.topology_type()) {
            let new = update::resolved(old, hosts, max_hosts);
            let transition = Transition::to(old, new, self.publisher.listener());
            self.perform(update, transition);
        }
    }

    /// Performs `transition`, and puts its description into the nest.
    pub(super) fn perform(&self, update: Update<'_, Topology>, transition: Transition) {
        let Transition { description, pool, events, stale_primaries, unknown_after_election } =
            transition;
        let before = update.old().servers().to_vec();
        // Handlers and wakers may use the client, and so need the lock of the nest.
        let mut held_events = Vec::new();
        let mut pool_update = None;
        let servers: Vec<_> = description
            .servers()
            .map(|d| match update.old().server(d.address()) {
                Some(server) => Arc::clone(server),
                None => self.new_server(d.address(), &mut held_events),
            })
            .collect();
        let pool = pool.and_then(|(address, change)| {
            Some((Arc::clone(update.old().server(&address)?), change))
        });
        self.publisher.enqueue(events);
        held_events.extend(pool.as_ref().map(|(server, _)| server.pool().hold_events()));
        if let Some((server, PoolChange::Ready)) = &pool {
            pool_update = Some(server.pool().ready());
        }
        let replaced =
            update.replace(Topology::new(description, servers.clone(), self.local_threshold));
        if let Some((server, PoolChange::Clear(cause, interrupt))) = &pool {
            pool_update = Some(server.pool().clear(cause, *interrupt));
        }
        drop(replaced);

        drop(pool_update);
        drop(held_events);
        self.publisher.deliver();
        before.iter().filter(|server| !is_among(&servers, server)).for_each(|s| s.close());
        for server in &servers {
            if stale_primaries.contains(server.address()) {
                server.checks().refresh();
                server.checks().recheck();
            } else if unknown_after_election.contains(server.address()) && server.operations() > 0 {
                server.checks().recheck();
            }
        }
        if self.watched == Watched::Yes {
            for server in servers.into_iter().filter(|server| !is_among(&before, server)) {
                monitor::start(
                    self.itself.clone(),
                    server,
                    self.establisher.for_background(),
                    Arc::clone(&self.publisher),
                );
            }
        }
    }
}

fn is_among(servers: &[Arc<Server>], server: &Arc<Server>) -> bool {
    servers.iter().any(|other| Arc::ptr_eq(other, server))
}
