//! Saving a connection whose reply nobody waits for any more: the pool reads it in the background, within a bound.

use std::sync::Arc;
use std::time::Duration;

use super::connection::Connection;
use super::shared::Shared;
use crate::deadline::Deadline;
use crate::rt::{Runtime, block_on};

/// How long, and how much, the pool reads on to save a connection whose reply nobody waits for any more.
const DRAIN_TIME: Duration = Duration::from_secs(1);
const DRAIN_BYTES: usize = 16 * 1024 * 1024;

impl Shared {
    /// Reads in the background what a connection is owed, and puts it back. It counts as in use until then.
    pub(super) fn drain(self: Arc<Self>, connection: Box<Connection>) {
        let runtime = self.runtime().clone();
        let blocking = connection.is_blocking();
        // Dropped with a runtime that shuts down, it closes its connection.
        let mut draining = Draining { inner: Some((connection, self)) };
        let work = {
            let runtime = runtime.clone();
            async move { draining.run(&runtime).await }
        };
        if blocking {
            runtime.detach_blocking(move || block_on(work));
        } else {
            runtime.spawn(work);
        }
    }
}

/// A connection whose reply is read in the background. Dropped before the end, it is closed.
struct Draining {
    inner: Option<(Box<Connection>, Arc<Shared>)>,
}

impl Draining {
    async fn run(&mut self, runtime: &Runtime) {
        let Some((connection, _)) = &mut self.inner else { return };
        let deadline = Deadline::after(DRAIN_TIME);
        if connection.drain(runtime, deadline, DRAIN_BYTES).await.is_ok()
            && let Some((connection, pool)) = self.inner.take()
        {
            pool.put_back(connection);
        }
    }
}

impl Drop for Draining {
    fn drop(&mut self) {
        if let Some((connection, pool)) = self.inner.take() {
            pool.discard(connection);
        }
    }
}
