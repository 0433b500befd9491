//! The rules for retries, and the choice between the errors of two attempts.
//!
//! After each failed attempt, [`RetryState::decide`] returns the next step as a value. The executor
//! performs the [`Decision`] and decides nothing itself.
//!
//! | class | is retried after |
//! |---|---|
//! | `Read`, with `retryReads` | an unreachable server; the codes of [`codes::is_retryable_read`] |
//! | `Write`, with `retryWrites` | errors with the label `RetryableWriteError` |
//! | `TransactionEnd` | errors with the label `RetryableWriteError` |
//! | any, even `Never` | overload errors with the label `RetryableError` |
//!
//! Overload errors need `retryReads`, `retryWrites` or both too, according to the [`Effect`] of the
//! operation; commits and aborts need neither. Unacknowledged writes are never retried.
//!
//! Without `timeoutMS` there is one retry, with it any number until it expires. Once one attempt
//! met an overloaded server, the limit is `maxAdaptiveRetries` retries instead, and a deadline
//! still holds.

use std::time::{Duration, Instant};

use super::operation::{Effect, Meta, Retry};
use crate::deadline::Deadline;
use crate::error::{
    Error, ErrorKind, NO_WRITES_PERFORMED, RETRYABLE_ERROR, RETRYABLE_WRITE_ERROR, Result,
    SYSTEM_OVERLOADED_ERROR, codes,
};
use crate::options::{ClientOptions, ServerAddress};
use crate::pool::ConnectionDescription;
use crate::types::ServerType;
use crate::wire_version;

/// The next step of an operation after a failed attempt.
#[derive(Debug)]
pub(super) enum Decision {
    /// The operation ends with this error.
    Return(Error),
    /// There is another attempt.
    Again {
        /// The server of the previous attempt is used only if no other is suitable.
        deprioritized: bool,
        /// The time of the next attempt, if not at once.
        backoff: Option<Instant>,
    },
}

/// The state that an operation keeps between attempts.
#[derive(Debug)]
pub(super) struct RetryState {
    /// The class of the operation, or `Never` if the options, the session or the server forbid
    /// retries.
    class: Retry,
    /// Whether the operation may be retried after an overload error.
    when_overloaded: bool,
    /// `maxAdaptiveRetries`.
    max_retries_when_overloaded: u32,
    /// The deadline of the operation.
    deadline: Deadline,
    /// Servers that are used only if no other is suitable.
    pub(super) deprioritized: Vec<ServerAddress>,
    /// The error to return unless a later attempt has a better one.
    previous_error: Option<Error>,
    /// The number of failed attempts.
    failed: u32,
    /// Whether one of them met an overloaded server.
    overloaded: bool,
}

impl RetryState {
    /// The state of an operation of the kind `meta` at its start.
    pub(super) fn new(
        options: &ClientOptions,
        meta: &Meta,
        acknowledged: bool,
        deadline: Deadline,
    ) -> Self {
        let (reads, writes) = (options.retry_reads(), options.retry_writes());
        let when_overloaded = match (meta.retry, meta.effect) {
            (Retry::TransactionEnd, _) => true,
            (_, Effect::Reads) => reads,
            (_, Effect::Writes) => writes,
            (_, Effect::Unknown) => reads && writes,
        };
        RetryState {
            class: match meta.retry {
                Retry::Read if reads => Retry::Read,
                Retry::Write if writes && acknowledged => Retry::Write,
                Retry::TransactionEnd => Retry::TransactionEnd,
                _ => Retry::Never,
            },
            when_overloaded: when_overloaded && acknowledged,
            max_retries_when_overloaded: options.max_adaptive_retries(),
            deadline,
            deprioritized: Vec::new(),
            previous_error: None,
            failed: 0,
            overloaded: false,
        }
    }

    /// The effective retry class.
    pub(super) fn class(&self) -> Retry {
        self.class
    }

    /// The operation belongs to a transaction, so it is only retried after overload errors
    /// (specification "Transactions", section "Interaction with Retryable Writes").
    pub(super) fn inside_transaction(&mut self) {
        self.class = Retry::Never;
    }

    /// Prepares an attempt on `server`. A retryable write becomes a plain one if the server does
    /// not support retryable writes.
    ///
    /// # Errors
    /// `IncompatibleServer` if a retry could write twice there. The caller gets the error of the
    /// previous attempt instead.
    pub(super) fn meets(&mut self, server: &ConnectionDescription) -> Result<()> {
        if self.class != Retry::Write || supports_retryable_writes(server) {
            return Ok(());
        }
        match self.previous_error {
            None => {
                self.class = Retry::Never;
                Ok(())
            }
            Some(_) => Err(Error::new(ErrorKind::IncompatibleServer {
                message:
                    "the server selected for another attempt does not support retryable writes"
                        .into(),
            })),
        }
    }

    /// Whether there is another attempt after `error`, if time allows.
    pub(super) fn repeats(&self, error: &Error) -> bool {
        self.is_permitted(error) && self.may_repeat(error)
    }

    /// The next step of the operation after a failed attempt. `retargets` determines the errors
    /// after which the next attempt prefers another server.
    #[cold]
    pub(super) fn decide(&mut self, failure: Failure, retargets: Retargets) -> Decision {
        let permitted = self.is_permitted(&failure.error);
        let again = permitted && self.may_repeat(&failure.error);
        let deprioritized = match retargets {
            Retargets::Always => true,
            Retargets::WhenOverloaded => failure.error.has_label(SYSTEM_OVERLOADED_ERROR),
            Retargets::Never => false,
        };
        self.failed += 1;
        let backoff = backoff(self.failed, &failure.error).map(|pause| Instant::now() + pause);
        // Whether only the deadline prevents another attempt or a longer wait.
        let out_of_time = self.deadline.is_over() && (permitted || failure.error.is_timeout());
        let previous_error = self.previous_error.take();
        let cause = previous_error.clone().filter(|_| out_of_time);
        let error = failure.outranks(previous_error);
        if out_of_time {
            return Decision::Return(timed_out(error, cause));
        }
        let too_late = |until: Instant| self.deadline.instant().is_some_and(|at| at < until);
        if !again || backoff.is_some_and(too_late) {
            return Decision::Return(error);
        }
        self.previous_error = Some(error);
        self.overloaded |= backoff.is_some();
        Decision::Again { deprioritized, backoff }
    }

    /// The error of an operation for which no server was found.
    #[cold]
    pub(super) fn unselected(&mut self, error: Error) -> Error {
        match self.previous_error.take() {
            None => error,
            Some(previous_error) if error.is_timeout() && self.deadline.is_over() => {
                timed_out(previous_error, None)
            }
            // The previous error tells the caller that the operation may have had an effect.
            Some(previous_error) => previous_error,
        }
    }

    fn is_permitted(&self, error: &Error) -> bool {
        permits(self.class, error) || (self.when_overloaded && is_turned_away(error))
    }

    /// Whether another attempt is allowed after `error`: one retry, or with a `timeoutMS` any
    /// number until the deadline, or after an overload error at most `maxAdaptiveRetries`.
    fn may_repeat(&self, error: &Error) -> bool {
        let overloaded = self.overloaded || error.has_label(SYSTEM_OVERLOADED_ERROR);
        if overloaded && self.failed >= self.max_retries_when_overloaded {
            return false;
        }
        if self.deadline.is_of_timeout() {
            !self.deadline.is_over()
        } else {
            overloaded || self.failed == 0
        }
    }
}

/// The errors after which the next attempt prefers another server (specifications "Retryable
/// Reads", section "Server Selection", and "Client Backpressure", section "Overload retry policy").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retargets {
    /// All errors, in a sharded cluster.
    Always,
    /// Overload errors, with the option `enableOverloadRetargeting`.
    WhenOverloaded,
    /// None.
    Never,
}

/// A failed attempt.
pub(super) struct Failure {
    pub(super) error: Error,
    /// Whether the command may have had an effect on the server.
    pub(super) attempted: bool,
}

impl Failure {
    /// The attempt failed before the command was sent.
    pub(super) fn before(error: Error) -> Self {
        Failure { error, attempted: false }
    }

    /// The attempt failed after the command was sent.
    pub(super) fn after(error: Error) -> Self {
        let attempted = !error.has_label(NO_WRITES_PERFORMED);
        Failure { error, attempted }
    }

    /// Chooses between the errors of two attempts: the latest error after which the effect is
    /// unknown, or else the first one (specification "Retryable Writes", section "Executing
    /// Retryable Write Commands").
    fn outranks(self, earlier: Option<Error>) -> Error {
        match earlier {
            Some(earlier) if !self.attempted => earlier,
            _ => self.error,
        }
    }
}

/// The wait before the retry of an operation that has failed `failed` times. For an overloaded
/// server it is random, up to 200 ms, then 400 ms, and so on. There is none after other errors
/// (specification "Client Backpressure", section "Overload retry policy").
///
/// A connection that fails while it is being established looks like overload. The wait also gives a
/// monitor time to detect that the server has died.
fn backoff(failed: u32, error: &Error) -> Option<Duration> {
    const BASE_BACKOFF: Duration = Duration::from_millis(100);
    const MAX_BACKOFF: Duration = Duration::from_secs(10);
    if !error.has_label(SYSTEM_OVERLOADED_ERROR) {
        return None;
    }
    let base = error.base_backoff().unwrap_or(BASE_BACKOFF);
    let longest = base.saturating_mul(1 << failed.min(16)).min(MAX_BACKOFF);
    Some(longest.mul_f64(fastrand::f64()))
}

/// Whether `error` permits another attempt of an operation of this class.
fn permits(retry: Retry, error: &Error) -> bool {
    match retry {
        Retry::Never => false,
        Retry::Write | Retry::TransactionEnd => error.has_label(RETRYABLE_WRITE_ERROR),
        Retry::Read => {
            is_unreachable(error)
                || matches!(error.kind(), ErrorKind::Command(e) if codes::is_retryable_read(e.code))
        }
    }
}

/// Whether an overloaded server refused the command before it started it. Then any operation can be
/// retried.
pub(super) fn is_turned_away(error: &Error) -> bool {
    error.has_label(SYSTEM_OVERLOADED_ERROR) && error.has_label(RETRYABLE_ERROR)
}

/// Adds the label of a retryable write to the error of an operation of `class`, if the error is
/// retryable and the server does not label it (section "RetryableWriteError Labels").
pub(super) fn label(class: Retry, error: &mut Error, server: Option<&ConnectionDescription>) {
    if !matches!(class, Retry::Write | Retry::TransactionEnd) {
        return;
    }
    let by_code = || {
        // Later servers label their errors themselves.
        let Some(server) = server.filter(|server| server.max_wire_version < wire_version::V4_4)
        else {
            return false;
        };
        match error.kind() {
            ErrorKind::Command(e) => codes::is_retryable_write(e.code),
            ErrorKind::Write(_) => {
                server.server_type != ServerType::Mongos
                    && error.code().is_some_and(codes::is_retryable_write)
            }
            _ => false,
        }
    };
    if is_unreachable(error) || by_code() {
        error.add_label(RETRYABLE_WRITE_ERROR);
    }
}

/// Whether `server` supports retryable writes.
fn supports_retryable_writes(server: &ConnectionDescription) -> bool {
    server.logical_session_timeout.is_some() && server.server_type != ServerType::Standalone
}

/// The error of an operation after its `timeoutMS`. Its message and source are those of `error`. If
/// `error` itself is only a timeout, they are those of `previous_error`, the error of an earlier
/// attempt (specification "Client Side Operations Timeout", section "Errors").
fn timed_out(error: Error, previous_error: Option<Error>) -> Error {
    let cause = match previous_error {
        // Keeps the server's error code for the caller.
        Some(previous_error) if error.is_timeout() && error.code().is_some() => {
            return error.with_source(previous_error);
        }
        Some(previous_error) if error.is_timeout() => previous_error,
        _ if error.is_timeout() && !error.is_network() => return error,
        _ => error.clone(),
    };
    let message = if cause.is_timeout() {
        "the operation did not end within its timeout (timeoutMS)".to_owned()
    } else {
        format!(
            "the operation did not end within its timeout (timeoutMS); an earlier attempt failed: \
             {}",
            cause.without_host()
        )
    };
    Error::interrupted(ErrorKind::Timeout { message }, error).with_source(cause)
}

fn is_unreachable(error: &Error) -> bool {
    error.is_network() || matches!(error.kind(), ErrorKind::ConnectionPoolCleared { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::CommandError;

    fn command(code: i32) -> Error {
        Error::new(ErrorKind::Command(CommandError { code, ..CommandError::default() }))
    }

    fn broken() -> Error {
        Error::io("test", std::io::Error::from(std::io::ErrorKind::ConnectionReset))
    }

    #[test]
    fn reads_go_by_the_code_and_writes_by_the_label() {
        assert!(permits(Retry::Read, &command(91)) && permits(Retry::Read, &command(134)));
        assert!(!permits(Retry::Read, &command(2)) && permits(Retry::Read, &broken()));
        assert!(!permits(Retry::Write, &command(91)) && !permits(Retry::Never, &broken()));
        let mut error = broken();
        label(Retry::Write, &mut error, None);
        assert!(permits(Retry::Write, &error));
    }

    #[test]
    fn only_overload_has_a_growing_backoff() {
        let mut error = broken();
        assert_eq!(backoff(1, &error), None);
        error.add_label(SYSTEM_OVERLOADED_ERROR);
        for (failed, most) in [(1, 200), (2, 400), (30, 10_000)] {
            assert!(
                (0..100).all(|_| backoff(failed, &error).unwrap() <= Duration::from_millis(most))
            );
        }
        let waits: Vec<_> = (0..100).map(|_| backoff(2, &error).unwrap()).collect();
        assert!(waits.iter().any(|wait| *wait > Duration::from_millis(200)), "{waits:?}");
    }

    #[test]
    fn the_driver_labels_codes_only_for_servers_that_do_not() {
        let mut server = ConnectionDescription::unknown();
        for (wire_version, labelled) in [(8, true), (9, false)] {
            server.max_wire_version = wire_version;
            let mut error = command(11600);
            label(Retry::Write, &mut error, Some(&server));
            assert_eq!(error.has_label(RETRYABLE_WRITE_ERROR), labelled);
        }
    }

    #[test]
    fn latest_error_with_an_unknown_outcome_is_reported() {
        let code = |failure: Failure, earlier: Option<Error>| failure.outranks(earlier).code();
        assert_eq!(code(Failure::after(command(1)), Some(command(2))), Some(1));
        assert_eq!(code(Failure::before(command(1)), Some(command(2))), Some(2));
        assert_eq!(code(Failure::before(command(1)), None), Some(1));
        let mut nothing_done = command(3);
        nothing_done.add_label(NO_WRITES_PERFORMED);
        assert_eq!(code(Failure::after(nothing_done), Some(command(2))), Some(2));
    }

    fn state(class: Retry, deadline: Deadline) -> RetryState {
        let meta = match class {
            Retry::Read => Meta::read("test", "test"),
            _ => Meta::write_once("test", "test"),
        };
        RetryState::new(&ClientOptions::default(), &meta, true, deadline)
    }

    fn again(decision: &Decision) -> bool {
        matches!(decision, Decision::Again { backoff: None, .. })
    }

    #[test]
    fn operation_is_sent_again_once_without_a_timeout() {
        let mut state = state(Retry::Read, Deadline::NEVER);
        assert!(again(&state.decide(Failure::after(broken()), Retargets::Never)));
        let Decision::Return(error) = state.decide(Failure::after(command(91)), Retargets::Never)
        else {
            panic!("a third attempt")
        };
        assert_eq!(error.code(), Some(91));
    }

    #[test]
    fn operation_is_sent_again_while_its_timeout_lasts() {
        let mut state = state(Retry::Read, Deadline::of_timeout(Some(Duration::from_secs(1000))));
        for _ in 0..5 {
            assert!(again(&state.decide(Failure::after(broken()), Retargets::Never)));
        }
        state.deadline = Deadline::of_timeout(Some(Duration::ZERO));
        let Decision::Return(error) = state.decide(Failure::after(broken()), Retargets::Never)
        else {
            panic!("an attempt after the deadline")
        };
        assert!(error.is_timeout());
    }

    #[test]
    fn operation_is_sent_again_for_ever_with_a_timeout_of_zero() {
        let mut state = state(Retry::Read, Deadline::of_timeout(None));
        for _ in 0..50 {
            assert!(again(&state.decide(Failure::after(broken()), Retargets::Never)));
        }
    }

    #[test]
    fn overloaded_server_is_waited_for_and_left() {
        let overloaded = || {
            let mut error = broken();
            error.add_label(SYSTEM_OVERLOADED_ERROR);
            error.add_label(RETRYABLE_ERROR);
            Failure::before(error)
        };
        let mut state = state(Retry::Never, Deadline::NEVER);
        let decision = state.decide(overloaded(), Retargets::WhenOverloaded);
        assert!(matches!(decision, Decision::Again { deprioritized: true, backoff: Some(_) }));
        let decision = state.decide(overloaded(), Retargets::Never);
        assert!(matches!(decision, Decision::Again { deprioritized: false, backoff: Some(_) }));
        let decision = state.decide(overloaded(), Retargets::Never);
        assert!(matches!(decision, Decision::Return(_)), "{decision:?}");
    }
}
