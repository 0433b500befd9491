//! Inserts, updates, replacements and deletes.

use std::borrow::Borrow;

use bson::Document;

use crate::collection::Collection;
use crate::mode::Mode;
use crate::ops::{
    Delete, FindOneAndDelete, FindOneAndReplace, FindOneAndUpdate, InsertMany, InsertOne, Multi,
    ReplaceOne, Update,
};
use crate::options::UpdateModifications;

impl<T, F: Mode> Collection<T, F> {
    /// Inserts `document`, which may be owned or borrowed.
    ///
    /// A document without `_id` gets an `ObjectId` as its first field, which the result contains.
    /// If your program retries inserts itself, give the document its own `_id`, such as
    /// [`new_object_id()`](crate::new_object_id). A retry then fails with
    /// [`is_duplicate_key`](crate::Error::is_duplicate_key) if an earlier attempt succeeded.
    ///
    /// The insert is a retryable write: after a network error or an election it is retried once,
    /// and the server applies it only once (specification "Retryable Writes").
    ///
    /// # Errors
    /// - `Write` if the server refused the document, or the write concern failed.
    /// - `BsonSerialization` if the document cannot be serialized; `InvalidArgument` if it is
    ///   larger than the server's `maxBsonObjectSize`, 16 MiB. Nothing was sent then.
    /// - Those of every operation: `ServerSelection`, `Io`, `Timeout`, `WaitQueueTimeout`,
    ///   `Command`.
    ///
    /// # Cancel safety
    /// If the future is dropped, the document may or may not be inserted. The client stays usable.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(
    /// #     monkeys: driver::Collection<Document>,
    /// #     blocking: driver::sync::Collection<Document>,
    /// # ) -> driver::Result<()> {
    /// let done = monkeys.insert_one(doc! { "name": "Mabel" }).await?;
    /// println!("her _id is {}", done.inserted_id);
    ///
    /// blocking.insert_one(doc! { "name": "Kiki" }).run()?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("insert", "save", "create"))]
    pub fn insert_one<D: Borrow<T>>(&self, document: D) -> InsertOne<'_, T, D, F> {
        InsertOne { collection: self, document, id: None, options: None, session: None }
    }

    /// Inserts `documents`, which may be owned or borrowed, with as few commands as the server's
    /// limits allow.
    ///
    /// Ids and retries are as for [`insert_one`](Self::insert_one).
    ///
    /// # Errors
    /// - `InvalidArgument` if there are no documents, or one is too large. The message has its
    ///   index.
    /// - `InsertMany` if documents were refused, or a command failed after others had succeeded. It
    ///   has the inserted ids, and its `source()` has the reason for the end.
    /// - Those of [`insert_one`](Self::insert_one).
    ///
    /// # Cancel safety
    /// If the future is dropped, any part of the documents may be inserted. The client stays
    /// usable.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// let new = ["Mabel", "Kiki"].map(|name| doc! { "name": name });
    /// let done = monkeys.insert_many(new).ordered(false).await?;
    /// assert_eq!(done.inserted_ids.len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "insert")]
    pub fn insert_many<D: Borrow<T>>(
        &self,
        documents: impl IntoIterator<Item = D>,
    ) -> InsertMany<'_, T, D, F> {
        let documents = documents.into_iter().collect();
        InsertMany { collection: self, documents, options: None, session: None }
    }

    /// Updates one document that matches `filter`.
    ///
    /// A retryable write: after a network error or an election it is retried once, and the server
    /// applies it only once (specification "Retryable Writes").
    ///
    /// # Errors
    /// - `InvalidArgument` if `update` is empty or has fields that are not operators. Nothing was
    ///   sent then.
    /// - `Write` if the server refused the update, or the write concern failed.
    /// - Those of every operation: `ServerSelection`, `Io`, `Timeout`, `WaitQueueTimeout`,
    ///   `Command`.
    ///
    /// # Cancel safety
    /// If the future is dropped, the document may or may not be updated.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// let born = doc! { "$set": { "born": 2019 } };
    /// let done = monkeys.update_one(doc! { "name": "Mabel" }, born).upsert(true).await?;
    /// println!("{} found, {} changed", done.matched_count, done.modified_count);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("update", "upsert"))]
    pub fn update_one(
        &self,
        filter: Document,
        update: impl Into<UpdateModifications>,
    ) -> Update<'_, T, F> {
        self.update(filter, update.into(), Multi::One)
    }

    /// Updates all documents that match `filter`.
    ///
    /// Not a retryable write. It is retried only if an overloaded server refused to begin it.
    ///
    /// # Errors
    /// Those of [`update_one`](Self::update_one).
    ///
    /// # Cancel safety
    /// If the future is dropped, any part of the documents may be updated.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// // A pipeline, for a change that depends on the document.
    /// let update = vec![doc! { "$set": { "adult": { "$lt": ["$born", 2020] } } }];
    /// let done = monkeys.update_many(doc! {}, update).await?;
    /// println!("{} changed", done.modified_count);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "update")]
    pub fn update_many(
        &self,
        filter: Document,
        update: impl Into<UpdateModifications>,
    ) -> Update<'_, T, F> {
        self.update(filter, update.into(), Multi::Many)
    }

    fn update(
        &self,
        filter: Document,
        update: UpdateModifications,
        multi: Multi,
    ) -> Update<'_, T, F> {
        Update { collection: self, filter, update, multi, options: None, session: None }
    }

    /// Replaces one document that matches `filter`. Its `_id` stays.
    ///
    /// A retryable write, like [`update_one`](Self::update_one).
    ///
    /// # Errors
    /// `InvalidArgument` if the replacement begins with an operator; `BsonSerialization` if it
    /// cannot be serialized; and those of [`update_one`](Self::update_one).
    ///
    /// # Cancel safety
    /// If the future is dropped, the document may or may not be replaced.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// let mabel = doc! { "name": "Mabel", "swims": true };
    /// monkeys.replace_one(doc! { "name": "Mabel" }, mabel).upsert(true).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("save", "upsert"))]
    pub fn replace_one<D: Borrow<T>>(
        &self,
        filter: Document,
        replacement: D,
    ) -> ReplaceOne<'_, T, D, F> {
        ReplaceOne { collection: self, filter, replacement, options: None, session: None }
    }

    /// Deletes one document that matches `filter`.
    ///
    /// A retryable write, like [`update_one`](Self::update_one).
    ///
    /// # Errors
    /// `Write` if the server refused the delete, or the write concern failed; and those of every
    /// operation.
    ///
    /// # Cancel safety
    /// If the future is dropped, the document may or may not be deleted.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// let done = monkeys.delete_one(doc! { "name": "Mabel" }).await?;
    /// assert!(done.deleted_count <= 1);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "remove")]
    pub fn delete_one(&self, filter: Document) -> Delete<'_, T, F> {
        Delete { collection: self, filter, multi: Multi::One, options: None, session: None }
    }

    /// Deletes all documents that match `filter`.
    ///
    /// Not a retryable write. It is retried only if an overloaded server refused to begin it.
    ///
    /// # Errors
    /// Those of [`delete_one`](Self::delete_one).
    ///
    /// # Cancel safety
    /// If the future is dropped, any part of the documents may be deleted.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// let done = monkeys.delete_many(doc! { "swims": false }).await?;
    /// println!("{} deleted", done.deleted_count);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("remove", "truncate"))]
    pub fn delete_many(&self, filter: Document) -> Delete<'_, T, F> {
        Delete { collection: self, filter, multi: Multi::Many, options: None, session: None }
    }

    /// Updates one document that matches `filter`, and returns it as it was before the update.
    /// [`return_document`](FindOneAndUpdate::return_document) selects the state after the update.
    ///
    /// Returns `None` if no document matches. After an [`upsert`](FindOneAndUpdate::upsert) that
    /// inserts, the state before is `None` too.
    ///
    /// Retried once, like [`update_one`](Self::update_one).
    ///
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// use driver::options::ReturnDocument;
    ///
    /// # async fn example(tickets: driver::Collection<Document>) -> driver::Result<()> {
    /// let next = tickets
    ///     .find_one_and_update(doc! { "_id": "next" }, doc! { "$inc": { "number": 1 } })
    ///     .upsert(true)
    ///     .return_document(ReturnDocument::After)
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// - `InvalidArgument` if `update` is empty or has fields that are not operators. Nothing was
    ///   sent then.
    /// - `Command` if the server refused the update, for example because of a duplicate key.
    /// - `Write` if the write concern failed. [`server_response`](crate::Error::server_response)
    ///   contains the document.
    /// - `BsonDeserialization` if the document is not a `T`. The update was applied nevertheless.
    /// - Those of every operation: `ServerSelection`, `Io`, `Timeout`, `WaitQueueTimeout`.
    ///
    /// # Cancel safety
    /// If the future is dropped, the document may or may not be updated.
    #[doc(alias = "find_and_modify")]
    pub fn find_one_and_update(
        &self,
        filter: Document,
        update: impl Into<UpdateModifications>,
    ) -> FindOneAndUpdate<'_, T, F> {
        let update = update.into();
        FindOneAndUpdate { collection: self, filter, update, options: None, session: None }
    }

    /// Replaces one document that matches `filter`, and returns it as it was before. Its `_id`
    /// stays. [`return_document`](FindOneAndReplace::return_document) selects the state after the
    /// replacement.
    ///
    /// Retried once, like [`update_one`](Self::update_one).
    ///
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// let before = monkeys
    ///     .find_one_and_replace(doc! { "name": "Mabel" }, doc! { "name": "Mabel", "swims": true })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` if the replacement begins with an operator, `BsonSerialization` if it
    /// cannot be serialized; nothing was sent then. And those of
    /// [`find_one_and_update`](Self::find_one_and_update).
    ///
    /// # Cancel safety
    /// If the future is dropped, the document may or may not be replaced.
    #[doc(alias = "find_and_modify")]
    pub fn find_one_and_replace<D: Borrow<T>>(
        &self,
        filter: Document,
        replacement: D,
    ) -> FindOneAndReplace<'_, T, D, F> {
        FindOneAndReplace { collection: self, filter, replacement, options: None, session: None }
    }

    /// Deletes one document that matches `filter` and returns it. Returns `None` if no document
    /// matches.
    ///
    /// Retried once, like [`update_one`](Self::update_one).
    ///
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(jobs: driver::Collection<Document>) -> driver::Result<()> {
    /// let oldest = jobs.find_one_and_delete(doc! { "done": true }).sort(doc! { "_id": 1 }).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`find_one_and_update`](Self::find_one_and_update).
    ///
    /// # Cancel safety
    /// If the future is dropped, the document may or may not be deleted.
    #[doc(alias("find_and_modify", "pop"))]
    pub fn find_one_and_delete(&self, filter: Document) -> FindOneAndDelete<'_, T, F> {
        FindOneAndDelete { collection: self, filter, options: None, session: None }
    }
}
