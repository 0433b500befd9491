//! `findAndModify` that deletes.

use serde::de::DeserializeOwned;

use super::super::prelude::*;
use super::{find_and_modify_options, found, write_head};

/// Deletes one document and returns it. Created by [`Collection::find_one_and_delete`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct FindOneAndDelete<'a, T, F: Mode> {
    pub(crate) collection: &'a Collection<T, F>,
    pub(crate) filter: Document,
    pub(crate) options: Option<Box<FindOneAndDeleteOptions>>,
    pub(crate) session: Option<&'a mut SessionState>,
}

find_and_modify_options! {
    /// The options of [`Collection::find_one_and_delete`].
    FindOneAndDeleteOptions, FindOneAndDeleteOptionsBuilder
    for ['a, T, F: Mode] FindOneAndDelete<'a, T, F> {
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
