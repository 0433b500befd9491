//! The blocking API: the same handles and operations, with `.run()` instead of `.await`.
//!
//! An operation does nothing until it runs: `find(..).sort(..).run()?`. If the compiler says that
//! an operation such as `InsertOne` or `Find` "is not a future", or warns that it is unused, add
//! `.run()`. [`Client::with_uri_str`] is a plain method, and a [`Cursor`] is an iterator.
//!
//! The blocking API needs no runtime and starts none. An operation runs on the calling thread over
//! blocking sockets. One background thread per process monitors the servers.
//!
//! ```no_run
//! use driver::bson::{Document, doc};
//! use driver::sync::Client;
//!
//! # fn main() -> driver::Result<()> {
//! let client = Client::with_uri_str("mongodb://localhost:27017")?;
//! let monkeys = client.database("zoo").collection::<Document>("monkeys");
//! monkeys.insert_one(doc! { "name": "Mabel" }).run()?;
//! for monkey in monkeys.find(doc! {}).run()? {
//!     println!("{}", monkey?);
//! }
//! # Ok(())
//! # }
//! ```

pub use crate::cursor::SessionCursorIter;
use crate::mode::Blocking;
pub use crate::request::RequestGuard;

/// A change stream of a blocking client.
pub type ChangeStream<T> = crate::change_stream::ChangeStream<T, Blocking>;
/// The blocking client.
pub type Client = crate::client::Client<Blocking>;
/// A session of a blocking client.
pub type ClientSession = crate::session::ClientSession<Blocking>;
/// A collection of a blocking client.
pub type Collection<T> = crate::collection::Collection<T, Blocking>;
/// A cursor of a blocking client. It is an iterator.
pub type Cursor<T> = crate::cursor::Cursor<T, Blocking>;
/// A database of a blocking client.
pub type Database = crate::database::Database<Blocking>;
/// A change stream of a blocking client within a session.
pub type SessionChangeStream<T> = crate::change_stream::SessionChangeStream<T, Blocking>;
/// A cursor of a blocking client within a session.
pub type SessionCursor<T> = crate::cursor::SessionCursor<T, Blocking>;

/// Runs a future of the blocking API on the calling thread: that of
/// [`Operation::perform`](crate::ops::Operation::perform), or one of code that is generic over both
/// APIs.
///
/// # Examples
/// ```no_run
/// use driver::bson::{Document, doc};
/// use driver::ops::Operation;
/// use driver::{Mode, Result, collection::Collection};
///
/// async fn count<F: Mode>(monkeys: &Collection<Document, F>) -> Result<u64> {
///     monkeys.count_documents(doc! {}).perform().await
/// }
///
/// # fn main() -> Result<()> {
/// let client = driver::sync::Client::with_uri_str("mongodb://localhost:27017")?;
/// let monkeys = driver::sync::block_on(count(&client.database("zoo").collection("monkeys")))?;
/// # Ok(())
/// # }
/// ```
pub fn block_on<F: Future>(future: F) -> F::Output {
    crate::rt::block_on(future)
}

/// The GridFS buckets of blocking clients, and their streams.
pub mod gridfs {
    pub use crate::gridfs::FilesCollectionDocument;
    use crate::mode::Blocking;

    /// A bucket of a blocking client.
    pub type GridFsBucket = crate::gridfs::GridFsBucket<Blocking>;
    /// A file that is being downloaded from a bucket of a blocking client.
    pub type GridFsDownloadStream = crate::gridfs::GridFsDownloadStream<Blocking>;
    /// A file that is being uploaded to a bucket of a blocking client.
    pub type GridFsUploadStream = crate::gridfs::GridFsUploadStream<Blocking>;
}
