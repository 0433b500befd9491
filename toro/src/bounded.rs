//! [`BoundedSemaphore`]: a semaphore whose permits can be released by anyone, but never more than there were.

use std::fmt;

use crate::core::const_fn;
use crate::error::{BeyondBound, TryAcquireError};
use crate::semaphore::{AcquirePermits, Permit, Semaphore};

/// A semaphore for permits that are acquired in one place and released in another, with a bound that catches a release too
/// many.
///
/// A [`Permit`] that is dropped is released. One that is [forgotten](Permit::forget) is to be released later by
/// [`release`](BoundedSemaphore::release), from wherever the work ends.
///
/// ```
/// use toro::{BeyondBound, BoundedSemaphore};
///
/// let slots = BoundedSemaphore::new(1);
/// slots.acquire().wait()?.forget();
/// assert!(slots.try_acquire().is_err());
/// assert_eq!(slots.release(1), Ok(()));
/// assert_eq!(slots.release(1), Err(BeyondBound));
/// # Ok::<(), toro::Closed>(())
/// ```
pub struct BoundedSemaphore {
    semaphore: Semaphore,
    bound: u32,
}

impl BoundedSemaphore {
    const_fn! {
        /// A fair semaphore that starts with so many permits and never has more.
        pub const fn new(permits: u32) -> Self {
            BoundedSemaphore { semaphore: Semaphore::new(permits), bound: permits }
        }
    }

    /// Waits for one permit; see [`Semaphore::acquire`].
    #[inline]
    pub fn acquire(&self) -> AcquirePermits<'_> {
        self.semaphore.acquire()
    }

    /// Waits for several permits at once; see [`Semaphore::acquire_many`].
    #[inline]
    pub fn acquire_many(&self, permits: u32) -> AcquirePermits<'_> {
        self.semaphore.acquire_many(permits)
    }

    /// Takes one permit if that can be done without waiting; see [`Semaphore::try_acquire`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn try_acquire(&self) -> Result<Permit<'_>, TryAcquireError> {
        self.semaphore.try_acquire()
    }

    /// Takes several permits if that can be done without waiting; see [`Semaphore::try_acquire_many`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn try_acquire_many(&self, permits: u32) -> Result<Permit<'_>, TryAcquireError> {
        self.semaphore.try_acquire_many(permits)
    }

    /// Releases permits whose guards were forgotten.
    ///
    /// # Errors
    ///
    /// [`BeyondBound`], and nothing is released, if that would be more than were forgotten.
    pub fn release(&self, permits: u32) -> Result<(), BeyondBound> {
        if self.semaphore.permits().restore(permits, self.bound) { Ok(()) } else { Err(BeyondBound) }
    }

    /// The permits it started with.
    pub fn bound(&self) -> u32 {
        self.bound
    }

    /// The permits that are free at this moment.
    pub fn available(&self) -> u32 {
        self.semaphore.available()
    }

    /// How many waits are in line at this moment.
    pub fn waiting(&self) -> usize {
        self.semaphore.waiting()
    }

    /// Gives out no more permits; see [`Semaphore::close`].
    pub fn close(&self) {
        self.semaphore.close();
    }

    /// Whether [`close`](BoundedSemaphore::close) has been called.
    pub fn is_closed(&self) -> bool {
        self.semaphore.is_closed()
    }
}

impl fmt::Debug for BoundedSemaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedSemaphore")
            .field("bound", &self.bound)
            .field("available", &self.available())
            .field("waiting", &self.waiting())
            .field("closed", &self.is_closed())
            .finish()
    }
}
