//! The ways in which a wait or an attempt can fail. Errors are small, and return the item that they
//! concern.

use std::error::Error;
use std::fmt;

/// The wait's deadline passed, or the other future of [`Wait::until`](crate::Wait::until) was ready
/// first.
#[doc(alias("Elapsed", "TimeoutError"))]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timeout;

/// The queue or semaphore is closed.
#[doc(alias("RecvError", "AcquireError"))]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Closed;

/// Why a wait with a time limit failed, on a primitive that can be closed.
#[doc(alias = "RecvTimeoutError")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum WaitError {
    /// The deadline passed first.
    Timeout,
    /// The primitive is closed. A queue is also empty.
    Closed,
}

impl WaitError {
    /// Whether the deadline passed.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(toro::WaitError::Timeout.is_timeout());
    /// ```
    pub const fn is_timeout(&self) -> bool {
        matches!(self, WaitError::Timeout)
    }

    /// Whether the primitive is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(toro::WaitError::Closed.is_closed());
    /// ```
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

/// Why an item was not put. The error returns the item, which was never in the queue.
#[doc(alias = "SendError")]
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PutError<T> {
    /// The queue is closed.
    Closed(T),
    /// The deadline passed before there was room. Only a wait with a time limit fails so.
    Timeout(T),
}

impl<T> PutError<T> {
    /// Returns the item.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = toro::Queue::unbounded();
    /// queue.close();
    /// let error = queue.put("item").wait().unwrap_err();
    /// assert_eq!(error.into_inner(), "item");
    /// ```
    pub fn into_inner(self) -> T {
        match self {
            PutError::Closed(item) | PutError::Timeout(item) => item,
        }
    }

    /// Whether the queue is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(toro::PutError::Closed(()).is_closed());
    /// ```
    pub const fn is_closed(&self) -> bool {
        matches!(self, PutError::Closed(_))
    }

    /// Whether the deadline passed.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(toro::PutError::Timeout(()).is_timeout());
    /// ```
    pub const fn is_timeout(&self) -> bool {
        matches!(self, PutError::Timeout(_))
    }
}

/// Why an item was not put at once. The error returns the item.
#[doc(alias = "TrySendError")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TryPutError<T> {
    /// The queue is full, or others wait to put.
    Full(T),
    /// The queue is closed.
    Closed(T),
}

impl<T> TryPutError<T> {
    /// Returns the item.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = toro::Queue::new(1);
    /// queue.try_put("first")?;
    /// assert_eq!(queue.try_put("second").unwrap_err().into_inner(), "second");
    /// # Ok::<(), toro::TryPutError<&str>>(())
    /// ```
    pub fn into_inner(self) -> T {
        match self {
            TryPutError::Full(item) | TryPutError::Closed(item) => item,
        }
    }
}

/// Why no item was available at once.
#[doc(alias = "TryRecvError")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TryGetError {
    /// The queue is empty, or all its items belong to earlier waiters.
    Empty,
    /// The queue is closed and empty.
    Closed,
}

/// Why no permit was available at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TryAcquireError {
    /// Too few permits are free, or others wait for them.
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

/// The result was set before. The error returns the new value.
#[doc(alias = "SetError")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AlreadySet<T>(pub T);

/// The wait to write expired. The error returns the upgradable guard.
pub struct NotUpgraded<G>(pub G);

/// More permits were released than the bound of a [`BoundedSemaphore`](crate::BoundedSemaphore)
/// allows.
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
    TryGetError: TryGetError::Empty => "the queue is empty",
        TryGetError::Closed => "the queue is closed and empty";
    TryAcquireError: TryAcquireError::NoPermits => "no permits are available",
        TryAcquireError::Closed => "the semaphore is closed";
    TooManyPermits: _ => "the semaphore would hold more than Semaphore::MAX_PERMITS permits";
    TooManyDone: _ => "task_done was called more often than items were put";
    AlreadySet<T>: _ => "the result was not set: it had been set before";
    NotUpgraded<G>: _ => "the wait to upgrade a read lock timed out";
    BeyondBound: _ => "more permits were released than were forgotten";
}

/// Omits the item, so that items need not be `Debug`.
macro_rules! debug_without_item {
    ($($error:ident: $($variant:ident)+;)+) => {$(
        impl<T> fmt::Debug for $error<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $($error::$variant(_) => concat!(stringify!($variant), "(..)")),+
                })
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
