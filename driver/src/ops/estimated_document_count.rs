//! `estimated_document_count`: the command `count`, answered from the collection's metadata.

use super::prelude::*;

/// Estimates the number of documents. Returned by [`Collection::estimated_document_count`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct EstimatedDocumentCount<'a, T, F: Mode> {
    pub(crate) collection: &'a Collection<T, F>,
    pub(crate) options: Option<Box<EstimatedDocumentCountOptions>>,
    pub(crate) session: Option<&'a mut SessionState>,
}

options! {
    /// The options of [`Collection::estimated_document_count`].
    EstimatedDocumentCountOptions, EstimatedDocumentCountOptionsBuilder
    for ['a, T, F: Mode] EstimatedDocumentCount<'a, T, F> {
        /// The time limit on the server.
        max_time: Duration,
        /// The selection criteria for the server.
        selection_criteria: SelectionCriteria,
        /// The read concern.
        read_concern: ReadConcern,
        /// A comment, shown in the server's logs and profiles.
        comment: Bson as impl Into<Bson> = "comment",
        /// Operates on the raw buckets of a time series collection. For internal use by MongoDB;
        /// may change. Needs MongoDB 8.2.
        raw_data: bool,
    }
}

operation! { [T: 'a,] EstimatedDocumentCount<'a, T; F> -> u64, on collection }

impl<'a, T, F: Mode> Command<'a> for EstimatedDocumentCount<'a, T, F> {
    type Output = u64;

    fn meta(&self) -> &'static Meta {
        const { &Meta::read("estimated_document_count", "count") }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.str(cstr!("count"), self.collection.name());
        Ok(())
    }

    fn decode(self, reply: Reply<'a>) -> Result<u64> {
        reply.n()
    }
}
