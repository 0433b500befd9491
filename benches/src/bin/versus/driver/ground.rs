//! What the cells stand on: a set of servers, one client of each kind, a runtime.

use benches::options::Options;
use driver::bson::Document;
use std::sync::Arc;
use testbed::ReplicaSet;
use tokio::runtime::Runtime;

/// The database that all cells work in.
pub(super) const DB: &str = "versus";

/// What cells share.
pub(super) struct Ground {
    pub(super) runtime: Arc<Runtime>,
    /// Held so that its servers run until the measurement is over.
    _set: Option<ReplicaSet>,
    pub(super) uri: String,
    /// `host:port` of the primary.
    pub(super) primary: String,
    pub(super) ours: driver::Client,
    pub(super) blocking: driver::sync::Client,
    pub(super) official: mongodb::Client,
}

impl Ground {
    /// Starts a set of three, unless `--uri` names one, and a client of each kind.
    pub(super) fn new(options: &Options) -> Result<Self, String> {
        let set = match &options.uri {
            Some(_) => None,
            None => Some(ReplicaSet::start(3).map_err(|why| why.to_string())?),
        };
        let uri = options.uri.clone().or(set.as_ref().map(ReplicaSet::uri)).unwrap_or_default();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = Arc::new(runtime.map_err(|why| format!("no runtime: {why}"))?);
        // Acknowledged by the primary alone: what else there is to wait for is no client's doing.
        let uri = if uri.contains("w=") {
            uri
        } else {
            format!("{uri}{}w=1", if uri.contains('?') { '&' } else { '?' })
        };
        let say = |why: &dyn std::fmt::Display| format!("{uri}: {why}");
        let ours = runtime.block_on(driver::Client::with_uri_str(&uri)).map_err(|why| say(&why))?;
        let blocking = driver::sync::Client::with_uri_str(&uri).map_err(|why| say(&why))?;
        let official = runtime.block_on(mongodb::Client::with_uri_str(&uri)).map_err(|why| say(&why))?;
        let primary = runtime.block_on(primary_of(&ours)).map_err(|why| say(&why))?;
        Ok(Ground { runtime, _set: set, uri, primary, ours, blocking, official })
    }

    /// The same collection in each client.
    pub(super) fn collections<T, U: Send + Sync>(&self, name: &str) -> Collections<T, U> {
        Collections {
            ours: self.ours.database(DB).collection(name),
            official: self.official.database(DB).collection(name),
        }
    }

    /// An empty collection, then filled with `documents`.
    pub(super) fn fill(&self, name: &str, documents: Vec<Document>) {
        let coll: driver::Collection<Document> = self.ours.database(DB).collection(name);
        self.runtime.block_on(async {
            coll.drop().await.expect("a collection can be dropped");
            coll.insert_many(documents).await.expect("documents can be inserted");
        });
    }
}

/// One collection, seen from each client. `U` is the type of the official crate's documents.
pub(super) struct Collections<T, U: Send + Sync> {
    pub(super) ours: driver::Collection<T>,
    pub(super) official: mongodb::Collection<U>,
}

/// Where writes go.
pub(super) async fn primary_of(client: &driver::Client) -> driver::Result<String> {
    let hello = client.database("admin").run_command(driver::bson::doc! { "hello": 1 }).await?;
    let primary = hello.get_str("me").or_else(|_| hello.get_str("primary"));
    Ok(primary.unwrap_or("127.0.0.1:27017").to_owned())
}

impl Drop for Ground {
    fn drop(&mut self) {
        let official = self.official.clone();
        let ours = self.ours.clone();
        self.runtime.block_on(async move {
            ours.shutdown().await;
            official.shutdown().await;
        });
    }
}
