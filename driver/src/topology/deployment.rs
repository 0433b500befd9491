//! The deployment of a client: the nest and all operations on it.
//!
//! Monitors and operations report server descriptions and errors. A pure function turns the known
//! state and a report into a [`Transition`], and [`Deployment`] performs it. Under the nest's write
//! lock it replaces the snapshot and updates the pools of the servers: it makes a pool ready when
//! its server is found, and clears it when the server is lost. No operation can select a server in
//! between. Monitors start and end after the lock is released.
//!
//! The client holds the deployment, and monitors hold it weakly. Dropping the last handle ends
//! everything.

mod changes;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::checks::CheckNumber;
use super::failure::{self, Shutdown, Verdict};
use super::publisher::Publisher;
use super::selection::Criteria;
use super::server::{Selected, Server};
use super::snapshot::Topology;
#[cfg(feature = "dns")]
use super::srv_polling;
use super::stale_primary_recheck::StalePrimaryRecheck;
use super::transition::{PoolChange, Transition};
use super::wait;
use crate::deadline::Deadline;
use crate::description::{ServerDescription, TopologyDescription, TopologyType};
use crate::error::{Error, ErrorKind, Result};
use crate::nest::{Nest, TopologySnapshot};
use crate::options::{ClientOptions, DriverInfo, ServerAddress};
use crate::pool::{
    CheckOutError, Connection, Establisher, Generation, HeldEvents, Interrupt, Pool, Stage,
};
use crate::rt::Runtime;
use crate::types::{PoolMetrics, TopologyVersion};

/// The state of a client's servers, with discovery, monitoring and server selection.
pub(crate) struct Deployment {
    nest: Nest<Topology>,
    establisher: Establisher,
    local_threshold: Duration,
    itself: Weak<Deployment>,
    publisher: Arc<Publisher>,
    watched: Watched,
    closed: AtomicBool,
    /// Set with `closed`.
    ended: Arc<toro::Event>,
}

/// Whether monitors check the servers, or tests report their state.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Watched {
    Yes,
    No,
}

impl Deployment {
    /// Starts to monitor the servers of `options`. Does no I/O itself.
    ///
    /// # Errors
    /// `InvalidArgument` if the options contain invalid metadata.
    pub(crate) fn open(options: Arc<ClientOptions>, runtime: Runtime) -> Result<Arc<Self>> {
        let watched = if options.load_balanced() { Watched::No } else { Watched::Yes };
        Self::open_watched(options, runtime, watched)
    }

    pub(super) fn open_watched(
        options: Arc<ClientOptions>,
        runtime: Runtime,
        watched: Watched,
    ) -> Result<Arc<Self>> {
        let local_threshold = options.local_threshold();
        let seeds = options.seeds();
        let topology_type = initial_type(&options);
        let description = TopologyDescription::initial(
            topology_type,
            &seeds,
            options.repl_set_name.clone(),
            options.heartbeat_freq(),
        );
        let publisher = Publisher::new(options.sdam_event_handler.clone());
        let establisher = Establisher::new(options, runtime)?;
        let deployment = Arc::new_cyclic(|itself| Deployment {
            nest: Nest::new(Topology::new(
                Arc::new(TopologyDescription::empty()),
                Vec::new(),
                local_threshold,
            )),
            establisher,
            local_threshold,
            itself: itself.clone(),
            publisher,
            watched,
            closed: AtomicBool::new(false),
            ended: Arc::default(),
        });
        let opening = Transition::opening(description, deployment.publisher.listener());
        deployment.perform(deployment.nest.update(), opening);
        if topology_type == TopologyType::LoadBalanced {
            for address in seeds {
                let description = ServerDescription::load_balancer(address.clone());
                deployment.take_in(deployment.nest.update(), description, PoolChange::Ready);
            }
        }
        if !deployment.runtime().is_blocking() {
            let itself = deployment.itself.clone();
            // Fails all waits for servers and connections, because no monitor will end them.
            let end = move || drop(itself.upgrade().inspect(|deployment| deployment.shutdown()));
            deployment.runtime().on_end(Arc::clone(&deployment.ended), end);
        }
        #[cfg(feature = "dns")]
        if watched == Watched::Yes {
            srv_polling::start(
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

    /// Waits until the description is no longer `seen`. Returns at once if it has changed already.
    ///
    /// Holds only the snapshot during the wait, not the deployment.
    ///
    /// # Cancel safety
    /// A dropped future loses nothing.
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

    /// Whether the nest is locked for an update.
    #[cfg(test)]
    pub(super) fn is_updating(&self) -> bool {
        self.nest.is_updating()
    }

    /// The current snapshot, as an owned reference.
    pub(super) fn snapshot(&self) -> Arc<TopologySnapshot<Topology>> {
        self.nest.load_full()
    }

    pub(crate) fn options(&self) -> &ClientOptions {
        self.establisher.options()
    }

    pub(super) fn runtime(&self) -> &Runtime {
        self.establisher.runtime()
    }

    /// The time after which servers expire an unused session; `None` if it is unknown, or without
    /// sessions.
    pub(crate) fn logical_session_timeout(&self) -> Option<Duration> {
        self.nest.load().description().logical_session_timeout()
    }

    /// Appends a library to the metadata of new connections, including those of monitors.
    ///
    /// # Errors
    /// `InvalidArgument` if a part of it contains a `|`.
    pub(crate) fn append_metadata(&self, info: &DriverInfo) -> Result<()> {
        self.establisher.metadata().append(info)
    }

    /// Reauthenticates a connection.
    ///
    /// # Errors
    /// `Authentication` if the server refuses the credential; and those of every command.
    pub(crate) async fn reauthenticate(
        &self,
        connection: &mut Connection,
        deadline: Deadline,
    ) -> Result<()> {
        self.establisher.reauthenticate(connection, deadline).await
    }

    /// Selects the server for an operation: the less busy of two random servers that match
    /// `criteria` and are within the latency window. Servers at `deprioritized` are used only if no
    /// other is suitable. Waits for a suitable server, at most until `deadline` and
    /// `serverSelectionTimeoutMS`.
    ///
    /// # Errors
    /// `ServerSelection` if there was none in time; `IncompatibleServer`; `Shutdown`.
    ///
    /// Cancel safety: a dropped selection leaves nothing behind.
    pub(crate) async fn select<'a>(
        &self,
        criteria: impl Into<Criteria<'a>>,
        deprioritized: &[ServerAddress],
        deadline: Deadline,
    ) -> Result<Selected> {
        let criteria = criteria.into();
        if let Some(selected) = self.select_now(criteria, deprioritized)? {
            return Ok(selected);
        }
        wait::until_selected(self, criteria, deprioritized, deadline).await
    }

    /// Like [`select`](Self::select) without a wait: `None` if no server is suitable now.
    ///
    /// # Errors
    /// `IncompatibleServer`.
    #[inline]
    pub(crate) fn select_now<'a>(
        &self,
        criteria: impl Into<Criteria<'a>>,
        deprioritized: &[ServerAddress],
    ) -> Result<Option<Selected>> {
        self.nest.load().select(criteria.into(), deprioritized)
    }

    /// Requests a check of every server and returns at once. Any number of calls causes at most one
    /// check per server in addition to the running one.
    pub(crate) fn schedule_refresh(&self) {
        self.nest.load().servers().iter().for_each(|server| {
            server.checks().refresh();
        });
    }

    /// Waits until every server was checked by a check that started after this call, or was
    /// removed.
    ///
    /// # Errors
    /// `Timeout` at `deadline`; `Shutdown` if the client was shut down.
    ///
    /// # Cancel safety
    /// Dropping the future only ends the wait. The checks continue.
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
        // A wait that the shutdown ended saw no check.
        if self.is_closed() { Err(Error::new(ErrorKind::Shutdown)) } else { Ok(()) }
    }

    /// The metrics of each pool.
    pub(crate) fn pool_metrics(&self) -> Vec<PoolMetrics> {
        self.nest.load().servers().iter().map(|server| server.pool().metrics()).collect()
    }

    /// Fills the pools of reachable servers up to `minPoolSize`.
    pub(crate) async fn warm_pools(&self, deadline: Deadline) {
        // Before its first check, the pool of a new server refuses checkouts.
        drop(self.wait_for_refresh(deadline).await);
        for server in self.snapshot().servers() {
            server.pool().warm(deadline).await;
        }
    }

    /// Whether [`shutdown`](Self::shutdown) was called.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Handles the error of an operation, or of opening a connection, on a connection of
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
        let (version, pool) = match verdict {
            Verdict::StateChanged(Shutdown::No) => (reported, PoolChange::Keep),
            Verdict::StateChanged(Shutdown::Yes) => {
                (reported, PoolChange::Clear(error.clone(), Interrupt::No))
            }
            _ => (None, PoolChange::Clear(error.clone(), Interrupt::No)),
        };
        let description =
            ServerDescription::failed(address.clone(), error.clone(), version, Instant::now());
        let update = self.nest.update();
        let known = update
            .old()
            .description()
            .server(address)
            .and_then(ServerDescription::topology_version);
        let is_current = update.old().has(server)
            && !server.pool().is_stale(generation)
            && (!matches!(verdict, Verdict::StateChanged(_))
                || TopologyVersion::compare(known, reported).is_lt());
        let taken = is_current && self.take_in(update, description, pool);
        match verdict {
            Verdict::StateChanged(_) if taken => {
                server.checks().refresh();
            }
            Verdict::Lost if taken => server.checks().cancel(),
            _ => {}
        }
    }

    /// The recheck that is needed if `error` of `server` changed nothing: whether an operation with
    /// `criteria` would still select the server.
    pub(crate) fn recheck<'o>(
        &self,
        error: &Error,
        server: &Arc<Server>,
        criteria: Criteria<'o>,
    ) -> Option<StalePrimaryRecheck<'o>> {
        StalePrimaryRecheck::left_by(error, server, criteria, &self.nest.load())
    }

    /// In load-balanced mode an error only affects the connections to one service, never the load
    /// balancer.
    fn on_error_behind_balancer(&self, server: &Server, generation: Generation, verdict: Verdict) {
        if matches!(verdict, Verdict::Lost | Verdict::StateChanged(Shutdown::Yes))
            && let Some(service) = generation.service()
            && !server.pool().is_stale(generation)
        {
            server.pool().clear_service(service);
        }
    }

    fn new_server(
        &self,
        address: &ServerAddress,
        held_events: &mut Vec<HeldEvents>,
    ) -> Arc<Server> {
        let (pool, held) = Pool::new(address.clone(), &self.establisher);
        held_events.push(held);
        let server = Server::new(address.clone(), pool);
        let (deployment, itself) = (self.itself.clone(), Arc::downgrade(&server));
        server.pool().set_error_hook(Arc::new(move |failed: &CheckOutError| {
            if let (Some(deployment), Some(server)) = (deployment.upgrade(), itself.upgrade()) {
                deployment.on_error(&server, failed.generation, &failed.error, failed.stage);
            }
        }));
        server
    }

    /// Stops every monitor and closes every pool. Operations in flight fail, and later ones find no
    /// server.
    pub(crate) fn shutdown(&self) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            self.ended.set();
            let update = self.nest.update();
            let closing =
                Transition::closing(update.old().description(), self.publisher.listener());
            self.perform(update, closing);
        }
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        self.shutdown();
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
