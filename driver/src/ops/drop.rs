//! `drop` and `dropDatabase`.

use super::prelude::*;
use crate::database::Database;
use crate::error::codes;

/// Drops a collection. Returned by [`Collection::drop`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct DropCollection<'a, T, F: Mode> {
    pub(crate) collection: &'a Collection<T, F>,
    pub(crate) options: Option<Box<DropCollectionOptions>>,
    pub(crate) session: Option<&'a mut SessionState>,
}

options! {
    /// The options of [`Collection::drop`].
    DropCollectionOptions, DropCollectionOptionsBuilder
    for ['a, T, F: Mode] DropCollection<'a, T, F> {
        /// The write concern.
        write_concern: WriteConcern,
    }
}

operation! { [T: 'a,] DropCollection<'a, T; F> -> (), on collection }

impl<'a, T, F: Mode> Command<'a> for DropCollection<'a, T, F> {
    type Output = ();

    fn meta(&self) -> &'static Meta {
        const { &Meta::write_once("drop", "drop") }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.str(cstr!("drop"), self.collection.name());
        Ok(())
    }

    fn decode(self, _reply: Reply<'a>) -> Result<()> {
        Ok(())
    }

    /// Servers before 7.0 return an error if there is nothing to drop.
    fn recover(self, error: Error) -> Result<()> {
        if error.code() == Some(codes::NAMESPACE_NOT_FOUND) { Ok(()) } else { Err(error) }
    }
}

/// Drops a database. Returned by [`Database::drop`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct DropDatabase<'a, F: Mode> {
    pub(crate) database: &'a Database<F>,
    pub(crate) options: Option<Box<DropDatabaseOptions>>,
    pub(crate) session: Option<&'a mut SessionState>,
}

options! {
    /// The options of [`Database::drop`].
    DropDatabaseOptions, DropDatabaseOptionsBuilder for ['a, F: Mode] DropDatabase<'a, F> {
        /// The write concern.
        write_concern: WriteConcern,
    }
}

operation! { [] DropDatabase<'a; F> -> (), on database }

impl<'a, F: Mode> Command<'a> for DropDatabase<'a, F> {
    type Output = ();

    fn meta(&self) -> &'static Meta {
        const { &Meta::write_once("drop", "dropDatabase") }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.i32(cstr!("dropDatabase"), 1);
        Ok(())
    }

    fn decode(self, _reply: Reply<'a>) -> Result<()> {
        Ok(())
    }
}
