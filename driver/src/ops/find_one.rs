//! `find` of one document, without a cursor.

use serde::de::DeserializeOwned;

use super::prelude::*;
use crate::decode;

/// Finds one document. Returned by [`Collection::find_one`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct FindOne<'a, T, F: Mode> {
    pub(crate) collection: &'a Collection<T, F>,
    pub(crate) filter: Document,
    pub(crate) options: Option<Box<FindOneOptions>>,
    pub(crate) session: Option<&'a mut SessionState>,
}

options! {
    /// The options of [`Collection::find_one`].
    FindOneOptions, FindOneOptionsBuilder for ['a, T, F: Mode] FindOne<'a, T, F> {
        /// Allows a sharded cluster to omit unreachable shards.
        allow_partial_results: bool = "allowPartialResults",
        /// The rules for comparing strings.
        collation: Collation = "collation",
        /// A comment, shown in the server's logs and profiles.
        comment: Bson as impl Into<Bson> = "comment",
        /// The index to use.
        hint: Hint = "hint",
        /// The upper bound, exclusive, of the keys of the index in `hint`.
        max: Document = "max",
        /// The maximum number of documents or keys to examine. MongoDB 4.2 removed it, so all
        /// supported servers refuse it.
        max_scan: u64 = "maxScan",
        /// The time limit on the server.
        max_time: Duration,
        /// The lower bound, inclusive, of the keys of the index in `hint`.
        min: Document = "min",
        /// The fields to return.
        projection: Document = "projection",
        /// The read concern.
        read_concern: ReadConcern,
        /// Returns only the fields of the used index.
        return_key: bool = "returnKey",
        /// The selection criteria for the server.
        selection_criteria: SelectionCriteria,
        /// Adds the server's record id as `$recordId`.
        show_record_id: bool = "showRecordId",
        /// The number of documents to skip.
        skip: u64 = "skip",
        /// The sort order that determines the first document.
        sort: Document = "sort",
        /// Variables that expressions can refer to as `$$name`.
        let_vars: Document = "let",
        /// Operates on the raw buckets of a time series collection. For internal use by MongoDB;
        /// may change. Needs MongoDB 8.2.
        raw_data: bool,
    }
}

operation! { [T: DeserializeOwned + 'a,] FindOne<'a, T; F> -> Option<T>, on collection }

impl<'a, T: DeserializeOwned, F: Mode> Command<'a> for FindOne<'a, T, F> {
    type Output = Option<T>;

    fn meta(&self) -> &'static Meta {
        const { &Meta::read("find_one", "find") }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.str(cstr!("find"), self.collection.name());
        body.document(cstr!("filter"), &self.filter)?;
        body.i64(cstr!("limit"), 1);
        body.bool(cstr!("singleBatch"), true);
        Ok(())
    }

    fn decode(self, reply: Reply<'a>) -> Result<Option<T>> {
        let Some(found) = reply.first()? else { return Ok(None) };
        decode::from_slice(found)
            .map(Some)
            .map_err(|cause| Error::deserialization(cause).at(reply.host()))
    }
}
