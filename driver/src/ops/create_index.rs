//! `createIndexes` (specification "Index Management").

use std::marker::PhantomData;

use super::command::On;
use super::listing::{Multiple, Single};
use super::prelude::*;
use crate::error::ErrorKind;
use crate::options::{CommitQuorum, IndexModel, whole_seconds};
use crate::results::{CreateIndexResult, CreateIndexesResult};

/// The wire version of MongoDB 4.4, the first with commit quorums.
const COMMIT_QUORUMS: i32 = crate::wire_version::V4_4;

/// Creates indexes. Created by [`Collection::create_index`] and [`Collection::create_indexes`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct CreateIndex<'a, M, F: Mode> {
    on: On<'a>,
    indexes: Vec<IndexModel>,
    options: Option<Box<CreateIndexOptions>>,
    session: Option<&'a mut SessionState>,
    count: PhantomData<fn(F) -> M>,
}

options! {
    /// The options of [`Collection::create_index`] and [`Collection::create_indexes`].
    CreateIndexOptions, CreateIndexOptionsBuilder for ['a, M, F: Mode] CreateIndex<'a, M, F> {
        /// The number of members that must build the index before it is ready. Needs MongoDB 4.4.
        commit_quorum: CommitQuorum = "commitQuorum",
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

impl<'a, M, F: Mode> CreateIndex<'a, M, F> {
    pub(crate) fn new(on: On<'a>, mut indexes: Vec<IndexModel>) -> Self {
        indexes.iter_mut().for_each(IndexModel::set_name);
        CreateIndex { on, indexes, options: None, session: None, count: PhantomData }
    }

    /// Checks the indexes.
    ///
    /// # Errors
    /// `InvalidArgument` with the position of an invalid index.
    fn check_models(&self) -> Result<()> {
        if self.indexes.is_empty() {
            return Err(Error::invalid_argument("no index was given; give at least one"));
        }
        for (position, index) in self.indexes.iter().enumerate() {
            if index.keys.is_empty() {
                return Err(Error::invalid_argument(format!(
                    "the index at position {position} has no keys, such as {{ \"name\": 1 }}"
                )));
            }
            let expire_after = index.options.as_ref().and_then(|options| options.expire_after);
            let what = format!("the expire_after of the index at position {position}");
            whole_seconds(&what, expire_after)?;
        }
        Ok(())
    }

    fn write(&self, body: &mut DocWriter<'_>, server: &ConnectionDescription) -> Result<()> {
        let quorum = self.options.as_ref().and_then(|options| options.commit_quorum.as_ref());
        if quorum.is_some() && server.max_wire_version < COMMIT_QUORUMS {
            return Err(Error::new(ErrorKind::IncompatibleServer {
                message: "createIndexes supports a commit quorum since MongoDB 4.4; omit it".into(),
            }));
        }
        body.str(cstr!("createIndexes"), self.on.collection.unwrap_or_default());
        let mut indexes = body.array(cstr!("indexes"));
        self.indexes.iter().try_for_each(|index| indexes.serialize(index))
    }

    fn names(self) -> impl Iterator<Item = String> {
        self.indexes.into_iter().filter_map(|index| index.options?.name)
    }
}

operation! { [] CreateIndex<'a, Single; F> -> CreateIndexResult, on on }
operation! { [] CreateIndex<'a, Multiple; F> -> CreateIndexesResult, on on }

impl<'a, F: Mode> Command<'a> for CreateIndex<'a, Single, F> {
    type Output = CreateIndexResult;

    fn meta(&self) -> &'static Meta {
        const { &Meta::write_once("create_index", "createIndexes") }
    }

    fn check(&self, _session: Option<&SessionState>) -> Result<()> {
        self.check_models()
    }

    fn body(&mut self, body: &mut DocWriter<'_>, server: &ConnectionDescription) -> Result<()> {
        self.write(body, server)
    }

    fn decode(self, _reply: Reply<'a>) -> Result<CreateIndexResult> {
        Ok(CreateIndexResult { index_name: self.names().next().unwrap_or_default() })
    }
}

impl<'a, F: Mode> Command<'a> for CreateIndex<'a, Multiple, F> {
    type Output = CreateIndexesResult;

    fn meta(&self) -> &'static Meta {
        const { &Meta::write_once("create_indexes", "createIndexes") }
    }

    fn check(&self, _session: Option<&SessionState>) -> Result<()> {
        self.check_models()
    }

    fn body(&mut self, body: &mut DocWriter<'_>, server: &ConnectionDescription) -> Result<()> {
        self.write(body, server)
    }

    fn decode(self, _reply: Reply<'a>) -> Result<CreateIndexesResult> {
        Ok(CreateIndexesResult { index_names: self.names().collect() })
    }
}
