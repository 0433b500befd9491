//! The operations: one file per command, with its builder, encoding and decoding.
//!
//! A method of a handle creates an operation. The operation's methods set its options. `.await`
//! runs it, or in the blocking API `.run()`.

use std::future::Future;
use std::pin::Pin;

mod batch;
mod batches;
pub(crate) mod command;
pub(crate) mod fields;
mod insert;
pub(crate) mod macros;
pub(crate) mod operation_name;
mod prelude;
pub(crate) mod session;

mod aggregate;
mod bulk_write;
mod client_bulk_write;
#[cfg(feature = "conformance")]
pub(crate) mod count;
mod count_documents;
mod create_collection;
mod create_index;
mod create_search_index;
mod delete;
mod distinct;
mod drop;
mod drop_index;
mod drop_search_index;
pub(crate) mod end_sessions;
mod estimated_document_count;
mod explain;
mod find;
mod find_and_modify;
mod find_one;
pub(crate) mod get_more;
mod insert_many;
mod insert_one;
pub(crate) mod kill_cursors;
mod list_collections;
mod list_databases;
mod list_indexes;
mod list_search_indexes;
mod listing;
mod modify_collection;
mod rename_collection;
mod replace_one;
mod run_command;
mod run_cursor_command;
mod shutdown;
mod specification;
mod update;
mod update_search_index;
mod warm_connection_pool;
pub(crate) mod watch;

pub use self::aggregate::{Aggregate, AggregateOptions, AggregateOptionsBuilder};
pub use self::batches::Batches;
pub use self::bulk_write::{
    CollectionBulkWrite, CollectionBulkWriteOptions, CollectionBulkWriteOptionsBuilder,
};
pub use self::client_bulk_write::{BulkWrite, BulkWriteOptions, BulkWriteOptionsBuilder};
pub use self::count_documents::{CountDocuments, CountOptions, CountOptionsBuilder};
pub use self::create_collection::{
    CreateCollection, CreateCollectionOptions, CreateCollectionOptionsBuilder,
};
pub use self::create_index::{CreateIndex, CreateIndexOptions, CreateIndexOptionsBuilder};
pub use self::create_search_index::{
    CreateSearchIndex, CreateSearchIndexOptions, CreateSearchIndexOptionsBuilder,
};
pub use self::delete::{Delete, DeleteOptions, DeleteOptionsBuilder};
pub use self::distinct::{Distinct, DistinctOptions, DistinctOptionsBuilder};
pub use self::drop::{
    DropCollection, DropCollectionOptions, DropCollectionOptionsBuilder, DropDatabase,
    DropDatabaseOptions, DropDatabaseOptionsBuilder,
};
pub(crate) use self::drop_index::Dropped;
pub use self::drop_index::{DropIndex, DropIndexOptions, DropIndexOptionsBuilder};
pub use self::drop_search_index::{
    DropSearchIndex, DropSearchIndexOptions, DropSearchIndexOptionsBuilder,
};
pub use self::estimated_document_count::{
    EstimatedDocumentCount, EstimatedDocumentCountOptions, EstimatedDocumentCountOptionsBuilder,
};
pub use self::explain::{Explain, ExplainOptions, ExplainOptionsBuilder};
pub use self::find::{Find, FindOptions, FindOptionsBuilder};
pub use self::find_and_modify::{
    FindOneAndDelete, FindOneAndDeleteOptions, FindOneAndDeleteOptionsBuilder, FindOneAndReplace,
    FindOneAndReplaceOptions, FindOneAndReplaceOptionsBuilder, FindOneAndUpdate,
    FindOneAndUpdateOptions, FindOneAndUpdateOptionsBuilder,
};
pub use self::find_one::{FindOne, FindOneOptions, FindOneOptionsBuilder};
pub use self::insert_many::{InsertMany, InsertManyOptions, InsertManyOptionsBuilder};
pub use self::insert_one::{InsertOne, InsertOneOptions, InsertOneOptionsBuilder};
pub use self::list_collections::{
    ListCollections, ListCollectionsOptions, ListCollectionsOptionsBuilder,
};
pub use self::list_databases::{ListDatabases, ListDatabasesOptions, ListDatabasesOptionsBuilder};
pub use self::list_indexes::{ListIndexes, ListIndexesOptions, ListIndexesOptionsBuilder};
pub use self::list_search_indexes::{
    ListSearchIndexOptions, ListSearchIndexOptionsBuilder, ListSearchIndexes,
};
pub use self::listing::{ListNames, ListSpecifications, Multiple, Single};
pub use self::modify_collection::{
    ModifyCollection, ModifyCollectionOptions, ModifyCollectionOptionsBuilder,
};
pub use self::rename_collection::{
    RenameCollection, RenameCollectionOptions, RenameCollectionOptionsBuilder,
};
pub use self::replace_one::{ReplaceOne, ReplaceOptions, ReplaceOptionsBuilder};
pub use self::run_command::{RunCommand, RunCommandOptions, RunCommandOptionsBuilder};
pub use self::run_cursor_command::{
    RunCursorCommand, RunCursorCommandOptions, RunCursorCommandOptionsBuilder,
};
pub use self::session::{ExplicitSession, ImplicitSession};
pub use self::shutdown::Shutdown;
pub use self::specification::{
    CollectionSpecification, CollectionSpecificationInfo, CollectionType, DatabaseSpecification,
};
pub(crate) use self::update::Multi;
pub use self::update::{Update, UpdateOptions, UpdateOptionsBuilder};
pub use self::update_search_index::{
    UpdateSearchIndex, UpdateSearchIndexOptions, UpdateSearchIndexOptionsBuilder,
};
pub use self::warm_connection_pool::WarmConnectionPool;
pub use self::watch::{
    ChangeStreamOptions, ChangeStreamOptionsBuilder, FullDocumentBeforeChangeType,
    FullDocumentType, Watch,
};

/// The future of an operation of the async API.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An operation of either API, for code that is generic over both.
///
/// A method of a handle creates it. In the async API it is a future; in the blocking API it has a
/// method `run`.
///
/// This trait is sealed.
pub trait Operation: sealed::Sealed + Sized {
    /// The result of the operation.
    type Output;

    /// Runs the operation. In the blocking API the future blocks the polling thread during I/O, and
    /// is pending during server selection and checkout. Run it with
    /// [`sync::block_on`](crate::sync::block_on).
    ///
    /// # Errors
    /// Those of the operation.
    ///
    /// # Examples
    /// ```no_run
    /// use driver::bson::{Document, doc};
    /// use driver::collection::Collection;
    /// use driver::ops::Operation;
    /// use driver::{Mode, Result};
    ///
    /// async fn swimmers<F: Mode>(monkeys: &Collection<Document, F>) -> Result<u64> {
    ///     monkeys.count_documents(doc! { "swims": true }).perform().await
    /// }
    /// ```
    fn perform(self) -> impl Future<Output = crate::error::Result<Self::Output>> + Send;

    /// Calls `set` with `value` if it is `Some`. Sets an option conditionally.
    ///
    /// # Example
    /// ```no_run
    /// use driver::Collection;
    /// use driver::bson::{Document, doc};
    /// use driver::ops::Operation;
    ///
    /// # async fn example(books: &Collection<Document>, most: Option<i64>) -> driver::Result<()> {
    /// let cursor = books.find(doc! {}).optional(most, |find, most| find.limit(most)).await?;
    /// # drop(cursor);
    /// # Ok(())
    /// # }
    /// ```
    fn optional<V>(self, value: Option<V>, set: impl FnOnce(Self, V) -> Self) -> Self {
        match value {
            Some(value) => set(self, value),
            None => self,
        }
    }
}

pub(crate) mod sealed {
    pub trait Sealed {}
}
