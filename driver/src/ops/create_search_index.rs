//! `createSearchIndexes` (specification "Index Management", section "Search Indexes").
//!
//! Search index commands take no read concern and no write concern.

use std::marker::PhantomData;

use bson::raw::RawBsonRef;

use super::command::On;
use super::listing::{Multiple, Single};
use super::prelude::*;
use crate::exec::malformed;
use crate::options::SearchIndexModel;

/// Creates search indexes. Created by [`Collection::create_search_index`] and
/// [`Collection::create_search_indexes`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct CreateSearchIndex<'a, M, F: Mode> {
    on: On<'a>,
    models: Vec<SearchIndexModel>,
    options: Option<Box<CreateSearchIndexOptions>>,
    session: Option<&'a mut SessionState>,
    count: PhantomData<fn(F) -> M>,
}

options! {
    /// The options of [`Collection::create_search_index`] and
    /// [`Collection::create_search_indexes`].
    CreateSearchIndexOptions, CreateSearchIndexOptionsBuilder
    for ['a, M, F: Mode] CreateSearchIndex<'a, M, F> {}
}

impl<'a, M, F: Mode> CreateSearchIndex<'a, M, F> {
    pub(crate) fn new(on: On<'a>, models: Vec<SearchIndexModel>) -> Self {
        CreateSearchIndex { on, models, options: None, session: None, count: PhantomData }
    }

    fn write(&self, body: &mut DocWriter<'_>) -> Result<()> {
        body.str(cstr!("createSearchIndexes"), self.on.collection.unwrap_or_default());
        let mut indexes = body.array(cstr!("indexes"));
        self.models.iter().try_for_each(|model| indexes.serialize(model))
    }
}

/// The names of the created indexes in the reply.
///
/// # Errors
/// `InvalidResponse` if there are none.
fn created(reply: &Reply<'_>) -> Result<Vec<String>> {
    let malformed = |cause| malformed(cause).at(reply.host());
    let incomplete = || Error::invalid_response("its indexesCreated lack a name").at(reply.host());
    let list = reply.document().get_array("indexesCreated").map_err(|_| incomplete())?;
    let name = |index: RawBsonRef<'_>| Some(index.as_document()?.get_str("name").ok()?.to_owned());
    list.into_iter().map(|index| name(index.map_err(malformed)?).ok_or_else(incomplete)).collect()
}

operation! { [] CreateSearchIndex<'a, Single; F> -> String, on on }
operation! { [] CreateSearchIndex<'a, Multiple; F> -> Vec<String>, on on }

impl<'a, F: Mode> Command<'a> for CreateSearchIndex<'a, Single, F> {
    type Output = String;

    fn meta(&self) -> &'static Meta {
        const { &Meta::other_write("create_search_index", "createSearchIndexes") }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        self.write(body)
    }

    fn decode(self, reply: Reply<'a>) -> Result<String> {
        let no_name = || Error::invalid_response("it names no index").at(reply.host());
        created(&reply)?.pop().ok_or_else(no_name)
    }
}

impl<'a, F: Mode> Command<'a> for CreateSearchIndex<'a, Multiple, F> {
    type Output = Vec<String>;

    fn meta(&self) -> &'static Meta {
        const { &Meta::other_write("create_search_indexes", "createSearchIndexes") }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        self.write(body)
    }

    fn decode(self, reply: Reply<'a>) -> Result<Vec<String>> {
        created(&reply)
    }
}
