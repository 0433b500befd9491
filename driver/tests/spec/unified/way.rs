//! The two faces behind one: operations are built once for both, and ended here.

use std::future::{Future, IntoFuture};
use std::sync::OnceLock;

use bson::{Bson, Document};
use driver::client::Client;
use driver::cursor::{Cursor, SessionCursor};
use driver::ops::{
    Aggregate, CountDocuments, Delete, Distinct, DropCollection, EstimatedDocumentCount, ExplicitSession,
    Find, FindOne, InsertMany, InsertOne, ListCollectionNames, ReplaceOne, RunCommand, Update,
};
use driver::options::ClientOptions;
use driver::results::{DeleteResult, InsertManyResult, InsertOneResult, UpdateResult};
use driver::session::{ClientSession, StartSession};
use driver::{Async, Blocking, Face, Result};
use futures_util::{StreamExt, TryStreamExt};

type Doc = Document;

/// Runs each operation to its end, on the calling thread's time.
macro_rules! ways {
    ($( $name:ident: $operation:ty => $output:ty; )*) => {
        /// How operations of a face are ended.
        pub(crate) trait Way: Face + Sized {
            /// What the face is called in the names of trials.
            const NAME: &'static str;
            fn open(options: ClientOptions) -> Result<Client<Self>>;
            fn shut_down(client: Client<Self>);
            fn collect(cursor: Cursor<Doc, Self>) -> Result<Vec<Doc>>;
            fn collect_in(cursor: SessionCursor<Doc, Self>, session: &mut ClientSession<Self>) -> Result<Vec<Doc>>;
            fn next(cursor: &mut Cursor<Doc, Self>) -> Option<Result<Doc>>;
            fn next_in(
                cursor: &mut SessionCursor<Doc, Self>,
                session: &mut ClientSession<Self>,
            ) -> Option<Result<Doc>>;
            $( fn $name(operation: $operation) -> Result<$output>; )*
        }

        impl Way for Async {
            const NAME: &'static str = "async";

            fn open(options: ClientOptions) -> Result<Client<Self>> {
                let _context = runtime().enter();
                Client::<Async>::with_options(options)
            }

            fn shut_down(client: Client<Self>) {
                block_on(client.shutdown());
            }

            fn collect(cursor: Cursor<Doc, Self>) -> Result<Vec<Doc>> {
                block_on(cursor.try_collect())
            }

            fn collect_in(
                mut cursor: SessionCursor<Doc, Self>,
                session: &mut ClientSession<Self>,
            ) -> Result<Vec<Doc>> {
                block_on(async {
                    let mut documents = Vec::new();
                    while let Some(document) = cursor.next(session).await {
                        documents.push(document?);
                    }
                    Ok(documents)
                })
            }

            fn next(cursor: &mut Cursor<Doc, Self>) -> Option<Result<Doc>> {
                block_on(StreamExt::next(cursor))
            }

            fn next_in(
                cursor: &mut SessionCursor<Doc, Self>,
                session: &mut ClientSession<Self>,
            ) -> Option<Result<Doc>> {
                block_on(cursor.next(session))
            }

            $( fn $name(operation: $operation) -> Result<$output> { block_on(operation.into_future()) } )*
        }

        impl Way for Blocking {
            const NAME: &'static str = "blocking";

            fn open(options: ClientOptions) -> Result<Client<Self>> {
                Client::<Blocking>::with_options(options)
            }

            fn shut_down(client: Client<Self>) {
                client.shutdown();
            }

            fn collect(cursor: Cursor<Doc, Self>) -> Result<Vec<Doc>> {
                Iterator::collect(cursor)
            }

            fn collect_in(
                mut cursor: SessionCursor<Doc, Self>,
                session: &mut ClientSession<Self>,
            ) -> Result<Vec<Doc>> {
                std::iter::from_fn(|| cursor.next(session)).collect()
            }

            fn next(cursor: &mut Cursor<Doc, Self>) -> Option<Result<Doc>> {
                Iterator::next(cursor)
            }

            fn next_in(
                cursor: &mut SessionCursor<Doc, Self>,
                session: &mut ClientSession<Self>,
            ) -> Option<Result<Doc>> {
                cursor.next(session)
            }

            $( fn $name(operation: $operation) -> Result<$output> { operation.run() } )*
        }
    };
}

ways! {
    start_session: StartSession<'_, Self> => ClientSession<Self>;
    run_command: RunCommand<'_, Self> => Doc;
    list_collection_names: ListCollectionNames<'_, Self> => Vec<String>;
    insert_one: InsertOne<'_, Doc, Doc, Self> => InsertOneResult;
    insert_many: InsertMany<'_, Doc, Doc, Self> => InsertManyResult;
    update: Update<'_, Doc, Self> => UpdateResult;
    replace_one: ReplaceOne<'_, Doc, Doc, Self> => UpdateResult;
    delete: Delete<'_, Doc, Self> => DeleteResult;
    find: Find<'_, Doc, Self> => Cursor<Doc, Self>;
    find_in: Find<'_, Doc, Self, ExplicitSession<'_>> => SessionCursor<Doc, Self>;
    find_one: FindOne<'_, Doc, Self> => Option<Doc>;
    aggregate: Aggregate<'_, Doc, Doc, Self> => Cursor<Doc, Self>;
    aggregate_in: Aggregate<'_, Doc, Doc, Self, ExplicitSession<'_>> => SessionCursor<Doc, Self>;
    count_documents: CountDocuments<'_, Doc, Self> => u64;
    estimated_document_count: EstimatedDocumentCount<'_, Doc, Self> => u64;
    distinct: Distinct<'_, Doc, Self> => Vec<Bson>;
    drop_collection: DropCollection<'_, Doc, Self> => ();
}

fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Runtime::new().expect("a runtime can be started"))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    runtime().block_on(future)
}
