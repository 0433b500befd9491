//! `dropIndexes`: drops one or all indexes (specification "Index Management").

use super::prelude::*;

/// The indexes to drop.
pub(crate) enum Dropped {
    /// The index with this name.
    One(String),
    /// All except the index of `_id`.
    All,
}

/// Drops indexes. Created by [`Collection::drop_index`] and [`Collection::drop_indexes`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct DropIndex<'a, T, F: Mode> {
    pub(crate) collection: &'a Collection<T, F>,
    pub(crate) indexes: Dropped,
    pub(crate) options: Option<Box<DropIndexOptions>>,
    pub(crate) session: Option<&'a mut SessionState>,
}

options! {
    /// The options of [`Collection::drop_index`] and [`Collection::drop_indexes`].
    DropIndexOptions, DropIndexOptionsBuilder for ['a, T, F: Mode] DropIndex<'a, T, F> {
        /// The time limit on the server.
        max_time: Duration,
        /// The write concern.
        write_concern: WriteConcern,
        /// A comment, shown in the server's logs and profiles.
        comment: Bson as impl Into<Bson> = "comment",
        /// Operates on the raw buckets of a time series collection. For internal use by MongoDB;
        /// may change. Needs MongoDB 8.2.
        raw_data: bool,
    }
}

operation! { [T: 'a,] DropIndex<'a, T; F> -> (), on collection }

impl<'a, T, F: Mode> Command<'a> for DropIndex<'a, T, F> {
    type Output = ();

    fn meta(&self) -> &'static Meta {
        match self.indexes {
            Dropped::One(_) => const { &Meta::write_once("drop_index", "dropIndexes") },
            Dropped::All => const { &Meta::write_once("drop_indexes", "dropIndexes") },
        }
    }

    fn check(&self, _session: Option<&SessionState>) -> Result<()> {
        match &self.indexes {
            Dropped::One(name) if name == "*" => Err(Error::invalid_argument(
                "the name \"*\" stands for all indexes; to drop all, use drop_indexes",
            )),
            Dropped::One(name) if name.is_empty() => {
                Err(Error::invalid_argument("the name of the index is empty"))
            }
            _ => Ok(()),
        }
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        body.str(cstr!("dropIndexes"), self.collection.name());
        let name = match &self.indexes {
            Dropped::One(name) => name,
            Dropped::All => "*",
        };
        body.str(cstr!("index"), name);
        Ok(())
    }

    fn decode(self, _reply: Reply<'a>) -> Result<()> {
        Ok(())
    }
}
