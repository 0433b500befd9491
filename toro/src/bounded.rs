//! [`BoundedSemaphore`]: a semaphore whose permits can be released by anyone, but never more than there were.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::core::{PrimitiveRef, Wait, Waiter, const_fn};
use crate::error::{BeyondBound, TryAcquireError};
use crate::permits;
use crate::semaphore::{AcquirePermits, Held, Holder, Permit, Semaphore, permit};

/// A semaphore for permits that are acquired in one place and released in another, with a bound
/// that catches a release too many.
///
/// A [`Permit`] that is dropped is released. One that is [forgotten](Permit::forget) is to be
/// released later by [`release`](BoundedSemaphore::release), from wherever the work ends.
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

    /// Takes several permits if that can be done without waiting; see
    /// [`Semaphore::try_acquire_many`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn try_acquire_many(&self, permits: u32) -> Result<Permit<'_>, TryAcquireError> {
        self.semaphore.try_acquire_many(permits)
    }

    /// As [`acquire`](BoundedSemaphore::acquire), with a permit that keeps the semaphore alive and
    /// can be sent anywhere.
    #[inline]
    pub fn acquire_owned(self: &Arc<Self>) -> AcquireBoundedOwned {
        self.acquire_many_owned(1)
    }

    /// As [`acquire_many`](BoundedSemaphore::acquire_many), with a permit that keeps the semaphore
    /// alive.
    #[inline]
    pub fn acquire_many_owned(self: &Arc<Self>, permits: u32) -> AcquireBoundedOwned {
        Wait::new(Waiter::new(Counted(Arc::clone(self)), permits::Acquire::new(permits)))
    }

    /// As [`try_acquire`](BoundedSemaphore::try_acquire), with a permit that keeps the semaphore
    /// alive.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn try_acquire_owned(self: &Arc<Self>) -> Result<OwnedBoundedPermit, TryAcquireError> {
        self.try_acquire_many_owned(1)
    }

    /// As [`try_acquire_many`](BoundedSemaphore::try_acquire_many), with a permit that keeps the
    /// semaphore alive.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn try_acquire_many_owned(
        self: &Arc<Self>,
        permits: u32,
    ) -> Result<OwnedBoundedPermit, TryAcquireError> {
        self.semaphore.permits().try_acquire(permits)?;
        Ok(OwnedBoundedPermit { semaphore: Counted(Arc::clone(self)), count: permits })
    }

    /// Releases permits whose guards were forgotten.
    ///
    /// # Errors
    ///
    /// [`BeyondBound`], and nothing is released, if that would be more than were forgotten.
    pub fn release(&self, permits: u32) -> Result<(), BeyondBound> {
        if self.semaphore.permits().restore(permits, self.bound) {
            Ok(())
        } else {
            Err(BeyondBound)
        }
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

/// Waits for permits of a counted [`BoundedSemaphore`], and keeps it alive.
pub type AcquireBoundedOwned = Wait<Waiter<permits::Acquire<Held<Counted>>>>;

/// Permits of a [`BoundedSemaphore`] that they keep alive, released on drop.
#[must_use = "a permit is released as soon as it is dropped"]
pub struct OwnedBoundedPermit {
    semaphore: Counted,
    count: u32,
}

permit!(OwnedBoundedPermit, "OwnedBoundedPermit");

impl OwnedBoundedPermit {
    /// Splits some permits off, to be released on their own; `None` if there are fewer.
    pub fn split(&mut self, permits: u32) -> Option<OwnedBoundedPermit> {
        self.count = self.count.checked_sub(permits)?;
        Some(OwnedBoundedPermit {
            semaphore: Counted(Arc::clone(&self.semaphore.0)),
            count: permits,
        })
    }
}

/// The way to the semaphore within a counted [`BoundedSemaphore`].
pub struct Counted(Arc<BoundedSemaphore>);

impl Deref for Counted {
    type Target = Semaphore;

    #[inline]
    fn deref(&self) -> &Semaphore {
        &self.0.semaphore
    }
}

impl PrimitiveRef for Counted {}

impl Holder for Counted {
    type Permit = OwnedBoundedPermit;

    #[inline]
    fn permit(self, count: u32) -> OwnedBoundedPermit {
        OwnedBoundedPermit { semaphore: self, count }
    }
}
