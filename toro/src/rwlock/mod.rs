//! [`RwLock`]: a value that many may read or one may write, across awaits.
//!
//! A read-write lock is a semaphore with a great number of permits, of which a reader takes one and
//! a writer all. An upgradable reader takes one more than half: two of them do not fit, but any
//! number of readers fits beside one. The line is the semaphore's, so all kinds of waiters are
//! served in the order in which they came, a waiting writer holds back the readers behind it, and a
//! write that is given up has gathered nothing that it would have to give back. An upgrade waits
//! for the rest of the permits in front of everyone: whoever else waits, waits for it too.

#![allow(unsafe_code)]

mod guards;

pub use guards::{
    OwnedReadGuard, OwnedUpgradableGuard, OwnedWriteGuard, ReadGuard, UpgradableGuard, Upgrade,
    UpgradeOwned, WriteGuard,
};

use std::fmt;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use crate::core::{PrimitiveRef, UnsafeCell, Wait, Waiter, const_fn};
use crate::error::{Closed, Timeout};
use crate::permits::{self, Face, Permits};

const READ: u32 = 1;
const UPGRADABLE: u32 = 1 << 30;
const WRITE: u32 = 2 * UPGRADABLE - 1;
const UPGRADE: u32 = WRITE - UPGRADABLE;

/// A lock around a value that many may read at once, or one may write.
///
/// Everyone is served in the order in which they came. A reader that finds a writer waiting waits
/// behind it, so that writers do not starve; for the same reason a task must not ask for a second
/// read while it holds one.
///
/// An upgradable reader shares the lock with readers, though not with another upgradable one, and
/// can become the writer without letting go in between.
///
/// ```
/// let config = toro::RwLock::new(vec![1, 2]);
/// {
///     let (first, second) = (config.read().wait(), config.read().wait());
///     assert_eq!(first.len(), second.len());
/// }
/// {
///     let upgradable = config.upgradable_read().wait();
///     if upgradable.len() < 3 {
///         upgradable.upgrade().wait().push(3);
///     }
/// }
/// assert_eq!(config.into_inner(), [1, 2, 3]);
/// ```
pub struct RwLock<T: ?Sized> {
    permits: Permits,
    /// Read by whoever holds a permit, written by whoever holds all.
    value: UnsafeCell<T>,
}

// SAFETY: the lock lends the value to other threads, exclusively (`Send`) or shared (`Sync`).
unsafe impl<T: ?Sized + Send> Send for RwLock<T> {}
// SAFETY: as above; readers on several threads share the value.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}

// As the standard library's, whatever its value is; though not poisoned by a panic, it is in order
// itself.
impl<T: ?Sized> UnwindSafe for RwLock<T> {}
impl<T: ?Sized> RefUnwindSafe for RwLock<T> {}

impl<T> RwLock<T> {
    const_fn! {
        /// A lock around `value`.
        pub const fn new(value: T) -> Self {
            RwLock { permits: Permits::new(WRITE, 0), value: UnsafeCell::new(value) }
        }
    }

    /// The value, which nobody else can hold any more.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

/// Waits to hold the lock `H` in the manner of `K`.
type Hold<H, K> = Wait<Waiter<permits::Acquire<Held<H, K>>>>;

/// Waits to read.
pub type Read<'a, T> = Hold<&'a RwLock<T>, ReadKind>;
/// Waits to read, and keeps the counted lock alive.
pub type ReadOwned<T> = Hold<Arc<RwLock<T>>, ReadKind>;
/// Waits to read, with the option to write.
pub type UpgradableRead<'a, T> = Hold<&'a RwLock<T>, UpgradableKind>;
/// Waits to read, with the option to write, and keeps the counted lock alive.
pub type UpgradableReadOwned<T> = Hold<Arc<RwLock<T>>, UpgradableKind>;
/// Waits to write.
pub type Write<'a, T> = Hold<&'a RwLock<T>, WriteKind>;
/// Waits to write, and keeps the counted lock alive.
pub type WriteOwned<T> = Hold<Arc<RwLock<T>>, WriteKind>;

impl<T: ?Sized> RwLock<T> {
    /// Waits until the value can be read.
    ///
    /// # Cancel safety
    ///
    /// Dropping the wait gives up the place in line; what had been granted goes to the next. So
    /// with all waits here.
    #[inline]
    pub fn read(&self) -> Read<'_, T> {
        Wait::new(Waiter::new(self, permits::Acquire::new(READ)))
    }

    /// As [`read`](RwLock::read), with a guard that keeps the lock alive.
    #[inline]
    pub fn read_owned(self: &Arc<Self>) -> ReadOwned<T> {
        Wait::new(Waiter::new(Arc::clone(self), permits::Acquire::new(READ)))
    }

    /// Waits until the value can be read, by a guard that can be
    /// [upgraded](UpgradableGuard::upgrade) to write. There is at most one such guard at a
    /// time, beside any number of readers.
    #[inline]
    pub fn upgradable_read(&self) -> UpgradableRead<'_, T> {
        Wait::new(Waiter::new(self, permits::Acquire::new(UPGRADABLE)))
    }

    /// As [`upgradable_read`](RwLock::upgradable_read), with a guard that keeps the lock alive.
    #[inline]
    pub fn upgradable_read_owned(self: &Arc<Self>) -> UpgradableReadOwned<T> {
        Wait::new(Waiter::new(Arc::clone(self), permits::Acquire::new(UPGRADABLE)))
    }

    /// Waits until the value can be written.
    #[inline]
    pub fn write(&self) -> Write<'_, T> {
        Wait::new(Waiter::new(self, permits::Acquire::new(WRITE)))
    }

    /// As [`write`](RwLock::write), with a guard that keeps the lock alive.
    #[inline]
    pub fn write_owned(self: &Arc<Self>) -> WriteOwned<T> {
        Wait::new(Waiter::new(Arc::clone(self), permits::Acquire::new(WRITE)))
    }

    /// Reads if nobody writes and nobody waits.
    #[inline]
    pub fn try_read(&self) -> Option<ReadGuard<'_, T>> {
        self.try_hold::<_, ReadKind>(READ, || self)
    }

    /// As [`try_read`](RwLock::try_read), with a guard that keeps the lock alive.
    pub fn try_read_owned(self: &Arc<Self>) -> Option<OwnedReadGuard<T>> {
        self.try_hold::<_, ReadKind>(READ, || Arc::clone(self))
    }

    /// Reads, with the option to write, if nobody writes or has that option, and nobody waits.
    #[inline]
    pub fn try_upgradable_read(&self) -> Option<UpgradableGuard<'_, T>> {
        self.try_hold::<_, UpgradableKind>(UPGRADABLE, || self)
    }

    /// As [`try_upgradable_read`](RwLock::try_upgradable_read), with a guard that keeps the lock
    /// alive.
    pub fn try_upgradable_read_owned(self: &Arc<Self>) -> Option<OwnedUpgradableGuard<T>> {
        self.try_hold::<_, UpgradableKind>(UPGRADABLE, || Arc::clone(self))
    }

    /// Writes if nobody holds the lock and nobody waits.
    #[inline]
    pub fn try_write(&self) -> Option<WriteGuard<'_, T>> {
        self.try_hold::<_, WriteKind>(WRITE, || self)
    }

    /// As [`try_write`](RwLock::try_write), with a guard that keeps the lock alive.
    pub fn try_write_owned(self: &Arc<Self>) -> Option<OwnedWriteGuard<T>> {
        self.try_hold::<_, WriteKind>(WRITE, || Arc::clone(self))
    }

    #[inline]
    fn try_hold<H: Holder<K>, K>(
        &self,
        permits: u32,
        primitive_ref: impl FnOnce() -> H,
    ) -> Option<H::Guard> {
        self.permits.try_acquire(permits).ok()?;
        Some(primitive_ref().guard())
    }

    /// How many waits are in line at this moment.
    pub fn waiting(&self) -> usize {
        self.permits.waiting()
    }

    /// The value, without locking: the exclusive borrow shows that nobody holds it.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// # Safety
    /// The caller holds a permit as long as the borrow lives.
    #[inline]
    unsafe fn value(&self) -> &T {
        // SAFETY: nobody writes while the caller holds a permit.
        self.value.with(|value| unsafe { &*value })
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        RwLock::new(T::default())
    }
}

impl<T> From<T> for RwLock<T> {
    fn from(value: T) -> Self {
        RwLock::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lock = f.debug_struct("RwLock");
        match self.try_read() {
            Some(guard) => lock.field("value", &&*guard),
            None => lock.field("value", &format_args!("<held>")),
        };
        lock.field("waiting", &self.waiting()).finish()
    }
}

/// By one of many readers.
pub struct ReadKind;
/// By the reader who may write.
pub struct UpgradableKind;
/// By the writer.
pub struct WriteKind;

/// The face of a read-write lock's permits, held through `H` in the manner of `K`.
pub struct Held<H, K>(PhantomData<(H, K)>);

/// What holds a lock, and the guard made of it.
pub trait Holder<K>: PrimitiveRef<Target = RwLock<Self::Value>> {
    type Value: ?Sized;
    type Guard;
    fn guard(self) -> Self::Guard;
}

impl<K, H: Holder<K>> Face for Held<H, K> {
    type PrimitiveRef = H;
    type Primitive = RwLock<H::Value>;
    type Output = H::Guard;
    type Timed = Result<H::Guard, Timeout>;

    #[inline]
    fn permits(lock: &RwLock<H::Value>) -> &Permits {
        &lock.permits
    }

    #[inline]
    fn finish(primitive_ref: H, _: u32, _never_closed: Result<(), Closed>) -> H::Guard {
        primitive_ref.guard()
    }

    #[inline]
    fn in_time(guard: H::Guard) -> Self::Timed {
        Ok(guard)
    }

    fn expired(_: H) -> Self::Timed {
        Err(Timeout)
    }
}
