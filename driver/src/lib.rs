//! A MongoDB client with an async and a blocking API, for replica sets, sharded clusters,
//! standalone servers and load balancers of MongoDB 4.2 or later.
//!
//! ```toml
//! [dependencies]
//! driver = { path = "...", features = ["dns", "tls"] } # for `mongodb+srv` and TLS
//! ```
//!
//! It needs Rust 1.95 and a Unix system; it is tested on Linux. The async API runs on tokio; the
//! blocking one needs no runtime. Documents are those of `bson` 3, which is [`driver::bson`](bson).
//!
//! ```no_run
//! use driver::Client;
//! use driver::bson::{Document, doc};
//!
//! # async fn example() -> driver::Result<()> {
//! let client = Client::with_uri_str("mongodb://localhost:27017/?replicaSet=rs0").await?;
//! let monkeys = client.database("zoo").collection::<Document>("monkeys");
//! monkeys.insert_one(doc! { "name": "Mabel", "swims": true }).await?;
//! let mabel = monkeys.find_one(doc! { "name": "Mabel" }).await?;
//! println!("{mabel:?}");
//! # Ok(())
//! # }
//! ```
//!
//! A [`Client`] is a cheap handle. Create one, clone it and share it between tasks. It monitors the
//! deployment in the background and has a connection pool for each server. Dropping the last handle
//! ends the monitors and closes the sockets.
//!
//! # Modules
//!
//! | module | content |
//! |---|---|
//! | [`collection`], [`database`], [`client`] | the handles and their methods |
//! | [`ops`] | the operations and their options |
//! | [`options`] | the connection string, credentials, TLS, concerns, read preferences |
//! | [`session`] | sessions and transactions |
//! | [`change_stream`] | notifications of changes |
//! | [`gridfs`] | files |
//! | [`cursor`], [`results`] | the results of reads and writes |
//! | [`error`] | the error types, and the errors that every operation can return |
//! | [`request`] | several operations on one connection |
//! | [`event`] | events of commands, connections and monitoring |
//! | [`sync`] | the blocking API |
//! | [`action`] | the operations, under the module name of the official crate |
//! | [`overload`] | overloaded servers |
//! | [`migrating`] | the differences from the official crate |
//!
//! Client-side encryption and authentication by MONGODB-AWS, MONGODB-OIDC and GSSAPI are missing.
//!
//! # Two APIs
//!
//! Operations of [`Client`] run on tokio, with `.await`. Operations of [`sync::Client`] block the
//! calling thread, with `.run()`, and need no runtime. Both APIs share their code and
//! documentation: every handle and operation has a marker type, [`Async`] or [`Blocking`].
//!
//! # Errors
//!
//! An [`Error`] names the operation and its target. A program can call the methods
//! [`is_duplicate_key`](Error::is_duplicate_key), [`is_timeout`](Error::is_timeout),
//! [`is_network`](Error::is_network), [`code`](Error::code) and [`has_label`](Error::has_label), or
//! match its [`kind`](Error::kind). The module [`error`] lists the errors of every operation.
//!
//! The client retries reads and retryable writes once when a connection breaks or the primary
//! changes (`retryReads`, `retryWrites`). With a `timeout`, it retries until the timeout expires.
//! When no retry is left, the operation returns the latest error after which its effect is unknown,
//! or else the first error. Usually that is the last one.
//!
//! A program can retry an insert safely if `_id` is the only unique index and the write concern is
//! `majority`: give the document its `_id` before the first attempt, and treat
//! [`is_duplicate_key`](Error::is_duplicate_key) as success. The example `mabel` does so while the
//! primary is killed.
//!
//! # Cancellation and timeouts
//!
//! Every future of this crate may be dropped at any point. If an operation is dropped in flight,
//! its connection is drained in the background: the rest of the message is sent, the reply is
//! received, and a cursor that the reply opens is killed. Then the connection and the server
//! session are reused. Until then the connection counts as in use, and in a [request] the next
//! operation waits for it.
//!
//! A drain may take one second, plus one second for each megabyte of the message, plus one second
//! if a cursor must be killed. The connection and the session are lost only if the drain takes
//! longer, the reply has more than 16 MiB, or the connection breaks.
//!
//! A connection that is being opened for a dropped operation is completed for the next caller,
//! unless `connectTimeoutMS` is 0. A write whose future was dropped may or may not be applied, as
//! after a lost connection.
//!
//! With a timeout, one deadline bounds the whole operation: server selection, checkout, sending,
//! receiving and retries. The timeout is that of the operation (`timeout`), or else of its
//! collection, its database or the client (`timeoutMS`). Without one, each stage has its own limit:
//! `serverSelectionTimeoutMS` (30 s), `connectTimeoutMS` (10 s), `waitQueueTimeoutMS` (no limit by
//! default) for the wait for a connection, and `socketTimeoutMS` (no limit by default).
//!
//! # Overloaded servers
//!
//! An overloaded server refuses commands without running them. The client waits and sends them
//! again. The page [`overload`] explains what a program should do.
//!
//! # Server selection
//!
//! Writes go to the primary, and are acknowledged unless the write concern is `w: 0`. Reads go to
//! the server that the [read preference](options::ReadPreference) selects. The state of the
//! deployment is one immutable [description](TopologyDescription), which is replaced as a whole. A
//! [request] runs several operations on the same connection.
//!
//! # Coming from the `mongodb` crate
//!
//! Most names, builders and options are the same. With this line, the `use` lines stay the same:
//!
//! ```toml
//! mongodb = { package = "driver", path = "...", features = ["dns", "tls"] }
//! ```
//!
//! By default, the official crate has TLS and `mongodb+srv`, and uses `bson` 2. The page
//! [`migrating`] lists the differences and the missing features.
//!
//! # Warnings
//!
//! Unknown or malformed options in a connection string are ignored, as the specification requires,
//! and reported as warnings. Contradictory options are errors, and so are some values that no
//! server accepts, such as `w=-1`. Programs should show the warnings to their users. With the
//! feature `tracing` they are logged.
//!
//! ```
//! # use driver::options::ClientOptions;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> driver::Result<()> {
//! let options = ClientOptions::parse("mongodb://localhost/?retryWritse=false").await?;
//! for warning in options.warnings() {
//!     eprintln!("{warning}");
//! }
//! assert_eq!(
//!     options.warnings(),
//!     ["the option \"retryWritse\" is unknown and is ignored; did you mean retryWrites?"]
//! );
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! All features are off by default.
//!
//! | feature | adds |
//! |---|---|
//! | `dns` | `mongodb+srv://` connection strings |
//! | `tls` | encrypted connections, by rustls |
//! | `snappy`, `zlib`, `zstd` | compressed messages |
//! | `socks5` | connections through a SOCKS5 proxy |
//! | `atlas-search` | builders for Atlas Search stages: the module `atlas_search` |
//! | `futures-io` | GridFS streams implement the traits of `futures`, besides those of tokio |
//! | `opentelemetry` | spans of operations and commands ([`ClientOptions`](options::ClientOptions)`::tracing`) |
//! | `tracing` | log records for the subscribers of `tracing` |
//! | `conformance` | internals for the tests and benches of this workspace; no public API |

#[macro_use]
mod builder;

#[cfg(feature = "atlas-search")]
pub mod atlas_search;
pub mod change_stream;
pub mod client;
pub mod collection;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod cursor;
pub mod database;
pub mod error;
pub mod event;
pub mod gridfs;
pub mod migrating;
pub mod ops;
pub mod options;
pub mod overload;
pub mod request;
pub mod results;
pub mod session;
pub mod sync;

mod deadline;
mod decode;
mod description;
mod exec;
mod handshake;
mod mode;
mod names;
mod nest;
mod object_id;
mod pool;
mod rt;
mod stream;
mod topology;
mod types;
mod uri;
mod wire;
mod wire_version;

pub use bson;
#[cfg(feature = "tls")]
pub use rustls;

pub use self::cursor::SessionCursorStream;
pub use self::description::{ServerDescription, TopologyDescription, TopologyType};
pub use self::error::{Error, Result};
pub use self::mode::{Async, Blocking, Mode};
pub use self::object_id::new_object_id;
pub use self::ops::Boxed as BoxFuture;
pub use self::options::{IndexModel, SearchIndexModel, SearchIndexType};
pub use self::request::Request;
pub use self::session::ClusterTime;
pub use self::types::{Namespace, PoolMetrics, ServerType, TopologyVersion};

/// The server that a predicate of [`SelectionCriteria`](options::SelectionCriteria) gets.
/// The lifetime is for source compatibility with the official crate.
pub type ServerInfo<'a> = ServerDescription;

/// The operations, under the module name of the official crate.
pub mod action {
    pub use crate::ops::Operation as Action;
    pub use crate::ops::*;
    pub use crate::options::ParseConnectionString;
    pub use crate::session::{AbortTransaction, CommitTransaction, StartSession, StartTransaction};

    /// The operations of a GridFS bucket.
    pub mod gridfs {
        pub use crate::gridfs::delete::{Delete, DeleteByName};
        pub use crate::gridfs::download::{
            DownloadTo, OpenDownloadStream, OpenDownloadStreamByName,
        };
        pub use crate::gridfs::drop::Drop;
        pub use crate::gridfs::find::{Find, FindOne};
        pub use crate::gridfs::rename::{Rename, RenameByName};
        pub use crate::gridfs::upload::{OpenUploadStream, UploadFrom};
    }
}

/// Cursors that return whole batches, under the name that the official crate gives them.
pub mod raw_batch_cursor {
    pub use crate::cursor::RawBatch;
    use crate::mode::Async;

    /// The batches of a cursor of an async client.
    pub type RawBatchCursor = crate::cursor::RawBatchCursor<Async>;
    /// The batches of a cursor of an async client within a session.
    pub type SessionRawBatchCursor = crate::cursor::SessionRawBatchCursor<Async>;
    pub use crate::cursor::SessionRawBatchCursorStream;
}

/// A change stream of an async client.
pub type ChangeStream<T> = change_stream::ChangeStream<T, Async>;
/// The async client.
pub type Client = client::Client<Async>;
/// A session of an async client.
pub type ClientSession = session::ClientSession<Async>;
/// A collection of an async client.
pub type Collection<T> = collection::Collection<T, Async>;
/// A cursor of an async client. It is a stream.
pub type Cursor<T> = cursor::Cursor<T, Async>;
/// A database of an async client.
pub type Database = database::Database<Async>;
/// A change stream of an async client, within a session.
pub type SessionChangeStream<T> = change_stream::SessionChangeStream<T, Async>;
/// A cursor of an async client within a session.
pub type SessionCursor<T> = cursor::SessionCursor<T, Async>;
