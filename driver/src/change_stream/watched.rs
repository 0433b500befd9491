//! The subject of a change stream.

use bson::Document;

use crate::cursor::GetMoreOptions;
use crate::exec::{CursorTimeout, Timeout};
use crate::ops::operation_name::OperationName;
use crate::ops::{ChangeStreamOptions, watch};
use crate::options::{ReadConcern, SelectionCriteria};

/// The target and the options of a change stream.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) db: String,
    pub(crate) collection: Option<String>,
    pub(crate) cluster: bool,
    pub(crate) pipeline: Vec<Document>,
    pub(crate) read_concern: Option<ReadConcern>,
    pub(crate) selection_criteria: SelectionCriteria,
    pub(crate) options: ChangeStreamOptions,
    pub(crate) timeout: Timeout,
}

impl Watched {
    pub(super) fn get_more_options(&self) -> GetMoreOptions {
        GetMoreOptions {
            awaits: true,
            prefetch: false,
            exhaust: false,
            operation: watch::META.method,
            batch_size: self.options.batch_size,
            left: None,
            max_await_time: self.options.max_await_time,
            comment: self.options.comment.clone(),
            timeout: CursorTimeout::of_each_step(self.timeout),
        }
    }

    /// Whether the server splits large events.
    pub(super) fn splits(&self) -> bool {
        const SPLIT: &str = "$changeStreamSplitLargeEvent";
        self.pipeline.iter().any(|stage| stage.contains_key(SPLIT))
    }

    pub(super) fn operation_name(&self) -> OperationName<'_> {
        OperationName {
            operation: watch::META.method,
            db: &self.db,
            collection: self.collection.as_deref(),
        }
    }
}
