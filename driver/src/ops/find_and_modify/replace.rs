//! `findAndModify` that replaces a document.

use std::borrow::Borrow;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::prelude::*;
use super::super::replace_one::check_replacement;
use super::{find_and_modify_options, found, write_head};
use crate::options::ReturnDocument;

/// Replaces one document and returns it. Created by [`Collection::find_one_and_replace`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct FindOneAndReplace<'a, T, D, F: Mode> {
    pub(crate) collection: &'a Collection<T, F>,
    pub(crate) filter: Document,
    pub(crate) replacement: D,
    pub(crate) options: Option<Box<FindOneAndReplaceOptions>>,
    pub(crate) session: Option<&'a mut SessionState>,
}

find_and_modify_options! {
    /// The options of [`Collection::find_one_and_replace`].
    FindOneAndReplaceOptions, FindOneAndReplaceOptionsBuilder
    for ['a, T, D, F: Mode] FindOneAndReplace<'a, T, D, F> {
        /// Skips document validation.
        bypass_document_validation: bool = "bypassDocumentValidation",
        /// The state of the document to return. Default: the state before.
        return_document: ReturnDocument = "new",
        /// Inserts the replacement if no document matches.
        upsert: bool = "upsert",
    }
}

operation! {
    [T: Serialize + DeserializeOwned + 'a, D: Borrow<T> + Send + 'a,]
    FindOneAndReplace<'a, T, D; F> -> Option<T>, on collection
}

impl<'a, T: Serialize + DeserializeOwned + 'a, D: Borrow<T> + Send + 'a, F: Mode> Command<'a>
    for FindOneAndReplace<'a, T, D, F>
{
    type Output = Option<T>;

    fn meta(&self) -> &'static Meta {
        const { &Meta::write("find_one_and_replace", "findAndModify") }
    }

    fn check(&self, _session: Option<&SessionState>) -> Result<()> {
        check_replacement(self.replacement.borrow(), "find_one_and_update")
    }

    fn body(&mut self, body: &mut DocWriter<'_>, server: &ConnectionDescription) -> Result<()> {
        let hint = self.options.as_ref().and_then(|options| options.hint.as_ref());
        write_head(self.collection.name(), &self.filter, hint, body, server)?;
        body.serialize(cstr!("update"), self.replacement.borrow())
    }

    fn decode(self, reply: Reply<'a>) -> Result<Option<T>> {
        found(&reply)
    }
}
