//! The time limit of an operation (`timeoutMS`), and the `maxTimeMS` of its commands (specification
//! "Client Side Operations Timeout").
//!
//! An operation's own [`Timeout`] overrides that of the collection, that of the database, and that
//! of the client, in this order. A timeout, even one without limit, replaces the older options
//! `maxTimeMS`, `wTimeoutMS`, `socketTimeoutMS` and `waitQueueTimeoutMS`. The resulting
//! [`Deadline`] records that for the later stages.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::options::{CursorTimeoutMode, WriteConcern};

/// `timeoutMS`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Timeout {
    /// Not set. The older options apply.
    #[default]
    Unset,
    /// Set to zero: no limit.
    Infinite,
    /// The whole operation may take this long.
    Limit(Duration),
}

impl From<Option<Duration>> for Timeout {
    fn from(set: Option<Duration>) -> Self {
        match set {
            None => Timeout::Unset,
            Some(Duration::ZERO) => Timeout::Infinite,
            Some(limit) => Timeout::Limit(limit),
        }
    }
}

impl Timeout {
    /// This timeout, or else the inherited one.
    pub(crate) fn or(self, inherited: Timeout) -> Timeout {
        match self {
            Timeout::Unset => inherited,
            set => set,
        }
    }

    /// The longer of two timeouts. Unset if one of them is unset.
    pub(crate) fn longer(self, other: Timeout) -> Timeout {
        match (self, other) {
            (Timeout::Unset, _) | (_, Timeout::Unset) => Timeout::Unset,
            (Timeout::Infinite, _) | (_, Timeout::Infinite) => Timeout::Infinite,
            (Timeout::Limit(one), Timeout::Limit(other)) => Timeout::Limit(one.max(other)),
        }
    }

    /// The limit, if there is one.
    pub(crate) fn limit(self) -> Option<Duration> {
        match self {
            Timeout::Limit(limit) => Some(limit),
            Timeout::Unset | Timeout::Infinite => None,
        }
    }

    /// The deadline of an operation that starts now.
    pub(crate) fn begin(self) -> Deadline {
        match self {
            Timeout::Unset => Deadline::NEVER,
            Timeout::Infinite => Deadline::of_timeout(None),
            Timeout::Limit(limit) => Deadline::of_timeout(Some(limit)),
        }
    }

    /// Refuses a `max_await_time` that leaves no time for the reply (section "Tailable awaitData
    /// Cursors").
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub(crate) fn check_await(self, max_await_time: Option<Duration>) -> Result<()> {
        match (self.limit(), max_await_time) {
            (Some(limit), Some(wait)) if wait >= limit => Err(Error::invalid_argument(format!(
                "max_await_time ({} ms) must be less than the timeout (timeoutMS, {} ms); choose \
                 a shorter max_await_time or a longer timeout",
                wait.as_millis(),
                limit.as_millis()
            ))),
            _ => Ok(()),
        }
    }
}

/// The time limit of the steps of a cursor (section "Cursors").
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CursorTimeout {
    /// The timeout of the operation that opened the cursor.
    timeout: Timeout,
    /// The deadline of all steps together, unless each step has its own.
    lifetime: Option<Deadline>,
}

impl CursorTimeout {
    /// The timeout of a cursor whose operation had the timeout `timeout` and the deadline
    /// `deadline`.
    pub(crate) fn of(mode: CursorTimeoutMode, timeout: Timeout, deadline: Deadline) -> Self {
        let lifetime = match mode {
            CursorTimeoutMode::CursorLifetime => Some(deadline),
            CursorTimeoutMode::Iteration => None,
        };
        CursorTimeout { timeout, lifetime }
    }

    /// A timeout for each step.
    pub(crate) fn of_each_step(timeout: Timeout) -> Self {
        CursorTimeout { timeout, lifetime: None }
    }

    /// The deadline of a step that starts now.
    pub(crate) fn begin(self) -> Deadline {
        self.lifetime.unwrap_or_else(|| self.timeout.begin())
    }

    /// The limit of one step, if each step has its own.
    pub(crate) fn of_step(self) -> Option<Duration> {
        self.timeout.limit().filter(|_| self.lifetime.is_none())
    }

    /// Whether there is no time for another step.
    pub(crate) fn is_over(self) -> bool {
        self.lifetime.is_some_and(Deadline::is_over)
    }

    /// The limit of `killCursors`, which does not share the time of the steps (section "Cursor
    /// close() methods refresh timeoutMS").
    pub(crate) fn of_close(self) -> Timeout {
        self.timeout
    }
}

/// The `maxTimeMS` of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MaxTime {
    /// The remaining time of the timeout, or none if that is infinite. Without a timeout, the value
    /// of the caller.
    Left(Option<Duration>),
    /// The time that the server waits for documents, at most until the timeout.
    Await(Option<Duration>),
    /// None with a timeout, which then limits only the client. Without a timeout, the value of the
    /// caller.
    OnlyWithoutTimeout(Option<Duration>),
}

impl MaxTime {
    /// The same without the value of the caller.
    pub(crate) fn without_given(self) -> Self {
        match self {
            MaxTime::Left(_) => MaxTime::Left(None),
            MaxTime::Await(_) => MaxTime::Await(None),
            MaxTime::OnlyWithoutTimeout(_) => MaxTime::OnlyWithoutTimeout(None),
        }
    }

    /// The `maxTimeMS` of a command that is sent at `now` to a server with the minimum round-trip
    /// time `round_trip` (section "Command Execution").
    ///
    /// # Errors
    /// `Timeout` if the reply could not arrive in time. Nothing is sent then.
    pub(super) fn to_send(
        self,
        deadline: Deadline,
        now: Instant,
        round_trip: impl FnOnce() -> Duration,
    ) -> Result<Option<Duration>> {
        let (MaxTime::Left(given) | MaxTime::Await(given) | MaxTime::OnlyWithoutTimeout(given)) =
            self;
        if !deadline.is_of_timeout() {
            return Ok(given);
        }
        let Some(left) = deadline.remaining_at(now) else {
            return Ok(given.filter(|_| matches!(self, MaxTime::Await(_))));
        };
        let round_trip = round_trip();
        let left = match left.checked_sub(round_trip) {
            Some(left) if !left.is_zero() => left,
            _ => return Err(too_late(left, round_trip)),
        };
        Ok(match self {
            MaxTime::Left(_) => Some(left),
            MaxTime::Await(given) => given.map(|given| given.min(left)),
            MaxTime::OnlyWithoutTimeout(_) => None,
        })
    }
}

#[cold]
fn too_late(left: Duration, round_trip: Duration) -> Error {
    if left.is_zero() {
        return Error::timeout("the timeout (timeoutMS) expired before the command was sent");
    }
    Error::timeout(format!(
        "the command was not sent: {} us are left of the timeout (timeoutMS), but the minimum \
         round-trip time of the server is {} us",
        left.as_micros(),
        round_trip.as_micros()
    ))
}

/// The write concern to send: without its `wtimeout` if a timeout applies.
pub(super) fn write_concern(concern: &WriteConcern, deadline: Deadline) -> Cow<'_, WriteConcern> {
    if concern.w_timeout.is_none() || !deadline.is_of_timeout() {
        return Cow::Borrowed(concern);
    }
    Cow::Owned(WriteConcern { w_timeout: None, ..concern.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn timeout_of_zero_overrides_the_inherited_one() {
        let inherited = Timeout::from(Some(SECOND));
        assert_eq!(Timeout::from(None).or(inherited), inherited);
        assert_eq!(Timeout::from(Some(Duration::ZERO)).or(inherited), Timeout::Infinite);
        assert!(Timeout::Infinite.begin().is_of_timeout());
        assert!(Timeout::Infinite.begin().instant().is_none());
        assert!(!Timeout::Unset.begin().is_of_timeout());
    }

    #[test]
    fn longer_timeout_does_not_depend_on_the_order() {
        let (short, long) = (Timeout::Limit(SECOND), Timeout::Limit(2 * SECOND));
        for (one, other, longer) in [
            (short, long, long),
            (short, Timeout::Infinite, Timeout::Infinite),
            (short, Timeout::Unset, Timeout::Unset),
            (Timeout::Infinite, Timeout::Unset, Timeout::Unset),
        ] {
            assert_eq!(one.longer(other), longer, "{one:?}, {other:?}");
            assert_eq!(other.longer(one), longer, "{other:?}, {one:?}");
        }
    }

    #[test]
    fn max_time_is_the_timeout_less_the_round_trip() {
        let given = Some(Duration::from_secs(1000));
        let sent = |max_time: MaxTime, timeout: Timeout, round_trip| {
            max_time.to_send(timeout.begin(), Instant::now(), || round_trip)
        };
        let minute = Timeout::Limit(60 * SECOND);
        assert_eq!(sent(MaxTime::Left(given), Timeout::Unset, SECOND).unwrap(), given);
        assert_eq!(sent(MaxTime::Left(given), Timeout::Infinite, SECOND).unwrap(), None);
        let left = sent(MaxTime::Left(given), minute, 10 * SECOND).unwrap().unwrap();
        assert!(left <= 50 * SECOND && left > 40 * SECOND, "{left:?}");
        assert_eq!(sent(MaxTime::OnlyWithoutTimeout(given), minute, SECOND).unwrap(), None);
        let wait = Some(SECOND);
        assert_eq!(sent(MaxTime::Await(wait), minute, SECOND).unwrap(), wait);
        assert_eq!(sent(MaxTime::Await(wait), Timeout::Infinite, SECOND).unwrap(), wait);
        assert_eq!(sent(MaxTime::Await(None), minute, SECOND).unwrap(), None);
        let late = sent(MaxTime::OnlyWithoutTimeout(None), minute, 60 * SECOND).unwrap_err();
        assert!(late.is_timeout(), "{late}");
    }

    #[test]
    fn write_concern_loses_its_time_limit_only_to_a_timeout() {
        let mut concern = WriteConcern::majority();
        concern.w_timeout = Some(SECOND);
        assert_eq!(*write_concern(&concern, Deadline::NEVER), concern);
        assert_eq!(*write_concern(&concern, Timeout::Infinite.begin()), WriteConcern::majority());
    }
}
