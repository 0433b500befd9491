//! Connections being opened whose callers no longer wait.

use std::pin::Pin;

use testbed::{Direction, Fault, Proxy, eventually};

use super::*;
use crate::options::Credential;

/// Polls `ask` once, which then waits.
async fn look(mut ask: Pin<&mut impl Future>) {
    let is_pending = poll_fn(|cx| Poll::Ready(ask.as_mut().poll(cx).is_pending())).await;
    assert!(is_pending);
}

/// No opening times out.
fn patient(options: &mut ClientOptions) {
    options.connect_timeout = Some(Duration::from_secs(3600));
}

fn is_created(event: &CmapEvent) -> bool {
    matches!(event, CmapEvent::ConnectionCreated(_))
}

fn counts(total: u32, idle: u32, pending: u32) -> Counts {
    Counts { total, idle, pending }
}

/// Callers with short timeouts do not open one connection after the other. The permitted concurrent
/// openings continue without them, and the next callers get the connections.
#[tokio::test]
async fn opening_continues_without_its_caller() {
    let server = Standalone::start().unwrap();
    let bench = bench(Runtime::current().unwrap(), &server, patient);
    server.pause().unwrap();
    for pending in [1, 2, 2, 2] {
        look(pin!(bench.take())).await;
        assert_eq!(bench.pool.counts(), counts(pending, 0, pending));
    }
    let mut last = pin!(bench.take());
    look(last.as_mut()).await;
    server.resume().unwrap();
    let last = last.await;
    assert!((1..=2).contains(&last.id()));
    assert_eq!((bench.pool.counts().total, bench.count(is_created)), (2, 2));
}

/// Specification "Connection Monitoring and Pooling", section "Checking Out a Connection": a
/// checkout leaves the queue before its connection is opened.
fn queue_briefly(options: &mut ClientOptions) {
    patient(options);
    options.wait_queue_timeout = Some(Duration::from_millis(1));
    options.max_connecting = Some(1);
}

/// Another caller waits in the queue for as long as anybody may.
async fn outwait(bench: &Bench) {
    let refused = bench.pool.check_out(Deadline::NEVER).await.err().unwrap().error;
    assert!(matches!(refused.kind(), ErrorKind::WaitQueueTimeout { .. }), "{refused:?}");
}

#[tokio::test]
async fn wait_queue_timeout_does_not_bound_an_opening() {
    let server = Standalone::start().unwrap();
    let bench = bench(Runtime::current().unwrap(), &server, queue_briefly);
    server.pause().unwrap();
    let mut ask = pin!(bench.take());
    look(ask.as_mut()).await;
    outwait(&bench).await;
    look(ask.as_mut()).await;
    server.resume().unwrap();
    assert_eq!(ask.await.id(), 1);
}

#[test]
fn wait_queue_timeout_bounds_no_blocking_opening() {
    let server = Standalone::start().unwrap();
    let bench = bench(Runtime::blocking().unwrap(), &server, queue_briefly);
    server.pause().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while bench.pool.counts().pending == 0 {
                std::thread::yield_now();
            }
            block_on(outwait(&bench));
            server.resume().unwrap();
        });
        assert_eq!(block_on(bench.take()).id(), 1);
    });
}

/// A caller whose deadline expires while its connection is being opened gets an error. That does
/// not affect the server description.
#[tokio::test]
async fn opening_continues_after_its_callers_deadline() {
    let server = Standalone::start().unwrap();
    server.admin(doc! { "createUser": "mabel", "pwd": "breath", "roles": ["root"] }).unwrap();
    let bench = bench(Runtime::current().unwrap(), &server, |options| {
        patient(options);
        options.max_pool_size = Some(1);
        let mabel =
            Credential::builder().username("mabel".to_owned()).password("breath".to_owned());
        options.credential = Some(mabel.build());
    });
    let reported = Arc::new(AtomicUsize::new(0));
    let sink = reported.clone();
    bench.pool.set_error_hook(Arc::new(move |_: &CheckOutError| {
        sink.fetch_add(1, Ordering::SeqCst);
    }));
    // The deadline expires during authentication.
    let slow = doc! {
        "configureFailPoint": "failCommand", "mode": { "times": 1 },
        "data": { "failCommands": ["saslContinue"], "blockConnection": true, "blockTimeMS": 3000 },
    };
    let _slow = server.fail_point(slow).unwrap();
    let soon = Deadline::after(Duration::from_millis(500));
    let CheckOutError { error, stage, .. } = bench.pool.check_out(soon).await.err().unwrap();
    assert!(matches!(error.kind(), ErrorKind::Timeout { .. }), "{error:?}");
    assert!(
        error.to_string().contains("was opened within the operation's time (timeoutMS;"),
        "{error}"
    );
    assert_eq!((stage, bench.pool.counts()), (Stage::Queue, counts(1, 0, 1)));
    let reasons: Vec<_> = bench.events.lock().unwrap().iter().filter_map(reason).collect();
    assert_eq!(reasons, [ConnectionCheckoutFailedReason::Timeout]);
    // There is room for one connection only.
    assert_eq!(bench.take().await.id(), 1);
    assert_eq!((bench.count(is_created), reported.load(Ordering::SeqCst)), (1, 0));
}

fn reason(event: &CmapEvent) -> Option<ConnectionCheckoutFailedReason> {
    match event {
        CmapEvent::ConnectionCheckoutFailed(failed) => Some(failed.reason),
        _ => None,
    }
}

/// A hanging opening without its caller does not delay others.
#[tokio::test]
async fn opening_without_its_caller_delays_no_other() {
    let server = Standalone::start().unwrap();
    let proxy = Proxy::start(&server.host()).unwrap();
    let bench = bench(Runtime::current().unwrap(), &server, |options| {
        patient(options);
        options.hosts = vec![ServerAddress::parse(proxy.host()).unwrap()];
    });
    proxy.set(Direction::ToServer, Fault::BlackHoleAfter(0));
    let soon = Deadline::after(Duration::from_millis(500));
    assert!(bench.pool.check_out(soon).await.err().unwrap().error.is_timeout());
    while proxy.swallowed(Direction::ToServer) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    proxy.clear();
    let taken = bench.take().await;
    assert_eq!((taken.id(), bench.pool.counts()), (2, counts(2, 0, 1)));
}

/// Without `connectTimeoutMS` no limit ends a hanging opening, so it ends with its caller.
#[tokio::test]
async fn opening_without_a_limit_ends_with_its_caller() {
    let server = Standalone::start().unwrap();
    let bench = bench(Runtime::current().unwrap(), &server, |options| {
        options.connect_timeout = Some(Duration::ZERO);
    });
    server.pause().unwrap();
    look(pin!(bench.take())).await;
    assert_eq!(bench.pool.counts(), counts(0, 0, 0));
    let soon = Deadline::after(Duration::from_millis(20));
    assert!(bench.pool.check_out(soon).await.err().unwrap().error.is_timeout());
    assert_eq!(bench.pool.counts(), counts(0, 0, 0));
    server.resume().unwrap();
}

/// An opening without its caller ends with its pool and emits its event.
#[tokio::test]
async fn opening_without_its_caller_ends_with_its_pool() {
    let server = Standalone::start().unwrap();
    let bench = bench(Runtime::current().unwrap(), &server, patient);
    server.pause().unwrap();
    look(pin!(bench.take())).await;
    // Its new task is polled and waits for the server.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.pool.counts(), counts(1, 0, 1));
    bench.pool.close();
    let gone = async {
        while bench.pool.counts().total > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), gone).await.expect("it ends with its pool");
    assert_eq!(bench.count(|event| matches!(event, CmapEvent::ConnectionClosed(_))), 1);
    server.resume().unwrap();
}

/// A blocking opening, which waits for the server in a system call, ends with its pool too.
#[test]
fn blocking_opening_ends_with_its_pool() {
    let server = Standalone::start().unwrap();
    let proxy = Proxy::start(&server.host()).unwrap();
    proxy.set(Direction::ToServer, Fault::BlackHoleAfter(0));
    let bench = bench(Runtime::blocking().unwrap(), &server, |options| {
        patient(options);
        options.hosts = vec![ServerAddress::parse(proxy.host()).unwrap()];
        options.min_pool_size = Some(1);
    });
    eventually("the hello was sent", || proxy.swallowed(Direction::ToServer) > 0);
    assert_eq!(bench.pool.counts(), counts(1, 0, 1));
    bench.pool.close();
    eventually("the opening has ended", || bench.pool.counts().total == 0);
}

/// A listener that accepts no connections and whose queue is full, so `connect` waits.
struct FullListener {
    address: ServerAddress,
    _listener: socket2::Socket,
    _queue: Vec<std::net::TcpStream>,
}

impl FullListener {
    fn start() -> Self {
        use socket2::{Domain, Socket, Type};
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let limit = Duration::from_millis(200);
        let taken = || std::net::TcpStream::connect_timeout(&address, limit).ok();
        let queue = std::iter::from_fn(taken).collect();
        let address = ServerAddress::parse(address.to_string()).unwrap();
        FullListener { address, _listener: listener, _queue: queue }
    }
}

/// So does one that still waits for its socket to connect.
#[test]
fn blocking_connect_ends_with_its_pool() {
    let full = FullListener::start();
    let server = shared_standalone().unwrap();
    let bench = bench(Runtime::blocking().unwrap(), server, |options| {
        patient(options);
        options.hosts = vec![full.address.clone()];
        options.min_pool_size = Some(1);
    });
    eventually("the opening has begun", || bench.pool.counts().pending == 1);
    bench.pool.close();
    eventually("the opening has ended", || bench.pool.counts().total == 0);
}

/// After a clear, callers do not wait for a connection that the pool opens for itself.
#[tokio::test]
async fn opening_of_an_old_generation_delays_no_other() {
    let server = Standalone::start().unwrap();
    let bench = bench(Runtime::current().unwrap(), &server, |options| {
        patient(options);
        options.min_pool_size = Some(1);
    });
    server.pause().unwrap();
    let populating = async {
        while bench.pool.counts().pending == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), populating).await.expect("the upkeep opens one");
    drop(bench.pool.clear(&Error::timeout("on purpose"), Interrupt::No));
    drop(bench.pool.ready());
    let mut ask = pin!(bench.take());
    look(ask.as_mut()).await;
    assert_eq!((bench.pool.counts().pending, bench.waiting()), (2, 0));
    server.resume().unwrap();
    assert_eq!(ask.await.id(), 2);
}

/// A caller whose deadline expires before there is a socket gets the same error. That does not mark
/// the server as failed, because it may be overloaded.
#[tokio::test]
async fn late_socket_does_not_mark_the_server_as_failed() {
    let full = FullListener::start();
    let bench = bench(Runtime::current().unwrap(), shared_standalone().unwrap(), |options| {
        patient(options);
        options.hosts = vec![full.address.clone()];
    });
    let reported = Arc::new(Mutex::new(Vec::new()));
    let sink = reported.clone();
    bench.pool.set_error_hook(Arc::new(move |failed: &CheckOutError| {
        let is_overload = failed.error.has_label(crate::error::SYSTEM_OVERLOADED_ERROR);
        sink.lock().unwrap().push((failed.stage, is_overload));
    }));
    let soon = Deadline::after(Duration::from_millis(50));
    let CheckOutError { error, stage, .. } = bench.pool.check_out(soon).await.err().unwrap();
    assert!(matches!(error.kind(), ErrorKind::Timeout { .. }), "{error:?}");
    assert_eq!((stage, bench.pool.counts()), (Stage::Queue, counts(0, 0, 0)));
    let reasons: Vec<_> = bench.events.lock().unwrap().iter().filter_map(reason).collect();
    assert_eq!(reasons, [ConnectionCheckoutFailedReason::Timeout]);
    // It is reported to the deployment as overload, which clears no pool.
    assert_eq!(*reported.lock().unwrap(), [(Stage::Connect, true)]);
}

fn closed_reason(event: &CmapEvent) -> Option<cmap::ConnectionClosedReason> {
    match event {
        CmapEvent::ConnectionClosed(closed) => Some(closed.reason),
        _ => None,
    }
}

/// The pool was cleared while the connection of `got` was being opened.
fn assert_refused_after_clear(bench: &Bench, got: Result<PooledConnection, CheckOutError>) {
    let Err(CheckOutError { error, stage, .. }) = got else { panic!("its generation is old") };
    assert!(matches!(error.kind(), ErrorKind::ConnectionPoolCleared { .. }), "{error:?}");
    assert_eq!((stage, bench.pool.counts()), (Stage::Queue, counts(0, 0, 0)));
    let events = bench.events.lock().unwrap();
    let reasons: Vec<_> = events.iter().filter_map(reason).collect();
    let closed: Vec<_> = events.iter().filter_map(closed_reason).collect();
    assert_eq!(reasons, [ConnectionCheckoutFailedReason::ConnectionError]);
    assert_eq!(closed, [cmap::ConnectionClosedReason::Stale]);
}

/// A connection of an older generation serves no operation, although its opening succeeds.
#[tokio::test]
async fn opening_of_an_old_generation_serves_no_caller() {
    for ready_again in [false, true] {
        let server = Standalone::start().unwrap();
        let bench = bench(Runtime::current().unwrap(), &server, patient);
        server.pause().unwrap();
        let mut ask = pin!(bench.pool.check_out(Deadline::NEVER));
        look(ask.as_mut()).await;
        drop(bench.pool.clear(&Error::timeout("on purpose"), Interrupt::No));
        if ready_again {
            drop(bench.pool.ready());
        }
        server.resume().unwrap();
        assert_refused_after_clear(&bench, ask.await);
    }
}

#[test]
fn blocking_opening_of_an_old_generation_serves_no_caller() {
    let server = Standalone::start().unwrap();
    let bench = bench(Runtime::blocking().unwrap(), &server, patient);
    server.pause().unwrap();
    let got = std::thread::scope(|scope| {
        scope.spawn(|| {
            while bench.count(is_created) == 0 {
                std::thread::yield_now();
            }
            drop(bench.pool.clear(&Error::timeout("on purpose"), Interrupt::No));
            server.resume().unwrap();
        });
        block_on(bench.pool.check_out(Deadline::NEVER))
    });
    assert_refused_after_clear(&bench, got);
}

/// The same for a connection that the pool opens for itself.
#[tokio::test]
async fn populating_of_an_old_generation_keeps_no_connection() {
    let server = Standalone::start().unwrap();
    let bench = bench(Runtime::current().unwrap(), &server, |options| {
        patient(options);
        options.min_pool_size = Some(1);
    });
    server.pause().unwrap();
    let until = async |done: &dyn Fn() -> bool| {
        let wait = async {
            while !done() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait).await.expect("it happens");
    };
    until(&|| bench.count(is_created) == 1).await;
    drop(bench.pool.clear(&Error::timeout("on purpose"), Interrupt::No));
    server.resume().unwrap();
    until(&|| bench.pool.counts().total == 0).await;
    let closed: Vec<_> = bench.events.lock().unwrap().iter().filter_map(closed_reason).collect();
    assert_eq!(closed, [cmap::ConnectionClosedReason::Stale]);
}
