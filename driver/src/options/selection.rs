//! How an operation says which servers may run it.

use super::ReadPreference;

/// Which servers may run an operation.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SelectionCriteria {
    /// Those that the read preference makes eligible.
    ReadPreference(ReadPreference),
}

impl SelectionCriteria {
    /// The read preference, where this is one.
    pub fn as_read_preference(&self) -> Option<&ReadPreference> {
        match self {
            SelectionCriteria::ReadPreference(preference) => Some(preference),
        }
    }
}

impl From<ReadPreference> for SelectionCriteria {
    fn from(preference: ReadPreference) -> Self {
        SelectionCriteria::ReadPreference(preference)
    }
}
