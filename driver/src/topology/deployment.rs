//! The deployment as the client holds it: the nest, and everything that is done with it.
//!
//! Monitors and operations bring news; [`Deployment`] turns them into the next snapshot, and in the
//! same step, under the nest's write lock, brings the servers' pools in line with it: a pool is
//! ready as soon as its server is known to be there, and cleared as soon as it is known to be lost,
//! and nobody can select a server in between. What takes longer (starting and ending
//! monitors) follows after the lock.
//!
//! The client holds the deployment; monitors hold it weakly. When the last handle goes, everything
//! ends with it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::checks::CheckNumber;
use super::failure::{self, Shutdown, Verdict};
use super::monitor;
use super::publisher::Publisher;
use super::selection::{Criteria, Limits};
use super::server::{Selected, Server};
use super::snapshot::Topology;
use super::stale_primary_recheck::StalePrimaryRecheck;
use super::update;
use super::wait;
use crate::deadline::Deadline;
use crate::description::{RoundTrip, ServerDescription, TopologyDescription, TopologyType};
use crate::error::{Error, ErrorKind, Result};
use crate::handshake::HelloReply;
use crate::nest::{Nest, TopologySnapshot};
use crate::options::{ClientOptions, DriverInfo, ServerAddress};
use crate::pool::{CheckOutError, Connection, Establisher, Generation, Interrupt, Pool, Stage};
use crate::rt::Runtime;
use crate::types::{PoolMetrics, ServerType, TopologyVersion};

/// All that a client knows of its servers, and the ways to ask and to tell.
pub(crate) struct Deployment {
    nest: Nest<Topology>,
    establisher: Establisher,
    limits: Limits,
    itself: Weak<Deployment>,
    publisher: Arc<Publisher>,
    watched: Watched,
    closed: AtomicBool,
    /// Set with `closed`.
    ended: Arc<toro::Event>,
}

/// Whether monitors watch the servers, or somebody tells of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Watched {
    Yes,
    No,
}

/// What news mean for the pool of the server they are about.
enum PoolChange {
    Keep,
    Ready,
    Clear(Error, Interrupt),
}

impl Deployment {
    /// Starts to watch the servers that `options` name. Does no I/O itself.
    ///
    /// # Errors
    /// `InvalidArgument` when the options hold metadata that no server takes.
    pub(crate) fn open(options: Arc<ClientOptions>, runtime: Runtime) -> Result<Arc<Self>> {
        let watched = if options.load_balanced() { Watched::No } else { Watched::Yes };
        Self::open_watched(options, runtime, watched)
    }

    pub(super) fn open_watched(
        options: Arc<ClientOptions>,
        runtime: Runtime,
        watched: Watched,
    ) -> Result<Arc<Self>> {
        let limits = Limits {
            local_threshold: options.local_threshold(),
            heartbeat_freq: options.heartbeat_freq(),
        };
        let seeds = options.seeds();
        let topology_type = initial_type(&options);
        let description =
            TopologyDescription::initial(topology_type, &seeds, options.repl_set_name.clone());
        let publisher = Publisher::new(options.sdam_event_handler.clone());
        let establisher = Establisher::new(options, runtime)?;
        let deployment = Arc::new_cyclic(|itself| Deployment {
            nest: Nest::new(Topology::new(TopologyDescription::empty(), Vec::new(), limits)),
            establisher,
            limits,
            itself: itself.clone(),
            publisher,
            watched,
            closed: AtomicBool::new(false),
            ended: Arc::default(),
        });
        deployment.become_known(
            |_| Some(description),
            |_, new| deployment.publisher.opened(new),
            |_| (),
        );
        if topology_type == TopologyType::LoadBalanced {
            for address in seeds {
                let news = ServerDescription::load_balancer(address.clone());
                deployment.tell(&address, news, PoolChange::Ready, |_, _| true);
            }
        }
        if !deployment.runtime().is_blocking() {
            let itself = deployment.itself.clone();
            // All who wait for a server or a connection are refused: nobody would bring one.
            let end = move || drop(itself.upgrade().inspect(|deployment| deployment.shutdown()));
            deployment.runtime().on_end(Arc::clone(&deployment.ended), end);
        }
        #[cfg(feature = "dns")]
        if watched == Watched::Yes {
            super::srv_polling::start(
                deployment.itself.clone(),
                deployment.options(),
                deployment.runtime().for_background(),
                Arc::clone(&deployment.ended),
            );
        }
        Ok(deployment)
    }

    /// The current description.
    pub(crate) fn description(&self) -> Arc<TopologyDescription> {
        Arc::clone(self.nest.load().description())
    }

    /// Waits until the description is another than `seen`; at once if it is so already.
    ///
    /// Holds no more of the deployment than the snapshot it waits on.
    ///
    /// Cancel safety: nothing is lost.
    pub(crate) async fn changed_from(
        &self,
        seen: &Arc<TopologyDescription>,
    ) -> Arc<TopologyDescription> {
        loop {
            let snapshot = self.nest.load_full();
            if !Arc::ptr_eq(snapshot.description(), seen) {
                return Arc::clone(snapshot.description());
            }
            snapshot.superseded().wait().await;
        }
    }

    /// The current snapshot, to keep.
    pub(super) fn snapshot(&self) -> Arc<TopologySnapshot<Topology>> {
        self.nest.load_full()
    }

    pub(crate) fn options(&self) -> &ClientOptions {
        self.establisher.options()
    }

    pub(super) fn runtime(&self) -> &Runtime {
        self.establisher.runtime()
    }

    /// How long servers keep an unused session; none where that is not known, or there are no
    /// sessions.
    pub(crate) fn logical_session_timeout(&self) -> Option<Duration> {
        self.nest.load().description().logical_session_timeout()
    }

    /// Adds a library to what new connections, the monitors' among them, tell servers.
    ///
    /// # Errors
    /// `InvalidArgument` when a part of it contains a `|`.
    pub(crate) fn append_metadata(&self, info: &DriverInfo) -> Result<()> {
        self.establisher.metadata().append(info)
    }

    /// Proves the user again on a connection whose server asked for it.
    ///
    /// # Errors
    /// `Authentication` when the server refuses the user; else as those of every command.
    pub(crate) async fn reauthenticate(
        &self,
        connection: &mut Connection,
        deadline: Deadline,
    ) -> Result<()> {
        self.establisher.reauthenticate(connection, deadline).await
    }

    /// The server for an operation: one that suits `criteria`, is within the latency window, and is
    /// the less busy of two such at random. Servers at `avoided` are taken only if nothing else
    /// suits. Waits until there is one, at most until `deadline` and
    /// `serverSelectionTimeoutMS`.
    ///
    /// # Errors
    /// `ServerSelection` when none came up in time; `IncompatibleServer`; `Shutdown`.
    ///
    /// Cancel safety: a dropped selection leaves nothing behind.
    pub(crate) async fn select<'a>(
        &self,
        criteria: impl Into<Criteria<'a>>,
        avoided: &[ServerAddress],
        deadline: Deadline,
    ) -> Result<Selected> {
        let criteria = criteria.into();
        if let Some(selected) = self.select_now(criteria, avoided)? {
            return Ok(selected);
        }
        wait::until_selected(self, criteria, avoided, deadline).await
    }

    /// As [`select`](Self::select), without waiting: none where no server suits at this moment.
    ///
    /// # Errors
    /// `IncompatibleServer`.
    #[inline]
    pub(crate) fn select_now<'a>(
        &self,
        criteria: impl Into<Criteria<'a>>,
        avoided: &[ServerAddress],
    ) -> Result<Option<Selected>> {
        self.nest.load().select(criteria.into(), avoided)
    }

    /// Wants a check of every server, and returns at once. Any number of calls cause at most one
    /// more check of each than is running.
    pub(crate) fn schedule_refresh(&self) {
        self.nest.load().servers().iter().for_each(|server| {
            server.checks().refresh();
        });
    }

    /// Waits until every server of the deployment has been checked, by a check that started after
    /// this call, or has left the deployment.
    ///
    /// # Errors
    /// `Timeout` at `deadline`; `Shutdown` once the client is shut down.
    ///
    /// Cancel safety: a dropped wait leaves nothing behind; the checks take place.
    pub(crate) async fn wait_for_refresh(&self, deadline: Deadline) -> Result<()> {
        if self.is_closed() {
            return Err(Error::new(ErrorKind::Shutdown));
        }
        let wanted: Vec<(Arc<Server>, CheckNumber)> = self
            .nest
            .load()
            .servers()
            .iter()
            .filter(|_| self.watched == Watched::Yes)
            .map(|server| (Arc::clone(server), server.checks().refresh()))
            .collect();
        for (server, check) in wanted {
            let ended = server.checks().ended(check);
            self.runtime().timeout(deadline, ended).await.map_err(|_| {
                Error::timeout("waiting for a check of the server").at(server.address())
            })?;
        }
        // A wait that the shutdown ended has seen no check.
        if self.is_closed() { Err(Error::new(ErrorKind::Shutdown)) } else { Ok(()) }
    }

    /// What each pool has at this moment.
    pub(crate) fn pool_metrics(&self) -> Vec<PoolMetrics> {
        self.nest.load().servers().iter().map(|server| server.pool().metrics()).collect()
    }

    /// Fills the pools of the servers that can be reached up to `minPoolSize`.
    pub(crate) async fn warm_pools(&self, deadline: Deadline) {
        // Without a check, the pool of a server that was just added takes nobody in. One that cannot
        // be checked refuses at once.
        drop(self.wait_for_refresh(deadline).await);
        for server in self.snapshot().servers() {
            server.pool().warm(deadline).await;
        }
    }

    /// Whether [`shutdown`](Self::shutdown) was called.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Takes note of the error of an operation, or of opening a connection, on a connection of
    /// `generation` (specification "Server Discovery And Monitoring", section "Application
    /// errors").
    pub(crate) fn on_error(
        &self,
        server: &Arc<Server>,
        generation: Generation,
        error: &Error,
        stage: Stage,
    ) {
        let verdict = failure::judge(error, stage);
        if verdict == Verdict::Silent {
            return;
        }
        if self.options().load_balanced() {
            return self.on_error_behind_balancer(server, generation, verdict);
        }
        let address = server.address();
        let reported = failure::topology_version(error);
        let fresh = |topology: &Topology, server: &Server| {
            let known = topology
                .description()
                .server(address)
                .and_then(ServerDescription::topology_version);
            !server.pool().is_stale(generation)
                && (!matches!(verdict, Verdict::StateChanged(_))
                    || TopologyVersion::compare(known, reported).is_lt())
        };
        let (version, pool) = match verdict {
            Verdict::StateChanged(Shutdown::No) => (reported, PoolChange::Keep),
            Verdict::StateChanged(Shutdown::Yes) => {
                (reported, PoolChange::Clear(error.clone(), Interrupt::No))
            }
            _ => (None, PoolChange::Clear(error.clone(), Interrupt::No)),
        };
        let news =
            ServerDescription::failed(address.clone(), error.clone(), version, Instant::now());
        let taken = self.tell(address, news, pool, |topology, current| {
            std::ptr::eq(&**current, &**server) && fresh(topology, current)
        });
        match verdict {
            Verdict::StateChanged(_) if taken => {
                server.checks().refresh();
            }
            Verdict::Lost if taken => server.checks().cancel(),
            _ => {}
        }
    }

    /// What `error` of `server` leaves open where it was told and changed nothing: whether the
    /// server is still what an operation with `criteria` takes it for.
    pub(crate) fn recheck<'o>(
        &self,
        error: &Error,
        server: &Arc<Server>,
        criteria: Criteria<'o>,
    ) -> Option<StalePrimaryRecheck<'o>> {
        StalePrimaryRecheck::left_by(error, server, criteria, &self.nest.load())
    }

    /// Behind a load balancer, only the connections to one service are doubted, and the balancer
    /// itself never.
    fn on_error_behind_balancer(&self, server: &Server, generation: Generation, verdict: Verdict) {
        if matches!(verdict, Verdict::Lost | Verdict::StateChanged(Shutdown::Yes))
            && let Some(service) = generation.service()
            && !server.pool().is_stale(generation)
        {
            server.pool().clear_service(service);
        }
    }

    /// A check of `server` found `hello`.
    pub(super) fn found(&self, server: &Arc<Server>, hello: HelloReply, round_trip: RoundTrip) {
        let direct = self.nest.load().description().topology_type() == TopologyType::Single;
        let pool = match direct || hello.server_type().is_data_bearing() {
            true => PoolChange::Ready,
            false => PoolChange::Keep,
        };
        let address = server.address();
        let news = ServerDescription::checked(address.clone(), hello, round_trip, Instant::now());
        self.tell(address, news, pool, |topology, _| topology.has(server));
    }

    /// A check of `server` failed. Gives back whether the server had been known.
    pub(super) fn lost(&self, server: &Arc<Server>, error: Error) -> bool {
        let address = server.address();
        let known = self
            .nest
            .load()
            .description()
            .server(address)
            .is_some_and(|d| d.server_type() != ServerType::Unknown);
        // A server that is merely slow to answer may have operations that would wait for ever.
        let interrupt = if error.is_timeout() { Interrupt::InUse } else { Interrupt::No };
        let pool = PoolChange::Clear(error.clone(), interrupt);
        let news = ServerDescription::failed(address.clone(), error, None, Instant::now());
        self.tell(address, news, pool, |topology, _| topology.has(server));
        known
    }

    /// `server`, which another primary has replaced, does not answer any more: whoever waits for it
    /// is interrupted. Gives back whether that was so still.
    pub(super) fn replaced_and_lost(&self, server: &Arc<Server>, error: Error) -> bool {
        let address = server.address();
        let pool = PoolChange::Clear(error.clone(), Interrupt::InUse);
        let news = ServerDescription::failed(address.clone(), error, None, Instant::now());
        self.tell(address, news, pool, |topology, _| {
            let known = topology.description().server(address).map(ServerDescription::server_type);
            topology.has(server) && known == Some(ServerType::Unknown)
        })
    }

    /// Makes `news` known, if there still is such a server and `applies` says so; gives back
    /// whether it was.
    fn tell(
        &self,
        address: &ServerAddress,
        news: ServerDescription,
        pool: PoolChange,
        applies: impl FnOnce(&Topology, &Arc<Server>) -> bool,
    ) -> bool {
        self.become_known(
            |old| {
                let server = old.server(address)?;
                if !applies(old, server) {
                    return None;
                }
                update::updated(old.description(), news)
            },
            |old, new| {
                self.publisher.changed(old, new);
                // Whoever selects the server finds its pool ready.
                if let (PoolChange::Ready, Some(server)) = (&pool, old.server(address)) {
                    server.pool().ready();
                }
            },
            |old| {
                // Whoever is refused by its pool, and looks for a server once more, does not find
                // this one.
                if let (PoolChange::Clear(cause, interrupt), Some(server)) =
                    (&pool, old.server(address))
                {
                    server.pool().clear(cause, *interrupt);
                }
            },
        )
    }

    /// Replaces what is known by what `change` makes of it, if it makes something.
    #[cfg(feature = "dns")]
    pub(super) fn change(
        &self,
        change: impl FnOnce(&TopologyDescription) -> Option<TopologyDescription>,
    ) {
        self.become_known(
            |old| change(old.description()),
            |old, new| self.publisher.changed(old, new),
            |_| (),
        );
    }

    /// Replaces the snapshot by one of the description that `change` gives, if it gives one.
    /// `in_step` runs under the write lock before the new snapshot can be seen, `then` under
    /// the same lock when the old one is seen no longer.
    fn become_known(
        &self,
        change: impl FnOnce(&Topology) -> Option<TopologyDescription>,
        in_step: impl FnOnce(&Topology, &Topology),
        then: impl FnOnce(&Topology),
    ) -> bool {
        let replace = |old: &Topology| {
            let Some(description) = change(old) else { return (None, None) };
            let servers =
                description.servers().map(|d| self.keep_or_open(old, d.address())).collect();
            let new = Topology::new(description, servers, self.limits);
            in_step(old, &new);
            let difference = Difference::between(old, &new);
            (Some(new), Some(difference))
        };
        let Some(difference) = self.nest.update(replace, then) else {
            return false;
        };
        self.publisher.deliver();
        difference.closed.iter().for_each(|server| server.close());
        difference.doubted.iter().for_each(|server| {
            server.checks().refresh();
        });
        difference.replaced.iter().for_each(|server| server.checks().recheck());
        if self.watched == Watched::Yes {
            for server in difference.opened {
                let publisher = Arc::clone(&self.publisher);
                monitor::start(
                    self.itself.clone(),
                    server,
                    self.establisher.for_background(),
                    publisher,
                );
            }
        }
        true
    }

    fn keep_or_open(&self, old: &Topology, address: &ServerAddress) -> Arc<Server> {
        if let Some(server) = old.server(address) {
            return Arc::clone(server);
        }
        let server = Server::new(address.clone(), Pool::new(address.clone(), &self.establisher));
        let (deployment, itself) = (self.itself.clone(), Arc::downgrade(&server));
        server.pool().set_error_hook(Arc::new(move |failed: &CheckOutError| {
            if let (Some(deployment), Some(server)) = (deployment.upgrade(), itself.upgrade()) {
                deployment.on_error(&server, failed.generation, &failed.error, failed.stage);
            }
        }));
        server
    }

    /// Ends every monitor and closes every pool. Operations that are under way fail; later ones
    /// find no server.
    pub(crate) fn shutdown(&self) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            self.ended.set();
            self.become_known(
                |_| Some(TopologyDescription::empty()),
                |old, new| {
                    self.publisher.changed(old, new);
                    self.publisher.closed();
                },
                |_| (),
            );
        }
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        self.shutdown();
    }
}

/// Which servers a new snapshot brings, loses, or no longer believes.
struct Difference {
    opened: Vec<Arc<Server>>,
    closed: Vec<Arc<Server>>,
    /// Primaries of which another primary has shown that they are stale.
    doubted: Vec<Arc<Server>>,
    /// Those, and other servers of which nothing is known, with operations under way, now that
    /// there is another primary.
    replaced: Vec<Arc<Server>>,
}

impl Difference {
    fn between(old: &Topology, new: &Topology) -> Self {
        let missing = |from: &Topology, server: &Arc<Server>| !from.has(server);
        let role = |topology: &Topology, server: &Server| {
            topology.description().server(server.address()).map(ServerDescription::server_type)
        };
        let doubted = |server: &&Arc<Server>| {
            role(old, server) == Some(ServerType::RsPrimary)
                && role(new, server) == Some(ServerType::Unknown)
                && new.description().primary().is_some()
        };
        let primary =
            |topology: &Topology| topology.description().primary().map(|p| p.address().clone());
        let elected = primary(new).is_some() && primary(new) != primary(old);
        let replaced = |server: &&Arc<Server>| {
            let busy = elected
                && role(new, server) == Some(ServerType::Unknown)
                && server.operations() > 0;
            busy || doubted(server)
        };
        Difference {
            replaced: new.servers().iter().filter(replaced).cloned().collect(),
            opened: new.servers().iter().filter(|server| missing(old, server)).cloned().collect(),
            closed: old.servers().iter().filter(|server| missing(new, server)).cloned().collect(),
            doubted: new.servers().iter().filter(doubted).cloned().collect(),
        }
    }
}

/// Section "Initial TopologyType".
fn initial_type(options: &ClientOptions) -> TopologyType {
    if options.load_balanced() {
        TopologyType::LoadBalanced
    } else if options.direct_connection() {
        TopologyType::Single
    } else if options.repl_set_name.is_some() {
        TopologyType::ReplicaSetNoPrimary
    } else {
        TopologyType::Unknown
    }
}
