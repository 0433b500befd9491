//! The values of one owner, one slot a thread, in a list that only ever grows at its head.
//!
//! A slot is always in one of four states, and the state says who may touch the value in it:
//!
//! | state  | meaning                                   | who may move it on                         |
//! |--------|-------------------------------------------|--------------------------------------------|
//! | `FREE` | nobody's, no value                        | any thread, by `claim`                     |
//! | `HELD` | one thread's, no value                    | that thread: `fill`, or `vacate` at death  |
//! | `FULL` | one thread's, with a value                | that thread: `take`, or `vacate` at death  |
//! | `GONE` | the owner has closed; final               | nobody                                     |
//!
//! `close` moves a slot from any state to `GONE`. It needs the owner to itself, so it never meets a
//! `claim`, `fill` or `take`; the one thing it can meet is a thread that is dying just then. Both
//! want the value, and the state decides: whoever moves the slot out of `FULL` has it.
//!
//! There is no lock. A child made by `fork` while other threads were in here finds nothing locked
//! for ever; at worst one slot, which a thread that does not exist in the child was about to use,
//! is lost to it. A slot left by a dead thread is used again by the next newcomer, who looks for it
//! only when some are known to be free; the list is thus as long as the greatest number of threads
//! that held a slot at one time. Slots are deallocated with the list.

use std::{cell::Cell, mem::MaybeUninit, ptr, ptr::NonNull, sync::atomic::Ordering::*};

use crate::sync::{AtomicPtr, AtomicU8, AtomicUsize, UnsafeCell};

const FREE: u8 = 0;
const HELD: u8 = 1;
const FULL: u8 = 2;
const GONE: u8 = 3;

/// In [`Slot::borrows`]: there is no value to borrow.
const EMPTY: u64 = u64::MAX;
/// Set in [`Slot::borrows`] when the holder died while it had borrows: the last borrow to end
/// reclaims the value.
const ORPHAN: u64 = 1 << 63;

/// Room for one thread's value.
pub(crate) struct Slot<T> {
    state: AtomicU8,
    /// How many borrows of the value are out, and [`ORPHAN`]; or [`EMPTY`]. Only the holder
    /// touches it, for whom it repeats what `state` says, so that one comparison answers both
    /// questions of a borrow. A `u64` on every platform: borrows can be leaked, and no program
    /// lives to leak 2^63 of them.
    borrows: Cell<u64>,
    /// Initialised exactly while the state is `FULL`, and while whoever moved it out of `FULL` has
    /// not yet read it.
    value: UnsafeCell<MaybeUninit<T>>,
    /// The next older slot. Written before the slot is published, never after.
    next: UnsafeCell<*mut Slot<T>>,
}

/// What became of a slot whose thread is dying.
pub(crate) enum Vacated<T> {
    /// The value was still there: it is the caller's now, and the slot is free.
    Value(T),
    /// There was no value, or the owner had taken it.
    Nothing,
    /// A borrow is out; the slot stays as it is until [`Slot::release`] says that this was the last
    /// one.
    Borrowed,
}

/// All the slots of one owner.
pub(crate) struct Slots<T> {
    head: AtomicPtr<Slot<T>>,
    /// At least as many as are `FREE`: counted up before a slot becomes free and down after it is
    /// claimed.
    free: AtomicUsize,
}

// SAFETY: the list hands values from thread to thread (`vacate` and `close` against `fill`), hence
// `T: Send`, and never lets two threads see the same value, hence no `T: Sync`. `borrows` and
// `value` are guarded by `state` as told above.
unsafe impl<T: Send> Send for Slots<T> {}
// SAFETY: as for `Send`.
unsafe impl<T: Send> Sync for Slots<T> {}

impl<T> Slot<T> {
    /// Puts a value in.
    ///
    /// # Safety
    /// The calling thread holds this slot, the slot is not full, and the owner is not being closed.
    pub(crate) unsafe fn fill(&self, value: T) {
        self.value.with_mut(|cell| {
            // SAFETY: while the state is `HELD` the cell is the holder's alone.
            unsafe { (*cell).write(value) };
        });
        self.borrows.set(0);
        self.state.store(FULL, Release);
    }

    /// Takes the value out, if there is one; the slot stays the caller's.
    ///
    /// # Safety
    /// The calling thread holds this slot, no borrow is out, and the owner is not being closed.
    pub(crate) unsafe fn take(&self) -> Option<T> {
        if self.borrows.replace(EMPTY) == EMPTY {
            return None;
        }
        // SAFETY: full, and neither a `close` nor a borrow can be under way by this function's
        // contract.
        let value = unsafe { self.read() };
        self.state.store(HELD, Release);
        Some(value)
    }

    /// Counts a borrow in, if there is a value to borrow.
    ///
    /// The common case, no other borrow, stores a constant where it could have added: an addition
    /// waits for the value that the last one stored, a comparison is foreseen.
    ///
    /// # Safety
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

    /// Counts a borrow out. True if the holder has died meanwhile and this was the last borrow.
    ///
    /// # Safety
    /// The calling thread counted that borrow in.
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

    /// Whether a borrow is out.
    ///
    /// # Safety
    /// The calling thread holds this slot.
    pub(crate) unsafe fn is_borrowed(&self) -> bool {
        let borrows = self.borrows.get();
        borrows != EMPTY && borrows & !ORPHAN != 0
    }

    /// The value.
    ///
    /// # Safety
    /// The calling thread has a borrow counted in, and the reference does not outlive it.
    #[inline]
    pub(crate) unsafe fn value(&self) -> &T {
        // SAFETY: a borrow is out, so the slot is full and nobody moves the value.
        self.value.with(|cell| unsafe { (*cell).assume_init_ref() })
    }

    /// # Safety
    /// The value is initialised, the caller alone may read it, and nobody reads it again.
    unsafe fn read(&self) -> T {
        // SAFETY: this function's contract.
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
                // Acquire: what the thread that left this slot did to it is over.
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
            // SAFETY: not published yet, so still ours alone.
            unsafe { (*slot).next.with_mut(|next| *next = head) };
            // Release: whoever walks the list sees the slot complete. Nothing is ever unlinked, so
            // there is no ABA.
            match self.head.compare_exchange(head, slot, Release, Relaxed) {
                Ok(_) => break,
                Err(newer) => head = newer,
            }
        }
        // SAFETY: `Box::into_raw` is never null.
        unsafe { NonNull::new_unchecked(slot) }
    }

    /// Gives up a slot, because its holder is dying. May run at the same time as `close`.
    ///
    /// # Safety
    /// The calling thread holds `slot`, which belongs to this list, and does not touch it again
    /// except, after [`Vacated::Borrowed`], through the borrows that are out.
    pub(crate) unsafe fn vacate(&self, slot: &Slot<T>) -> Vacated<T> {
        // SAFETY: the caller holds the slot.
        if unsafe { slot.is_borrowed() } {
            slot.borrows.set(slot.borrows.get() | ORPHAN);
            return Vacated::Borrowed;
        }
        slot.borrows.set(EMPTY);
        let left = match slot.state.compare_exchange(FULL, HELD, Acquire, Relaxed) {
            // SAFETY: this very exchange moved the slot out of `FULL`, so the value is ours.
            Ok(_) => Vacated::Value(unsafe { slot.read() }),
            Err(_) => Vacated::Nothing,
        };
        self.free.fetch_add(1, Relaxed);
        // Release: the next holder starts after all we did. It fails only if the owner has closed:
        // then nobody counts.
        let _ = slot.state.compare_exchange(HELD, FREE, Release, Relaxed);
        left
    }

    /// Takes every value out, one at a time, and leaves every slot `GONE`. To call it again is
    /// harmless: it goes on with what was left if `each` panicked.
    ///
    /// # Safety
    /// Nothing but `vacate` and `close` runs on this list from now on.
    pub(crate) unsafe fn close(&self, mut each: impl FnMut(T)) {
        for slot in self.iter() {
            // Acquire: pairs with `fill`, so that the value is complete. (Whoever has the owner to
            // itself knows that anyway; the pair makes it true within this file.)
            if slot.state.swap(GONE, Acquire) == FULL {
                // SAFETY: this very swap moved the slot out of `FULL`, so the value is ours.
                each(unsafe { slot.read() });
            }
        }
    }

    /// How many slots have a value at this moment.
    pub(crate) fn full(&self) -> usize {
        // Relaxed: others come and go while this counts.
        self.iter().filter(|slot| slot.state.load(Relaxed) == FULL).count()
    }

    fn iter(&self) -> impl Iterator<Item = &Slot<T>> {
        let mut at: *const Slot<T> = self.head.load(Acquire);
        std::iter::from_fn(move || {
            // SAFETY: slots are published complete and live as long as the list; their fields are
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
        // SAFETY: `&mut self`: nothing at all runs on this list any more.
        unsafe { self.close(drop) };
        let mut at = self.head.load(Relaxed);
        while !at.is_null() {
            // SAFETY: made by `Box::into_raw` in `push`, and freed here only.
            let slot = unsafe { Box::from_raw(at) };
            // SAFETY: `&mut self`.
            at = slot.next.with(|next| unsafe { *next });
        }
    }
}

#[cfg(test)]
mod tests;
