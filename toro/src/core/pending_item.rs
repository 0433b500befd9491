//! [`PendingItem`]: an item on its way into a buffer, copied there once.
//!
//! Large items make a queue as slow as the copies that are made of them. An `Option<T>` that is
//! passed on by value costs one at each step; a pending item stays where it is, in the future of
//! the one who puts, until its item is copied into the place in the buffer that is ready for it.

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

    /// Copies the item to its place; `false` if it has been taken already.
    #[inline]
    pub(crate) fn unpack_into(&mut self, place: &mut MaybeUninit<T>) -> bool {
        let full = self.full;
        if full {
            // SAFETY: both are places for a `T`, one borrowed exclusively and one fresh; ownership
            // of the item moves.
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
        // SAFETY: `full` was set, so the item is initialised; it is not any more.
        Some(unsafe { self.item.assume_init_read() })
    }
}

impl<T> Drop for PendingItem<T> {
    #[inline]
    fn drop(&mut self) {
        if self.full {
            // SAFETY: `full` is set, so the item is initialised; it goes away.
            unsafe { self.item.assume_init_drop() };
        }
    }
}
