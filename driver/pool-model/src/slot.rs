//! A replacement for `arc-swap`: a cell under a lock, which loads or stores a reference in one
//! step.

use std::ops::Deref;
use std::sync::Arc;

use loom::sync::Mutex;

/// A cell with a reference.
pub(crate) struct ArcSwap<T>(Mutex<Arc<T>>);

/// A guard for short use.
pub(crate) struct Guard<T>(T);

impl<T> Deref for Guard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> ArcSwap<T> {
    pub(crate) fn new(value: Arc<T>) -> Self {
        ArcSwap(Mutex::new(value))
    }

    pub(crate) fn load(&self) -> Guard<Arc<T>> {
        Guard(self.load_full())
    }

    pub(crate) fn load_full(&self) -> Arc<T> {
        Arc::clone(&self.0.lock().unwrap())
    }

    pub(crate) fn store(&self, value: Arc<T>) {
        let old = std::mem::replace(&mut *self.0.lock().unwrap(), value);
        drop(old);
    }
}
