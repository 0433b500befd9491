//! [`Parcel`]: an item on its way into a buffer, copied there once.
//!
//! Large items make a queue as slow as the copies that are made of them. An `Option<T>` that is passed on by value costs
//! one at each step; a parcel stays where it is, in the future of the one who puts, until its item is copied into
//! the place in the buffer that is ready for it.

use std::mem::MaybeUninit;

pub struct Parcel<T> {
    /// Initialised while the parcel is full.
    item: MaybeUninit<T>,
    full: bool,
}

impl<T> Parcel<T> {
    #[inline]
    pub(crate) fn new(item: T) -> Self {
        Parcel { item: MaybeUninit::new(item), full: true }
    }

    /// Copies the item to its place; `false` if the parcel was empty.
    #[inline]
    pub(crate) fn unpack_into(&mut self, place: &mut MaybeUninit<T>) -> bool {
        let full = self.full;
        if full {
            // SAFETY: both are places for a `T`, one borrowed exclusively and one fresh; ownership of the item moves.
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
        // SAFETY: the parcel was full, and is not any more.
        Some(unsafe { self.item.assume_init_read() })
    }
}

impl<T> Drop for Parcel<T> {
    #[inline]
    fn drop(&mut self) {
        if self.full {
            // SAFETY: the parcel is full, and goes away.
            unsafe { self.item.assume_init_drop() };
        }
    }
}
