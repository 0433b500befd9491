//! A nest for benchmarks.

use std::ops::Deref;
use std::sync::Arc;

use arc_swap::Guard;

use crate::nest::{self, TopologySnapshot};

/// A cell with one immutable snapshot.
pub struct Nest<T>(nest::Nest<T>);

/// A guard for short use of the snapshot.
pub struct Look<T>(Guard<Arc<TopologySnapshot<T>>>);

impl<T> Deref for Look<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Nest<T> {
    /// Creates a nest with its first snapshot.
    pub fn new(content: T) -> Self {
        Nest(nest::Nest::new(content))
    }

    /// The current snapshot.
    pub fn load(&self) -> Look<T> {
        Look(self.0.load())
    }

    /// Replaces the snapshot.
    pub fn replace(&self, content: T) {
        self.0.update().replace(content);
    }
}
