//! The attempts of a worker during a failover.

use std::time::{Duration, Instant};

use driver::Error;
use driver::error::{ErrorKind, RETRYABLE_WRITE_ERROR};

/// The time for which a worker retries.
const LIMIT: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The pauses between the attempts at one piece of work.
pub struct Patience {
    since: Instant,
    pause: Duration,
}

impl Patience {
    /// Starts with the first attempt.
    pub fn new() -> Self {
        Patience { since: Instant::now(), pause: FIRST_PAUSE }
    }

    /// The pause after an attempt that failed with `error`. Each pause is twice as long as the
    /// previous one.
    ///
    /// # Errors
    ///
    /// `error`, if a retry cannot help, or the attempts have taken a minute.
    pub fn pause(&mut self, error: Error) -> driver::Result<Duration> {
        if !may_pass(&error) || self.since.elapsed() > LIMIT {
            return Err(error);
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        Ok(pause)
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether the error is one that a failover causes.
fn may_pass(error: &Error) -> bool {
    error.is_network()
        || error.is_timeout()
        || error.is_state_change()
        || error.has_label(RETRYABLE_WRITE_ERROR)
        || matches!(error.kind(), ErrorKind::ConnectionPoolCleared { .. })
}
