//! The reasons why a thread's value was not stored or taken.

use std::fmt;

/// Why the calling thread's value did not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Error {
    /// The calling thread is dying. Its values are being reclaimed, or were reclaimed, and new ones
    /// would not be.
    ThreadDying,
    /// The calling thread borrows the value: drop the [`Ref`](crate::Ref) first.
    Borrowed,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ThreadDying => {
                "the calling thread is dying and can hold nothing new: \
                 use the value here and now, or hand it to another thread"
            }
            Self::Borrowed => {
                "the calling thread's value is borrowed: \
                 drop the `Ref` to it before replacing or taking it"
            }
        })
    }
}

impl std::error::Error for Error {}

/// A value that was not stored, returned with the reason.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Rejected<T> {
    /// The value, untouched.
    pub value: T,
    /// Why it was not stored.
    pub error: Error,
}

impl<T> fmt::Debug for Rejected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejected").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for Rejected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<T> std::error::Error for Rejected<T> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}
