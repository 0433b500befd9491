//! What the nest needs of `arc-swap`, as a cell under a lock: a reference is taken, or replaced, in
//! one step.

use std::ops::Deref;
use std::sync::Arc;

use loom::sync::Mutex;

/// A reference that is replaced whole.
pub(crate) struct ArcSwap<T>(Mutex<Arc<T>>);

/// A reference for a short look.
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
