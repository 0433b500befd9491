//! Requests: operations that share one connection.
//!
//! A server carries out what comes on one connection in order. Operations of a request go to each
//! server on a single connection, so that they read what was written before even where nobody
//! waited for the acknowledgement (`w: 0`), and without sessions. The price is a connection that
//! nobody else can use for as long as the request lasts, so requests should be short; and a pool
//! whose connections are all in requests makes everybody else wait.
//!
//! A request takes no connection when it starts: the first operation that goes to a server pins one
//! of that server's, and every later one uses it. After an operation that was dropped in flight, or
//! ran out of time, the next one waits until the reply has been taken off the connection, and uses
//! it too; for how long is said [here](crate#when-nobody-waits-any-more). A connection that breaks,
//! that is not free by then, or that the pool has given up since, is replaced with another by the
//! next operation; the request goes on. How they are held:
//!
//! - **async**: [`Client::start_request`] gives a [`Request`]. Whatever is made of it is in the
//!   request: its databases, their collections, their operations. The connection is free again when
//!   the last of them is gone. Operations that run at once take turns, first come first served.
//! - **blocking**: [`sync::Client::start_request`](crate::sync::Client) puts the calling thread
//!   into a request, whatever handles it uses. Requests of a thread nest; the outermost end counts,
//!   be it by [`RequestGuard`] or by `end_request`. When a thread dies its request ends, and its
//!   connection goes back to the pool, intact.
//!
//! [`Client::start_request`]: crate::client::Client::start_request

use std::fmt;
use std::marker::PhantomData;

use crate::client::Client;
use crate::database::Database;
use crate::mode::{Async, Blocking};
use crate::options::DatabaseOptions;
use crate::pool::{Mark, ThreadPins};

/// A request of an async client; see the [module](self).
///
/// A handle: cheap to clone, and the request lasts until the last handle is gone, and the last
/// database, collection and cursor made of it.
#[derive(Clone)]
pub struct Request {
    client: Client<Async>,
}

impl Request {
    /// The client within the request: all that is done through it, and through what is made of it,
    /// is part of the request.
    pub fn client(&self) -> &Client<Async> {
        &self.client
    }

    /// The database `name`, within the request.
    pub fn database(&self, name: &str) -> Database<Async> {
        self.client.database(name)
    }

    /// The database `name`, with concerns of its own, within the request.
    pub fn database_with_options(&self, name: &str, options: DatabaseOptions) -> Database<Async> {
        self.client.database_with_options(name, options)
    }

    /// The database that the connection string names, if it names one, within the request.
    pub fn default_database(&self) -> Option<Database<Async>> {
        self.client.default_database()
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("client", &self.client).finish()
    }
}

impl Client<Async> {
    /// Starts a request: a chain of operations on one connection. See [`request`](self).
    ///
    /// It takes no connection yet. Called on a client that is [within a request](Request::client),
    /// it gives that request again: requests nest, and the outermost counts.
    ///
    /// # Errors
    /// None here. An operation of a request whose client was shut down fails as every other does.
    ///
    /// # Example
    /// ```no_run
    /// # use driver::bson::doc;
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// use driver::options::{CollectionOptions, WriteConcern};
    ///
    /// let request = client.start_request();
    /// let unacknowledged = CollectionOptions::builder().write_concern(WriteConcern::nodes(0)).build();
    /// let log = request.database("zoo").collection_with_options("log", unacknowledged);
    /// for breath in 0..100 {
    ///     log.insert_one(doc! { "breath": breath }).await?;
    /// }
    /// assert_eq!(log.count_documents(doc! {}).await?, 100);
    /// # Ok(())
    /// # }
    /// ```
    pub fn start_request(&self) -> Request {
        Request { client: self.in_request() }
    }
}

/// Keeps the calling thread in a request until it is dropped; see the [module](self).
///
/// It belongs to the thread that started the request, and cannot be sent to another.
#[must_use = "the request ends when the guard is dropped"]
pub struct RequestGuard<'c> {
    started: Option<(&'c ThreadPins, Mark)>,
    /// Neither `Send` nor `Sync`.
    thread: PhantomData<*const ()>,
}

impl RequestGuard<'_> {
    /// Ends the request, or its innermost part. The same as dropping the guard.
    pub fn end(self) {}
}

impl Drop for RequestGuard<'_> {
    fn drop(&mut self) {
        if let Some((threads, mark)) = self.started {
            threads.end(mark);
        }
    }
}

impl fmt::Debug for RequestGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestGuard").finish_non_exhaustive()
    }
}

impl Client<Blocking> {
    /// Puts the calling thread into a request: until it ends, the thread's operations go to each
    /// server on one connection. See [`request`](self).
    ///
    /// It takes no connection yet. Requests nest: the connection is free again when the outermost
    /// part has ended, by dropping its guard or by [`end_request`](Self::end_request), or when
    /// the thread dies. On a thread that is dying already, in the destructor of a thread-local,
    /// it does nothing.
    ///
    /// # Example
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # fn example(client: driver::sync::Client) -> driver::Result<()> {
    /// let log = client.database("zoo").collection::<Document>("log");
    /// {
    ///     let _request = client.start_request();
    ///     log.insert_one(doc! { "breath": 1 }).run()?;
    ///     log.count_documents(doc! {}).run()?; // on the same connection
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn start_request(&self) -> RequestGuard<'_> {
        let threads = self.core().threads.as_deref();
        let started = threads.and_then(|threads| Some((threads, threads.start()?)));
        RequestGuard { started, thread: PhantomData }
    }

    /// Ends the calling thread's request, or its innermost part. Does nothing where there is none;
    /// the guard of what was ended then does nothing either.
    pub fn end_request(&self) {
        if let Some(threads) = &self.core().threads {
            threads.end_last();
        }
    }

    /// Whether the calling thread is in a request of this client.
    pub fn in_request(&self) -> bool {
        self.core().threads.as_ref().is_some_and(|threads| threads.is_started())
    }
}
