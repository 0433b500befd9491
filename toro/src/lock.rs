//! [`Lock`]: a value that one holder at a time may touch, across awaits.

#![allow(unsafe_code)]

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
use crate::permits::{self, Face, Permits, Refusal};

/// A mutual exclusion lock around a value, held across awaits by tasks and threads alike.
///
/// It is handed from holder to holder in the order in which they came. Where the lock is held for
/// very short times, and never across an await, a lock that allows [`barging`](Lock::barging) is
/// faster under contention.
///
/// Acquiring and releasing cost one atomic operation each while nobody waits. Waiting allocates
/// nothing. A lock is released when its guard is dropped, also by a panic: it is never poisoned, so
/// a value that a panic could leave half changed must be guarded by its own means.
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
pub struct Lock<T: ?Sized> {
    permits: Permits,
    /// Touched only by the holder of the one permit.
    value: UnsafeCell<T>,
}

// SAFETY: the lock hands the value from thread to thread, one at a time, which is all that `Send`
// asks for.
unsafe impl<T: ?Sized + Send> Send for Lock<T> {}
// SAFETY: as above; two threads never hold the value at once.
unsafe impl<T: ?Sized + Send> Sync for Lock<T> {}

// As the standard library's mutex, whatever its value is; though not poisoned by a panic, it is in
// order itself.
impl<T: ?Sized> UnwindSafe for Lock<T> {}
impl<T: ?Sized> RefUnwindSafe for Lock<T> {}

/// Waits for a lock.
pub type AcquireLock<'a, T> = Wait<Waiter<permits::Acquire<Held<&'a Lock<T>>>>>;
/// Waits for a counted lock, and keeps it alive.
pub type AcquireLockOwned<T> = Wait<Waiter<permits::Acquire<Held<Arc<Lock<T>>>>>>;

impl<T> Lock<T> {
    const_fn! {
        /// A fair lock: it goes to the one who has waited longest.
        pub const fn new(value: T) -> Self {
            Lock { permits: Permits::new(1, 0), value: UnsafeCell::new(value) }
        }
    }

    const_fn! {
        /// A lock in which up to `overtakers` newcomers may find it free and take it before the oldest waiter gets it.
        ///
        /// A strict hand-off makes every contended release wait for a task to be scheduled. For short critical sections
        /// it is many times faster to let those go first who are already running. Waiters remain in
        /// order among themselves, and none waits for more than `overtakers` newcomers at a time.
        pub const fn barging(value: T, overtakers: u16) -> Self {
            Lock { permits: Permits::new(1, overtakers), value: UnsafeCell::new(value) }
        }
    }

    /// The value, which nobody else can hold any more.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Lock<T> {
    /// Waits until the lock is ours.
    ///
    /// # Cancel safety
    ///
    /// Dropping the wait gives up the place in line. A lock that had been granted goes to the next.
    #[inline]
    pub fn acquire(&self) -> AcquireLock<'_, T> {
        Wait::new(Waiter::new(self, permits::Acquire::new(1)))
    }

    /// As [`acquire`](Lock::acquire), with a guard that keeps the lock alive and can be sent
    /// anywhere.
    #[inline]
    pub fn acquire_owned(self: &Arc<Self>) -> AcquireLockOwned<T> {
        Wait::new(Waiter::new(Arc::clone(self), permits::Acquire::new(1)))
    }

    /// Takes the lock if it is free and nobody waits for it.
    #[inline]
    pub fn try_acquire(&self) -> Option<Guard<'_, T>> {
        self.permits.try_acquire_only().ok()?;
        Some(Guard { lock: self, _value: PhantomData })
    }

    /// As [`try_acquire`](Lock::try_acquire), with a guard that keeps the lock alive.
    pub fn try_acquire_owned(self: &Arc<Self>) -> Option<OwnedGuard<T>> {
        self.permits.try_acquire_only().ok()?;
        Some(OwnedGuard { lock: Arc::clone(self) })
    }

    /// Whether someone holds the lock at this moment.
    pub fn is_locked(&self) -> bool {
        self.permits.count() == 0
    }

    /// How many waits are in line at this moment.
    pub fn waiting(&self) -> usize {
        self.permits.waiting()
    }

    /// The value, without locking: the exclusive borrow shows that nobody holds it.
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

/// Access to the value of a [`Lock`], which is released on drop.
#[must_use = "a lock is released as soon as its guard is dropped"]
pub struct Guard<'a, T: ?Sized> {
    lock: &'a Lock<T>,
    /// A guard is an exclusive borrow of the value: `Sync` only if the value is.
    _value: PhantomData<&'a mut T>,
}

/// Access to the value of a [`Lock`] that it keeps alive and releases on drop.
#[must_use = "a lock is released as soon as its guard is dropped"]
pub struct OwnedGuard<T: ?Sized> {
    lock: Arc<Lock<T>>,
}

// SAFETY: sharing the guard shares the value, nothing more.
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

        // As the lock itself.
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
    pub fn lock(guard: &Self) -> &'a Lock<T> {
        guard.lock
    }

    /// Narrows the guard to a part of the value; the whole lock stays held.
    pub fn map<U: ?Sized>(guard: Self, part: impl FnOnce(&mut T) -> &mut U) -> MappedGuard<'a, U> {
        let lock = ManuallyDrop::new(guard).lock;
        let release = Release::new(&lock.permits, 1);
        // SAFETY: the permit is held, by `release` from here on, and the guard is gone.
        let value = NonNull::from(part(unsafe { &mut *lock.value.get() }));
        // SAFETY: the part belongs to the value, which nobody else reaches while the permit is
        // held.
        unsafe { MappedGuard::new(value, release) }
    }
}

impl<T: ?Sized> OwnedGuard<T> {
    /// The lock that this guard holds.
    pub fn lock(guard: &Self) -> &Arc<Lock<T>> {
        &guard.lock
    }

    /// Narrows the guard to a part of the value; the whole lock stays held.
    pub fn map<U: ?Sized>(
        mut guard: Self,
        part: impl FnOnce(&mut T) -> &mut U,
    ) -> OwnedMappedGuard<T, U> {
        let value = NonNull::from(part(&mut guard));
        // SAFETY: the part belongs to the value, which the guard keeps alive and in place, and from
        // everyone else.
        unsafe { OwnedMappedGuard::new(value, guard) }
    }
}

/// The face of a lock's permit, held through `H`.
pub struct Held<H>(PhantomData<H>);

/// What holds a lock, and the guard made of it.
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

impl<H: Holder> Face for Held<H> {
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
