//! `distinct`: the distinct values of a field.

use super::prelude::*;
use crate::decode;
use crate::exec::malformed;

/// Finds the distinct values of a field. Returned by [`Collection::distinct`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct Distinct<'a, T, F: Mode> {
    pub(crate) collection: &'a Collection<T, F>,
    pub(crate) field_name: String,
    pub(crate) filter: Document,
    pub(crate) options: Option<Box<DistinctOptions>>,
    pub(crate) session: Option<&'a mut SessionState>,
}

options! {
    /// The options of [`Collection::distinct`].
    DistinctOptions, DistinctOptionsBuilder for ['a, T, F: Mode] Distinct<'a, T, F> {
        /// The time limit on the server.
        max_time: Duration,
        /// The selection criteria for the server.
        selection_criteria: SelectionCriteria,
        /// The read concern.
        read_concern: ReadConcern,
        /// The rules for comparing strings.
        collation: Collation = "collation",
        /// A comment, shown in the server's logs and profiles.
        comment: Bson as impl Into<Bson> = "comment",
        /// The index to use.
        hint: Hint = "hint",
        /// Operates on the raw buckets of a time series collection. For internal use by MongoDB;
        /// may change. Needs MongoDB 8.2.
        raw_data: bool,
    }
}

operation! { [T: 'a,] Distinct<'a, T; F> -> Vec<Bson>, on collection }

impl<'a, T, F: Mode> Command<'a> for Distinct<'a, T, F> {
    type Output = Vec<Bson>;

    fn meta(&self) -> &'static Meta {
        const { &Meta::read("distinct", "distinct") }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.str(cstr!("distinct"), self.collection.name());
        body.str(cstr!("key"), &self.field_name);
        body.document(cstr!("query"), &self.filter)
    }

    fn decode(self, reply: Reply<'a>) -> Result<Vec<Bson>> {
        let malformed = |cause| malformed(cause).at(reply.host());
        let values = reply.document().get_array("values");
        let values = values
            .map_err(|_| Error::invalid_response("it has no array of values").at(reply.host()))?;
        decode::shallow(values.as_bytes()).map_err(malformed)?;
        values
            .into_iter()
            .map(|value| Bson::try_from(value.map_err(malformed)?).map_err(malformed))
            .collect()
    }
}
