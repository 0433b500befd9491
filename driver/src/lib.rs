//! A MongoDB client for replica sets.

pub mod client;
pub mod collection;
#[doc(hidden)]
pub mod conformance;
pub mod cursor;
pub mod database;
pub mod error;
pub mod event;
pub mod ops;
pub mod options;
pub mod request;
pub mod results;
pub mod session;
pub mod sync;

mod auth;
mod deadline;
mod exec;
mod face;
mod nest;
mod pool;
mod rt;
mod stream;
mod topology;
mod uri;
mod wire;

pub use bson;
#[cfg(feature = "tls")]
pub use rustls;

pub use self::collection::Namespace;
pub use self::error::{Error, Result};
pub use self::face::{Async, Blocking, Face};
pub use self::request::Request;
pub use self::topology::{ServerDescription, ServerType, TopologyDescription, TopologyType, TopologyVersion};

/// The async client.
pub type Client = client::Client<Async>;
/// A session of an async client.
pub type ClientSession = session::ClientSession<Async>;
/// A collection of an async client.
pub type Collection<T> = collection::Collection<T, Async>;
/// A cursor of an async client: a stream.
pub type Cursor<T> = cursor::Cursor<T, Async>;
/// A database of an async client.
pub type Database = database::Database<Async>;
/// A cursor of an async client, within a session.
pub type SessionCursor<T> = cursor::SessionCursor<T, Async>;
