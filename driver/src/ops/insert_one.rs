//! `insert` of one document.

use std::borrow::Borrow;

use serde::Serialize;

use super::prelude::*;
use crate::results::InsertOneResult;

/// Inserts one document. Returned by [`Collection::insert_one`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct InsertOne<'a, T, D, F: Mode> {
    pub(crate) collection: &'a Collection<T, F>,
    pub(crate) document: D,
    /// The `_id` of the document, known after its first encoding.
    pub(crate) id: Option<Bson>,
    pub(crate) options: Option<Box<InsertOneOptions>>,
    pub(crate) session: Option<&'a mut SessionState>,
}

options! {
    /// The options of [`Collection::insert_one`].
    InsertOneOptions, InsertOneOptionsBuilder for ['a, T, D, F: Mode] InsertOne<'a, T, D, F> {
        /// Skips document validation.
        bypass_document_validation: bool = "bypassDocumentValidation",
        /// The write concern.
        write_concern: WriteConcern,
        /// A comment, shown in the server's logs and profiles.
        comment: Bson as impl Into<Bson> = "comment",
        /// Operates on the raw buckets of a time series collection. For internal use by MongoDB;
        /// may change. Needs MongoDB 8.2.
        raw_data: bool,
    }
}

operation! {
    [T: Serialize + Send + Sync + 'a, D: Borrow<T> + Send + Sync + 'a,]
    InsertOne<'a, T, D; F> -> InsertOneResult, on collection
}

impl<'a, T: Serialize + Send + Sync + 'a, D: Borrow<T> + Send + Sync + 'a, F: Mode> Command<'a>
    for InsertOne<'a, T, D, F>
{
    type Output = InsertOneResult;

    fn meta(&self) -> &'static Meta {
        const { &Meta::write("insert_one", "insert") }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.str(cstr!("insert"), self.collection.name());
        body.bool(cstr!("ordered"), true);
        Ok(())
    }

    fn documents(
        &mut self,
        message: &mut MessageWriter<'_>,
        server: &ConnectionDescription,
    ) -> Result<()> {
        let mut sequence = message.sequence(cstr!("documents"));
        let (document, limit) = (self.document.borrow(), server.max_bson_object_size);
        self.id = Some(super::insert::append(&mut sequence, document, self.id.as_ref(), limit)?);
        Ok(())
    }

    fn decode(self, reply: Reply<'a>) -> Result<InsertOneResult> {
        drop(reply);
        Ok(InsertOneResult { inserted_id: self.id.unwrap_or(Bson::Null) })
    }
}
