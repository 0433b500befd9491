//! What writes report.

use std::collections::HashMap;

use bson::Bson;
use serde::Serialize;

/// What an `insert_one` did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InsertOneResult {
    /// The `_id` of the document, the caller's own or the one that the driver made.
    pub inserted_id: Bson,
}

/// What an `insert_many` did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InsertManyResult {
    /// The `_id`s of the documents, by their position among those that were given.
    pub inserted_ids: HashMap<usize, Bson>,
}

/// What an `update_one`, `update_many` or `replace_one` did.
///
/// All zero for an unacknowledged write.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UpdateResult {
    /// How many documents matched the filter.
    pub matched_count: u64,
    /// How many of them were changed by it.
    pub modified_count: u64,
    /// The `_id` of the document that was inserted because none matched and `upsert` was asked
    /// for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upserted_id: Option<Bson>,
}

/// What a `delete_one` or `delete_many` did.
///
/// Zero for an unacknowledged write.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DeleteResult {
    /// How many documents were deleted.
    pub deleted_count: u64,
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    #[test]
    fn absent_upserted_id_is_left_out() {
        let mut result = UpdateResult { matched_count: 1, modified_count: 1, upserted_id: None };
        let serialized = bson::serialize_to_document(&result).unwrap();
        assert_eq!(serialized, doc! { "matchedCount": 1_i64, "modifiedCount": 1_i64 });
        result.upserted_id = Some(7.into());
        assert_eq!(
            bson::serialize_to_document(&result).unwrap().get("upsertedId"),
            Some(&Bson::Int32(7))
        );
    }
}
