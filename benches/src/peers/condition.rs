//! Waiting for a change of a value behind a lock, with the lock released meanwhile.

use std::future::Future;
use std::pin::pin;

/// A counter behind a lock, and a way to wait until it has changed.
pub trait Condition: Send + Sync + 'static {
    /// The name of the crate that keeps the waiters.
    const NAME: &'static str;
    /// A counter of zero, without waiters.
    fn new() -> Self;
    /// Takes the lock, and waits for one notification. Has the lock again at the end.
    fn hear(&self) -> impl Future<Output = ()> + Send;
    /// Notifies the oldest waiter.
    fn notify(&self);
    /// Takes the lock, waits until the counter is `from`, sets it to `to`, and notifies one waiter.
    fn pass(&self, from: u64, to: u64) -> impl Future<Output = ()> + Send;
}

/// `toro::Condition`, with its `Lock`.
pub struct Toro {
    lock: toro::Lock<u64>,
    condition: toro::Condition,
}

impl Condition for Toro {
    const NAME: &'static str = "toro";
    fn new() -> Self {
        Self { lock: toro::Lock::new(0), condition: toro::Condition::new() }
    }
    async fn hear(&self) {
        let guard = self.lock.acquire().await;
        drop(self.condition.wait_on(guard).await);
    }
    #[inline]
    fn notify(&self) {
        self.condition.notify(1);
    }
    async fn pass(&self, from: u64, to: u64) {
        let mut guard = self.lock.acquire().await;
        while *guard != from {
            guard = self.condition.wait_on(guard).await;
        }
        *guard = to;
        drop(guard);
        self.condition.notify(1);
    }
}

/// `tokio::sync::Notify`, with its `Mutex`: the wait is enabled before the lock is released.
pub struct Tokio {
    lock: tokio::sync::Mutex<u64>,
    notify: tokio::sync::Notify,
}

impl Condition for Tokio {
    const NAME: &'static str = "tokio";
    fn new() -> Self {
        Self { lock: tokio::sync::Mutex::new(0), notify: tokio::sync::Notify::new() }
    }
    async fn hear(&self) {
        let guard = self.lock.lock().await;
        let mut notified = pin!(self.notify.notified());
        notified.as_mut().enable();
        drop(guard);
        notified.await;
        drop(self.lock.lock().await);
    }
    #[inline]
    fn notify(&self) {
        self.notify.notify_one();
    }
    async fn pass(&self, from: u64, to: u64) {
        let mut guard = self.lock.lock().await;
        while *guard != from {
            let mut notified = pin!(self.notify.notified());
            notified.as_mut().enable();
            drop(guard);
            notified.await;
            guard = self.lock.lock().await;
        }
        *guard = to;
        drop(guard);
        self.notify.notify_one();
    }
}

/// `event_listener::Event`, with the mutex of `async-lock`.
pub struct EventListener {
    lock: async_lock::Mutex<u64>,
    event: event_listener::Event,
}

impl Condition for EventListener {
    const NAME: &'static str = "event-listener";
    fn new() -> Self {
        Self { lock: async_lock::Mutex::new(0), event: event_listener::Event::new() }
    }
    async fn hear(&self) {
        let guard = self.lock.lock().await;
        let listener = self.event.listen();
        drop(guard);
        listener.await;
        drop(self.lock.lock().await);
    }
    #[inline]
    fn notify(&self) {
        self.event.notify_additional(1);
    }
    async fn pass(&self, from: u64, to: u64) {
        let mut guard = self.lock.lock().await;
        while *guard != from {
            let listener = self.event.listen();
            drop(guard);
            listener.await;
            guard = self.lock.lock().await;
        }
        *guard = to;
        drop(guard);
        self.event.notify_additional(1);
    }
}

/// `asyncband::condvar::Condvar`, with its `Mutex`.
pub struct Asyncband {
    lock: asyncband::mutex::Mutex<u64>,
    condvar: asyncband::condvar::Condvar,
}

impl Condition for Asyncband {
    const NAME: &'static str = "asyncband";
    fn new() -> Self {
        Self { lock: asyncband::mutex::Mutex::new(0), condvar: asyncband::condvar::Condvar::new() }
    }
    async fn hear(&self) {
        let guard = self.lock.lock().await;
        drop(self.condvar.wait(guard).await);
    }
    #[inline]
    fn notify(&self) {
        self.condvar.notify_one();
    }
    async fn pass(&self, from: u64, to: u64) {
        let mut guard = self.lock.lock().await;
        while *guard != from {
            guard = self.condvar.wait(guard).await;
        }
        *guard = to;
        drop(guard);
        self.condvar.notify_one();
    }
}
