//! Delivers the deployment's events in order.
//!
//! Events are queued while the nest's write lock is held, and delivered after it is released. One
//! thread at a time delivers. Other threads only add events to the queue. So a handler may use the
//! client, and may cause more events.
//!
//! Every started heartbeat has an end: it fails if its server is closed or its task is dropped. A
//! heartbeat that a monitor starts after its server was closed causes no events.
//!
//! One mutex guards everything, including the flag of the delivering thread. So a thread stops
//! delivering in the same step in which it finds the queue empty, and no event is left behind. The
//! tests below check this on random schedules.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bson::Document;
use bson::oid::ObjectId;

use crate::error::{Error, ErrorKind};
use crate::event::EventHandler;
use crate::event::sdam::*;
use crate::object_id::new_object_id;
use crate::options::ServerAddress;

/// The queue of events of one deployment.
pub(crate) struct Publisher {
    handler: Option<EventHandler<SdamEvent>>,
    topology_id: ObjectId,
    queue: Mutex<EventQueue>,
}

#[derive(Default)]
struct EventQueue {
    events: VecDeque<SdamEvent>,
    /// A thread delivers the queue.
    delivering: bool,
    /// The last event is queued.
    closed: bool,
    /// The servers that have opened and not closed.
    watched: Vec<ServerAddress>,
    /// The heartbeats in flight, all of monitored servers.
    beating: Vec<Beat>,
    next_beat: u64,
}

/// One heartbeat in flight.
struct Beat {
    number: u64,
    topology_id: ObjectId,
    address: ServerAddress,
    awaited: bool,
    started: Instant,
    driver_connection_id: u64,
    server_connection_id: Option<i64>,
}

/// A started heartbeat. Dropping it reports a failure.
pub(super) struct Heartbeat(Option<(Arc<Publisher>, u64)>);

impl Publisher {
    pub(super) fn new(handler: Option<EventHandler<SdamEvent>>) -> Arc<Self> {
        Arc::new(Publisher { handler, topology_id: new_object_id(), queue: Mutex::default() })
    }

    fn queue(&self) -> MutexGuard<'_, EventQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Delivers the queue, unless another thread does.
    pub(super) fn deliver(&self) {
        let Some(handler) = &self.handler else { return };
        let mut queue = self.queue();
        if std::mem::replace(&mut queue.delivering, true) {
            return;
        }
        while let Some(event) = queue.events.pop_front() {
            drop(queue);
            handler.handle(event);
            queue = self.queue();
        }
        queue.delivering = false;
    }

    /// The id of the topology, if its events have a handler.
    pub(super) fn listener(&self) -> Option<ObjectId> {
        self.handler.as_ref().map(|_| self.topology_id)
    }

    /// Queues `events` of the deployment. The heartbeats of a closed server end before its closing
    /// event. No event follows the end of the deployment.
    pub(super) fn enqueue(&self, events: Vec<SdamEvent>) {
        if events.is_empty() {
            return;
        }
        let mut queue = self.queue();
        for event in events {
            queue.push(event);
        }
    }

    /// A heartbeat starts. It causes no event if its server has been closed.
    pub(super) fn heartbeat(
        self: &Arc<Self>,
        address: &ServerAddress,
        awaited: bool,
        driver_connection_id: u64,
        server_connection_id: Option<i64>,
    ) -> Heartbeat {
        if self.handler.is_none() {
            return Heartbeat(None);
        }
        let mut queue = self.queue();
        if !queue.watched.contains(address) {
            return Heartbeat(None);
        }
        let number = queue.next_beat;
        queue.next_beat += 1;
        queue.push(SdamEvent::ServerHeartbeatStarted(ServerHeartbeatStartedEvent {
            topology_id: self.topology_id,
            server_address: address.clone(),
            awaited,
            driver_connection_id,
            server_connection_id,
        }));
        queue.beating.push(Beat {
            number,
            topology_id: self.topology_id,
            address: address.clone(),
            awaited,
            started: Instant::now(),
            driver_connection_id,
            server_connection_id,
        });
        drop(queue);
        self.deliver();
        Heartbeat(Some((Arc::clone(self), number)))
    }
}

impl EventQueue {
    fn push(&mut self, event: SdamEvent) {
        if self.closed {
            return;
        }
        match &event {
            SdamEvent::ServerOpening(e) => self.watched.push(e.address.clone()),
            SdamEvent::ServerClosed(e) => {
                self.watched.retain(|watched| *watched != e.address);
                let ended = self.beating.extract_if(.., |beat| beat.address == e.address);
                self.events.extend(ended.map(|beat| beat.failed(Error::new(ErrorKind::Shutdown))));
            }
            SdamEvent::TopologyClosed(_) => self.closed = true,
            _ => {}
        }
        self.events.push_back(event);
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
    /// The server has replied, on the connection with its id `server_connection_id`. `round_trip`
    /// is the measured time; `None` for an awaitable check.
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

    /// The server sent no reply, or an error.
    pub(super) fn failed(mut self, failure: &Error) {
        self.end(|beat| beat.failed(failure.clone()));
    }

    fn end(&mut self, event: impl FnOnce(Beat) -> SdamEvent) {
        let Some((publisher, number)) = self.0.take() else { return };
        let mut queue = publisher.queue();
        if let Some(i) = queue.beating.iter().position(|beat| beat.number == number) {
            let beat = queue.beating.swap_remove(i);
            queue.push(event(beat));
        }
        drop(queue);
        publisher.deliver();
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.end(|beat| {
            beat.failed(Error::timeout("the check was interrupted, because its connection failed"))
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::super::transition::Transition;
    use super::*;
    use crate::description::{ServerDescription, TopologyDescription, TopologyType};

    fn address(i: usize) -> ServerAddress {
        ServerAddress::parse(format!("h{i}:1")).unwrap()
    }

    /// A deployment of `n` servers.
    fn of_servers(n: usize) -> TopologyDescription {
        let servers = (0..n).map(|i| ServerDescription::unknown(address(i))).collect();
        TopologyDescription::of(TopologyType::Unknown, servers)
    }

    fn open(publisher: &Publisher, servers: usize) -> Arc<TopologyDescription> {
        let opening = Transition::opening(of_servers(servers), publisher.listener());
        publisher.enqueue(opening.events);
        opening.description
    }

    // On a random schedule: one event at a time, none lost, each thread's events in its order, and
    // a handler can cause further events.
    #[test]
    fn events_are_delivered_one_at_a_time_and_in_order() {
        const THREADS: usize = 4;
        const BEATS: usize = 200;
        static HANDLER: OnceLock<Arc<Publisher>> = OnceLock::new();
        let received: Arc<Mutex<Vec<SdamEvent>>> = Arc::default();
        let (inside, log) = (AtomicUsize::new(0), Arc::clone(&received));
        let publisher = Publisher::new(Some(EventHandler::callback(move |event: SdamEvent| {
            assert_eq!(
                inside.fetch_add(1, Ordering::SeqCst),
                0,
                "two events are delivered at once"
            );
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
        open(&publisher, THREADS + 1);
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
        let received = received.lock().unwrap();
        let opened = 2 + THREADS + 1;
        assert_eq!(received.len(), opened + 2 * THREADS * BEATS + 2);
        for i in 0..THREADS {
            let numbers: Vec<u64> = received
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
        let received = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&received);
        let publisher = Publisher::new(Some(EventHandler::callback(move |event| {
            if let SdamEvent::ServerHeartbeatStarted(_) = event {
                std::panic::resume_unwind(Box::new("on purpose"));
            }
            count.fetch_add(1, Ordering::SeqCst);
        })));
        open(&publisher, 1);
        publisher.deliver();
        let opened = received.swap(0, Ordering::SeqCst);
        assert_eq!(opened, 3);
        for _ in 0..3 {
            drop(publisher.heartbeat(&address(0), false, 1, None));
        }
        assert_eq!(received.load(Ordering::SeqCst), 3);
    }

    // On a random schedule: monitors are the last to learn that their server was closed.
    #[test]
    fn closed_server_has_no_events_and_every_heartbeat_ends() {
        const SERVERS: usize = 3;
        for _ in 0..300 {
            let received: Arc<Mutex<Vec<SdamEvent>>> = Arc::default();
            let log = Arc::clone(&received);
            let publisher = Publisher::new(Some(EventHandler::callback(move |event| {
                log.lock().unwrap().push(event)
            })));
            let known = open(&publisher, SERVERS);
            thread::scope(|scope| {
                for i in 0..SERVERS {
                    let publisher = &publisher;
                    scope.spawn(move || {
                        for n in 0..fastrand::u64(..8) {
                            drop(publisher.heartbeat(&address(i), false, n, None));
                        }
                    });
                }
                // Here a monitor may be quicker than the shutdown.
                if fastrand::bool() {
                    thread::yield_now();
                }
                let closing = Transition::closing(&known, publisher.listener());
                publisher.enqueue(closing.events);
                publisher.deliver();
            });
            let received = received.lock().unwrap();
            assert!(matches!(received.last(), Some(SdamEvent::TopologyClosed(_))), "{received:?}");
            for i in 0..SERVERS {
                let (mut open, mut beating) = (false, 0);
                for event in &*received {
                    match event {
                        SdamEvent::ServerOpening(e) if e.address == address(i) => open = true,
                        SdamEvent::ServerClosed(e) if e.address == address(i) => {
                            assert_eq!(beating, 0, "a heartbeat has not ended: {received:?}");
                            open = false;
                        }
                        SdamEvent::ServerHeartbeatStarted(e) if e.server_address == address(i) => {
                            assert!(
                                open,
                                "a heartbeat of a server that is not watched: {received:?}"
                            );
                            beating += 1;
                        }
                        SdamEvent::ServerHeartbeatFailed(e) if e.server_address == address(i) => {
                            beating -= 1
                        }
                        _ => {}
                    }
                }
                assert!(!open && beating == 0, "{received:?}");
            }
        }
    }
}
