//! A server that ends gracefully: what is under way is finished, what comes later is refused.
//!
//! Every request holds a permit of a semaphore. To shut down, one asks for *all* permits: the
//! semaphore is fair, so from that moment on no newcomer gets one, and when the last request under
//! way gives its permit back, all are there. There is no flag to check and no counter to race with.

use std::future::Future;
use std::sync::Arc;

use hyper::StatusCode;
use toro::{OwnedPermit, Semaphore};

use crate::http::{Page, Server};

/// Lets requests in until the doors are closed.
#[derive(Clone, Debug)]
pub struct Doors {
    permits: Arc<Semaphore>,
    capacity: u32,
}

impl Doors {
    /// Open, for up to `capacity` requests at a time.
    pub fn open(capacity: u32) -> Self {
        Doors { permits: Arc::new(Semaphore::new(capacity)), capacity }
    }

    /// A place inside, until it is dropped; `None` when it is full or about to close.
    pub fn enter(&self) -> Option<OwnedPermit> {
        self.permits.try_acquire_many_owned(1).ok()
    }

    /// How many are inside.
    pub fn inside(&self) -> u32 {
        self.capacity - self.permits.available()
    }

    /// Lets nobody in any more, and waits until nobody is inside.
    ///
    /// # Cancel safety
    /// Dropping it opens the doors again.
    pub async fn close(&self) {
        if let Ok(all) = self.permits.acquire_many(self.capacity).await {
            all.forget();
        }
        self.permits.close();
    }
}

/// A server whose answers take as long as `work`, behind `doors`.
///
/// # Errors
/// When no socket can be opened.
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
