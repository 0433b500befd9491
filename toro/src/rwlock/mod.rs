//! [`RwLock`]: a lock for many readers or one writer, which may be held across awaits.
//!
//! It is a semaphore with a large number of permits. A reader takes one, a writer takes all. An
//! upgradable reader takes one more than half, so there is room for one of them beside any number
//! of readers. The line is the semaphore's. So all kinds of waiters are served in order of arrival,
//! a waiting writer holds back later readers, and a cancelled write has nothing to give back. An
//! upgrade waits for the other permits before all other waiters, because they wait for its guard
//! too.

#![allow(unsafe_code, reason = "guards access the value in an `UnsafeCell`")]

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
use crate::permits::{self, PermitUse, Permits};

const READ: u32 = 1;
const UPGRADABLE: u32 = 1 << 30;
const WRITE: u32 = 2 * UPGRADABLE - 1;
const UPGRADE: u32 = WRITE - UPGRADABLE;

/// A lock around a value that many can read at once, or one can write. Tasks and threads may hold
/// it across awaits.
///
/// All are served in order of arrival. Readers wait behind a waiting writer, so writers do not
/// starve. For the same reason a task must not ask for a second read while it holds one.
///
/// An upgradable reader shares the lock with readers, but not with another upgradable reader. It
/// can become the writer without releasing the lock.
///
/// # Examples
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
    /// Read by holders of a permit, and written by the holder of all.
    value: UnsafeCell<T>,
}

// SAFETY: sending the lock sends the value.
unsafe impl<T: ?Sized + Send> Send for RwLock<T> {}
// SAFETY: a shared lock lends the value to other threads: exclusively to writers, which requires
// `Send`, and shared to readers, which requires `Sync`.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}

// Like the standard library's lock, for any value. The lock is not poisoned by a panic, but it
// stays valid.
impl<T: ?Sized> UnwindSafe for RwLock<T> {}
impl<T: ?Sized> RefUnwindSafe for RwLock<T> {}

impl<T> RwLock<T> {
    const_fn! {
        /// Creates a lock around `value`.
        ///
        /// # Examples
        ///
        /// ```
        /// static CONFIG: toro::RwLock<u32> = toro::RwLock::new(1);
        ///
        /// assert_eq!(*CONFIG.read().wait(), 1);
        /// ```
        pub const fn new(value: T) -> Self {
            RwLock { permits: Permits::new(WRITE, 0), value: UnsafeCell::new(value) }
        }
    }

    /// Returns the value. Nobody can hold the lock now.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(toro::RwLock::new(1).into_inner(), 1);
    /// ```
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

/// Waits to hold the lock `H` as a `K`.
type Hold<H, K> = Wait<Waiter<permits::Acquire<Held<H, K>>>>;

/// Waits to read.
pub type Read<'a, T> = Hold<&'a RwLock<T>, ReadKind>;
/// Waits to read, and keeps a lock held by an `Arc` alive.
pub type ReadOwned<T> = Hold<Arc<RwLock<T>>, ReadKind>;
/// Waits to read, with the option to write.
pub type UpgradableRead<'a, T> = Hold<&'a RwLock<T>, UpgradableKind>;
/// Waits to read, with the option to write, and keeps a lock held by an `Arc` alive.
pub type UpgradableReadOwned<T> = Hold<Arc<RwLock<T>>, UpgradableKind>;
/// Waits to write.
pub type Write<'a, T> = Hold<&'a RwLock<T>, WriteKind>;
/// Waits to write, and keeps a lock held by an `Arc` alive.
pub type WriteOwned<T> = Hold<Arc<RwLock<T>>, WriteKind>;

impl<T: ?Sized> RwLock<T> {
    /// Waits for shared access.
    ///
    /// # Cancel safety
    ///
    /// Dropping the wait gives up the place in line. A lock that had been granted goes to the next
    /// waiter. The same holds for all waits of this type.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = toro::RwLock::new(1);
    /// let (first, second) = (lock.read().wait(), lock.read().wait());
    /// assert_eq!(*first, *second);
    /// ```
    #[inline]
    pub fn read(&self) -> Read<'_, T> {
        Wait::new(Waiter::new(self, permits::Acquire::new(READ)))
    }

    /// Like [`read`](RwLock::read), but the guard keeps the lock alive.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = std::sync::Arc::new(toro::RwLock::new(1));
    /// let guard = lock.read_owned().wait();
    /// assert_eq!(std::thread::spawn(move || *guard).join().unwrap(), 1);
    /// ```
    #[inline]
    pub fn read_owned(self: &Arc<Self>) -> ReadOwned<T> {
        Wait::new(Waiter::new(Arc::clone(self), permits::Acquire::new(READ)))
    }

    /// Waits for shared access that can be [upgraded](UpgradableGuard::upgrade) to exclusive
    /// access. At most one upgradable guard exists at a time, beside any number of readers.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = toro::RwLock::new(1);
    /// let upgradable = lock.upgradable_read().wait();
    /// assert!(lock.try_read().is_some());
    /// assert!(lock.try_upgradable_read().is_none());
    /// ```
    #[inline]
    pub fn upgradable_read(&self) -> UpgradableRead<'_, T> {
        Wait::new(Waiter::new(self, permits::Acquire::new(UPGRADABLE)))
    }

    /// Like [`upgradable_read`](RwLock::upgradable_read), but the guard keeps the lock alive.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = std::sync::Arc::new(toro::RwLock::new(1));
    /// *lock.upgradable_read_owned().wait().upgrade().wait() += 1;
    /// assert_eq!(*lock.read().wait(), 2);
    /// ```
    #[inline]
    pub fn upgradable_read_owned(self: &Arc<Self>) -> UpgradableReadOwned<T> {
        Wait::new(Waiter::new(Arc::clone(self), permits::Acquire::new(UPGRADABLE)))
    }

    /// Waits for exclusive access.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = toro::RwLock::new(1);
    /// *lock.write().wait() += 1;
    /// assert_eq!(lock.into_inner(), 2);
    /// ```
    #[inline]
    pub fn write(&self) -> Write<'_, T> {
        Wait::new(Waiter::new(self, permits::Acquire::new(WRITE)))
    }

    /// Like [`write`](RwLock::write), but the guard keeps the lock alive.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = std::sync::Arc::new(toro::RwLock::new(1));
    /// *lock.write_owned().wait() += 1;
    /// assert_eq!(*lock.read().wait(), 2);
    /// ```
    #[inline]
    pub fn write_owned(self: &Arc<Self>) -> WriteOwned<T> {
        Wait::new(Waiter::new(Arc::clone(self), permits::Acquire::new(WRITE)))
    }

    /// Takes shared access if nobody writes and nobody waits.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = toro::RwLock::new(1);
    /// assert_eq!(lock.try_read().as_deref(), Some(&1));
    /// ```
    #[inline]
    pub fn try_read(&self) -> Option<ReadGuard<'_, T>> {
        self.try_hold::<_, ReadKind>(READ, || self)
    }

    /// Like [`try_read`](RwLock::try_read), but the guard keeps the lock alive.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = std::sync::Arc::new(toro::RwLock::new(1));
    /// assert!(lock.try_read_owned().is_some());
    /// ```
    pub fn try_read_owned(self: &Arc<Self>) -> Option<OwnedReadGuard<T>> {
        self.try_hold::<_, ReadKind>(READ, || Arc::clone(self))
    }

    /// Takes upgradable shared access if nobody writes, nobody else has upgradable access, and
    /// nobody waits.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = toro::RwLock::new(1);
    /// assert!(lock.try_upgradable_read().is_some());
    /// ```
    #[inline]
    pub fn try_upgradable_read(&self) -> Option<UpgradableGuard<'_, T>> {
        self.try_hold::<_, UpgradableKind>(UPGRADABLE, || self)
    }

    /// Like [`try_upgradable_read`](RwLock::try_upgradable_read), but the guard keeps the lock
    /// alive.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = std::sync::Arc::new(toro::RwLock::new(1));
    /// assert!(lock.try_upgradable_read_owned().is_some());
    /// ```
    pub fn try_upgradable_read_owned(self: &Arc<Self>) -> Option<OwnedUpgradableGuard<T>> {
        self.try_hold::<_, UpgradableKind>(UPGRADABLE, || Arc::clone(self))
    }

    /// Takes exclusive access if nobody holds the lock and nobody waits.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = toro::RwLock::new(1);
    /// let guard = lock.read().wait();
    /// assert!(lock.try_write().is_none());
    /// ```
    #[inline]
    pub fn try_write(&self) -> Option<WriteGuard<'_, T>> {
        self.try_hold::<_, WriteKind>(WRITE, || self)
    }

    /// Like [`try_write`](RwLock::try_write), but the guard keeps the lock alive.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = std::sync::Arc::new(toro::RwLock::new(1));
    /// assert!(lock.try_write_owned().is_some());
    /// ```
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

    /// The number of waits in line at this moment.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(toro::RwLock::new(1).waiting(), 0);
    /// ```
    pub fn waiting(&self) -> usize {
        self.permits.waiting()
    }

    /// Returns the value without locking: the exclusive borrow shows that nobody holds the lock.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut lock = toro::RwLock::new(1);
    /// *lock.get_mut() = 2;
    /// assert_eq!(lock.into_inner(), 2);
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// # Safety
    ///
    /// The caller holds a permit while the borrow lives.
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

/// One of many readers.
pub struct ReadKind;
/// The reader that may become the writer.
pub struct UpgradableKind;
/// The writer.
pub struct WriteKind;

/// The [`PermitUse`] of a read-write lock held as `H`, for a `K`.
pub struct Held<H, K>(PhantomData<(H, K)>);

/// A reference to a lock, and the guard made from it.
pub trait Holder<K>: PrimitiveRef<Target = RwLock<Self::Value>> {
    type Value: ?Sized;
    type Guard;
    fn guard(self) -> Self::Guard;
}

impl<K, H: Holder<K>> PermitUse for Held<H, K> {
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
