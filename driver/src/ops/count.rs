//! The deprecated command `count` with a filter, for cases of the specifications. Programs use
//! `count_documents` and `estimated_document_count`.

use super::prelude::*;

/// Counts documents with the deprecated command. Returned by
/// [`conformance::count`](crate::conformance::count).
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct Count<'a, T, F: Mode> {
    pub(crate) collection: &'a Collection<T, F>,
    pub(crate) filter: Document,
    pub(crate) options: Option<Box<CommandCountOptions>>,
    pub(crate) session: Option<&'a mut SessionState>,
}

options! {
    /// The options of the deprecated command `count`.
    CommandCountOptions, CommandCountOptionsBuilder for ['a, T, F: Mode] Count<'a, T, F> {
        /// The maximum count.
        limit: u64 = "limit",
        /// The number of documents to skip.
        skip: u64 = "skip",
        /// The rules for comparing strings.
        collation: Collation = "collation",
        /// The index to use.
        hint: Hint = "hint",
        /// A comment, shown in the server's logs and profiles.
        comment: Bson as impl Into<Bson> = "comment",
        /// The time limit on the server.
        max_time: Duration,
        /// The selection criteria for the server.
        selection_criteria: SelectionCriteria,
        /// The read concern.
        read_concern: ReadConcern,
        /// Operates on the raw buckets of a time series collection. For internal use by MongoDB;
        /// may change. Needs MongoDB 8.2.
        raw_data: bool,
    }
}

operation! { [T: 'a,] Count<'a, T; F> -> u64, on collection }

impl<'a, T, F: Mode> Command<'a> for Count<'a, T, F> {
    type Output = u64;

    fn meta(&self) -> &'static Meta {
        const { &Meta::read("count", "count") }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.str(cstr!("count"), self.collection.name());
        body.document(cstr!("query"), &self.filter)
    }

    fn decode(self, reply: Reply<'a>) -> Result<u64> {
        reply.n()
    }
}
