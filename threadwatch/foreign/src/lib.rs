//! A shared library with threadwatch, for a test that loads it into a C program and calls it from
//! threads that C started (`tests/foreign.rs`, `tests/foreign/host.c`).

use std::sync::{
    LazyLock,
    atomic::{AtomicU64, Ordering::SeqCst},
};

use threadwatch::{ForkGeneration, PerThread, ThreadToken, ThreadWatcher, Watch};

static WATCHER: LazyLock<ThreadWatcher> = LazyLock::new(ThreadWatcher::new);
static RECLAIMED: AtomicU64 = AtomicU64::new(0);
static VALUES: LazyLock<PerThread<u64>> = LazyLock::new(|| {
    PerThread::new(|value| {
        RECLAIMED.fetch_add(value, SeqCst);
    })
});

/// Watches the calling thread: its death atomically adds one to `deaths`. Returns 0 if the watch
/// started, 1 if there was one already, 2 if the thread is dying.
///
/// # Safety
///
/// `deaths` is aligned, and valid until the thread has died.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn foreign_watch(deaths: *mut u64) -> i32 {
    // SAFETY: the caller upholds it.
    let deaths: &'static AtomicU64 = unsafe { AtomicU64::from_ptr(deaths) };
    match WATCHER.watch(|| {
        deaths.fetch_add(1, SeqCst);
    }) {
        Watch::Started => 0,
        Watch::Already => 1,
        Watch::ThreadDying => 2,
    }
}

/// Stops watching the calling thread. Returns whether it was watched.
#[unsafe(no_mangle)]
pub extern "C" fn foreign_unwatch() -> i32 {
    i32::from(WATCHER.unwatch())
}

/// The number of watched threads.
#[unsafe(no_mangle)]
pub extern "C" fn foreign_watched() -> u64 {
    WATCHER.watched() as u64
}

/// Gives the calling thread a value. Returns 0 if it had none before, 1 if it had one, 2 if it
/// cannot have one.
#[unsafe(no_mangle)]
pub extern "C" fn foreign_insert(value: u64) -> i32 {
    VALUES.insert(value).map_or(2, |old| i32::from(old.is_some()))
}

/// The calling thread's value, or 0.
#[unsafe(no_mangle)]
pub extern "C" fn foreign_get() -> u64 {
    VALUES.get().map_or(0, |value| *value)
}

/// The sum of the values whose threads have died.
#[unsafe(no_mangle)]
pub extern "C" fn foreign_reclaimed() -> u64 {
    RECLAIMED.load(SeqCst)
}

/// The calling thread's token.
#[unsafe(no_mangle)]
pub extern "C" fn foreign_token() -> u64 {
    ThreadToken::current().get()
}

/// Stores the fork generation at the first call. Returns whether it is still the same.
#[unsafe(no_mangle)]
pub extern "C" fn foreign_same_process() -> i32 {
    static NOTED: LazyLock<ForkGeneration> = LazyLock::new(ForkGeneration::current);
    i32::from(NOTED.is_current())
}
