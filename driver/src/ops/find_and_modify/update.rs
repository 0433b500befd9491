//! `findAndModify` that updates a document.

use serde::de::DeserializeOwned;

use super::super::prelude::*;
use super::super::update::{check_modifications, write_modifications};
use super::{find_and_modify_options, found, write_head};
use crate::options::{ReturnDocument, UpdateModifications};

/// Updates one document and returns it. Created by [`Collection::find_one_and_update`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct FindOneAndUpdate<'a, T, F: Mode> {
    pub(crate) collection: &'a Collection<T, F>,
    pub(crate) filter: Document,
    pub(crate) update: UpdateModifications,
    pub(crate) options: Option<Box<FindOneAndUpdateOptions>>,
    pub(crate) session: Option<&'a mut SessionState>,
}

find_and_modify_options! {
    /// The options of [`Collection::find_one_and_update`].
    FindOneAndUpdateOptions, FindOneAndUpdateOptionsBuilder
    for ['a, T, F: Mode] FindOneAndUpdate<'a, T, F> {
        /// The filters for array elements, which the update refers to as `$[name]`.
        array_filters: Vec<Document> as impl IntoIterator<Item = Document> => Vec::from_iter
            = "arrayFilters",
        /// Skips document validation.
        bypass_document_validation: bool = "bypassDocumentValidation",
        /// The state of the document to return. Default: the state before.
        return_document: ReturnDocument = "new",
        /// Inserts a document if none matches.
        upsert: bool = "upsert",
    }
}

operation! { [T: DeserializeOwned + 'a,] FindOneAndUpdate<'a, T; F> -> Option<T>, on collection }

impl<'a, T: DeserializeOwned, F: Mode> Command<'a> for FindOneAndUpdate<'a, T, F> {
    type Output = Option<T>;

    fn meta(&self) -> &'static Meta {
        const { &Meta::write("find_one_and_update", "findAndModify") }
    }

    fn check(&self, _session: Option<&SessionState>) -> Result<()> {
        check_modifications(&self.update, "find_one_and_replace")
    }

    fn body(&mut self, body: &mut DocWriter<'_>, server: &ConnectionDescription) -> Result<()> {
        let hint = self.options.as_ref().and_then(|options| options.hint.as_ref());
        write_head(self.collection.name(), &self.filter, hint, body, server)?;
        write_modifications(cstr!("update"), &self.update, body)
    }

    fn decode(self, reply: Reply<'a>) -> Result<Option<T>> {
        found(&reply)
    }
}
