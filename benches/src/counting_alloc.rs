//! A global allocator that counts.
//!
//! ```
//! use benches::counting_alloc::{CountingAlloc, count};
//!
//! #[global_allocator]
//! static ALLOCATOR: CountingAlloc = CountingAlloc;
//!
//! fn main() {
//!     let (boxed, counted) = count(|| Box::new([0u8; 100]));
//!     assert_eq!((boxed.len(), counted.calls, counted.bytes), (100, 1, 100));
//! }
//! ```
//!
//! Without a running count, an allocation costs one load of a flag that nobody writes, and a branch
//! that is always predicted. So it does not affect timed measurements of code that allocates.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

static COUNTING: AtomicBool = AtomicBool::new(false);
static CALLS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

/// The system's allocator, which counts while [`count`] runs.
#[derive(Debug)]
pub struct CountingAlloc;

/// The counted allocations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allocations {
    /// The number of allocations and reallocations.
    pub calls: u64,
    /// The number of bytes. A reallocation counts with its new size.
    pub bytes: u64,
}

/// Runs `f` and counts the allocations of all threads of the process meanwhile. The counts are zero
/// in a process that has not installed [`CountingAlloc`]. Counts run one at a time: a second caller
/// waits for the first.
pub fn count<R>(f: impl FnOnce() -> R) -> (R, Allocations) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let before = (CALLS.load(Relaxed), BYTES.load(Relaxed));
    let counting = Counting::start();
    let result = f();
    drop(counting);
    let counted = Allocations {
        calls: CALLS.load(Relaxed) - before.0,
        bytes: BYTES.load(Relaxed) - before.1,
    };
    (result, counted)
}

/// Ends the counting when it is dropped, also during a panic.
struct Counting;

impl Counting {
    fn start() -> Self {
        COUNTING.store(true, Relaxed);
        Counting
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        COUNTING.store(false, Relaxed);
    }
}

#[inline]
fn note(bytes: usize) {
    if COUNTING.load(Relaxed) {
        CALLS.fetch_add(1, Relaxed);
        BYTES.fetch_add(bytes as u64, Relaxed);
    }
}

// SAFETY: every method forwards its arguments to `System` unchanged and returns the result of
// `System`. Counting only accesses atomics, and cannot allocate or unwind.
unsafe impl GlobalAlloc for CountingAlloc {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller upholds the contract of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller upholds the contract of `GlobalAlloc::alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: `ptr` came from `System` through this allocator, with this layout.
        unsafe { System.dealloc(ptr, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        note(new_size);
        // SAFETY: `ptr` came from `System` through this allocator, with this layout.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}
