//! Reads: queries, counts, aggregations and change streams.

use bson::Document;

use crate::collection::Collection;
use crate::mode::Mode;
use crate::ops::{
    Aggregate, CountDocuments, Distinct, EstimatedDocumentCount, Find, FindOne, Watch,
};

impl<T, F: Mode> Collection<T, F> {
    /// Finds the documents that match `filter` and returns a cursor.
    ///
    /// Retried once after a network error or an election (specification "Retryable Reads").
    ///
    /// # Errors
    /// `Command` if the server refuses the filter or an option; and those of every operation:
    /// `ServerSelection`, `Io`, `Timeout`, `WaitQueueTimeout`.
    ///
    /// # Cancel safety
    /// A dropped future leaves nothing behind on the client. If the reply arrives within a second,
    /// the driver kills the cursor in the background. Otherwise it closes the connection, which
    /// interrupts the operation on the server. A cursor that opens nevertheless expires with its
    /// session, by default after 30 minutes.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(
    /// #     monkeys: driver::Collection<Document>,
    /// #     blocking: driver::sync::Collection<Document>,
    /// # ) -> driver::Result<()> {
    /// let swimmers = monkeys.find(doc! { "swims": true }).sort(doc! { "name": 1 }).limit(10);
    /// let mut swimmers = swimmers.await?;
    /// while let Some(monkey) = swimmers.try_next().await? {
    ///     println!("{monkey}");
    /// }
    ///
    /// for monkey in blocking.find(doc! {}).run()? {
    ///     println!("{}", monkey?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("query", "select"))]
    pub fn find(&self, filter: Document) -> Find<'_, T, F> {
        Find::new(self, filter)
    }

    /// Finds one document that matches `filter`; `None` if there is none.
    ///
    /// Retried once after a network error or an election (specification "Retryable Reads").
    ///
    /// # Errors
    /// Those of [`find`](Self::find), and `BsonDeserialization` if the document is not a `T`.
    ///
    /// # Cancel safety
    /// A dropped future leaves nothing behind.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// if let Some(mabel) = monkeys.find_one(doc! { "name": "Mabel" }).await? {
    ///     println!("{mabel}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("get", "first"))]
    pub fn find_one(&self, filter: Document) -> FindOne<'_, T, F> {
        FindOne { collection: self, filter, options: None, session: None }
    }

    /// Counts the documents that match `filter`, exactly, by reading them or an index.
    ///
    /// # Errors
    /// Those of [`find`](Self::find).
    ///
    /// # Cancel safety
    /// A dropped future leaves nothing behind.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// let swimmers = monkeys.count_documents(doc! { "swims": true }).await?;
    /// println!("{swimmers} of them swim");
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "count")]
    pub fn count_documents(&self, filter: Document) -> CountDocuments<'_, T, F> {
        CountDocuments { collection: self, filter, options: None, session: None }
    }

    /// Estimates the number of documents from the collection's metadata. Fast, but possibly wrong
    /// after an unclean shutdown or on a sharded cluster.
    ///
    /// # Errors
    /// Those of [`find`](Self::find).
    ///
    /// # Cancel safety
    /// A dropped future leaves nothing behind.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::Document;
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// println!("about {}", monkeys.estimated_document_count().await?);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("count", "len"))]
    pub fn estimated_document_count(&self) -> EstimatedDocumentCount<'_, T, F> {
        EstimatedDocumentCount { collection: self, options: None, session: None }
    }

    /// Finds the distinct values of the field `field_name` in the documents that match `filter`.
    ///
    /// # Errors
    /// Those of [`find`](Self::find).
    ///
    /// # Cancel safety
    /// A dropped future leaves nothing behind.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// for name in monkeys.distinct("name", doc! { "swims": true }).await? {
    ///     println!("{name}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn distinct(&self, field_name: impl AsRef<str>, filter: Document) -> Distinct<'_, T, F> {
        Distinct {
            collection: self,
            field_name: field_name.as_ref().to_owned(),
            filter,
            options: None,
            session: None,
        }
    }

    /// Runs the aggregation `pipeline` and returns a cursor over its results.
    ///
    /// Retried like [`find`](Self::find), unless its last stage writes (`$out`, `$merge`).
    ///
    /// # Errors
    /// Those of [`find`](Self::find), and `Write` if the write concern of a `$out` or `$merge`
    /// stage failed.
    ///
    /// # Cancel safety
    /// As for [`find`](Self::find). A `$out` or `$merge` stage may or may not have written.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize)]
    /// struct Year {
    ///     _id: i32,
    ///     born: i32,
    /// }
    ///
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// let by_year = doc! { "$group": { "_id": "$year", "born": { "$sum": 1 } } };
    /// let mut years = monkeys.aggregate([by_year]).with_type::<Year>().await?;
    /// while let Some(year) = years.try_next().await? {
    ///     println!("{}: {}", year._id, year.born);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("group", "lookup", "pipeline"))]
    pub fn aggregate(
        &self,
        pipeline: impl IntoIterator<Item = Document>,
    ) -> Aggregate<'_, Document, F> {
        Aggregate::new(self.on(), pipeline.into_iter().collect())
    }

    /// Opens a change stream on this collection.
    ///
    /// Change streams need a replica set or a sharded cluster, and the read concern `majority` or
    /// none. Use this instead of `aggregate` with `$changeStream`: only this stream resumes after
    /// errors.
    ///
    /// # Errors
    /// `Command` if the server refuses, for example with code 40573 on a standalone server; and
    /// those of every operation: `ServerSelection`, `Io`, `Timeout`, `WaitQueueTimeout`.
    ///
    /// # Cancel safety
    /// A dropped future leaves nothing behind.
    ///
    /// # Example
    /// ```no_run
    /// use driver::bson::{Document, doc};
    ///
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// let monkeys = client.database("zoo").collection::<Document>("monkeys");
    /// let inserts = [doc! { "$match": { "operationType": "insert" } }];
    /// let mut stream = monkeys.watch().pipeline(inserts).await?;
    /// while let Some(event) = stream.try_next().await? {
    ///     println!("{:?}: {:?}", event.operation_type, event.full_document);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("changes", "subscribe"))]
    pub fn watch(&self) -> Watch<'_, T, F> {
        Watch::new(self.on())
    }
}
