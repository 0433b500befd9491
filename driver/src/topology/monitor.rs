//! Checks one server over its own connection while the server belongs to the deployment
//! (specification "Server Monitoring").
//!
//! A *watch* lasts as long as one connection. Its first check is the handshake. A server since 4.4
//! then streams its changes: `hello` with the known topology version and `maxAwaitTimeMS` gets one
//! reply after the other. Beside the stream, [`rtt_monitor`](super::rtt_monitor) measures
//! round-trip times and answers requests for a new check. Other servers are polled.
//!
//! Any error ends the watch. After a network error of a known server the next watch begins at once.
//! After any other error, or an interruption, the monitor waits for the heartbeat interval or until
//! an operation needs the server, but at least half a second. No error ends the monitor. It ends
//! when its server or the deployment is removed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use bson::raw::cstr;

use super::checks::Check;
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

/// Starts to monitor `server` in the background.
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
    /// The number of connections opened so far.
    connections: AtomicU64,
    trips: Mutex<RoundTrips>,
}

/// The continuation after a watch.
enum Next {
    /// Another watch at once.
    Again,
    /// A wait.
    Wait,
}

/// A monitoring connection and its last reply.
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
                    Next::Wait
                }
                Either::Right(next) => next,
            };
            if let Next::Wait = next {
                either(checks.closed(), self.wait_for_next_check()).await;
            }
        }
    }

    /// Connects, and watches until the connection fails.
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
                        Either::Left(error) => self.lost(error),
                        // A new connection finds the reason.
                        Either::Right(()) => Next::Again,
                    };
                }
                _ => {
                    self.wait_for_next_check().await;
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

    /// Waits until the next check.
    async fn wait_for_next_check(&self) {
        let soonest = Instant::now() + MIN_HEARTBEAT_FREQUENCY;
        let latest = Deadline::after(self.heartbeat_freq());
        let _ = self.runtime().timeout(latest, self.server.checks().any_wanted()).await;
        if Instant::now() < soonest {
            self.runtime().sleep_until(soonest).await;
        }
    }

    /// Opens a connection. Its handshake is a check.
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

    /// Opens a connection without events, for measurements.
    pub(super) async fn open_quietly(&self) -> Result<Connection> {
        self.connect(self.connections.fetch_add(1, Ordering::Relaxed) + 1).await
    }

    /// Opens a connection and adds the round-trip time of its handshake.
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

    /// Checks the server with a `hello` that is answered at once.
    pub(super) async fn ask(&self, connection: &mut Connection) -> Result<HelloReply> {
        let heartbeat = self.heartbeat(connection, false);
        let asked = self.ask_quietly(connection).await;
        let measured = asked.as_ref().ok().copied();
        let answered = asked.and_then(|_| self.hello(connection));
        self.tell(heartbeat, &answered, measured, |_| connection);
        answered
    }

    /// Measures a round-trip time without events.
    pub(super) async fn ask_quietly(&self, connection: &mut Connection) -> Result<Duration> {
        let sent = Instant::now();
        self.write_hello(connection, None);
        let deadline = Deadline::after_option(self.options().connect_timeout());
        connection.round_trip(self.runtime(), deadline).await?;
        let round_trip = sent.elapsed();
        self.trips().add(round_trip);
        Ok(round_trip)
    }

    /// Receives the streamed replies, from `version` on, until an error.
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

    /// The last reply on a connection.
    fn hello(&self, connection: &Connection) -> Result<HelloReply> {
        HelloReply::parse(connection.reply()?).map_err(|error| error.at(&self.address))
    }

    fn heartbeat(&self, connection: &Connection, awaited: bool) -> Heartbeat {
        let server_connection_id = connection.description().server_connection_id;
        self.publisher.heartbeat(&self.address, awaited, connection.id(), server_connection_id)
    }

    /// Emits the event that ends a heartbeat, with its round-trip time if that was measured.
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

    /// Writes a `hello`. With the known topology version it is awaitable.
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
            // Servers accept at most this number of milliseconds, about 24 days.
            let await_time = i32::try_from(self.heartbeat_freq().as_millis()).unwrap_or(i32::MAX);
            body.i64(cstr!("maxAwaitTimeMS"), await_time.into());
        });
    }

    /// A check succeeded with `hello`. A check of its own, one that is no part of a stream, ends.
    pub(super) fn succeeded(&self, check: Option<Check<'_>>, hello: HelloReply) {
        if let Some(deployment) = self.deployment.upgrade() {
            deployment.found(&self.server, hello, self.round_trip());
        }
        if let Some(check) = check {
            check.end();
        }
    }

    /// A check failed.
    fn failed(&self, check: Check<'_>, error: Error) -> Next {
        let next = self.lost(error);
        check.end();
        next
    }

    fn lost(&self, error: Error) -> Next {
        self.trips().reset();
        let network = error.is_network();
        let known = self
            .deployment
            .upgrade()
            .is_some_and(|deployment| deployment.lost(&self.server, error));
        if network && known { Next::Again } else { Next::Wait }
    }

    /// Whether the server should stream its changes, if it can.
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
