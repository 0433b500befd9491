//! [`ThreadToken`]: an identity that is never recycled.
//!
//! Tokens are counted up from one and handed out at the first question. A thread keeps its token in
//! a thread-local without a destructor, so that it has the same one to its very end, also in the
//! destructors that run as it dies.

use std::{
    cell::Cell,
    fmt,
    num::NonZeroU64,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Which thread: an identity that no other thread of this process ever has, before or after.
///
/// The operating system gives the id of a dead thread to the next one it starts, which is how a new
/// thread comes to be taken for a dead one and inherits what that one left. A token does not come
/// back. It is 64 bits wide, so it does not wrap around.
///
/// It works on any thread, whoever started it, and at any time in the thread's life, also in the
/// destructors of thread-locals. Across `fork` the surviving thread keeps its token; tokens are
/// compared within one process.
///
/// ```
/// use threadwatch::ThreadToken;
///
/// let here = ThreadToken::current();
/// let there = std::thread::spawn(ThreadToken::current).join().unwrap();
/// assert_eq!(here, ThreadToken::current());
/// assert_ne!(here, there);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThreadToken(NonZeroU64);

impl ThreadToken {
    /// The token of the calling thread.
    #[inline]
    pub fn current() -> Self {
        thread_local! {
            static TOKEN: Cell<Option<ThreadToken>> = const { Cell::new(None) };
        }
        TOKEN.with(|token| {
            token.get().unwrap_or_else(|| {
                let new = Self::next();
                token.set(Some(new));
                new
            })
        })
    }

    /// The token as a number, for logs. Never zero.
    pub const fn get(self) -> u64 {
        self.0.get()
    }

    #[cold]
    fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        // At one a nanosecond, 2^64 take 584 years; `MIN` is never reached.
        Self(NonZeroU64::new(LAST.fetch_add(1, Relaxed) + 1).unwrap_or(NonZeroU64::MIN))
    }
}

impl fmt::Debug for ThreadToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ThreadToken({})", self.0)
    }
}

impl fmt::Display for ThreadToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
