//! The end of a client.

use std::future::IntoFuture;

use crate::client::Client;
use crate::mode::{Async, Blocking, Mode};
use crate::ops::Boxed;
use crate::rt::block_on;

/// Ends a client. Made by [`Client::shutdown`].
#[must_use = "nothing ends until it is awaited or run"]
#[derive(Debug)]
pub struct Shutdown<F: Mode> {
    client: Client<F>,
}

impl<F: Mode> Shutdown<F> {
    pub(crate) fn new(client: Client<F>) -> Self {
        Shutdown { client }
    }

    /// Has no effect: a shutdown never waits for cursors and sessions that are still held. It is
    /// here for programs that were written for the official crate.
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
    /// Ends the client.
    pub fn run(self) {
        block_on(self.ended());
    }
}
