//! A cell with a value that readers read while a writer replaces it.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// The value: as large as the description of a small deployment.
pub type Value = [u64; 32];

/// A cell with a value.
pub trait SnapshotCell: Send + Sync + 'static {
    /// The name of the implementation.
    const NAME: &'static str;
    /// A cell with this value.
    fn new(value: Value) -> Self;
    /// Reads one number of the current value.
    fn read(&self, index: usize) -> u64;
    /// Replaces the value.
    fn replace(&self, value: Value);
}

/// The driver's snapshot cell, the nest.
pub struct Nest(driver::conformance::nest::Nest<Value>);

impl SnapshotCell for Nest {
    const NAME: &'static str = "nest";
    fn new(value: Value) -> Self {
        Self(driver::conformance::nest::Nest::new(value))
    }
    #[inline]
    fn read(&self, index: usize) -> u64 {
        self.0.load()[index]
    }
    fn replace(&self, value: Value) {
        self.0.replace(value);
    }
}

/// A bare `ArcSwap`.
pub struct Swap(arc_swap::ArcSwap<Value>);

impl SnapshotCell for Swap {
    const NAME: &'static str = "arc-swap";
    fn new(value: Value) -> Self {
        Self(arc_swap::ArcSwap::from_pointee(value))
    }
    #[inline]
    fn read(&self, index: usize) -> u64 {
        self.0.load()[index]
    }
    fn replace(&self, value: Value) {
        self.0.store(Arc::new(value));
    }
}

/// The standard library's `RwLock<Arc<_>>`. The reader clones the `Arc`.
pub struct Shared(RwLock<Arc<Value>>);

impl SnapshotCell for Shared {
    const NAME: &'static str = "rwlock";
    fn new(value: Value) -> Self {
        Self(RwLock::new(Arc::new(value)))
    }
    #[inline]
    fn read(&self, index: usize) -> u64 {
        let value = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        value[index]
    }
    fn replace(&self, value: Value) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
    }
}

/// The standard library's `Mutex<Arc<_>>`. The reader clones the `Arc`.
pub struct Locked(Mutex<Arc<Value>>);

impl SnapshotCell for Locked {
    const NAME: &'static str = "mutex";
    fn new(value: Value) -> Self {
        Self(Mutex::new(Arc::new(value)))
    }
    #[inline]
    fn read(&self, index: usize) -> u64 {
        let value = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        value[index]
    }
    fn replace(&self, value: Value) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
    }
}

/// `tokio::sync::watch`, read through a receiver.
pub struct Watch {
    sender: tokio::sync::watch::Sender<Value>,
    receiver: tokio::sync::watch::Receiver<Value>,
}

impl SnapshotCell for Watch {
    const NAME: &'static str = "watch";
    fn new(value: Value) -> Self {
        let (sender, receiver) = tokio::sync::watch::channel(value);
        Self { sender, receiver }
    }
    #[inline]
    fn read(&self, index: usize) -> u64 {
        self.receiver.borrow()[index]
    }
    fn replace(&self, value: Value) {
        self.sender.send_replace(value);
    }
}
