//! Indexes: creation, listing and removal.

use crate::collection::Collection;
use crate::mode::Mode;
use crate::ops::{
    CreateIndex, DropIndex, Dropped, ListIndexes, ListNames, ListSpecifications, Multiple, Single,
};
use crate::options::IndexModel;

impl<T, F: Mode> Collection<T, F> {
    /// Creates an index, unless it exists already. An index without a name is named after its keys,
    /// such as `name_1_born_-1`. The result contains the name.
    ///
    /// Not retried, except when an overloaded server refuses it. Calling it again is safe.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use driver::bson::{Document, doc};
    /// use driver::IndexModel;
    /// use driver::options::IndexOptions;
    ///
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// let unique = IndexOptions::builder().unique(true).build();
    /// let by_name = IndexModel::builder().keys(doc! { "name": 1 }).options(unique).build();
    /// assert_eq!(monkeys.create_index(by_name).await?.index_name, "name_1");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// - `InvalidArgument` for an index without keys, or if `expire_after` is not a whole number of
    ///   seconds. `IncompatibleServer` for a commit quorum if the server is older than 4.4. Nothing
    ///   was sent then.
    /// - `Command` if the server refuses. The code is 85 or 86 if another index has its name or its
    ///   keys, and 11000 if documents violate a unique index.
    /// - `Write` if the write concern failed. The index exists nevertheless.
    /// - Those of every operation: `ServerSelection`, `Io`, `Timeout`, `WaitQueueTimeout`.
    ///
    /// # Cancel safety
    /// If the future is dropped, the index may or may not be created.
    #[doc(alias("add_index", "ensure_index"))]
    pub fn create_index(&self, index: IndexModel) -> CreateIndex<'_, Single, F> {
        CreateIndex::new(self.on(), vec![index])
    }

    /// Creates several indexes with one command: all or none.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use driver::bson::{Document, doc};
    /// use driver::IndexModel;
    /// use driver::options::IndexOptions;
    ///
    /// # async fn example(visits: driver::Collection<Document>) -> driver::Result<()> {
    /// let by_place = IndexModel::builder().keys(doc! { "place": "2dsphere" }).build();
    /// let an_hour = IndexOptions::builder().expire_after(Duration::from_secs(3600)).build();
    /// let by_time = IndexModel::builder().keys(doc! { "at": 1 }).options(an_hour).build();
    /// let names = visits.create_indexes([by_place, by_time]).await?.index_names;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` if `indexes` is empty; and those of [`create_index`](Self::create_index).
    ///
    /// # Cancel safety
    /// If the future is dropped, the indexes may or may not be created.
    #[doc(alias = "ensure_indexes")]
    pub fn create_indexes(
        &self,
        indexes: impl IntoIterator<Item = IndexModel>,
    ) -> CreateIndex<'_, Multiple, F> {
        CreateIndex::new(self.on(), indexes.into_iter().collect())
    }

    /// Lists the indexes and returns a cursor over them. It is empty if the collection does not
    /// exist.
    ///
    /// Retried like [`find`](Self::find). Reads from the primary.
    ///
    /// ```no_run
    /// # use driver::bson::Document;
    /// use futures_util::TryStreamExt;
    ///
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// let mut indexes = monkeys.list_indexes().await?;
    /// while let Some(index) = indexes.try_next().await? {
    ///     println!("{}", index.keys);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`find`](Self::find).
    ///
    /// # Cancel safety
    /// A dropped future leaves nothing behind.
    #[doc(alias = "get_indexes")]
    pub fn list_indexes(&self) -> ListIndexes<'_, ListSpecifications, F> {
        ListIndexes::new(self.on())
    }

    /// Lists the names of the indexes. The list is empty if the collection does not exist.
    ///
    /// Retried like [`find`](Self::find). Reads from the primary.
    ///
    /// ```no_run
    /// # use driver::bson::Document;
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// if !monkeys.list_index_names().await?.iter().any(|name| name == "name_1") {
    ///     println!("the collection has no index on `name`");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`find`](Self::find).
    ///
    /// # Cancel safety
    /// A dropped future leaves nothing behind.
    #[doc(alias = "get_indexes")]
    pub fn list_index_names(&self) -> ListIndexes<'_, ListNames, F> {
        ListIndexes::new(self.on())
    }

    /// Drops the index `name`.
    ///
    /// Not retried, like [`create_index`](Self::create_index).
    ///
    /// ```no_run
    /// # use driver::bson::Document;
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// monkeys.drop_index("name_1").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// - `InvalidArgument` if the name is empty or `*`, which would drop all indexes.
    /// - `Command` if the server refuses. The code is 27 if the index does not exist, and 26 if the
    ///   collection does not exist.
    /// - `Write` if the write concern failed.
    /// - Those of [every operation](crate::error#errors-of-every-operation).
    ///
    /// # Cancel safety
    /// If the future is dropped, the index may or may not be dropped.
    pub fn drop_index(&self, name: impl AsRef<str>) -> DropIndex<'_, T, F> {
        let indexes = Dropped::One(name.as_ref().to_owned());
        DropIndex { collection: self, indexes, options: None, session: None }
    }

    /// Drops all indexes except that of `_id`.
    ///
    /// Not retried, like [`create_index`](Self::create_index).
    ///
    /// ```no_run
    /// # use driver::bson::Document;
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// monkeys.drop_indexes().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`drop_index`](Self::drop_index).
    ///
    /// # Cancel safety
    /// If the future is dropped, any of the indexes may be dropped.
    pub fn drop_indexes(&self) -> DropIndex<'_, T, F> {
        DropIndex { collection: self, indexes: Dropped::All, options: None, session: None }
    }
}
