//! A picture that many look at and some replace.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// What is looked at: as large as a small deployment's description.
pub type Picture = [u64; 32];

/// The place where a picture hangs.
pub trait Board: Send + Sync + 'static {
    /// What it is made of.
    const NAME: &'static str;
    /// A place with this picture.
    fn new(picture: Picture) -> Self;
    /// Looks at one number of the picture that hangs there now.
    fn look(&self, place: usize) -> u64;
    /// Hangs another.
    fn replace(&self, picture: Picture);
}

/// The driver's nest.
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

/// `RwLock<Arc<_>>` of the standard library: the picture is taken along.
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

/// `Mutex<Arc<_>>` of the standard library: the picture is taken along.
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

/// `tokio::sync::watch`: looked at through a receiver.
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
