//! How an operation says which servers may run it.

use std::fmt;
use std::sync::Arc;

use super::ReadPreference;
use crate::description::ServerDescription;

/// Tells of one available server whether it may run an operation.
pub type Predicate = Arc<dyn Fn(&ServerDescription) -> bool + Send + Sync>;

/// Which servers may run an operation.
#[derive(Clone)]
#[non_exhaustive]
pub enum SelectionCriteria {
    /// Those that the read preference makes eligible.
    ReadPreference(ReadPreference),
    /// Those for which the predicate says true. It is asked each time a server is selected, so it
    /// should be quick and not block.
    Predicate(Predicate),
}

impl SelectionCriteria {
    /// The read preference, where this is one.
    pub fn as_read_preference(&self) -> Option<&ReadPreference> {
        match self {
            SelectionCriteria::ReadPreference(preference) => Some(preference),
            SelectionCriteria::Predicate(_) => None,
        }
    }
}

/// Equal read preferences are equal; predicates are equal only to their own clones.
impl PartialEq for SelectionCriteria {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::ReadPreference(a), Self::ReadPreference(b)) => a == b,
            (Self::Predicate(a), Self::Predicate(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

impl fmt::Debug for SelectionCriteria {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SelectionCriteria::ReadPreference(preference) => preference.fmt(f),
            SelectionCriteria::Predicate(_) => f.write_str("Predicate"),
        }
    }
}

impl fmt::Display for SelectionCriteria {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SelectionCriteria::ReadPreference(preference) => {
                write!(f, "read preference {preference}")
            }
            SelectionCriteria::Predicate(_) => f.write_str("a custom predicate"),
        }
    }
}

impl From<ReadPreference> for SelectionCriteria {
    fn from(preference: ReadPreference) -> Self {
        SelectionCriteria::ReadPreference(preference)
    }
}
