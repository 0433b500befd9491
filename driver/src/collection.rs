//! A collection. Each family of operations has its own module below.

// The documentation lists the methods in this order.
mod writes;

mod reads;

mod bulk_write;

mod indexes;
mod search_indexes;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::client::Client;
use crate::database::Database;
use crate::exec::Core;
use crate::mode::Mode;
use crate::ops::command::On;
use crate::ops::{DropCollection, RenameCollection};
use crate::options::{
    CollectionOptions, Concerns, DatabaseOptions, ReadConcern, SelectionCriteria, WriteConcern,
};
use crate::types::Namespace;

/// A collection of a database, with documents of type `T`.
///
/// Cheap to clone, and safe to share between tasks and threads. `T` is a type that serde can
/// serialize and deserialize. `Document` fits any document, and `RawDocumentBuf` avoids decoding.
///
/// Use it as [`driver::Collection`](crate::Collection) or
/// [`driver::sync::Collection`](crate::sync::Collection).
pub struct Collection<T, F: Mode> {
    inner: Arc<CollectionInner>,
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
        let inner = CollectionInner {
            core: Arc::clone(database.core()),
            db: database.name().to_owned(),
            name: name.to_owned(),
            concerns,
        };
        Collection { inner: Arc::new(inner), database: database.clone(), kind: PhantomData }
    }

    pub(crate) fn on(&self) -> On<'_> {
        let CollectionInner { core, db, name, concerns } = &*self.inner;
        On { core, db, collection: Some(name), concerns }
    }

    /// The collection `name` of the database `db`, with the same concerns.
    pub(crate) fn renamed(&self, db: &str, name: &str) -> Self {
        let concerns = &self.inner.concerns;
        let database = if db == self.inner.db {
            self.database.clone()
        } else {
            let of = self.database.concerns();
            let options = DatabaseOptions {
                selection_criteria: Some(of.selection_criteria.clone()),
                read_concern: of.read_concern.clone(),
                write_concern: of.write_concern.clone(),
                timeout: of.timeout,
            };
            self.client().database_with_options(db, options)
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
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::RawDocumentBuf;
    /// # use driver::bson::{Document, doc};
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// let raw = monkeys.clone_with_type::<RawDocumentBuf>();
    /// let mabel = raw.find_one(doc! { "name": "Mabel" }).await?;
    /// # drop(mabel);
    /// # Ok(())
    /// # }
    /// ```
    pub fn clone_with_type<U>(&self) -> Collection<U, F> {
        Collection {
            inner: Arc::clone(&self.inner),
            database: self.database.clone(),
            kind: PhantomData,
        }
    }

    /// The client of this collection.
    ///
    /// # Examples
    /// ```no_run
    /// # fn main() -> driver::Result<()> {
    /// use driver::bson::Document;
    /// use driver::options::ReadConcern;
    ///
    /// let uri = "mongodb://localhost/?readConcernLevel=majority";
    /// let client = driver::sync::Client::with_uri_str(uri)?;
    /// let monkeys = client.database("zoo").collection::<Document>("monkeys");
    /// assert_eq!((monkeys.name(), monkeys.database().name()), ("monkeys", "zoo"));
    /// assert_eq!(monkeys.namespace().to_string(), "zoo.monkeys");
    /// assert_eq!(monkeys.read_concern(), Some(&ReadConcern::majority()));
    /// assert_eq!(monkeys.write_concern(), monkeys.client().write_concern());
    /// println!("reads go to {:?}", monkeys.selection_criteria());
    /// # Ok(())
    /// # }
    /// ```
    pub fn client(&self) -> &Client<F> {
        self.database.client()
    }

    /// The database of this collection.
    pub fn database(&self) -> &Database<F> {
        &self.database
    }

    /// The name without the database.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The name with the database.
    pub fn namespace(&self) -> Namespace {
        self.inner.namespace()
    }

    /// The default selection criteria of reads.
    pub fn selection_criteria(&self) -> Option<&SelectionCriteria> {
        Some(&self.inner.concerns.selection_criteria)
    }

    /// The default read concern.
    pub fn read_concern(&self) -> Option<&ReadConcern> {
        self.inner.concerns.read_concern.as_ref()
    }

    /// The default write concern.
    pub fn write_concern(&self) -> Option<&WriteConcern> {
        self.inner.concerns.write_concern.as_ref()
    }

    /// Renames the collection to `to` and returns a handle with the new name and the same concerns.
    /// This handle keeps the old name. The indexes stay. Views and change streams do not follow the
    /// collection.
    ///
    /// Not retried, except when an overloaded server refuses it.
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
    /// - `InvalidArgument` if the new name is empty or contains a NUL byte.
    /// - `Command` if the server refuses. The code is 26 if the collection does not exist, and 48
    ///   if the new name exists and [`drop_target`](RenameCollection::drop_target) is not set.
    /// - `Write` if the write concern failed.
    /// - Those of [every operation](crate::error#errors-of-every-operation).
    ///
    /// # Cancel safety
    /// If the future is dropped, the collection may or may not be renamed.
    #[doc(alias = "renameCollection")]
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
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::Document;
    /// # async fn example(monkeys: driver::Collection<Document>) -> driver::Result<()> {
    /// monkeys.drop().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("drop_collection", "truncate"))]
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
