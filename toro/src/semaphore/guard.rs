//! The permits of a semaphore.

use std::marker::PhantomData;
use std::sync::Arc;

use super::Semaphore;
use crate::core::PrimitiveRef;
use crate::error::{Closed, WaitError};
use crate::permits::{PermitUse, Permits};

/// Permits of a [`Semaphore`]. Dropping them releases them.
#[doc(alias("SemaphorePermit", "SemaphoreGuard"))]
#[must_use = "a permit is released as soon as it is dropped"]
pub struct Permit<'a> {
    semaphore: &'a Semaphore,
    count: u32,
}

/// Permits of a [`Semaphore`] that they keep alive. Dropping them releases them.
#[doc(alias("OwnedSemaphorePermit", "SemaphoreGuardArc"))]
#[must_use = "a permit is released as soon as it is dropped"]
pub struct OwnedPermit {
    semaphore: Arc<Semaphore>,
    count: u32,
}

/// The methods of a permit. `$permit` is a struct with the fields `semaphore` and `count`.
macro_rules! permit {
    ($permit:ty, $name:literal) => {
        impl $permit {
            /// The number of permits that this value stands for.
            ///
            /// # Examples
            ///
            /// ```
            /// let semaphore = toro::Semaphore::new(3);
            /// assert_eq!(semaphore.try_acquire_many(2)?.count(), 2);
            /// # Ok::<(), toro::TryAcquireError>(())
            /// ```
            #[doc(alias = "num_permits")]
            pub fn count(&self) -> u32 {
                self.count
            }

            /// Removes these permits from the semaphore: they are never released. Permits that a
            /// [`resize`](crate::Semaphore::resize) would have kept back do not count twice.
            ///
            /// # Examples
            ///
            /// ```
            /// let semaphore = toro::Semaphore::new(3);
            /// semaphore.try_acquire()?.forget();
            /// assert_eq!(semaphore.total(), 2);
            /// # Ok::<(), toro::TryAcquireError>(())
            /// ```
            pub fn forget(mut self) {
                self.semaphore.permits().forget(std::mem::take(&mut self.count));
            }

            /// Adds the permits of `other` to this value. They are then released together.
            ///
            /// # Errors
            ///
            /// Returns `other` if it belongs to another semaphore.
            ///
            /// # Examples
            ///
            /// ```
            /// let semaphore = toro::Semaphore::new(3);
            /// let mut permits = semaphore.try_acquire()?;
            /// permits.merge(semaphore.try_acquire()?).unwrap();
            /// assert_eq!(permits.count(), 2);
            /// # Ok::<(), toro::TryAcquireError>(())
            /// ```
            pub fn merge(&mut self, mut other: Self) -> Result<(), Self> {
                if !std::ptr::eq::<$crate::Semaphore>(&*self.semaphore, &*other.semaphore) {
                    return Err(other);
                }
                // No overflow: both belong to one total.
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
    /// Splits off some permits, which are then released on their own. Returns `None` if there are
    /// fewer.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = toro::Semaphore::new(3);
    /// let mut permits = semaphore.try_acquire_many(3)?;
    /// drop(permits.split(1));
    /// assert_eq!(semaphore.available(), 1);
    /// # Ok::<(), toro::TryAcquireError>(())
    /// ```
    pub fn split(&mut self, permits: u32) -> Option<Permit<'a>> {
        self.count = self.count.checked_sub(permits)?;
        Some(Permit { semaphore: self.semaphore, count: permits })
    }
}

impl OwnedPermit {
    /// Splits off some permits, which are then released on their own. Returns `None` if there are
    /// fewer.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = std::sync::Arc::new(toro::Semaphore::new(3));
    /// let mut permits = semaphore.try_acquire_many_owned(3)?;
    /// drop(permits.split(1));
    /// assert_eq!(semaphore.available(), 1);
    /// # Ok::<(), toro::TryAcquireError>(())
    /// ```
    pub fn split(&mut self, permits: u32) -> Option<OwnedPermit> {
        self.count = self.count.checked_sub(permits)?;
        Some(OwnedPermit { semaphore: Arc::clone(&self.semaphore), count: permits })
    }
}

/// The [`PermitUse`] of a semaphore held as `H`.
pub struct Held<H>(PhantomData<H>);

/// A reference to a semaphore, and the permit made from it.
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

impl<H: Holder> PermitUse for Held<H> {
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
