//! `list_collection_names`: the command `listCollections` for names only.

use super::command::Execute;
use super::operation_name::OperationName;
use super::prelude::*;
use crate::cursor::{GetMoreOptions, RawCursor};
use crate::database::Database;
use crate::exec::{self, Operation, RequestContext, Retry, Target};

/// Lists the names of a database's collections. Returned by [`Database::list_collection_names`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct ListCollectionNames<'a, F: Mode> {
    pub(crate) database: &'a Database<F>,
    pub(crate) options: Option<Box<ListCollectionNamesOptions>>,
    pub(crate) session: Option<&'a mut SessionState>,
}

options! {
    /// The options of [`Database::list_collection_names`].
    ListCollectionNamesOptions, ListCollectionNamesOptionsBuilder
    for ['a, F: Mode] ListCollectionNames<'a, F> {
        /// The collections to list.
        filter: Document = "filter",
        /// Lists only collections that the user can read.
        authorized_collections: bool = "authorizedCollections",
        /// The number of names in a batch.
        batch_size: u32,
        /// A comment, shown in the server's logs and profiles.
        comment: Bson as impl Into<Bson> = "comment",
    }
}

operation! { [] ListCollectionNames<'a; F> -> Vec<String>, on database }

impl<'a, F: Mode> Execute<'a> for ListCollectionNames<'a, F> {
    type Output = Vec<String>;

    fn operation_name(&self) -> OperationName<'a> {
        self.on().operation_name("list_collection_names")
    }

    async fn execute(mut self) -> Result<Vec<String>> {
        let on = self.on();
        let mut session = self.take_session();
        let options = self.options.as_deref();
        let mut command = ListCollections { db: on.db, options };
        let deadline = on.deadline(self.options());
        let reply =
            exec::execute(on.core, &mut command, session.as_deref_mut().into(), deadline).await?;
        let get_more_options = GetMoreOptions {
            operation: "listCollections",
            batch_size: options.and_then(|o| o.batch_size),
            comment: options.and_then(|o| o.comment.clone()),
            timeout: on.timeout(self.options()),
            ..GetMoreOptions::default()
        };
        let mut raw = RawCursor::open(on.core, reply, get_more_options)?;
        let mut names = Vec::new();
        while raw.advance_in(session.as_deref_mut()).await? {
            let name = raw.current().get_str("name");
            let name =
                name.map_err(|_| Error::invalid_response("an entry for a collection has no name"))?;
            names.push(name.to_owned());
        }
        Ok(names)
    }
}

struct ListCollections<'a> {
    db: &'a str,
    options: Option<&'a ListCollectionNamesOptions>,
}

impl Operation for ListCollections<'_> {
    fn meta(&self) -> &'static Meta {
        const { &Meta::other("list_collection_names", "listCollections", Retry::Read) }
    }

    fn context(&self) -> RequestContext<'_> {
        RequestContext::bare(self.db, Target::Readable(super::command::PRIMARY))
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.i32(cstr!("listCollections"), 1);
        // `nameOnly` is cheaper, but a filter can use other fields.
        let filter = self.options.and_then(|options| options.filter.as_ref());
        if filter.is_none_or(|filter| filter.keys().all(|key| key == "name")) {
            body.bool(cstr!("nameOnly"), true);
        }
        let mut cursor = body.nested(cstr!("cursor"));
        if let Some(size) = self.options.and_then(|options| options.batch_size) {
            cursor.i64(cstr!("batchSize"), size.into());
        }
        drop(cursor);
        self.options.map_or(Ok(()), |options| options.encode(body))
    }
}
