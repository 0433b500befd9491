//! An exact count, as the aggregation that the specification "CRUD" prescribes for it.

use std::time::Duration;

use bson::raw::{RawBsonRef, RawDocument, cstr};
use bson::{Bson, Document};

use super::fields::Fields;
use super::macros::{ends, options};
use crate::collection::Collection;
use crate::error::{Error, Result};
use crate::exec::{self, Meta, Operation, Retry};
use crate::face::Face;
use crate::options::{Collation, Hint, ReadConcern, SelectionCriteria};
use crate::pool::ConnectionDescription;
use crate::session::{ClientSession, SessionState};
use crate::wire::DocWriter;

/// Counts documents. Made by [`Collection::count_documents`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct CountDocuments<'a, T, F: Face> {
    pub(crate) collection: &'a Collection<T, F>,
    pub(crate) filter: Document,
    pub(crate) options: Option<Box<CountOptions>>,
    pub(crate) session: Option<&'a mut SessionState>,
}

options! {
    /// The options of [`Collection::count_documents`].
    CountOptions and CountOptionsBuilder of ['a, T, F: Face] CountDocuments<'a, T, F> {
        /// The index to use.
        hint: Hint,
        /// Where to stop counting.
        limit: u64,
        /// How long the server may work on it.
        max_time: Duration,
        /// How many documents are left out at the beginning.
        skip: u64,
        /// How strings are compared.
        collation: Collation,
        /// Which servers may answer.
        selection_criteria: SelectionCriteria,
        /// How sure the read must be that what it returns will last.
        read_concern: ReadConcern,
        /// Shown with the operation in the server's logs and profiles.
        comment: Bson as impl Into<Bson>,
    }
}

impl<'a, T, F: Face> CountDocuments<'a, T, F> {
    /// Runs the operation in `session`.
    pub fn session(mut self, session: impl Into<&'a mut ClientSession<F>>) -> Self {
        self.session = Some(session.into().state());
        self
    }

    async fn execute(self) -> Result<u64> {
        let place = self.collection.place();
        let options = self.options.as_deref();
        let scope = place.read(
            options.and_then(|o| o.selection_criteria.as_ref()),
            options.and_then(|o| o.read_concern.as_ref()),
            self.session,
        );
        let mut command = Command { collection: &place.name, filter: &self.filter, options };
        let reply = exec::execute(&place.core, &mut command, scope).await?;
        // No document at all comes out of a group over nothing.
        let Some(counted) = reply.first()? else { return Ok(0) };
        let counted =
            RawDocument::from_bytes(counted).map_err(|cause| exec::malformed(cause).at(reply.host()))?;
        let n = match counted.get("n") {
            Ok(Some(RawBsonRef::Int32(n))) => n.try_into().ok(),
            Ok(Some(RawBsonRef::Int64(n))) => n.try_into().ok(),
            Ok(Some(RawBsonRef::Double(n))) => Some(n as u64),
            _ => None,
        };
        n.ok_or_else(|| Error::invalid_response("its count is no number").at(reply.host()))
    }
}

ends! { impl [T: 'a] CountDocuments<'a, T> -> u64, "count_documents" on collection }

struct Command<'a> {
    collection: &'a str,
    filter: &'a Document,
    options: Option<&'a CountOptions>,
}

impl Operation for Command<'_> {
    fn meta(&self) -> &'static Meta {
        &Meta { name: "aggregate", retry: Retry::Read }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.str(cstr!("aggregate"), self.collection);
        let mut pipeline = body.array(cstr!("pipeline"));
        pipeline.nested().serialize(cstr!("$match"), self.filter)?;
        if let Some(options) = self.options {
            for (stage, n) in [(cstr!("$skip"), options.skip), (cstr!("$limit"), options.limit)] {
                if n.is_some() {
                    pipeline.nested().maybe_u64(stage, n)?;
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
        let Some(options) = self.options else { return Ok(()) };
        body.maybe_value(cstr!("hint"), options.hint.as_ref())?;
        body.maybe_value(cstr!("collation"), options.collation.as_ref())?;
        body.maybe_millis(cstr!("maxTimeMS"), options.max_time)?;
        body.maybe_comment(options.comment.as_ref())
    }
}
