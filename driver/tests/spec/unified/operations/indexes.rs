//! Indexes, of the server and of its search.

use super::{Kind, Registry};
use crate::unified::api::Api;

pub(super) fn register<F: Api>(registry: &mut Registry<F>) {
    registry.lacks(
        Kind::Collection,
        &["listIndexes", "listIndexNames"],
        "lists of databases, collections and indexes",
    );
    registry.lacks(
        Kind::Collection,
        &["createIndex", "dropIndex", "dropIndexes"],
        "making and changing collections and indexes",
    );
    registry.lacks(
        Kind::Collection,
        &[
            "createSearchIndex",
            "createSearchIndexes",
            "dropSearchIndex",
            "listSearchIndexes",
            "updateSearchIndex",
        ],
        "search indexes",
    );
}
