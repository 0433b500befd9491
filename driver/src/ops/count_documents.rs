//! `count_documents`: an exact count, by the aggregation of the specification "CRUD".

use bson::raw::{RawBsonRef, RawDocument};

use super::fields::Field;
use super::prelude::*;
use crate::exec::malformed;
use crate::wire::scan::whole;

/// Counts documents. Returned by [`Collection::count_documents`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct CountDocuments<'a, T, F: Mode> {
    pub(crate) collection: &'a Collection<T, F>,
    pub(crate) filter: Document,
    pub(crate) options: Option<Box<CountOptions>>,
    pub(crate) session: Option<&'a mut SessionState>,
}

options! {
    /// The options of [`Collection::count_documents`].
    CountOptions, CountOptionsBuilder for ['a, T, F: Mode] CountDocuments<'a, T, F> {
        /// The index to use.
        hint: Hint = "hint",
        /// The maximum count.
        limit: u64,
        /// The time limit on the server.
        max_time: Duration,
        /// The number of documents to skip.
        skip: u64,
        /// The rules for comparing strings.
        collation: Collation = "collation",
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

operation! { [T: 'a,] CountDocuments<'a, T; F> -> u64, on collection }

impl<'a, T, F: Mode> Command<'a> for CountDocuments<'a, T, F> {
    type Output = u64;

    fn meta(&self) -> &'static Meta {
        const { &Meta::read("count_documents", "aggregate") }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.str(cstr!("aggregate"), self.collection.name());
        let mut pipeline = body.array(cstr!("pipeline"));
        pipeline.nested().document(cstr!("$match"), &self.filter)?;
        if let Some(options) = &self.options {
            for (stage, n) in [(cstr!("$skip"), options.skip), (cstr!("$limit"), options.limit)] {
                if let Some(n) = n {
                    n.write(stage, &mut pipeline.nested())?;
                }
            }
        }
        let mut last = pipeline.nested();
        let mut group = last.nested(cstr!("$group"));
        group.i32(cstr!("_id"), 1);
        group.nested(cstr!("n")).i32(cstr!("$sum"), 1);
        drop(group);
        drop(last);
        drop(pipeline);
        drop(body.nested(cstr!("cursor")));
        Ok(())
    }

    fn decode(self, reply: Reply<'a>) -> Result<u64> {
        // The group stage returns no document if nothing matched.
        let Some(counted) = reply.first()? else { return Ok(0) };
        let counted =
            RawDocument::from_bytes(counted).map_err(|cause| malformed(cause).at(reply.host()))?;
        let n = match counted.get("n") {
            Ok(Some(RawBsonRef::Int32(n))) => n.try_into().ok(),
            Ok(Some(RawBsonRef::Int64(n))) => n.try_into().ok(),
            Ok(Some(RawBsonRef::Double(n))) => whole(n).and_then(|n| n.try_into().ok()),
            _ => None,
        };
        n.ok_or_else(|| Error::invalid_response("its count is not a number").at(reply.host()))
    }
}
