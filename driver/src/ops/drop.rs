//! `drop` and `dropDatabase`.

use bson::raw::cstr;

use super::macros::{ends, options};
use crate::collection::Collection;
use crate::database::Database;
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::exec::{self, Kind, Meta, Operation, Reply, Retry, Scope, Target, failure};
use crate::face::Face;
use crate::options::WriteConcern;
use crate::pool::ConnectionDescription;
use crate::session::{ClientSession, SessionState};
use crate::wire::DocWriter;

/// Drops a collection. Made by [`Collection::drop`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct DropCollection<'a, T, F: Face> {
    pub(crate) collection: &'a Collection<T, F>,
    pub(crate) options: Option<Box<DropCollectionOptions>>,
    pub(crate) session: Option<&'a mut SessionState>,
}

options! {
    /// The options of [`Collection::drop`].
    DropCollectionOptions and DropCollectionOptionsBuilder of ['a, T, F: Face] DropCollection<'a, T, F> {
        /// How firmly it must be done before it is acknowledged.
        write_concern: WriteConcern,
    }
}

impl<'a, T, F: Face> DropCollection<'a, T, F> {
    /// Runs the operation in `session`.
    pub fn session(mut self, session: impl Into<&'a mut ClientSession<F>>) -> Self {
        self.session = Some(session.into().state());
        self
    }

    async fn execute(self) -> Result<()> {
        let place = self.collection.place();
        let write_concern = self.options.as_deref().and_then(|o| o.write_concern.as_ref());
        let scope = place.write(write_concern, self.session);
        match exec::execute(&place.core, &mut DropCommand { collection: &place.name }, scope).await {
            Ok(reply) => complete(&reply),
            Err(error) if is_not_found(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

ends! { impl [T: 'a] DropCollection<'a, T> -> (), "drop" on collection }

/// Drops a database. Made by [`Database::drop`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct DropDatabase<'a, F: Face> {
    pub(crate) database: &'a Database<F>,
    pub(crate) options: Option<Box<DropDatabaseOptions>>,
    pub(crate) session: Option<&'a mut SessionState>,
}

options! {
    /// The options of [`Database::drop`].
    DropDatabaseOptions and DropDatabaseOptionsBuilder of ['a, F: Face] DropDatabase<'a, F> {
        /// How firmly it must be done before it is acknowledged.
        write_concern: WriteConcern,
    }
}

impl<'a, F: Face> DropDatabase<'a, F> {
    /// Runs the operation in `session`.
    pub fn session(mut self, session: impl Into<&'a mut ClientSession<F>>) -> Self {
        self.session = Some(session.into().state());
        self
    }

    async fn execute(self) -> Result<()> {
        let core = self.database.core();
        let write_concern = self.options.as_deref().and_then(|o| o.write_concern.as_ref());
        let scope = Scope {
            db: self.database.name(),
            target: Target::Writable,
            kind: Kind::Other,
            read_concern: None,
            write_concern: write_concern.or(self.database.concerns().write_concern.as_ref()),
            identity: self.session.into(),
            deadline: Deadline::after_option(core.options.timeout()),
        };
        let reply = exec::execute(core, &mut DropDatabaseCommand, scope).await?;
        complete(&reply)
    }
}

ends! { impl [] DropDatabase<'a> -> (), "drop" on database }

fn complete(reply: &Reply<'_>) -> Result<()> {
    match failure::of_write_concern(reply.outline(), reply.document()) {
        Some(error) => Err(error.at(reply.host())),
        None => Ok(()),
    }
}

/// Servers before 7.0 complain when there is nothing to drop.
fn is_not_found(error: &Error) -> bool {
    const NAMESPACE_NOT_FOUND: i32 = 26;
    error.code() == Some(NAMESPACE_NOT_FOUND)
}

struct DropCommand<'a> {
    collection: &'a str,
}

impl Operation for DropCommand<'_> {
    fn meta(&self) -> &'static Meta {
        &Meta { name: "drop", retry: Retry::Never }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.str(cstr!("drop"), self.collection);
        Ok(())
    }
}

struct DropDatabaseCommand;

impl Operation for DropDatabaseCommand {
    fn meta(&self) -> &'static Meta {
        &Meta { name: "dropDatabase", retry: Retry::Never }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.i32(cstr!("dropDatabase"), 1);
        Ok(())
    }
}
