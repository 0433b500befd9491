//! [`PerThread`]: one value per thread and owner. It goes to `reclaim` when its thread dies.
//!
//! An owner consists of an id and a shared part: the slots and the `reclaim` function. A thread
//! finds its slot in its own table ([`vigil`](crate::vigil)) by the id, without a lock or an atomic
//! read-modify-write. The table holds the shared part weakly, so a thread that dies after the owner
//! finds nothing to do. Dropping the owner closes the slots. That drops all remaining values, on
//! the thread that drops the owner.
//!
//! The following could go wrong, and this is why it does not:
//!
//! - *Another thread reads the value.* `get` finds only slots that the calling thread entered in
//!   its own table, and [`Ref`] is neither `Send` nor `Sync`. A `&T` made from it reaches other
//!   threads only if `T: Sync`, and does not outlive the `Ref`.
//! - *The value goes away while a `Ref` to it lives.* Borrows are counted, and `insert` and `take`
//!   refuse while there is one. So does the vigil. (A `Ref` may be in a thread-local that is
//!   destroyed later, and `exit` runs the vigil while the caller's frames still exist.) Then the
//!   last `Ref` reclaims the value when it is dropped. A leaked `Ref` keeps the value until the
//!   owner goes away. The owner cannot go first, because a `Ref` borrows it.
//! - *The slot goes away while the table points to it.* Slots live as long as the shared part. The
//!   table's pointer is followed only while the shared part is held: by the owner, or by a dying
//!   thread that has upgraded its weak reference.
//! - *The dying thread and the owner both take the value.* The state of the slot decides; see
//!   [`slots`](crate::slots).
//! - *A value made on one thread is dropped on another.* Hence `T: Send`. No two threads access it
//!   at once, so `T: Sync` is not required.

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

/// One value of type `T` per thread, read without a lock. When a thread dies, its value goes to a
/// `reclaim` function.
///
/// `thread_local!` gives every thread a value, but only one for the whole program. When the thread
/// dies, the value is just dropped. A `PerThread` belongs to an owner, for example a connection
/// pool, and there can be many owners. When a thread dies, its value returns to that owner.
///
/// - `reclaim` runs on the dying thread, once per value that the thread did not
///   [`take`](Self::take). It has run when `JoinHandle::join` returns. A panic in it goes no
///   further.
/// - Dropping the `PerThread` drops the values of all threads, on the thread that drops it. Threads
///   that die later find nothing to do, and threads do not keep it alive. A `reclaim` that already
///   runs on a dying thread may end a little after the drop.
/// - If a thread dies while a [`Ref`] is alive (in another thread-local), the value is reclaimed
///   when the last `Ref` is dropped. If the `Ref` was leaked, the value stays until the owner goes
///   away.
/// - In a child made by `fork`, the values of threads that do not exist there stay until the owner
///   goes away. See [`ForkGeneration`](crate::ForkGeneration).
///
/// # Examples
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
#[doc(alias("ThreadLocal", "thread_local"))]
pub struct PerThread<T: Send + 'static> {
    id: OwnerId,
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    slots: Slots<T>,
    reclaim: Box<dyn Fn(T) + Send + Sync>,
}

impl<T: Send + 'static> PerThread<T> {
    /// Creates an owner without values. `reclaim` gets the value of each thread that dies.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use threadwatch::PerThread;
    ///
    /// let (sender, reclaimed) = mpsc::channel();
    /// let numbers = PerThread::new(move |number| sender.send(number).unwrap());
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| numbers.insert(42).unwrap()).join().unwrap();
    /// });
    /// assert_eq!(reclaimed.recv(), Ok(42));
    /// ```
    pub fn new(reclaim: impl Fn(T) + Send + Sync + 'static) -> Self {
        let shared = Shared { slots: Slots::new(), reclaim: Box::new(reclaim) };
        Self { id: OwnerId::next(), shared: Arc::new(shared) }
    }

    /// Like [`new`](Self::new), for a `reclaim` that needs the owner. The owner is held weakly: if
    /// it is gone when a thread dies, that thread's value is dropped.
    ///
    /// Use it with `Arc::new_cyclic`, where the `PerThread` is a field of its owner.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::{Arc, atomic::{AtomicU32, Ordering::Relaxed}};
    /// use threadwatch::PerThread;
    ///
    /// struct Sum {
    ///     total: AtomicU32,
    ///     numbers: PerThread<u32>,
    /// }
    ///
    /// let sum = Arc::new_cyclic(|sum| Sum {
    ///     total: AtomicU32::new(0),
    ///     numbers: PerThread::owned_by(sum.clone(), |sum: &Arc<Sum>, number| {
    ///         sum.total.fetch_add(number, Relaxed);
    ///     }),
    /// });
    /// let thread = std::thread::spawn({
    ///     let sum = sum.clone();
    ///     move || sum.numbers.insert(42).unwrap()
    /// });
    /// thread.join().unwrap();
    /// assert_eq!(sum.total.load(Relaxed), 42);
    /// ```
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
    /// Takes one or two processor cycles more than an access to a `thread_local!`.
    ///
    /// # Examples
    ///
    /// ```
    /// let numbers = threadwatch::PerThread::new(|_: u32| {});
    /// assert!(numbers.get().is_none());
    /// numbers.insert(42)?;
    /// assert_eq!(*numbers.get().unwrap(), 42);
    /// # Ok::<(), threadwatch::Rejected<u32>>(())
    /// ```
    #[inline]
    pub fn get(&self) -> Option<Ref<'_, T>> {
        let slot = self.slot()?;
        // SAFETY: the slot was found in the calling thread's table.
        let full = unsafe { slot.borrow() };
        // Not `then_some`: it would create a `Ref` in any case, whose destructor would end a borrow
        // that never began.
        full.then(|| Ref { owner: self, slot, not_send: PhantomData })
    }

    /// The calling thread's value. If there is none, `make` makes it.
    ///
    /// # Errors
    ///
    /// [`Error::ThreadDying`] if there is none and the thread is dying. Then `make` is not called.
    ///
    /// # Examples
    ///
    /// ```
    /// let numbers = threadwatch::PerThread::new(|_: u32| {});
    /// assert_eq!(*numbers.get_or_insert_with(|| 42)?, 42);
    /// # Ok::<(), threadwatch::Error>(())
    /// ```
    #[doc(alias = "get_or")]
    pub fn get_or_insert_with(&self, make: impl FnOnce() -> T) -> Result<Ref<'_, T>, Error> {
        if let Some(value) = self.get() {
            return Ok(value);
        }
        if self.slot().is_none() {
            vigil::alive()?;
        }
        let value = make();
        // If `make` inserted a value itself, that one stays.
        if self.get().is_none() {
            self.insert(value).map_err(|rejected| rejected.error)?;
        }
        self.get().ok_or(Error::ThreadDying)
    }

    /// Sets the calling thread's value, and returns the previous one.
    ///
    /// A thread's first insert claims a slot, which may allocate. If other threads take slots and
    /// die at the same time, it searches all slots for a free one.
    ///
    /// # Errors
    ///
    /// Returns the value with [`Error::Borrowed`] if the thread has a [`Ref`] to the old one.
    /// Returns it with [`Error::ThreadDying`] if the thread's death has been noticed, because it
    /// would not be reclaimed.
    ///
    /// # Examples
    ///
    /// ```
    /// let numbers = threadwatch::PerThread::new(|_: u32| {});
    /// assert_eq!(numbers.insert(1)?, None);
    /// assert_eq!(numbers.insert(2)?, Some(1));
    /// # Ok::<(), threadwatch::Rejected<u32>>(())
    /// ```
    pub fn insert(&self, value: T) -> Result<Option<T>, Rejected<T>> {
        let slot = match self.slot() {
            Some(slot) => slot,
            None => match self.claim() {
                Ok(slot) => slot,
                Err(Dying) => return Err(Rejected { value, error: Error::ThreadDying }),
            },
        };
        // SAFETY: the calling thread holds the slot, and `&self` prevents the closing of the owner.
        // After `take` the slot is not full, as `fill` requires.
        unsafe {
            if slot.is_borrowed() {
                return Err(Rejected { value, error: Error::Borrowed });
            }
            let old = slot.take();
            slot.fill(value);
            Ok(old)
        }
    }

    /// Takes the calling thread's value, so its death reclaims nothing. Returns `None` if it has
    /// none.
    ///
    /// # Errors
    ///
    /// [`Error::Borrowed`] if the thread has a [`Ref`] to it.
    ///
    /// # Examples
    ///
    /// ```
    /// let numbers = threadwatch::PerThread::new(|_: u32| {});
    /// numbers.insert(42).unwrap();
    /// assert_eq!(numbers.take()?, Some(42));
    /// # Ok::<(), threadwatch::Error>(())
    /// ```
    pub fn take(&self) -> Result<Option<T>, Error> {
        let Some(slot) = self.slot() else { return Ok(None) };
        // SAFETY: the calling thread holds the slot, and `&self` prevents the closing of the owner.
        unsafe { if slot.is_borrowed() { Err(Error::Borrowed) } else { Ok(slot.take()) } }
    }

    /// The number of threads that have a value at this moment. Visits all slots.
    ///
    /// # Examples
    ///
    /// ```
    /// let numbers = threadwatch::PerThread::new(|_: u32| {});
    /// numbers.insert(42)?;
    /// assert_eq!(numbers.len(), 1);
    /// # Ok::<(), threadwatch::Rejected<u32>>(())
    /// ```
    pub fn len(&self) -> usize {
        self.shared.slots.full()
    }

    /// Whether no thread has a value at this moment. Visits all slots.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(threadwatch::PerThread::new(|_: u32| {}).is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    fn slot(&self) -> Option<&Slot<T>> {
        // SAFETY: only `claim` enters this id. Its `Slot<T>` lives as long as the shared part,
        // which `self` keeps alive.
        vigil::find(self.id).map(|slot| unsafe { slot.cast().as_ref() })
    }

    fn claim(&self) -> Result<&Slot<T>, Dying> {
        vigil::alive()?;
        let slot = self.shared.slots.claim();
        let owner: Weak<Shared<T>> = Arc::downgrade(&self.shared);
        let entered = vigil::add(self.id, slot.cast(), owner);
        // SAFETY: slots live as long as the shared part, which `self` keeps alive.
        let slot = unsafe { slot.as_ref() };
        if let Err(dying) = entered {
            // SAFETY: this thread has just claimed the slot, and no table contains it.
            unsafe { self.shared.slots.vacate(slot) };
            return Err(dying);
        }
        Ok(slot)
    }
}

impl<T: Send + 'static> Owner for Shared<T> {
    unsafe fn thread_died(&self, slot: NonNull<()>) {
        // SAFETY: the caller entered this slot for this owner, so it is one of ours and lives as
        // long as `self`.
        let slot = unsafe { slot.cast::<Slot<T>>().as_ref() };
        // SAFETY: the caller holds the slot, and has removed it from its table.
        if let Vacated::Value(value) = unsafe { self.slots.vacate(slot) } {
            (self.reclaim)(value);
        }
    }
}

impl<T: Send + 'static> Drop for PerThread<T> {
    fn drop(&mut self) {
        // SAFETY: `&mut self`, and no calls follow. Only `thread_died` may still run, and it calls
        // `vacate`.
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

/// The calling thread's value of a [`PerThread`]. While it is alive, the value is not replaced,
/// taken or reclaimed.
///
/// A `Ref` stays on its thread:
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
        // SAFETY: this `Ref` is a counted borrow, and outlives the reference.
        unsafe { self.slot.value() }
    }
}

impl<T: Send + 'static> Drop for Ref<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: this thread counted the borrow when it made this `Ref`.
        if unsafe { self.slot.release() } {
            self.reclaim();
        }
    }
}

impl<T: Send + 'static> Ref<'_, T> {
    #[cold]
    fn reclaim(&self) {
        // SAFETY: the vigil of this thread has removed the slot from the table, and left it to the
        // last borrow, which is this one.
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
