//! Guards that have been narrowed to a part of a value, by the `map` of the guard of the whole.
//!
//! Each is a pointer to the part and what keeps it valid: the guard of the whole, where that keeps
//! its lock alive, or the right to release the permits of a borrowed lock, which is all that is
//! left of its guard.

#![allow(unsafe_code)]

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

// SAFETY: what is borrowed exclusively may go with its borrower, and permits may be released from
// anywhere.
unsafe impl<U: ?Sized + Send> Send for MappedGuard<'_, U> {}
// SAFETY: sharing the guard shares the part.
unsafe impl<U: ?Sized + Sync> Sync for MappedGuard<'_, U> {}
// SAFETY: as for `MappedGuard`; and the whole value may be dropped where the guard is.
unsafe impl<T: ?Sized + Send, U: ?Sized + Send> Send for OwnedMappedGuard<T, U> {}
// SAFETY: sharing the guard shares the part.
unsafe impl<T: ?Sized + Send, U: ?Sized + Sync> Sync for OwnedMappedGuard<T, U> {}
// SAFETY: a reader shares the part with other readers, wherever they are.
unsafe impl<U: ?Sized + Sync> Send for MappedReadGuard<'_, U> {}
// SAFETY: sharing the guard shares the part.
unsafe impl<U: ?Sized + Sync> Sync for MappedReadGuard<'_, U> {}
// SAFETY: as for `MappedReadGuard`; and the whole value, which others share, may be dropped where
// the guard is.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Sync> Send for OwnedMappedReadGuard<T, U> {}
// SAFETY: sharing the guard shares the part.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Sync> Sync for OwnedMappedReadGuard<T, U> {}
// SAFETY: as for `MappedGuard`.
unsafe impl<U: ?Sized + Send> Send for MappedWriteGuard<'_, U> {}
// SAFETY: sharing the guard shares the part.
unsafe impl<U: ?Sized + Sync> Sync for MappedWriteGuard<'_, U> {}
// SAFETY: as for `OwnedMappedGuard`; and the lock may be shared with readers.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Send> Send for OwnedMappedWriteGuard<T, U> {}
// SAFETY: sharing the guard shares the part.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Sync> Sync for OwnedMappedWriteGuard<T, U> {}

/// What all of them do.
macro_rules! reads {
    ([$($generics:tt)*] $guard:ty, $kept:ty) => {
        impl<$($generics)*> $guard {
            /// # Safety
            /// The part stays valid, and nobody else's beyond what the guard shares, while `kept` is kept.
            #[inline]
            pub(crate) unsafe fn new(part: NonNull<U>, kept: $kept) -> Self {
                Self { part, kept, _borrow: PhantomData }
            }
        }

        // As the lock of the whole.
        impl<$($generics)*> UnwindSafe for $guard {}
        impl<$($generics)*> RefUnwindSafe for $guard {}

        impl<$($generics)*> Deref for $guard {
            type Target = U;

            #[inline]
            fn deref(&self) -> &U {
                // SAFETY: the part is valid as long as the guard lives, and nobody writes to it meanwhile.
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

/// Narrows a guard that reads: `$narrower` is the same guard of another part.
macro_rules! narrows {
    ([$($generics:tt)*] $guard:ty, $narrower:ty) => {
        impl<$($generics)*> $guard {
            /// Narrows the guard further; the whole lock stays held.
            pub fn map<V: ?Sized>(guard: Self, part: impl FnOnce(&U) -> &V) -> $narrower {
                let part = NonNull::from(part(&guard));
                // SAFETY: what belongs to the part is valid as long as the part is.
                unsafe { <$narrower>::new(part, guard.kept) }
            }
        }
    };
}

/// What those do besides that hold the lock alone.
macro_rules! writes {
    ([$($generics:tt)*] $guard:ty, $narrower:ty) => {
        impl<$($generics)*> $guard {
            /// Narrows the guard further; the whole lock stays held.
            pub fn map<V: ?Sized>(mut guard: Self, part: impl FnOnce(&mut U) -> &mut V) -> $narrower {
                let part = NonNull::from(part(&mut guard));
                // SAFETY: what belongs to the part is valid as long as the part is, and as much its holder's alone.
                unsafe { <$narrower>::new(part, guard.kept) }
            }
        }

        impl<$($generics)*> DerefMut for $guard {
            #[inline]
            fn deref_mut(&mut self) -> &mut U {
                // SAFETY: nobody else has a way to the part, and the guard is borrowed exclusively.
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
