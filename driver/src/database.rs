//! A database, with its collections and `run_command`.

use std::fmt;
use std::sync::Arc;

use bson::{Document, RawDocumentBuf};

use crate::client::Client;
use crate::collection::Collection;
use crate::error::Result;
use crate::exec::Core;
use crate::gridfs::GridFsBucket;
use crate::mode::Mode;
use crate::ops::command::On;
use crate::ops::*;
use crate::options::{
    CollectionOptions, Concerns, DatabaseOptions, GridFsBucketOptions, ReadConcern,
    SelectionCriteria, WriteConcern,
};
use crate::wire::{document, encode};

/// A database of a deployment.
///
/// Cheap to clone, and safe to share between tasks and threads. Use it as
/// [`driver::Database`](crate::Database) or [`driver::sync::Database`](crate::sync::Database).
pub struct Database<F: Mode> {
    client: Client<F>,
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    concerns: Concerns,
}

impl<F: Mode> Database<F> {
    pub(crate) fn new(client: &Client<F>, name: &str, options: DatabaseOptions) -> Self {
        let inherited = &client.core().options;
        let concerns = Concerns {
            timeout: options.timeout.or(inherited.timeout),
            selection_criteria: options
                .selection_criteria
                .unwrap_or_else(|| inherited.selection_criteria()),
            read_concern: options.read_concern.or_else(|| inherited.read_concern.clone()),
            write_concern: options.write_concern.or_else(|| inherited.write_concern.clone()),
        };
        Database {
            client: client.clone(),
            inner: Arc::new(Inner { name: name.to_owned(), concerns }),
        }
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        self.client.core()
    }

    pub(crate) fn on(&self) -> On<'_> {
        On {
            core: self.client.core(),
            db: self.name(),
            collection: None,
            concerns: &self.inner.concerns,
        }
    }

    pub(crate) fn concerns(&self) -> &Concerns {
        &self.inner.concerns
    }

    /// The client of this database.
    ///
    /// # Examples
    /// ```no_run
    /// # fn main() -> driver::Result<()> {
    /// use driver::options::WriteConcern;
    ///
    /// let client = driver::sync::Client::with_uri_str("mongodb://localhost/?w=majority")?;
    /// let zoo = client.database("zoo");
    /// assert_eq!(zoo.name(), "zoo");
    /// assert_eq!(zoo.write_concern(), Some(&WriteConcern::majority()));
    /// assert_eq!(zoo.read_concern(), zoo.client().read_concern());
    /// println!("reads go to {:?}", zoo.selection_criteria());
    /// # Ok(())
    /// # }
    /// ```
    pub fn client(&self) -> &Client<F> {
        &self.client
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.inner.name
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

    /// The collection `name`. Sends nothing to a server. The first insert creates the collection.
    ///
    /// # Examples
    /// ```no_run
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Monkey {
    ///     name: String,
    /// }
    ///
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// let monkeys = client.database("zoo").collection::<Monkey>("monkeys");
    /// monkeys.insert_one(Monkey { name: "Mabel".to_owned() }).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "get_collection")]
    pub fn collection<T>(&self, name: &str) -> Collection<T, F> {
        Collection::new(self, name, CollectionOptions::default())
    }

    /// The collection `name` with its own options.
    ///
    /// # Examples
    /// ```
    /// # use driver::bson::Document;
    /// use driver::options::{CollectionOptions, WriteConcern};
    ///
    /// # fn example(zoo: driver::Database) {
    /// let options = CollectionOptions::builder().write_concern(WriteConcern::nodes(0)).build();
    /// let log = zoo.collection_with_options::<Document>("log", options);
    /// # drop(log);
    /// # }
    /// ```
    pub fn collection_with_options<T>(
        &self,
        name: &str,
        options: CollectionOptions,
    ) -> Collection<T, F> {
        Collection::new(self, name, options)
    }

    /// The GridFS bucket with these options; by default the bucket `fs`. Sends nothing to a server.
    ///
    /// # Example
    /// ```no_run
    /// use driver::options::GridFsBucketOptions;
    ///
    /// # async fn example(client: driver::Client, picture: &[u8]) -> driver::Result<()> {
    /// let options = GridFsBucketOptions::builder().bucket_name("pictures".to_owned()).build();
    /// let pictures = client.database("zoo").gridfs_bucket(options);
    /// let id = pictures.upload_from("mabel.png", picture).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "files")]
    pub fn gridfs_bucket(
        &self,
        options: impl Into<Option<GridFsBucketOptions>>,
    ) -> GridFsBucket<F> {
        GridFsBucket::new(self, options.into().unwrap_or_default())
    }

    /// Runs `command` unchanged and returns the server's reply.
    ///
    /// The driver adds the fields that all commands have (`$db`, `lsid`, `$clusterTime`, the stable
    /// API). The command must not contain them. The read preference and the concerns of the
    /// database do not apply. The command goes to the primary, unless
    /// [`selection_criteria`](RunCommand::selection_criteria) selects another server. It is not
    /// retried, except when an overloaded server refuses it.
    ///
    /// If a timeout (`timeoutMS`) applies, the driver also adds `maxTimeMS`. The server refuses a
    /// command with two `maxTimeMS`, so use [`timeout`](RunCommand::timeout) instead of that field.
    ///
    /// # Errors
    /// `Command` if the reply has `ok: 0`; and those of every operation. The reply of a write
    /// command can contain write errors, which are not returned as errors.
    ///
    /// # Cancel safety
    /// If the future is dropped, the command may or may not be executed.
    ///
    /// # Examples
    /// ```no_run
    /// use driver::bson::doc;
    ///
    /// # async fn example(
    /// #     client: driver::Client,
    /// #     blocking: driver::sync::Client,
    /// # ) -> driver::Result<()> {
    /// let reply = client.database("admin").run_command(doc! { "buildInfo": 1 }).await?;
    /// println!("MongoDB {}", reply.get_str("version").unwrap_or_default());
    ///
    /// blocking.database("admin").run_command(doc! { "ping": 1 }).run()?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("command", "ping"))]
    pub fn run_command(&self, command: Document) -> RunCommand<'_, F> {
        self.run(document::raw(&command))
    }

    /// Like [`run_command`](Self::run_command), with a raw BSON command.
    ///
    /// # Errors
    /// Those of [`run_command`](Self::run_command).
    ///
    /// # Examples
    /// ```no_run
    /// use driver::bson::rawdoc;
    ///
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// client.database("admin").run_raw_command(rawdoc! { "ping": 1 }).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn run_raw_command(&self, command: RawDocumentBuf) -> RunCommand<'_, F> {
        self.run(encode::checked(command))
    }

    fn run(&self, command: Result<RawDocumentBuf>) -> RunCommand<'_, F> {
        RunCommand { database: self, command, options: None, session: None }
    }

    /// Runs `command` unchanged and returns the cursor that it opens.
    ///
    /// The rules of [`run_command`](Self::run_command) apply. The options
    /// [`batch_size`](RunCursorCommand::batch_size), [`max_time`](RunCursorCommand::max_time) and
    /// [`comment`](RunCursorCommand::comment) apply to `getMore`. Their values for the first batch
    /// must be in the command. A tailable cursor needs `tailable` (and `awaitData`) in the command,
    /// and the matching [`cursor_type`](RunCursorCommand::cursor_type). The result is undefined if
    /// the two differ, or if the command has a `maxTimeMS` and a `timeout` applies.
    ///
    /// # Errors
    /// - Those of [`run_command`](Self::run_command).
    /// - `InvalidArgument` for a `max_time` together with a `timeout`, except on a tailable-await
    ///   cursor.
    /// - `InvalidResponse` if the reply has no cursor.
    /// - `Write` if the command wrote and its write concern failed.
    ///
    /// # Cancel safety
    /// As for [`Collection::find`].
    ///
    /// # Example
    /// ```no_run
    /// use driver::bson::doc;
    ///
    /// # fn example(client: driver::sync::Client) -> driver::Result<()> {
    /// let zoo = client.database("zoo");
    /// let command = doc! { "find": "monkeys", "filter": { "swims": true }, "batchSize": 10 };
    /// for monkey in zoo.run_cursor_command(command).batch_size(100).run()? {
    ///     println!("{}", monkey?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn run_cursor_command(&self, command: Document) -> RunCursorCommand<'_, F> {
        RunCursorCommand::new(self.on(), document::raw(&command))
    }

    /// Like [`run_cursor_command`](Self::run_cursor_command), with a raw BSON command.
    ///
    /// # Errors
    /// Those of [`run_cursor_command`](Self::run_cursor_command).
    ///
    /// # Example
    /// ```no_run
    /// use driver::bson::rawdoc;
    ///
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// let command = rawdoc! { "listCollections": 1, "nameOnly": true };
    /// let mut collections = client.database("zoo").run_raw_cursor_command(command).await?;
    /// while collections.advance().await? {
    ///     println!("{:?}", collections.current());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn run_raw_cursor_command(&self, command: RawDocumentBuf) -> RunCursorCommand<'_, F> {
        RunCursorCommand::new(self.on(), encode::checked(command))
    }

    /// Runs an aggregation that reads no collection, and returns a cursor over its results. The
    /// first stage produces the documents, such as `$currentOp`, `$listLocalSessions` or
    /// `$documents`.
    ///
    /// Retried like [`Collection::find`], unless its last stage writes (`$out`, `$merge`).
    ///
    /// # Errors
    /// Those of [`Collection::aggregate`].
    ///
    /// # Cancel safety
    /// As for [`Collection::aggregate`].
    ///
    /// # Example
    /// ```no_run
    /// use driver::bson::doc;
    ///
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// let pipeline = [doc! { "$currentOp": { "allUsers": true } }, doc! { "$limit": 10 }];
    /// let mut running = client.database("admin").aggregate(pipeline).await?;
    /// while running.advance().await? {
    ///     println!("{:?}", running.current());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn aggregate(
        &self,
        pipeline: impl IntoIterator<Item = Document>,
    ) -> Aggregate<'_, Document, F> {
        Aggregate::new(self.on(), pipeline.into_iter().collect())
    }

    /// Opens a change stream on this database.
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
    /// use driver::options::FullDocumentType;
    ///
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// let zoo = client.database("zoo");
    /// let mut stream = zoo.watch().full_document(FullDocumentType::UpdateLookup).await?;
    /// while let Some(event) = stream.try_next().await? {
    ///     println!("{:?}: {:?}", event.operation_type, event.full_document);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("changes", "subscribe"))]
    pub fn watch(&self) -> Watch<'_, Document, F> {
        Watch::new(self.on())
    }

    /// Creates the collection `name`, or with [`view_on`](CreateCollection::view_on) a view. A
    /// collection without options needs no call: the first insert creates it.
    ///
    /// Not retried, except when an overloaded server refuses it.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use driver::bson::doc;
    /// use driver::options::TimeseriesOptions;
    ///
    /// # async fn example(db: driver::Database) -> driver::Result<()> {
    /// db.create_collection("log").capped(true).size(1 << 20).await?;
    /// db.create_collection("visitors")
    ///     .timeseries(TimeseriesOptions::builder().time_field("at".to_owned()).build())
    ///     .expire_after_seconds(Duration::from_secs(30 * 86_400))
    ///     .await?;
    /// db.create_collection("swimmers")
    ///     .view_on("monkeys")
    ///     .pipeline([doc! { "$match": { "swims": true } }])
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// - `InvalidArgument` if the name is empty or contains a NUL byte, or if a duration is not a
    ///   whole number of seconds. Nothing was sent then.
    /// - `Command` if the server refuses. The code is 48 if the collection exists.
    /// - `Write` if the write concern failed. The collection exists nevertheless.
    /// - Those of every operation: `ServerSelection`, `Io`, `Timeout`, `WaitQueueTimeout`.
    ///
    /// # Cancel safety
    /// If the future is dropped, the collection may or may not be created.
    #[doc(alias = "create_view")]
    pub fn create_collection(&self, name: impl Into<String>) -> CreateCollection<'_, F> {
        CreateCollection { database: self, name: name.into(), options: None, session: None }
    }

    /// Changes options of the collection or view `name`. Options that are not set keep their
    /// values.
    ///
    /// Not retried, like [`create_collection`](Self::create_collection).
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use driver::bson::doc;
    /// use driver::options::{IndexModification, ValidationAction};
    ///
    /// # async fn example(db: driver::Database) -> driver::Result<()> {
    /// db.modify_collection("monkeys")
    ///     .validator(doc! { "name": { "$type": "string" } })
    ///     .validation_action(ValidationAction::Warn)
    ///     .await?;
    /// let an_hour = Duration::from_secs(3600);
    /// let index = IndexModification::builder().name("seen_1".to_owned()).expire_after(an_hour);
    /// db.modify_collection("visits").index(index.build()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` if the name is empty or contains a NUL byte, if a duration is not a whole
    /// number of seconds, or if an index is given by neither name nor keys, or by both. And those
    /// of [`create_collection`](Self::create_collection).
    ///
    /// # Cancel safety
    /// If the future is dropped, the options may or may not be changed.
    #[doc(alias = "collMod")]
    pub fn modify_collection(&self, name: impl Into<String>) -> ModifyCollection<'_, F> {
        ModifyCollection { database: self, name: name.into(), options: None, session: None }
    }

    /// Lists the collections and views of the database and returns a cursor over their
    /// specifications.
    ///
    /// Retried like [`Collection::find`]. Reads from the primary.
    ///
    /// ```no_run
    /// # use driver::bson::doc;
    /// use futures_util::TryStreamExt;
    ///
    /// # async fn example(db: driver::Database) -> driver::Result<()> {
    /// let mut capped = db.list_collections().filter(doc! { "options.capped": true }).await?;
    /// while let Some(collection) = capped.try_next().await? {
    ///     println!("{}: {:?} bytes", collection.name, collection.options.size);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `Command` if the server refuses, and those of every operation.
    ///
    /// # Cancel safety
    /// A dropped future leaves nothing behind.
    pub fn list_collections(&self) -> ListCollections<'_, ListSpecifications, F> {
        ListCollections::new(self.on())
    }

    /// Lists the names of the database's collections and views.
    ///
    /// Retried like [`Collection::find`]. Reads from the primary.
    ///
    /// ```no_run
    /// # use driver::bson::doc;
    /// # async fn example(db: driver::Database) -> driver::Result<()> {
    /// let of_zoo = doc! { "name": { "$regex": "^zoo_" } };
    /// let names: Vec<String> = db.list_collection_names().filter(of_zoo).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `Command` if the server refuses, and those of every operation.
    ///
    /// # Cancel safety
    /// A dropped future leaves nothing behind.
    #[doc(alias = "show_collections")]
    pub fn list_collection_names(&self) -> ListCollections<'_, ListNames, F> {
        ListCollections::new(self.on())
    }

    /// Drops the database with all its collections. Does nothing if the database does not exist.
    ///
    /// # Errors
    /// `Command` if the server refuses, `Write` if the write concern failed, and those of every
    /// operation.
    ///
    /// # Cancel safety
    /// If the future is dropped, any part of the database may be dropped.
    ///
    /// # Examples
    /// ```no_run
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// client.database("zoo").drop().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "drop_database")]
    pub fn drop(&self) -> DropDatabase<'_, F> {
        DropDatabase { database: self, options: None, session: None }
    }
}

impl<F: Mode> Clone for Database<F> {
    fn clone(&self) -> Self {
        Database { client: self.client.clone(), inner: Arc::clone(&self.inner) }
    }
}

impl<F: Mode> fmt::Debug for Database<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("name", &self.inner.name).finish_non_exhaustive()
    }
}
