//! [`ForkGeneration`]: whether this is still the process that something was made in.
//!
//! A handler registered with `pthread_atfork` counts up one atomic in each child. Zero means that
//! it is not registered yet, and no generation has been handed out. There is deliberately no lock
//! or once-cell: if another thread were inside it at the moment of a fork, the child would find it
//! held by a thread that it does not have. Threads that race to register may register it twice; a
//! fork then counts two, which is as good as one.

use std::{
    fmt,
    num::NonZeroU64,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

static GENERATION: AtomicU64 = AtomicU64::new(0);

/// Which process this is, in a line of processes that `fork` made of each other.
///
/// A child has copies of all that its parent had: sockets that the parent still talks on, counts of
/// threads that do not exist in the child, locks that they held. What must not be used by two
/// processes notes its generation when it is made, and is left alone when that is no longer the
/// current one.
///
/// The generation changes in the child of each `fork`; the parent's stays. It does not change in
/// `vfork`, `_Fork` and a bare `clone` system call, which run no handlers; nor, of course, across
/// `exec`, where everything begins anew. Where there is no `fork`, it never changes.
///
/// The first call registers the handler, and what was made before the first call cannot be told
/// apart: ask when the thing is made.
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
    /// The generation of this process. Costs one load of an atomic. Async-signal-safe after the
    /// first call.
    #[inline]
    pub fn current() -> Self {
        // Relaxed: it changes only in a child that has but one thread, before `fork` returns in it.
        match NonZeroU64::new(GENERATION.load(Relaxed)) {
            Some(generation) => check(Self(generation)),
            None => begin(),
        }
    }

    /// The generation as a number, to be kept in an atomic. Never zero, and greater in a child than
    /// in its parent; two children of one parent have the same.
    #[inline]
    pub fn get(self) -> u64 {
        self.0.get()
    }

    /// Whether this process is the one that it was taken in.
    #[inline]
    pub fn is_current(self) -> bool {
        self == Self::current()
    }
}

#[cold]
fn begin() -> ForkGeneration {
    register();
    // Loses to another thread, or to the handler in a child made just now: either has set it, and
    // it is not zero.
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

    /// The process id to compare with, if the handler could not be registered; else zero.
    static FALLBACK: AtomicI32 = AtomicI32::new(0);

    pub(super) fn register() {
        extern "C" fn child() {
            GENERATION.fetch_add(1, Relaxed);
        }
        // SAFETY: the handler is a plain function that adds to a static atomic, which is
        // async-signal-safe.
        let refused = unsafe { libc::pthread_atfork(None, None, Some(child)) } != 0;
        if refused {
            FALLBACK.store(pid(), Relaxed);
        }
    }

    /// Without a handler (there was no memory for it), a change of the process id is what tells.
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
        // SAFETY: always successful, no arguments.
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
