//! Selection criteria: the servers that an operation can use.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer};

use super::ReadPreference;
use crate::description::ServerDescription;

/// Decides whether an operation can use an available server.
pub type Predicate = Arc<dyn Fn(&ServerDescription) -> bool + Send + Sync>;

/// The servers that an operation can use.
#[derive(Clone)]
#[non_exhaustive]
pub enum SelectionCriteria {
    /// The servers that the read preference makes eligible.
    ReadPreference(ReadPreference),
    /// The servers that the predicate accepts. It runs at each server selection, so it should be
    /// fast and must not block.
    Predicate(Predicate),
}

impl SelectionCriteria {
    /// The read preference, if this is one.
    ///
    /// # Examples
    /// ```
    /// use driver::options::{ReadPreference, SelectionCriteria};
    ///
    /// let criteria = SelectionCriteria::from(ReadPreference::secondary(None));
    /// assert_eq!(criteria.as_read_preference(), Some(&ReadPreference::secondary(None)));
    /// ```
    pub fn as_read_preference(&self) -> Option<&ReadPreference> {
        match self {
            SelectionCriteria::ReadPreference(preference) => Some(preference),
            SelectionCriteria::Predicate(_) => None,
        }
    }
}

/// A predicate equals only its own clones.
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

/// Deserializes a read preference.
impl<'de> Deserialize<'de> for SelectionCriteria {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ReadPreference::deserialize(deserializer).map(SelectionCriteria::ReadPreference)
    }
}
