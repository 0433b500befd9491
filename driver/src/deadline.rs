//! The instant at which an operation times out.
//!
//! An operation creates one `Deadline` and passes it through selection, checkout, handshake and
//! I/O. A stage with its own limit narrows it with [`Deadline::within`], and never widens it.

use std::time::{Duration, Instant};

/// An instant, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadline {
    at: Option<Instant>,
    origin: Origin,
}

/// The origin of a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// Limits of the driver, or the older options.
    Limits,
    /// The operation's `timeoutMS`, which replaces the older options.
    Timeout,
}

impl Deadline {
    /// Never expires.
    pub(crate) const NEVER: Deadline = Deadline { at: None, origin: Origin::Limits };

    /// Expires at `instant`.
    pub(crate) fn at(instant: Instant) -> Self {
        Deadline { at: Some(instant), origin: Origin::Limits }
    }

    /// Expires after `limit`. A limit beyond the clock's range never expires.
    pub(crate) fn after(limit: Duration) -> Self {
        Deadline { at: Instant::now().checked_add(limit), origin: Origin::Limits }
    }

    /// Like [`Deadline::after`]. `None` and zero mean no limit, as in the timeout options of a
    /// connection string.
    pub(crate) fn after_option(limit: Option<Duration>) -> Self {
        limit.filter(|limit| !limit.is_zero()).map_or(Self::NEVER, Self::after)
    }

    /// The deadline of an operation with the `timeoutMS` `limit`. `None` means no limit.
    pub(crate) fn of_timeout(limit: Option<Duration>) -> Self {
        let at = limit.and_then(|limit| Instant::now().checked_add(limit));
        Deadline { at, origin: Origin::Timeout }
    }

    /// Whether it comes from a `timeoutMS`, even one without limit.
    pub(crate) fn is_of_timeout(self) -> bool {
        self.origin == Origin::Timeout
    }

    /// The earlier of this deadline and `limit` from now.
    pub(crate) fn within(self, limit: Option<Duration>) -> Self {
        self.earlier(Self::after_option(limit))
    }

    /// Like [`within`](Self::within), for the `limit` of an older option, which a `timeoutMS`
    /// replaces.
    pub(crate) fn within_older(self, limit: Option<Duration>) -> Self {
        match self.origin {
            Origin::Limits => self.within(limit),
            Origin::Timeout => self,
        }
    }

    /// The earlier of the two.
    pub(crate) fn earlier(self, other: Deadline) -> Self {
        let at = match (self.at, other.at) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Deadline { at, origin: self.origin }
    }

    /// The instant, unless it never expires.
    pub(crate) fn instant(self) -> Option<Instant> {
        self.at
    }

    /// The remaining time: `None` without a limit, zero after the deadline.
    pub(crate) fn remaining(self) -> Option<Duration> {
        self.at.map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Like [`remaining`](Self::remaining), at the time `now`.
    pub(crate) fn remaining_at(self, now: Instant) -> Option<Duration> {
        self.at.map(|at| at.saturating_duration_since(now))
    }

    /// Whether the deadline has passed.
    pub(crate) fn is_over(self) -> bool {
        self.at.is_some_and(|at| at <= Instant::now())
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

    #[test]
    fn older_limit_does_not_hold_beside_a_timeout() {
        let second = Some(Duration::from_secs(1));
        assert!(Deadline::NEVER.within_older(second).instant().is_some());
        let timeout = Deadline::of_timeout(None);
        assert_eq!(timeout.within_older(second), timeout);
        assert!(timeout.within(second).instant().is_some());
    }
}
