//! Bulk writes, and the models that they take.

use std::borrow::Borrow;

use bson::Document;
use serde::Serialize;

use crate::collection::Collection;
use crate::error::Result;
use crate::mode::Mode;
use crate::ops::CollectionBulkWrite;
use crate::options::{
    DeleteManyModel, DeleteOneModel, InsertOneModel, ReplaceOneModel, UpdateManyModel,
    UpdateModifications, UpdateOneModel, WriteModel,
};
use crate::wire::encode;

impl<T, F: Mode> Collection<T, F> {
    /// Runs several writes on this collection: inserts, updates, replacements and deletes.
    ///
    /// The models are sent in as few commands as possible: adjacent models of one kind share a
    /// command, within the limits of the server. By default a bulk write is
    /// [ordered](CollectionBulkWrite::ordered) and stops at the first refused model. An unordered
    /// bulk write groups the models by kind and tries all of them.
    ///
    /// A command is retried like [`update_one`](Self::update_one), unless it contains an
    /// [`UpdateMany`](crate::options::WriteModel::UpdateMany) or a
    /// [`DeleteMany`](crate::options::WriteModel::DeleteMany).
    ///
    /// All server versions support this. The [`bulk_write`](crate::client::Client::bulk_write) of
    /// the client writes to several collections at once, and needs server 8.0.
    ///
    /// # Errors
    /// - `InvalidArgument` if there are no models, or if a model is invalid: it belongs to another
    ///   collection, its update has no operators, its replacement begins with an operator, or it is
    ///   too large. The message gives the position of the model.
    /// - `BulkWrite` if models were refused, or a command failed after others had succeeded. By the
    ///   positions of the models, it tells which were applied, refused, not tried or unconfirmed.
    ///   Its `source()` is the error that ended the operation early.
    /// - Those of [`update_one`](Self::update_one), if nothing was sent, or if the only command
    ///   failed as a whole.
    ///
    /// # Cancel safety
    /// If the future is dropped, any part of the models may be applied. The client stays usable.
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
    ///     Ok(done) => println!("{} inserted", done.inserted_count),
    ///     Err(error) => match error.kind() {
    ///         ErrorKind::BulkWrite(failed) => {
    ///             for (position, refused) in &failed.write_errors {
    ///                 println!("model {position} was refused: {}", refused.message);
    ///             }
    ///             println!("not tried: {:?}", failed.unprocessed);
    ///         }
    ///         _ => return Err(error),
    ///     },
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("initialize_ordered_bulk_op", "batch"))]
    pub fn bulk_write(
        &self,
        models: impl IntoIterator<Item = impl Into<WriteModel>>,
    ) -> CollectionBulkWrite<'_, F> {
        CollectionBulkWrite::new(self.on(), models.into_iter().map(Into::into).collect())
    }

    /// Makes a model that inserts `document` into this collection, for a bulk write of the
    /// collection or of the client.
    ///
    /// # Errors
    /// `BsonSerialization` if the document cannot be serialized.
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

    /// Makes a model that replaces one document of this collection that matches `filter`.
    ///
    /// # Errors
    /// `BsonSerialization` if the replacement cannot be serialized.
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

    /// Makes a model that updates one document of this collection that matches `filter`.
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

    /// Makes a model that updates all documents of this collection that match `filter`.
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

    /// Makes a model that deletes one document of this collection that matches `filter`.
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

    /// Makes a model that deletes all documents of this collection that match `filter`.
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
}
