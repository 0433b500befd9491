//! The operations: one file a command, with its builder, its encoding and its decoding.
//!
//! An operation is made by a method of a handle, told its options by methods of its own, and ended by `.await` or, in the blocking
//! face, by `.run()`.

use std::future::Future;
use std::pin::Pin;

mod fields;
mod insert;
mod macros;

mod aggregate;
mod count_documents;
mod delete;
mod distinct;
mod drop;
pub(crate) mod end_sessions;
mod estimated_document_count;
mod find;
mod find_one;
pub(crate) mod get_more;
mod insert_many;
mod insert_one;
pub(crate) mod kill_cursors;
mod list_collection_names;
mod replace_one;
mod run_command;
pub(crate) mod subject;
mod update;

pub use self::aggregate::{Aggregate, AggregateInSession, AggregateOptions, AggregateOptionsBuilder};
pub use self::count_documents::{CountDocuments, CountOptions, CountOptionsBuilder};
pub use self::delete::{Delete, DeleteOptions, DeleteOptionsBuilder};
pub use self::distinct::{Distinct, DistinctOptions, DistinctOptionsBuilder};
pub use self::drop::{
    DropCollection, DropCollectionOptions, DropCollectionOptionsBuilder, DropDatabase, DropDatabaseOptions,
    DropDatabaseOptionsBuilder,
};
pub use self::estimated_document_count::{
    EstimatedDocumentCount, EstimatedDocumentCountOptions, EstimatedDocumentCountOptionsBuilder,
};
pub use self::find::{Find, FindInSession, FindOptions, FindOptionsBuilder};
pub use self::find_one::{FindOne, FindOneOptions, FindOneOptionsBuilder};
pub use self::insert_many::{InsertMany, InsertManyOptions, InsertManyOptionsBuilder};
pub use self::insert_one::{InsertOne, InsertOneOptions, InsertOneOptionsBuilder};
pub use self::list_collection_names::{
    ListCollectionNames, ListCollectionNamesOptions, ListCollectionNamesOptionsBuilder,
};
pub use self::replace_one::{ReplaceOne, ReplaceOptions, ReplaceOptionsBuilder};
pub use self::run_command::{RunCommand, RunCommandOptions, RunCommandOptionsBuilder};
pub(crate) use self::update::Reach;
pub use self::update::{Update, UpdateOptions, UpdateOptionsBuilder};

/// The future of an operation of the async face.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
