//! Rechecks a primary that another primary has replaced.
//!
//! The members of a set replace a primary that hangs or is partitioned. New operations use the new
//! primary at once, but earlier ones would wait for the monitor of the old one, which waits for
//! `connectTimeoutMS` and more. So when a snapshot shows a newer primary, the old one has about a
//! second to reply. If it does not, its pool is cleared and the connections in use are interrupted.
//! The operations in flight fail with `ConnectionPoolCleared` and are retried if possible.
//!
//! A primary that steps down cleanly reports this within [`GRACE`]. Then no connection is opened or
//! closed.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use super::either::{Either, either};
use super::monitor::Monitor;
use crate::deadline::Deadline;
use crate::error::Error;
use crate::types::ServerType;

/// The time for the server to report its state on the monitor's connections.
const GRACE: Duration = Duration::from_millis(250);

/// The further time to reply on a new connection.
const LIMIT: Duration = Duration::from_millis(750);

impl Monitor {
    /// Rechecks this server each time another primary has replaced it.
    pub(super) async fn recheck_when_replaced(&self) -> Infallible {
        let checks = self.server.checks();
        loop {
            checks.recheck_wanted().await;
            if self.runtime().timeout(Deadline::after(GRACE), self.heard_of()).await.is_ok() {
                continue;
            }
            // Uses a new connection, because the monitor's may be broken while the server is
            // healthy.
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

    /// Waits until the server has answered a check or was removed. Holds the deployment only to
    /// read the snapshot.
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
