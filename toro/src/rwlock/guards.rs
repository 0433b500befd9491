//! The guards of an [`RwLock`]: access, change of kind, and narrowing to a part of the value.

use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use super::{
    Holder, READ, ReadKind, RwLock, UPGRADABLE, UPGRADE, UpgradableKind, WRITE, WriteKind,
};
use crate::core::{PrimitiveRef, Wait, Waiter};
use crate::error::{Closed, NotUpgraded};
use crate::mapped::{
    MappedReadGuard, MappedWriteGuard, OwnedMappedReadGuard, OwnedMappedWriteGuard, Release,
};
use crate::permits::{self, PermitUse, Permits};

/// Shared access to the value of an [`RwLock`]. Dropping it releases the lock.
#[doc(alias = "RwLockReadGuard")]
#[must_use = "a lock is released as soon as its guard is dropped"]
pub struct ReadGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
}

/// Shared access to the value of an [`RwLock`] that the guard keeps alive. Dropping it releases the
/// lock.
#[doc(alias = "OwnedRwLockReadGuard")]
#[must_use = "a lock is released as soon as its guard is dropped"]
pub struct OwnedReadGuard<T: ?Sized> {
    lock: Arc<RwLock<T>>,
}

/// Shared access to the value of an [`RwLock`] that can become exclusive. Dropping it releases the
/// lock.
#[doc(alias = "RwLockUpgradableReadGuard")]
#[must_use = "a lock is released as soon as its guard is dropped"]
pub struct UpgradableGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
}

/// Shared access to the value of an [`RwLock`] that can become exclusive. The guard keeps the lock
/// alive. Dropping it releases the lock.
#[must_use = "a lock is released as soon as its guard is dropped"]
pub struct OwnedUpgradableGuard<T: ?Sized> {
    lock: Arc<RwLock<T>>,
}

/// Exclusive access to the value of an [`RwLock`]. Dropping it releases the lock.
#[doc(alias = "RwLockWriteGuard")]
#[must_use = "a lock is released as soon as its guard is dropped"]
pub struct WriteGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    /// A write guard is an exclusive borrow of the value.
    _value: PhantomData<&'a mut T>,
}

/// Exclusive access to the value of an [`RwLock`] that the guard keeps alive. Dropping it releases
/// the lock.
#[doc(alias = "OwnedRwLockWriteGuard")]
#[must_use = "a lock is released as soon as its guard is dropped"]
pub struct OwnedWriteGuard<T: ?Sized> {
    lock: Arc<RwLock<T>>,
}

macro_rules! reads {
    ([$($generics:tt)*] $guard:ty, $permits:expr) => {
        impl<$($generics)*> Deref for $guard {
            type Target = T;

            #[inline]
            fn deref(&self) -> &T {
                // SAFETY: the guard holds a permit.
                unsafe { self.lock.value() }
            }
        }

        // Like the lock itself.
        impl<$($generics)*> UnwindSafe for $guard {}
        impl<$($generics)*> RefUnwindSafe for $guard {}

        impl<$($generics)*> Drop for $guard {
            #[inline]
            fn drop(&mut self) {
                self.lock.permits.release($permits);
            }
        }

        impl<$($generics)* + fmt::Debug> fmt::Debug for $guard {
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

/// Converts a guard to its lock reference, for guards that change their kind.
macro_rules! lets_go {
    ([$($generics:tt)*] $guard:ty, $primitive_ref:ty) => {
        impl<$($generics)*> $guard {
            /// Returns the lock. The permits stay held.
            #[inline]
            fn into_lock(self) -> $primitive_ref {
                let guard = ManuallyDrop::new(self);
                // SAFETY: the guard is neither used nor dropped any more.
                unsafe { ptr::read(&guard.lock) }
            }
        }
    };
}

reads!(['a, T: ?Sized] ReadGuard<'a, T>, READ);
reads!([T: ?Sized] OwnedReadGuard<T>, READ);
reads!(['a, T: ?Sized] UpgradableGuard<'a, T>, UPGRADABLE);
reads!([T: ?Sized] OwnedUpgradableGuard<T>, UPGRADABLE);
reads!(['a, T: ?Sized] WriteGuard<'a, T>, WRITE);
reads!([T: ?Sized] OwnedWriteGuard<T>, WRITE);
writes!(WriteGuard<'_, T>);
writes!(OwnedWriteGuard<T>);

lets_go!(['a, T: ?Sized] ReadGuard<'a, T>, &'a RwLock<T>);
lets_go!(['a, T: ?Sized] UpgradableGuard<'a, T>, &'a RwLock<T>);
lets_go!([T: ?Sized] OwnedUpgradableGuard<T>, Arc<RwLock<T>>);
lets_go!(['a, T: ?Sized] WriteGuard<'a, T>, &'a RwLock<T>);
lets_go!([T: ?Sized] OwnedWriteGuard<T>, Arc<RwLock<T>>);

/// Waits for the readers beside an upgradable guard to leave.
pub type Upgrade<'a, T> = Wait<Waiter<permits::Acquire<Upgraded<UpgradableGuard<'a, T>>>>>;
/// Waits for the readers beside an upgradable guard to leave, and keeps a lock held by an `Arc`
/// alive.
pub type UpgradeOwned<T> = Wait<Waiter<permits::Acquire<Upgraded<OwnedUpgradableGuard<T>>>>>;

macro_rules! changes_kind {
    ([$($generics:tt)*] $read:ty, $upgradable:ty, $write:ty, $upgrade:ty) => {
        impl<$($generics)*> $upgradable {
            /// Waits until all other readers have left, and becomes the writer. No other writer
            /// gets the lock in between. New readers are held back meanwhile.
            ///
            /// # Errors
            ///
            /// If a wait with a time limit expires, [`NotUpgraded`] with the upgradable guard.
            ///
            /// # Cancel safety
            ///
            /// Dropping the wait drops the guard.
            ///
            /// # Examples
            ///
            /// ```
            /// let lock = toro::RwLock::new(1);
            /// let upgradable = lock.upgradable_read().wait();
            /// let mut writer = upgradable.upgrade().wait();
            /// *writer += 1;
            /// drop(writer);
            /// assert_eq!(lock.into_inner(), 2);
            /// ```
            pub fn upgrade(self) -> $upgrade {
                Wait::new(Waiter::new(Upgrading(self), permits::Acquire::before_all(UPGRADE)))
            }

            /// Becomes the writer if there is no other reader.
            ///
            /// # Errors
            ///
            /// Returns the guard if there is another reader.
            ///
            /// # Examples
            ///
            /// ```
            /// let lock = toro::RwLock::new(1);
            /// let reader = lock.read().wait();
            /// let upgradable = lock.upgradable_read().wait().try_upgrade().unwrap_err();
            /// drop(reader);
            /// assert!(upgradable.try_upgrade().is_ok());
            /// ```
            pub fn try_upgrade(self) -> Result<$write, Self> {
                match self.lock.permits.try_acquire_before_all(UPGRADE) {
                    Ok(()) => Ok(Holder::<WriteKind>::guard(self.into_lock())),
                    Err(_) => Err(self),
                }
            }

            /// Gives up the option to write, and stays a reader.
            ///
            /// # Examples
            ///
            /// ```
            /// let lock = toro::RwLock::new(1);
            /// let reader = lock.upgradable_read().wait().downgrade();
            /// assert!(lock.try_upgradable_read().is_some());
            /// ```
            pub fn downgrade(self) -> $read {
                let guard = Holder::<ReadKind>::guard(self.into_lock());
                guard.lock.permits.release(UPGRADABLE - READ);
                guard
            }
        }

        impl<$($generics)*> $write {
            /// Becomes a reader. No writer gets the lock in between.
            ///
            /// # Examples
            ///
            /// ```
            /// let lock = toro::RwLock::new(1);
            /// let reader = lock.write().wait().downgrade();
            /// assert!(lock.try_read().is_some());
            /// ```
            pub fn downgrade(self) -> $read {
                let guard = Holder::<ReadKind>::guard(self.into_lock());
                guard.lock.permits.release(WRITE - READ);
                guard
            }

            /// Becomes a reader that can write again. No writer gets the lock in between.
            ///
            /// # Examples
            ///
            /// ```
            /// let lock = toro::RwLock::new(1);
            /// let upgradable = lock.write().wait().downgrade_to_upgradable();
            /// assert!(lock.try_read().is_some());
            /// *upgradable.upgrade().wait() = 2;
            /// ```
            pub fn downgrade_to_upgradable(self) -> $upgradable {
                let guard = Holder::<UpgradableKind>::guard(self.into_lock());
                guard.lock.permits.release(WRITE - UPGRADABLE);
                guard
            }
        }

        impl<$($generics)*> Upgradable for $upgradable {
            type Value = T;
            type Write = $write;

            fn lock(&self) -> &RwLock<T> {
                &self.lock
            }

            fn written(self) -> $write {
                Holder::<WriteKind>::guard(self.into_lock())
            }
        }
    };
}

changes_kind!(
    ['a, T: ?Sized] ReadGuard<'a, T>, UpgradableGuard<'a, T>, WriteGuard<'a, T>, Upgrade<'a, T>
);
changes_kind!(
    [T: ?Sized] OwnedReadGuard<T>, OwnedUpgradableGuard<T>, OwnedWriteGuard<T>, UpgradeOwned<T>
);

macro_rules! holder {
    ([$($generics:tt)*] $primitive_ref:ty, $kind:ty, $guard:ty, $lock:ident => $make:expr) => {
        impl<$($generics)*> Holder<$kind> for $primitive_ref {
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

holder!(['a, T: ?Sized] &'a RwLock<T>, ReadKind, ReadGuard<'a, T>, lock => ReadGuard { lock });
holder!([T: ?Sized] Arc<RwLock<T>>, ReadKind, OwnedReadGuard<T>, lock => OwnedReadGuard { lock });
holder!(
    ['a, T: ?Sized] &'a RwLock<T>, UpgradableKind, UpgradableGuard<'a, T>,
    lock => UpgradableGuard { lock }
);
holder!(
    [T: ?Sized] Arc<RwLock<T>>, UpgradableKind, OwnedUpgradableGuard<T>,
    lock => OwnedUpgradableGuard { lock }
);
holder!(
    ['a, T: ?Sized] &'a RwLock<T>, WriteKind, WriteGuard<'a, T>,
    lock => WriteGuard { lock, _value: PhantomData }
);
holder!(
    [T: ?Sized] Arc<RwLock<T>>, WriteKind, OwnedWriteGuard<T>,
    lock => OwnedWriteGuard { lock }
);

impl<'a, T: ?Sized> ReadGuard<'a, T> {
    /// Narrows the guard to a part of the value. The whole lock stays held.
    ///
    /// # Examples
    ///
    /// ```
    /// use toro::{ReadGuard, RwLock};
    ///
    /// let pair = RwLock::new((1, "two"));
    /// let second = ReadGuard::map(pair.read().wait(), |pair| &pair.1);
    /// assert_eq!(*second, "two");
    /// ```
    pub fn map<U: ?Sized>(guard: Self, part: impl FnOnce(&T) -> &U) -> MappedReadGuard<'a, U> {
        let lock = guard.into_lock();
        let release = Release::new(&lock.permits, READ);
        // SAFETY: `release` holds the permit from here on.
        let value = NonNull::from(part(unsafe { lock.value() }));
        // SAFETY: the part belongs to the value, which nobody writes while the permit is held.
        unsafe { MappedReadGuard::new(value, release) }
    }
}

impl<T: ?Sized> OwnedReadGuard<T> {
    /// Narrows the guard to a part of the value. The whole lock stays held.
    ///
    /// # Examples
    ///
    /// ```
    /// use toro::{OwnedReadGuard, RwLock};
    ///
    /// let pair = std::sync::Arc::new(RwLock::new((1, "two")));
    /// let second = OwnedReadGuard::map(pair.read_owned().wait(), |pair| &pair.1);
    /// assert_eq!(*second, "two");
    /// ```
    pub fn map<U: ?Sized>(guard: Self, part: impl FnOnce(&T) -> &U) -> OwnedMappedReadGuard<T, U> {
        let value = NonNull::from(part(&guard));
        // SAFETY: the part belongs to the value. The guard keeps the value alive and in place, and
        // nobody writes it meanwhile.
        unsafe { OwnedMappedReadGuard::new(value, guard) }
    }
}

impl<'a, T: ?Sized> WriteGuard<'a, T> {
    /// Narrows the guard to a part of the value. The whole lock stays held.
    ///
    /// # Examples
    ///
    /// ```
    /// use toro::{RwLock, WriteGuard};
    ///
    /// let pair = RwLock::new((1, "two"));
    /// *WriteGuard::map(pair.write().wait(), |pair| &mut pair.0) = 3;
    /// assert_eq!(pair.into_inner(), (3, "two"));
    /// ```
    pub fn map<U: ?Sized>(
        guard: Self,
        part: impl FnOnce(&mut T) -> &mut U,
    ) -> MappedWriteGuard<'a, U> {
        let lock = guard.into_lock();
        let release = Release::new(&lock.permits, WRITE);
        // SAFETY: `release` holds all permits from here on, and the guard is gone.
        let value = NonNull::from(part(unsafe { &mut *lock.value.get() }));
        // SAFETY: the part belongs to the value, which nobody else can access while the permits are
        // held.
        unsafe { MappedWriteGuard::new(value, release) }
    }
}

impl<T: ?Sized> OwnedWriteGuard<T> {
    /// Narrows the guard to a part of the value. The whole lock stays held.
    ///
    /// # Examples
    ///
    /// ```
    /// use toro::{OwnedWriteGuard, RwLock};
    ///
    /// let pair = std::sync::Arc::new(RwLock::new((1, "two")));
    /// *OwnedWriteGuard::map(pair.write_owned().wait(), |pair| &mut pair.0) = 3;
    /// assert_eq!(*pair.read().wait(), (3, "two"));
    /// ```
    pub fn map<U: ?Sized>(
        mut guard: Self,
        part: impl FnOnce(&mut T) -> &mut U,
    ) -> OwnedMappedWriteGuard<T, U> {
        let value = NonNull::from(part(&mut guard));
        // SAFETY: the part belongs to the value. The guard keeps the value alive and in place, and
        // excludes all others.
        unsafe { OwnedMappedWriteGuard::new(value, guard) }
    }
}

/// A guard that can become a writer's guard.
pub trait Upgradable {
    type Value: ?Sized;
    type Write;
    fn lock(&self) -> &RwLock<Self::Value>;
    /// Makes the writer's guard. All its permits are held.
    fn written(self) -> Self::Write;
}

/// The upgradable guard, while it waits to write.
pub struct Upgrading<G>(G);

impl<G: Upgradable> Deref for Upgrading<G> {
    type Target = RwLock<G::Value>;

    fn deref(&self) -> &RwLock<G::Value> {
        self.0.lock()
    }
}

// SAFETY: the guard borrows its lock, or keeps it alive in an `Arc`.
unsafe impl<G: Upgradable> PrimitiveRef for Upgrading<G> {}

/// The [`PermitUse`] of an upgrade.
pub struct Upgraded<G>(PhantomData<G>);

impl<G: Upgradable> PermitUse for Upgraded<G> {
    type PrimitiveRef = Upgrading<G>;
    type Primitive = RwLock<G::Value>;
    type Output = G::Write;
    type Timed = Result<G::Write, NotUpgraded<G>>;

    fn permits(lock: &RwLock<G::Value>) -> &Permits {
        &lock.permits
    }

    fn attempt(permits: &Permits, count: u32) -> Result<(), permits::Refusal> {
        permits.try_acquire_before_all(count)
    }

    fn finish(primitive_ref: Upgrading<G>, _: u32, _never_closed: Result<(), Closed>) -> G::Write {
        primitive_ref.0.written()
    }

    fn in_time(guard: G::Write) -> Self::Timed {
        Ok(guard)
    }

    fn expired(primitive_ref: Upgrading<G>) -> Self::Timed {
        Err(NotUpgraded(primitive_ref.0))
    }
}
