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
mod update;

pub use self::aggregate::{Aggregate, AggregateInSession, AggregateOptions};
pub use self::count_documents::{CountDocuments, CountOptions};
pub use self::delete::{Delete, DeleteOptions};
pub use self::distinct::{Distinct, DistinctOptions};
pub use self::drop::{DropCollection, DropCollectionOptions, DropDatabase, DropDatabaseOptions};
pub use self::estimated_document_count::{EstimatedDocumentCount, EstimatedDocumentCountOptions};
pub use self::find::{Find, FindInSession, FindOptions};
pub use self::find_one::{FindOne, FindOneOptions};
pub use self::insert_many::{InsertMany, InsertManyOptions};
pub use self::insert_one::{InsertOne, InsertOneOptions};
pub use self::list_collection_names::{ListCollectionNames, ListCollectionNamesOptions};
pub use self::replace_one::{ReplaceOne, ReplaceOptions};
pub use self::run_command::{RunCommand, RunCommandOptions};
pub(crate) use self::update::Reach;
pub use self::update::{Update, UpdateOptions};

/// The future of an operation of the async face.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
