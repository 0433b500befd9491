//! Asynchronous mutual exclusion.

use std::future::Future;
use std::ops::DerefMut;

/// The order in which a released lock or permit goes to those who want it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The oldest waiter: a newcomer cannot overtake.
    Fair,
    /// The first to try after the release. Newcomers may overtake, within some limit.
    Barging,
}

/// A lock around a counter.
pub trait Lock: Send + Sync + 'static {
    /// The name of the crate.
    const NAME: &'static str;
    /// Whether newcomers may overtake.
    const ORDER: Order;
    /// A free lock.
    fn new() -> Self;
    /// Waits for the lock.
    fn acquire(&self) -> impl Future<Output: DerefMut<Target = u64> + Send> + Send;
    /// Whether the lock is free. Takes it without waiting, and releases it again.
    fn is_free(&self) -> bool;
}

/// `toro::Lock`, fair.
pub struct Toro(toro::Lock<u64>);

/// `toro::Lock` that lets newcomers overtake up to [`OVERTAKES`] times.
pub struct ToroBarging(toro::Lock<u64>);

/// The number of newcomers that may overtake, where `toro` is compared with barging peers.
pub const OVERTAKES: u16 = 1000;

/// `tokio::sync::Mutex`.
pub struct Tokio(tokio::sync::Mutex<u64>);

/// `async_lock::Mutex`. It lets newcomers overtake until a waiter has starved for half a
/// millisecond.
pub struct AsyncLock(async_lock::Mutex<u64>);

/// `asyncband::mutex::Mutex`.
pub struct Asyncband(asyncband::mutex::Mutex<u64>);

macro_rules! lock {
    ($type:ty, $name:literal, $order:expr, $new:expr, $acquire:ident, $is_free:expr) => {
        impl Lock for $type {
            const NAME: &'static str = $name;
            const ORDER: Order = $order;
            fn new() -> Self {
                Self($new)
            }
            #[inline]
            fn acquire(&self) -> impl Future<Output: DerefMut<Target = u64> + Send> + Send {
                self.0.$acquire()
            }
            fn is_free(&self) -> bool {
                $is_free(&self.0)
            }
        }
    };
}

lock!(Toro, "toro", Order::Fair, toro::Lock::new(0), acquire, |lock: &toro::Lock<u64>| lock
    .try_acquire()
    .is_some());
lock!(
    ToroBarging,
    "toro",
    Order::Barging,
    toro::Lock::barging(0, OVERTAKES),
    acquire,
    |lock: &toro::Lock<u64>| lock.try_acquire().is_some()
);
lock!(
    Tokio,
    "tokio",
    Order::Fair,
    tokio::sync::Mutex::new(0),
    lock,
    |lock: &tokio::sync::Mutex<u64>| lock.try_lock().is_ok()
);
lock!(
    AsyncLock,
    "async-lock",
    Order::Barging,
    async_lock::Mutex::new(0),
    lock,
    |lock: &async_lock::Mutex<u64>| lock.try_lock().is_some()
);
lock!(
    Asyncband,
    "asyncband",
    Order::Fair,
    asyncband::mutex::Mutex::new(0),
    lock,
    |lock: &asyncband::mutex::Mutex<u64>| lock.try_lock().is_some()
);
