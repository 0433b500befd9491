//! Requests: operations that share one connection.
//!
//! A server executes the commands of one connection in order. The operations of a request use a
//! single connection per server. They read their own writes without a session, even unacknowledged
//! ones (`w: 0`). No other operation can use that connection until the request ends. Keep requests
//! short: if all connections of a pool are in requests, all other operations wait.
//!
//! A new request has no connection. The first operation on a server pins one of that server's
//! connections, and every later operation uses it. After an operation that was dropped in flight or
//! timed out, the next one waits until the driver has received the old reply, within
//! [limits](crate#cancellation-and-timeouts). The next operation pins another connection if the old
//! one broke, is not free in time, or was removed from its pool. The request continues.
//!
//! The two APIs hold a request differently:
//!
//! - **async**: [`Client::start_request`] returns a [`Request`]. Its databases, their collections
//!   and their operations are part of the request. The connection is free again when the last of
//!   these handles is dropped. Concurrent operations take turns, first come, first served.
//! - **blocking**: [`sync::Client::start_request`](crate::sync::Client) puts the calling thread
//!   into a request, with all its handles. Requests of a thread nest. The outermost one ends the
//!   request, by its [`RequestGuard`] or by `end_request`. The request also ends with its thread,
//!   and its connection returns to the pool intact.
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
/// Cheap to clone. The request lasts until its last handle is dropped: requests, databases,
/// collections and cursors.
#[derive(Clone)]
pub struct Request {
    client: Client<Async>,
}

impl Request {
    /// The client within the request. The operations of this client and its handles are part of the
    /// request.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// let request = client.start_request();
    /// let monkeys = request.client().database("zoo").collection::<Document>("monkeys");
    /// monkeys.insert_one(doc! { "name": "Mabel" }).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn client(&self) -> &Client<Async> {
        &self.client
    }

    /// The database `name`, within the request.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::Document;
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// let zoo = client.start_request().database("zoo");
    /// // The request lasts as long as this handle.
    /// let monkeys = zoo.collection::<Document>("monkeys");
    /// # drop(monkeys);
    /// # Ok(())
    /// # }
    /// ```
    pub fn database(&self, name: &str) -> Database<Async> {
        self.client.database(name)
    }

    /// The database `name` with its own options, within the request.
    ///
    /// # Examples
    /// ```no_run
    /// use driver::options::{DatabaseOptions, WriteConcern};
    ///
    /// # fn example(client: driver::Client) {
    /// let request = client.start_request();
    /// let options = DatabaseOptions::builder().write_concern(WriteConcern::nodes(0)).build();
    /// let zoo = request.database_with_options("zoo", options);
    /// # drop(zoo);
    /// # }
    /// ```
    pub fn database_with_options(&self, name: &str, options: DatabaseOptions) -> Database<Async> {
        self.client.database_with_options(name, options)
    }

    /// The default database of the connection string, within the request; `None` if it names none.
    ///
    /// # Examples
    /// ```no_run
    /// # fn example(client: driver::Client) {
    /// let request = client.start_request();
    /// if let Some(database) = request.default_database() {
    ///     println!("{}", database.name());
    /// }
    /// # }
    /// ```
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
    /// Starts a request: consecutive operations on one connection. See [`request`](self).
    ///
    /// Takes no connection yet. On a client that is [within a request](Request::client), returns
    /// that request: requests nest.
    ///
    /// # Errors
    /// Never fails. The operations of a request fail if the client was shut down.
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::doc;
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// use driver::options::{CollectionOptions, WriteConcern};
    ///
    /// let request = client.start_request();
    /// let options = CollectionOptions::builder().write_concern(WriteConcern::nodes(0)).build();
    /// let log = request.database("zoo").collection_with_options("log", options);
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
/// Belongs to the thread that started the request and cannot be sent to another.
#[must_use = "the request ends when the guard is dropped"]
pub struct RequestGuard<'c> {
    started: Option<(&'c ThreadPins, Mark)>,
    /// Makes the guard neither `Send` nor `Sync`.
    thread: PhantomData<*const ()>,
}

impl RequestGuard<'_> {
    /// Ends the request, or its innermost nesting. Equivalent to dropping the guard.
    ///
    /// # Examples
    /// ```no_run
    /// # fn example(client: driver::sync::Client) {
    /// let request = client.start_request();
    /// assert!(client.in_request());
    /// request.end();
    /// assert!(!client.in_request());
    /// # }
    /// ```
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
    /// Puts the calling thread into a request. Until it ends, the thread's operations use one
    /// connection per server. See [`request`](self).
    ///
    /// Takes no connection yet. Requests nest. The connection is free again when the outermost
    /// request ends: its guard is dropped, [`end_request`](Self::end_request) is called, or the
    /// thread ends. In the destructor of a thread-local of an ending thread this does nothing.
    ///
    /// # Examples
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

    /// Ends the calling thread's request, or its innermost nesting. The guard of that nesting then
    /// does nothing. Does nothing outside a request.
    ///
    /// # Examples
    /// ```no_run
    /// # fn example(client: driver::sync::Client) {
    /// let _request = client.start_request();
    /// client.end_request();
    /// assert!(!client.in_request());
    /// # }
    /// ```
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
