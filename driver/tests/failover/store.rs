//! The collection of the tests, on a client of either API.

use std::sync::Arc;

use driver::bson::{Document, doc};
use driver::client::Client;
use driver::collection::Collection;
use driver::options::{ClientOptions, DriverInfo, WriteConcern};
use driver::{Result, TopologyDescription};

use crate::api::Api;

/// A client with the collection of the tests. Its methods block the calling thread.
pub(crate) struct Store<F: Api> {
    client: Client<F>,
    collection: Collection<Document, F>,
}

impl<F: Api> Clone for Store<F> {
    fn clone(&self) -> Self {
        Store { client: self.client.clone(), collection: self.collection.clone() }
    }
}

impl<F: Api> Store<F> {
    pub(crate) fn open(options: ClientOptions) -> Result<Self> {
        let client = F::open(options)?;
        let collection = client.database("failover").collection("c");
        Ok(Store { client, collection })
    }

    pub(crate) fn insert(&self, document: Document) -> Result<()> {
        F::end(self.collection.insert_one(document)).map(drop)
    }

    pub(crate) fn insert_with_w(&self, documents: Vec<Document>, w: u32) -> Result<()> {
        let insert = self.collection.insert_many(documents);
        F::end(insert.write_concern(WriteConcern::nodes(w))).map(drop)
    }

    pub(crate) fn update_many(&self, update: Document) -> Result<()> {
        F::end(self.collection.update_many(doc! {}, update)).map(drop)
    }

    pub(crate) fn find_one(&self, filter: Document) -> Result<Option<Document>> {
        F::end(self.collection.find_one(filter))
    }

    pub(crate) fn find_all(&self, batch_size: u32) -> Result<Vec<Document>> {
        F::end(self.collection.find(doc! {}).batch_size(batch_size)).and_then(F::collect)
    }

    /// Reads the first two batches of a cursor and drops it.
    pub(crate) fn abandon(&self, batch_size: u32) -> Result<()> {
        let mut cursor = F::end(self.collection.find(doc! {}).batch_size(batch_size))?;
        (0..=batch_size).try_for_each(|_| F::next(&mut cursor).unwrap().map(drop))
    }

    pub(crate) fn count(&self) -> Result<u64> {
        F::end(self.collection.count_documents(doc! {}))
    }

    pub(crate) fn topology(&self) -> Arc<TopologyDescription> {
        self.client.topology()
    }

    pub(crate) fn wait_for_refresh(&self) -> Result<()> {
        F::wait_for_refresh(&self.client)
    }

    pub(crate) fn append_metadata(&self, info: DriverInfo) -> Result<()> {
        self.client.append_metadata(info)
    }
}
