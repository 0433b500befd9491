//! A value that many read and some replace.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// The value: as large as the description of a small deployment.
pub type Picture = [u64; 32];

/// The cell that holds the value.
pub trait Board: Send + Sync + 'static {
    /// The name of the implementation.
    const NAME: &'static str;
    /// A cell with this value.
    fn new(picture: Picture) -> Self;
    /// Reads one number of the current value.
    fn look(&self, place: usize) -> u64;
    /// Replaces the value.
    fn replace(&self, picture: Picture);
}

/// The driver's snapshot cell, the nest.
pub struct Nest(driver::conformance::nest::Nest<Picture>);

impl Board for Nest {
    const NAME: &'static str = "nest";
    fn new(picture: Picture) -> Self {
        Self(driver::conformance::nest::Nest::new(picture))
    }
    #[inline]
    fn look(&self, place: usize) -> u64 {
        self.0.load()[place]
    }
    fn replace(&self, picture: Picture) {
        self.0.replace(picture);
    }
}

/// A bare `ArcSwap`.
pub struct Swap(arc_swap::ArcSwap<Picture>);

impl Board for Swap {
    const NAME: &'static str = "arc-swap";
    fn new(picture: Picture) -> Self {
        Self(arc_swap::ArcSwap::from_pointee(picture))
    }
    #[inline]
    fn look(&self, place: usize) -> u64 {
        self.0.load()[place]
    }
    fn replace(&self, picture: Picture) {
        self.0.store(Arc::new(picture));
    }
}

/// The standard library's `RwLock<Arc<_>>`. The reader clones the `Arc`.
pub struct Shared(RwLock<Arc<Picture>>);

impl Board for Shared {
    const NAME: &'static str = "rwlock";
    fn new(picture: Picture) -> Self {
        Self(RwLock::new(Arc::new(picture)))
    }
    #[inline]
    fn look(&self, place: usize) -> u64 {
        let picture = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        picture[place]
    }
    fn replace(&self, picture: Picture) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(picture);
    }
}

/// The standard library's `Mutex<Arc<_>>`. The reader clones the `Arc`.
pub struct Locked(Mutex<Arc<Picture>>);

impl Board for Locked {
    const NAME: &'static str = "mutex";
    fn new(picture: Picture) -> Self {
        Self(Mutex::new(Arc::new(picture)))
    }
    #[inline]
    fn look(&self, place: usize) -> u64 {
        let picture = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        picture[place]
    }
    fn replace(&self, picture: Picture) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(picture);
    }
}

/// `tokio::sync::watch`, read through a receiver.
pub struct Watch {
    sender: tokio::sync::watch::Sender<Picture>,
    receiver: tokio::sync::watch::Receiver<Picture>,
}

impl Board for Watch {
    const NAME: &'static str = "watch";
    fn new(picture: Picture) -> Self {
        let (sender, receiver) = tokio::sync::watch::channel(picture);
        Self { sender, receiver }
    }
    #[inline]
    fn look(&self, place: usize) -> u64 {
        self.receiver.borrow()[place]
    }
    fn replace(&self, picture: Picture) {
        self.sender.send_replace(picture);
    }
}
