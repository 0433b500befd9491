//! The trait over both APIs, which the tests use from plain threads.

use std::future::IntoFuture;
use std::sync::{Arc, OnceLock};

use driver::bson::{Document, doc};
use driver::options::{ClientOptions, DriverInfo, WriteConcern};
use driver::{Result, TopologyDescription};

/// A client of either API, with the database and collection of the tests.
pub(crate) trait Mode: Clone + Send + Sync + 'static {
    fn open(options: ClientOptions) -> Result<Self>;
    fn insert(&self, document: Document) -> Result<()>;
    fn insert_everywhere(&self, documents: Vec<Document>, nodes: u32) -> Result<()>;
    fn update_many(&self, update: Document) -> Result<()>;
    fn find_one(&self, filter: Document) -> Result<Option<Document>>;
    fn find_all(&self, batch_size: u32) -> Result<Vec<Document>>;
    /// Reads the first two batches of a cursor and drops it.
    fn abandon(&self, batch_size: u32) -> Result<()>;
    fn count(&self) -> Result<u64>;
    fn topology(&self) -> Arc<TopologyDescription>;
    fn wait_for_refresh(&self) -> Result<()>;
    fn append_metadata(&self, info: DriverInfo) -> Result<()>;
}

const DATABASE: &str = "failover";
const COLLECTION: &str = "c";

/// The async client.
#[derive(Clone)]
pub(crate) struct Asynchronous(driver::Client);

/// The blocking client.
#[derive(Clone)]
pub(crate) struct Blocking(driver::sync::Client);

fn tokio() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
    })
}

fn end<T>(operation: impl IntoFuture<Output = T>) -> T {
    tokio().block_on(operation.into_future())
}

/// The operations of one API. The APIs differ only in running them.
macro_rules! operations {
    ($end:ident) => {
        fn insert(&self, document: Document) -> Result<()> {
            $end!(self.collection().insert_one(document)).map(drop)
        }

        fn insert_everywhere(&self, documents: Vec<Document>, nodes: u32) -> Result<()> {
            let collection = self.collection();
            $end!(collection.insert_many(documents).write_concern(WriteConcern::nodes(nodes)))
                .map(drop)
        }

        fn update_many(&self, update: Document) -> Result<()> {
            $end!(self.collection().update_many(doc! {}, update)).map(drop)
        }

        fn find_one(&self, filter: Document) -> Result<Option<Document>> {
            $end!(self.collection().find_one(filter))
        }

        fn count(&self) -> Result<u64> {
            $end!(self.collection().count_documents(doc! {}))
        }

        fn append_metadata(&self, info: DriverInfo) -> Result<()> {
            self.0.append_metadata(info)
        }

        fn topology(&self) -> Arc<TopologyDescription> {
            self.0.topology()
        }
    };
}

macro_rules! awaited {
    ($operation:expr) => {
        end($operation)
    };
}

macro_rules! run {
    ($operation:expr) => {
        $operation.run()
    };
}

impl Asynchronous {
    fn collection(&self) -> driver::Collection<Document> {
        self.0.database(DATABASE).collection(COLLECTION)
    }
}

impl Mode for Asynchronous {
    fn open(options: ClientOptions) -> Result<Self> {
        let _context = tokio().enter();
        driver::Client::with_options(options).map(Asynchronous)
    }

    fn find_all(&self, batch_size: u32) -> Result<Vec<Document>> {
        end(async {
            let collection = self.collection();
            collection.find(doc! {}).batch_size(batch_size).await?.try_collect().await
        })
    }

    fn abandon(&self, batch_size: u32) -> Result<()> {
        end(async {
            let mut cursor = self.collection().find(doc! {}).batch_size(batch_size).await?;
            for _ in 0..=batch_size {
                assert!(cursor.advance().await?);
            }
            Ok(())
        })
    }

    fn wait_for_refresh(&self) -> Result<()> {
        end(self.0.wait_for_refresh())
    }

    operations!(awaited);
}

impl Blocking {
    fn collection(&self) -> driver::sync::Collection<Document> {
        self.0.database(DATABASE).collection(COLLECTION)
    }
}

impl Mode for Blocking {
    fn open(options: ClientOptions) -> Result<Self> {
        driver::sync::Client::with_options(options).map(Blocking)
    }

    fn find_all(&self, batch_size: u32) -> Result<Vec<Document>> {
        self.collection().find(doc! {}).batch_size(batch_size).run()?.collect()
    }

    fn abandon(&self, batch_size: u32) -> Result<()> {
        let cursor = self.collection().find(doc! {}).batch_size(batch_size).run()?;
        cursor.take(batch_size as usize + 1).try_for_each(|document| document.map(drop))
    }

    fn wait_for_refresh(&self) -> Result<()> {
        self.0.wait_for_refresh()
    }

    operations!(run);
}
