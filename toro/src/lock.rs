//! [`Lock`]: a mutual exclusion lock that may be held across awaits.

#![allow(unsafe_code, reason = "guards access the value in an `UnsafeCell`")]

use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;
use std::sync::Arc;

use crate::core::{PrimitiveRef, UnsafeCell, Wait, Waiter, const_fn};
use crate::error::{Closed, Timeout};
use crate::mapped::{MappedGuard, OwnedMappedGuard, Release};
use crate::permits::{self, PermitUse, Permits, Refusal};

/// A mutual exclusion lock around a value. Tasks and threads may hold it across awaits.
///
/// It goes to waiters in order of arrival. If it is held for very short times, and never across an
/// await, a [`barging`](Lock::barging) lock is faster under contention.
///
/// While nobody waits, acquiring and releasing cost one atomic operation each. Waiting allocates
/// nothing. Dropping the guard releases the lock, also during a panic. The lock is never poisoned,
/// so a value that a panic could leave half changed needs its own protection.
///
/// # Examples
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// let hits = toro::Lock::new(0);
/// *hits.acquire().await += 1;
/// assert_eq!(*hits.acquire().await, 1);
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "Mutex")]
pub struct Lock<T: ?Sized> {
    permits: Permits,
    /// Accessed only by the holder of the one permit.
    value: UnsafeCell<T>,
}

// SAFETY: the lock moves the value from thread to thread, one at a time, which requires only
// `Send`.
unsafe impl<T: ?Sized + Send> Send for Lock<T> {}
// SAFETY: as above. Two threads never hold the value at once.
unsafe impl<T: ?Sized + Send> Sync for Lock<T> {}

// Like the standard library's mutex, for any value. The lock is not poisoned by a panic, but it
// stays valid.
impl<T: ?Sized> UnwindSafe for Lock<T> {}
impl<T: ?Sized> RefUnwindSafe for Lock<T> {}

/// Waits for a lock.
pub type AcquireLock<'a, T> = Wait<Waiter<permits::Acquire<Held<&'a Lock<T>>>>>;
/// Waits for a lock held by an `Arc`, and keeps it alive.
pub type AcquireLockOwned<T> = Wait<Waiter<permits::Acquire<Held<Arc<Lock<T>>>>>>;

impl<T> Lock<T> {
    const_fn! {
        /// Creates a fair lock: it goes to the oldest waiter.
        ///
        /// # Examples
        ///
        /// ```
        /// static LOCK: toro::Lock<u32> = toro::Lock::new(1);
        ///
        /// assert_eq!(*LOCK.acquire().wait(), 1);
        /// ```
        pub const fn new(value: T) -> Self {
            Lock { permits: Permits::new(1, 0), value: UnsafeCell::new(value) }
        }
    }

    const_fn! {
        /// Creates a lock that up to `overtakers` newcomers may take, if they find it free, before
        /// the oldest waiter gets it.
        ///
        /// A fair lock waits at each contended release for a task to be scheduled. For short
        /// critical sections, a barging lock is many times faster, because a task that already runs
        /// goes first. Waiters keep their order among themselves, and each waits for at most
        /// `overtakers` newcomers at a time.
        ///
        /// # Examples
        ///
        /// ```
        /// static COUNTER: toro::Lock<u32> = toro::Lock::barging(0, 100);
        ///
        /// *COUNTER.acquire().wait() += 1;
        /// assert_eq!(*COUNTER.acquire().wait(), 1);
        /// ```
        pub const fn barging(value: T, overtakers: u16) -> Self {
            Lock { permits: Permits::new(1, overtakers), value: UnsafeCell::new(value) }
        }
    }

    /// Returns the value. Nobody can hold the lock now.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(toro::Lock::new(1).into_inner(), 1);
    /// ```
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Lock<T> {
    /// Waits for the lock.
    ///
    /// # Cancel safety
    ///
    /// Dropping the wait gives up the place in line. A lock that had been granted goes to the next
    /// waiter.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures_executor::block_on(async {
    /// let lock = toro::Lock::new(1);
    /// let mut guard = lock.acquire().await;
    /// *guard += 1;
    /// # });
    /// ```
    #[doc(alias = "lock")]
    #[inline]
    pub fn acquire(&self) -> AcquireLock<'_, T> {
        Wait::new(Waiter::new(self, permits::Acquire::new(1)))
    }

    /// Like [`acquire`](Lock::acquire), but the guard keeps the lock alive and is `'static`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use toro::Lock;
    ///
    /// let lock = Arc::new(Lock::new(1));
    /// let guard = lock.acquire_owned().wait();
    /// std::thread::spawn(move || drop(guard)).join().unwrap();
    /// assert!(!lock.is_locked());
    /// ```
    #[doc(alias("lock_owned", "lock_arc"))]
    #[inline]
    pub fn acquire_owned(self: &Arc<Self>) -> AcquireLockOwned<T> {
        Wait::new(Waiter::new(Arc::clone(self), permits::Acquire::new(1)))
    }

    /// Takes the lock if it is free and nobody waits for it.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = toro::Lock::new(1);
    /// let guard = lock.try_acquire();
    /// assert!(guard.is_some());
    /// assert!(lock.try_acquire().is_none());
    /// ```
    #[doc(alias = "try_lock")]
    #[inline]
    pub fn try_acquire(&self) -> Option<Guard<'_, T>> {
        self.permits.try_acquire_only().ok()?;
        Some(Guard { lock: self, _value: PhantomData })
    }

    /// Like [`try_acquire`](Lock::try_acquire), but the guard keeps the lock alive.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = std::sync::Arc::new(toro::Lock::new(1));
    /// let guard = lock.try_acquire_owned();
    /// assert!(guard.is_some());
    /// ```
    #[doc(alias("try_lock_owned", "try_lock_arc"))]
    pub fn try_acquire_owned(self: &Arc<Self>) -> Option<OwnedGuard<T>> {
        self.permits.try_acquire_only().ok()?;
        Some(OwnedGuard { lock: Arc::clone(self) })
    }

    /// Whether the lock is held at this moment.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = toro::Lock::new(1);
    /// let guard = lock.acquire().wait();
    /// assert!(lock.is_locked());
    /// ```
    pub fn is_locked(&self) -> bool {
        self.permits.count() == 0
    }

    /// The number of waits in line at this moment.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(toro::Lock::new(1).waiting(), 0);
    /// ```
    pub fn waiting(&self) -> usize {
        self.permits.waiting()
    }

    /// Returns the value without locking: the exclusive borrow shows that nobody holds the lock.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut lock = toro::Lock::new(1);
    /// *lock.get_mut() = 2;
    /// assert_eq!(lock.into_inner(), 2);
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T: Default> Default for Lock<T> {
    fn default() -> Self {
        Lock::new(T::default())
    }
}

impl<T> From<T> for Lock<T> {
    fn from(value: T) -> Self {
        Lock::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lock = f.debug_struct("Lock");
        match self.try_acquire() {
            Some(guard) => lock.field("value", &&*guard),
            None => lock.field("value", &format_args!("<held>")),
        };
        lock.field("waiting", &self.waiting()).finish()
    }
}

/// Access to the value of a [`Lock`]. Dropping it releases the lock.
#[doc(alias = "MutexGuard")]
#[must_use = "a lock is released as soon as its guard is dropped"]
pub struct Guard<'a, T: ?Sized> {
    lock: &'a Lock<T>,
    /// A guard is an exclusive borrow of the value, so it is `Sync` only if the value is.
    _value: PhantomData<&'a mut T>,
}

/// Access to the value of a [`Lock`] that the guard keeps alive. Dropping it releases the lock.
#[doc(alias("OwnedMutexGuard", "MutexGuardArc"))]
#[must_use = "a lock is released as soon as its guard is dropped"]
pub struct OwnedGuard<T: ?Sized> {
    lock: Arc<Lock<T>>,
}

// SAFETY: sharing the guard shares the value, and the `Arc` of the lock. A clone of that may send
// the value.
unsafe impl<T: ?Sized + Send + Sync> Sync for OwnedGuard<T> {}

macro_rules! guard {
    ($guard:ty) => {
        impl<T: ?Sized> Deref for $guard {
            type Target = T;

            #[inline]
            fn deref(&self) -> &T {
                // SAFETY: the guard holds the one permit.
                unsafe { &*self.lock.value.get() }
            }
        }

        impl<T: ?Sized> DerefMut for $guard {
            #[inline]
            fn deref_mut(&mut self) -> &mut T {
                // SAFETY: the guard holds the one permit, and is borrowed exclusively.
                unsafe { &mut *self.lock.value.get() }
            }
        }

        // Like the lock itself.
        impl<T: ?Sized> UnwindSafe for $guard {}
        impl<T: ?Sized> RefUnwindSafe for $guard {}

        impl<T: ?Sized> Drop for $guard {
            #[inline]
            fn drop(&mut self) {
                self.lock.permits.release(1);
            }
        }

        impl<T: ?Sized + fmt::Debug> fmt::Debug for $guard {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&**self, f)
            }
        }
    };
}

guard!(Guard<'_, T>);
guard!(OwnedGuard<T>);

impl<'a, T: ?Sized> Guard<'a, T> {
    /// The lock that this guard holds.
    ///
    /// # Examples
    ///
    /// ```
    /// use toro::{Guard, Lock};
    ///
    /// let lock = Lock::new(1);
    /// let guard = lock.acquire().wait();
    /// assert!(Guard::lock(&guard).is_locked());
    /// ```
    pub fn lock(guard: &Self) -> &'a Lock<T> {
        guard.lock
    }

    /// Narrows the guard to a part of the value. The whole lock stays held.
    ///
    /// # Examples
    ///
    /// ```
    /// use toro::{Guard, Lock};
    ///
    /// let lock = Lock::new((1, "two"));
    /// let mut first = Guard::map(lock.acquire().wait(), |pair| &mut pair.0);
    /// *first = 3;
    /// drop(first);
    /// assert_eq!(lock.into_inner(), (3, "two"));
    /// ```
    pub fn map<U: ?Sized>(guard: Self, part: impl FnOnce(&mut T) -> &mut U) -> MappedGuard<'a, U> {
        let lock = ManuallyDrop::new(guard).lock;
        let release = Release::new(&lock.permits, 1);
        // SAFETY: `release` holds the permit from here on, and the guard is gone.
        let value = NonNull::from(part(unsafe { &mut *lock.value.get() }));
        // SAFETY: the part belongs to the value, which nobody else can access while the permit is
        // held.
        unsafe { MappedGuard::new(value, release) }
    }
}

impl<T: ?Sized> OwnedGuard<T> {
    /// The lock that this guard holds.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use toro::{Lock, OwnedGuard};
    ///
    /// let lock = Arc::new(Lock::new(1));
    /// let guard = lock.acquire_owned().wait();
    /// assert!(Arc::ptr_eq(OwnedGuard::lock(&guard), &lock));
    /// ```
    pub fn lock(guard: &Self) -> &Arc<Lock<T>> {
        &guard.lock
    }

    /// Narrows the guard to a part of the value. The whole lock stays held.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use toro::{Lock, OwnedGuard};
    ///
    /// let lock = Arc::new(Lock::new((1, "two")));
    /// let second = OwnedGuard::map(lock.acquire_owned().wait(), |pair| &mut pair.1);
    /// assert_eq!(*second, "two");
    /// ```
    pub fn map<U: ?Sized>(
        mut guard: Self,
        part: impl FnOnce(&mut T) -> &mut U,
    ) -> OwnedMappedGuard<T, U> {
        let value = NonNull::from(part(&mut guard));
        // SAFETY: the part belongs to the value. The guard keeps the value alive and in place, and
        // excludes all others.
        unsafe { OwnedMappedGuard::new(value, guard) }
    }
}

/// The [`PermitUse`] of a lock held as `H`.
pub struct Held<H>(PhantomData<H>);

/// A reference to a lock, and the guard made from it.
pub trait Holder: PrimitiveRef<Target = Lock<Self::Value>> {
    type Value: ?Sized;
    type Guard;
    fn guard(self) -> Self::Guard;
}

impl<'a, T: ?Sized> Holder for &'a Lock<T> {
    type Value = T;
    type Guard = Guard<'a, T>;

    #[inline]
    fn guard(self) -> Guard<'a, T> {
        Guard { lock: self, _value: PhantomData }
    }
}

impl<T: ?Sized> Holder for Arc<Lock<T>> {
    type Value = T;
    type Guard = OwnedGuard<T>;

    #[inline]
    fn guard(self) -> OwnedGuard<T> {
        OwnedGuard { lock: self }
    }
}

impl<H: Holder> PermitUse for Held<H> {
    type PrimitiveRef = H;
    type Primitive = Lock<H::Value>;
    type Output = H::Guard;
    type Timed = Result<H::Guard, Timeout>;

    #[inline]
    fn permits(lock: &Lock<H::Value>) -> &Permits {
        &lock.permits
    }

    #[inline]
    fn attempt(permits: &Permits, _: u32) -> Result<(), Refusal> {
        permits.try_acquire_only()
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
