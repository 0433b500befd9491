//! `listCollections` (specification "Enumerating Collections").

use super::listing::lists;
use super::listing::prelude::*;
use crate::options::CursorTimeoutMode;
use crate::results::CollectionSpecification;

lists! {
    /// Lists the collections of a database, or their names. Created by
    /// [`Database::list_collections`](crate::database::Database::list_collections) and
    /// [`Database::list_collection_names`](crate::database::Database::list_collection_names).
    ListCollections<CollectionSpecification>, ListCollectionsOptions,
    "list_collections" and "list_collection_names" by "listCollections", write_head
}

options! {
    /// The options of [`Database::list_collections`](crate::database::Database::list_collections)
    /// and [`Database::list_collection_names`](crate::database::Database::list_collection_names).
    ListCollectionsOptions, ListCollectionsOptionsBuilder
    for ['a, M, F: Mode, S] ListCollections<'a, M, F, S> {
        /// The number of collections in a batch.
        batch_size: u32,
        /// A comment, shown in the server's logs and profiles.
        comment: Bson as impl Into<Bson> = "comment",
        /// The filter for collections, such as `{ "options.capped": true }`.
        filter: Document = "filter",
        /// Lists only collections that the user may read. Applies only to names.
        authorized_collections: bool = "authorizedCollections",
        /// Whether the timeout bounds the command and all steps of the cursor together, or each of
        /// them separately. Default: together.
        timeout_mode: CursorTimeoutMode,
        /// Operates on the raw buckets of a time series collection. For internal use by MongoDB;
        /// may change. Needs MongoDB 8.2.
        raw_data: bool,
    }
}

fn write_head(
    _: On<'_>,
    options: Option<&ListCollectionsOptions>,
    names_only: bool,
    body: &mut DocWriter<'_>,
) {
    body.i32(cstr!("listCollections"), 1);
    // `nameOnly` is cheaper, but a filter can use other fields.
    let filter = options.and_then(|options| options.filter.as_ref());
    if names_only && filter.is_none_or(|filter| filter.keys().all(|key| key == "name")) {
        body.bool(cstr!("nameOnly"), true);
    }
}
