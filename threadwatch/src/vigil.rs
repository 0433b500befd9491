//! A thread's table from owners to slots, and the vigil, whose destructor runs when the thread
//! dies.
//!
//! The table is an open-addressed hash table with linear probing, keyed by [`OwnerId`]. Ids are
//! counted up and never reused. So their low bits are spread evenly, and the entry of a dropped
//! owner is never mistaken for another's. Such entries are removed when the table grows. The table
//! is in a thread-local without a destructor. So it can be read at any time in a thread's life,
//! also while its other thread-locals are being destroyed.
//!
//! The vigil is a thread-local that contains only a destructor. The first entry of a thread arms
//! it. When its destructor runs, the thread counts as dying. Each entry is removed from the table
//! and then reported to its owner, if that still exists. Panics go no further. From then on the
//! table takes no new entry, because nothing would reclaim it.

use std::{
    any::Any,
    cell::Cell,
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr::NonNull,
    sync::{
        Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// The identity of an owner. Never reused.
///
/// A multiple of the size of an [`Entry`], so that an id, masked, is a byte offset into the table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct OwnerId(u64);

impl OwnerId {
    const STEP: u64 = size_of::<Entry>() as u64;
    const NONE: Self = Self(0);
    /// Marks an entry that was removed. Probing continues past it.
    const SETTLED: Self = Self(u64::MAX);

    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(OwnerId::STEP);
        // 2^59 owners last eighteen years at one per nanosecond.
        Self(NEXT.fetch_add(Self::STEP, Relaxed))
    }

    /// The first place to look in a table of `mask + 1` entries.
    fn place(self, mask: usize) -> usize {
        (self.0 / Self::STEP) as usize & mask
    }
}

/// An owner, as seen by a dying thread.
pub(crate) trait Owner: Send + Sync {
    /// Reclaims what the calling, dying thread left in `slot`.
    ///
    /// # Safety
    ///
    /// This thread passed `slot` to [`add`] for this owner, and has removed it from its table.
    unsafe fn thread_died(&self, slot: NonNull<()>);
}

/// The calling thread is dying and takes nothing new.
#[derive(Debug)]
pub(crate) struct Dying;

/// 32 bytes on all platforms. Padded, not aligned, because a large alignment costs memory in
/// allocators.
struct Entry {
    id: Cell<OwnerId>,
    slot: Cell<NonNull<()>>,
    owner: Cell<Option<Weak<dyn Owner>>>,
    _rest: [usize; (32 - 8) / size_of::<usize>() - 3],
}

const _: () = assert!(size_of::<Entry>() == 32);

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    /// No entry yet, and the vigil is not armed.
    Unwatched,
    Watched,
    /// The vigil's destructor has begun.
    Dying,
}

struct Table {
    /// The first of a power of two of entries: of a leaked box, or [`NOTHING`].
    entries: Cell<NonNull<Entry>>,
    /// The byte offset of the last entry; zero for `NOTHING`.
    reach: Cell<usize>,
    /// The number of entries that are not `NONE`.
    used: Cell<usize>,
    phase: Cell<Phase>,
}

/// The table of all threads without their own, so that a lookup need not check for one.
struct Nothing(Entry);

// SAFETY: only the id is ever read, and nothing is ever written: `Table::own` skips it.
unsafe impl Sync for Nothing {}

static NOTHING: Nothing = Nothing(Entry::none());

struct Vigil;

thread_local! {
    static TABLE: ManuallyDrop<Table> = const {
        ManuallyDrop::new(Table {
            entries: Cell::new(NonNull::from_ref(&NOTHING.0)),
            reach: Cell::new(0),
            used: Cell::new(0),
            phase: Cell::new(Phase::Unwatched),
        })
    };
    static VIGIL: Vigil = const { Vigil };
}

/// The calling thread's slot for `id`.
#[inline]
pub(crate) fn find(id: OwnerId) -> Option<NonNull<()>> {
    TABLE.with(|table| {
        let offset = id.0 as usize & table.reach.get();
        // SAFETY: the offset is a multiple of an entry's size and lies within the table, which is
        // not replaced here.
        let entry = unsafe { table.entries.get().byte_add(offset).as_ref() };
        if entry.id.get() == id {
            Some(entry.slot.get())
        } else if entry.id.get() == OwnerId::NONE {
            None
        } else {
            table.probe(id)
        }
    })
}

/// Fails if the calling thread is dying.
pub(crate) fn alive() -> Result<(), Dying> {
    TABLE.with(|table| if table.phase.get() == Phase::Dying { Err(Dying) } else { Ok(()) })
}

/// Enters `slot` for an owner for which the calling thread has no slot, and arms the vigil.
pub(crate) fn add(id: OwnerId, slot: NonNull<()>, owner: Weak<dyn Owner>) -> Result<(), Dying> {
    alive()?;
    debug_assert!(find(id).is_none());
    TABLE.with(|table| {
        if table.phase.get() == Phase::Unwatched {
            VIGIL.try_with(|_| ()).map_err(|_| Dying)?;
            table.phase.set(Phase::Watched);
        }
        // At most three quarters full, so that probing is short and ends.
        if (table.used.get() + 1) * 4 > table.own().len() * 3 {
            table.grow();
        }
        table.enter(id, slot, owner);
        Ok(())
    })
}

impl Entry {
    const fn none() -> Self {
        Self {
            id: Cell::new(OwnerId::NONE),
            slot: Cell::new(NonNull::dangling()),
            owner: Cell::new(None),
            _rest: [0; _],
        }
    }
}

impl Table {
    /// The thread's own entries. Empty if it has no table of its own.
    ///
    /// The reference must not be used after `replace`.
    fn own(&self) -> &[Entry] {
        // SAFETY: only `replace` frees the table, and no caller keeps the slice across it.
        self.allocation().map_or(&[], |entries| unsafe { entries.as_ref() })
    }

    /// The leaked box of the thread's entries, if it has a table of its own.
    ///
    /// The pointer comes from leaking the box, because only that pointer may free it. A pointer
    /// made from a reference to the entries may not.
    fn allocation(&self) -> Option<NonNull<[Entry]>> {
        let last = self.reach.get() / size_of::<Entry>();
        (last != 0).then(|| NonNull::slice_from_raw_parts(self.entries.get(), last + 1))
    }

    /// Looks for an entry that is not in its first place.
    #[cold]
    fn probe(&self, id: OwnerId) -> Option<NonNull<()>> {
        let entries = self.own();
        let mask = entries.len().checked_sub(1)?;
        let mut at = id.place(mask);
        while entries[at].id.get() != OwnerId::NONE {
            if entries[at].id.get() == id {
                return Some(entries[at].slot.get());
            }
            at = (at + 1) & mask;
        }
        None
    }

    /// Stores an entry in a free place.
    fn enter(&self, id: OwnerId, slot: NonNull<()>, owner: Weak<dyn Owner>) {
        let entries = self.own();
        let mask = entries.len() - 1;
        let mut at = id.place(mask);
        while entries[at].id.get() != OwnerId::NONE {
            at = (at + 1) & mask;
        }
        entries[at].id.set(id);
        entries[at].slot.set(slot);
        entries[at].owner.set(Some(owner));
        self.used.set(self.used.get() + 1);
    }

    /// Moves to a table with room for twice the remaining owners. Entries of dropped owners are not
    /// moved.
    fn grow(&self) {
        let living: Vec<_> = self
            .own()
            .iter()
            .filter_map(|entry| {
                let owner = entry.owner.take()?;
                (owner.strong_count() > 0).then(|| (entry.id.get(), entry.slot.get(), owner))
            })
            .collect();
        let room = ((living.len() + 1) * 2).next_power_of_two().max(4);
        self.replace((0..room).map(|_| Entry::none()).collect());
        for (id, slot, owner) in living {
            self.enter(id, slot, owner);
        }
    }

    /// Frees the table and replaces it with `new`: empty, or a power of two of at least 2.
    fn replace(&self, new: Box<[Entry]>) {
        let old = self.allocation();
        if new.is_empty() {
            self.reach.set(0);
            self.entries.set(NonNull::from_ref(&NOTHING.0));
        } else {
            self.reach.set((new.len() - 1) * size_of::<Entry>());
            self.entries.set(NonNull::from(Box::leak(new)).cast());
        }
        self.used.set(0);
        if let Some(old) = old {
            // SAFETY: this is the pointer of the box leaked here, with its length, and nobody
            // refers to it any more.
            drop(unsafe { Box::from_raw(old.as_ptr()) });
        }
    }

    /// Reports the death to every owner, then frees the table.
    fn settle(&self) {
        self.phase.set(Phase::Dying);
        // This loop runs user code, which may call back. But only `add`, which refuses in this
        // phase, and the line after the loop replace the table.
        for entry in self.own() {
            let Some(owner) = entry.owner.take() else { continue };
            // Removed before the owner learns of it, so the owner's code no longer finds this
            // entry.
            entry.id.set(OwnerId::SETTLED);
            let slot = entry.slot.get();
            contain(|| {
                if let Some(owner) = owner.upgrade() {
                    // SAFETY: this thread entered the slot together with this owner, and has just
                    // removed it.
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

/// Runs `f` and swallows a panic. The panic hook has reported it.
///
/// A panic that left the destructor of a thread-local would end the process.
pub(crate) fn contain(f: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
        // The payload may panic when it is dropped, and so may that of the second panic. A third
        // one is leaked.
        let drop_it =
            |payload: Box<dyn Any + Send>| catch_unwind(AssertUnwindSafe(|| drop(payload))).err();
        std::mem::forget(drop_it(payload).and_then(drop_it));
    }
}
