//! `findAndModify` that deletes.

use serde::de::DeserializeOwned;

use super::super::prelude::*;
use super::{found, write_head};

/// Deletes one document and gives it. Made by [`Collection::find_one_and_delete`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct FindOneAndDelete<'a, T, F: Mode> {
    pub(crate) collection: &'a Collection<T, F>,
    pub(crate) filter: Document,
    pub(crate) options: Option<Box<FindOneAndDeleteOptions>>,
    pub(crate) session: Option<&'a mut SessionState>,
}

options! {
    /// The options of [`Collection::find_one_and_delete`].
    FindOneAndDeleteOptions, FindOneAndDeleteOptionsBuilder for ['a, T, F: Mode] FindOneAndDelete<'a, T, F> {
        /// The time limit of the server's work.
        max_time: Duration,
        /// The fields of the document to give.
        projection: Document = "fields",
        /// The order in which the first match is the one to delete.
        sort: Document = "sort",
        /// The write concern.
        write_concern: WriteConcern,
        /// The rules for comparing strings.
        collation: Collation = "collation",
        /// The index to use. Servers from 4.4 on.
        hint: Hint = "hint",
        /// Variables that expressions can refer to as `$$name`. Servers from 5.0 on.
        let_vars: Document = "let",
        /// A comment, shown in the server's logs and profiles.
        comment: Bson as impl Into<Bson> = "comment",
    }
}

operation! { [T: DeserializeOwned + 'a,] FindOneAndDelete<'a, T; F> -> Option<T>, on collection }

impl<'a, T: DeserializeOwned, F: Mode> Command<'a> for FindOneAndDelete<'a, T, F> {
    type Output = Option<T>;

    fn meta(&self) -> &'static Meta {
        const { &Meta::write("find_one_and_delete", "findAndModify") }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, server: &ConnectionDescription) -> Result<()> {
        let hint = self.options.as_ref().and_then(|options| options.hint.as_ref());
        write_head(self.collection.name(), &self.filter, hint, body, server)?;
        body.bool(cstr!("remove"), true);
        Ok(())
    }

    fn decode(self, reply: Reply<'a>) -> Result<Option<T>> {
        found(&reply)
    }
}
