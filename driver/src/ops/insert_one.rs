//! `insert`, of one document.

use std::borrow::Borrow;

use bson::Bson;
use bson::raw::cstr;
use serde::Serialize;

use super::fields::Fields;
use super::macros::{ends, options};
use crate::collection::Collection;
use crate::error::Result;
use crate::exec::{self, Meta, Operation, Retry, failure};
use crate::face::Face;
use crate::options::WriteConcern;
use crate::pool::ConnectionDescription;
use crate::results::InsertOneResult;
use crate::session::{ClientSession, SessionState};
use crate::wire::{DocWriter, MessageWriter};

/// Inserts one document. Made by [`Collection::insert_one`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct InsertOne<'a, T, D, F: Face> {
    pub(crate) collection: &'a Collection<T, F>,
    pub(crate) document: D,
    pub(crate) options: Option<Box<InsertOneOptions>>,
    pub(crate) session: Option<&'a mut SessionState>,
}

options! {
    /// The options of [`Collection::insert_one`].
    InsertOneOptions and InsertOneOptionsBuilder of ['a, T, D, F: Face] InsertOne<'a, T, D, F> {
        /// Whether the collection's schema rules are left out of account.
        bypass_document_validation: bool,
        /// How firmly the write must be done before it is acknowledged.
        write_concern: WriteConcern,
        /// Shown with the operation in the server's logs and profiles.
        comment: Bson as impl Into<Bson>,
    }
}

impl<'a, T, D, F: Face> InsertOne<'a, T, D, F> {
    /// Runs the operation in `session`.
    pub fn session(mut self, session: impl Into<&'a mut ClientSession<F>>) -> Self {
        self.session = Some(session.into().state());
        self
    }
}

impl<'a, T: Serialize + Send + Sync, D: Borrow<T>, F: Face> InsertOne<'a, T, D, F> {
    async fn execute(self) -> Result<InsertOneResult> {
        let place = self.collection.place();
        let options = self.options.as_deref();
        let scope = place.write(options.and_then(|o| o.write_concern.as_ref()), self.session);
        let mut command =
            Command { collection: &place.name, document: self.document.borrow(), options, id: None };
        let reply = exec::execute(&place.core, &mut command, scope).await?;
        if let Some(error) = failure::of_single_write(reply.outline(), reply.document()) {
            return Err(error.at(reply.host()));
        }
        drop(reply);
        Ok(InsertOneResult { inserted_id: command.id.unwrap_or(Bson::Null) })
    }
}

ends! { impl [T: Serialize + Send + Sync + 'a, D: Borrow<T> + Send + Sync + 'a] InsertOne<'a, T, D> -> InsertOneResult, "insert_one" on collection }

struct Command<'a, T> {
    collection: &'a str,
    document: &'a T,
    options: Option<&'a InsertOneOptions>,
    id: Option<Bson>,
}

impl<T: Serialize + Send + Sync> Operation for Command<'_, T> {
    fn meta(&self) -> &'static Meta {
        &Meta { name: "insert", retry: Retry::Write }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.str(cstr!("insert"), self.collection);
        body.bool(cstr!("ordered"), true);
        if let Some(options) = self.options {
            body.maybe_bool(cstr!("bypassDocumentValidation"), options.bypass_document_validation);
            body.maybe_comment(options.comment.as_ref())?;
        }
        Ok(())
    }

    fn documents(&mut self, message: &mut MessageWriter<'_>, server: &ConnectionDescription) -> Result<()> {
        let mut sequence = message.sequence(cstr!("documents"));
        let limit = server.max_bson_object_size;
        self.id = Some(super::insert::append(&mut sequence, self.document, self.id.as_ref(), limit)?);
        Ok(())
    }
}
