//! Deployments of real servers, on both APIs.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use bson::doc;
use testbed::{Direction, Fault, Member, Proxy, ReplicaSet, Standalone};

use super::*;
use crate::deadline::Deadline;
use crate::description::{TopologyDescription, TopologyType};
use crate::error::{Error, ErrorKind, Result};
use crate::event::EventHandler;
use crate::event::sdam::SdamEvent;
use crate::options::{ClientOptions, ConnectionString, ReadPreference, ServerAddress};
use crate::rt::{Runtime, block_on};
use crate::types::ServerType;

/// Runs a test once on tokio and once on a blocking thread.
macro_rules! on_both_apis {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        mod $name {
            use super::*;

            $(#[$doc])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn asynchronously() {
                super::cases::$name(Runtime::current().unwrap()).await;
            }

            $(#[$doc])*
            #[test]
            fn blocking() {
                block_on(super::cases::$name(Runtime::blocking().unwrap()));
            }
        }
    )*};
}

mod selection;

on_both_apis! {
    standalone_is_discovered_and_serves_all_operations;
    set_is_discovered_from_one_member;
    new_primary_is_found_after_the_old_one_is_killed;
    many_requests_cause_at_most_two_checks;
    refresh_is_answered_by_a_later_check;
    refresh_reaches_polled_servers;
    monitors_survive_server_restarts_and_end_with_the_client;
    servers_report_a_stepdown_themselves;
    failed_handshake_marks_its_server;
}

type Events = Arc<Mutex<Vec<SdamEvent>>>;

fn options(uri: &str) -> ClientOptions {
    ConnectionString::parse(uri).unwrap().options
}

/// A deployment and its recorded events.
fn watched(mut options: ClientOptions, runtime: Runtime) -> (Arc<Deployment>, Events) {
    let events = Events::default();
    let sink = Arc::clone(&events);
    options.sdam_event_handler =
        Some(EventHandler::callback(move |event| sink.lock().unwrap().push(event)));
    (Deployment::open(Arc::new(options), runtime).unwrap(), events)
}

fn open(uri: &str, runtime: Runtime) -> Arc<Deployment> {
    Deployment::open(Arc::new(options(uri)), runtime).unwrap()
}

/// A deadline far beyond any step of these tests.
fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

async fn select(deployment: &Deployment, preference: ReadPreference) -> Result<Selected> {
    deployment.select(&preference.into(), &[], soon()).await
}

/// The number of started checks of the server at `host`, without awaitable ones.
fn checks(events: &Events, host: &str) -> usize {
    let started = |event: &&SdamEvent| match event {
        SdamEvent::ServerHeartbeatStarted(e) => !e.awaited && e.server_address.to_string() == host,
        _ => false,
    };
    events.lock().unwrap().iter().filter(started).count()
}

/// Waits for a snapshot with the wanted state.
async fn until(deployment: &Deployment, wanted: impl Fn(&TopologyDescription) -> bool) {
    let runtime = deployment.runtime().clone();
    let reached = async {
        loop {
            let snapshot = deployment.snapshot();
            if wanted(snapshot.description()) {
                return;
            }
            snapshot.superseded().wait().await;
        }
    };
    let reached = runtime.timeout(Deadline::after(Duration::from_secs(60)), reached).await;
    assert!(reached.is_ok(), "what is known stays {}", deployment.description());
}

/// Waits for a condition that has no notification.
async fn eventually(runtime: &Runtime, wanted: impl Fn() -> bool) {
    let deadline = Deadline::after(Duration::from_secs(60));
    while !wanted() {
        assert!(!deadline.is_over(), "it never came true");
        runtime.sleep_until(std::time::Instant::now() + Duration::from_millis(20)).await;
    }
}

mod cases {
    use super::*;

    pub(super) async fn standalone_is_discovered_and_serves_all_operations(runtime: Runtime) {
        let server = Standalone::start().unwrap();
        let deployment = open(&server.uri(), runtime);
        for preference in [
            ReadPreference::Primary,
            ReadPreference::secondary(None),
            ReadPreference::nearest(None),
        ] {
            let selected = select(&deployment, preference).await.unwrap();
            assert_eq!(selected.address().to_string(), server.host());
        }
        assert_eq!(deployment.description().topology_type(), TopologyType::Single);
    }

    pub(super) async fn set_is_discovered_from_one_member(runtime: Runtime) {
        let set = ReplicaSet::start(3).unwrap();
        let seed = set.host(set.secondaries()[0]).unwrap();
        let deployment = open(&format!("mongodb://{seed}/?replicaSet={}", set.name()), runtime);
        let primary = select(&deployment, ReadPreference::Primary).await.unwrap();
        assert_eq!(primary.address().to_string(), set.host(set.primary().unwrap()).unwrap());
        deployment.wait_for_refresh(soon()).await.unwrap();
        let description = deployment.description();
        assert_eq!(description.servers().len(), 3);
        assert!(
            description.servers().all(|server| server.server_type().is_data_bearing()),
            "{description}"
        );
        assert!(description.logical_session_timeout().is_some());
        let secondary = select(&deployment, ReadPreference::secondary(None)).await.unwrap();
        assert_ne!(secondary.address(), primary.address());
        assert_eq!((primary.operations(), secondary.operations()), (1, 1));
    }

    // An operation that waits for a primary gets the next one. Only the monitors check for it.
    pub(super) async fn new_primary_is_found_after_the_old_one_is_killed(runtime: Runtime) {
        let set = ReplicaSet::start(3).unwrap();
        let mut options = options(&set.uri());
        options.heartbeat_freq = Some(Duration::from_millis(500));
        let deployment = Deployment::open(Arc::new(options), runtime).unwrap();
        let old = select(&deployment, ReadPreference::Primary).await.unwrap().address().clone();
        let killed = set.primary().unwrap();
        set.kill(killed).unwrap();
        until(&deployment, |d| d.primary().is_none_or(|primary| *primary.address() != old)).await;
        let new = select(&deployment, ReadPreference::Primary).await.unwrap();
        assert_ne!(*new.address(), old);
        set.restart(killed).unwrap();
        until(&deployment, |d| d.server(&old).is_some_and(|s| s.server_type().is_data_bearing()))
            .await;
    }

    // The servers count the checks.
    pub(super) async fn many_requests_cause_at_most_two_checks(runtime: Runtime) {
        let set = ReplicaSet::start(3).unwrap();
        let (deployment, events) = watched(options(&set.uri()), runtime.clone());
        until(&deployment, |d| d.servers().all(|server| server.server_type().is_data_bearing()))
            .await;
        deployment.wait_for_refresh(soon()).await.unwrap();
        let before: Vec<usize> = set.hosts().iter().map(|host| checks(&events, host)).collect();
        std::thread::scope(|scope| {
            (0..64).for_each(|_| {
                scope.spawn(|| deployment.schedule_refresh());
            });
        });
        deployment.wait_for_refresh(soon()).await.unwrap();
        for (host, before) in set.hosts().iter().zip(before) {
            // Another thread may deliver the events.
            eventually(&runtime, || checks(&events, host) > before).await;
            let caused = checks(&events, host) - before;
            assert!((1..=2).contains(&caused), "{host} was checked {caused} times");
        }
    }

    // A running check does not answer a later request.
    pub(super) async fn refresh_is_answered_by_a_later_check(runtime: Runtime) {
        let server = Standalone::start().unwrap();
        let proxy = Proxy::start(&server.host()).unwrap();
        let mut options =
            options(&format!("{}/?directConnection=true", proxy.uri().trim_end_matches('/')));
        options.server_monitoring_mode = Some(crate::options::ServerMonitoringMode::Poll);
        options.connect_timeout = Some(Duration::from_secs(30));
        let host = proxy.host();
        let (deployment, events) = watched(options, runtime.clone());
        select(&deployment, ReadPreference::Primary).await.unwrap();
        // Delays the reply of one check, and requests another meanwhile.
        proxy.set(Direction::ToClient, Fault::Delay(Duration::from_millis(300)));
        let before = checks(&events, &host);
        deployment.schedule_refresh();
        eventually(&runtime, || checks(&events, &host) > before).await;
        let running = checks(&events, &host);
        deployment.wait_for_refresh(soon()).await.unwrap();
        assert!(checks(&events, &host) > running, "the check that was under way has answered");
    }

    pub(super) async fn refresh_reaches_polled_servers(runtime: Runtime) {
        let set = ReplicaSet::start(3).unwrap();
        let mut options = options(&set.uri());
        options.server_monitoring_mode = Some(crate::options::ServerMonitoringMode::Poll);
        let deployment = Deployment::open(Arc::new(options), runtime).unwrap();
        select(&deployment, ReadPreference::Primary).await.unwrap();
        set.step_down().unwrap();
        let new = set.wait_for_primary().unwrap();
        // The heartbeat frequency is 10 s, so only the refresh can have found the new primary.
        deployment.wait_for_refresh(soon()).await.unwrap();
        let primary =
            deployment.description().primary().map(|primary| primary.address().to_string());
        assert_eq!(primary, Some(set.host(new).unwrap()));
    }

    pub(super) async fn monitors_survive_server_restarts_and_end_with_the_client(runtime: Runtime) {
        let server = Standalone::start().unwrap();
        let connections = || {
            let status = server.admin(doc! { "serverStatus": 1 }).unwrap();
            status.get_document("connections").unwrap().get_i32("current").unwrap()
        };
        let without = connections();
        let deployment = open(&server.uri(), runtime.clone());
        let address = ServerAddress::parse(server.host()).unwrap();
        let known = |d: &TopologyDescription| {
            d.server(&address).is_some_and(|s| s.server_type() == ServerType::Standalone)
        };
        until(&deployment, known).await;
        eventually(&runtime, || connections() > without).await;
        for _ in 0..2 {
            server.kill().unwrap();
            until(&deployment, |d| !known(d)).await;
            server.restart().unwrap();
            deployment.schedule_refresh();
            until(&deployment, known).await;
        }
        server.pause().unwrap();
        server.resume().unwrap();
        deployment.wait_for_refresh(soon()).await.unwrap();
        drop(deployment);
        eventually(&runtime, || connections() <= without).await;
    }

    // The members stream their changes: with no end to the time between two checks, nobody else
    // could have reported it.
    pub(super) async fn servers_report_a_stepdown_themselves(runtime: Runtime) {
        let set = ReplicaSet::start(3).unwrap();
        let mut options = options(&set.uri());
        options.heartbeat_freq = Some(Duration::MAX);
        let deployment = Deployment::open(Arc::new(options), runtime).unwrap();
        until(&deployment, |d| d.servers().all(|server| server.server_type().is_data_bearing()))
            .await;
        let old = deployment.description().primary().map(|p| p.address().clone());
        set.step_down().unwrap();
        until(&deployment, |d| d.primary().is_some_and(|p| Some(p.address()) != old.as_ref()))
            .await;
    }

    pub(super) async fn failed_handshake_marks_its_server(runtime: Runtime) {
        let server = Standalone::start().unwrap();
        let mut options = options(&server.uri());
        options.heartbeat_freq = Some(Duration::from_secs(3600));
        let (deployment, events) = watched(options, runtime.clone());
        let selected = select(&deployment, ReadPreference::Primary).await.unwrap();
        // Once the monitor waits for its stream, the fail point matches the pool's handshake, and
        // perhaps the first measurement of the round-trip time.
        eventually(&runtime, || {
            let status = server.admin(doc! { "serverStatus": 1 }).unwrap();
            let connections = status.get_document("connections").unwrap();
            connections.get_i32("awaitingTopologyChanges").unwrap() > 0
        })
        .await;
        let fault = doc! {
            "configureFailPoint": "failCommand", "mode": "alwaysOn",
            "data": { "failCommands": ["hello", "isMaster", "ismaster"], "errorCode": 91 },
        };
        let fault = server.fail_point(fault).unwrap();
        let refused = selected.pool().check_out(soon()).await.err().unwrap();
        assert_eq!(refused.error.code(), Some(91));
        let lost = |event: &SdamEvent| match event {
            SdamEvent::ServerDescriptionChanged(e) => {
                e.new_description.error().is_some_and(|error| error.code() == Some(91))
            }
            _ => false,
        };
        // A monitor may deliver the event.
        eventually(&runtime, || events.lock().unwrap().iter().any(lost)).await;
        drop(fault);
        let selected = select(&deployment, ReadPreference::Primary).await.unwrap();
        selected.pool().check_out(soon()).await.unwrap();
    }
}

/// Looks at the lock of the nest when it is woken.
struct Curious {
    deployment: Weak<Deployment>,
    woken: AtomicUsize,
    locked: AtomicUsize,
}

impl Wake for Curious {
    fn wake(self: Arc<Self>) {
        let locked = self.deployment.upgrade().is_some_and(|deployment| deployment.is_updating());
        self.woken.fetch_add(1, Ordering::SeqCst);
        self.locked.fetch_add(usize::from(locked), Ordering::SeqCst);
    }
}

/// The waker of a checkout may run other code of the client at once, which may update the nest.
#[test]
fn wakers_of_refused_checkouts_run_outside_of_the_lock() {
    let server = Standalone::start().unwrap();
    let mut options = options(&server.uri());
    options.max_pool_size = Some(1);
    let deployment = Deployment::open(Arc::new(options), Runtime::blocking().unwrap()).unwrap();
    let curious = Arc::new(Curious {
        deployment: Arc::downgrade(&deployment),
        woken: AtomicUsize::new(0),
        locked: AtomicUsize::new(0),
    });
    block_on(select(&deployment, ReadPreference::Primary)).unwrap();
    let snapshot = deployment.snapshot();
    let server = &snapshot.servers()[0];
    let held = block_on(server.pool().check_out(Deadline::NEVER)).unwrap();
    let mut waits = pin!(server.pool().check_out(Deadline::NEVER));
    let waker = Waker::from(Arc::clone(&curious));
    assert!(waits.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    deployment.lost(server, Error::timeout("on purpose"));
    let count = |of: &AtomicUsize| of.load(Ordering::SeqCst);
    assert_eq!((count(&curious.woken), count(&curious.locked)), (1, 0));
    drop(held);
}
