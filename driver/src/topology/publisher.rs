//! Tells the deployment's events in the order in which things happened.
//!
//! Events are put in line while the nest's write lock is held, and told after it is released: one
//! thread at a time tells what is in line, and whoever adds to the line meanwhile leaves the
//! telling to it. So a handler may use the client, and cause more events, without harm.
//!
//! Every heartbeat that was started is also ended: those that are under way when their server is
//! closed, or their task dropped, are told to have failed. A heartbeat that a monitor starts after
//! its server was closed, not knowing it yet, is not told of.
//!
//! Everything here changes under one mutex, the mark of whoever is telling too: whether the line is
//! empty and that nobody tells any more is one decision, so that no event is left behind. The tests
//! below look at it on random schedules.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bson::Document;
use bson::oid::ObjectId;

use super::snapshot::Topology;
use crate::description::TopologyDescription;
use crate::error::{Error, ErrorKind};
use crate::event::EventHandler;
use crate::event::sdam::*;
use crate::object_id::new_object_id;
use crate::options::ServerAddress;

/// The line of events of one deployment.
pub(crate) struct Publisher {
    handler: Option<EventHandler<SdamEvent>>,
    topology_id: ObjectId,
    line: Mutex<EventQueue>,
}

#[derive(Default)]
struct EventQueue {
    events: VecDeque<SdamEvent>,
    /// Somebody is telling what is in line.
    telling: bool,
    /// The last event has been put in line.
    closed: bool,
    /// The servers that were told to be watched.
    watched: Vec<ServerAddress>,
    /// Heartbeats that have started and not ended, all of servers that are watched.
    beating: Vec<Beat>,
    next_beat: u64,
}

/// One heartbeat under way.
struct Beat {
    number: u64,
    topology_id: ObjectId,
    address: ServerAddress,
    awaited: bool,
    started: Instant,
    driver_connection_id: u64,
    server_connection_id: Option<i64>,
}

/// A heartbeat that has started; dropping it tells that it failed.
pub(super) struct Heartbeat(Option<(Arc<Publisher>, u64)>);

impl Publisher {
    pub(super) fn new(handler: Option<EventHandler<SdamEvent>>) -> Arc<Self> {
        Arc::new(Publisher { handler, topology_id: new_object_id(), line: Mutex::default() })
    }

    fn line(&self) -> MutexGuard<'_, EventQueue> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts in line what `events` says happened; builds nothing where nobody listens.
    fn enqueue(&self, events: impl FnOnce(&mut EventQueue)) {
        if self.handler.is_some() {
            let mut line = self.line();
            if !line.closed {
                events(&mut line);
            }
        }
    }

    /// Tells what is in line, unless somebody is doing so already.
    pub(super) fn deliver(&self) {
        let Some(handler) = &self.handler else { return };
        let mut line = self.line();
        if std::mem::replace(&mut line.telling, true) {
            return;
        }
        while let Some(event) = line.events.pop_front() {
            drop(line);
            handler.handle(event);
            line = self.line();
        }
        line.telling = false;
    }

    pub(super) fn opened(&self, new: &Topology) {
        let topology_id = self.topology_id;
        self.enqueue(|line| {
            line.events.push_back(SdamEvent::TopologyOpening(TopologyOpeningEvent { topology_id }));
            line.events.push_back(
                self.description_changed(
                    &Arc::new(TopologyDescription::empty()),
                    new.description(),
                ),
            );
            for server in new.description().servers() {
                self.open_server(line, server.address());
            }
        });
    }

    /// The deployment changed from one snapshot to the next.
    pub(super) fn changed(&self, old: &Topology, new: &Topology) {
        let (before, after) = (old.description(), new.description());
        self.enqueue(|line| {
            for known in before.servers() {
                match after.server(known.address()) {
                    Some(now) if !now.says_the_same(known) => {
                        let event = ServerDescriptionChangedEvent {
                            topology_id: self.topology_id,
                            address: known.address().clone(),
                            previous_description: known.clone(),
                            new_description: now.clone(),
                        };
                        line.events.push_back(SdamEvent::ServerDescriptionChanged(Box::new(event)));
                    }
                    Some(_) => {}
                    None => self.close_server(line, known.address()),
                }
            }
            for now in after.servers().filter(|now| before.server(now.address()).is_none()) {
                self.open_server(line, now.address());
            }
            if !after.says_the_same(before) {
                line.events.push_back(self.description_changed(before, after));
            }
        });
    }

    /// The deployment is watched no longer: puts the last event in line.
    pub(super) fn closed(&self) {
        let topology_id = self.topology_id;
        self.enqueue(|line| {
            line.events.push_back(SdamEvent::TopologyClosed(TopologyClosedEvent { topology_id }));
            line.closed = true;
        });
    }

    fn open_server(&self, line: &mut EventQueue, address: &ServerAddress) {
        line.watched.push(address.clone());
        line.events.push_back(SdamEvent::ServerOpening(ServerOpeningEvent {
            topology_id: self.topology_id,
            address: address.clone(),
        }));
    }

    fn close_server(&self, line: &mut EventQueue, address: &ServerAddress) {
        line.watched.retain(|watched| watched != address);
        let (of_it, others) = std::mem::take(&mut line.beating)
            .into_iter()
            .partition(|beat| beat.address == *address);
        line.beating = others;
        let of_it: Vec<Beat> = of_it;
        line.events
            .extend(of_it.into_iter().map(|beat| beat.failed(Error::new(ErrorKind::Shutdown))));
        line.events.push_back(SdamEvent::ServerClosed(ServerClosedEvent {
            topology_id: self.topology_id,
            address: address.clone(),
        }));
    }

    fn description_changed(
        &self,
        old: &Arc<TopologyDescription>,
        new: &Arc<TopologyDescription>,
    ) -> SdamEvent {
        SdamEvent::TopologyDescriptionChanged(Box::new(TopologyDescriptionChangedEvent {
            topology_id: self.topology_id,
            previous_description: Arc::clone(old),
            new_description: Arc::clone(new),
        }))
    }

    /// A heartbeat starts; nobody is told of it if its server has been closed.
    pub(super) fn heartbeat(
        self: &Arc<Self>,
        address: &ServerAddress,
        awaited: bool,
        driver_connection_id: u64,
        server_connection_id: Option<i64>,
    ) -> Heartbeat {
        let mut heartbeat = Heartbeat(None);
        self.enqueue(|line| {
            if !line.watched.contains(address) {
                return;
            }
            let number = line.next_beat;
            line.next_beat += 1;
            line.events.push_back(SdamEvent::ServerHeartbeatStarted(ServerHeartbeatStartedEvent {
                topology_id: self.topology_id,
                server_address: address.clone(),
                awaited,
                driver_connection_id,
                server_connection_id,
            }));
            line.beating.push(Beat {
                number,
                topology_id: self.topology_id,
                address: address.clone(),
                awaited,
                started: Instant::now(),
                driver_connection_id,
                server_connection_id,
            });
            heartbeat.0 = Some((Arc::clone(self), number));
        });
        self.deliver();
        heartbeat
    }
}

impl Beat {
    fn failed(self, failure: Error) -> SdamEvent {
        SdamEvent::ServerHeartbeatFailed(ServerHeartbeatFailedEvent {
            topology_id: self.topology_id,
            server_address: self.address,
            awaited: self.awaited,
            duration: self.started.elapsed(),
            failure,
            driver_connection_id: self.driver_connection_id,
            server_connection_id: self.server_connection_id,
        })
    }
}

impl Heartbeat {
    /// The server has answered on a connection that it knows by `server_connection_id`.
    /// `round_trip` is the time that counts as the distance; none for an answer that was
    /// awaited.
    pub(super) fn succeeded(
        mut self,
        reply: impl FnOnce() -> Document,
        round_trip: Option<Duration>,
        server_connection_id: Option<i64>,
    ) {
        self.end(|beat| {
            SdamEvent::ServerHeartbeatSucceeded(ServerHeartbeatSucceededEvent {
                topology_id: beat.topology_id,
                server_address: beat.address,
                awaited: beat.awaited,
                duration: round_trip.unwrap_or_else(|| beat.started.elapsed()),
                reply: reply(),
                driver_connection_id: beat.driver_connection_id,
                server_connection_id: server_connection_id.or(beat.server_connection_id),
            })
        });
    }

    /// The server has not answered, or with an error.
    pub(super) fn failed(mut self, failure: &Error) {
        self.end(|beat| beat.failed(failure.clone()));
    }

    fn end(&mut self, event: impl FnOnce(Beat) -> SdamEvent) {
        let Some((publisher, number)) = self.0.take() else { return };
        publisher.enqueue(|line| {
            if let Some(i) = line.beating.iter().position(|beat| beat.number == number) {
                let beat = line.beating.swap_remove(i);
                line.events.push_back(event(beat));
            }
        });
        publisher.deliver();
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.end(|beat| {
            beat.failed(Error::timeout(
                "the check was interrupted: its connection was seen to fail",
            ))
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::super::selection::Limits;
    use super::*;
    use crate::description::ServerDescription;
    use crate::description::TopologyType;

    fn address(i: usize) -> ServerAddress {
        ServerAddress::parse(format!("h{i}:1")).unwrap()
    }

    /// A snapshot of that many servers.
    fn of_servers(n: usize) -> Topology {
        let servers = (0..n).map(|i| ServerDescription::unknown(address(i))).collect();
        let description = TopologyDescription::of(TopologyType::Unknown, servers);
        let limits = Limits { local_threshold: Duration::ZERO, heartbeat_freq: Duration::ZERO };
        Topology::new(description, Vec::new(), limits)
    }

    // On a random schedule: one event at a time, none lost, each thread's in its order, and a
    // handler may cause more.
    #[test]
    fn events_are_told_one_at_a_time_and_in_order() {
        const THREADS: usize = 4;
        const BEATS: usize = 200;
        static HANDLER: OnceLock<Arc<Publisher>> = OnceLock::new();
        let told: Arc<Mutex<Vec<SdamEvent>>> = Arc::default();
        let (inside, log) = (AtomicUsize::new(0), Arc::clone(&told));
        let publisher = Publisher::new(Some(EventHandler::callback(move |event: SdamEvent| {
            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two events are told at once");
            if fastrand::u8(..) < 16 {
                thread::yield_now();
            }
            if let (SdamEvent::ServerHeartbeatStarted(e), Some(publisher)) = (&event, HANDLER.get())
                && e.driver_connection_id == 7
                && e.server_address == address(0)
            {
                publisher
                    .heartbeat(&address(THREADS), false, 0, None)
                    .failed(&Error::timeout("nested"));
            }
            log.lock().unwrap().push(event);
            inside.fetch_sub(1, Ordering::SeqCst);
        })));
        let _ = HANDLER.set(Arc::clone(&publisher));
        publisher.opened(&of_servers(THREADS + 1));
        thread::scope(|scope| {
            for i in 0..THREADS {
                let publisher = &publisher;
                scope.spawn(move || {
                    for n in 0..BEATS {
                        let heartbeat = publisher.heartbeat(&address(i), false, n as u64, None);
                        match fastrand::u8(..3) {
                            0 => heartbeat.succeeded(Document::new, None, None),
                            1 => heartbeat.failed(&Error::timeout("on purpose")),
                            _ => drop(heartbeat),
                        }
                    }
                });
            }
        });
        let told = told.lock().unwrap();
        let opened = 2 + THREADS + 1;
        assert_eq!(told.len(), opened + 2 * THREADS * BEATS + 2);
        for i in 0..THREADS {
            let numbers: Vec<u64> = told
                .iter()
                .filter_map(|event| match event {
                    SdamEvent::ServerHeartbeatStarted(e) => {
                        Some((&e.server_address, e.driver_connection_id))
                    }
                    SdamEvent::ServerHeartbeatSucceeded(e) => {
                        Some((&e.server_address, e.driver_connection_id))
                    }
                    SdamEvent::ServerHeartbeatFailed(e) => {
                        Some((&e.server_address, e.driver_connection_id))
                    }
                    _ => None,
                })
                .filter_map(|(host, n)| (*host == address(i)).then_some(n))
                .collect();
            let expected: Vec<u64> = (0..BEATS as u64).flat_map(|n| [n, n]).collect();
            assert_eq!(numbers, expected);
        }
    }

    #[test]
    fn panicking_handler_loses_only_its_event() {
        let told = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&told);
        let publisher = Publisher::new(Some(EventHandler::callback(move |event| {
            if let SdamEvent::ServerHeartbeatStarted(_) = event {
                std::panic::resume_unwind(Box::new("on purpose"));
            }
            count.fetch_add(1, Ordering::SeqCst);
        })));
        publisher.opened(&of_servers(1));
        publisher.deliver();
        let opened = told.swap(0, Ordering::SeqCst);
        assert_eq!(opened, 3);
        for _ in 0..3 {
            drop(publisher.heartbeat(&address(0), false, 1, None));
        }
        assert_eq!(told.load(Ordering::SeqCst), 3);
    }

    // On a random schedule: monitors learn last that their server is watched no longer.
    #[test]
    fn nothing_is_told_of_a_server_after_it_was_closed_and_every_heartbeat_ends() {
        const SERVERS: usize = 3;
        for _ in 0..300 {
            let told: Arc<Mutex<Vec<SdamEvent>>> = Arc::default();
            let log = Arc::clone(&told);
            let publisher = Publisher::new(Some(EventHandler::callback(move |event| {
                log.lock().unwrap().push(event)
            })));
            let (known, gone) = (of_servers(SERVERS), of_servers(0));
            publisher.opened(&known);
            thread::scope(|scope| {
                for i in 0..SERVERS {
                    let publisher = &publisher;
                    scope.spawn(move || {
                        for n in 0..fastrand::u64(..8) {
                            drop(publisher.heartbeat(&address(i), false, n, None));
                        }
                    });
                }
                publisher.changed(&known, &gone);
                // Here a monitor may be quicker than whoever shuts down.
                if fastrand::bool() {
                    thread::yield_now();
                }
                publisher.closed();
                publisher.deliver();
            });
            let told = told.lock().unwrap();
            assert!(matches!(told.last(), Some(SdamEvent::TopologyClosed(_))), "{told:?}");
            for i in 0..SERVERS {
                let (mut open, mut beating) = (false, 0);
                for event in &*told {
                    match event {
                        SdamEvent::ServerOpening(e) if e.address == address(i) => open = true,
                        SdamEvent::ServerClosed(e) if e.address == address(i) => {
                            assert_eq!(beating, 0, "a heartbeat has not ended: {told:?}");
                            open = false;
                        }
                        SdamEvent::ServerHeartbeatStarted(e) if e.server_address == address(i) => {
                            assert!(open, "a heartbeat of a server that is not watched: {told:?}");
                            beating += 1;
                        }
                        SdamEvent::ServerHeartbeatFailed(e) if e.server_address == address(i) => {
                            beating -= 1
                        }
                        _ => {}
                    }
                }
                assert!(!open && beating == 0, "{told:?}");
            }
        }
    }
}
