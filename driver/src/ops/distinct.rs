//! `distinct`: the different values of one field.

use std::time::Duration;

use bson::raw::cstr;
use bson::{Bson, Document};

use super::fields::Fields;
use super::macros::{ends, options};
use crate::collection::Collection;
use crate::decode;
use crate::error::{Error, Result};
use crate::exec::{self, Meta, Operation, Retry, malformed};
use crate::face::Face;
use crate::options::{Collation, Hint, ReadConcern, SelectionCriteria};
use crate::pool::ConnectionDescription;
use crate::session::{ClientSession, SessionState};
use crate::wire::DocWriter;

/// Finds the distinct values of a field. Made by [`Collection::distinct`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct Distinct<'a, T, F: Face> {
    pub(crate) collection: &'a Collection<T, F>,
    pub(crate) field_name: String,
    pub(crate) filter: Document,
    pub(crate) options: Option<Box<DistinctOptions>>,
    pub(crate) session: Option<&'a mut SessionState>,
}

options! {
    /// The options of [`Collection::distinct`].
    DistinctOptions and DistinctOptionsBuilder of ['a, T, F: Face] Distinct<'a, T, F> {
        /// How long the server may work on it.
        max_time: Duration,
        /// Which servers may answer.
        selection_criteria: SelectionCriteria,
        /// How sure the read must be that what it returns will last.
        read_concern: ReadConcern,
        /// How strings are compared.
        collation: Collation,
        /// Shown with the operation in the server's logs and profiles.
        comment: Bson as impl Into<Bson>,
        /// The index to use.
        hint: Hint,
    }
}

impl<'a, T, F: Face> Distinct<'a, T, F> {
    /// Runs the operation in `session`.
    pub fn session(mut self, session: impl Into<&'a mut ClientSession<F>>) -> Self {
        self.session = Some(session.into().state());
        self
    }

    async fn execute(self) -> Result<Vec<Bson>> {
        let place = self.collection.place();
        let options = self.options.as_deref();
        let scope = place.read(
            options.and_then(|o| o.selection_criteria.as_ref()),
            options.and_then(|o| o.read_concern.as_ref()),
            self.session,
        );
        let mut command =
            Command { collection: &place.name, field: &self.field_name, filter: &self.filter, options };
        let reply = exec::execute(&place.core, &mut command, scope).await?;
        let values = reply.document().get_array("values");
        let values =
            values.map_err(|_| Error::invalid_response("it has no array of values").at(reply.host()))?;
        decode::shallow(values.as_bytes()).map_err(|cause| malformed(cause).at(reply.host()))?;
        values.into_iter().map(|value| Bson::try_from(value.map_err(malformed)?).map_err(malformed)).collect()
    }
}

ends! { impl [T: 'a] Distinct<'a, T> -> Vec<Bson>, "distinct" on collection }

struct Command<'a> {
    collection: &'a str,
    field: &'a str,
    filter: &'a Document,
    options: Option<&'a DistinctOptions>,
}

impl Operation for Command<'_> {
    fn meta(&self) -> &'static Meta {
        &Meta { name: "distinct", retry: Retry::Read }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.str(cstr!("distinct"), self.collection);
        body.str(cstr!("key"), self.field);
        body.serialize(cstr!("query"), self.filter)?;
        let Some(options) = self.options else { return Ok(()) };
        body.maybe_millis(cstr!("maxTimeMS"), options.max_time)?;
        body.maybe_value(cstr!("collation"), options.collation.as_ref())?;
        body.maybe_comment(options.comment.as_ref())?;
        body.maybe_value(cstr!("hint"), options.hint.as_ref())
    }
}
