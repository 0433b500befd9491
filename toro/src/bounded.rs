//! [`BoundedSemaphore`]: a semaphore that refuses releases beyond its initial permits.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::core::{PrimitiveRef, Wait, Waiter, const_fn};
use crate::error::{BeyondBound, TryAcquireError};
use crate::permits;
use crate::semaphore::{AcquirePermits, Held, Holder, Permit, Semaphore, permit};

/// A semaphore for permits that are acquired in one place and released in another. Its bound
/// catches a release too many.
///
/// A dropped [`Permit`] is released. A [forgotten](Permit::forget) permit is released later by
/// [`release`](BoundedSemaphore::release), wherever the work ends.
///
/// # Examples
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
        /// Creates a fair semaphore that starts with `permits` permits and never has more.
        ///
        /// # Examples
        ///
        /// ```
        /// static CONNECTIONS: toro::BoundedSemaphore = toro::BoundedSemaphore::new(10);
        ///
        /// assert_eq!(CONNECTIONS.available(), 10);
        /// ```
        pub const fn new(permits: u32) -> Self {
            BoundedSemaphore { semaphore: Semaphore::new(permits), bound: permits }
        }
    }

    /// Waits for one permit. See [`Semaphore::acquire`].
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = toro::BoundedSemaphore::new(1);
    /// let permit = semaphore.acquire().wait()?;
    /// assert_eq!(semaphore.available(), 0);
    /// drop(permit);
    /// assert_eq!(semaphore.available(), 1);
    /// # Ok::<(), toro::Closed>(())
    /// ```
    #[inline]
    pub fn acquire(&self) -> AcquirePermits<'_> {
        self.semaphore.acquire()
    }

    /// Waits for several permits at once. See [`Semaphore::acquire_many`].
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = toro::BoundedSemaphore::new(3);
    /// let permits = semaphore.acquire_many(2).wait()?;
    /// assert_eq!(semaphore.available(), 1);
    /// # Ok::<(), toro::Closed>(())
    /// ```
    #[inline]
    pub fn acquire_many(&self, permits: u32) -> AcquirePermits<'_> {
        self.semaphore.acquire_many(permits)
    }

    /// Takes one permit if that is possible without waiting. See [`Semaphore::try_acquire`].
    ///
    /// # Errors
    ///
    /// Those of [`Semaphore::try_acquire`].
    ///
    /// # Examples
    ///
    /// ```
    /// use toro::{BoundedSemaphore, TryAcquireError};
    ///
    /// let semaphore = BoundedSemaphore::new(1);
    /// let permit = semaphore.try_acquire()?;
    /// assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::NoPermits);
    /// # Ok::<(), TryAcquireError>(())
    /// ```
    pub fn try_acquire(&self) -> Result<Permit<'_>, TryAcquireError> {
        self.semaphore.try_acquire()
    }

    /// Takes several permits if that is possible without waiting. See
    /// [`Semaphore::try_acquire_many`].
    ///
    /// # Errors
    ///
    /// Those of [`Semaphore::try_acquire_many`].
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = toro::BoundedSemaphore::new(3);
    /// assert!(semaphore.try_acquire_many(4).is_err());
    /// assert!(semaphore.try_acquire_many(3).is_ok());
    /// ```
    pub fn try_acquire_many(&self, permits: u32) -> Result<Permit<'_>, TryAcquireError> {
        self.semaphore.try_acquire_many(permits)
    }

    /// Like [`acquire`](BoundedSemaphore::acquire), but the permit keeps the semaphore alive and is
    /// `'static`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use toro::BoundedSemaphore;
    ///
    /// let semaphore = Arc::new(BoundedSemaphore::new(1));
    /// let permit = semaphore.acquire_owned().wait()?;
    /// std::thread::spawn(move || drop(permit)).join().unwrap();
    /// assert_eq!(semaphore.available(), 1);
    /// # Ok::<(), toro::Closed>(())
    /// ```
    #[inline]
    pub fn acquire_owned(self: &Arc<Self>) -> AcquireBoundedOwned {
        self.acquire_many_owned(1)
    }

    /// Like [`acquire_many`](BoundedSemaphore::acquire_many), but the permits keep the semaphore
    /// alive.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use toro::BoundedSemaphore;
    ///
    /// let semaphore = Arc::new(BoundedSemaphore::new(3));
    /// let permits = semaphore.acquire_many_owned(2).wait()?;
    /// assert_eq!(semaphore.available(), 1);
    /// # Ok::<(), toro::Closed>(())
    /// ```
    #[inline]
    pub fn acquire_many_owned(self: &Arc<Self>, permits: u32) -> AcquireBoundedOwned {
        Wait::new(Waiter::new(Counted(Arc::clone(self)), permits::Acquire::new(permits)))
    }

    /// Like [`try_acquire`](BoundedSemaphore::try_acquire), but the permit keeps the semaphore
    /// alive.
    ///
    /// # Errors
    ///
    /// Those of [`Semaphore::try_acquire`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use toro::BoundedSemaphore;
    ///
    /// let semaphore = Arc::new(BoundedSemaphore::new(1));
    /// let permit = semaphore.try_acquire_owned()?;
    /// assert!(semaphore.try_acquire_owned().is_err());
    /// # Ok::<(), toro::TryAcquireError>(())
    /// ```
    pub fn try_acquire_owned(self: &Arc<Self>) -> Result<OwnedBoundedPermit, TryAcquireError> {
        self.try_acquire_many_owned(1)
    }

    /// Like [`try_acquire_many`](BoundedSemaphore::try_acquire_many), but the permits keep the
    /// semaphore alive.
    ///
    /// # Errors
    ///
    /// Those of [`Semaphore::try_acquire_many`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use toro::BoundedSemaphore;
    ///
    /// let semaphore = Arc::new(BoundedSemaphore::new(3));
    /// let permits = semaphore.try_acquire_many_owned(2)?;
    /// assert_eq!(semaphore.available(), 1);
    /// # Ok::<(), toro::TryAcquireError>(())
    /// ```
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
    /// [`BeyondBound`] if fewer permits were forgotten. Then none is released.
    ///
    /// # Examples
    ///
    /// ```
    /// use toro::{BeyondBound, BoundedSemaphore};
    ///
    /// let semaphore = BoundedSemaphore::new(2);
    /// semaphore.acquire().wait()?.forget();
    /// assert_eq!(semaphore.release(2), Err(BeyondBound));
    /// assert_eq!(semaphore.release(1), Ok(()));
    /// # Ok::<(), toro::Closed>(())
    /// ```
    #[doc(alias = "add_permits")]
    pub fn release(&self, permits: u32) -> Result<(), BeyondBound> {
        if self.semaphore.permits().restore(permits, self.bound) {
            Ok(())
        } else {
            Err(BeyondBound)
        }
    }

    /// The number of permits that the semaphore started with.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(toro::BoundedSemaphore::new(3).bound(), 3);
    /// ```
    pub fn bound(&self) -> u32 {
        self.bound
    }

    /// The number of permits that are free at this moment.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = toro::BoundedSemaphore::new(3);
    /// let _permit = semaphore.try_acquire()?;
    /// assert_eq!(semaphore.available(), 2);
    /// # Ok::<(), toro::TryAcquireError>(())
    /// ```
    #[doc(alias = "available_permits")]
    pub fn available(&self) -> u32 {
        self.semaphore.available()
    }

    /// The number of waits in line at this moment.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(toro::BoundedSemaphore::new(1).waiting(), 0);
    /// ```
    pub fn waiting(&self) -> usize {
        self.semaphore.waiting()
    }

    /// Closes the semaphore: it gives out no more permits. See [`Semaphore::close`].
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = toro::BoundedSemaphore::new(1);
    /// semaphore.close();
    /// assert!(semaphore.acquire().wait().is_err());
    /// ```
    pub fn close(&self) {
        self.semaphore.close();
    }

    /// Whether [`close`](BoundedSemaphore::close) has been called.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = toro::BoundedSemaphore::new(1);
    /// assert!(!semaphore.is_closed());
    /// semaphore.close();
    /// assert!(semaphore.is_closed());
    /// ```
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

/// Waits for permits of a [`BoundedSemaphore`] held by an `Arc`, and keeps it alive.
pub type AcquireBoundedOwned = Wait<Waiter<permits::Acquire<Held<Counted>>>>;

/// Permits of a [`BoundedSemaphore`] that they keep alive. Dropping them releases them.
#[must_use = "a permit is released as soon as it is dropped"]
pub struct OwnedBoundedPermit {
    semaphore: Counted,
    count: u32,
}

permit!(OwnedBoundedPermit, "OwnedBoundedPermit");

impl OwnedBoundedPermit {
    /// Splits off some permits, which are then released on their own. Returns `None` if there are
    /// fewer.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use toro::BoundedSemaphore;
    ///
    /// let semaphore = Arc::new(BoundedSemaphore::new(3));
    /// let mut permits = semaphore.try_acquire_many_owned(3)?;
    /// drop(permits.split(1));
    /// assert_eq!(semaphore.available(), 1);
    /// assert!(permits.split(5).is_none());
    /// # Ok::<(), toro::TryAcquireError>(())
    /// ```
    pub fn split(&mut self, permits: u32) -> Option<OwnedBoundedPermit> {
        self.count = self.count.checked_sub(permits)?;
        Some(OwnedBoundedPermit {
            semaphore: Counted(Arc::clone(&self.semaphore.0)),
            count: permits,
        })
    }
}

/// The path to the semaphore inside a [`BoundedSemaphore`] held by an `Arc`.
pub struct Counted(Arc<BoundedSemaphore>);

impl Deref for Counted {
    type Target = Semaphore;

    #[inline]
    fn deref(&self) -> &Semaphore {
        &self.0.semaphore
    }
}

// SAFETY: the semaphore lies in the allocation of the `Arc`.
#[expect(unsafe_code, reason = "the rules in `core` rely on the implementation")]
unsafe impl PrimitiveRef for Counted {}

impl Holder for Counted {
    type Permit = OwnedBoundedPermit;

    #[inline]
    fn permit(self, count: u32) -> OwnedBoundedPermit {
        OwnedBoundedPermit { semaphore: self, count }
    }
}
