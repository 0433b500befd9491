//! What one thread has at stake: a table from owner to slot, and the vigil whose destructor is the news of
//! the thread's death.
//!
//! The table is an open-addressed hash table with linear probing, keyed by [`OwnerId`]. Ids are counted up
//! and never used again, so their low bits spread of themselves and the entry of an owner that is gone is
//! never mistaken for another's; such entries are swept out when the table grows. It sits in a thread-local
//! that has no destructor, and can therefore be read at any time in a thread's life, also while its other
//! thread-locals are being destroyed.
//!
//! The vigil is a thread-local with nothing in it but a destructor. The first entry of a thread arms it. When
//! it goes off, the thread counts as dying: each entry is taken out of the table and then told to its owner,
//! if that still exists, with panics contained. From then on the table takes no new entry, since nobody would
//! be left to see to it.

use std::{
    cell::Cell,
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr::NonNull,
    sync::{
        Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// Which owner a slot belongs to. Never used twice.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct OwnerId(u64);

impl OwnerId {
    const NONE: Self = Self(0);
    /// An entry that was there: probing goes on past it.
    const SETTLED: Self = Self(u64::MAX);

    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Relaxed))
    }
}

/// An owner, as a dying thread sees it.
pub(crate) trait Owner: Send + Sync {
    /// Sees to what the calling thread, which is dying, left in `slot`.
    ///
    /// # Safety
    /// This thread gave `slot` to [`add`] for this owner, and no longer finds it in its table.
    unsafe fn thread_died(&self, slot: NonNull<()>);
}

/// The calling thread is dying: it can hold nothing new.
#[derive(Debug)]
pub(crate) struct Dying;

struct Entry {
    id: Cell<OwnerId>,
    slot: Cell<NonNull<()>>,
    owner: Cell<Option<Weak<dyn Owner>>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    /// No entry yet; the vigil is not armed.
    Unwatched,
    Watched,
    /// The vigil has gone off.
    Dying,
}

struct Table {
    /// Empty, or a leaked box whose length is a power of two.
    entries: Cell<NonNull<[Entry]>>,
    /// Entries that are not `NONE`.
    used: Cell<usize>,
    phase: Cell<Phase>,
}

struct Vigil;

thread_local! {
    static TABLE: ManuallyDrop<Table> = const {
        ManuallyDrop::new(Table {
            entries: Cell::new(NonNull::slice_from_raw_parts(NonNull::dangling(), 0)),
            used: Cell::new(0),
            phase: Cell::new(Phase::Unwatched),
        })
    };
    static VIGIL: Vigil = const { Vigil };
}

/// The slot that the calling thread holds for `id`.
#[inline]
pub(crate) fn find(id: OwnerId) -> Option<NonNull<()>> {
    TABLE.with(|table| {
        // SAFETY: the reference is dropped before anything that replaces the table can run.
        let entries = unsafe { table.entries.get().as_ref() };
        // An empty table has a mask of all ones, and then no index is within it.
        let mask = entries.len().wrapping_sub(1);
        let mut at = id.0 as usize & mask;
        loop {
            let entry = entries.get(at)?;
            if entry.id.get() == id {
                return Some(entry.slot.get());
            }
            if entry.id.get() == OwnerId::NONE {
                return None;
            }
            at = (at + 1) & mask;
        }
    })
}

/// Whether the calling thread can still hold something new.
pub(crate) fn alive() -> Result<(), Dying> {
    TABLE.with(|table| if table.phase.get() == Phase::Dying { Err(Dying) } else { Ok(()) })
}

/// Enters `slot` for an owner that the calling thread holds no slot for, and arms the vigil.
pub(crate) fn add(id: OwnerId, slot: NonNull<()>, owner: Weak<dyn Owner>) -> Result<(), Dying> {
    alive()?;
    debug_assert!(find(id).is_none());
    TABLE.with(|table| {
        if table.phase.get() == Phase::Unwatched {
            VIGIL.try_with(|_| ()).map_err(|_| Dying)?;
            table.phase.set(Phase::Watched);
        }
        // Kept at most three quarters full, so that probing is short and ends.
        if (table.used.get() + 1) * 4 > table.entries.get().len() * 3 {
            table.grow();
        }
        table.enter(id, slot, owner);
        Ok(())
    })
}

impl Table {
    /// Puts an entry where there is room for one.
    fn enter(&self, id: OwnerId, slot: NonNull<()>, owner: Weak<dyn Owner>) {
        // SAFETY: no foreign code runs while the reference is alive, and nothing here replaces the table.
        let entries = unsafe { self.entries.get().as_ref() };
        let mask = entries.len() - 1;
        let mut at = id.0 as usize & mask;
        while entries[at].id.get() != OwnerId::NONE {
            at = (at + 1) & mask;
        }
        entries[at].id.set(id);
        entries[at].slot.set(slot);
        entries[at].owner.set(Some(owner));
        self.used.set(self.used.get() + 1);
    }

    /// Moves to a table with room for as many again as there are owners left; those that are gone stay
    /// behind.
    fn grow(&self) {
        // SAFETY: as in `enter`.
        let old = unsafe { self.entries.get().as_ref() };
        let living: Vec<_> = old
            .iter()
            .filter_map(|entry| {
                let owner = entry.owner.take()?;
                (owner.strong_count() > 0).then(|| (entry.id.get(), entry.slot.get(), owner))
            })
            .collect();
        let room = ((living.len() + 1) * 2).next_power_of_two().max(4);
        let new: Box<[Entry]> = (0..room)
            .map(|_| Entry {
                id: Cell::new(OwnerId::NONE),
                slot: Cell::new(NonNull::dangling()),
                owner: Cell::new(None),
            })
            .collect();
        self.replace(new);
        for (id, slot, owner) in living {
            self.enter(id, slot, owner);
        }
    }

    fn replace(&self, new: Box<[Entry]>) {
        let new = NonNull::from(Box::leak(new));
        let old = self.entries.replace(new);
        self.used.set(0);
        if !old.is_empty() {
            // SAFETY: a table that is not empty was leaked here, and nobody refers to it any more.
            drop(unsafe { Box::from_raw(old.as_ptr()) });
        }
    }

    /// Tells every owner of the death, then frees the table.
    fn settle(&self) {
        self.phase.set(Phase::Dying);
        // SAFETY: foreign code does run while this reference is alive, and may well call back; but what
        // replaces the table is `add`, which refuses in this phase, and the line after the loop.
        let entries = unsafe { self.entries.get().as_ref() };
        for entry in entries {
            let Some(owner) = entry.owner.take() else { continue };
            // Out of the table before the owner hears of it: what the owner does now finds nothing of this
            // entry.
            entry.id.set(OwnerId::SETTLED);
            let slot = entry.slot.get();
            contain(|| {
                if let Some(owner) = owner.upgrade() {
                    // SAFETY: entered by this thread together with this owner, and taken out just now.
                    unsafe { owner.thread_died(slot) };
                }
            });
        }
        self.replace(Box::new([]));
    }
}

impl Drop for Vigil {
    fn drop(&mut self) {
        TABLE.with(|table| table.settle());
    }
}

/// Runs `f`, and keeps a panic in it from going further. The panic hook has reported it by then.
///
/// A panic that leaves the destructor of a thread-local would end the process.
pub(crate) fn contain(f: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
        // What was thrown may itself panic when dropped, and so on: the second is leaked.
        if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(second);
        }
    }
}
