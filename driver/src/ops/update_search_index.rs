//! `updateSearchIndex` (specification "Index Management", section "Search Indexes").

use super::prelude::*;

/// Replaces the definition of a search index. Created by [`Collection::update_search_index`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct UpdateSearchIndex<'a, T, F: Mode> {
    pub(crate) collection: &'a Collection<T, F>,
    pub(crate) name: String,
    pub(crate) definition: Document,
    pub(crate) options: Option<Box<UpdateSearchIndexOptions>>,
    pub(crate) session: Option<&'a mut SessionState>,
}

options! {
    /// The options of [`Collection::update_search_index`].
    UpdateSearchIndexOptions, UpdateSearchIndexOptionsBuilder
    for ['a, T, F: Mode] UpdateSearchIndex<'a, T, F> {}
}

operation! { [T: 'a,] UpdateSearchIndex<'a, T; F> -> (), on collection }

impl<'a, T, F: Mode> Command<'a> for UpdateSearchIndex<'a, T, F> {
    type Output = ();

    fn meta(&self) -> &'static Meta {
        const { &Meta::other_write("update_search_index", "updateSearchIndex") }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.str(cstr!("updateSearchIndex"), self.collection.name());
        body.str(cstr!("name"), &self.name);
        body.document(cstr!("definition"), &self.definition)
    }

    fn decode(self, _reply: Reply<'a>) -> Result<()> {
        Ok(())
    }
}
