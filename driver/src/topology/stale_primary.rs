//! Asks a primary that another primary has replaced whether it is still there.
//!
//! A primary that hangs, or is cut off, is replaced by the others of its set. New operations go to
//! the new primary at once, but those that were sent before would wait for the monitor of the old
//! one, which gives it `connectTimeoutMS` and more. So as soon as a snapshot shows a newer primary,
//! the old one has about a second to answer. If it does not, its pool is cleared and the
//! connections in use are interrupted: what was under way fails with `ConnectionPoolCleared`, and
//! is retried where it may be.
//!
//! A primary that stepped down in good order tells so by itself. It is heard of within [`GRACE`],
//! and nothing else happens: no connection is opened for it, and none is closed.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use super::either::{Either, either};
use super::monitor::Monitor;
use crate::deadline::Deadline;
use crate::error::Error;
use crate::types::ServerType;

/// How long the server has to tell of itself, over the connections of its monitor.
const GRACE: Duration = Duration::from_millis(250);

/// How long it then has to answer on a new connection.
const LIMIT: Duration = Duration::from_millis(750);

impl Monitor {
    /// Asks whenever another primary has replaced this one.
    pub(super) async fn recheck_when_replaced(&self) -> Infallible {
        let checks = self.server.checks();
        loop {
            checks.recheck_wanted().await;
            if self.runtime().timeout(Deadline::after(GRACE), self.heard_of()).await.is_ok() {
                continue;
            }
            // A new connection: those of the monitor may be broken while the server is well.
            let answered = async { self.open_quietly().await.map(drop) };
            let asked =
                self.runtime().timeout(Deadline::after(LIMIT), either(answered, self.heard_of()));
            let failure = match asked.await {
                Ok(Either::Left(Err(error))) => error,
                Ok(_) => continue,
                Err(_) => Error::io(
                    "the server did not answer after another primary was elected",
                    io::Error::from(io::ErrorKind::TimedOut),
                ),
            };
            if let Some(deployment) = self.deployment()
                && deployment.replaced_and_lost(&self.server, failure)
            {
                checks.cancel();
            }
        }
    }

    /// Waits until the server has answered a check, or has left the deployment. Holds the
    /// deployment no longer than for a look.
    async fn heard_of(&self) {
        loop {
            let Some(snapshot) = self.deployment().map(|deployment| deployment.snapshot()) else {
                return;
            };
            let known = snapshot.description().server(self.server.address());
            if known.is_none_or(|server| server.server_type() != ServerType::Unknown) {
                return;
            }
            snapshot.superseded().wait().await;
        }
    }
}
