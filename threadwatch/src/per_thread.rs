//! [`PerThread`]: one value per thread and owner, which goes to `reclaim` when its thread dies.
//!
//! An owner is an id and a shared part: the slots and the `reclaim` function. A thread finds its
//! slot in its own table ([`vigil`](crate::vigil)), by the id, without a lock or an atomic
//! read-modify-write. The table holds the shared part weakly: a thread that dies after the owner
//! finds nothing to do. Dropping the owner closes the slots, which drops every value still there,
//! on the thread that drops the owner.
//!
//! Why this is sound, in the order in which it could go wrong:
//!
//! - *Another thread reads the value.* `get` finds only slots that the calling thread entered in
//!   its own table, and [`Ref`] is neither `Send` nor `Sync`. A `&T` got from it reaches other
//!   threads only if `T: Sync`, and not longer than the `Ref` lives.
//! - *The value goes while a `Ref` to it lives.* Borrows are counted. `insert` and `take` refuse
//!   while one is out. So does the vigil (a `Ref` may be kept in a thread-local that is destroyed
//!   later, and `exit` runs the vigil with all of the caller's frames still there): then the last
//!   `Ref` to be dropped reclaims the value, and a leaked one keeps it until the owner goes. The
//!   owner cannot go first, because a `Ref` borrows it.
//! - *The slot goes while the table points to it.* Slots live as long as the shared part, and the
//!   table's pointer is followed only by someone who has the shared part in hand: the owner, or a
//!   dying thread that has upgraded its weak reference.
//! - *The dying thread and the owner both take the value.* The state of the slot decides; see
//!   [`slots`](crate::slots).
//! - *A value made on one thread is dropped on another.* Hence `T: Send`. No two threads see it at
//!   once, so `T: Sync` is not asked for.

use std::{
    fmt,
    marker::PhantomData,
    ops::Deref,
    ptr::NonNull,
    sync::{Arc, Weak},
};

use crate::{
    Error, Rejected,
    slots::{Slot, Slots, Vacated},
    vigil::{self, Dying, Owner, OwnerId},
};

/// One value of type `T` for each thread, read without a lock, which goes to a `reclaim` function
/// when its thread dies.
///
/// `thread_local!` gives every thread a value, but only one for the whole program, and what becomes
/// of it when the thread dies is the value's own affair. A `PerThread` belongs to an owner, such as
/// a connection pool, of which there can be many; and when a thread dies, its value comes back to
/// that owner.
///
/// - `reclaim` runs on the dying thread, once per value that its thread did not
///   [`take`](Self::take) before. When `JoinHandle::join` returns, it has run. A panic in it is
///   contained.
/// - Dropping the `PerThread` drops the values of all threads, on the thread that drops it, and
///   threads that die later find nothing to do. Threads hold it weakly: they do not keep it alive.
///   A `reclaim` that is already running on a dying thread may end a little later than the drop.
/// - A thread that dies with a [`Ref`] still alive (kept in another thread-local) reclaims when the
///   last `Ref` is dropped; if it was leaked, the value stays until the owner goes.
/// - In a child made by `fork`, the values of threads that do not exist there stay until the owner
///   goes. See [`ForkGeneration`](crate::ForkGeneration).
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use threadwatch::PerThread;
///
/// struct Pool {
///     idle: Mutex<Vec<String>>,
///     pinned: PerThread<String>,
/// }
///
/// let pool = Arc::new_cyclic(|pool| Pool {
///     idle: Mutex::new(vec!["connection 1".into()]),
///     pinned: PerThread::owned_by(pool.clone(), |pool: &Arc<Pool>, connection| {
///         pool.idle.lock().unwrap().push(connection);
///     }),
/// });
///
/// std::thread::spawn({
///     let pool = pool.clone();
///     move || {
///         let connection = pool.idle.lock().unwrap().pop().unwrap();
///         pool.pinned.insert(connection).unwrap();
///         assert_eq!(&*pool.pinned.get().unwrap(), "connection 1");
///         // The thread dies without giving it back.
///     }
/// })
/// .join()
/// .unwrap();
///
/// assert_eq!(*pool.idle.lock().unwrap(), ["connection 1"]);
/// ```
pub struct PerThread<T: Send + 'static> {
    id: OwnerId,
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    slots: Slots<T>,
    reclaim: Box<dyn Fn(T) + Send + Sync>,
}

impl<T: Send + 'static> PerThread<T> {
    /// No thread has a value yet. `reclaim` will be given the value of each thread that dies.
    pub fn new(reclaim: impl Fn(T) + Send + Sync + 'static) -> Self {
        let shared = Shared { slots: Slots::new(), reclaim: Box::new(reclaim) };
        Self { id: OwnerId::next(), shared: Arc::new(shared) }
    }

    /// As [`new`](Self::new), for a `reclaim` that needs the owner, which is held weakly: if the
    /// owner is gone when a thread dies, that thread's value is dropped.
    ///
    /// Made for `Arc::new_cyclic`, where the `PerThread` is a field of its owner.
    pub fn owned_by<O: Send + Sync + 'static>(
        owner: Weak<O>,
        reclaim: impl Fn(&Arc<O>, T) + Send + Sync + 'static,
    ) -> Self {
        Self::new(move |value| {
            if let Some(owner) = owner.upgrade() {
                reclaim(&owner, value);
            }
        })
    }

    /// The calling thread's value, or `None` if it has none.
    ///
    /// Costs about as much as an access to a `thread_local!`.
    #[inline]
    pub fn get(&self) -> Option<Ref<'_, T>> {
        let slot = self.slot()?;
        // SAFETY: the slot was found in the calling thread's table.
        let full = unsafe { slot.borrow() };
        // Not `then_some`: the destructor of a `Ref` that is made and not wanted would count out
        // what was not counted in.
        full.then(|| Ref { owner: self, slot, not_send: PhantomData })
    }

    /// The calling thread's value, made by `make` if there is none.
    ///
    /// # Errors
    /// [`Error::ThreadDying`] if there is none and the thread can hold nothing new; `make` is then
    /// not called.
    pub fn get_or_insert_with(&self, make: impl FnOnce() -> T) -> Result<Ref<'_, T>, Error> {
        if let Some(value) = self.get() {
            return Ok(value);
        }
        if self.slot().is_none() {
            vigil::alive()?;
        }
        let value = make();
        // `make` may have inserted one itself: that one stays.
        if self.get().is_none() {
            self.insert(value).map_err(|rejected| rejected.error)?;
        }
        self.get().ok_or(Error::ThreadDying)
    }

    /// Gives the calling thread a value, and returns the one that it had.
    ///
    /// A thread's first insert claims a slot, which may allocate; when others are taking slots and
    /// dying at the same time, it looks for one of theirs among all the slots there are.
    ///
    /// # Errors
    /// Gives the value back with [`Error::Borrowed`] if the thread has a [`Ref`] to the old one, or
    /// with [`Error::ThreadDying`] if the thread's death has been noticed: the value would not
    /// be reclaimed.
    pub fn insert(&self, value: T) -> Result<Option<T>, Rejected<T>> {
        let slot = match self.slot() {
            Some(slot) => slot,
            None => match self.claim() {
                Ok(slot) => slot,
                Err(Dying) => return Err(Rejected { value, error: Error::ThreadDying }),
            },
        };
        // SAFETY: the calling thread holds the slot, and `&self` keeps the owner from being closed.
        // `fill` finds the slot not full, after `take`.
        unsafe {
            if slot.is_borrowed() {
                return Err(Rejected { value, error: Error::Borrowed });
            }
            let old = slot.take();
            slot.fill(value);
            Ok(old)
        }
    }

    /// Takes the calling thread's value away from it: its death is then none of this owner's
    /// business. `None` if it has none.
    ///
    /// # Errors
    /// [`Error::Borrowed`] if the thread has a [`Ref`] to it.
    pub fn take(&self) -> Result<Option<T>, Error> {
        let Some(slot) = self.slot() else { return Ok(None) };
        // SAFETY: the calling thread holds the slot, and `&self` keeps the owner from being closed.
        unsafe { if slot.is_borrowed() { Err(Error::Borrowed) } else { Ok(slot.take()) } }
    }

    /// How many threads have a value at this moment. Walks over all slots.
    pub fn len(&self) -> usize {
        self.shared.slots.full()
    }

    /// Whether no thread has a value at this moment. Walks over all slots.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    fn slot(&self) -> Option<&Slot<T>> {
        // SAFETY: only `claim` enters this id, with a `Slot<T>` that lives as long as the shared
        // part, which `self` keeps.
        vigil::find(self.id).map(|slot| unsafe { slot.cast().as_ref() })
    }

    fn claim(&self) -> Result<&Slot<T>, Dying> {
        vigil::alive()?;
        let slot = self.shared.slots.claim();
        let owner: Weak<Shared<T>> = Arc::downgrade(&self.shared);
        let entered = vigil::add(self.id, slot.cast(), owner);
        // SAFETY: slots live as long as the shared part, which `self` keeps.
        let slot = unsafe { slot.as_ref() };
        if let Err(dying) = entered {
            // SAFETY: claimed just now by this thread, and in no table.
            unsafe { self.shared.slots.vacate(slot) };
            return Err(dying);
        }
        Ok(slot)
    }
}

impl<T: Send + 'static> Owner for Shared<T> {
    unsafe fn thread_died(&self, slot: NonNull<()>) {
        // SAFETY: the caller entered this slot for this owner, so it is one of ours, and not freed
        // before `self`.
        let slot = unsafe { slot.cast::<Slot<T>>().as_ref() };
        // SAFETY: the caller holds the slot, and has taken it out of its table.
        if let Vacated::Value(value) = unsafe { self.slots.vacate(slot) } {
            (self.reclaim)(value);
        }
    }
}

impl<T: Send + 'static> Drop for PerThread<T> {
    fn drop(&mut self) {
        // SAFETY: `&mut self`, and no more calls after this: what may still run is `thread_died`,
        // hence `vacate`.
        unsafe { self.shared.slots.close(drop) };
    }
}

impl<T: Send + fmt::Debug + 'static> fmt::Debug for PerThread<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let here = self.get();
        f.debug_struct("PerThread")
            .field("here", &here.as_deref())
            .field("len", &self.len())
            .finish()
    }
}

impl From<Dying> for Error {
    fn from(_: Dying) -> Self {
        Self::ThreadDying
    }
}

/// The calling thread's value of a [`PerThread`]. While it is alive, the value is neither replaced
/// nor taken nor reclaimed.
///
/// It stays on its thread:
///
/// ```compile_fail,E0277
/// # use threadwatch::PerThread;
/// let numbers = PerThread::<u32>::new(|_| {});
/// let here = numbers.get();
/// std::thread::scope(|s| s.spawn(|| drop(here)));
/// ```
pub struct Ref<'a, T: Send + 'static> {
    owner: &'a PerThread<T>,
    slot: &'a Slot<T>,
    not_send: PhantomData<*const ()>,
}

impl<T: Send + 'static> Deref for Ref<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this `Ref` is a borrow counted in, and outlives the reference.
        unsafe { self.slot.value() }
    }
}

impl<T: Send + 'static> Drop for Ref<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: counted in when this `Ref` was made, on this thread.
        if unsafe { self.slot.release() } {
            self.reclaim();
        }
    }
}

impl<T: Send + 'static> Ref<'_, T> {
    #[cold]
    fn reclaim(&self) {
        // SAFETY: the vigil of this thread has taken the slot out of the table, and left it to the
        // last borrow, which is this.
        vigil::contain(|| unsafe {
            self.owner.shared.thread_died(NonNull::from(self.slot).cast())
        });
    }
}

impl<T: Send + fmt::Debug + 'static> fmt::Debug for Ref<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: Send + fmt::Display + 'static> fmt::Display for Ref<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
