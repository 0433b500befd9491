//! [`Semaphore`]: a number of permits, given out in order of arrival.

mod guard;

use std::fmt;
use std::sync::Arc;

use crate::core::{Wait, Waiter, const_fn};
use crate::error::{TooManyPermits, TryAcquireError};
use crate::permits::{self, Permits, Refusal};

pub(crate) use self::guard::{Held, Holder, permit};
pub use self::guard::{OwnedPermit, Permit};

/// A counting semaphore: limits the number of concurrent holders of a permit.
///
/// Waiters get permits in order of arrival, however many they want. So later waiters for few
/// permits do not starve a waiter for many. A release hands its permits directly to the oldest
/// waiter, so a newcomer cannot overtake. See [`barging`](Semaphore::barging) for the alternative.
///
/// While nobody waits, acquiring and releasing cost one atomic operation each. Waiting allocates
/// nothing.
///
/// # Examples
///
/// ```
/// use toro::Semaphore;
///
/// static CONNECTING: Semaphore = Semaphore::new(2);
///
/// let first = CONNECTING.acquire().wait()?;
/// let second = CONNECTING.acquire().wait()?;
/// assert!(CONNECTING.try_acquire().is_err());
/// drop(first);
/// assert_eq!(CONNECTING.available(), 1);
/// # drop(second);
/// # Ok::<(), toro::Closed>(())
/// ```
pub struct Semaphore {
    permits: Permits,
}

/// Waits for permits of a semaphore.
pub type AcquirePermits<'a> = Wait<Waiter<permits::Acquire<Held<&'a Semaphore>>>>;
/// Waits for permits of a semaphore held by an `Arc`, and keeps it alive.
pub type AcquirePermitsOwned = Wait<Waiter<permits::Acquire<Held<Arc<Semaphore>>>>>;

impl Semaphore {
    /// The largest number of permits that a semaphore can have.
    pub const MAX_PERMITS: u32 = u32::MAX;

    const_fn! {
        /// Creates a fair semaphore with `permits` permits. With 0, all wait until some are
        /// [added](Semaphore::add).
        ///
        /// # Examples
        ///
        /// ```
        /// static CONNECTING: toro::Semaphore = toro::Semaphore::new(2);
        ///
        /// assert_eq!(CONNECTING.available(), 2);
        /// ```
        pub const fn new(permits: u32) -> Self {
            Semaphore { permits: Permits::new(permits, 0) }
        }
    }

    const_fn! {
        /// Creates a semaphore in which up to `overtakers` newcomers may take a free permit before
        /// the oldest waiter gets it.
        ///
        /// A fair semaphore waits at each contended release for a task to be scheduled. If permits
        /// are held for very short times, a barging semaphore is many times faster, because a task
        /// that already runs goes first. Waiters keep their order among themselves, and each waits
        /// for at most `overtakers` newcomers at a time.
        ///
        /// # Examples
        ///
        /// ```
        /// static SEMAPHORE: toro::Semaphore = toro::Semaphore::barging(2, 100);
        ///
        /// assert_eq!(SEMAPHORE.available(), 2);
        /// ```
        pub const fn barging(permits: u32, overtakers: u16) -> Self {
            Semaphore { permits: Permits::new(permits, overtakers) }
        }
    }

    /// Waits for one permit.
    ///
    /// # Errors
    ///
    /// [`Closed`](crate::Closed) when the semaphore is closed, now or later.
    ///
    /// # Cancel safety
    ///
    /// Dropping the wait gives up the place in line. A permit that had been granted goes to the
    /// next waiter.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures_executor::block_on(async {
    /// let semaphore = toro::Semaphore::new(2);
    /// let permit = semaphore.acquire().await?;
    /// assert_eq!(semaphore.available(), 1);
    /// # Ok::<(), toro::Closed>(())
    /// # });
    /// ```
    #[inline]
    pub fn acquire(&self) -> AcquirePermits<'_> {
        self.acquire_many(1)
    }

    /// Waits for several permits at once. They are gathered for the oldest waiter while later ones
    /// wait. Acquiring 0 permits never waits.
    ///
    /// A wait for more permits than exist ends only when enough are [added](Semaphore::add) or the
    /// semaphore is closed.
    ///
    /// # Errors
    ///
    /// Those of [`acquire`](Semaphore::acquire).
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Semaphore::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = toro::Semaphore::new(3);
    /// let permits = semaphore.acquire_many(2).wait()?;
    /// assert_eq!(permits.count(), 2);
    /// # Ok::<(), toro::Closed>(())
    /// ```
    #[inline]
    pub fn acquire_many(&self, permits: u32) -> AcquirePermits<'_> {
        Wait::new(Waiter::new(self, permits::Acquire::new(permits)))
    }

    /// Like [`acquire`](Semaphore::acquire), but the permit keeps the semaphore alive and is
    /// `'static`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use toro::Semaphore;
    ///
    /// let semaphore = Arc::new(Semaphore::new(1));
    /// let permit = semaphore.acquire_owned().wait()?;
    /// std::thread::spawn(move || drop(permit)).join().unwrap();
    /// assert_eq!(semaphore.available(), 1);
    /// # Ok::<(), toro::Closed>(())
    /// ```
    #[doc(alias = "acquire_arc")]
    #[inline]
    pub fn acquire_owned(self: &Arc<Self>) -> AcquirePermitsOwned {
        self.acquire_many_owned(1)
    }

    /// Like [`acquire_many`](Semaphore::acquire_many), but the permits keep the semaphore alive.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = std::sync::Arc::new(toro::Semaphore::new(3));
    /// let permits = semaphore.acquire_many_owned(2).wait()?;
    /// assert_eq!(semaphore.available(), 1);
    /// # Ok::<(), toro::Closed>(())
    /// ```
    #[inline]
    pub fn acquire_many_owned(self: &Arc<Self>, permits: u32) -> AcquirePermitsOwned {
        Wait::new(Waiter::new(Arc::clone(self), permits::Acquire::new(permits)))
    }

    /// Takes one permit if one is free and nobody waits.
    ///
    /// # Errors
    ///
    /// [`NoPermits`](TryAcquireError::NoPermits) or [`Closed`](TryAcquireError::Closed).
    ///
    /// # Examples
    ///
    /// ```
    /// use toro::{Semaphore, TryAcquireError};
    ///
    /// let semaphore = Semaphore::new(1);
    /// let permit = semaphore.try_acquire()?;
    /// assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::NoPermits);
    /// # Ok::<(), TryAcquireError>(())
    /// ```
    #[inline]
    pub fn try_acquire(&self) -> Result<Permit<'_>, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// Takes several permits if they are free and nobody waits.
    ///
    /// # Errors
    ///
    /// Those of [`try_acquire`](Semaphore::try_acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = toro::Semaphore::new(3);
    /// assert!(semaphore.try_acquire_many(4).is_err());
    /// assert!(semaphore.try_acquire_many(3).is_ok());
    /// ```
    #[inline]
    pub fn try_acquire_many(&self, permits: u32) -> Result<Permit<'_>, TryAcquireError> {
        self.permits.try_acquire(permits)?;
        Ok(self.permit(permits))
    }

    /// Like [`try_acquire_many`](Semaphore::try_acquire_many), but the permits keep the semaphore
    /// alive.
    ///
    /// # Errors
    ///
    /// Those of [`try_acquire`](Semaphore::try_acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = std::sync::Arc::new(toro::Semaphore::new(3));
    /// let permits = semaphore.try_acquire_many_owned(2)?;
    /// assert_eq!(semaphore.available(), 1);
    /// # Ok::<(), toro::TryAcquireError>(())
    /// ```
    pub fn try_acquire_many_owned(
        self: &Arc<Self>,
        permits: u32,
    ) -> Result<OwnedPermit, TryAcquireError> {
        self.permits.try_acquire(permits)?;
        Ok(Arc::clone(self).permit(permits))
    }

    /// Like [`try_acquire`](Semaphore::try_acquire), but the permit keeps the semaphore alive.
    ///
    /// # Errors
    ///
    /// Those of [`try_acquire`](Semaphore::try_acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = std::sync::Arc::new(toro::Semaphore::new(1));
    /// let permit = semaphore.try_acquire_owned()?;
    /// assert!(semaphore.try_acquire_owned().is_err());
    /// # Ok::<(), toro::TryAcquireError>(())
    /// ```
    pub fn try_acquire_owned(self: &Arc<Self>) -> Result<OwnedPermit, TryAcquireError> {
        self.try_acquire_many_owned(1)
    }

    /// The number of permits that are free at this moment.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = toro::Semaphore::new(3);
    /// let _permit = semaphore.try_acquire()?;
    /// assert_eq!(semaphore.available(), 2);
    /// # Ok::<(), toro::TryAcquireError>(())
    /// ```
    #[doc(alias = "available_permits")]
    pub fn available(&self) -> u32 {
        u32::try_from(self.permits.count().max(0)).unwrap_or(u32::MAX)
    }

    /// The number of all permits, free or held.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = toro::Semaphore::new(3);
    /// let _permit = semaphore.try_acquire()?;
    /// assert_eq!(semaphore.total(), 3);
    /// # Ok::<(), toro::TryAcquireError>(())
    /// ```
    pub fn total(&self) -> u32 {
        self.permits.total()
    }

    /// The number of waits in line at this moment.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(toro::Semaphore::new(1).waiting(), 0);
    /// ```
    pub fn waiting(&self) -> usize {
        self.permits.waiting()
    }

    /// Adds permits.
    ///
    /// # Errors
    ///
    /// [`TooManyPermits`] if there would be more than [`MAX_PERMITS`](Semaphore::MAX_PERMITS). Then
    /// none is added.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = toro::Semaphore::new(1);
    /// semaphore.add(2)?;
    /// assert_eq!(semaphore.available(), 3);
    /// # Ok::<(), toro::TooManyPermits>(())
    /// ```
    #[doc(alias("add_permits", "release"))]
    pub fn add(&self, permits: u32) -> Result<(), TooManyPermits> {
        if self.permits.add(permits) { Ok(()) } else { Err(TooManyPermits) }
    }

    /// Sets the number of permits, free and held together.
    ///
    /// The number is exact. If more are held, they stay held, and the excess is kept back when they
    /// are released.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = toro::Semaphore::new(3);
    /// let permits = semaphore.try_acquire_many(3)?;
    /// semaphore.resize(1);
    /// drop(permits);
    /// assert_eq!(semaphore.available(), 1);
    /// # Ok::<(), toro::TryAcquireError>(())
    /// ```
    #[doc(alias = "forget_permits")]
    pub fn resize(&self, permits: u32) {
        self.permits.resize(permits);
    }

    /// Closes the semaphore: it gives out no more permits. Present and future waits fail with
    /// [`Closed`](crate::Closed). Held permits stay valid.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = toro::Semaphore::new(1);
    /// semaphore.close();
    /// assert_eq!(semaphore.acquire().wait().unwrap_err(), toro::Closed);
    /// ```
    pub fn close(&self) {
        self.permits.close();
    }

    pub(crate) fn permits(&self) -> &Permits {
        &self.permits
    }

    /// Whether [`close`](Semaphore::close) has been called.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = toro::Semaphore::new(1);
    /// semaphore.close();
    /// assert!(semaphore.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.permits.is_closed()
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("available", &self.available())
            .field("waiting", &self.waiting())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

impl From<Refusal> for TryAcquireError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoPermits => TryAcquireError::NoPermits,
            Refusal::Closed => TryAcquireError::Closed,
        }
    }
}
