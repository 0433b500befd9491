//! A MongoDB client for replica sets, with an async and a blocking API.
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
//! # Ok(())
//! # }
//! ```
//!
//! A [`Client`] is a cheap handle. Create one, clone it and share it between tasks. It monitors the
//! deployment in the background and has a connection pool for each server. When the last handle is
//! dropped, its monitors end and its sockets close.
//!
//! # Two APIs
//!
//! The operations of [`Client`] are awaited, on tokio. The operations of [`sync::Client`] end with
//! `.run()` and block the calling thread, without a runtime. Code and documentation are the same:
//! every handle and operation has a marker, [`Async`] or [`Blocking`].
//!
//! # Errors
//!
//! An [`Error`] names what was being done and to whom. Programs ask it by method:
//! [`is_duplicate_key`](Error::is_duplicate_key), [`is_timeout`](Error::is_timeout),
//! [`is_network`](Error::is_network), [`code`](Error::code), [`has_label`](Error::has_label), or
//! match its [`kind`](Error::kind).
//!
//! Reads, and writes that can be told from their repetition, are sent once more by the client
//! itself when a connection breaks or the primary changes (`retryReads`, `retryWrites`); with a
//! `timeout`, as often as fits into it. What outlasts that is for the caller, and a write can
//! always be made safe to try again: give the document its `_id` before the first attempt, and take
//! [`is_duplicate_key`](Error::is_duplicate_key) for "it was written". The example `mabel` does so
//! under `kill -9`.
//!
//! # Cancellation and timeouts
//!
//! Every future of this crate may be dropped at any point. The connection of an operation that is
//! dropped in flight is drained in the background: what is left of the request is sent, the reply
//! is received, and a cursor that it opens is ended. Then the connection and the server session are
//! used again. In a [request] the next operation waits for that and uses the same connection. A
//! drain may take one second, and one more for each megabyte of the request. A dropped operation
//! therefore costs a connection, and a session on the server, only where the drain takes longer,
//! the reply has more than 16 MiB, or the connection breaks. While it is drained, the connection
//! counts as in use.
//!
//! A connection that is being opened for a dropped operation is opened all the same, where
//! `connectTimeoutMS` bounds that, for the next who asks. Whether a write whose future was dropped
//! was done is not known, as with a lost connection.
//!
//! An overloaded server refuses commands before it begins with them. The client waits and sends
//! them again; the page [`overload`] tells what that means for a program.
//!
//! Each operation has one deadline, its own `timeout` or else that of its collection, its database
//! or the client (`timeoutMS`). It covers finding a server, waiting for a connection and the
//! conversation itself. Without it, `serverSelectionTimeoutMS` (30 s), `waitQueueTimeoutMS`
//! (the wait until a connection is free or may be opened) and `connectTimeoutMS` (10 s, the opening
//! itself) bound their own stage.
//!
//! # Server selection
//!
//! Writes go to the primary, and are acknowledged unless `w: 0` was asked for. Reads go where the
//! [read preference](options::ReadPreference) says. The state of the servers is one immutable
//! [description](TopologyDescription) that is replaced as a whole; an operation looks at it once.
//! Operations that share a connection are a [request].
//!
//! # Coming from the `mongodb` crate
//!
//! Common names, builders and options are the same: replace the crate name. The page [`migrating`]
//! lists the differences and the missing features.
//!
//! # Warnings
//!
//! Unknown or malformed options of a connection string are ignored, as the specification requires,
//! and reported as warnings. Contradictory or impossible options are errors. A program should show
//! the warnings to its user. With the feature `tracing` they are logged.
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
//! None by default.
//!
//! | feature | adds |
//! |---|---|
//! | `dns` | `mongodb+srv://` connection strings |
//! | `tls` | encrypted connections, by rustls |
//! | `snappy`, `zlib`, `zstd` | compressed messages |
//! | `socks5` | connections through a SOCKS5 proxy |
//! | `atlas-search` | builders of the stages of Atlas Search: the module `atlas_search` |
//! | `futures-io` | streams of GridFS with the traits of futures, beside those of tokio |
//! | `opentelemetry` | spans of operations and commands ([`ClientOptions`](options::ClientOptions)`::tracing`) |
//! | `tracing` | log records for the subscribers of `tracing` |
//! | `conformance` | parts of the inside, for this crate's own tests; not part of the API |

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

/// The view of a server for a predicate of [`SelectionCriteria`](options::SelectionCriteria) sees
/// of a server.
pub type ServerInfo<'a> = ServerDescription;

/// The operations, under the name that the official crate gives them.
pub mod action {
    pub use crate::ops::Operation as Action;
    pub use crate::ops::*;

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
