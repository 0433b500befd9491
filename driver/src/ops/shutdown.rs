//! The end of a client.

use std::future::IntoFuture;

use crate::client::Client;
use crate::mode::{Async, Blocking, Mode};
use crate::ops::Boxed;
use crate::rt::block_on;

/// Shuts a client down. Created by [`Client::shutdown`].
#[must_use = "a shutdown does nothing until it is awaited or run"]
#[derive(Debug)]
pub struct Shutdown<F: Mode> {
    client: Client<F>,
}

impl<F: Mode> Shutdown<F> {
    pub(crate) fn new(client: Client<F>) -> Self {
        Shutdown { client }
    }

    /// Has no effect, because a shutdown never waits for existing cursors and sessions. Exists for
    /// compatibility with the official crate.
    // The official crate has this signature.
    pub fn immediate(self, value: bool) -> Self {
        let _ = value;
        self
    }

    async fn ended(self) {
        self.client.close().await;
    }
}

impl IntoFuture for Shutdown<Async> {
    type Output = ();
    type IntoFuture = Boxed<'static, ()>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.ended())
    }
}

impl Shutdown<Blocking> {
    /// Shuts the client down.
    ///
    /// # Examples
    /// ```no_run
    /// # fn example(client: driver::sync::Client) {
    /// client.shutdown().run();
    /// # }
    /// ```
    pub fn run(self) {
        block_on(self.ended());
    }
}
