//! [`RwLock`]: a value that many may read or one may write, across awaits.
//!
//! A read-write lock is a semaphore with a great number of permits, of which a reader takes one and a writer all.
//! An upgradable reader takes one more than half: two of them do not fit, but any number of readers fits beside one.
//! The line is the semaphore's, so all kinds of waiters are served in the order in which they came, a waiting writer holds
//! back the readers behind it, and a write that is given up has gathered nothing that it would have to give back.
//! An upgrade waits for the rest of the permits in front of everyone: whoever else waits, waits for it too.

#![allow(unsafe_code)]

use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::core::{Home, UnsafeCell, Wait, Waiter, const_fn};
use crate::error::{Closed, NotUpgraded, Timeout};
use crate::permits::{self, Face, Permits};

const READ: u32 = 1;
const UPGRADABLE: u32 = 1 << 30;
const WRITE: u32 = 2 * UPGRADABLE - 1;
const UPGRADE: u32 = WRITE - UPGRADABLE;

/// A lock around a value that many may read at once, or one may write.
///
/// Everyone is served in the order in which they came. A reader that finds a writer waiting waits behind it, so that
/// writers do not starve; for the same reason a task must not ask for a second read while it holds one.
///
/// An upgradable reader shares the lock with readers, though not with another upgradable one, and can become the writer
/// without letting go in between.
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
/// Waits to write.
pub type Write<'a, T> = Hold<&'a RwLock<T>, WriteKind>;
/// Waits to write, and keeps the counted lock alive.
pub type WriteOwned<T> = Hold<Arc<RwLock<T>>, WriteKind>;
/// Waits for the readers beside an upgradable one to leave.
pub type Upgrade<'a, T> = Wait<Waiter<permits::Acquire<Upgraded<'a, T>>>>;

impl<T: ?Sized> RwLock<T> {
    /// Waits until the value can be read.
    ///
    /// # Cancel safety
    ///
    /// Dropping the wait gives up the place in line; what had been granted goes to the next. So with all waits here.
    #[inline]
    pub fn read(&self) -> Read<'_, T> {
        Wait::new(Waiter::new(self, permits::Acquire::new(READ)))
    }

    /// As [`read`](RwLock::read), with a guard that keeps the lock alive.
    #[inline]
    pub fn read_owned(self: &Arc<Self>) -> ReadOwned<T> {
        Wait::new(Waiter::new(Arc::clone(self), permits::Acquire::new(READ)))
    }

    /// Waits until the value can be read, by a guard that can be [upgraded](UpgradableGuard::upgrade) to write. There is at
    /// most one such guard at a time, beside any number of readers.
    #[inline]
    pub fn upgradable_read(&self) -> UpgradableRead<'_, T> {
        Wait::new(Waiter::new(self, permits::Acquire::new(UPGRADABLE)))
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
    pub fn try_read(&self) -> Option<ReadGuard<'_, T>> {
        self.permits.try_acquire(READ).ok()?;
        Some(ReadGuard { lock: self })
    }

    /// Reads, with the option to write, if nobody writes or has that option, and nobody waits.
    pub fn try_upgradable_read(&self) -> Option<UpgradableGuard<'_, T>> {
        self.permits.try_acquire(UPGRADABLE).ok()?;
        Some(UpgradableGuard { lock: self })
    }

    /// Writes if nobody holds the lock and nobody waits.
    pub fn try_write(&self) -> Option<WriteGuard<'_, T>> {
        self.permits.try_acquire(WRITE).ok()?;
        Some(WriteGuard { lock: self, _value: PhantomData })
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

/// Shared access to the value of an [`RwLock`], released on drop.
#[must_use = "a lock is released as soon as its guard is dropped"]
pub struct ReadGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
}

/// Shared access to the value of an [`RwLock`] that it keeps alive, released on drop.
#[must_use = "a lock is released as soon as its guard is dropped"]
pub struct OwnedReadGuard<T: ?Sized> {
    lock: Arc<RwLock<T>>,
}

/// Shared access to the value of an [`RwLock`] that can become exclusive, released on drop.
#[must_use = "a lock is released as soon as its guard is dropped"]
pub struct UpgradableGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
}

/// Exclusive access to the value of an [`RwLock`], released on drop.
#[must_use = "a lock is released as soon as its guard is dropped"]
pub struct WriteGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    /// A write guard is an exclusive borrow of the value.
    _value: PhantomData<&'a mut T>,
}

/// Exclusive access to the value of an [`RwLock`] that it keeps alive, released on drop.
#[must_use = "a lock is released as soon as its guard is dropped"]
pub struct OwnedWriteGuard<T: ?Sized> {
    lock: Arc<RwLock<T>>,
}

macro_rules! reads {
    ($guard:ty, $permits:expr) => {
        impl<T: ?Sized> Deref for $guard {
            type Target = T;

            #[inline]
            fn deref(&self) -> &T {
                // SAFETY: the guard holds a permit.
                unsafe { self.lock.value() }
            }
        }

        impl<T: ?Sized> Drop for $guard {
            #[inline]
            fn drop(&mut self) {
                self.lock.permits.release($permits);
            }
        }

        impl<T: ?Sized + fmt::Debug> fmt::Debug for $guard {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&**self, f)
            }
        }
    };
}

macro_rules! writes {
    ($guard:ty) => {
        impl<T: ?Sized> DerefMut for $guard {
            #[inline]
            fn deref_mut(&mut self) -> &mut T {
                // SAFETY: the guard holds all permits, and is borrowed exclusively.
                unsafe { &mut *self.lock.value.get() }
            }
        }
    };
}

reads!(ReadGuard<'_, T>, READ);
reads!(OwnedReadGuard<T>, READ);
reads!(UpgradableGuard<'_, T>, UPGRADABLE);
reads!(WriteGuard<'_, T>, WRITE);
reads!(OwnedWriteGuard<T>, WRITE);
writes!(WriteGuard<'_, T>);
writes!(OwnedWriteGuard<T>);

impl<'a, T: ?Sized> UpgradableGuard<'a, T> {
    /// Waits until all other readers have left, and becomes the writer. No other writer comes between, and new readers are
    /// held back meanwhile.
    ///
    /// # Errors
    ///
    /// If the wait is given an end and expires, [`NotUpgraded`] with the upgradable guard.
    ///
    /// # Cancel safety
    ///
    /// Dropping the wait drops the guard.
    pub fn upgrade(self) -> Upgrade<'a, T> {
        Wait::new(Waiter::new(Upgrading(self), permits::Acquire::before_all(UPGRADE)))
    }

    /// Becomes the writer if there is no other reader.
    ///
    /// # Errors
    ///
    /// Gives the guard back if there is.
    pub fn try_upgrade(self) -> Result<WriteGuard<'a, T>, Self> {
        match self.lock.permits.try_acquire_before_all(UPGRADE) {
            Ok(()) => Ok(WriteGuard { lock: ManuallyDrop::new(self).lock, _value: PhantomData }),
            Err(_) => Err(self),
        }
    }

    /// Gives up the option to write, and stays a reader.
    pub fn downgrade(self) -> ReadGuard<'a, T> {
        let guard = ReadGuard { lock: ManuallyDrop::new(self).lock };
        guard.lock.permits.release(UPGRADABLE - READ);
        guard
    }
}

impl<'a, T: ?Sized> WriteGuard<'a, T> {
    /// Becomes a reader; no writer comes between.
    pub fn downgrade(self) -> ReadGuard<'a, T> {
        let guard = ReadGuard { lock: ManuallyDrop::new(self).lock };
        guard.lock.permits.release(WRITE - READ);
        guard
    }

    /// Becomes a reader that can write again; no writer comes between.
    pub fn downgrade_to_upgradable(self) -> UpgradableGuard<'a, T> {
        let guard = UpgradableGuard { lock: ManuallyDrop::new(self).lock };
        guard.lock.permits.release(WRITE - UPGRADABLE);
        guard
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
pub trait Holder<K>: Home<Target = RwLock<Self::Value>> {
    type Value: ?Sized;
    type Guard;
    fn guard(self) -> Self::Guard;
}

macro_rules! holder {
    ($home:ty, $kind:ty, $guard:ty, $lock:ident => $make:expr) => {
        impl<'a, T: ?Sized + 'a> Holder<$kind> for $home {
            type Value = T;
            type Guard = $guard;

            #[inline]
            fn guard(self) -> $guard {
                let $lock = self;
                $make
            }
        }
    };
}

holder!(&'a RwLock<T>, ReadKind, ReadGuard<'a, T>, lock => ReadGuard { lock });
holder!(Arc<RwLock<T>>, ReadKind, OwnedReadGuard<T>, lock => OwnedReadGuard { lock });
holder!(&'a RwLock<T>, UpgradableKind, UpgradableGuard<'a, T>, lock => UpgradableGuard { lock });
holder!(&'a RwLock<T>, WriteKind, WriteGuard<'a, T>, lock => WriteGuard { lock, _value: PhantomData });
holder!(Arc<RwLock<T>>, WriteKind, OwnedWriteGuard<T>, lock => OwnedWriteGuard { lock });

impl<K, H: Holder<K>> Face for Held<H, K> {
    type Home = H;
    type Primitive = RwLock<H::Value>;
    type Output = H::Guard;
    type Timed = Result<H::Guard, Timeout>;

    #[inline]
    fn permits(lock: &RwLock<H::Value>) -> &Permits {
        &lock.permits
    }

    #[inline]
    fn finish(home: H, _: u32, _never_closed: Result<(), Closed>) -> H::Guard {
        home.guard()
    }

    #[inline]
    fn in_time(guard: H::Guard) -> Self::Timed {
        Ok(guard)
    }

    fn expired(_: H) -> Self::Timed {
        Err(Timeout)
    }
}

/// The upgradable guard, while it waits to write.
pub struct Upgrading<'a, T: ?Sized>(UpgradableGuard<'a, T>);

impl<T: ?Sized> Deref for Upgrading<'_, T> {
    type Target = RwLock<T>;

    fn deref(&self) -> &RwLock<T> {
        self.0.lock
    }
}

impl<T: ?Sized> Home for Upgrading<'_, T> {}

/// The face of an upgrade.
pub struct Upgraded<'a, T: ?Sized>(PhantomData<&'a T>);

impl<'a, T: ?Sized> Face for Upgraded<'a, T> {
    type Home = Upgrading<'a, T>;
    type Primitive = RwLock<T>;
    type Output = WriteGuard<'a, T>;
    type Timed = Result<WriteGuard<'a, T>, NotUpgraded<UpgradableGuard<'a, T>>>;

    fn permits(lock: &RwLock<T>) -> &Permits {
        &lock.permits
    }

    fn attempt(permits: &Permits, count: u32) -> Result<(), permits::Refusal> {
        permits.try_acquire_before_all(count)
    }

    fn finish(home: Upgrading<'a, T>, _: u32, _never_closed: Result<(), Closed>) -> WriteGuard<'a, T> {
        WriteGuard { lock: ManuallyDrop::new(home.0).lock, _value: PhantomData }
    }

    fn in_time(guard: WriteGuard<'a, T>) -> Self::Timed {
        Ok(guard)
    }

    fn expired(home: Upgrading<'a, T>) -> Self::Timed {
        Err(NotUpgraded(home.0))
    }
}
