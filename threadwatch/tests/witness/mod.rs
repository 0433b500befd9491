//! Witnesses for the fate of a callback or a value.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

/// Counts its drops. A callback that captures one shows when it was dropped.
pub(crate) struct Dropped(pub(crate) Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

pub(crate) fn counter() -> Arc<AtomicUsize> {
    Arc::new(AtomicUsize::new(0))
}

/// A callback that counts its calls.
#[allow(dead_code, reason = "each test program has this module for itself, and not all watch")]
pub(crate) fn count(calls: &Arc<AtomicUsize>) -> impl FnOnce() + Send + 'static {
    let calls = calls.clone();
    move || {
        calls.fetch_add(1, SeqCst);
    }
}
