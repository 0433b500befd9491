//! `delete`: of one document or of all that match.

use bson::raw::cstr;
use bson::{Bson, Document};

use super::fields::Fields;
use super::macros::{ends, options};
use super::update::Reach;
use crate::collection::Collection;
use crate::error::Result;
use crate::exec::{self, Meta, Operation, Retry, failure};
use crate::face::Face;
use crate::options::{Collation, Hint, WriteConcern};
use crate::pool::ConnectionDescription;
use crate::results::DeleteResult;
use crate::session::{ClientSession, SessionState};
use crate::wire::{DocWriter, MessageWriter};

/// Deletes documents. Made by [`Collection::delete_one`] and [`Collection::delete_many`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct Delete<'a, T, F: Face> {
    pub(crate) collection: &'a Collection<T, F>,
    pub(crate) filter: Document,
    pub(crate) reach: Reach,
    pub(crate) options: Option<Box<DeleteOptions>>,
    pub(crate) session: Option<&'a mut SessionState>,
}

options! {
    /// The options of [`Collection::delete_one`] and [`Collection::delete_many`].
    DeleteOptions and DeleteOptionsBuilder of ['a, T, F: Face] Delete<'a, T, F> {
        /// How strings are compared.
        collation: Collation,
        /// How firmly the write must be done before it is acknowledged.
        write_concern: WriteConcern,
        /// The index to use.
        hint: Hint,
        /// Values that expressions can refer to as `$$name`.
        let_vars: Document,
        /// Shown with the operation in the server's logs and profiles.
        comment: Bson as impl Into<Bson>,
    }
}

impl<'a, T, F: Face> Delete<'a, T, F> {
    /// Runs the operation in `session`.
    pub fn session(mut self, session: impl Into<&'a mut ClientSession<F>>) -> Self {
        self.session = Some(session.into().state());
        self
    }

    async fn execute(self) -> Result<DeleteResult> {
        let place = self.collection.place();
        let options = self.options.as_deref();
        let scope = place.write(options.and_then(|o| o.write_concern.as_ref()), self.session);
        let mut command =
            Command { collection: &place.name, filter: &self.filter, reach: self.reach, options };
        let reply = exec::execute(&place.core, &mut command, scope).await?;
        match failure::of_single_write(reply.outline(), reply.document()) {
            Some(error) => Err(error.at(reply.host())),
            None => Ok(DeleteResult { deleted_count: reply.outline().n() }),
        }
    }
}

ends! { impl [T: 'a] Delete<'a, T> -> DeleteResult, "delete" on collection }

struct Command<'a> {
    collection: &'a str,
    filter: &'a Document,
    reach: Reach,
    options: Option<&'a DeleteOptions>,
}

impl Operation for Command<'_> {
    fn meta(&self) -> &'static Meta {
        match self.reach {
            Reach::Many => &Meta { name: "delete", retry: Retry::Never },
            Reach::One => &Meta { name: "delete", retry: Retry::Write },
        }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.str(cstr!("delete"), self.collection);
        body.bool(cstr!("ordered"), true);
        let Some(options) = self.options else { return Ok(()) };
        body.maybe_doc(cstr!("let"), options.let_vars.as_ref())?;
        body.maybe_comment(options.comment.as_ref())
    }

    fn documents(&mut self, message: &mut MessageWriter<'_>, server: &ConnectionDescription) -> Result<()> {
        let size = message.sequence(cstr!("deletes")).write(|entry| {
            entry.serialize(cstr!("q"), self.filter)?;
            entry.i32(cstr!("limit"), if self.reach == Reach::One { 1 } else { 0 });
            let Some(options) = self.options else { return Ok(()) };
            entry.maybe_value(cstr!("collation"), options.collation.as_ref())?;
            entry.maybe_value(cstr!("hint"), options.hint.as_ref())
        })?;
        exec::check_size("delete", size, server)
    }
}
