//! `listDatabases` (specification "Enumerating Databases").

use std::marker::PhantomData;

use bson::RawDocument;
use bson::raw::RawBsonRef;

use super::command::On;
use super::listing::{ListNames, ListSpecifications};
use super::prelude::*;
use crate::decode;
use crate::exec::malformed;
use crate::results::DatabaseSpecification;

/// Lists the databases of a deployment, or their names. Created by
/// [`Client::list_databases`](crate::client::Client::list_databases) and
/// [`Client::list_database_names`](crate::client::Client::list_database_names).
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct ListDatabases<'a, M, F: Mode> {
    on: On<'a>,
    options: Option<Box<ListDatabasesOptions>>,
    session: Option<&'a mut SessionState>,
    lists: PhantomData<fn(F) -> M>,
}

options! {
    /// The options of [`Client::list_databases`](crate::client::Client::list_databases) and
    /// [`Client::list_database_names`](crate::client::Client::list_database_names).
    ListDatabasesOptions, ListDatabasesOptionsBuilder for ['a, M, F: Mode] ListDatabases<'a, M, F> {
        /// Whether to list only databases that the user may use. Default: no, if the user may list
        /// all databases.
        authorized_databases: bool = "authorizedDatabases",
        /// A comment, shown in the server's logs and profiles.
        comment: Bson as impl Into<Bson> = "comment",
        /// The filter for databases, such as `{ "name": { "$regex": "^zoo" } }`.
        filter: Document = "filter",
    }
}

impl<'a, M, F: Mode> ListDatabases<'a, M, F> {
    pub(crate) fn new(on: On<'a>) -> Self {
        ListDatabases { on, options: None, session: None, lists: PhantomData }
    }
}

operation! { [] ListDatabases<'a, ListSpecifications; F> -> Vec<DatabaseSpecification>, on on }
operation! { [] ListDatabases<'a, ListNames; F> -> Vec<String>, on on }

impl<'a, F: Mode> Command<'a> for ListDatabases<'a, ListSpecifications, F> {
    type Output = Vec<DatabaseSpecification>;

    fn meta(&self) -> &'static Meta {
        const { &Meta::other_read("list_databases", "listDatabases") }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.i32(cstr!("listDatabases"), 1);
        Ok(())
    }

    fn decode(self, reply: Reply<'a>) -> Result<Self::Output> {
        listed(&reply, |database| {
            decode::from_slice(database.as_bytes())
                .map_err(|cause| Error::deserialization(cause).at(reply.host()))
        })
    }
}

impl<'a, F: Mode> Command<'a> for ListDatabases<'a, ListNames, F> {
    type Output = Vec<String>;

    fn meta(&self) -> &'static Meta {
        const { &Meta::other_read("list_database_names", "listDatabases") }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.i32(cstr!("listDatabases"), 1);
        body.bool(cstr!("nameOnly"), true);
        Ok(())
    }

    fn decode(self, reply: Reply<'a>) -> Result<Vec<String>> {
        let no_name = || Error::invalid_response("a database in it has no name").at(reply.host());
        listed(&reply, |database| {
            database.get_str("name").map(str::to_owned).map_err(|_| no_name())
        })
    }
}

/// Applies `read` to each database in the reply.
///
/// # Errors
/// `InvalidResponse` if it has no list; and those of `read`.
fn listed<T>(reply: &Reply<'_>, read: impl Fn(&RawDocument) -> Result<T>) -> Result<Vec<T>> {
    let incomplete = || Error::invalid_response("it has no list of databases").at(reply.host());
    let list = reply.document().get_array("databases").map_err(|_| incomplete())?;
    let each = list.into_iter().map(|database| {
        match database.map_err(|cause| malformed(cause).at(reply.host()))? {
            RawBsonRef::Document(database) => read(database),
            _ => Err(incomplete()),
        }
    });
    each.collect()
}
