//! `find`, of one document: no cursor stays behind.

use std::time::Duration;

use bson::raw::cstr;
use bson::{Bson, Document};
use serde::de::DeserializeOwned;

use super::fields::Fields;
use super::macros::{ends, options};
use crate::collection::Collection;
use crate::decode;
use crate::error::{Error, Result};
use crate::exec::{self, Meta, Operation, Retry};
use crate::face::Face;
use crate::options::{Collation, Hint, ReadConcern, SelectionCriteria};
use crate::pool::ConnectionDescription;
use crate::session::{ClientSession, SessionState};
use crate::wire::DocWriter;

/// Finds one document. Made by [`Collection::find_one`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct FindOne<'a, T, F: Face> {
    pub(crate) collection: &'a Collection<T, F>,
    pub(crate) filter: Document,
    pub(crate) options: Option<Box<FindOneOptions>>,
    pub(crate) session: Option<&'a mut SessionState>,
}

options! {
    /// The options of [`Collection::find_one`].
    FindOneOptions and FindOneOptionsBuilder of ['a, T, F: Face] FindOne<'a, T, F> {
        /// Whether a sharded cluster may leave out shards that cannot be reached.
        allow_partial_results: bool,
        /// How strings are compared.
        collation: Collation,
        /// Shown with the operation in the server's logs and profiles.
        comment: Bson as impl Into<Bson>,
        /// The index to use.
        hint: Hint,
        /// The upper bound, exclusive, of the keys of the index in `hint`.
        max: Document,
        /// How many documents or keys to look at, on servers before 4.2.
        max_scan: u64,
        /// How long the server may work on it.
        max_time: Duration,
        /// The lower bound, inclusive, of the keys of the index in `hint`.
        min: Document,
        /// Which fields are returned.
        projection: Document,
        /// How sure the read must be that what it returns will last.
        read_concern: ReadConcern,
        /// Whether only the fields of the used index are returned.
        return_key: bool,
        /// Which servers may answer.
        selection_criteria: SelectionCriteria,
        /// Whether the server's record id is returned as `$recordId`.
        show_record_id: bool,
        /// How many documents are left out at the beginning.
        skip: u64,
        /// The order that decides which is the first.
        sort: Document,
        /// Values that expressions can refer to as `$$name`.
        let_vars: Document,
    }
}

impl<'a, T, F: Face> FindOne<'a, T, F> {
    /// Runs the operation in `session`.
    pub fn session(mut self, session: impl Into<&'a mut ClientSession<F>>) -> Self {
        self.session = Some(session.into().state());
        self
    }
}

impl<T: DeserializeOwned, F: Face> FindOne<'_, T, F> {
    #[expect(clippy::manual_async_fn, reason = "an `async fn` keeps its arguments twice")]
    fn execute(self) -> impl Future<Output = Result<Option<T>>> {
        async move {
            let place = self.collection.place();
            let options = self.options.as_deref();
            let scope = place.read(
                options.and_then(|o| o.selection_criteria.as_ref()),
                options.and_then(|o| o.read_concern.as_ref()),
                self.session,
            );
            let mut command = Command { collection: &place.name, filter: &self.filter, options };
            let reply = exec::execute(&place.core, &mut command, scope).await?;
            let Some(found) = reply.first()? else { return Ok(None) };
            decode::from_slice(found)
                .map(Some)
                .map_err(|cause| Error::deserialization(cause).at(reply.host()))
        }
    }
}

ends! { impl [T: DeserializeOwned + 'a] FindOne<'a, T> -> Option<T>, "find_one" on collection }

struct Command<'a> {
    collection: &'a str,
    filter: &'a Document,
    options: Option<&'a FindOneOptions>,
}

impl Operation for Command<'_> {
    fn meta(&self) -> &'static Meta {
        &Meta { name: "find", retry: Retry::Read }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.str(cstr!("find"), self.collection);
        body.serialize(cstr!("filter"), self.filter)?;
        body.i64(cstr!("limit"), 1);
        body.bool(cstr!("singleBatch"), true);
        let Some(o) = self.options else { return Ok(()) };
        body.maybe_doc(cstr!("sort"), o.sort.as_ref())?;
        body.maybe_doc(cstr!("projection"), o.projection.as_ref())?;
        body.maybe_value(cstr!("hint"), o.hint.as_ref())?;
        body.maybe_u64(cstr!("skip"), o.skip)?;
        body.maybe_comment(o.comment.as_ref())?;
        body.maybe_u64(cstr!("maxScan"), o.max_scan)?;
        body.maybe_millis(cstr!("maxTimeMS"), o.max_time)?;
        body.maybe_doc(cstr!("max"), o.max.as_ref())?;
        body.maybe_doc(cstr!("min"), o.min.as_ref())?;
        body.maybe_bool(cstr!("returnKey"), o.return_key);
        body.maybe_bool(cstr!("showRecordId"), o.show_record_id);
        body.maybe_bool(cstr!("allowPartialResults"), o.allow_partial_results);
        body.maybe_value(cstr!("collation"), o.collation.as_ref())?;
        body.maybe_doc(cstr!("let"), o.let_vars.as_ref())
    }
}
