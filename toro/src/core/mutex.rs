//! The lock of every wait-queue: held for some tens of nanoseconds, by code of this crate alone, or
//! nearly so.
//!
//! It is one flag: taken by one compare-and-swap, and released by a plain store, which is half of
//! what a lock costs that has to find out on release whether someone sleeps. Whoever finds it taken
//! spins for less than a microsecond, since the holder is most likely running and about to leave. A
//! holder that stays longer has lost its processor: then the processor is given up, first by
//! yielding, which is enough if the holder is runnable next, and soon by sleeping, which
//! lets it run whatever the priorities of the two are.
//!
//! There is no poisoning: what is guarded is valid between any two statements that can panic.

use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Rounds in which to spin, twice as long in each.
const SPINNING: u32 = 7;
/// Rounds in which to spin or yield.
const YIELDING: u32 = 40;
const SLEEP: Duration = Duration::from_micros(50);

/// A mutual exclusion lock for critical sections of some tens of nanoseconds.
pub struct Mutex<T> {
    taken: AtomicBool,
    /// Touched only by whoever has taken the lock.
    value: UnsafeCell<T>,
}

// SAFETY: the value goes from thread to thread, one at a time.
unsafe impl<T: Send> Send for Mutex<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Mutex { taken: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        if !self.try_take() {
            self.take();
        }
        MutexGuard { mutex: self }
    }

    #[inline]
    fn try_take(&self) -> bool {
        self.taken.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    #[cold]
    fn take(&self) {
        let mut round = 0;
        loop {
            // Looking does not take the cache line away from the holder; trying does.
            if !self.taken.load(Ordering::Relaxed) && self.try_take() {
                return;
            }
            match round {
                0..SPINNING => (0..1 << round).for_each(|_| spin_loop()),
                SPINNING..YIELDING => thread::yield_now(),
                _ => thread::sleep(SLEEP),
            }
            round = (round + 1).min(YIELDING);
        }
    }
}

/// The lock, taken.
pub(crate) struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
}

// SAFETY: sharing the guard shares the value.
unsafe impl<T: Sync> Sync for MutexGuard<'_, T> {}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock is taken.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is taken, and the guard is borrowed exclusively.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.mutex.taken.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::Mutex;

    #[test]
    fn excludes_and_loses_no_increment() {
        let rounds = if cfg!(miri) { 50 } else { 20_000 };
        let mutex = Mutex::new(0u64);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..rounds).for_each(|_| *mutex.lock() += 1));
            }
        });
        assert_eq!(*mutex.lock(), 8 * rounds);
    }

    #[test]
    fn is_released_by_a_panic() {
        let mutex = Mutex::new(0);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _guard = mutex.lock();
            panic!("on purpose");
        }));
        assert!(result.is_err());
        *mutex.lock() += 1;
    }
}
