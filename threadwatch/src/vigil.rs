//! What one thread has at stake: a table from owner to slot, and the vigil whose destructor is the
//! news of the thread's death.
//!
//! The table is an open-addressed hash table with linear probing, keyed by [`OwnerId`]. Ids are
//! counted up and never used again, so their low bits spread of themselves and the entry of an
//! owner that is gone is never mistaken for another's; such entries are swept out when the table
//! grows. It sits in a thread-local that has no destructor, and can therefore be read at any time
//! in a thread's life, also while its other thread-locals are being destroyed.
//!
//! The vigil is a thread-local with nothing in it but a destructor. The first entry of a thread
//! arms it. When it goes off, the thread counts as dying: each entry is taken out of the table and
//! then told to its owner, if that still exists, with panics contained. From then on the table
//! takes no new entry, since nobody would be left to see to it.

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
///
/// A multiple of the size of an [`Entry`], so that an id, masked, is an offset into the table as it
/// stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct OwnerId(u64);

impl OwnerId {
    const STEP: u64 = size_of::<Entry>() as u64;
    const NONE: Self = Self(0);
    /// An entry that was there: probing goes on past it.
    const SETTLED: Self = Self(u64::MAX);

    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(OwnerId::STEP);
        // 2^59 owners last for eighteen years at one a nanosecond.
        Self(NEXT.fetch_add(Self::STEP, Relaxed))
    }

    /// Where in a table of `mask + 1` entries to look first.
    fn place(self, mask: usize) -> usize {
        (self.0 / Self::STEP) as usize & mask
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

/// 32 bytes on every platform; not by its alignment, which allocators make one pay for.
struct Entry {
    id: Cell<OwnerId>,
    slot: Cell<NonNull<()>>,
    owner: Cell<Option<Weak<dyn Owner>>>,
    _rest: [usize; (32 - 8) / size_of::<usize>() - 3],
}

const _: () = assert!(size_of::<Entry>() == 32);

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    /// No entry yet; the vigil is not armed.
    Unwatched,
    Watched,
    /// The vigil has gone off.
    Dying,
}

struct Table {
    /// The first of a power of two of entries: of a leaked box, or [`NOTHING`].
    entries: Cell<NonNull<Entry>>,
    /// The offset of the last of them, in bytes; zero for `NOTHING`.
    reach: Cell<usize>,
    /// Entries that are not `NONE`.
    used: Cell<usize>,
    phase: Cell<Phase>,
}

/// The table of every thread that has none of its own, so that looking something up need not ask
/// whether there is one.
struct Nothing(Entry);

// SAFETY: only its id is ever read, and nothing in it is ever written: `Table::own` passes it over.
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

/// The slot that the calling thread holds for `id`.
#[inline]
pub(crate) fn find(id: OwnerId) -> Option<NonNull<()>> {
    TABLE.with(|table| {
        let offset = id.0 as usize & table.reach.get();
        // SAFETY: the offset is a multiple of an entry's size and within the table, and nothing in
        // here replaces it.
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
    /// The thread's own entries: none at all, if it has no table of its own.
    ///
    /// The reference must not be used after `replace`.
    fn own(&self) -> &[Entry] {
        // SAFETY: `replace` frees the table, and nothing else does.
        self.allocation().map_or(&[], |entries| unsafe { entries.as_ref() })
    }

    /// The leaked box of the thread's entries, if it has a table of its own.
    ///
    /// It is made of the pointer that leaking the box gave, which alone may free it: a pointer made
    /// of a reference to the entries may not.
    fn allocation(&self) -> Option<NonNull<[Entry]>> {
        let last = self.reach.get() / size_of::<Entry>();
        (last != 0).then(|| NonNull::slice_from_raw_parts(self.entries.get(), last + 1))
    }

    /// Looks for an entry that is not in the first place for it.
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

    /// Puts an entry where there is room for one.
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

    /// Moves to a table with room for as many again as there are owners left; those that are gone
    /// stay behind.
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

    /// Frees the table and puts `new` in its place: empty, or a power of two of at least 2.
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

    /// Tells every owner of the death, then frees the table.
    fn settle(&self) {
        self.phase.set(Phase::Dying);
        // Foreign code runs in this loop, and may well call back; but what replaces the table is
        // `add`, which refuses in this phase, and the line after the loop.
        for entry in self.own() {
            let Some(owner) = entry.owner.take() else { continue };
            // Out of the table before the owner hears of it: what the owner does now finds nothing
            // of this entry.
            entry.id.set(OwnerId::SETTLED);
            let slot = entry.slot.get();
            contain(|| {
                if let Some(owner) = owner.upgrade() {
                    // SAFETY: entered by this thread together with this owner, and taken out just
                    // now.
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
