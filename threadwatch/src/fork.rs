//! [`ForkGeneration`]: tells whether an object was made in this process or in its parent.
//!
//! A handler registered with `pthread_atfork` increments an atomic in each child. Zero means that
//! the handler is not registered yet and that no generation has been handed out. There is
//! deliberately no lock or once-cell. If another thread were inside it during a fork, the child
//! would find it locked by a thread that it does not have. Threads that race may register the
//! handler twice. Then a fork counts two, which does no harm.

use std::{
    fmt,
    num::NonZeroU64,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

static GENERATION: AtomicU64 = AtomicU64::new(0);

/// Identifies a process in a chain of processes made by `fork`.
///
/// A child has copies of everything that its parent had: sockets that the parent still uses, counts
/// of threads that do not exist in the child, locks that those threads held. An object that two
/// processes must not share stores the generation in which it was made. Later it compares that with
/// the current one.
///
/// The generation changes in the child of each `fork`, not in the parent. It does not change in
/// `vfork`, `_Fork` or a bare `clone` system call, because they run no handlers. It does not
/// survive `exec`. On systems without `fork` it never changes.
///
/// The first call registers the handler. Forks before the first call go unnoticed, so call it when
/// the object is made.
///
/// # Examples
///
/// ```
/// use threadwatch::ForkGeneration;
///
/// let made_in = ForkGeneration::current();
/// assert!(made_in.is_current());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ForkGeneration(NonZeroU64);

impl ForkGeneration {
    /// The generation of this process. Costs one atomic load. Async-signal-safe after the first
    /// call.
    ///
    /// # Examples
    ///
    /// ```
    /// use threadwatch::ForkGeneration;
    ///
    /// assert_eq!(ForkGeneration::current(), ForkGeneration::current());
    /// ```
    #[inline]
    pub fn current() -> Self {
        // Relaxed: it changes only in a child with a single thread, before `fork` returns there.
        match NonZeroU64::new(GENERATION.load(Relaxed)) {
            Some(generation) => check(Self(generation)),
            None => begin(),
        }
    }

    /// The generation as a number, to be kept in an atomic. Never zero. A child's number is greater
    /// than its parent's; two children of one parent have the same.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_ne!(threadwatch::ForkGeneration::current().get(), 0);
    /// ```
    #[inline]
    pub fn get(self) -> u64 {
        self.0.get()
    }

    /// Whether this is the process in which the generation was read.
    ///
    /// # Examples
    ///
    /// ```
    /// let generation = threadwatch::ForkGeneration::current();
    /// assert!(generation.is_current());
    /// ```
    #[inline]
    pub fn is_current(self) -> bool {
        self == Self::current()
    }
}

#[cold]
fn begin() -> ForkGeneration {
    register();
    // May lose to another thread, or to the handler in a new child. Both have set a value that is
    // not zero.
    let seen = match GENERATION.compare_exchange(0, 1, Relaxed, Relaxed) {
        Ok(_) => 1,
        Err(seen) => seen,
    };
    ForkGeneration(NonZeroU64::new(seen).unwrap_or(NonZeroU64::MIN))
}

#[cfg(unix)]
mod unix {
    use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

    use super::{ForkGeneration, GENERATION};

    /// The process id to compare with if the handler could not be registered, otherwise zero.
    static FALLBACK: AtomicI32 = AtomicI32::new(0);

    pub(super) fn register() {
        extern "C" fn child() {
            GENERATION.fetch_add(1, Relaxed);
        }
        // SAFETY: the handler only increments a static atomic, which is async-signal-safe.
        let refused = unsafe { libc::pthread_atfork(None, None, Some(child)) } != 0;
        if refused {
            FALLBACK.store(pid(), Relaxed);
        }
    }

    /// Without a handler (for lack of memory), a changed process id reveals a fork.
    #[inline]
    pub(super) fn check(seen: ForkGeneration) -> ForkGeneration {
        if FALLBACK.load(Relaxed) == 0 { seen } else { by_process_id() }
    }

    #[cold]
    fn by_process_id() -> ForkGeneration {
        let pid = pid();
        if FALLBACK.swap(pid, Relaxed) != pid {
            GENERATION.fetch_add(1, Relaxed);
        }
        ForkGeneration(
            std::num::NonZeroU64::new(GENERATION.load(Relaxed))
                .unwrap_or(std::num::NonZeroU64::MIN),
        )
    }

    fn pid() -> libc::pid_t {
        // SAFETY: takes no arguments and always succeeds.
        unsafe { libc::getpid() }
    }
}
#[cfg(unix)]
use unix::{check, register};

#[cfg(not(unix))]
fn register() {}

#[cfg(not(unix))]
fn check(seen: ForkGeneration) -> ForkGeneration {
    seen
}

impl fmt::Debug for ForkGeneration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ForkGeneration({})", self.0)
    }
}
