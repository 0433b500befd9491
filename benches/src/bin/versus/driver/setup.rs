//! The setup of the cells: a replica set, one client of each kind, and a runtime.

use benches::options::Options;
use driver::bson::Document;
use std::sync::Arc;
use testbed::ReplicaSet;
use tokio::runtime::Runtime;

/// The database of all cells.
pub(super) const DB: &str = "versus";

/// The state that cells share.
pub(super) struct Setup {
    pub(super) runtime: Arc<Runtime>,
    /// Held so that its servers run until the measurement ends.
    _set: Option<ReplicaSet>,
    pub(super) uri: String,
    /// `host:port` of the primary.
    pub(super) primary: String,
    pub(super) ours: driver::Client,
    pub(super) blocking: driver::sync::Client,
    pub(super) official: mongodb::Client,
}

impl Setup {
    /// Starts a set of three members, unless `--uri` names a set, and a client of each kind.
    pub(super) fn new(options: &Options) -> Result<Self, String> {
        let set = match &options.uri {
            Some(_) => None,
            None => Some(ReplicaSet::start(3).map_err(|why| why.to_string())?),
        };
        let uri = options.uri.clone().or(set.as_ref().map(ReplicaSet::uri)).unwrap_or_default();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = Arc::new(runtime.map_err(|why| format!("no runtime: {why}"))?);
        // Acknowledged by the primary alone. The time of the replication does not depend on the
        // client. Both pools have the same size. By default, the official crate has a tenth of the
        // connections of the specification and of this driver.
        let uri = with_option(&with_option(&uri, "w", "1"), "maxPoolSize", "100");
        let say = |why: &dyn std::fmt::Display| format!("{uri}: {why}");
        let ours = runtime.block_on(driver::Client::with_uri_str(&uri)).map_err(|why| say(&why))?;
        let blocking = driver::sync::Client::with_uri_str(&uri).map_err(|why| say(&why))?;
        let official =
            runtime.block_on(mongodb::Client::with_uri_str(&uri)).map_err(|why| say(&why))?;
        let primary = runtime.block_on(primary_of(&ours)).map_err(|why| say(&why))?;
        Ok(Setup { runtime, _set: set, uri, primary, ours, blocking, official })
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

/// The connection string with an additional option.
pub(super) fn with_option(uri: &str, name: &str, value: &str) -> String {
    let (_, options) = uri.split_once('?').unwrap_or((uri, ""));
    let named =
        |option: &str| option.split('=').next().is_some_and(|key| key.eq_ignore_ascii_case(name));
    if options.split('&').any(named) {
        return uri.to_owned();
    }
    let before = if uri.contains('?') { '&' } else { '?' };
    format!("{uri}{before}{name}={value}")
}

/// Where writes go.
pub(super) async fn primary_of(client: &driver::Client) -> driver::Result<String> {
    let hello = client.database("admin").run_command(driver::bson::doc! { "hello": 1 }).await?;
    let primary = hello.get_str("me").or_else(|_| hello.get_str("primary"));
    Ok(primary.unwrap_or("127.0.0.1:27017").to_owned())
}

impl Drop for Setup {
    fn drop(&mut self) {
        let official = self.official.clone();
        let ours = self.ours.clone();
        self.runtime.block_on(async move {
            ours.shutdown().await;
            official.shutdown().await;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn option_is_added_unless_the_connection_string_names_it() {
        let with = |uri| with_option(uri, "maxPoolSize", "100");
        assert_eq!(with("mongodb://a/"), "mongodb://a/?maxPoolSize=100");
        assert_eq!(with("mongodb://a/?w=1"), "mongodb://a/?w=1&maxPoolSize=100");
        assert_eq!(with("mongodb://a/?w=1&maxpoolsize=5"), "mongodb://a/?w=1&maxpoolsize=5");
        assert_eq!(
            with_option("mongodb://a/?wTimeoutMS=5", "w", "1"),
            "mongodb://a/?wTimeoutMS=5&w=1"
        );
    }
}
