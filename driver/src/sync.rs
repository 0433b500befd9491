//! The blocking API: the same handles and operations, ended by `.run()` instead of `.await`.
//!
//! An operation does nothing until it is run: `find(..).sort(..).run()?`. Where the compiler says
//! that an operation, such as `InsertOne` or `Find`, "is not a future", or warns of one that must
//! be used, end it by `.run()`. What is no operation has no `.run()`: [`Client::with_uri_str`] and
//! `shutdown()` are plain calls, and a [`Cursor`] is an iterator.
//!
//! No runtime is needed, and none is started behind the caller's back: an operation runs on the
//! calling thread, over sockets that block. One background thread for the whole process watches the
//! servers.
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

use crate::mode::Blocking;
pub use crate::request::RequestGuard;

/// The blocking client.
pub type Client = crate::client::Client<Blocking>;
/// A session of a blocking client.
pub type ClientSession = crate::session::ClientSession<Blocking>;
/// A collection of a blocking client.
pub type Collection<T> = crate::collection::Collection<T, Blocking>;
/// A cursor of a blocking client: an iterator.
pub type Cursor<T> = crate::cursor::Cursor<T, Blocking>;
/// A database of a blocking client.
pub type Database = crate::database::Database<Blocking>;
/// A cursor of a blocking client, within a session.
pub type SessionCursor<T> = crate::cursor::SessionCursor<T, Blocking>;

/// Ends a future of the blocking API on the calling thread: that of
/// [`Operation::perform`](crate::ops::Operation::perform), or of code that is generic over both
/// APIs.
///
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
