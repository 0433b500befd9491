//! Counted permits.

use super::lock::{OVERTAKES, Order};
use std::future::Future;

/// A semaphore whose `acquire` takes one permit.
pub trait Semaphore: Send + Sync + 'static {
    /// The name of the crate.
    const NAME: &'static str;
    /// Whether newcomers may overtake.
    const ORDER: Order;
    /// A semaphore with this many permits.
    fn new(permits: u32) -> Self;
    /// Waits for one permit. The returned value holds the permit, possibly inside a `Result`, until
    /// it is dropped.
    fn acquire(&self) -> impl Future<Output: Send> + Send;
    /// Whether a permit is free. Takes one and releases it.
    fn is_free(&self) -> bool;
}

/// `toro::Semaphore`, fair.
pub struct Toro(toro::Semaphore);

/// `toro::Semaphore` that lets newcomers overtake up to [`OVERTAKES`] times.
pub struct ToroBarging(toro::Semaphore);

/// `toro::BoundedSemaphore`.
pub struct ToroBounded(toro::BoundedSemaphore);

/// `tokio::sync::Semaphore`.
pub struct Tokio(tokio::sync::Semaphore);

/// `async_lock::Semaphore`.
pub struct AsyncLock(async_lock::Semaphore);

/// `asyncband::semaphore::Semaphore`.
pub struct Asyncband(asyncband::semaphore::Semaphore);

macro_rules! semaphore {
    (
        $type:ty, $name:literal, $order:expr, $new:expr,
        $acquire:ident($($count:literal)?), $is_free:expr
    ) => {
        impl Semaphore for $type {
            const NAME: &'static str = $name;
            const ORDER: Order = $order;
            fn new(permits: u32) -> Self {
                Self($new(permits))
            }
            #[inline]
            fn acquire(&self) -> impl Future<Output: Send> + Send {
                self.0.$acquire($($count)?)
            }
            fn is_free(&self) -> bool {
                $is_free(&self.0)
            }
        }
    };
}

semaphore!(
    Toro,
    "toro",
    Order::Fair,
    toro::Semaphore::new,
    acquire(),
    |semaphore: &toro::Semaphore| { semaphore.try_acquire().is_ok() }
);
semaphore!(
    ToroBarging,
    "toro",
    Order::Barging,
    |permits| toro::Semaphore::barging(permits, OVERTAKES),
    acquire(),
    |semaphore: &toro::Semaphore| semaphore.try_acquire().is_ok()
);
semaphore!(
    ToroBounded,
    "toro",
    Order::Fair,
    toro::BoundedSemaphore::new,
    acquire(),
    |semaphore: &toro::BoundedSemaphore| semaphore.try_acquire().is_ok()
);
semaphore!(
    Tokio,
    "tokio",
    Order::Fair,
    |permits| tokio::sync::Semaphore::new(permits as usize),
    acquire(),
    |semaphore: &tokio::sync::Semaphore| semaphore.try_acquire().is_ok()
);
semaphore!(
    AsyncLock,
    "async-lock",
    Order::Barging,
    |permits| async_lock::Semaphore::new(permits as usize),
    acquire(),
    |semaphore: &async_lock::Semaphore| semaphore.try_acquire().is_some()
);
semaphore!(
    Asyncband,
    "asyncband",
    Order::Fair,
    |permits| asyncband::semaphore::Semaphore::new(permits as usize),
    acquire(1),
    |semaphore: &asyncband::semaphore::Semaphore| semaphore.try_acquire(1).is_some()
);

/// A semaphore whose permits can be acquired in one place and released in another.
pub trait Parting: Semaphore {
    /// Waits for a permit, and forgets it.
    fn acquire_and_forget(&self) -> impl Future<Output = ()> + Send;
    /// Releases a forgotten permit.
    fn release(&self);
}

macro_rules! parting {
    ($type:ty, $acquire:ident($($count:literal)?) $(.$unwrap:ident())?, $release:expr) => {
        impl Parting for $type {
            #[inline]
            async fn acquire_and_forget(&self) {
                self.0.$acquire($($count)?).await$(.$unwrap())?.forget();
            }
            #[inline]
            fn release(&self) {
                $release(&self.0);
            }
        }
    };
}

parting!(ToroBounded, acquire().unwrap(), |semaphore: &toro::BoundedSemaphore| {
    semaphore.release(1).expect("one permit was forgotten");
});
parting!(Tokio, acquire().unwrap(), |semaphore: &tokio::sync::Semaphore| semaphore.add_permits(1));
parting!(AsyncLock, acquire(), |semaphore: &async_lock::Semaphore| semaphore.add_permits(1));
parting!(Asyncband, acquire(1), |semaphore: &asyncband::semaphore::Semaphore| semaphore.release(1));
