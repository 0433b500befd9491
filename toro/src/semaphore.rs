//! [`Semaphore`]: a number of permits, given out first come, first served.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::core::{PrimitiveRef, Wait, Waiter, const_fn};
use crate::error::{Closed, TooManyPermits, TryAcquireError, WaitError};
use crate::permits::{self, Face, Permits, Refusal};

/// A counting semaphore: at most so many holders of a permit at a time.
///
/// Permits go to those who wait in the order in which they came, whatever number each of them
/// wants: a waiter for many is not starved by later waiters for few. A release hands its permits to
/// the oldest waiter directly, so that a newcomer cannot overtake; see
/// [`barging`](Semaphore::barging) for the other bargain.
///
/// Acquiring and releasing cost one atomic operation each while nobody waits. Waiting allocates
/// nothing.
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
/// Waits for permits of a counted semaphore, and keeps it alive.
pub type AcquirePermitsOwned = Wait<Waiter<permits::Acquire<Held<Arc<Semaphore>>>>>;

impl Semaphore {
    /// The most permits a semaphore can have.
    pub const MAX_PERMITS: u32 = u32::MAX;

    const_fn! {
        /// A fair semaphore with so many permits. With none, everyone waits until some are [added](Semaphore::add).
        pub const fn new(permits: u32) -> Self {
            Semaphore { permits: Permits::new(permits, 0) }
        }
    }

    const_fn! {
        /// A semaphore in which up to `overtakers` newcomers may take a free permit before the oldest waiter gets it.
        ///
        /// A strict hand-off makes every contended release wait for a task to be scheduled. Where permits are held for
        /// very short times, letting those who are already running go first is many times faster. Waiters
        /// remain in order among themselves, and none waits for more than `overtakers` newcomers at a time.
        pub const fn barging(permits: u32, overtakers: u16) -> Self {
            Semaphore { permits: Permits::new(permits, overtakers) }
        }
    }

    /// Waits for one permit.
    ///
    /// # Errors
    ///
    /// [`Closed`] when the semaphore is closed, now or later.
    ///
    /// # Cancel safety
    ///
    /// Dropping the wait gives up the place in line. A permit that had been granted goes to the
    /// next.
    #[inline]
    pub fn acquire(&self) -> AcquirePermits<'_> {
        self.acquire_many(1)
    }

    /// Waits for several permits at once; they are gathered for the oldest waiter while all later
    /// ones wait. Whoever wants none has them at once.
    ///
    /// To wait for more permits than there are is to wait until some are [added](Semaphore::add),
    /// or the semaphore is closed.
    ///
    /// # Errors and cancel safety
    ///
    /// As [`acquire`](Semaphore::acquire).
    #[inline]
    pub fn acquire_many(&self, permits: u32) -> AcquirePermits<'_> {
        Wait::new(Waiter::new(self, permits::Acquire::new(permits)))
    }

    /// As [`acquire`](Semaphore::acquire), with a permit that keeps the semaphore alive and can be
    /// sent anywhere.
    #[inline]
    pub fn acquire_owned(self: &Arc<Self>) -> AcquirePermitsOwned {
        self.acquire_many_owned(1)
    }

    /// As [`acquire_many`](Semaphore::acquire_many), with a permit that keeps the semaphore alive.
    #[inline]
    pub fn acquire_many_owned(self: &Arc<Self>, permits: u32) -> AcquirePermitsOwned {
        Wait::new(Waiter::new(Arc::clone(self), permits::Acquire::new(permits)))
    }

    /// Takes one permit if that can be done without waiting and without overtaking anyone.
    ///
    /// # Errors
    ///
    /// [`NoPermits`](TryAcquireError::NoPermits), [`Closed`](TryAcquireError::Closed).
    #[inline]
    pub fn try_acquire(&self) -> Result<Permit<'_>, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// Takes several permits if that can be done without waiting and without overtaking anyone.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Semaphore::try_acquire).
    #[inline]
    pub fn try_acquire_many(&self, permits: u32) -> Result<Permit<'_>, TryAcquireError> {
        self.permits.try_acquire(permits)?;
        Ok(Permit { semaphore: self, count: permits })
    }

    /// As [`try_acquire_many`](Semaphore::try_acquire_many), with a permit that keeps the semaphore
    /// alive.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Semaphore::try_acquire).
    pub fn try_acquire_many_owned(
        self: &Arc<Self>,
        permits: u32,
    ) -> Result<OwnedPermit, TryAcquireError> {
        self.permits.try_acquire(permits)?;
        Ok(OwnedPermit { semaphore: Arc::clone(self), count: permits })
    }

    /// As [`try_acquire`](Semaphore::try_acquire), with a permit that keeps the semaphore alive.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn try_acquire_owned(self: &Arc<Self>) -> Result<OwnedPermit, TryAcquireError> {
        self.try_acquire_many_owned(1)
    }

    /// The permits that are free at this moment.
    pub fn available(&self) -> u32 {
        u32::try_from(self.permits.count().max(0)).unwrap_or(u32::MAX)
    }

    /// All permits, free or held.
    pub fn total(&self) -> u32 {
        self.permits.total()
    }

    /// How many waits are in line at this moment.
    pub fn waiting(&self) -> usize {
        self.permits.waiting()
    }

    /// Adds permits.
    ///
    /// # Errors
    ///
    /// [`TooManyPermits`], and nothing is added, if there would be more than
    /// [`MAX_PERMITS`](Semaphore::MAX_PERMITS).
    pub fn add(&self, permits: u32) -> Result<(), TooManyPermits> {
        if self.permits.add(permits) { Ok(()) } else { Err(TooManyPermits) }
    }

    /// Sets the number of permits, free and held together.
    ///
    /// This is exact: what is held beyond the new number stays held, and is kept back when it is
    /// released.
    pub fn resize(&self, permits: u32) {
        self.permits.resize(permits);
    }

    /// Gives out no more permits: all who wait, and all who will, get [`Closed`]. Held permits stay
    /// valid.
    pub fn close(&self) {
        self.permits.close();
    }

    pub(crate) fn permits(&self) -> &Permits {
        &self.permits
    }

    /// Whether [`close`](Semaphore::close) has been called.
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

/// Permits of a [`Semaphore`], released on drop.
#[must_use = "a permit is released as soon as it is dropped"]
pub struct Permit<'a> {
    semaphore: &'a Semaphore,
    count: u32,
}

/// Permits of a [`Semaphore`] that they keep alive, released on drop.
#[must_use = "a permit is released as soon as it is dropped"]
pub struct OwnedPermit {
    semaphore: Arc<Semaphore>,
    count: u32,
}

/// What a permit does; `$permit` is a struct of its `semaphore` and its `count`.
macro_rules! permit {
    ($permit:ty, $name:literal) => {
        impl $permit {
            /// How many permits this is.
            pub fn count(&self) -> u32 {
                self.count
            }

            /// Takes these permits out of circulation: they are never released. Those that a
            /// [`resize`](crate::Semaphore::resize) would have kept back do not count twice.
            pub fn forget(mut self) {
                self.semaphore.permits().forget(std::mem::take(&mut self.count));
            }

            /// Adds the permits of another to this one, to be released together.
            ///
            /// # Errors
            ///
            /// Gives the other back if it belongs to another semaphore.
            pub fn merge(&mut self, mut other: Self) -> Result<(), Self> {
                if !std::ptr::eq::<$crate::Semaphore>(&*self.semaphore, &*other.semaphore) {
                    return Err(other);
                }
                // Both are part of one total, which fits.
                self.count += std::mem::take(&mut other.count);
                Ok(())
            }
        }

        impl Drop for $permit {
            #[inline]
            fn drop(&mut self) {
                if self.count != 0 {
                    self.semaphore.permits().release(self.count);
                }
            }
        }

        impl std::fmt::Debug for $permit {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct($name).field("count", &self.count).finish_non_exhaustive()
            }
        }
    };
}
pub(crate) use permit;

permit!(Permit<'_>, "Permit");
permit!(OwnedPermit, "OwnedPermit");

impl<'a> Permit<'a> {
    /// Splits some permits off, to be released on their own; `None` if there are fewer.
    pub fn split(&mut self, permits: u32) -> Option<Permit<'a>> {
        self.count = self.count.checked_sub(permits)?;
        Some(Permit { semaphore: self.semaphore, count: permits })
    }
}

impl OwnedPermit {
    /// Splits some permits off, to be released on their own; `None` if there are fewer.
    pub fn split(&mut self, permits: u32) -> Option<OwnedPermit> {
        self.count = self.count.checked_sub(permits)?;
        Some(OwnedPermit { semaphore: Arc::clone(&self.semaphore), count: permits })
    }
}

/// The face of a semaphore's permits, held through `H`.
pub struct Held<H>(PhantomData<H>);

/// What holds a semaphore, and the permit made of it.
pub trait Holder: PrimitiveRef<Target = Semaphore> {
    type Permit;
    fn permit(self, count: u32) -> Self::Permit;
}

impl<'a> Holder for &'a Semaphore {
    type Permit = Permit<'a>;

    #[inline]
    fn permit(self, count: u32) -> Permit<'a> {
        Permit { semaphore: self, count }
    }
}

impl Holder for Arc<Semaphore> {
    type Permit = OwnedPermit;

    #[inline]
    fn permit(self, count: u32) -> OwnedPermit {
        OwnedPermit { semaphore: self, count }
    }
}

impl<H: Holder> Face for Held<H> {
    type PrimitiveRef = H;
    type Primitive = Semaphore;
    type Output = Result<H::Permit, Closed>;
    type Timed = Result<H::Permit, WaitError>;

    #[inline]
    fn permits(semaphore: &Semaphore) -> &Permits {
        &semaphore.permits
    }

    #[inline]
    fn finish(primitive_ref: H, count: u32, granted: Result<(), Closed>) -> Self::Output {
        granted.map(|()| primitive_ref.permit(count))
    }

    #[inline]
    fn in_time(output: Self::Output) -> Self::Timed {
        Ok(output?)
    }

    fn expired(_: H) -> Self::Timed {
        Err(WaitError::Timeout)
    }
}
