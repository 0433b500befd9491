//! Waiters for a connection are woken in order, each only when a connection is handed to it.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

use driver::bson::{Document, doc};
use driver::{Client, Result};

use crate::watch::{Events, options, server, whats_my_uri};

/// Counts the wake-ups of a waiter.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wakes {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// An operation that waits for a connection.
struct Waiter {
    operation: Pin<Box<dyn Future<Output = Result<Document>> + Send>>,
    wakes: Arc<Wakes>,
}

impl Waiter {
    /// Begins an operation while no connection is free.
    fn begin(client: &Client) -> Self {
        let database = client.database("admin");
        let mut operation =
            Box::pin(async move { database.run_command(whats_my_uri()).into_future().await });
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        assert!(operation.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        Waiter { operation, wakes }
    }
}

#[tokio::test]
async fn waiters_are_woken_once_and_in_order() {
    const PLACES: usize = 3;
    const WAITERS: usize = 30;
    let events = Events::default();
    let mut options = options(server(), &events);
    options.max_pool_size = Some(PLACES as u32);
    let client = Client::with_options(options).unwrap();
    let mut holders = Vec::new();
    for _ in 0..PLACES {
        let request = client.start_request();
        request.database("admin").run_command(doc! { "ping": 1 }).await.unwrap();
        holders.push(request);
    }
    assert_eq!(events.in_use(), PLACES);
    let mut waiters: Vec<Waiter> = (0..WAITERS).map(|_| Waiter::begin(&client)).collect();
    let wakes: Vec<Arc<Wakes>> = waiters.iter().map(|waiter| Arc::clone(&waiter.wakes)).collect();
    let woken = || wakes.iter().map(|wakes| wakes.count()).collect::<Vec<_>>();
    assert_eq!(woken(), [0; WAITERS], "a waiter was woken before a connection was free");

    // Some waiters are dropped. Their turns pass to the next.
    let gone: Vec<usize> = (0..WAITERS).filter(|i| i % 7 == 3).collect();
    let mut rest: Vec<(usize, Waiter)> = waiters.drain(..).enumerate().collect();
    rest.retain(|(i, _)| !gone.contains(i));
    assert_eq!(woken(), [0; WAITERS], "a dropped waiter wakes no other");

    let mut expected = [0; WAITERS];
    let mut turns = rest.iter().map(|(i, _)| *i).collect::<Vec<_>>().into_iter();
    for holder in holders {
        drop(holder);
        expected[turns.next().unwrap()] = 1;
        assert_eq!(woken(), expected, "a connection that comes back wakes the oldest waiter");
    }
    for (i, waiter) in rest {
        assert_eq!(woken()[i], 1);
        // From here on, its reply wakes it through the waker of this task.
        waiter.operation.await.unwrap();
        if let Some(next) = turns.next() {
            expected[next] = 1;
        }
        assert_eq!(woken(), expected, "waiter {i} is done and hands its connection to the next");
    }
    assert_eq!((events.in_use(), events.created()), (0, PLACES));
}
