//! The document that is recorded.

use driver::bson::{DateTime, oid::ObjectId};
use serde::{Deserialize, Serialize};

/// One of Mabel's breaths.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Breath {
    /// Made by the writer before the first attempt, so that a retry writes the *same* document.
    #[serde(rename = "_id")]
    pub(crate) id: ObjectId,
    /// The number of the breath. Every number must be found exactly once.
    pub(crate) number: u32,
    /// The time of the breath.
    pub(crate) taken_at: DateTime,
}

impl Breath {
    pub(crate) fn take(number: u32) -> Self {
        Breath { id: ObjectId::new(), number, taken_at: DateTime::now() }
    }
}
