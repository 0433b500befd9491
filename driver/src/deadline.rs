//! The instant at which an operation times out.
//!
//! An operation creates one `Deadline` and passes it through selection, checkout, handshake and
//! I/O. A stage with its own limit narrows it with [`Deadline::within`], and never widens it.

use std::time::{Duration, Instant};

/// An instant, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// Never expires.
    pub(crate) const NEVER: Deadline = Deadline(None);

    /// Expires at `instant`.
    pub(crate) fn at(instant: Instant) -> Self {
        Deadline(Some(instant))
    }

    /// Expires after `limit`. A limit beyond the clock's range never expires.
    pub(crate) fn after(limit: Duration) -> Self {
        Deadline(Instant::now().checked_add(limit))
    }

    /// As [`Deadline::after`]. `None` and zero mean no limit, as in the timeout options of a
    /// connection string.
    pub(crate) fn after_option(limit: Option<Duration>) -> Self {
        limit.filter(|limit| !limit.is_zero()).map_or(Self::NEVER, Self::after)
    }

    /// The earlier of this deadline and `limit` from now.
    pub(crate) fn within(self, limit: Option<Duration>) -> Self {
        self.earlier(Self::after_option(limit))
    }

    /// The earlier of the two.
    pub(crate) fn earlier(self, other: Deadline) -> Self {
        match (self.0, other.0) {
            (Some(a), Some(b)) => Deadline(Some(a.min(b))),
            (a, b) => Deadline(a.or(b)),
        }
    }

    /// The instant, unless this is [`Deadline::NEVER`].
    pub(crate) fn instant(self) -> Option<Instant> {
        self.0
    }

    /// The remaining time: `None` without a limit, zero after the deadline.
    pub(crate) fn remaining(self) -> Option<Duration> {
        self.0.map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Whether the deadline has passed.
    pub(crate) fn is_over(self) -> bool {
        self.0.is_some_and(|at| at <= Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrower_limit_wins() {
        let near = Deadline::after(Duration::from_secs(1));
        assert_eq!(near.within(Some(Duration::from_secs(100))), near);
        assert!(Deadline::NEVER.within(Some(Duration::from_secs(1))).instant().is_some());
        assert_eq!(Deadline::NEVER.within(None), Deadline::NEVER);
        assert_eq!(Deadline::NEVER.within(Some(Duration::ZERO)), Deadline::NEVER);
    }

    #[test]
    fn limit_beyond_the_clock_never_expires() {
        assert_eq!(Deadline::after(Duration::MAX), Deadline::NEVER);
        assert!(Deadline::after(Duration::ZERO).is_over());
    }
}
