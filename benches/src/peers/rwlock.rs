//! Locks for one writer or many readers.

use std::future::Future;
use std::ops::{Deref, DerefMut};

/// A lock around a counter, shared by readers.
pub trait RwLock: Send + Sync + 'static {
    /// The name of the crate.
    const NAME: &'static str;
    /// A free lock.
    fn new() -> Self;
    /// Waits to read.
    fn read(&self) -> impl Future<Output: Deref<Target = u64> + Send> + Send;
    /// Waits to write.
    fn write(&self) -> impl Future<Output: DerefMut<Target = u64> + Send> + Send;
}

/// `toro::RwLock`.
pub struct Toro(toro::RwLock<u64>);

/// `tokio::sync::RwLock`.
pub struct Tokio(tokio::sync::RwLock<u64>);

/// `async_lock::RwLock`.
pub struct AsyncLock(async_lock::RwLock<u64>);

/// `asyncband::rwlock::RwLock`.
pub struct Asyncband(asyncband::rwlock::RwLock<u64>);

macro_rules! rwlock {
    ($type:ty, $name:literal, $new:path) => {
        impl RwLock for $type {
            const NAME: &'static str = $name;
            fn new() -> Self {
                Self($new(0))
            }
            #[inline]
            fn read(&self) -> impl Future<Output: Deref<Target = u64> + Send> + Send {
                self.0.read()
            }
            #[inline]
            fn write(&self) -> impl Future<Output: DerefMut<Target = u64> + Send> + Send {
                self.0.write()
            }
        }
    };
}

rwlock!(Toro, "toro", toro::RwLock::new);
rwlock!(Tokio, "tokio", tokio::sync::RwLock::new);
rwlock!(AsyncLock, "async-lock", async_lock::RwLock::new);
rwlock!(Asyncband, "asyncband", asyncband::rwlock::RwLock::new);
