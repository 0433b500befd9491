//! A collection, with its reads and writes.

use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use bson::Document;
use serde::Serialize;

use crate::client::Client;
use crate::database::Database;
use crate::error::Result;
use crate::exec::Core;
use crate::mode::Mode;
use crate::ops::command::On;
use crate::ops::*;
use crate::options::{
    CollectionOptions, Concerns, DatabaseOptions, DeleteManyModel, DeleteOneModel, IndexModel,
    InsertOneModel, ReadConcern, ReplaceOneModel, SearchIndexModel, SelectionCriteria,
    UpdateManyModel, UpdateModifications, UpdateOneModel, WriteConcern, WriteModel,
};
use crate::types::Namespace;
use crate::wire::encode;

/// A collection of a database, with documents of type `T`.
///
/// Cheap to clone, and safe to share between tasks and threads. `T` is any type that serde can read
/// and write, such as `Document` for any document and `RawDocumentBuf` for documents that are not
/// decoded.
///
/// Use it as [`driver::Collection`](crate::Collection) or
/// [`driver::sync::Collection`](crate::sync::Collection).
pub struct Collection<T, F: Mode> {
    place: Arc<CollectionInner>,
    database: Database<F>,
    kind: PhantomData<fn() -> T>,
}

/// The client, the namespace and the defaults of a collection.
pub(crate) struct CollectionInner {
    pub(crate) core: Arc<Core>,
    pub(crate) db: String,
    pub(crate) name: String,
    pub(crate) concerns: Concerns,
}

impl CollectionInner {
    pub(crate) fn namespace(&self) -> Namespace {
        Namespace { db: self.db.clone(), coll: self.name.clone() }
    }
}

impl<T, F: Mode> Collection<T, F> {
    pub(crate) fn new(database: &Database<F>, name: &str, options: CollectionOptions) -> Self {
        let inherited = database.concerns();
        let concerns = Concerns {
            timeout: options.timeout.or(inherited.timeout),
            selection_criteria: options
                .selection_criteria
                .unwrap_or_else(|| inherited.selection_criteria.clone()),
            read_concern: options.read_concern.or_else(|| inherited.read_concern.clone()),
            write_concern: options.write_concern.or_else(|| inherited.write_concern.clone()),
        };
        let place = CollectionInner {
            core: Arc::clone(database.core()),
            db: database.name().to_owned(),
            name: name.to_owned(),
            concerns,
        };
        Collection { place: Arc::new(place), database: database.clone(), kind: PhantomData }
    }

    pub(crate) fn on(&self) -> On<'_> {
        let CollectionInner { core, db, name, concerns } = &*self.place;
        On { core, db, collection: Some(name), concerns }
    }

    /// The collection `name` of the database `db`, with the same concerns.
    pub(crate) fn renamed(&self, db: &str, name: &str) -> Self {
        let concerns = &self.place.concerns;
        let database = match db == self.place.db {
            true => self.database.clone(),
            false => {
                let of = self.database.concerns();
                let options = DatabaseOptions {
                    selection_criteria: Some(of.selection_criteria.clone()),
                    read_concern: of.read_concern.clone(),
                    write_concern: of.write_concern.clone(),
                    timeout: of.timeout,
                };
                self.client().database_with_options(db, options)
            }
        };
        let options = CollectionOptions {
            selection_criteria: Some(concerns.selection_criteria.clone()),
            read_concern: concerns.read_concern.clone(),
            write_concern: concerns.write_concern.clone(),
            timeout: concerns.timeout,
        };
        Collection::new(&database, name, options)
    }

    /// The same collection with documents of another type.
    pub fn clone_with_type<U>(&self) -> Collection<U, F> {
        Collection {
            place: Arc::clone(&self.place),
            database: self.database.clone(),
            kind: PhantomData,
        }
    }

    /// The client of this collection.
    pub fn client(&self) -> &Client<F> {
        self.database.client()
    }

    /// The database of this collection.
    pub fn database(&self) -> &Database<F> {
        &self.database
    }

    /// The name without the database.
    pub fn name(&self) -> &str {
        &self.place.name
    }

    /// The name with the database.
    pub fn namespace(&self) -> Namespace {
        self.place.namespace()
    }

    /// The default selection criteria of reads.
    pub fn selection_criteria(&self) -> Option<&SelectionCriteria> {
        Some(&self.place.concerns.selection_criteria)
    }

    /// The default read concern.
    pub fn read_concern(&self) -> Option<&ReadConcern> {
        self.place.concerns.read_concern.as_ref()
    }

    /// The default write concern.
    pub fn write_concern(&self) -> Option<&WriteConcern> {
        self.place.concerns.write_concern.as_ref()
    }

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
    pub fn insert_one<D: Borrow<T>>(&self, document: D) -> InsertOne<'_, T, D, F> {
        InsertOne { collection: self, document, id: None, options: None, session: None }
    }

    /// Inserts `documents`, which may be owned or borrowed, in as many commands as the server's
    /// limits require.
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
    pub fn insert_many<D: Borrow<T>>(
        &self,
        documents: impl IntoIterator<Item = D>,
    ) -> InsertMany<'_, T, D, F> {
        let documents = documents.into_iter().collect();
        InsertMany { collection: self, documents, options: None, session: None }
    }

    /// Finds the documents that match `filter` and returns a cursor.
    ///
    /// Retried once after a network error or an election (specification "Retryable Reads").
    ///
    /// # Errors
    /// `Command` if the server refuses the filter or an option; and those of every operation:
    /// `ServerSelection`, `Io`, `Timeout`, `WaitQueueTimeout`.
    ///
    /// # Cancel safety
    /// A dropped future leaves nothing behind on the client. If the server opens the cursor within
    /// the next second, the driver kills it in the background. After that second it closes the
    /// connection, which interrupts the operation on the server. A cursor that opens nevertheless
    /// expires with its session, by default after half an hour.
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
    pub fn find_one(&self, filter: Document) -> FindOne<'_, T, F> {
        FindOne { collection: self, filter, options: None, session: None }
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
    pub fn delete_many(&self, filter: Document) -> Delete<'_, T, F> {
        Delete { collection: self, filter, multi: Multi::Many, options: None, session: None }
    }

    /// Writes `models` of all kinds: inserts, updates, replacements and deletes of this collection.
    ///
    /// They travel in as few commands as possible: adjacent models of one kind in one, until the
    /// server's limits are reached. An [ordered](CollectionBulkWrite::ordered) bulk write, which is
    /// the default, ends at the first model that is refused. An unordered one groups models by kind
    /// and tries all of them.
    ///
    /// A command is sent once more as [`update_one`](Self::update_one) is, unless it carries an
    /// [`UpdateMany`](crate::options::WriteModel::UpdateMany) or a
    /// [`DeleteMany`](crate::options::WriteModel::DeleteMany).
    ///
    /// It works on every server. The [`bulk_write`](crate::client::Client::bulk_write) of the
    /// client needs one from 8.0 on, and writes to several collections at once.
    ///
    /// # Errors
    /// - `InvalidArgument` when there are no models; when a model is of another collection, its
    ///   update has no operators, its replacement begins with one, or it is too large. The message
    ///   gives its position.
    /// - `BulkWrite` when models were refused, or when a command failed after others had succeeded:
    ///   it tells by the positions of the models what was done, what was refused, what was not
    ///   tried, and of what that is not known. Its `source()` says why the operation ended early.
    /// - Those of [`update_one`](Self::update_one), when all models went in one command and that
    ///   failed as a whole, or nothing was sent.
    ///
    /// # Cancel safety
    /// Dropped while it runs, any part of the models may have been done. The client stays usable.
    ///
    /// # Example
    /// ```no_run
    /// use driver::bson::{Document, doc};
    /// use driver::error::ErrorKind;
    /// use driver::options::WriteModel;
    ///
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// let stock = client.database("shop").collection::<Document>("stock");
    /// let models: Vec<WriteModel> = vec![
    ///     stock.insert_one_model(doc! { "_id": "pear", "left": 7 })?.into(),
    ///     stock
    ///         .update_one_model(doc! { "_id": "fig" }, doc! { "$inc": { "left": -1 } })
    ///         .upsert(true)
    ///         .into(),
    ///     stock.delete_many_model(doc! { "left": { "$lte": 0 } }).into(),
    /// ];
    /// match stock.bulk_write(models).ordered(false).await {
    ///     Ok(done) => println!("{} inserted, {} changed", done.inserted_count, done.modified_count),
    ///     Err(error) => match error.kind() {
    ///         ErrorKind::BulkWrite(failed) => {
    ///             for (position, refused) in &failed.write_errors {
    ///                 println!("model {position} was refused: {}", refused.message);
    ///             }
    ///             println!("to be tried again: {:?}", failed.unprocessed);
    ///         }
    ///         _ => return Err(error),
    ///     },
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn bulk_write(
        &self,
        models: impl IntoIterator<Item = impl Into<WriteModel>>,
    ) -> CollectionBulkWrite<'_, F> {
        CollectionBulkWrite::new(self.on(), models.into_iter().map(Into::into).collect())
    }

    /// A model that inserts `document` into this collection, for a bulk write of the collection or
    /// of the client.
    ///
    /// # Errors
    /// `BsonSerialization` when the document cannot be written as BSON.
    ///
    /// # Example
    /// ```
    /// use serde::Serialize;
    ///
    /// #[derive(Serialize)]
    /// struct Monkey {
    ///     name: String,
    /// }
    ///
    /// # fn example(monkeys: driver::Collection<Monkey>) -> driver::Result<()> {
    /// let monkey = |name: &str| Monkey { name: name.into() };
    /// let models = ["Mabel", "Kiki"].map(|name| monkeys.insert_one_model(monkey(name)));
    /// # drop(models);
    /// # Ok(())
    /// # }
    /// ```
    pub fn insert_one_model(&self, document: impl Borrow<T>) -> Result<InsertOneModel>
    where
        T: Serialize,
    {
        Ok(InsertOneModel::of(self.namespace(), encode::document(document.borrow())?.into()))
    }

    /// A model that puts `replacement` in the place of one document of this collection that matches
    /// `filter`.
    ///
    /// # Errors
    /// `BsonSerialization` when the replacement cannot be written as BSON.
    ///
    /// # Example
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(stock: driver::Collection<Document>) -> driver::Result<()> {
    /// let pear = stock.replace_one_model(doc! { "_id": "pear" }, doc! { "left": 7 })?;
    /// stock.bulk_write([pear.upsert(true)]).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn replace_one_model(
        &self,
        filter: Document,
        replacement: impl Borrow<T>,
    ) -> Result<ReplaceOneModel>
    where
        T: Serialize,
    {
        let replacement = encode::document(replacement.borrow())?.into();
        Ok(ReplaceOneModel::of(self.namespace(), filter, replacement))
    }

    /// A model that changes one document of this collection that matches `filter`.
    ///
    /// # Example
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(stock: driver::Collection<Document>) -> driver::Result<()> {
    /// let take = |id| stock.update_one_model(doc! { "_id": id }, doc! { "$inc": { "left": -1 } });
    /// stock.bulk_write(["pear", "fig"].map(take)).ordered(false).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn update_one_model(
        &self,
        filter: Document,
        update: impl Into<UpdateModifications>,
    ) -> UpdateOneModel {
        UpdateOneModel::of(self.namespace(), filter, update.into())
    }

    /// A model that changes all documents of this collection that match `filter`.
    ///
    /// # Example
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(stock: driver::Collection<Document>) -> driver::Result<()> {
    /// let mark = doc! { "$set": { "sold_out": true } };
    /// stock.bulk_write([stock.update_many_model(doc! { "left": 0 }, mark)]).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn update_many_model(
        &self,
        filter: Document,
        update: impl Into<UpdateModifications>,
    ) -> UpdateManyModel {
        UpdateManyModel::of(self.namespace(), filter, update.into())
    }

    /// A model that deletes one document of this collection that matches `filter`.
    ///
    /// # Example
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(stock: driver::Collection<Document>) -> driver::Result<()> {
    /// let models = ["pear", "fig"].map(|id| stock.delete_one_model(doc! { "_id": id }));
    /// println!("{} deleted", stock.bulk_write(models).await?.deleted_count);
    /// # Ok(())
    /// # }
    /// ```
    pub fn delete_one_model(&self, filter: Document) -> DeleteOneModel {
        DeleteOneModel::of(self.namespace(), filter)
    }

    /// A model that deletes all documents of this collection that match `filter`.
    ///
    /// # Example
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(stock: driver::Collection<Document>) -> driver::Result<()> {
    /// stock.bulk_write([stock.delete_many_model(doc! { "left": 0 })]).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn delete_many_model(&self, filter: Document) -> DeleteManyModel {
        DeleteManyModel::of(self.namespace(), filter)
    }

    /// Changes one document that matches `filter`, and gives it as it was before; with
    /// [`return_document`](FindOneAndUpdate::return_document), as it is after the change. None when
    /// no document matches, and when one was inserted by
    /// [`upsert`](FindOneAndUpdate::upsert) and the state before is asked for.
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
    /// - `InvalidArgument` when `update` does not consist of operators, or is empty. Nothing was
    ///   sent then.
    /// - `Command` when the server refused it, also as a duplicate of a unique key; `Write` when
    ///   the write concern was not met. The document that the reply gave is in
    ///   [`server_response`](crate::Error::server_response) then.
    /// - `BsonDeserialization` when the document is not a `T`; the change was made.
    /// - Those of every operation: `ServerSelection`, `Io`, `Timeout`, `WaitQueueTimeout`.
    ///
    /// # Cancel safety
    /// If the future is dropped, the document may or may not have been changed.
    pub fn find_one_and_update(
        &self,
        filter: Document,
        update: impl Into<UpdateModifications>,
    ) -> FindOneAndUpdate<'_, T, F> {
        let update = update.into();
        FindOneAndUpdate { collection: self, filter, update, options: None, session: None }
    }

    /// Puts `replacement` in the place of one document that matches `filter`, and gives the
    /// document as it was before; with [`return_document`](FindOneAndReplace::return_document), as
    /// it is then. Only its `_id` stays.
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
    /// `InvalidArgument` when the replacement begins with an operator, and `BsonSerialization` when
    /// it cannot be written as BSON: nothing was sent then. Else those of
    /// [`find_one_and_update`](Self::find_one_and_update).
    ///
    /// # Cancel safety
    /// If the future is dropped, the document may or may not have been replaced.
    pub fn find_one_and_replace<D: Borrow<T>>(
        &self,
        filter: Document,
        replacement: D,
    ) -> FindOneAndReplace<'_, T, D, F> {
        FindOneAndReplace { collection: self, filter, replacement, options: None, session: None }
    }

    /// Deletes one document that matches `filter`, and gives it; none when no document matches.
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
    /// If the future is dropped, the document may or may not have been deleted.
    pub fn find_one_and_delete(&self, filter: Document) -> FindOneAndDelete<'_, T, F> {
        FindOneAndDelete { collection: self, filter, options: None, session: None }
    }

    /// Counts the documents that match `filter`, exactly, by reading them or an index.
    ///
    /// # Errors
    /// Those of [`find`](Self::find).
    ///
    /// # Cancel safety
    /// A dropped future leaves nothing behind.
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
    pub fn estimated_document_count(&self) -> EstimatedDocumentCount<'_, T, F> {
        EstimatedDocumentCount { collection: self, options: None, session: None }
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
    pub fn aggregate(
        &self,
        pipeline: impl IntoIterator<Item = Document>,
    ) -> Aggregate<'_, Document, F> {
        Aggregate::new(self.on(), pipeline.into_iter().collect())
    }

    /// The changes of this collection, as they happen.
    ///
    /// Change streams need a replica set or a sharded cluster, and the read concern `majority` or
    /// none. Prefer this to `aggregate` with `$changeStream`: only this stream resumes after an
    /// error.
    ///
    /// # Errors
    /// `Command` when the server refuses, for example with code 40573 on a standalone server; and
    /// those of every operation: `ServerSelection`, `Io`, `Timeout`, `WaitQueueTimeout`.
    ///
    /// # Cancel safety
    /// Dropped while it runs, it leaves nothing behind.
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
    pub fn watch(&self) -> Watch<'_, T, F> {
        Watch::new(self.on())
    }

    /// Finds the distinct values of the field `field_name` in the documents that match `filter`.
    ///
    /// # Errors
    /// Those of [`find`](Self::find).
    ///
    /// # Cancel safety
    /// A dropped future leaves nothing behind.
    pub fn distinct(&self, field_name: impl AsRef<str>, filter: Document) -> Distinct<'_, T, F> {
        Distinct {
            collection: self,
            field_name: field_name.as_ref().to_owned(),
            filter,
            options: None,
            session: None,
        }
    }

    /// Creates an index, unless it exists already. Without a name it gets one that is made of its
    /// keys, such as `name_1_born_-1`; the result tells it.
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
    ///   seconds; `IncompatibleServer` for a commit quorum where the server is older than 4.4.
    ///   Nothing was sent then.
    /// - `Command` when the server refuses it, such as with code 85 or 86 where another index has
    ///   its name or its keys, and with code 11000 where documents are not unique.
    /// - `Write` when the write concern was not met: the index exists all the same.
    /// - Those of every operation: `ServerSelection`, `Io`, `Timeout`, `WaitQueueTimeout`.
    ///
    /// # Cancel safety
    /// If the future is dropped, the index may or may not have been created.
    pub fn create_index(&self, index: IndexModel) -> CreateIndex<'_, Single, F> {
        CreateIndex::new(self.on(), vec![index])
    }

    /// Creates indexes, in one command: all of them, or none.
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
    /// `InvalidArgument` when there are none; else those of [`create_index`](Self::create_index).
    ///
    /// # Cancel safety
    /// If the future is dropped, the indexes may or may not have been created.
    pub fn create_indexes(
        &self,
        indexes: impl IntoIterator<Item = IndexModel>,
    ) -> CreateIndex<'_, Multiple, F> {
        CreateIndex::new(self.on(), indexes.into_iter().collect())
    }

    /// Lists the indexes, and gives a cursor over them. It is empty where there is no such
    /// collection.
    ///
    /// Sent once more as [`find`](Self::find) is, always to the primary.
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
    /// Dropped while it runs, it leaves nothing behind.
    pub fn list_indexes(&self) -> ListIndexes<'_, ListSpecifications, F> {
        ListIndexes::new(self.on())
    }

    /// The names of the indexes; none where there is no such collection.
    ///
    /// Sent once more as [`find`](Self::find) is, always to the primary.
    ///
    /// ```no_run
    /// # use driver::bson::Document;
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// if !monkeys.list_index_names().await?.iter().any(|name| name == "name_1") {
    ///     println!("they are found slowly");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`find`](Self::find).
    ///
    /// # Cancel safety
    /// Dropped while it runs, it leaves nothing behind.
    pub fn list_index_names(&self) -> ListIndexes<'_, ListNames, F> {
        ListIndexes::new(self.on())
    }

    /// Drops the index `name`.
    ///
    /// Never sent twice, as [`create_index`](Self::create_index).
    ///
    /// ```no_run
    /// # async fn example(monkeys: driver::Collection<driver::bson::Document>) -> driver::Result<()> {
    /// monkeys.drop_index("name_1").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` for the name `*`, which would drop all, and an empty one; `Command` when
    /// the server refuses, with code 27 where there is no such index, and 26 where there is no such
    /// collection; `Write` when the write concern was not met. And those of every operation.
    ///
    /// # Cancel safety
    /// If the future is dropped, the index may or may not have been dropped.
    pub fn drop_index(&self, name: impl AsRef<str>) -> DropIndex<'_, T, F> {
        let indexes = Dropped::One(name.as_ref().to_owned());
        DropIndex { collection: self, indexes, options: None, session: None }
    }

    /// Drops all indexes but that of `_id`.
    ///
    /// Never sent twice, as [`create_index`](Self::create_index).
    ///
    /// ```no_run
    /// # async fn example(monkeys: driver::Collection<driver::bson::Document>) -> driver::Result<()> {
    /// monkeys.drop_indexes().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`drop_index`](Self::drop_index).
    ///
    /// # Cancel safety
    /// Dropped while it runs, any of the indexes may have been dropped.
    pub fn drop_indexes(&self) -> DropIndex<'_, T, F> {
        DropIndex { collection: self, indexes: Dropped::All, options: None, session: None }
    }

    /// Creates a search index in the background, and gives its name. The index comes into being
    /// later: [`list_search_indexes`](Self::list_search_indexes) tells when it can be used. On
    /// Atlas only.
    ///
    /// The commands of search indexes take no concerns: those of the collection do not apply. Never
    /// sent twice, as [`create_index`](Self::create_index).
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
    /// `Command` when the server refuses. Only Atlas supports search indexes; and those of
    /// every operation.
    ///
    /// # Cancel safety
    /// If the future is dropped, the index may or may not be created.
    pub fn create_search_index(&self, model: SearchIndexModel) -> CreateSearchIndex<'_, Single, F> {
        CreateSearchIndex::new(self.on(), vec![model])
    }

    /// As [`create_search_index`](Self::create_search_index), several at once; gives their names.
    ///
    /// ```no_run
    /// # use driver::SearchIndexModel;
    /// # use driver::bson::Document;
    /// # async fn example(
    /// #     monkeys: driver::Collection<Document>, by_text: SearchIndexModel, by_vector: SearchIndexModel,
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
    /// As [`create_search_index`](Self::create_search_index).
    pub fn create_search_indexes(
        &self,
        models: impl IntoIterator<Item = SearchIndexModel>,
    ) -> CreateSearchIndex<'_, Multiple, F> {
        CreateSearchIndex::new(self.on(), models.into_iter().collect())
    }

    /// Has the search index `name` made anew by `definition`, in the background. On Atlas only.
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

    /// Has the search index `name` dropped, in the background. Nothing happens where there is no
    /// such collection. On Atlas only.
    ///
    /// ```no_run
    /// # async fn example(monkeys: driver::Collection<driver::bson::Document>) -> driver::Result<()> {
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

    /// Lists the search indexes, and gives a cursor over what is known of each. On Atlas only.
    ///
    /// Sent once more as [`find`](Self::find) is, to the primary unless the options of the
    /// aggregation say otherwise.
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
    /// Dropped while it runs, it leaves nothing behind.
    pub fn list_search_indexes(&self) -> ListSearchIndexes<'_, F> {
        ListSearchIndexes::new(self.on())
    }

    /// Gives the collection the name `to`, and gives a handle for it, with the concerns of this
    /// one, which still stands for the old name. Indexes stay. Views and change streams do not
    /// follow.
    ///
    /// Never sent twice, as the server cannot tell a repetition of it, unless the server had too
    /// much to do even to begin with it.
    ///
    /// ```no_run
    /// # use driver::bson::Document;
    /// # async fn example(new: driver::Collection<Document>) -> driver::Result<()> {
    /// let current = new.rename("current").drop_target(true).await?;
    /// assert_eq!(current.name(), "current");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` for a name that is empty or holds a NUL; `Command` when the server
    /// refuses, with code 26 where there is no such collection, and 48 where there is one of the
    /// new name and [`drop_target`](RenameCollection::drop_target) is not set; `Write` when the
    /// write concern was not met. And those of every operation.
    ///
    /// # Cancel safety
    /// If the future is dropped, the collection may or may not have been renamed.
    pub fn rename(&self, to: impl Into<String>) -> RenameCollection<'_, T, F> {
        RenameCollection { collection: self, to: to.into(), options: None, session: None }
    }

    /// Drops the collection with its documents and indexes. Does nothing if the collection does not
    /// exist.
    ///
    /// # Errors
    /// `Command` if the server refuses, `Write` if the write concern failed, and those of every
    /// operation.
    ///
    /// # Cancel safety
    /// If the future is dropped, the collection may or may not be dropped.
    pub fn drop(&self) -> DropCollection<'_, T, F> {
        DropCollection { collection: self, options: None, session: None }
    }
}

impl<T, F: Mode> Clone for Collection<T, F> {
    fn clone(&self) -> Self {
        self.clone_with_type()
    }
}

impl<T, F: Mode> fmt::Debug for Collection<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collection")
            .field("namespace", &format_args!("{}", self.namespace()))
            .finish_non_exhaustive()
    }
}
