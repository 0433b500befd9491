//! `update`, with a whole document in place of the old one.

use std::borrow::Borrow;

use bson::{Bson, Document, RawDocument};
use serde::Serialize;

use super::macros::{ends, options};
use super::update::{self, Change, Common, Statement};
use crate::collection::Collection;
use crate::error::{Error, Result};
use crate::exec::malformed;
use crate::face::Face;
use crate::options::{Collation, Hint, WriteConcern};
use crate::results::UpdateResult;
use crate::session::{ClientSession, SessionState};

/// Replaces one document. Made by [`Collection::replace_one`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct ReplaceOne<'a, T, D, F: Face> {
    pub(crate) collection: &'a Collection<T, F>,
    pub(crate) filter: Document,
    pub(crate) replacement: D,
    pub(crate) options: Option<Box<ReplaceOptions>>,
    pub(crate) session: Option<&'a mut SessionState>,
}

options! {
    /// The options of [`Collection::replace_one`].
    ReplaceOptions and ReplaceOptionsBuilder of ['a, T, D, F: Face] ReplaceOne<'a, T, D, F> {
        /// Whether the collection's schema rules are left out of account.
        bypass_document_validation: bool,
        /// Whether the document is inserted when none matches.
        upsert: bool,
        /// How strings are compared.
        collation: Collation,
        /// The index to use.
        hint: Hint,
        /// How firmly the write must be done before it is acknowledged.
        write_concern: WriteConcern,
        /// Values that expressions can refer to as `$$name`.
        let_vars: Document,
        /// Shown with the operation in the server's logs and profiles.
        comment: Bson as impl Into<Bson>,
        /// Which of the documents that match is replaced: the first in this order. Servers from 8.0 on.
        sort: Document,
    }
}

impl<'a, T, D, F: Face> ReplaceOne<'a, T, D, F> {
    /// Runs the operation in `session`.
    pub fn session(mut self, session: impl Into<&'a mut ClientSession<F>>) -> Self {
        self.session = Some(session.into().state());
        self
    }
}

impl<T: Serialize, D: Borrow<T>, F: Face> ReplaceOne<'_, T, D, F> {
    async fn execute(self) -> Result<UpdateResult> {
        let place = self.collection.place();
        let mut replacement = Vec::new();
        bson::serialize_to_buffer(self.replacement.borrow(), &mut replacement)
            .map_err(Error::serialization)?;
        drop(self.replacement);
        let replacement = RawDocument::from_bytes(&replacement).map_err(malformed)?;
        if let Some(first) = replacement.iter_elements().next() {
            let key = first.map_err(malformed)?.key().as_str();
            if key.starts_with('$') {
                return Err(Error::invalid_argument(format!(
                    "the replacement must be a document without operators, and begins with {key:?}; to change single \
                     fields use update_one"
                )));
            }
        }
        let options = self.options.as_deref();
        let statement = Statement {
            filter: &self.filter,
            change: Change::Raw(replacement),
            many: false,
            upsert: options.and_then(|o| o.upsert),
            collation: options.and_then(|o| o.collation.as_ref()),
            array_filters: None,
            hint: options.and_then(|o| o.hint.as_ref()),
            sort: options.and_then(|o| o.sort.as_ref()),
        };
        let common = Common {
            bypass_document_validation: options.and_then(|o| o.bypass_document_validation),
            let_vars: options.and_then(|o| o.let_vars.as_ref()),
            comment: options.and_then(|o| o.comment.as_ref()),
        };
        update::run(place, statement, common, options.and_then(|o| o.write_concern.as_ref()), self.session)
            .await
    }
}

ends! { impl [T: Serialize + 'a, D: Borrow<T> + Send + 'a] ReplaceOne<'a, T, D> -> UpdateResult, "replace_one" on collection }
