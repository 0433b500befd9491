//! A nest by itself, for measurements.

use std::ops::Deref;
use std::sync::Arc;

use arc_swap::Guard;

use crate::nest::{self, TopologySnapshot};

/// One snapshot at a time, replaced and never edited.
pub struct Nest<T>(nest::Nest<T>);

/// A short look at the snapshot.
pub struct Look<T>(Guard<Arc<TopologySnapshot<T>>>);

impl<T> Deref for Look<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Nest<T> {
    /// A nest with its first snapshot.
    pub fn new(content: T) -> Self {
        Nest(nest::Nest::new(content))
    }

    /// The current snapshot.
    pub fn load(&self) -> Look<T> {
        Look(self.0.load())
    }

    /// Puts another snapshot in its place.
    pub fn replace(&self, content: T) {
        self.0.update(|_| (Some(content), ()), |_| ());
    }
}
