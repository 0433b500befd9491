//! The collection of the breaths, on either API of the driver.

use driver::bson::oid::ObjectId;
use driver::client::Client;
use driver::collection::Collection;
use driver::options::{CollectionOptions, WriteConcern};
use driver::{Async, Blocking};
use examples::failover::BoxError;
use std::sync::Arc;

use super::arguments::Arguments;
use super::audit::{self, Audit};
use super::breath::Breath;
use super::threads;
use super::timeline::Timeline;
use super::writers::{self, Pace};

/// Each run has its own collection.
pub(crate) enum Breaths {
    Async(Collection<Breath, Async>),
    Blocking(Collection<Breath, Blocking>),
}

/// Acknowledged by a majority: such a write survives the death of any one member.
fn collection<F: driver::Mode>(client: &Client<F>) -> Collection<Breath, F> {
    let options = CollectionOptions::builder().write_concern(WriteConcern::majority()).build();
    let name = format!("breaths_{}", ObjectId::new());
    client.database("mabel").collection_with_options(&name, options)
}

impl Breaths {
    pub(crate) fn of_async(client: &Client<Async>) -> Self {
        Breaths::Async(collection(client))
    }

    pub(crate) fn of_blocking(client: &Client<Blocking>) -> Self {
        Breaths::Blocking(collection(client))
    }

    /// Waits until the deployment is usable, as long as its connection string says. The writers
    /// retry for a long time, so they would report a problem much later.
    pub(crate) async fn reach(&self) -> Result<(), BoxError> {
        match self {
            Breaths::Async(breaths) => breaths.estimated_document_count().await.map(drop)?,
            Breaths::Blocking(breaths) => {
                let breaths = breaths.clone();
                aside(move || Ok(breaths.estimated_document_count().run().map(drop)?)).await?;
            }
        }
        Ok(())
    }

    /// Records all breaths, with tasks or threads.
    pub(crate) async fn record(
        &self,
        arguments: &Arguments,
        timeline: &Arc<Timeline>,
        pace: &Arc<Pace>,
    ) -> Result<(), BoxError> {
        match self {
            Breaths::Async(breaths) => writers::record(breaths, arguments, timeline, pace).await,
            Breaths::Blocking(breaths) => {
                let (breaths, arguments) = (breaths.clone(), arguments.clone());
                let (timeline, pace) = (timeline.clone(), pace.clone());
                aside(move || threads::record(&breaths, &arguments, &timeline, &pace)).await
            }
        }
    }

    /// Counts every breath. Reads from the primary with read concern majority.
    pub(crate) async fn read_back(&self, writes: u32) -> Result<Audit, BoxError> {
        match self {
            Breaths::Async(breaths) => Ok(audit::read_back(breaths, writes).await?),
            Breaths::Blocking(breaths) => {
                let breaths = breaths.clone();
                aside(move || Ok(threads::read_back(&breaths, writes)?)).await
            }
        }
    }

    /// Drops the collection.
    pub(crate) async fn drop(&self) -> Result<(), BoxError> {
        match self {
            Breaths::Async(breaths) => Ok(breaths.drop().await?),
            Breaths::Blocking(breaths) => {
                let breaths = breaths.clone();
                aside(move || Ok(breaths.drop().run()?)).await
            }
        }
    }
}

/// Runs blocking code on a thread where it delays nobody.
async fn aside<T: Send + 'static>(
    blocking: impl FnOnce() -> Result<T, BoxError> + Send + 'static,
) -> Result<T, BoxError> {
    tokio::task::spawn_blocking(blocking).await?
}
