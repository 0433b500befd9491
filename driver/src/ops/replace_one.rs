//! `replace_one`: the command `update` with a whole document.

use std::borrow::Borrow;

use serde::Serialize;

use super::prelude::*;
use super::update;
use crate::exec;
use crate::results::UpdateResult;
use crate::wire::first_key::{self, Beginning};

/// Replaces one document. Returned by [`Collection::replace_one`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct ReplaceOne<'a, T, D, F: Mode> {
    pub(crate) collection: &'a Collection<T, F>,
    pub(crate) filter: Document,
    pub(crate) replacement: D,
    pub(crate) options: Option<Box<ReplaceOptions>>,
    pub(crate) session: Option<&'a mut SessionState>,
}

options! {
    /// The options of [`Collection::replace_one`].
    ReplaceOptions, ReplaceOptionsBuilder for ['a, T, D, F: Mode] ReplaceOne<'a, T, D, F> {
        /// Skips document validation.
        bypass_document_validation: bool = "bypassDocumentValidation",
        /// Inserts the document if none matches.
        upsert: bool = (statement "upsert"),
        /// The rules for comparing strings.
        collation: Collation = (statement "collation"),
        /// The index to use.
        hint: Hint = (statement "hint"),
        /// The write concern.
        write_concern: WriteConcern,
        /// Variables that expressions can refer to as `$$name`.
        let_vars: Document = "let",
        /// A comment, shown in the server's logs and profiles.
        comment: Bson as impl Into<Bson> = "comment",
        /// The sort order that determines the document to replace. Needs MongoDB 8.0.
        sort: Document = (statement "sort"),
        /// Operates on the raw buckets of a time series collection. For internal use by MongoDB;
        /// may change. Needs MongoDB 8.2.
        raw_data: bool,
    }
}

operation! {
    [T: Serialize + 'a, D: Borrow<T> + Send + 'a,] ReplaceOne<'a, T, D; F> -> UpdateResult,
    on collection
}

impl<'a, T: Serialize + 'a, D: Borrow<T> + Send + 'a, F: Mode> Command<'a>
    for ReplaceOne<'a, T, D, F>
{
    type Output = UpdateResult;

    fn meta(&self) -> &'static Meta {
        const { &Meta::write("replace_one", "update") }
    }

    fn check(&self, _session: Option<&SessionState>) -> Result<()> {
        check_replacement(self.replacement.borrow(), "update_one")
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        update::write_body(self.collection.name(), body);
        Ok(())
    }

    fn documents(
        &mut self,
        message: &mut MessageWriter<'_>,
        server: &ConnectionDescription,
    ) -> Result<()> {
        let size = message.sequence(cstr!("updates")).write(|entry| {
            entry.document(cstr!("q"), &self.filter)?;
            entry.serialize(cstr!("u"), self.replacement.borrow())?;
            self.options().map_or(Ok(()), |options| options.encode_statement(entry))
        })?;
        exec::check_size("update", size, server)
    }

    fn decode(self, reply: Reply<'a>) -> Result<UpdateResult> {
        update::result(&reply)
    }
}

/// Refuses a replacement that is not a document, or that begins with an operator. The error then
/// names the method `updating`.
///
/// # Errors
/// `InvalidArgument`.
pub(super) fn check_replacement<T: Serialize + ?Sized>(
    replacement: &T,
    updating: &str,
) -> Result<()> {
    match first_key::beginning(replacement) {
        // The serialization of the whole document reports values that cannot be serialized.
        Beginning::Field | Beginning::Unknown => Ok(()),
        Beginning::NoDocument => Err(Error::invalid_argument("the replacement is not a document")),
        Beginning::Operator(key) => Err(Error::invalid_argument(format!(
            "the replacement must be a document without operators, but begins with {key:?}; to \
             change single fields use {updating}"
        ))),
    }
}
