//! The values of one owner: one slot per thread, in a list that grows only at its head.
//!
//! A slot is always in one of four states. The state says who may access its value:
//!
//! | state  | meaning                       | who may change it                               |
//! |--------|-------------------------------|-------------------------------------------------|
//! | `FREE` | no thread's, no value         | any thread: `claim`                             |
//! | `HELD` | one thread's, no value        | that thread: `fill`, or `vacate` when it dies   |
//! | `FULL` | one thread's, with a value    | that thread: `take`, or `vacate` when it dies   |
//! | `GONE` | the owner has closed; final   | nobody                                          |
//!
//! `close` changes a slot from any state to `GONE`. It needs exclusive access to the owner, so it
//! never races with `claim`, `fill` or `take`. It can race only with a dying thread. Both want the
//! value, and the one that changes the state from `FULL` gets it.
//!
//! There is no lock. So a child made by `fork` while other threads were in here finds nothing
//! locked. At worst it loses one slot, which a thread that does not exist in the child was about to
//! use. A new thread reuses the slot of a dead one. It searches for it only if some are known to be
//! free. So the list is as long as the greatest number of threads that held a slot at one time.
//! Slots are deallocated with the list.

use std::{cell::Cell, mem::MaybeUninit, ptr, ptr::NonNull, sync::atomic::Ordering::*};

use crate::sync::{AtomicPtr, AtomicU8, AtomicUsize, UnsafeCell};

const FREE: u8 = 0;
const HELD: u8 = 1;
const FULL: u8 = 2;
const GONE: u8 = 3;

/// In [`Slot::borrows`]: there is no value to borrow.
const EMPTY: u64 = u64::MAX;
/// Set in [`Slot::borrows`] when the holder died with borrows. The last borrow reclaims the value.
const ORPHAN: u64 = 1 << 63;

/// Room for one thread's value.
pub(crate) struct Slot<T> {
    state: AtomicU8,
    /// The number of borrows, with or without [`ORPHAN`]; or [`EMPTY`]. Only the holder accesses
    /// it. It repeats part of `state`, so that a borrow needs a single comparison. It is a `u64` on
    /// all platforms, because borrows can be leaked, and no program can leak 2^63 of them.
    borrows: Cell<u64>,
    /// Initialised while the state is `FULL`, and until the thread that changed it from `FULL` has
    /// read the value.
    value: UnsafeCell<MaybeUninit<T>>,
    /// The next older slot. Written only before the slot is published.
    next: UnsafeCell<*mut Slot<T>>,
}

/// The result of vacating the slot of a dying thread.
pub(crate) enum Vacated<T> {
    /// The value was still there. It belongs to the caller now, and the slot is free.
    Value(T),
    /// There was no value, or the owner had taken it.
    Nothing,
    /// The value is borrowed. The slot stays as it is until [`Slot::release`] returns true.
    Borrowed,
}

/// All slots of one owner.
pub(crate) struct Slots<T> {
    head: AtomicPtr<Slot<T>>,
    /// At least the number of `FREE` slots: incremented before a slot becomes free, and decremented
    /// after it is claimed.
    free: AtomicUsize,
}

// SAFETY: the list moves values between threads (`vacate` and `close` against `fill`), hence `T:
// Send`. It never lets two threads access the same value, hence no `T: Sync`. `state` guards
// `borrows` and `value` as described above.
unsafe impl<T: Send> Send for Slots<T> {}
// SAFETY: as for `Send`.
unsafe impl<T: Send> Sync for Slots<T> {}

impl<T> Slot<T> {
    /// Stores a value.
    ///
    /// # Safety
    ///
    /// The calling thread holds this slot, the slot is not full, and the owner is not being closed.
    pub(crate) unsafe fn fill(&self, value: T) {
        self.value.with_mut(|cell| {
            // SAFETY: while the state is `HELD`, only the holder accesses the cell.
            unsafe { (*cell).write(value) };
        });
        self.borrows.set(0);
        self.state.store(FULL, Release);
    }

    /// Takes the value, if there is one. The caller keeps the slot.
    ///
    /// # Safety
    ///
    /// The calling thread holds this slot, there is no borrow, and the owner is not being closed.
    pub(crate) unsafe fn take(&self) -> Option<T> {
        if self.borrows.replace(EMPTY) == EMPTY {
            return None;
        }
        // SAFETY: the slot is full. By contract there is neither a `close` nor a borrow.
        let value = unsafe { self.read() };
        self.state.store(HELD, Release);
        Some(value)
    }

    /// Counts a borrow, if there is a value.
    ///
    /// The common case, the only borrow, stores a constant instead of a sum. An addition would wait
    /// for the value that the last one stored, while a comparison is predicted.
    ///
    /// # Safety
    ///
    /// The calling thread holds this slot.
    #[inline]
    pub(crate) unsafe fn borrow(&self) -> bool {
        if self.borrows.get() == 0 {
            self.borrows.set(1);
            true
        } else {
            self.borrow_again()
        }
    }

    #[cold]
    fn borrow_again(&self) -> bool {
        let borrows = self.borrows.get();
        let full = borrows != EMPTY;
        if full {
            self.borrows.set(borrows + 1);
        }
        full
    }

    /// Ends a borrow. Returns true if the holder died meanwhile and this was the last borrow.
    ///
    /// # Safety
    ///
    /// The calling thread counted this borrow.
    #[inline]
    pub(crate) unsafe fn release(&self) -> bool {
        if self.borrows.get() == 1 {
            self.borrows.set(0);
            false
        } else {
            self.release_one_of_many()
        }
    }

    #[cold]
    fn release_one_of_many(&self) -> bool {
        let left = self.borrows.get() - 1;
        self.borrows.set(left);
        left == ORPHAN
    }

    /// Whether there is a borrow.
    ///
    /// # Safety
    ///
    /// The calling thread holds this slot.
    pub(crate) unsafe fn is_borrowed(&self) -> bool {
        let borrows = self.borrows.get();
        borrows != EMPTY && borrows & !ORPHAN != 0
    }

    /// The value.
    ///
    /// # Safety
    ///
    /// The calling thread has a counted borrow, which outlives the reference.
    #[inline]
    pub(crate) unsafe fn value(&self) -> &T {
        // SAFETY: there is a borrow, so the slot is full and nobody moves the value.
        self.value.with(|cell| unsafe { (*cell).assume_init_ref() })
    }

    /// # Safety
    ///
    /// The value is initialised, only the caller may read it, and nobody reads it again.
    unsafe fn read(&self) -> T {
        // SAFETY: the caller upholds it.
        self.value.with_mut(|cell| unsafe { (*cell).assume_init_read() })
    }
}

impl<T> Slots<T> {
    pub(crate) fn new() -> Self {
        Self { head: AtomicPtr::new(ptr::null_mut()), free: AtomicUsize::new(0) }
    }

    /// Makes the calling thread the holder of a slot without a value. The slot lives as long as the
    /// list.
    pub(crate) fn claim(&self) -> NonNull<Slot<T>> {
        if self.free.load(Relaxed) > 0 {
            for slot in self.iter() {
                // Acquire: the previous holder's accesses are over.
                if slot.state.compare_exchange(FREE, HELD, Acquire, Relaxed).is_ok() {
                    self.free.fetch_sub(1, Relaxed);
                    return NonNull::from(slot);
                }
            }
        }
        self.push()
    }

    fn push(&self) -> NonNull<Slot<T>> {
        let slot = Box::into_raw(Box::new(Slot {
            state: AtomicU8::new(HELD),
            borrows: Cell::new(EMPTY),
            value: UnsafeCell::new(MaybeUninit::uninit()),
            next: UnsafeCell::new(ptr::null_mut()),
        }));
        let mut head = self.head.load(Relaxed);
        loop {
            // SAFETY: the slot is not published yet, so only this thread accesses it.
            unsafe { (*slot).next.with_mut(|next| *next = head) };
            // Release: threads that walk the list see a complete slot. Nothing is ever unlinked, so
            // there is no ABA problem.
            match self.head.compare_exchange(head, slot, Release, Relaxed) {
                Ok(_) => break,
                Err(newer) => head = newer,
            }
        }
        // SAFETY: `Box::into_raw` never returns null.
        unsafe { NonNull::new_unchecked(slot) }
    }

    /// Gives up a slot because its holder is dying. May run concurrently with `close`.
    ///
    /// # Safety
    ///
    /// The calling thread holds `slot`, which belongs to this list. It does not access the slot
    /// again, except through existing borrows after [`Vacated::Borrowed`].
    pub(crate) unsafe fn vacate(&self, slot: &Slot<T>) -> Vacated<T> {
        // SAFETY: the caller holds the slot.
        if unsafe { slot.is_borrowed() } {
            slot.borrows.set(slot.borrows.get() | ORPHAN);
            return Vacated::Borrowed;
        }
        slot.borrows.set(EMPTY);
        let left = match slot.state.compare_exchange(FULL, HELD, Acquire, Relaxed) {
            // SAFETY: this exchange changed the state from `FULL`, so the value is ours.
            Ok(_) => Vacated::Value(unsafe { slot.read() }),
            Err(_) => Vacated::Nothing,
        };
        self.free.fetch_add(1, Relaxed);
        // Release: the next holder starts after all accesses here. Fails only if the owner has
        // closed, and then `free` no longer matters.
        let _ = slot.state.compare_exchange(HELD, FREE, Release, Relaxed);
        left
    }

    /// Takes all values out, one at a time, and leaves every slot `GONE`. Calling it again is
    /// harmless: it continues if `each` panicked.
    ///
    /// # Safety
    ///
    /// From now on only `vacate` and `close` run on this list.
    pub(crate) unsafe fn close(&self, mut each: impl FnMut(T)) {
        for slot in self.iter() {
            // Acquire: pairs with `fill`, so the value is complete. (Exclusive access to the owner
            // implies that too; the pair makes it true within this file.)
            if slot.state.swap(GONE, Acquire) == FULL {
                // SAFETY: this swap changed the state from `FULL`, so the value is ours.
                each(unsafe { slot.read() });
            }
        }
    }

    /// The number of slots that have a value at this moment.
    pub(crate) fn full(&self) -> usize {
        // Relaxed: other threads change the states while this counts.
        self.iter().filter(|slot| slot.state.load(Relaxed) == FULL).count()
    }

    fn iter(&self) -> impl Iterator<Item = &Slot<T>> {
        let mut at: *const Slot<T> = self.head.load(Acquire);
        std::iter::from_fn(move || {
            // SAFETY: slots are published complete and live as long as the list. Their fields are
            // cells and atomics.
            let slot = unsafe { at.as_ref() }?;
            // SAFETY: nobody writes it any more.
            at = slot.next.with(|next| unsafe { *next });
            Some(slot)
        })
    }
}

impl<T> Drop for Slots<T> {
    fn drop(&mut self) {
        // SAFETY: `&mut self`, so nothing else runs on this list.
        unsafe { self.close(drop) };
        let mut at = self.head.load(Relaxed);
        while !at.is_null() {
            // SAFETY: `push` made it with `Box::into_raw`, and it is freed only here.
            let slot = unsafe { Box::from_raw(at) };
            // SAFETY: `&mut self`.
            at = slot.next.with(|next| unsafe { *next });
        }
    }
}

#[cfg(test)]
mod tests;
