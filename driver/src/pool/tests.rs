//! The pool with a real server.

mod events;
mod opening;
mod requests;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bson::raw::cstr;
use bson::{Document, doc};
use testbed::{Standalone, shared_standalone};

use super::*;
use crate::event::EventHandler;
use crate::rt::{Runtime, block_on};

/// A pool with its recorded events.
struct Bench {
    pool: Pool,
    runtime: Runtime,
    events: Arc<Mutex<Vec<CmapEvent>>>,
}

fn options(server: &Standalone) -> ClientOptions {
    let hosts = vec![ServerAddress::parse(server.host()).unwrap()];
    ClientOptions { hosts, ..ClientOptions::default() }
}

fn bench(runtime: Runtime, server: &Standalone, adjust: impl FnOnce(&mut ClientOptions)) -> Bench {
    let mut options = options(server);
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink = events.clone();
    options.cmap_event_handler =
        Some(EventHandler::callback(move |event| sink.lock().unwrap().push(event)));
    adjust(&mut options);
    let address = options.hosts[0].clone();
    let establisher = Establisher::new(Arc::new(options), runtime.clone()).unwrap();
    let (pool, _) = Pool::new(address, &establisher);
    drop(pool.ready());
    Bench { pool, runtime, events }
}

impl Bench {
    async fn take(&self) -> PooledConnection {
        self.pool.check_out(Deadline::NEVER).await.unwrap()
    }

    /// Sends `command` on a connection and returns the reply.
    async fn run(&self, connection: &mut Connection, command: Document) -> Document {
        let raw = bson::serialize_to_raw_document_buf(&command).unwrap();
        let mut message = connection.begin();
        let mut body = message.body();
        body.extend(&raw);
        body.str(cstr!("$db"), "admin");
        drop(body);
        connection
            .round_trip(&self.runtime, Deadline::after(Duration::from_secs(10)))
            .await
            .unwrap();
        connection.reply().unwrap().try_into().unwrap()
    }

    fn count(&self, is: impl Fn(&CmapEvent) -> bool) -> usize {
        self.events.lock().unwrap().iter().filter(|event| is(event)).count()
    }
}

#[tokio::test]
async fn connection_serves_consecutive_operations() {
    let bench = bench(Runtime::current().unwrap(), shared_standalone().unwrap(), |_| {});
    for _ in 0..3 {
        let mut connection = bench.take().await;
        assert_eq!(connection.id(), 1);
        let reply = bench.run(&mut connection, doc! { "ping": 1 }).await;
        assert_eq!(reply.get_f64("ok").unwrap(), 1.0);
    }
    assert_eq!(bench.pool.counts(), Counts { total: 1, idle: 1, pending: 0 });
    assert_eq!(bench.count(|event| matches!(event, CmapEvent::ConnectionReady(_))), 1);
    assert_eq!(bench.count(|event| matches!(event, CmapEvent::ConnectionCheckedIn(_))), 3);
}

#[test]
fn blocking_api_needs_no_runtime() {
    let bench = bench(Runtime::blocking().unwrap(), shared_standalone().unwrap(), |_| {});
    block_on(async {
        let mut connection = bench.take().await;
        let reply = bench.run(&mut connection, doc! { "ping": 1 }).await;
        assert_eq!(reply.get_f64("ok").unwrap(), 1.0);
    });
    assert_eq!(bench.pool.counts(), Counts { total: 1, idle: 1, pending: 0 });
}

/// Sends a large request, and a request with a large reply. Returns the memory of the idle
/// connection.
async fn memory_after_large_messages(runtime: Runtime, collection: &str) -> usize {
    let bench = bench(runtime, shared_standalone().unwrap(), |_| {});
    let large = doc! { "_id": 1, "text": "x".repeat(15_000_000) };
    let mut connection = bench.take().await;
    bench.run(&mut connection, doc! { "insert": collection, "documents": [large] }).await;
    drop(connection);
    let written = bench.take().await.memory();
    let mut connection = bench.take().await;
    let found = bench.run(&mut connection, doc! { "find": collection }).await;
    assert!(found.get_document("cursor").unwrap().get_array("firstBatch").unwrap().len() == 1);
    drop(connection);
    written.max(bench.take().await.memory())
}

/// Specification "Connection Monitoring and Pooling", section "Connection Pool Errors".
#[test]
fn cleared_pool_says_why_and_names_the_host_once() {
    let bench = bench(Runtime::blocking().unwrap(), shared_standalone().unwrap(), |_| {});
    let address = bench.pool.shared.address.clone();
    let cause = Error::invalid_response("short").at(&address);
    drop(bench.pool.clear(&cause, Interrupt::No));
    let refused = block_on(bench.pool.check_out(Deadline::NEVER)).err().unwrap().error;
    assert!(matches!(refused.kind(), ErrorKind::ConnectionPoolCleared { .. }), "{refused:?}");
    assert_eq!(
        refused.to_string(),
        format!(
            "Connection pool for {address} was cleared because another operation failed with: \
             the server sent an invalid reply: short"
        )
    );
    assert_eq!(refused.host(), Some(&*address));
}

#[test]
fn interrupted_connection_says_why_and_names_the_host_once() {
    let bench = bench(Runtime::blocking().unwrap(), shared_standalone().unwrap(), |_| {});
    let address = bench.pool.shared.address.clone();
    let mut connection = block_on(bench.take());
    drop(bench.pool.clear(&Error::timeout("on purpose"), Interrupt::InUse));
    let mut message = connection.begin();
    message.body().i32(cstr!("ping"), 1);
    let sent = block_on(connection.round_trip(&bench.runtime, Deadline::NEVER));
    assert_eq!(
        sent.unwrap_err().to_string(),
        format!("Connection to {address} interrupted due to server monitor timeout")
    );
}

/// The maximum memory of a connection after some messages of 15 MB, in bytes.
const LITTLE: usize = 700_000;

#[tokio::test]
async fn idle_connection_gives_memory_of_large_messages_back() {
    let memory = memory_after_large_messages(Runtime::current().unwrap(), "large_async").await;
    assert!(memory <= LITTLE, "{memory}");
}

#[test]
fn idle_blocking_connection_gives_memory_back() {
    let memory =
        block_on(memory_after_large_messages(Runtime::blocking().unwrap(), "large_blocking"));
    assert!(memory <= LITTLE, "{memory}");
}

#[test]
fn pinned_connection_gives_memory_of_large_messages_back() {
    let bench = bench(Runtime::blocking().unwrap(), shared_standalone().unwrap(), |_| {});
    let large = || doc! { "ping": 1, "comment": "x".repeat(15_000_000) };
    let (threads, handles) = (ThreadPins::new(true), RequestPins::default());
    for _ in 0..2 {
        let mut lease = block_on(threads.check_out(&bench.pool, Deadline::NEVER)).unwrap();
        assert!(lease.memory() <= LITTLE);
        block_on(bench.run(&mut lease, large()));
        drop(lease);
        let mut lease = block_on(handles.check_out(&bench.pool, Deadline::NEVER)).unwrap();
        assert!(lease.memory() <= LITTLE);
        block_on(bench.run(&mut lease, large()));
    }
}

/// A panicking event handler loses no slot: not when connections are created, checked out or
/// checked in.
#[tokio::test]
async fn panicking_event_handler_loses_no_slot() {
    let bench = bench(Runtime::current().unwrap(), shared_standalone().unwrap(), |options| {
        options.max_pool_size = Some(1);
        let panics = |_: CmapEvent| std::panic::resume_unwind(Box::new("on purpose"));
        options.cmap_event_handler = Some(EventHandler::callback(panics));
    });
    for _ in 0..3 {
        let mut connection = bench.take().await;
        bench.run(&mut connection, doc! { "ping": 1 }).await;
    }
    assert_eq!(bench.pool.counts(), Counts { total: 1, idle: 1, pending: 0 });
}

/// The closing of a connection that could not be opened is reported while it has its slot. So event
/// handlers never count more connections than the limit.
#[tokio::test]
async fn failed_opening_is_reported_before_its_place_is_free() {
    // An address in use without a listener.
    let silent = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    silent.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = silent.local_addr().unwrap().as_socket().unwrap().to_string();
    let (known, seen) =
        (Arc::new(OnceLock::<Arc<shared::Shared>>::new()), Arc::new(Mutex::new(Vec::new())));
    let (pool, sink) = (known.clone(), seen.clone());
    let bench = bench(Runtime::current().unwrap(), shared_standalone().unwrap(), |options| {
        options.hosts = vec![ServerAddress::parse(&address).unwrap()];
        options.cmap_event_handler = Some(EventHandler::callback(move |event| {
            if let (CmapEvent::ConnectionClosed(_), Some(pool)) = (event, pool.get()) {
                sink.lock().unwrap().push(pool.counts());
            }
        }));
    });
    assert!(known.set(bench.pool.shared.clone()).is_ok());
    bench.pool.check_out(Deadline::NEVER).await.err().unwrap();
    assert_eq!(*seen.lock().unwrap(), [Counts { total: 1, idle: 0, pending: 1 }]);
    assert_eq!(bench.pool.counts(), Counts { total: 0, idle: 0, pending: 0 });
}

/// A connection keeps its slot until it is closed and the event emitted, for every reason.
#[tokio::test]
async fn connection_is_closed_before_its_slot_is_free() {
    let (known, seen) =
        (Arc::new(OnceLock::<Arc<shared::Shared>>::new()), Arc::new(Mutex::new(Vec::new())));
    let (pool, sink) = (known.clone(), seen.clone());
    let bench = bench(Runtime::current().unwrap(), shared_standalone().unwrap(), |options| {
        options.max_idle_time = Some(Duration::from_nanos(1));
        options.cmap_event_handler = Some(EventHandler::callback(move |event| {
            if let (CmapEvent::ConnectionClosed(closed), Some(pool)) = (event, pool.get()) {
                sink.lock().unwrap().push((closed.reason, pool.counts().total));
            }
        }));
    });
    assert!(known.set(bench.pool.shared.clone()).is_ok());
    let (broken, stale, cleared) = (bench.take().await, bench.take().await, bench.take().await);
    broken.discard();
    drop(cleared);
    drop(bench.pool.clear(&Error::timeout("on purpose"), Interrupt::No));
    drop(stale);
    drop(bench.pool.ready());
    drop(bench.take().await);
    bench.pool.shared.upkeep();
    let last = bench.take().await;
    bench.pool.close();
    drop(last);
    use cmap::ConnectionClosedReason::{Error as Broken, Idle, PoolClosed, Stale};
    assert_eq!(
        *seen.lock().unwrap(),
        [(Broken, 3), (Stale, 2), (Stale, 1), (Idle, 1), (PoolClosed, 1)]
    );
    assert_eq!(bench.pool.counts(), Counts { total: 0, idle: 0, pending: 0 });
}

/// A runtime that shuts down drops new tasks at once. The maintenance takes only the permitted
/// number of tickets, however soon they return.
#[test]
fn maintenance_ends_without_its_runtime() {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let runtime = tokio.block_on(async { Runtime::current().unwrap() });
    drop(tokio);
    let bench =
        bench(runtime, shared_standalone().unwrap(), |options| options.min_pool_size = Some(3));
    assert!(bench.pool.shared.upkeep(), "the pool is still open");
    assert_eq!(bench.pool.counts(), Counts { total: 0, idle: 0, pending: 0 });
}

impl Bench {
    /// The number of waiters.
    fn waiting(&self) -> usize {
        self.pool.shared.handoff.with_state(|_, waiting| waiting)
    }
}

/// The pool serves waiters in order and wakes each only for its turn.
#[tokio::test]
async fn waiting_tasks_are_served_in_order_and_woken_once() {
    let bench =
        Arc::new(bench(Runtime::current().unwrap(), shared_standalone().unwrap(), |options| {
            options.max_pool_size = Some(1);
        }));
    let held = bench.take().await;
    let served = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for i in 0..8 {
        let (other, served) = (bench.clone(), served.clone());
        tasks.push(tokio::spawn(async move {
            let mut polls = 0;
            let mut check_out = pin!(other.take());
            let connection = poll_fn(|cx| {
                polls += 1;
                check_out.as_mut().poll(cx)
            })
            .await;
            served.lock().unwrap().push((i, polls));
            drop(connection);
        }));
        while bench.waiting() <= i {
            tokio::task::yield_now().await;
        }
    }
    drop(held);
    for task in tasks {
        task.await.unwrap();
    }
    // The first poll queues, the second finds the connection.
    assert!(served.lock().unwrap().iter().copied().eq((0..8).map(|i| (i, 2))), "{served:?}");
    assert_eq!(bench.count(|event| matches!(event, CmapEvent::ConnectionCreated(_))), 1);
}

#[test]
fn waiting_threads_are_served_in_order() {
    let bench = bench(Runtime::blocking().unwrap(), shared_standalone().unwrap(), |options| {
        options.max_pool_size = Some(1);
    });
    let held = block_on(bench.take());
    let served = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for i in 0..8 {
            let (bench, served) = (&bench, &served);
            scope.spawn(move || {
                let connection = block_on(bench.take());
                served.lock().unwrap().push(i);
                drop(connection);
            });
            while bench.waiting() <= i {
                std::thread::yield_now();
            }
        }
        drop(held);
    });
    assert!(served.lock().unwrap().iter().copied().eq(0..8), "{served:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_never_exceed_the_maximum() {
    let bench =
        Arc::new(bench(Runtime::current().unwrap(), shared_standalone().unwrap(), |options| {
            options.max_pool_size = Some(5);
        }));
    let in_use = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let (bench, in_use) = (bench.clone(), in_use.clone());
            tokio::spawn(async move {
                for _ in 0..20 {
                    let mut connection = bench.take().await;
                    assert!(in_use.fetch_add(1, Ordering::SeqCst) < 5);
                    bench.run(&mut connection, doc! { "ping": 1 }).await;
                    in_use.fetch_sub(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let counts = bench.pool.counts();
    assert!(counts.total <= 5 && counts.idle == counts.total, "{counts:?}");
    assert!(bench.count(|event| matches!(event, CmapEvent::ConnectionCreated(_))) <= 5);
}

/// The peer closed the idle connection. Neither the request nor another caller gets that connection
/// again.
#[test]
fn dead_pinned_connection_is_closed_and_not_reused() {
    let die =
        |bench: &Bench, id: u64| shared::lock(&bench.pool.shared.open)[&id].interrupter.interrupt();
    let closed =
        |bench: &Bench| bench.count(|event| matches!(event, CmapEvent::ConnectionClosed(_)));

    let bench = bench(Runtime::blocking().unwrap(), shared_standalone().unwrap(), |options| {
        options.max_pool_size = Some(1);
    });
    let threads = ThreadPins::new(false);
    assert!(threads.start().is_some());
    let lease = block_on(threads.check_out(&bench.pool, Deadline::NEVER)).unwrap();
    let first = lease.id();
    drop(lease);
    die(&bench, first);
    assert!(threads.check_out_now(&bench.pool).is_none(), "there is only the dead one");
    assert_eq!((closed(&bench), bench.pool.counts().total), (1, 0));
    let lease = block_on(threads.check_out(&bench.pool, Deadline::NEVER)).unwrap();
    assert_ne!(lease.id(), first);
    drop(lease);
    threads.end_last();

    let handles = RequestPins::default();
    let lease = block_on(handles.check_out(&bench.pool, Deadline::NEVER)).unwrap();
    let second = lease.id();
    drop(lease);
    die(&bench, second);
    let lease = block_on(handles.check_out(&bench.pool, Deadline::NEVER)).unwrap();
    assert_ne!(lease.id(), second);
    assert_eq!((closed(&bench), bench.pool.counts().total), (2, 1));
}

/// Looks at the lock of the event that interrupts openings, when it is woken.
struct Curious {
    pool: Arc<Shared>,
    woken: AtomicUsize,
    locked: AtomicUsize,
}

impl Wake for Curious {
    fn wake(self: Arc<Self>) {
        let locked = self.pool.give_up.try_lock().is_err();
        self.woken.fetch_add(1, Ordering::SeqCst);
        self.locked.fetch_add(usize::from(locked), Ordering::SeqCst);
    }
}

#[test]
fn wakers_of_interrupted_openings_run_outside_of_the_lock() {
    let bench = bench(Runtime::blocking().unwrap(), shared_standalone().unwrap(), |_| {});
    let pool = bench.pool.shared.clone();
    let curious = Arc::new(Curious {
        pool: pool.clone(),
        woken: AtomicUsize::new(0),
        locked: AtomicUsize::new(0),
    });
    let waker = Waker::from(curious.clone());
    let interrupts: [&dyn Fn(); 2] =
        [&|| drop(bench.pool.clear(&Error::timeout("on purpose"), Interrupt::InUse)), &|| {
            bench.pool.close()
        }];
    for (interrupt, woken) in interrupts.into_iter().zip(1..) {
        let given_up = pool.give_up.lock().unwrap().clone();
        let mut wait = pin!(given_up.wait());
        assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        interrupt();
        let count = |of: &AtomicUsize| of.load(Ordering::SeqCst);
        assert_eq!((count(&curious.woken), count(&curious.locked)), (woken, 0));
    }
}

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// The deployment changes a pool under a lock, and drops the updates after it.
#[test]
fn updates_wake_nobody_until_they_are_dropped() {
    let bench = bench(Runtime::blocking().unwrap(), shared_standalone().unwrap(), |options| {
        options.max_pool_size = Some(1);
    });
    let woken = Arc::<Woken>::default();
    let waker = Waker::from(woken.clone());
    let count = || woken.0.load(Ordering::SeqCst);
    let mut cx = Context::from_waker(&waker);
    let held = block_on(bench.take());
    let given_up = shared::lock(&bench.pool.shared.give_up).clone();
    let (mut opens, mut asks) =
        (pin!(given_up.wait()), pin!(bench.pool.check_out(Deadline::NEVER)));
    assert!(opens.as_mut().poll(&mut cx).is_pending());
    assert!(asks.as_mut().poll(&mut cx).is_pending());
    let clearing = bench.pool.clear(&Error::timeout("on purpose"), Interrupt::InUse);
    assert_eq!((count(), bench.waiting()), (0, 1));
    drop(clearing);
    assert_eq!((count(), bench.waiting()), (2, 0));

    // A waiter that the clear has not refused yet.
    drop(held);
    drop(bench.pool.ready());
    let held = block_on(bench.take());
    let mut asks = pin!(bench.pool.check_out(Deadline::NEVER));
    assert!(asks.as_mut().poll(&mut cx).is_pending());
    let clearing = bench.pool.clear(&Error::timeout("on purpose"), Interrupt::No);
    drop(held);
    let readying = bench.pool.ready();
    assert_eq!((count(), bench.waiting()), (2, 1));
    drop(readying);
    assert_eq!((count(), bench.waiting()), (3, 0));
    drop(clearing);
    assert!(block_on(asks).is_ok());
}
