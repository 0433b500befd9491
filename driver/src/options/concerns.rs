//! The defaults of a handle for its operations.

use std::time::Duration;

use super::{ClientOptions, ReadConcern, SelectionCriteria, WriteConcern};

/// The defaults of operations.
#[derive(Clone, Debug)]
pub(crate) struct Concerns {
    /// `timeoutMS`. Zero means "no limit" and differs from `None`.
    pub(crate) timeout: Option<Duration>,
    pub(crate) selection_criteria: SelectionCriteria,
    pub(crate) read_concern: Option<ReadConcern>,
    pub(crate) write_concern: Option<WriteConcern>,
}

impl Concerns {
    /// The defaults of a client with these options.
    pub(crate) fn of_client(options: &ClientOptions) -> Self {
        Concerns {
            timeout: options.timeout,
            selection_criteria: options.selection_criteria(),
            read_concern: options.read_concern.clone(),
            write_concern: options.write_concern.clone(),
        }
    }
}
