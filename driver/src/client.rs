//! The client of a deployment.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use bson::Document;

use crate::database::Database;
use crate::deadline::Deadline;
use crate::description::TopologyDescription;
use crate::error::Result;
use crate::exec::Core;
use crate::mode::{Async, Blocking, Mode};
use crate::ops::command::On;
use crate::ops::{
    BulkWrite, ListDatabases, ListNames, ListSpecifications, Shutdown, WarmConnectionPool, Watch,
};
use crate::options::{
    ClientOptions, DatabaseOptions, DriverInfo, ReadConcern, SelectionCriteria, WriteConcern,
    WriteModel,
};
use crate::results::SummaryBulkWriteResult;
use crate::rt::{self, Runtime};
use crate::session::StartSession;
use crate::types::PoolMetrics;

/// A client of one deployment, with its monitors and connection pools.
///
/// Cheap to clone, and safe to share between tasks and threads. Create one client per program and
/// clone it: each new client monitors the deployment and opens its own connections. Databases,
/// collections, cursors and sessions are handles of the client too. When the last handle is
/// dropped, the monitors end and the sockets close.
///
/// An async client belongs to the tokio runtime in which it was created. When that runtime ends,
/// operations fail with [`RuntimeEnded`](crate::error::ErrorKind::RuntimeEnded). Until then, other
/// runtimes can use the client too.
///
/// Use it as [`driver::Client`](crate::Client) or [`driver::sync::Client`](crate::sync::Client).
pub struct Client<F: Mode> {
    core: Arc<Core>,
    mode: PhantomData<fn() -> F>,
}

impl Client<Async> {
    /// Creates a client for the deployment in `uri`, such as
    /// `mongodb://host1,host2/?replicaSet=rs0`.
    ///
    /// Returns without a connection. Discovery runs in the background, and the first operation
    /// waits for a server. Unknown or malformed URI options are ignored, as the specification
    /// requires, and reported by [`warnings`](Client::warnings).
    ///
    /// # Errors
    /// - `InvalidArgument` if the connection string is malformed or contradicts itself, outside a
    ///   tokio runtime, and in a runtime built without `enable_all`.
    /// - `Io` if the process cannot open a socket.
    /// - `DnsResolve` if the records of a `mongodb+srv` name are missing or invalid.
    ///
    /// # Examples
    /// ```no_run
    /// use driver::Client;
    /// use driver::bson::{Document, doc};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> driver::Result<()> {
    /// let client = Client::with_uri_str("mongodb://localhost:27017").await?;
    /// let monkeys = client.database("zoo").collection::<Document>("monkeys");
    /// monkeys.insert_one(doc! { "name": "Mabel" }).await?;
    /// assert!(monkeys.find_one(doc! { "name": "Mabel" }).await?.is_some());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "connect")]
    pub async fn with_uri_str(uri: impl AsRef<str>) -> Result<Self> {
        Self::with_options(ClientOptions::parse(uri.as_ref()).await?)
    }

    /// Creates a client with these options.
    ///
    /// # Errors
    /// `InvalidArgument` if the options contradict each other, outside a tokio runtime, and in a
    /// runtime built without `enable_all`; `Io` if the process cannot open a socket. A runtime
    /// without I/O or timers makes tokio panic; the panic is caught. With `panic = "abort"` it ends
    /// the program.
    ///
    /// # Examples
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> driver::Result<()> {
    /// use driver::Client;
    /// use driver::options::ClientOptions;
    ///
    /// let mut options = ClientOptions::parse("mongodb://localhost:27017").await?;
    /// options.app_name = Some("zoo".to_owned());
    /// let client = Client::with_options(options)?;
    /// # drop(client);
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_options(options: ClientOptions) -> Result<Self> {
        Self::open(options, Runtime::current()?)
    }

    /// Waits until every server has been checked by a check that started after this call.
    ///
    /// # Errors
    /// `Timeout` after the client's `timeout`, or `serverSelectionTimeoutMS` if it has none;
    /// `Shutdown` if the client was shut down.
    ///
    /// # Cancel safety
    /// Dropping the future only ends the wait. The checks continue.
    ///
    /// # Examples
    /// ```no_run
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// client.wait_for_refresh().await?;
    /// println!("{}", client.topology());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn wait_for_refresh(&self) -> Result<()> {
        self.refreshed().await
    }
}

impl Client<Blocking> {
    /// Creates a client for the deployment in `uri`, such as
    /// `mongodb://host1,host2/?replicaSet=rs0`, without an async runtime.
    ///
    /// Operations run on the calling thread. One background thread, shared by all blocking clients
    /// of the process, monitors the servers.
    ///
    /// # Errors
    /// As for the async client, except those about the runtime; `Io` if the background thread
    /// cannot start.
    ///
    /// # Examples
    /// ```no_run
    /// use driver::bson::{Document, doc};
    /// use driver::sync::Client;
    ///
    /// # fn main() -> driver::Result<()> {
    /// let client = Client::with_uri_str("mongodb://localhost:27017")?;
    /// let monkeys = client.database("zoo").collection::<Document>("monkeys");
    /// monkeys.insert_one(doc! { "name": "Mabel" }).run()?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "connect")]
    pub fn with_uri_str(uri: impl AsRef<str>) -> Result<Self> {
        Self::with_options(ClientOptions::parse(uri.as_ref()).run()?)
    }

    /// Creates a client with these options.
    ///
    /// # Errors
    /// `InvalidArgument` if the options contradict each other; `Io` if the background thread cannot
    /// start.
    ///
    /// # Examples
    /// ```no_run
    /// use driver::options::ClientOptions;
    /// use driver::sync::Client;
    ///
    /// # fn main() -> driver::Result<()> {
    /// let mut options = ClientOptions::parse("mongodb://localhost:27017").run()?;
    /// options.max_pool_size = Some(20);
    /// let client = Client::with_options(options)?;
    /// # drop(client);
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_options(options: ClientOptions) -> Result<Self> {
        Self::open(options, Runtime::blocking()?)
    }

    /// Waits until every server has been checked by a check that started after this call.
    ///
    /// # Errors
    /// `Timeout` after the client's `timeout`, or `serverSelectionTimeoutMS` if it has none;
    /// `Shutdown` if the client was shut down.
    ///
    /// # Examples
    /// ```no_run
    /// # fn example(client: driver::sync::Client) -> driver::Result<()> {
    /// client.wait_for_refresh()?;
    /// println!("{}", client.topology());
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_for_refresh(&self) -> Result<()> {
        rt::block_on(self.refreshed())
    }
}

impl Client<Async> {
    /// The same client within a request.
    pub(crate) fn in_request(&self) -> Self {
        Client { core: self.core.in_request(), mode: PhantomData }
    }
}

impl<F: Mode> Client<F> {
    fn open(options: ClientOptions, runtime: Runtime) -> Result<Self> {
        Ok(Client { core: Core::open(options, runtime)?, mode: PhantomData })
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// The target of the client's own operations: the database `admin`.
    pub(crate) fn on(&self) -> On<'_> {
        On { core: &self.core, db: "admin", collection: None, concerns: &self.core.concerns }
    }

    /// Kills cursors and ends idle sessions if a server is available. Then closes everything else.
    pub(crate) async fn close(&self) {
        crate::cursor::flush_kills(&self.core).await;
        crate::exec::flush_cleanups(&self.core).await;
        crate::ops::end_sessions::end_sessions(&self.core).await;
        self.core.deployment.shutdown();
    }

    async fn refreshed(&self) -> Result<()> {
        self.core.check_usable()?;
        let options = &self.core.options;
        let limit = options.timeout().or(Some(options.server_selection_timeout()));
        let refreshed = self.core.deployment.wait_for_refresh(Deadline::after_option(limit)).await;
        refreshed.map_err(|error| self.core.runtime.explain(error))?;
        self.core.check_usable()
    }

    /// Shuts the client down. It kills dropped cursors and ends idle sessions on the servers, then
    /// ends the monitors and closes idle connections. Later operations of all handles fail with
    /// `Shutdown`. Run it with `.await` or `.run()`.
    ///
    /// It does not wait for handles that still exist:
    ///
    /// - An operation whose command was sent receives its reply; then its connection is closed. An
    ///   operation that still waits for a server or a connection fails with `Shutdown`. Nothing is
    ///   retried.
    /// - A cursor returns the documents that it has, then `Shutdown`. On the server it expires, by
    ///   default within 30 minutes of its last use. Cursors that were dropped before are killed,
    ///   for up to a second.
    /// - The chunks of dropped uploads to GridFS buckets are removed, for up to a second.
    /// - A [`ClientSession`](crate::session::ClientSession) that still exists expires on the
    ///   server, by default 30 minutes after its last use. Sessions that were dropped before are
    ///   ended, for up to a second.
    ///
    /// Calling this is optional. Dropping the last handle also ends the monitors and closes the
    /// connections, but in the background.
    ///
    /// # Example
    /// ```no_run
    /// # async fn example(client: driver::Client, other: driver::sync::Client) {
    /// client.shutdown().await;
    /// other.shutdown().run();
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// If the future is dropped, sessions may stay on the servers until they expire. Dropped
    /// cursors are killed nevertheless. The client stays usable.
    #[doc(alias("close", "disconnect"))]
    pub fn shutdown(self) -> Shutdown<F> {
        Shutdown::new(self)
    }

    /// The metrics of the connection pools, one per server. Takes one short lock per pool.
    ///
    /// # Example
    /// ```no_run
    /// # fn example(client: driver::Client) {
    /// for pool in client.pool_metrics() {
    ///     println!("{}: {} in use, {} idle", pool.address, pool.in_use, pool.idle);
    /// }
    /// # }
    /// ```
    #[doc(alias = "stats")]
    pub fn pool_metrics(&self) -> Vec<PoolMetrics> {
        self.core.deployment.pool_metrics()
    }

    /// Fills the pool of each known server up to `minPoolSize`, so that the first operations do not
    /// wait for connections. Without this call the pools fill in the background. Does nothing
    /// without `minPoolSize`. Run it with `.await` or `.run()`.
    ///
    /// Servers that cannot be reached within `serverSelectionTimeoutMS` are skipped.
    ///
    /// # Example
    /// ```no_run
    /// # async fn example() -> driver::Result<()> {
    /// let client = driver::Client::with_uri_str("mongodb://localhost/?minPoolSize=10").await?;
    /// client.warm_connection_pool().await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn warm_connection_pool(&self) -> WarmConnectionPool<'_, F> {
        WarmConnectionPool::new(self)
    }

    /// Opens a change stream on all databases except `admin`, `config` and `local`.
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
    /// # fn example(client: driver::sync::Client) -> driver::Result<()> {
    /// for event in client.watch().run()? {
    ///     let event = event?;
    ///     println!("{:?} in {:?}", event.operation_type, event.ns);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("changes", "subscribe"))]
    pub fn watch(&self) -> Watch<'_, Document, F> {
        Watch::cluster(self.on())
    }

    /// The database `name`. Sends nothing to a server.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::Document;
    /// # fn example(client: driver::Client) {
    /// let zoo = client.database("zoo");
    /// let monkeys = zoo.collection::<Document>("monkeys");
    /// # drop(monkeys);
    /// # }
    /// ```
    #[doc(alias("get_database", "use"))]
    pub fn database(&self, name: &str) -> Database<F> {
        Database::new(self, name, DatabaseOptions::default())
    }

    /// The database `name` with its own options.
    ///
    /// # Examples
    /// ```no_run
    /// use driver::options::{DatabaseOptions, ReadPreference, SelectionCriteria, WriteConcern};
    ///
    /// # fn example(client: driver::Client) {
    /// let near = ReadPreference::nearest(None);
    /// let options = DatabaseOptions::builder()
    ///     .write_concern(WriteConcern::majority())
    ///     .selection_criteria(SelectionCriteria::from(near))
    ///     .build();
    /// let zoo = client.database_with_options("zoo", options);
    /// # drop(zoo);
    /// # }
    /// ```
    pub fn database_with_options(&self, name: &str, options: DatabaseOptions) -> Database<F> {
        Database::new(self, name, options)
    }

    /// The default database of the connection string; `None` if it names none.
    ///
    /// # Examples
    /// ```no_run
    /// # fn main() -> driver::Result<()> {
    /// use driver::sync::Client;
    ///
    /// let client = Client::with_uri_str("mongodb://localhost:27017/zoo")?;
    /// assert_eq!(client.default_database().unwrap().name(), "zoo");
    /// # Ok(())
    /// # }
    /// ```
    pub fn default_database(&self) -> Option<Database<F>> {
        self.core.options.default_database.as_deref().map(|name| self.database(name))
    }

    /// Runs writes on any collections: inserts, updates, replacements and deletes. Needs server
    /// 8.0. The [`bulk_write`](crate::collection::Collection::bulk_write) of a collection works
    /// with all versions.
    ///
    /// The result has the numbers of affected documents.
    /// [`verbose_results`](BulkWrite::verbose_results) adds the result of each write. A command is
    /// retried like [`update_one`](crate::collection::Collection::update_one), unless it contains
    /// an [`UpdateMany`](WriteModel::UpdateMany) or a [`DeleteMany`](WriteModel::DeleteMany).
    ///
    /// # Errors
    /// - `IncompatibleServer` if the server is older than 8.0. Nothing was sent then.
    /// - `InvalidArgument` if there are no models, or if a model is invalid: it has no namespace,
    ///   its update has no operators, its replacement begins with an operator, or it is too large.
    ///   The message gives the position of the model. Also for an unacknowledged write concern with
    ///   ordered writes or verbose results.
    /// - `BulkWrite` if models were refused, or a command failed after others had succeeded. By the
    ///   positions of the models, it tells which were applied, refused, not tried or unconfirmed.
    ///   Its `source()` is the error that ended the operation early.
    /// - Those of [every operation](crate::error#errors-of-every-operation).
    ///
    /// # Cancel safety
    /// If the future is dropped, any part of the models may be applied. The client stays usable.
    ///
    /// # Example
    /// ```no_run
    /// use driver::bson::{Document, doc};
    /// use driver::options::WriteModel;
    ///
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// let shop = client.database("shop");
    /// let (stock, orders) =
    ///     (shop.collection::<Document>("stock"), shop.collection::<Document>("orders"));
    /// let taken = doc! { "$inc": { "left": -1 } };
    /// let models: Vec<WriteModel> = vec![
    ///     orders.insert_one_model(doc! { "item": "pear" })?.into(),
    ///     stock.update_one_model(doc! { "_id": "pear" }, taken).into(),
    /// ];
    /// let done = client.bulk_write(models).verbose_results().await?;
    /// println!("order {} is written", done.insert_results[&0].inserted_id);
    /// # Ok(())
    /// # }
    /// ```
    pub fn bulk_write(
        &self,
        models: impl IntoIterator<Item = impl Into<WriteModel>>,
    ) -> BulkWrite<'_, SummaryBulkWriteResult, F> {
        BulkWrite::new(self.on(), models.into_iter().map(Into::into).collect())
    }

    /// Lists the databases of the deployment, with their sizes.
    ///
    /// Retried like [`Collection::find`](crate::collection::Collection::find). Reads from the
    /// primary.
    ///
    /// ```no_run
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// for database in client.list_databases().await? {
    ///     println!("{}: {} bytes", database.name, database.size_on_disk);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `Command` if the server refuses, and those of every operation: `ServerSelection`, `Io`,
    /// `Timeout`, `WaitQueueTimeout`.
    ///
    /// # Cancel safety
    /// A dropped future leaves nothing behind.
    pub fn list_databases(&self) -> ListDatabases<'_, ListSpecifications, F> {
        ListDatabases::new(self.on())
    }

    /// Lists the names of the databases.
    ///
    /// Retried like [`list_databases`](Self::list_databases).
    ///
    /// ```no_run
    /// # use driver::bson::doc;
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// let of_zoo = doc! { "name": { "$regex": "^zoo" } };
    /// let names: Vec<String> = client.list_database_names().filter(of_zoo).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`list_databases`](Self::list_databases).
    ///
    /// # Cancel safety
    /// A dropped future leaves nothing behind.
    #[doc(alias = "show_dbs")]
    pub fn list_database_names(&self) -> ListDatabases<'_, ListNames, F> {
        ListDatabases::new(self.on())
    }

    /// The default selection criteria of reads.
    ///
    /// # Examples
    /// ```no_run
    /// # fn main() -> driver::Result<()> {
    /// use driver::options::{ReadPreference, WriteConcern};
    /// use driver::sync::Client;
    ///
    /// let client = Client::with_uri_str("mongodb://localhost/?readPreference=nearest&w=2")?;
    /// assert_eq!(client.selection_criteria(), Some(&ReadPreference::nearest(None).into()));
    /// assert_eq!(client.write_concern(), Some(&WriteConcern::nodes(2)));
    /// assert_eq!(client.read_concern(), None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn selection_criteria(&self) -> Option<&SelectionCriteria> {
        self.core.options.selection_criteria.as_ref()
    }

    /// The default read concern.
    pub fn read_concern(&self) -> Option<&ReadConcern> {
        self.core.options.read_concern.as_ref()
    }

    /// The default write concern.
    pub fn write_concern(&self) -> Option<&WriteConcern> {
        self.core.options.write_concern.as_ref()
    }

    /// The warnings, one sentence each: unknown or malformed options of the connection string, and
    /// compressors without their cargo feature. The client ignores these options, as the
    /// specification "URI Options" requires. A program should show the warnings to its user.
    ///
    /// # Examples
    /// ```no_run
    /// # fn main() -> driver::Result<()> {
    /// let client = driver::sync::Client::with_uri_str("mongodb://localhost/?retryWritse=false")?;
    /// assert!(client.warnings()[0].contains("retryWrites"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn warnings(&self) -> &[String] {
        self.core.options.warnings()
    }

    /// The current description of the deployment.
    ///
    /// # Examples
    /// ```no_run
    /// # fn example(client: driver::Client) {
    /// for server in client.topology().servers() {
    ///     println!("{}: {}", server.address(), server.server_type());
    /// }
    /// # }
    /// ```
    #[doc(alias("nodes", "server_info"))]
    pub fn topology(&self) -> Arc<TopologyDescription> {
        self.core.deployment.description()
    }

    /// Waits until the description of the deployment is no longer `seen`, and returns the new one.
    /// Returns at once if it has changed already.
    ///
    /// # Cancel safety
    /// A dropped future loses nothing.
    ///
    /// # Examples
    /// ```no_run
    /// # async fn example(client: driver::Client) {
    /// let mut topology = client.topology();
    /// while topology.primary().is_none() {
    ///     topology = client.topology_changed(&topology).await;
    /// }
    /// # }
    /// ```
    pub async fn topology_changed(
        &self,
        seen: &Arc<TopologyDescription>,
    ) -> Arc<TopologyDescription> {
        self.core.deployment.changed_from(seen).await
    }

    /// Requests a check of every server and returns at once. Any number of calls causes at most one
    /// check per server in addition to the running one.
    ///
    /// # Examples
    /// ```no_run
    /// # fn example(client: driver::Client) {
    /// client.schedule_refresh();
    /// # }
    /// ```
    pub fn schedule_refresh(&self) {
        self.core.deployment.schedule_refresh();
    }

    /// Appends the metadata of a library built on this driver to the handshake of new connections.
    /// A library that was appended before is not repeated.
    ///
    /// # Errors
    /// `InvalidArgument` if a part of `info` contains a `|`, the separator of libraries.
    ///
    /// # Examples
    /// ```no_run
    /// use driver::options::DriverInfo;
    ///
    /// # fn example(client: driver::Client) -> driver::Result<()> {
    /// let library = DriverInfo::builder().name("zookeeper".to_owned());
    /// let library = library.version("1.2".to_owned()).build();
    /// client.append_metadata(library)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn append_metadata(&self, info: DriverInfo) -> Result<()> {
        self.core.deployment.append_metadata(&info)
    }

    /// Starts a session. Sends nothing to a server. If the server does not support sessions, the
    /// first operation fails.
    ///
    /// # Errors
    /// `InvalidArgument` if the options contradict each other.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(
    /// #     client: driver::Client,
    /// #     blocking: driver::sync::Client,
    /// # ) -> driver::Result<()> {
    /// let monkeys = client.database("zoo").collection::<Document>("monkeys");
    /// let mut session = client.start_session().await?;
    /// monkeys.insert_one(doc! { "name": "Mabel" }).session(&mut session).await?;
    /// let mabel = monkeys.find_one(doc! { "name": "Mabel" }).session(&mut session).await?;
    ///
    /// let mut session = blocking.start_session().causal_consistency(false).run()?;
    /// # drop((mabel, session));
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "with_session")]
    pub fn start_session(&self) -> StartSession<'_, F> {
        StartSession::new(self)
    }
}

impl<F: Mode> Clone for Client<F> {
    fn clone(&self) -> Self {
        Client { core: Arc::clone(&self.core), mode: PhantomData }
    }
}

impl<F: Mode> fmt::Debug for Client<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("topology", &format_args!("{}", self.topology()))
            .finish_non_exhaustive()
    }
}
