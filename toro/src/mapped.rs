//! Guards for a part of a value, made by the `map` methods of the guards for the whole value.
//!
//! Each consists of a pointer to the part and of what keeps it valid. For an `Arc` that is the
//! guard of the whole value. For a borrowed lock it is the right to release the permits.

#![allow(unsafe_code, reason = "guards hold a pointer to a part of the value")]

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;

use crate::lock::OwnedGuard;
use crate::permits::Permits;
use crate::rwlock::{OwnedReadGuard, OwnedWriteGuard};

/// Releases permits on drop.
pub(crate) struct Release<'a> {
    permits: &'a Permits,
    count: u32,
}

impl<'a> Release<'a> {
    #[inline]
    pub(crate) fn new(permits: &'a Permits, count: u32) -> Self {
        Release { permits, count }
    }
}

impl Drop for Release<'_> {
    #[inline]
    fn drop(&mut self) {
        self.permits.release(self.count);
    }
}

/// Access to a part of the value of a [`Lock`](crate::Lock), made by
/// [`Guard::map`](crate::Guard::map). The lock is released on drop.
#[must_use = "a lock is released as soon as its guard is dropped"]
pub struct MappedGuard<'a, U: ?Sized> {
    part: NonNull<U>,
    kept: Release<'a>,
    _borrow: PhantomData<&'a mut U>,
}

/// Access to a part of the value of a [`Lock`](crate::Lock) that it keeps alive, made by
/// [`OwnedGuard::map`]. The lock is released on drop.
#[must_use = "a lock is released as soon as its guard is dropped"]
pub struct OwnedMappedGuard<T: ?Sized, U: ?Sized> {
    part: NonNull<U>,
    kept: OwnedGuard<T>,
    _borrow: PhantomData<*mut U>,
}

/// Shared access to a part of the value of an [`RwLock`](crate::RwLock), made by
/// [`ReadGuard::map`](crate::ReadGuard::map). The lock is released on drop.
#[must_use = "a lock is released as soon as its guard is dropped"]
pub struct MappedReadGuard<'a, U: ?Sized> {
    part: NonNull<U>,
    kept: Release<'a>,
    _borrow: PhantomData<&'a U>,
}

/// Shared access to a part of the value of an [`RwLock`](crate::RwLock) that it keeps alive, made
/// by [`OwnedReadGuard::map`]. The lock is released on drop.
#[must_use = "a lock is released as soon as its guard is dropped"]
pub struct OwnedMappedReadGuard<T: ?Sized, U: ?Sized> {
    part: NonNull<U>,
    kept: OwnedReadGuard<T>,
    _borrow: PhantomData<*const U>,
}

/// Exclusive access to a part of the value of an [`RwLock`](crate::RwLock), made by
/// [`WriteGuard::map`](crate::WriteGuard::map). The lock is released on drop.
#[must_use = "a lock is released as soon as its guard is dropped"]
pub struct MappedWriteGuard<'a, U: ?Sized> {
    part: NonNull<U>,
    kept: Release<'a>,
    _borrow: PhantomData<&'a mut U>,
}

/// Exclusive access to a part of the value of an [`RwLock`](crate::RwLock) that it keeps alive,
/// made by [`OwnedWriteGuard::map`]. The lock is released on drop.
#[must_use = "a lock is released as soon as its guard is dropped"]
pub struct OwnedMappedWriteGuard<T: ?Sized, U: ?Sized> {
    part: NonNull<U>,
    kept: OwnedWriteGuard<T>,
    _borrow: PhantomData<*mut U>,
}

// SAFETY: an exclusive borrow may move with its borrower, and permits may be released from any
// thread.
unsafe impl<U: ?Sized + Send> Send for MappedGuard<'_, U> {}
// SAFETY: sharing the guard shares the part.
unsafe impl<U: ?Sized + Sync> Sync for MappedGuard<'_, U> {}
// SAFETY: as for `MappedGuard`. The whole value may be dropped on the guard's thread.
unsafe impl<T: ?Sized + Send, U: ?Sized + Send> Send for OwnedMappedGuard<T, U> {}
// SAFETY: sharing the guard shares the part.
unsafe impl<T: ?Sized + Send, U: ?Sized + Sync> Sync for OwnedMappedGuard<T, U> {}
// SAFETY: a reader shares the part with other readers on any thread.
unsafe impl<U: ?Sized + Sync> Send for MappedReadGuard<'_, U> {}
// SAFETY: sharing the guard shares the part.
unsafe impl<U: ?Sized + Sync> Sync for MappedReadGuard<'_, U> {}
// SAFETY: as for `MappedReadGuard`. The whole value, which others share, may be dropped on the
// guard's thread.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Sync> Send for OwnedMappedReadGuard<T, U> {}
// SAFETY: sharing the guard shares the part.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Sync> Sync for OwnedMappedReadGuard<T, U> {}
// SAFETY: as for `MappedGuard`.
unsafe impl<U: ?Sized + Send> Send for MappedWriteGuard<'_, U> {}
// SAFETY: sharing the guard shares the part.
unsafe impl<U: ?Sized + Sync> Sync for MappedWriteGuard<'_, U> {}
// SAFETY: as for `OwnedMappedGuard`. The lock may be shared with readers.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Send> Send for OwnedMappedWriteGuard<T, U> {}
// SAFETY: sharing the guard shares the part.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Sync> Sync for OwnedMappedWriteGuard<T, U> {}

/// The methods that all guards have.
macro_rules! reads {
    ([$($generics:tt)*] $guard:ty, $kept:ty) => {
        impl<$($generics)*> $guard {
            /// # Safety
            ///
            /// While `kept` exists, the part stays valid, and nobody accesses it beyond what the
            /// guard shares.
            #[inline]
            pub(crate) unsafe fn new(part: NonNull<U>, kept: $kept) -> Self {
                Self { part, kept, _borrow: PhantomData }
            }
        }

        // Like the lock of the whole value.
        impl<$($generics)*> UnwindSafe for $guard {}
        impl<$($generics)*> RefUnwindSafe for $guard {}

        impl<$($generics)*> Deref for $guard {
            type Target = U;

            #[inline]
            fn deref(&self) -> &U {
                // SAFETY: the part is valid while the guard lives, and nobody writes to it
                // meanwhile.
                unsafe { self.part.as_ref() }
            }
        }

        impl<$($generics)* + fmt::Debug> fmt::Debug for $guard {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&**self, f)
            }
        }
    };
}

/// Narrows a guard that reads. `$narrower` is the same guard for another part.
macro_rules! narrows {
    ([$($generics:tt)*] $guard:ty, $narrower:ty) => {
        impl<$($generics)*> $guard {
            /// Narrows the guard further. The whole lock stays held.
            ///
            /// # Examples
            ///
            /// ```
            /// use toro::{MappedReadGuard, ReadGuard, RwLock};
            ///
            /// let lock = RwLock::new(((1, 2), 3));
            /// let pair = ReadGuard::map(lock.read().wait(), |whole| &whole.0);
            /// let second = MappedReadGuard::map(pair, |pair| &pair.1);
            /// assert_eq!(*second, 2);
            /// ```
            pub fn map<V: ?Sized>(guard: Self, part: impl FnOnce(&U) -> &V) -> $narrower {
                let part = NonNull::from(part(&guard));
                // SAFETY: a part of the part is valid as long as the part is.
                unsafe { <$narrower>::new(part, guard.kept) }
            }
        }
    };
}

/// The methods that exclusive guards have in addition.
macro_rules! writes {
    ([$($generics:tt)*] $guard:ty, $narrower:ty) => {
        impl<$($generics)*> $guard {
            /// Narrows the guard further. The whole lock stays held.
            ///
            /// # Examples
            ///
            /// ```
            /// use toro::{Guard, Lock, MappedGuard};
            ///
            /// let lock = Lock::new(((1, 2), 3));
            /// let pair = Guard::map(lock.acquire().wait(), |whole| &mut whole.0);
            /// *MappedGuard::map(pair, |pair| &mut pair.1) = 5;
            /// assert_eq!(lock.into_inner(), ((1, 5), 3));
            /// ```
            pub fn map<V: ?Sized>(
                mut guard: Self,
                part: impl FnOnce(&mut U) -> &mut V,
            ) -> $narrower {
                let part = NonNull::from(part(&mut guard));
                // SAFETY: a part of the part is valid as long as the part is, and as exclusive.
                unsafe { <$narrower>::new(part, guard.kept) }
            }
        }

        impl<$($generics)*> DerefMut for $guard {
            #[inline]
            fn deref_mut(&mut self) -> &mut U {
                // SAFETY: nobody else can access the part, and the guard is borrowed exclusively.
                unsafe { self.part.as_mut() }
            }
        }
    };
}

reads!(['a, U: ?Sized] MappedGuard<'a, U>, Release<'a>);
reads!([T: ?Sized, U: ?Sized] OwnedMappedGuard<T, U>, OwnedGuard<T>);
reads!(['a, U: ?Sized] MappedReadGuard<'a, U>, Release<'a>);
reads!([T: ?Sized, U: ?Sized] OwnedMappedReadGuard<T, U>, OwnedReadGuard<T>);
reads!(['a, U: ?Sized] MappedWriteGuard<'a, U>, Release<'a>);
reads!([T: ?Sized, U: ?Sized] OwnedMappedWriteGuard<T, U>, OwnedWriteGuard<T>);
narrows!(['a, U: ?Sized] MappedReadGuard<'a, U>, MappedReadGuard<'a, V>);
narrows!([T: ?Sized, U: ?Sized] OwnedMappedReadGuard<T, U>, OwnedMappedReadGuard<T, V>);
writes!(['a, U: ?Sized] MappedGuard<'a, U>, MappedGuard<'a, V>);
writes!([T: ?Sized, U: ?Sized] OwnedMappedGuard<T, U>, OwnedMappedGuard<T, V>);
writes!(['a, U: ?Sized] MappedWriteGuard<'a, U>, MappedWriteGuard<'a, V>);
writes!([T: ?Sized, U: ?Sized] OwnedMappedWriteGuard<T, U>, OwnedMappedWriteGuard<T, V>);
