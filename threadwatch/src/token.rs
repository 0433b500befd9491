//! [`ThreadToken`]: a thread identity that is never reused.
//!
//! Tokens are counted up from one, and a thread gets its token at its first call. It keeps the
//! token in a thread-local without a destructor. So it has the same token until its very end, also
//! in the destructors that run while it dies.

use std::{
    cell::Cell,
    fmt,
    num::NonZeroU64,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Identifies a thread. No other thread of this process ever has the same token.
///
/// The operating system reuses the id of a dead thread. Then a new thread is mistaken for the dead
/// one, and gets what that one left behind. Tokens are not reused. They are 64 bits wide, so they
/// do not wrap around.
///
/// Tokens work on all threads, whether Rust or C started them, and at any time in a thread's life,
/// also in destructors of thread-locals. After `fork` the surviving thread keeps its token. Compare
/// tokens only within one process.
///
/// # Examples
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
    ///
    /// # Examples
    ///
    /// ```
    /// use threadwatch::ThreadToken;
    ///
    /// assert_eq!(ThreadToken::current(), ThreadToken::current());
    /// ```
    #[doc(alias = "ThreadId")]
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
    ///
    /// # Examples
    ///
    /// ```
    /// let number = threadwatch::ThreadToken::current().get();
    /// assert_ne!(number, 0);
    /// ```
    pub const fn get(self) -> u64 {
        self.0.get()
    }

    #[cold]
    fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        // At one per nanosecond, 2^64 tokens last 584 years, so `MIN` is never used here.
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
