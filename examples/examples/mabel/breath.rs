//! What is recorded.

use driver::bson::{DateTime, oid::ObjectId};
use serde::{Deserialize, Serialize};

/// One breath of Mabel's.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Breath {
    /// Made by the writer before the first attempt: whoever tries twice tries to write the *same*
    /// document.
    #[serde(rename = "_id")]
    pub(crate) id: ObjectId,
    /// Which breath it is. Every number is to be found exactly once.
    pub(crate) number: u32,
    /// When it was taken.
    pub(crate) taken_at: DateTime,
}

impl Breath {
    pub(crate) fn take(number: u32) -> Self {
        Breath { id: ObjectId::new(), number, taken_at: DateTime::now() }
    }
}
