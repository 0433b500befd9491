//! [`PendingItem`]: an item that is copied into a buffer once.
//!
//! The copies of large items make a queue slow. An `Option<T>` passed by value is copied at each
//! step. A pending item stays in the future of the putter until it is copied into its place in the
//! buffer.

use std::mem::MaybeUninit;

pub struct PendingItem<T> {
    /// Initialised while `full`.
    item: MaybeUninit<T>,
    full: bool,
}

impl<T> PendingItem<T> {
    #[inline]
    pub(crate) fn new(item: T) -> Self {
        PendingItem { item: MaybeUninit::new(item), full: true }
    }

    /// Copies the item into `place`. Returns `false` if it has been taken already.
    #[inline]
    pub(crate) fn unpack_into(&mut self, place: &mut MaybeUninit<T>) -> bool {
        let full = self.full;
        if full {
            // SAFETY: both are places for a `T`. One is borrowed exclusively, the other is new. The
            // item's ownership moves.
            unsafe { place.as_mut_ptr().copy_from_nonoverlapping(self.item.as_ptr(), 1) };
            self.full = false;
        }
        full
    }

    #[inline]
    pub(crate) fn take(&mut self) -> Option<T> {
        if !self.full {
            return None;
        }
        self.full = false;
        // SAFETY: `full` was set, so the item was initialised. Clearing `full` gave it up.
        Some(unsafe { self.item.assume_init_read() })
    }
}

impl<T> Drop for PendingItem<T> {
    #[inline]
    fn drop(&mut self) {
        if self.full {
            // SAFETY: `full` is set, so the item is initialised. It is not used again.
            unsafe { self.item.assume_init_drop() };
        }
    }
}
