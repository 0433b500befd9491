//! `renameCollection`: changes the name of a collection, and optionally its database.

use super::create_collection::check_name;
use super::prelude::*;
use crate::exec::RequestContext;
use crate::mode::{Async, Blocking};

/// Renames a collection. Created by [`Collection::rename`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct RenameCollection<'a, T, F: Mode> {
    pub(crate) collection: &'a Collection<T, F>,
    pub(crate) to: String,
    pub(crate) options: Option<Box<RenameCollectionOptions>>,
    pub(crate) session: Option<&'a mut SessionState>,
}

options! {
    /// The options of [`Collection::rename`].
    RenameCollectionOptions, RenameCollectionOptionsBuilder
    for ['a, T, F: Mode] RenameCollection<'a, T, F> {
        /// Drops an existing collection with the new name. Without this option, the operation fails
        /// if there is one.
        drop_target: bool = "dropTarget",
        /// The database to move the collection to. The server then copies all documents. Default:
        /// the same database.
        database: String as impl Into<String>,
        /// The write concern.
        write_concern: WriteConcern,
        /// A comment, shown in the server's logs and profiles.
        comment: Bson as impl Into<Bson> = "comment",
    }
}

operation! { @parts [T: 'a, F: Mode] RenameCollection<'a, T, F>, 'a, collection }
operation! { @session [T: 'a, F: Mode] RenameCollection<'a, T, F>, 'a }
operation! { @perform [T: 'a, F: Mode] RenameCollection<'a, T, F>, 'a, Collection<T, F> }
operation! { @await [T: 'a] RenameCollection<'a, T, Async>, 'a, Collection<T, Async> }
operation! { @run [T: 'a] RenameCollection<'a, T, Blocking>, 'a, Collection<T, Blocking> }

impl<'a, T: 'a, F: Mode> RenameCollection<'a, T, F> {
    fn target_database(&self) -> &str {
        let database = self.options.as_ref().and_then(|options| options.database.as_deref());
        database.unwrap_or(self.collection.on().db)
    }
}

impl<'a, T: 'a, F: Mode> Command<'a> for RenameCollection<'a, T, F> {
    type Output = Collection<T, F>;

    fn meta(&self) -> &'static Meta {
        const { &Meta::write_once("rename", "renameCollection") }
    }

    fn check(&self, _session: Option<&SessionState>) -> Result<()> {
        check_name("the new name", &self.to)?;
        check_name("the database", self.target_database())
    }

    /// The command runs in the database `admin`.
    fn context<'s>(&'s self, usual: RequestContext<'s>) -> RequestContext<'s> {
        RequestContext { db: "admin", ..usual }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.str(cstr!("renameCollection"), &self.collection.namespace().to_string());
        body.str(cstr!("to"), &format!("{}.{}", self.target_database(), self.to));
        Ok(())
    }

    fn decode(self, _reply: Reply<'a>) -> Result<Collection<T, F>> {
        Ok(self.collection.renamed(self.target_database(), &self.to))
    }
}
