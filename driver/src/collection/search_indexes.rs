//! Search indexes of Atlas: creation, change, listing and removal.

use bson::Document;

use crate::collection::Collection;
use crate::mode::Mode;
use crate::ops::{
    CreateSearchIndex, DropSearchIndex, ListSearchIndexes, Multiple, Single, UpdateSearchIndex,
};
use crate::options::SearchIndexModel;

impl<T, F: Mode> Collection<T, F> {
    /// Creates a search index and returns its name. Atlas only. The server builds the index in the
    /// background; [`list_search_indexes`](Self::list_search_indexes) tells when it is ready.
    ///
    /// Search index commands have no read or write concern; those of the collection do not apply.
    /// Not retried, like [`create_index`](Self::create_index).
    ///
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// use driver::SearchIndexModel;
    ///
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// let everything = doc! { "mappings": { "dynamic": true } };
    /// let index = SearchIndexModel::builder().definition(everything).build();
    /// assert_eq!(monkeys.create_search_index(index).await?, "default");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `Command` if the server refuses or does not support search indexes; and those of every
    /// operation.
    ///
    /// # Cancel safety
    /// If the future is dropped, the index may or may not be created.
    pub fn create_search_index(&self, model: SearchIndexModel) -> CreateSearchIndex<'_, Single, F> {
        CreateSearchIndex::new(self.on(), vec![model])
    }

    /// Creates several search indexes and returns their names. Atlas only.
    ///
    /// ```no_run
    /// # use driver::SearchIndexModel;
    /// # use driver::bson::Document;
    /// # async fn example(
    /// #     monkeys: driver::Collection<Document>,
    /// #     by_text: SearchIndexModel,
    /// #     by_vector: SearchIndexModel,
    /// # ) -> driver::Result<()> {
    /// let names: Vec<String> = monkeys.create_search_indexes([by_text, by_vector]).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`create_search_index`](Self::create_search_index).
    ///
    /// # Cancel safety
    /// As for [`create_search_index`](Self::create_search_index).
    pub fn create_search_indexes(
        &self,
        models: impl IntoIterator<Item = SearchIndexModel>,
    ) -> CreateSearchIndex<'_, Multiple, F> {
        CreateSearchIndex::new(self.on(), models.into_iter().collect())
    }

    /// Replaces the definition of the search index `name`. Atlas only. The server rebuilds the
    /// index in the background.
    ///
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// monkeys.update_search_index("default", doc! { "mappings": { "dynamic": false } }).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`create_search_index`](Self::create_search_index).
    ///
    /// # Cancel safety
    /// If the future is dropped, the index may or may not be changed.
    pub fn update_search_index(
        &self,
        name: impl Into<String>,
        definition: Document,
    ) -> UpdateSearchIndex<'_, T, F> {
        let name = name.into();
        UpdateSearchIndex { collection: self, name, definition, options: None, session: None }
    }

    /// Drops the search index `name`, in the background. Atlas only. Does nothing if the collection
    /// does not exist.
    ///
    /// ```no_run
    /// # use driver::bson::Document;
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// monkeys.drop_search_index("default").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`create_search_index`](Self::create_search_index).
    ///
    /// # Cancel safety
    /// If the future is dropped, the index may or may not be dropped.
    pub fn drop_search_index(&self, name: impl Into<String>) -> DropSearchIndex<'_, T, F> {
        DropSearchIndex { collection: self, name: name.into(), options: None, session: None }
    }

    /// Lists the search indexes and returns a cursor over their descriptions. Atlas only.
    ///
    /// Retried like [`find`](Self::find). Reads from the primary, unless the options of the
    /// aggregation specify another server.
    ///
    /// ```no_run
    /// # use driver::bson::Document;
    /// use futures_util::TryStreamExt;
    ///
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// let mut index = monkeys.list_search_indexes().name("default").await?;
    /// while let Some(index) = index.try_next().await? {
    ///     println!("{:?}", index.get_bool("queryable"));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`create_search_index`](Self::create_search_index).
    ///
    /// # Cancel safety
    /// A dropped future leaves nothing behind.
    pub fn list_search_indexes(&self) -> ListSearchIndexes<'_, F> {
        ListSearchIndexes::new(self.on())
    }
}
