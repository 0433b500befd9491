//! The trait over both APIs, for tests that are written once.

use std::future::{Future, IntoFuture};
use std::sync::OnceLock;

use bson::{Bson, Document};
use driver::action::gridfs::{
    DownloadTo, OpenDownloadStream, OpenDownloadStreamByName, UploadFrom,
};
use driver::change_stream::{ChangeStream, SessionChangeStream};
use driver::client::Client;
use driver::cursor::{Cursor, SessionCursor};
use driver::ops::Operation;
use driver::options::ClientOptions;
use driver::session::{ClientSession, StartSession, StartTransaction};
use driver::{Async, Blocking, Mode, Result};
use futures_util::StreamExt;

/// Runs the operations of an API on the calling thread.
pub(crate) trait Api: Mode + Sized {
    /// The name of the API in the names of trials.
    const NAME: &'static str;
    fn open(options: ClientOptions) -> Result<Client<Self>>;
    fn shut_down(client: Client<Self>);
    fn start_session(operation: StartSession<'_, Self>) -> Result<ClientSession<Self>>;
    /// Runs `callback` in a transaction, with the convenient API.
    fn with_transaction(
        operation: StartTransaction<'_, Self>,
        callback: &(dyn Fn(&mut ClientSession<Self>) -> Result<()> + Sync),
    ) -> Result<()>;
    /// Runs an operation.
    fn end<O: Operation>(operation: O) -> Result<O::Output>;
    fn collect(cursor: Cursor<Document, Self>) -> Result<Vec<Document>>;
    fn collect_in(
        cursor: SessionCursor<Document, Self>,
        session: &mut ClientSession<Self>,
    ) -> Result<Vec<Document>>;
    fn next(cursor: &mut Cursor<Document, Self>) -> Option<Result<Document>>;
    fn next_in(
        cursor: &mut SessionCursor<Document, Self>,
        session: &mut ClientSession<Self>,
    ) -> Option<Result<Document>>;
    fn next_if_any(cursor: &mut Cursor<Document, Self>) -> Result<Option<Document>>;
    fn next_if_any_in(
        cursor: &mut SessionCursor<Document, Self>,
        session: &mut ClientSession<Self>,
    ) -> Result<Option<Document>>;
    fn upload(operation: UploadFrom<'_, &[u8], Self>) -> Result<Bson>;
    fn download(operation: DownloadTo<OpenDownloadStream<'_, Self>, &mut Vec<u8>>) -> Result<u64>;
    fn download_by_name(
        operation: DownloadTo<OpenDownloadStreamByName<'_, Self>, &mut Vec<u8>>,
    ) -> Result<u64>;
    fn next_event(stream: &mut ChangeStream<Document, Self>) -> Result<Option<Document>>;
    fn next_event_in(
        stream: &mut SessionChangeStream<Document, Self>,
        session: &mut ClientSession<Self>,
    ) -> Result<Option<Document>>;
    fn next_event_if_any(stream: &mut ChangeStream<Document, Self>) -> Result<Option<Document>>;
    fn next_event_if_any_in(
        stream: &mut SessionChangeStream<Document, Self>,
        session: &mut ClientSession<Self>,
    ) -> Result<Option<Document>>;
}

impl Api for Async {
    const NAME: &'static str = "async";

    fn open(options: ClientOptions) -> Result<Client<Self>> {
        let _context = runtime().enter();
        Client::<Async>::with_options(options)
    }

    fn shut_down(client: Client<Self>) {
        block_on(client.shutdown().into_future());
    }

    fn start_session(operation: StartSession<'_, Self>) -> Result<ClientSession<Self>> {
        block_on(operation.into_future())
    }

    fn with_transaction(
        operation: StartTransaction<'_, Self>,
        callback: &(dyn Fn(&mut ClientSession<Self>) -> Result<()> + Sync),
    ) -> Result<()> {
        // The callback blocks its thread, like everything here.
        block_on(operation.and_run(callback, |session, callback| {
            let callback = *callback;
            Box::pin(async move { tokio::task::block_in_place(|| callback(session)) })
        }))
    }

    fn end<O: Operation>(operation: O) -> Result<O::Output> {
        block_on(operation.perform())
    }

    fn collect(cursor: Cursor<Document, Self>) -> Result<Vec<Document>> {
        block_on(cursor.try_collect())
    }

    fn collect_in(
        mut cursor: SessionCursor<Document, Self>,
        session: &mut ClientSession<Self>,
    ) -> Result<Vec<Document>> {
        std::iter::from_fn(|| block_on(cursor.next(session))).collect()
    }

    fn next(cursor: &mut Cursor<Document, Self>) -> Option<Result<Document>> {
        block_on(StreamExt::next(cursor))
    }

    fn next_in(
        cursor: &mut SessionCursor<Document, Self>,
        session: &mut ClientSession<Self>,
    ) -> Option<Result<Document>> {
        block_on(cursor.next(session))
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

    fn upload(operation: UploadFrom<'_, &[u8], Self>) -> Result<Bson> {
        block_on(operation.into_future())
    }

    fn download(operation: DownloadTo<OpenDownloadStream<'_, Self>, &mut Vec<u8>>) -> Result<u64> {
        block_on(operation.into_future())
    }

    fn download_by_name(
        operation: DownloadTo<OpenDownloadStreamByName<'_, Self>, &mut Vec<u8>>,
    ) -> Result<u64> {
        block_on(operation.into_future())
    }

    fn next_event(stream: &mut ChangeStream<Document, Self>) -> Result<Option<Document>> {
        block_on(stream.try_next())
    }

    fn next_event_in(
        stream: &mut SessionChangeStream<Document, Self>,
        session: &mut ClientSession<Self>,
    ) -> Result<Option<Document>> {
        block_on(stream.next(session))
    }

    fn next_event_if_any(stream: &mut ChangeStream<Document, Self>) -> Result<Option<Document>> {
        block_on(stream.next_if_any())
    }

    fn next_event_if_any_in(
        stream: &mut SessionChangeStream<Document, Self>,
        session: &mut ClientSession<Self>,
    ) -> Result<Option<Document>> {
        block_on(stream.next_if_any(session))
    }
}

impl Api for Blocking {
    const NAME: &'static str = "blocking";

    fn open(options: ClientOptions) -> Result<Client<Self>> {
        Client::<Blocking>::with_options(options)
    }

    fn shut_down(client: Client<Self>) {
        client.shutdown().run();
    }

    fn start_session(operation: StartSession<'_, Self>) -> Result<ClientSession<Self>> {
        operation.run()
    }

    fn with_transaction(
        operation: StartTransaction<'_, Self>,
        callback: &(dyn Fn(&mut ClientSession<Self>) -> Result<()> + Sync),
    ) -> Result<()> {
        operation.and_run(callback)
    }

    fn end<O: Operation>(operation: O) -> Result<O::Output> {
        driver::sync::block_on(operation.perform())
    }

    fn collect(cursor: Cursor<Document, Self>) -> Result<Vec<Document>> {
        Iterator::collect(cursor)
    }

    fn collect_in(
        mut cursor: SessionCursor<Document, Self>,
        session: &mut ClientSession<Self>,
    ) -> Result<Vec<Document>> {
        std::iter::from_fn(|| cursor.next(session)).collect()
    }

    fn next(cursor: &mut Cursor<Document, Self>) -> Option<Result<Document>> {
        Iterator::next(cursor)
    }

    fn next_in(
        cursor: &mut SessionCursor<Document, Self>,
        session: &mut ClientSession<Self>,
    ) -> Option<Result<Document>> {
        cursor.next(session)
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

    fn upload(operation: UploadFrom<'_, &[u8], Self>) -> Result<Bson> {
        operation.run()
    }

    fn download(operation: DownloadTo<OpenDownloadStream<'_, Self>, &mut Vec<u8>>) -> Result<u64> {
        operation.run()
    }

    fn download_by_name(
        operation: DownloadTo<OpenDownloadStreamByName<'_, Self>, &mut Vec<u8>>,
    ) -> Result<u64> {
        operation.run()
    }

    fn next_event(stream: &mut ChangeStream<Document, Self>) -> Result<Option<Document>> {
        stream.try_next()
    }

    fn next_event_in(
        stream: &mut SessionChangeStream<Document, Self>,
        session: &mut ClientSession<Self>,
    ) -> Result<Option<Document>> {
        stream.next(session)
    }

    fn next_event_if_any(stream: &mut ChangeStream<Document, Self>) -> Result<Option<Document>> {
        stream.next_if_any()
    }

    fn next_event_if_any_in(
        stream: &mut SessionChangeStream<Document, Self>,
        session: &mut ClientSession<Self>,
    ) -> Result<Option<Document>> {
        stream.next_if_any(session)
    }
}

fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Runtime::new().expect("a runtime can be started"))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    runtime().block_on(future)
}
