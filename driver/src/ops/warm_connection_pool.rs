//! Filling the connection pools in advance.

use std::future::{Future, IntoFuture};

use crate::client::Client;
use crate::deadline::Deadline;
use crate::mode::{Async, Blocking, Mode};
use crate::ops::Boxed;
use crate::rt::block_on;

/// Fills the connection pools. Created by [`Client::warm_connection_pool`].
#[must_use = "an operation does nothing until it is awaited or run"]
#[derive(Debug)]
pub struct WarmConnectionPool<'a, F: Mode> {
    client: &'a Client<F>,
}

impl<'a, F: Mode> WarmConnectionPool<'a, F> {
    pub(crate) fn new(client: &'a Client<F>) -> Self {
        WarmConnectionPool { client }
    }

    fn warmed(self) -> impl Future<Output = ()> + Send + 'a {
        let core = self.client.core();
        async move {
            let deadline = Deadline::after(core.options.server_selection_timeout());
            if core.options.min_pool_size() > 0 && core.check_usable().is_ok() {
                core.deployment.warm_pools(deadline).await;
            }
        }
    }
}

impl<'a> IntoFuture for WarmConnectionPool<'a, Async> {
    type Output = ();
    type IntoFuture = Boxed<'a, ()>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.warmed())
    }
}

impl WarmConnectionPool<'_, Blocking> {
    /// Fills the pools.
    ///
    /// # Examples
    /// ```no_run
    /// # fn main() -> driver::Result<()> {
    /// let client = driver::sync::Client::with_uri_str("mongodb://localhost/?minPoolSize=10")?;
    /// client.warm_connection_pool().run();
    /// # Ok(())
    /// # }
    /// ```
    pub fn run(self) {
        block_on(self.warmed());
    }
}
