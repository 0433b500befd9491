//! `count`, of everything: answered from the collection's own books.

use std::time::Duration;

use bson::Bson;
use bson::raw::cstr;

use super::fields::Fields;
use super::macros::{ends, options};
use crate::collection::Collection;
use crate::error::Result;
use crate::exec::{self, Meta, Operation, Retry};
use crate::face::Face;
use crate::options::{ReadConcern, SelectionCriteria};
use crate::pool::ConnectionDescription;
use crate::wire::DocWriter;

/// Estimates how many documents there are. Made by [`Collection::estimated_document_count`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct EstimatedDocumentCount<'a, T, F: Face> {
    pub(crate) collection: &'a Collection<T, F>,
    pub(crate) options: Option<Box<EstimatedDocumentCountOptions>>,
}

options! {
    /// The options of [`Collection::estimated_document_count`].
    EstimatedDocumentCountOptions and EstimatedDocumentCountOptionsBuilder of ['a, T, F: Face] EstimatedDocumentCount<'a, T, F> {
        /// How long the server may work on it.
        max_time: Duration,
        /// Which servers may answer.
        selection_criteria: SelectionCriteria,
        /// How sure the read must be that what it returns will last.
        read_concern: ReadConcern,
        /// Shown with the operation in the server's logs and profiles.
        comment: Bson as impl Into<Bson>,
    }
}

impl<T, F: Face> EstimatedDocumentCount<'_, T, F> {
    async fn execute(self) -> Result<u64> {
        let place = self.collection.place();
        let options = self.options.as_deref();
        let scope = place.read(
            options.and_then(|o| o.selection_criteria.as_ref()),
            options.and_then(|o| o.read_concern.as_ref()),
            None,
        );
        let reply =
            exec::execute(&place.core, &mut Command { collection: &place.name, options }, scope).await?;
        Ok(reply.outline().n())
    }
}

ends! { impl [T: 'a] EstimatedDocumentCount<'a, T> -> u64, "estimated_document_count" on collection }

struct Command<'a> {
    collection: &'a str,
    options: Option<&'a EstimatedDocumentCountOptions>,
}

impl Operation for Command<'_> {
    fn meta(&self) -> &'static Meta {
        &Meta { name: "count", retry: Retry::Read }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.str(cstr!("count"), self.collection);
        let Some(options) = self.options else { return Ok(()) };
        body.maybe_millis(cstr!("maxTimeMS"), options.max_time)?;
        body.maybe_comment(options.comment.as_ref())
    }
}
