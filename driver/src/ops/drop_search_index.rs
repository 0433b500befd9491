//! `dropSearchIndex` (specification "Index Management", section "Search Indexes").

use super::prelude::*;
use crate::error::codes;

/// Drops a search index. Created by [`Collection::drop_search_index`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct DropSearchIndex<'a, T, F: Mode> {
    pub(crate) collection: &'a Collection<T, F>,
    pub(crate) name: String,
    pub(crate) options: Option<Box<DropSearchIndexOptions>>,
    pub(crate) session: Option<&'a mut SessionState>,
}

options! {
    /// The options of [`Collection::drop_search_index`].
    DropSearchIndexOptions, DropSearchIndexOptionsBuilder
    for ['a, T, F: Mode] DropSearchIndex<'a, T, F> {}
}

operation! { [T: 'a,] DropSearchIndex<'a, T; F> -> (), on collection }

impl<'a, T, F: Mode> Command<'a> for DropSearchIndex<'a, T, F> {
    type Output = ();

    fn meta(&self) -> &'static Meta {
        const { &Meta::other_write("drop_search_index", "dropSearchIndex") }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.str(cstr!("dropSearchIndex"), self.collection.name());
        body.str(cstr!("name"), &self.name);
        Ok(())
    }

    fn decode(self, _reply: Reply<'a>) -> Result<()> {
        Ok(())
    }

    /// A collection that does not exist has no indexes.
    fn recover(self, error: Error) -> Result<()> {
        if error.code() == Some(codes::NAMESPACE_NOT_FOUND) { Ok(()) } else { Err(error) }
    }
}
