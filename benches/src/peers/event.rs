//! Waiting for an event, all waiters at once.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};

/// Wakes all current waiters.
pub trait Bell: Send + Sync + 'static {
    /// The name of the crate.
    const NAME: &'static str;
    /// A bell without waiters.
    fn new() -> Self;
    /// Waits for the next ring.
    fn wait(&self) -> impl Future + Send;
    /// Wakes all current waiters.
    fn ring(&self);
    /// Prepares the bell for the next waiters.
    fn rearm(&self) {}
}

/// A flag. Nobody waits while it is set.
pub trait Flag: Send + Sync + 'static {
    /// The name of the crate.
    const NAME: &'static str;
    /// A flag that is set.
    fn new_set() -> Self;
    /// Waits until the flag is set.
    fn wait(&self) -> impl Future + Send;
}

/// `toro::Event`.
pub struct Toro(toro::Event);

impl Bell for Toro {
    const NAME: &'static str = "toro";
    fn new() -> Self {
        Self(toro::Event::new())
    }
    #[inline]
    fn wait(&self) -> impl Future + Send {
        self.0.wait()
    }
    #[inline]
    fn ring(&self) {
        self.0.set();
    }
    fn rearm(&self) {
        self.0.clear();
    }
}

impl Flag for Toro {
    const NAME: &'static str = "toro";
    fn new_set() -> Self {
        let event = toro::Event::new();
        event.set();
        Self(event)
    }
    #[inline]
    fn wait(&self) -> impl Future + Send {
        self.0.wait()
    }
}

/// `tokio::sync::Notify`.
pub struct Notify(tokio::sync::Notify);

impl Bell for Notify {
    const NAME: &'static str = "tokio";
    fn new() -> Self {
        Self(tokio::sync::Notify::new())
    }
    #[inline]
    fn wait(&self) -> impl Future + Send {
        self.0.notified()
    }
    #[inline]
    fn ring(&self) {
        self.0.notify_waiters();
    }
}

/// `tokio::sync::watch` of a flag: the primitive of tokio that is set, cleared and waited for.
pub struct Watch {
    sender: tokio::sync::watch::Sender<bool>,
}

impl Flag for Watch {
    const NAME: &'static str = "tokio";
    fn new_set() -> Self {
        Self { sender: tokio::sync::watch::Sender::new(true) }
    }
    #[inline]
    fn wait(&self) -> impl Future + Send {
        let mut receiver = self.sender.subscribe();
        async move {
            let _ = receiver.wait_for(|set| *set).await;
        }
    }
}

/// `event_listener::Event`. As a flag, with the atomic boolean beside it that its documentation
/// shows.
pub struct EventListener {
    set: AtomicBool,
    event: event_listener::Event,
}

impl Bell for EventListener {
    const NAME: &'static str = "event-listener";
    fn new() -> Self {
        Self { set: AtomicBool::new(false), event: event_listener::Event::new() }
    }
    #[inline]
    fn wait(&self) -> impl Future + Send {
        self.event.listen()
    }
    #[inline]
    fn ring(&self) {
        self.event.notify(usize::MAX);
    }
}

impl Flag for EventListener {
    const NAME: &'static str = "event-listener";
    fn new_set() -> Self {
        Self { set: AtomicBool::new(true), event: event_listener::Event::new() }
    }
    #[inline]
    fn wait(&self) -> impl Future + Send {
        async {
            while !self.set.load(Ordering::Acquire) {
                let listener = self.event.listen();
                if self.set.load(Ordering::Acquire) {
                    break;
                }
                listener.await;
            }
        }
    }
}

/// `asyncband::event::ManualResetEvent`.
pub struct Asyncband(asyncband::event::ManualResetEvent);

impl Bell for Asyncband {
    const NAME: &'static str = "asyncband";
    fn new() -> Self {
        Self(asyncband::event::ManualResetEvent::new())
    }
    #[inline]
    fn wait(&self) -> impl Future + Send {
        self.0.wait()
    }
    #[inline]
    fn ring(&self) {
        self.0.set();
    }
    fn rearm(&self) {
        self.0.reset();
    }
}

impl Flag for Asyncband {
    const NAME: &'static str = "asyncband";
    fn new_set() -> Self {
        Self(asyncband::event::ManualResetEvent::with_state(true))
    }
    #[inline]
    fn wait(&self) -> impl Future + Send {
        self.0.wait()
    }
}
