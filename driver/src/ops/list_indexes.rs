//! `listIndexes` (specification "Index Management", section "Enumerating Indexes").

use super::listing::lists;
use super::listing::prelude::*;
use crate::options::{CursorTimeoutMode, IndexModel};

lists! {
    /// Lists the indexes of a collection, or their names. Created by [`Collection::list_indexes`]
    /// and [`Collection::list_index_names`].
    ListIndexes<IndexModel>, ListIndexesOptions,
    "list_indexes" and "list_index_names" by "listIndexes", write_head
}

options! {
    /// The options of [`Collection::list_indexes`] and [`Collection::list_index_names`].
    ListIndexesOptions, ListIndexesOptionsBuilder for ['a, M, F: Mode, S] ListIndexes<'a, M, F, S> {
        /// The time limit on the server.
        max_time: Duration,
        /// The number of indexes in a batch.
        batch_size: u32,
        /// A comment, shown in the server's logs and profiles.
        comment: Bson as impl Into<Bson> = "comment",
        /// Whether the timeout bounds the command and all steps of the cursor together, or each of
        /// them separately. Default: together.
        timeout_mode: CursorTimeoutMode,
        /// Operates on the raw buckets of a time series collection. For internal use by MongoDB;
        /// may change. Needs MongoDB 8.2.
        raw_data: bool,
    }
}

fn write_head(on: On<'_>, _: Option<&ListIndexesOptions>, _: bool, body: &mut DocWriter<'_>) {
    body.str(cstr!("listIndexes"), on.collection.unwrap_or_default());
}
