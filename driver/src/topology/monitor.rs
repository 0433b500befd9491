//! Asks one server how it is, over a connection of its own, for as long as the server belongs to
//! the deployment (specification "Server Monitoring").
//!
//! A *watch* lasts as long as one connection. Its first check is the handshake itself. Then, where
//! the server can (4.4 and later), it tells of its changes by itself: `hello` with the topology
//! version that is known and `maxAwaitTimeMS`, answered again and again. Beside the stream,
//! [`rtt_monitor`](super::rtt_monitor) measures round trips and answers those who want a check that
//! starts now. Where the server cannot stream, it is polled.
//!
//! Any failure ends the watch. If the server had been known until then, the next watch begins at
//! once; else the monitor rests, until the heartbeat frequency has passed or somebody needs the
//! server, and at least half a second. No error ends the monitor itself: it ends when its server
//! has left the deployment, or the deployment is gone.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use bson::raw::cstr;

use super::checks::CheckNumber;
use super::deployment::Deployment;
use super::either::{Either, either};
use super::publisher::{Heartbeat, Publisher};
use super::round_trips::RoundTrips;
use super::server::Server;
use crate::deadline::Deadline;
use crate::decode;
use crate::description::RoundTrip;
use crate::error::{Error, Result};
use crate::handshake::{HelloName, HelloReply, write_hello};
use crate::options::{ClientOptions, MIN_HEARTBEAT_FREQUENCY, ServerAddress, ServerMonitoringMode};
use crate::pool::{Connection, Establisher, Generation, Purpose};
use crate::rt::Runtime;
use crate::types::TopologyVersion;
use crate::wire::message::Flags;

/// Starts to watch `server`, in the background.
pub(super) fn start(
    deployment: Weak<Deployment>,
    server: Arc<Server>,
    establisher: Establisher,
    publisher: Arc<Publisher>,
) {
    let runtime = establisher.runtime().clone();
    let address = Arc::new(server.address().clone());
    let monitor = Monitor {
        deployment,
        server,
        address,
        establisher,
        publisher,
        connections: AtomicU64::new(0),
        trips: Mutex::default(),
    };
    runtime.spawn(monitor.run());
}

pub(super) struct Monitor {
    deployment: Weak<Deployment>,
    pub(super) server: Arc<Server>,
    address: Arc<ServerAddress>,
    establisher: Establisher,
    publisher: Arc<Publisher>,
    /// How many connections were opened.
    connections: AtomicU64,
    trips: Mutex<RoundTrips>,
}

/// How a monitor goes on after a watch.
enum Next {
    /// With another watch, at once.
    Again,
    /// With a rest.
    Rest,
}

/// A monitoring connection and what the server last said on it.
pub(super) struct MonitorConnection {
    pub(super) connection: Connection,
    pub(super) hello: HelloReply,
}

impl Monitor {
    async fn run(self) {
        either(self.watch_until_closed(), self.recheck_when_replaced()).await;
    }

    async fn watch_until_closed(&self) {
        let checks = self.server.checks();
        while !checks.is_closed() {
            checks.rearm();
            let next = match either(checks.interrupted(), self.watch()).await {
                Either::Left(()) => {
                    self.trips().reset();
                    Next::Rest
                }
                Either::Right(next) => next,
            };
            if let Next::Rest = next {
                either(checks.closed(), self.rest()).await;
            }
        }
    }

    /// Connects, and stays with the connection until it fails.
    async fn watch(&self) -> Next {
        let check = self.server.checks().begin();
        let mut opened = match self.open().await {
            Ok(opened) => opened,
            Err(error) => return self.failed(check, error),
        };
        self.succeeded(Some(check), opened.hello.clone());
        loop {
            match opened.hello.topology_version {
                Some(version) if self.may_stream() => {
                    let stream = self.stream(&mut opened.connection, version);
                    return match either(stream, self.probe()).await {
                        Either::Left(error) => self.went_silent(error),
                        // A new connection tells what is the matter.
                        Either::Right(()) => Next::Again,
                    };
                }
                _ => {
                    self.rest().await;
                    let check = self.server.checks().begin();
                    match self.ask(&mut opened.connection).await {
                        Ok(hello) => {
                            opened.hello = hello.clone();
                            self.succeeded(Some(check), hello);
                        }
                        Err(error) => return self.failed(check, error),
                    }
                }
            }
        }
    }

    /// Waits for the next time to check.
    async fn rest(&self) {
        let soonest = Instant::now() + MIN_HEARTBEAT_FREQUENCY;
        let latest = Deadline::after(self.heartbeat_freq());
        let _ = self.runtime().timeout(latest, self.server.checks().any_wanted()).await;
        if Instant::now() < soonest {
            self.runtime().sleep_until(soonest).await;
        }
    }

    /// Opens a connection; its handshake is a check.
    pub(super) async fn open(&self) -> Result<MonitorConnection> {
        let id = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        let heartbeat = self.publisher.heartbeat(&self.address, false, id, None);
        let opened = self.connect(id).await.and_then(|connection| {
            let hello = self.hello(&connection)?;
            Ok(MonitorConnection { connection, hello })
        });
        let round_trip =
            |opened: &MonitorConnection| opened.connection.description().round_trip_time;
        let measured = opened.as_ref().ok().map(round_trip);
        self.tell(heartbeat, &opened, measured, |opened| &opened.connection);
        opened
    }

    /// Opens a connection of which nobody is told, to measure.
    pub(super) async fn open_quietly(&self) -> Result<Connection> {
        self.connect(self.connections.fetch_add(1, Ordering::Relaxed) + 1).await
    }

    /// Opens a connection and takes the round trip of its handshake into account.
    async fn connect(&self, id: u64) -> Result<Connection> {
        let deadline = Deadline::after_option(self.options().connect_timeout());
        let established = self.establisher.establish(
            &self.address,
            id,
            Generation::FIRST,
            Purpose::Monitor,
            deadline,
        );
        let connection = established.await.map_err(|failed| failed.error)?;
        self.trips().add(connection.description().round_trip_time);
        Ok(connection)
    }

    /// One check by a `hello` that is answered at once.
    pub(super) async fn ask(&self, connection: &mut Connection) -> Result<HelloReply> {
        let heartbeat = self.heartbeat(connection, false);
        let asked = self.ask_quietly(connection).await;
        let measured = asked.as_ref().ok().copied();
        let answered = asked.and_then(|_| self.hello(connection));
        self.tell(heartbeat, &answered, measured, |_| connection);
        answered
    }

    /// A round trip of which nobody is told; how long it took.
    pub(super) async fn ask_quietly(&self, connection: &mut Connection) -> Result<Duration> {
        let sent = Instant::now();
        self.write_hello(connection, None);
        let deadline = Deadline::after_option(self.options().connect_timeout());
        connection.round_trip(self.runtime(), deadline).await?;
        let round_trip = sent.elapsed();
        self.trips().add(round_trip);
        Ok(round_trip)
    }

    /// Takes in what the server tells by itself, from `version` on, until it fails.
    async fn stream(&self, connection: &mut Connection, mut version: TopologyVersion) -> Error {
        let patience = self
            .options()
            .connect_timeout()
            .map(|limit| limit.saturating_add(self.heartbeat_freq()));
        loop {
            let heartbeat = self.heartbeat(connection, true);
            let received = if connection.more_to_come() {
                connection.receive(self.runtime(), Deadline::after_option(patience)).await
            } else {
                self.write_hello(connection, Some(version));
                connection.round_trip(self.runtime(), Deadline::after_option(patience)).await
            };
            let answered = received.and_then(|()| self.hello(connection));
            self.tell(heartbeat, &answered, None, |_| connection);
            match answered {
                Ok(hello) => {
                    version = hello.topology_version.unwrap_or(version);
                    self.succeeded(None, hello);
                }
                Err(error) => return error,
            }
        }
    }

    /// The reply that came last on a connection.
    fn hello(&self, connection: &Connection) -> Result<HelloReply> {
        HelloReply::parse(connection.reply()?).map_err(|error| error.at(&self.address))
    }

    fn heartbeat(&self, connection: &Connection, awaited: bool) -> Heartbeat {
        let server_connection_id = connection.description().server_connection_id;
        self.publisher.heartbeat(&self.address, awaited, connection.id(), server_connection_id)
    }

    /// Tells how a heartbeat ended, and how long its round trip was if it was one.
    fn tell<'c, T>(
        &self,
        heartbeat: Heartbeat,
        outcome: &'c Result<T>,
        round_trip: Option<Duration>,
        connection: impl FnOnce(&'c T) -> &'c Connection,
    ) {
        match outcome {
            Ok(value) => {
                let connection = connection(value);
                let reply = || {
                    connection
                        .reply()
                        .ok()
                        .and_then(|reply| decode::document(reply).ok())
                        .unwrap_or_default()
                };
                heartbeat.succeeded(
                    reply,
                    round_trip,
                    connection.description().server_connection_id,
                );
            }
            Err(error) => heartbeat.failed(error),
        }
    }

    /// Writes a `hello`: one that waits for news if the topology version that is known is given.
    fn write_hello(&self, connection: &mut Connection, known: Option<TopologyVersion>) {
        let has_server_api = self.options().server_api.is_some();
        let name = if connection.description().hello_ok || has_server_api {
            HelloName::Hello
        } else {
            HelloName::Legacy
        };
        let mut message = connection.begin();
        if known.is_some() {
            message.flag(Flags::EXHAUST_ALLOWED);
        }
        write_hello(&mut message.body(), name, |body| {
            self.establisher.write_server_api(body);
            let Some(version) = known else { return };
            let mut known = body.nested(cstr!("topologyVersion"));
            known.object_id(cstr!("processId"), version.process_id);
            known.i64(cstr!("counter"), version.counter);
            drop(known);
            // Servers take no more than that many milliseconds, which are 24 days.
            let await_time = i32::try_from(self.heartbeat_freq().as_millis()).unwrap_or(i32::MAX);
            body.i64(cstr!("maxAwaitTimeMS"), await_time.into());
        });
    }

    /// A check found `hello`; the numbered ones are over with it.
    pub(super) fn succeeded(&self, check: Option<CheckNumber>, hello: HelloReply) {
        if let Some(deployment) = self.deployment.upgrade() {
            deployment.found(&self.server, hello, self.round_trip());
        }
        if let Some(check) = check {
            self.server.checks().end(check);
        }
    }

    /// A check failed.
    fn failed(&self, check: CheckNumber, error: Error) -> Next {
        let next = self.went_silent(error);
        self.server.checks().end(check);
        next
    }

    fn went_silent(&self, error: Error) -> Next {
        self.trips().reset();
        let network = error.is_network();
        let known = self
            .deployment
            .upgrade()
            .is_some_and(|deployment| deployment.lost(&self.server, error));
        match network && known {
            true => Next::Again,
            false => Next::Rest,
        }
    }

    /// Whether the server is to tell of its changes by itself, if it can.
    fn may_stream(&self) -> bool {
        match self.options().server_monitoring_mode() {
            ServerMonitoringMode::Stream => true,
            ServerMonitoringMode::Poll => false,
            ServerMonitoringMode::Auto => !self.establisher.metadata().is_faas(),
        }
    }

    pub(super) fn deployment(&self) -> Option<Arc<Deployment>> {
        self.deployment.upgrade()
    }

    pub(super) fn options(&self) -> &ClientOptions {
        self.establisher.options()
    }

    pub(super) fn runtime(&self) -> &Runtime {
        self.establisher.runtime()
    }

    pub(super) fn heartbeat_freq(&self) -> Duration {
        self.options().heartbeat_freq()
    }

    fn round_trip(&self) -> RoundTrip {
        self.trips().summary()
    }

    fn trips(&self) -> std::sync::MutexGuard<'_, RoundTrips> {
        self.trips.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
