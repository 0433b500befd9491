//! A wait for a condition without a notification.

use std::{
    fmt::Debug,
    thread,
    time::{Duration, Instant},
};

/// Far longer than a busy machine needs, so that only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(120);

/// Polls `holds` until it returns true. Blocks the calling thread.
///
/// ```
/// let flag = std::sync::atomic::AtomicBool::new(false);
/// std::thread::scope(|scope| {
///     scope.spawn(|| flag.store(true, std::sync::atomic::Ordering::Relaxed));
///     testbed::eventually("the flag is set", || flag.load(std::sync::atomic::Ordering::Relaxed));
/// });
/// ```
///
/// # Panics
/// `holds` returns false for two minutes. The message has `what`.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not within the time limit: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Polls `value` until it equals `expected`. For counts that another thread may complete later,
/// such as those of the events of a connection pool. Blocks the calling thread.
///
/// # Panics
/// The value is another one for two minutes. The message has both.
#[track_caller]
pub fn settles<T: Debug + PartialEq>(mut value: impl FnMut() -> T, expected: T) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = value();
        if now == expected {
            return;
        }
        assert!(Instant::now() < deadline, "it stays {now:?}, and does not become {expected:?}");
        thread::sleep(Duration::from_millis(5));
    }
}
