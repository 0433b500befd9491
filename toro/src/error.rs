//! The ways in which a wait or an attempt can fail. Each error is small, and gives back what it was
//! given.

use std::error::Error;
use std::fmt;

/// The wait's deadline passed, or the future it was bounded by was ready first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timeout;

/// The queue or semaphore has been closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Closed;

/// Why a bounded wait on something that can be closed gave nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum WaitError {
    /// The deadline passed first.
    Timeout,
    /// It was closed, and nothing is left in it.
    Closed,
}

impl WaitError {
    /// Whether the deadline passed.
    pub const fn is_timeout(&self) -> bool {
        matches!(self, WaitError::Timeout)
    }

    /// Whether it was closed.
    pub const fn is_closed(&self) -> bool {
        matches!(self, WaitError::Closed)
    }
}

impl From<Timeout> for WaitError {
    fn from(_: Timeout) -> Self {
        WaitError::Timeout
    }
}

impl From<Closed> for WaitError {
    fn from(_: Closed) -> Self {
        WaitError::Closed
    }
}

/// Why an item was not put; it comes back with the error, and was never in the queue.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PutError<T> {
    /// The queue is closed.
    Closed(T),
    /// The deadline passed before there was room. Only a bounded wait fails so.
    Timeout(T),
}

impl<T> PutError<T> {
    /// The item.
    pub fn into_inner(self) -> T {
        match self {
            PutError::Closed(item) | PutError::Timeout(item) => item,
        }
    }

    /// Whether the queue is closed.
    pub const fn is_closed(&self) -> bool {
        matches!(self, PutError::Closed(_))
    }

    /// Whether the deadline passed.
    pub const fn is_timeout(&self) -> bool {
        matches!(self, PutError::Timeout(_))
    }
}

/// Why an item was not put at once; it comes back with the error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TryPutError<T> {
    /// The queue is full, or others have been waiting longer to put into it.
    Full(T),
    /// The queue is closed.
    Closed(T),
}

impl<T> TryPutError<T> {
    /// The item.
    pub fn into_inner(self) -> T {
        match self {
            TryPutError::Full(item) | TryPutError::Closed(item) => item,
        }
    }
}

/// Why there was no item at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TryGetError {
    /// The queue is empty, or all that is in it belongs to those who have been waiting longer.
    Empty,
    /// The queue is closed and empty.
    Closed,
}

/// Why there was no permit at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TryAcquireError {
    /// Too few permits are left, or others have been waiting longer for them.
    NoPermits,
    /// The semaphore is closed.
    Closed,
}

/// The semaphore would hold more than [`Semaphore::MAX_PERMITS`](crate::Semaphore::MAX_PERMITS)
/// permits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooManyPermits;

/// `task_done` was called more often than items were put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooManyDone;

/// The result had been set before; the new value comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AlreadySet<T>(pub T);

/// The wait to write expired; the upgradable guard comes back.
pub struct NotUpgraded<G>(pub G);

/// More permits were released than a [`BoundedSemaphore`](crate::BoundedSemaphore) is bounded by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BeyondBound;

macro_rules! messages {
    ($($error:ident $(<$item:ident>)?: $($pattern:pat => $message:literal),+;)+) => {$(
        impl $(<$item>)? fmt::Display for $error $(<$item>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $($pattern => $message),+ })
            }
        }
        impl $(<$item>)? Error for $error $(<$item>)? $(where $error<$item>: fmt::Debug)? {}
    )+};
}

messages! {
    Timeout: _ => "the wait timed out";
    Closed: _ => "closed";
    WaitError: WaitError::Timeout => "the wait timed out", WaitError::Closed => "closed";
    PutError<T>: PutError::Closed(_) => "the item was not put: the queue is closed",
        PutError::Timeout(_) => "the item was not put: the wait for room in the queue timed out";
    TryPutError<T>: TryPutError::Full(_) => "the item was not put: the queue is full",
        TryPutError::Closed(_) => "the item was not put: the queue is closed";
    TryGetError: TryGetError::Empty => "the queue is empty", TryGetError::Closed => "the queue is closed and empty";
    TryAcquireError: TryAcquireError::NoPermits => "no permits are available",
        TryAcquireError::Closed => "the semaphore is closed";
    TooManyPermits: _ => "the semaphore would hold more than Semaphore::MAX_PERMITS permits";
    TooManyDone: _ => "task_done was called more often than items were put";
    AlreadySet<T>: _ => "the result was not set: it had been set before";
    NotUpgraded<G>: _ => "the wait to upgrade a read lock timed out";
    BeyondBound: _ => "more permits were released than the semaphore is bounded by";
}

/// The item is left out, so that any item can be put and any error unwrapped.
macro_rules! debug_without_item {
    ($($error:ident: $($variant:ident)+;)+) => {$(
        impl<T> fmt::Debug for $error<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $($error::$variant(_) => concat!(stringify!($variant), "(..)")),+ })
            }
        }
    )+};
    ($($error:ident;)+) => {$(
        impl<T> fmt::Debug for $error<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($error), "(..)"))
            }
        }
    )+};
}

debug_without_item! {
    AlreadySet;
    NotUpgraded;
}

debug_without_item! {
    PutError: Closed Timeout;
    TryPutError: Full Closed;
}
