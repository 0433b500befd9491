//! [`Cell`]: a few words that every operation reads and that only ever grow. A sequence lock.
//!
//! The version is even while the words are at rest, and odd while one writer replaces them. A
//! reader copies the words between two looks at the version and keeps the copy if both found the
//! same even number, so that it never sees half of a value and writes to no memory that others
//! read. A writer pays one locked instruction, however many threads there are. Who meets a writer
//! waits for the few stores that it has left, and gives up the processor to it if they do not come
//! at once.
//!
//! The words are atomics, read and written without order among themselves; the fences make the
//! version speak for them.

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

/// How often one who meets a writer looks again before it gives up the processor.
const LOOKS: u32 = if cfg!(loom) { 0 } else { 64 };

/// `N` words, compared by the first, which is 0 until a value is stored.
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
    /// The first word of the value stored last, or of one that is just being stored.
    #[inline]
    pub(super) fn order(&self) -> u64 {
        self.words[0].load(Ordering::Relaxed)
    }

    /// The value; none before the first.
    #[inline]
    pub(super) fn load(&self) -> Option<[u64; N]> {
        loop {
            let version = self.at_rest();
            let words = std::array::from_fn(|i| self.words[i].load(Ordering::Relaxed));
            // Whoever read a word of a later value sees, after this fence, that the version has
            // moved on.
            fence(Ordering::Acquire);
            if self.version.load(Ordering::Relaxed) == version {
                return (words[0] != 0).then_some(words);
            }
        }
    }

    /// Stores a value whose first word is higher than that of the present one; any other is
    /// dropped.
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
        // Between the look above and the exchange nobody has stored anything: the version would
        // have moved on. No word of the new value may be seen by one who then finds the
        // version at rest.
        fence(Ordering::Release);
        for (word, new) in self.words.iter().zip(value) {
            word.store(*new, Ordering::Relaxed);
        }
        self.version.store(version + 2, Ordering::Release);
    }

    /// The version, once it is even.
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
