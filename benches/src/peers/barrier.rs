//! A meeting of a fixed number of tasks.

use std::future::Future;

/// A reusable barrier.
pub trait Barrier: Send + Sync + 'static {
    /// The name of the crate.
    const NAME: &'static str;
    /// A barrier for this many tasks.
    fn new(parties: usize) -> Self;
    /// Arrives, and waits for the others.
    fn wait(&self) -> impl Future + Send;
}

/// `toro::Barrier`.
pub struct Toro(toro::Barrier);

/// `tokio::sync::Barrier`.
pub struct Tokio(tokio::sync::Barrier);

/// `async_lock::Barrier`.
pub struct AsyncLock(async_lock::Barrier);

/// `asyncband::barrier::Barrier`.
pub struct Asyncband(asyncband::barrier::Barrier);

macro_rules! barrier {
    ($type:ty, $name:literal, $new:expr) => {
        impl Barrier for $type {
            const NAME: &'static str = $name;
            fn new(parties: usize) -> Self {
                Self($new(parties))
            }
            #[inline]
            fn wait(&self) -> impl Future + Send {
                self.0.wait()
            }
        }
    };
}

barrier!(Toro, "toro", toro::Barrier::new);
barrier!(Tokio, "tokio", tokio::sync::Barrier::new);
barrier!(AsyncLock, "async-lock", async_lock::Barrier::new);
barrier!(Asyncband, "asyncband", |parties: usize| asyncband::barrier::Barrier::new(
    u32::try_from(parties).expect("fewer parties than four thousand million")
));
