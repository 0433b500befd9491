//! `listCollections`, of which only the names are wanted.

use bson::raw::cstr;
use bson::{Bson, Document};

use super::fields::Fields;
use super::macros::{ends, options};
use crate::cursor::{Feed, Follow};
use crate::database::Database;
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::exec::{self, Kind, Meta, Operation, Retry, Scope, Target};
use crate::face::Face;
use crate::options::{ReadPreference, SelectionCriteria};
use crate::pool::ConnectionDescription;
use crate::session::{ClientSession, SessionState};
use crate::wire::DocWriter;

/// Lists the names of a database's collections. Made by [`Database::list_collection_names`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct ListCollectionNames<'a, F: Face> {
    pub(crate) database: &'a Database<F>,
    pub(crate) options: Option<Box<ListCollectionNamesOptions>>,
    pub(crate) session: Option<&'a mut SessionState>,
}

options! {
    /// The options of [`Database::list_collection_names`].
    ListCollectionNamesOptions and ListCollectionNamesOptionsBuilder of ['a, F: Face] ListCollectionNames<'a, F> {
        /// Which collections are listed.
        filter: Document,
        /// Whether only those are listed that the user may read.
        authorized_collections: bool,
        /// How many names the server sends at a time.
        batch_size: u32,
        /// Shown with the operation in the server's logs and profiles.
        comment: Bson as impl Into<Bson>,
    }
}

impl<'a, F: Face> ListCollectionNames<'a, F> {
    /// Runs the operation in `session`.
    pub fn session(mut self, session: impl Into<&'a mut ClientSession<F>>) -> Self {
        self.session = Some(session.into().state());
        self
    }

    async fn execute(mut self) -> Result<Vec<String>> {
        const PRIMARY: &SelectionCriteria = &SelectionCriteria::ReadPreference(ReadPreference::Primary);
        let core = self.database.core();
        let options = self.options.as_deref();
        let scope = Scope {
            db: self.database.name(),
            target: Target::Readable(PRIMARY),
            kind: Kind::Other,
            read_concern: None,
            write_concern: None,
            identity: self.session.as_deref_mut().into(),
            deadline: Deadline::after_option(core.options.timeout()),
        };
        let reply = exec::execute(core, &mut Command { options }, scope).await?;
        let follow = Follow {
            batch_size: options.and_then(|o| o.batch_size),
            comment: options.and_then(|o| o.comment.clone()),
            ..Follow::default()
        };
        let mut feed = Feed::open(core, reply, follow)?;
        let mut names = Vec::new();
        while feed.advance_in(self.session.as_deref_mut()).await? {
            let name = feed.current().get_str("name");
            let name = name.map_err(|_| Error::invalid_response("a collection in it has no name"))?;
            names.push(name.to_owned());
        }
        Ok(names)
    }
}

ends! { impl [] ListCollectionNames<'a> -> Vec<String>, "list_collection_names" on database }

struct Command<'a> {
    options: Option<&'a ListCollectionNamesOptions>,
}

impl Operation for Command<'_> {
    fn meta(&self) -> &'static Meta {
        &Meta { name: "listCollections", retry: Retry::Read }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.i32(cstr!("listCollections"), 1);
        body.maybe_doc(cstr!("filter"), self.options.and_then(|o| o.filter.as_ref()))?;
        // Names alone are cheaper; a filter may look at more than that.
        if self.options.is_none_or(|o| o.filter.as_ref().is_none_or(|f| f.keys().all(|key| key == "name"))) {
            body.bool(cstr!("nameOnly"), true);
        }
        let mut cursor = body.nested(cstr!("cursor"));
        cursor.maybe_i64(cstr!("batchSize"), self.options.and_then(|o| o.batch_size).map(i64::from));
        drop(cursor);
        let Some(options) = self.options else { return Ok(()) };
        body.maybe_bool(cstr!("authorizedCollections"), options.authorized_collections);
        body.maybe_comment(options.comment.as_ref())
    }
}
