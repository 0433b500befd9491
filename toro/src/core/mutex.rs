//! The lock of every wait queue. It is held for some tens of nanoseconds, almost only by code of
//! this crate.
//!
//! It is one flag. One compare-and-swap takes it, and a plain store releases it. A lock that must
//! find out on release whether a thread sleeps costs twice as much. A thread that finds the flag
//! taken first spins for less than a microsecond, since the holder is most likely running and about
//! to release it. A holder that keeps the lock longer has lost its processor. Then the waiting
//! thread yields, which is enough if the holder is runnable next. Soon it sleeps, which lets the
//! holder run for any priorities of the two threads.
//!
//! There is no poisoning: the guarded data is valid between any two statements that can panic.

use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Rounds of spinning, each twice as long as the one before.
const SPINNING: u32 = 7;
/// Rounds of spinning or yielding.
const YIELDING: u32 = 40;
const SLEEP: Duration = Duration::from_micros(50);

/// A mutual exclusion lock for critical sections of some tens of nanoseconds.
pub struct Mutex<T> {
    taken: AtomicBool,
    /// Accessed only by the holder of the lock.
    value: UnsafeCell<T>,
}

// SAFETY: the value moves from thread to thread, one at a time.
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
            // A load leaves the cache line with the holder; an attempt to take the lock does not.
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

/// Proof that the lock is taken. Dropping it releases the lock.
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
    fn lock_excludes_and_loses_no_increment() {
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
    fn panic_releases_the_lock() {
        let mutex = Mutex::new(0);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _guard = mutex.lock();
            panic!("on purpose");
        }));
        assert!(result.is_err());
        *mutex.lock() += 1;
    }
}
