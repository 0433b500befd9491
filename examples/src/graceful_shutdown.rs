//! A server with graceful shutdown: running requests are finished, later ones are refused.
//!
//! Every request holds a permit of a semaphore. The shutdown acquires *all* permits. The semaphore
//! is fair, so no newcomer gets a permit from that moment on. When the last running request
//! releases its permit, the shutdown has all of them. There is no flag to check and no counter to
//! race with.

use std::future::Future;
use std::sync::Arc;

use hyper::StatusCode;
use toro::{OwnedPermit, Semaphore};

use crate::http::{Page, Server};

/// Admits requests until it is closed.
#[derive(Clone, Debug)]
pub struct Doors {
    permits: Arc<Semaphore>,
    capacity: u32,
}

impl Doors {
    /// Creates open doors for up to `capacity` concurrent requests.
    pub fn open(capacity: u32) -> Self {
        Doors { permits: Arc::new(Semaphore::new(capacity)), capacity }
    }

    /// Enters until the value is dropped. Returns `None` if the server is full or shutting down.
    pub fn enter(&self) -> Option<OwnedPermit> {
        self.permits.try_acquire_many_owned(1).ok()
    }

    /// The number of requests inside.
    pub fn inside(&self) -> u32 {
        self.capacity - self.permits.available()
    }

    /// Refuses new requests, and waits until all running ones have ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future opens the doors again.
    pub async fn close(&self) {
        if let Ok(all) = self.permits.acquire_many(self.capacity).await {
            all.forget();
        }
        self.permits.close();
    }
}

/// A server behind `doors` whose answers take as long as `work`.
///
/// # Errors
///
/// No socket can be opened.
pub async fn serve<W, F>(doors: Doors, work: W) -> std::io::Result<Server>
where
    W: Fn() -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    Server::start(move |_path| {
        let (place, work) = (doors.enter(), work.clone());
        async move {
            let Some(_place) = place else { return Page::status(StatusCode::SERVICE_UNAVAILABLE) };
            work().await;
            Page::ok("done")
        }
    })
    .await
}
