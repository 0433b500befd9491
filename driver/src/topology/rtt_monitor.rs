//! Checks a streaming server on a second connection, to measure round-trip times and to answer
//! requests for a new check (specification "Server Monitoring", section "Measuring RTT").
//!
//! The stream reports changes, but no round-trip times. Its next reply may have been sent before a
//! request, so it does not answer one. A measurement alone never changes the server description. A
//! requested check that fails ends the watch, and the first check of the next watch answers the
//! request.

use std::time::{Duration, Instant};

use super::monitor::{Monitor, MonitorConnection};
use crate::deadline::Deadline;
use crate::error::Result;
use crate::handshake::HelloReply;
use crate::options::MIN_HEARTBEAT_FREQUENCY;
use crate::pool::Connection;

/// The time from the first reply of the stream to the first measurement. A program that ends sooner
/// opens no second connection. Until the measurement the minimum is zero.
const FIRST_MEASUREMENT: Duration = Duration::from_millis(100);

impl Monitor {
    /// Measures at each interval and performs requested checks, until a requested check fails.
    pub(super) async fn probe(&self) {
        let checks = self.server.checks();
        let mut connection = None;
        let mut due = Deadline::at(Instant::now() + FIRST_MEASUREMENT);
        let mut last = Instant::now();
        loop {
            let wanted = self.runtime().timeout(due, checks.refresh_wanted()).await.is_ok();
            if !wanted {
                if self.measure(&mut connection).await.is_err() {
                    connection = None;
                }
                last = Instant::now();
                due = self.next_measurement();
                continue;
            }
            let soonest = last + MIN_HEARTBEAT_FREQUENCY;
            if connection.is_some() && Instant::now() < soonest {
                self.runtime().sleep_until(soonest).await;
            }
            let check = checks.begin();
            match self.check(&mut connection).await {
                Ok(hello) => self.succeeded(Some(check), hello),
                Err(_) => return,
            }
            last = Instant::now();
            due = self.next_measurement();
        }
    }

    fn next_measurement(&self) -> Deadline {
        Instant::now().checked_add(self.heartbeat_freq()).map_or(Deadline::NEVER, Deadline::at)
    }

    /// A requested check.
    async fn check(&self, opened: &mut Option<Connection>) -> Result<HelloReply> {
        match opened {
            Some(connection) => self.ask(connection).await,
            None => {
                let MonitorConnection { connection, hello } = self.open().await?;
                *opened = Some(connection);
                Ok(hello)
            }
        }
    }

    /// A measurement without other effects.
    async fn measure(&self, opened: &mut Option<Connection>) -> Result<()> {
        match opened {
            Some(connection) => self.ask_quietly(connection).await.map(drop),
            None => {
                *opened = Some(self.open_quietly().await?);
                Ok(())
            }
        }
    }
}
