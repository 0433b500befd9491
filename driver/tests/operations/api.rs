//! The trait over both APIs, for tests that are written once. Other test targets use this file too.

use std::future::{Future, IntoFuture};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use driver::bson::Document;
use driver::client::Client;
use driver::cursor::{Cursor, SessionCursor};
use driver::database::Database;
use driver::ops::Operation;
use driver::options::{ClientOptions, SessionOptions};
use driver::session::{ClientSession, StartTransaction};
use driver::{Async, Blocking, Error, Mode, Result};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use testbed::shared_standalone;

/// Opens clients of an API and runs its operations.
pub(crate) trait Api: Mode + Sized {
    /// The name of the API in the names of tests.
    const NAME: &'static str;
    fn open(options: ClientOptions) -> Result<Client<Self>>;
    fn end<O: Operation>(operation: O) -> Result<O::Output>;
    fn start_session(client: &Client<Self>) -> ClientSession<Self>;
    fn next(cursor: &mut Cursor<Document, Self>) -> Option<Result<Document>>;
    fn next_if_any(cursor: &mut Cursor<Document, Self>) -> Result<Option<Document>>;
    fn next_if_any_in(
        cursor: &mut SessionCursor<Document, Self>,
        session: &mut ClientSession<Self>,
    ) -> Result<Option<Document>>;
    /// Collects a cursor.
    fn collect<T: DeserializeOwned>(cursor: Cursor<T, Self>) -> Result<Vec<T>>;
    /// Collects a cursor in its session.
    fn collect_in<T: DeserializeOwned>(
        cursor: SessionCursor<T, Self>,
        session: &mut ClientSession<Self>,
    ) -> Result<Vec<T>>;
    fn session_with(client: &Client<Self>, options: SessionOptions) -> Result<ClientSession<Self>>;
    fn wait_for_refresh(client: &Client<Self>) -> Result<()>;
    /// Runs `callback` in a transaction, with the convenient API and errors of the driver.
    fn with_transaction(
        operation: StartTransaction<'_, Self>,
        callback: &(dyn Fn(&mut ClientSession<Self>) -> Result<()> + Sync),
    ) -> Result<()>;
    /// Runs `callback` in a transaction, with the convenient API and errors of the caller.
    fn in_transaction<R: Send, E: From<Error> + Send + 'static>(
        operation: StartTransaction<'_, Self>,
        callback: &(dyn Fn(&mut ClientSession<Self>) -> std::result::Result<R, E> + Sync),
    ) -> std::result::Result<R, E>;

    /// A database of the shared standalone server that no other test uses.
    fn fresh_database() -> Database<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("operations_{}_{number}", std::process::id());
        let uri = shared_standalone().unwrap().uri().to_owned();
        let options = driver::options::ConnectionString::parse(&uri).unwrap().options;
        Self::open(options).unwrap().database(&name)
    }
}

impl Api for Async {
    const NAME: &'static str = "async";

    fn open(options: ClientOptions) -> Result<Client<Self>> {
        let _context = runtime().enter();
        Client::<Async>::with_options(options)
    }

    fn end<O: Operation>(operation: O) -> Result<O::Output> {
        block_on(operation.perform())
    }

    fn start_session(client: &Client<Self>) -> ClientSession<Self> {
        block_on(client.start_session().into_future()).unwrap()
    }

    fn next(cursor: &mut Cursor<Document, Self>) -> Option<Result<Document>> {
        block_on(StreamExt::next(cursor))
    }

    fn next_if_any(cursor: &mut Cursor<Document, Self>) -> Result<Option<Document>> {
        block_on(cursor.next_if_any())
    }

    fn next_if_any_in(
        cursor: &mut SessionCursor<Document, Self>,
        session: &mut ClientSession<Self>,
    ) -> Result<Option<Document>> {
        block_on(cursor.next_if_any(session))
    }

    fn collect<T: DeserializeOwned>(cursor: Cursor<T, Self>) -> Result<Vec<T>> {
        block_on(cursor.try_collect())
    }

    fn collect_in<T: DeserializeOwned>(
        mut cursor: SessionCursor<T, Self>,
        session: &mut ClientSession<Self>,
    ) -> Result<Vec<T>> {
        std::iter::from_fn(|| block_on(cursor.next(session))).collect()
    }

    fn session_with(client: &Client<Self>, options: SessionOptions) -> Result<ClientSession<Self>> {
        block_on(client.start_session().with_options(options).into_future())
    }

    fn wait_for_refresh(client: &Client<Self>) -> Result<()> {
        block_on(client.wait_for_refresh())
    }

    fn with_transaction(
        operation: StartTransaction<'_, Self>,
        callback: &(dyn Fn(&mut ClientSession<Self>) -> Result<()> + Sync),
    ) -> Result<()> {
        // The callback ends operations as all else here does: by blocking its thread.
        block_on(operation.and_run(callback, |session, callback| {
            let callback = *callback;
            Box::pin(async move { tokio::task::block_in_place(|| callback(session)) })
        }))
    }

    fn in_transaction<R: Send, E: From<Error> + Send + 'static>(
        operation: StartTransaction<'_, Self>,
        callback: &(dyn Fn(&mut ClientSession<Self>) -> std::result::Result<R, E> + Sync),
    ) -> std::result::Result<R, E> {
        // The callback blocks its thread, like everything here.
        let callback = async |session: &mut ClientSession<Self>| {
            tokio::task::block_in_place(|| callback(session))
        };
        block_on(operation.and_run2(callback))
    }
}

impl Api for Blocking {
    const NAME: &'static str = "blocking";

    fn open(options: ClientOptions) -> Result<Client<Self>> {
        Client::<Blocking>::with_options(options)
    }

    fn end<O: Operation>(operation: O) -> Result<O::Output> {
        driver::sync::block_on(operation.perform())
    }

    fn start_session(client: &Client<Self>) -> ClientSession<Self> {
        client.start_session().run().unwrap()
    }

    fn next(cursor: &mut Cursor<Document, Self>) -> Option<Result<Document>> {
        Iterator::next(cursor)
    }

    fn next_if_any(cursor: &mut Cursor<Document, Self>) -> Result<Option<Document>> {
        cursor.next_if_any()
    }

    fn next_if_any_in(
        cursor: &mut SessionCursor<Document, Self>,
        session: &mut ClientSession<Self>,
    ) -> Result<Option<Document>> {
        cursor.next_if_any(session)
    }

    fn collect<T: DeserializeOwned>(cursor: Cursor<T, Self>) -> Result<Vec<T>> {
        Iterator::collect(cursor)
    }

    fn collect_in<T: DeserializeOwned>(
        mut cursor: SessionCursor<T, Self>,
        session: &mut ClientSession<Self>,
    ) -> Result<Vec<T>> {
        std::iter::from_fn(|| cursor.next(session)).collect()
    }

    fn session_with(client: &Client<Self>, options: SessionOptions) -> Result<ClientSession<Self>> {
        client.start_session().with_options(options).run()
    }

    fn wait_for_refresh(client: &Client<Self>) -> Result<()> {
        client.wait_for_refresh()
    }

    fn with_transaction(
        operation: StartTransaction<'_, Self>,
        callback: &(dyn Fn(&mut ClientSession<Self>) -> Result<()> + Sync),
    ) -> Result<()> {
        operation.and_run(callback)
    }

    fn in_transaction<R: Send, E: From<Error> + Send + 'static>(
        operation: StartTransaction<'_, Self>,
        callback: &(dyn Fn(&mut ClientSession<Self>) -> std::result::Result<R, E> + Sync),
    ) -> std::result::Result<R, E> {
        operation.and_run2(callback)
    }
}

fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Runtime::new().expect("a runtime can be started"))
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    runtime().block_on(future)
}

/// Runs each named function, generic over the API, on both: `<name>::asynchronously` and
/// `<name>::blocking`.
macro_rules! on_both_apis {
    ($($name:ident)*) => {
        $(
            mod $name {
                #[test]
                fn asynchronously() {
                    super::$name::<driver::Async>();
                }

                #[test]
                fn blocking() {
                    super::$name::<driver::Blocking>();
                }
            }
        )*
    };
}
pub(crate) use on_both_apis;
