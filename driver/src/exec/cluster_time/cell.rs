//! [`Cell`]: a few words that every operation reads and that only increase. A sequence lock.
//!
//! The version is even while no write is in progress, and odd while one writer replaces the words.
//! A reader copies the words between two reads of the version. It keeps the copy if both reads
//! return the same even number. So it never sees a partial value, and it writes to no shared
//! memory. A writer needs one locked instruction for any number of threads. A thread that meets a
//! writer spins for the writer's few stores, and yields the processor if they take longer.
//!
//! The words are relaxed atomics. The fences order them against the version.

#[cfg(loom)]
use loom::{
    sync::atomic::{AtomicU64, Ordering, fence},
    thread::yield_now,
};
#[cfg(not(loom))]
use std::{
    sync::atomic::{AtomicU64, Ordering, fence},
    thread::yield_now,
};

/// The number of spins before a thread yields to a writer.
const LOOKS: u32 = if cfg!(loom) { 0 } else { 64 };

/// A value of `N` words. The first word orders values; 0 means that none is stored.
pub(super) struct Cell<const N: usize> {
    version: AtomicU64,
    words: [AtomicU64; N],
}

impl<const N: usize> Default for Cell<N> {
    fn default() -> Self {
        Cell { version: AtomicU64::new(0), words: std::array::from_fn(|_| AtomicU64::new(0)) }
    }
}

impl<const N: usize> Cell<N> {
    /// The first word of the last value, or of one that is being stored.
    #[inline]
    pub(super) fn order(&self) -> u64 {
        self.words[0].load(Ordering::Relaxed)
    }

    /// The value; `None` before the first.
    #[inline]
    pub(super) fn load(&self) -> Option<[u64; N]> {
        loop {
            let version = self.at_rest();
            let words = std::array::from_fn(|i| self.words[i].load(Ordering::Relaxed));
            // A thread that read a word of a later value sees a changed version after this fence.
            fence(Ordering::Acquire);
            if self.version.load(Ordering::Relaxed) == version {
                return (words[0] != 0).then_some(words);
            }
        }
    }

    /// Stores a value if its first word is higher than the current one's.
    #[inline]
    pub(super) fn raise(&self, value: &[u64; N]) {
        let mut version = self.at_rest();
        loop {
            if value[0] <= self.order() {
                return;
            }
            match self.version.compare_exchange(
                version,
                version + 1,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => break,
                Err(_) => version = self.at_rest(),
            }
        }
        // No other thread has stored a value since the version was read, or the exchange would have
        // failed. The fence keeps readers from seeing a new word together with the old version.
        fence(Ordering::Release);
        for (word, new) in self.words.iter().zip(value) {
            word.store(*new, Ordering::Relaxed);
        }
        self.version.store(version + 2, Ordering::Release);
    }

    /// The version once it is even.
    #[inline]
    fn at_rest(&self) -> u64 {
        let mut looks = 0;
        loop {
            let version = self.version.load(Ordering::Acquire);
            if version.is_multiple_of(2) {
                return version;
            }
            looks += 1;
            if looks > LOOKS { yield_now() } else { std::hint::spin_loop() }
        }
    }
}
