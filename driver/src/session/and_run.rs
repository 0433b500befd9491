//! Transactions by closure, with retries (specification "Convenient API for Transactions").

use std::any::Any;
use std::future::ready;
use std::time::{Duration, Instant};

use super::ClientSession;
use super::transaction::{StartTransaction, abort, commit};
use crate::error::{
    Error, ErrorKind, Result, TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT, codes,
};
use crate::exec::{Timeout, Transaction, TransactionState};
use crate::mode::{Async, Blocking, Mode};
use crate::ops::Boxed;
use crate::rt::block_on;

/// The time limit for retries of a transaction without a timeout (`timeoutMS`).
const LIMIT: Duration = Duration::from_secs(120);

/// The closure of a transaction, called once per attempt. Implemented for async closures that take
/// the session and do not mutate their captures.
pub trait TransactionBody<'t, F: Mode, R, E> {
    /// The future of one call.
    type Future: Future<Output = std::result::Result<R, E>>;

    /// Calls the closure.
    ///
    /// # Examples
    /// ```no_run
    /// use driver::session::TransactionBody;
    /// use driver::{Async, ClientSession, Result};
    ///
    /// # async fn example(session: &mut ClientSession) -> Result<()> {
    /// let mut body = async |session: &mut ClientSession| {
    ///     println!("in the transaction of {}", session.id());
    ///     Ok::<_, driver::Error>(())
    /// };
    /// TransactionBody::<Async, _, _>::call(&mut body, session).await
    /// # }
    /// ```
    fn call(&'t mut self, session: &'t mut ClientSession<F>) -> Self::Future;
}

impl<'t, F, R, E, B, Called> TransactionBody<'t, F, R, E> for B
where
    F: Mode,
    B: FnMut(&'t mut ClientSession<F>) -> Called,
    Called: Future<Output = std::result::Result<R, E>>,
{
    type Future = Called;

    fn call(&'t mut self, session: &'t mut ClientSession<F>) -> Called {
        self(session)
    }
}

/// A closure and its context.
struct WithContext<C, B> {
    context: C,
    callback: B,
}

impl<'t, R, C, B> TransactionBody<'t, Async, R, Error> for WithContext<C, B>
where
    B: for<'x> FnMut(&'x mut ClientSession<Async>, &'x mut C) -> Boxed<'x, Result<R>>,
{
    type Future = Boxed<'t, Result<R>>;

    fn call(&'t mut self, session: &'t mut ClientSession<Async>) -> Self::Future {
        (self.callback)(session, &mut self.context)
    }
}

impl<'a> StartTransaction<'a, Async> {
    /// Starts a transaction, calls `callback` in it, and commits it. Each call gets `context`.
    ///
    /// Like [`and_run2`](Self::and_run2), for a callback that returns boxed futures. These can
    /// borrow only from the session and from `context`.
    ///
    /// ```no_run
    /// # async fn example(client: driver::Client) -> driver::Result<()> {
    /// use driver::bson::{Document, doc};
    ///
    /// let mut session = client.start_session().await?;
    /// let items = client.database("shop").collection::<Document>("items");
    /// session
    ///     .start_transaction()
    ///     .and_run(items, |session, items| {
    ///         Box::pin(async move {
    ///             items.insert_one(doc! { "_id": 1 }).session(&mut *session).await?;
    ///             items.delete_one(doc! { "_id": 2 }).session(&mut *session).await?;
    ///             Ok(())
    ///         })
    ///     })
    ///     .await
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`and_run2`](Self::and_run2).
    #[doc(alias = "with_transaction")]
    pub fn and_run<R, C, B>(self, context: C, callback: B) -> Boxed<'a, Result<R>>
    where
        R: Send + 'a,
        C: Send + 'a,
        B: for<'t> FnMut(&'t mut ClientSession<Async>, &'t mut C) -> Boxed<'t, Result<R>>
            + Send
            + 'a,
    {
        let body = WithContext { context, callback };
        Box::pin(run(self, body))
    }

    /// Starts a transaction, calls `callback` in it, and commits it. The future can be spawned,
    /// also if the closure borrows. The error type is the caller's.
    ///
    /// The callback must pass the session to each operation of the transaction. **It may be called
    /// several times**: after errors with the label `TransientTransactionError`, the transaction is
    /// restarted after a short delay. This goes on for 120 seconds, or until the timeout of the
    /// session or the client expires. A commit with an unknown result is sent again. Therefore the
    /// callback must not have side effects outside the transaction. It must return the errors of
    /// its operations, because a transaction with a failed operation cannot be committed.
    ///
    /// If the callback returns an error, the transaction is aborted. If the callback itself commits
    /// or aborts, nothing more is sent.
    ///
    /// The error that the callback returns decides whether it is called again:
    /// - [`driver::Error`](Error): if it has the label.
    /// - `Box<dyn std::error::Error>`, also with `Send + Sync`: if it, or one of its sources, is a
    ///   [`driver::Error`](Error) with the label.
    /// - Any other type: if an operation of the transaction failed with the label, and the callback
    ///   has not aborted the transaction. So such a callback aborts it in order to give up.
    ///
    /// A timeout (`timeoutMS`) bounds all attempts together. Operations in the session get the
    /// remaining time, and must not set their own timeout.
    ///
    /// ```no_run
    /// # enum TransferError { Poor, Driver(driver::Error) }
    /// # impl From<driver::Error> for TransferError {
    /// #     fn from(error: driver::Error) -> Self { TransferError::Driver(error) }
    /// # }
    /// # async fn example(client: driver::Client) -> Result<(), TransferError> {
    /// use driver::bson::{Document, doc};
    ///
    /// let accounts = client.database("bank").collection::<Document>("accounts");
    /// let mut session = client.start_session().await?;
    /// session
    ///     .start_transaction()
    ///     .and_run2(async |session| {
    ///         let rich = doc! { "_id": "a", "money": { "$gte": 10 } };
    ///         let take = doc! { "$inc": { "money": -10 } };
    ///         let taken = accounts.update_one(rich, take).session(&mut *session).await?;
    ///         if taken.modified_count == 0 {
    ///             return Err(TransferError::Poor);
    ///         }
    ///         let give = doc! { "$inc": { "money": 10 } };
    ///         accounts.update_one(doc! { "_id": "b" }, give).session(&mut *session).await?;
    ///         Ok(())
    ///     })
    ///     .await
    /// # }
    /// ```
    ///
    /// If the compiler cannot infer the error type, write `Ok::<_, driver::Error>(())`.
    ///
    /// # Errors
    /// - That of the callback.
    /// - Those of [`commit_transaction`](ClientSession::commit_transaction).
    /// - `Timeout` if there was no time for another attempt; its source is the error of the last
    ///   attempt. An error of the callback's own type stays as it is.
    /// - `InvalidArgument` if a transaction is already in progress.
    ///
    /// # Cancel safety
    /// If the future is dropped, the transaction stays open: abort it, or drop the session, which
    /// aborts it in the background. If the future is dropped during the commit, the transaction may
    /// or may not be committed.
    #[doc(alias = "with_transaction")]
    pub fn and_run2<R, E, B>(self, callback: B) -> Boxed<'a, std::result::Result<R, E>>
    where
        R: Send + 'a,
        E: From<Error> + Send + 'static,
        B: AsyncFnMut(&mut ClientSession<Async>) -> std::result::Result<R, E>
            + for<'t> TransactionBody<'t, Async, R, E, Future: Send>
            + Send
            + 'a,
    {
        Box::pin(run(self, callback))
    }
}

impl StartTransaction<'_, Blocking> {
    /// Starts a transaction, calls `callback` in it, and commits it.
    ///
    /// Like the async API's [`and_run2`](StartTransaction::and_run2): **the callback may be called
    /// several times**.
    ///
    /// ```no_run
    /// # fn example(client: driver::sync::Client) -> driver::Result<()> {
    /// use driver::bson::{Document, doc};
    ///
    /// let items = client.database("shop").collection::<Document>("items");
    /// let mut session = client.start_session().run()?;
    /// session.start_transaction().and_run(|session| {
    ///     items.insert_one(doc! { "_id": 1 }).session(&mut *session).run()?;
    ///     items.delete_one(doc! { "_id": 2 }).session(&mut *session).run()?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of the async API's [`and_run2`](StartTransaction::and_run2).
    #[doc(alias = "with_transaction")]
    pub fn and_run<R>(
        self,
        mut callback: impl FnMut(&mut ClientSession<Blocking>) -> Result<R>,
    ) -> Result<R> {
        let body = move |session: &mut ClientSession<Blocking>| ready(callback(session));
        block_on(run(self, body))
    }

    /// Like [`and_run`](Self::and_run), with any error type. The error decides whether the callback
    /// is called again, as in the async API's [`and_run2`](StartTransaction::and_run2).
    ///
    /// # Errors
    /// Those of the async API's [`and_run2`](StartTransaction::and_run2).
    ///
    /// # Examples
    /// ```no_run
    /// # enum TransferError { Poor, Driver(driver::Error) }
    /// # impl From<driver::Error> for TransferError {
    /// #     fn from(error: driver::Error) -> Self { TransferError::Driver(error) }
    /// # }
    /// # fn example(client: driver::sync::Client) -> Result<(), TransferError> {
    /// use driver::bson::{Document, doc};
    ///
    /// let accounts = client.database("bank").collection::<Document>("accounts");
    /// let mut session = client.start_session().run()?;
    /// session.start_transaction().and_run2(|session| {
    ///     let rich = doc! { "_id": "a", "money": { "$gte": 10 } };
    ///     let take = doc! { "$inc": { "money": -10 } };
    ///     if accounts.update_one(rich, take).session(&mut *session).run()?.modified_count == 0 {
    ///         return Err(TransferError::Poor);
    ///     }
    ///     let give = doc! { "$inc": { "money": 10 } };
    ///     accounts.update_one(doc! { "_id": "b" }, give).session(&mut *session).run()?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    #[doc(alias = "with_transaction")]
    pub fn and_run2<R, E: From<Error> + 'static>(
        self,
        mut callback: impl FnMut(&mut ClientSession<Blocking>) -> std::result::Result<R, E>,
    ) -> std::result::Result<R, E> {
        let body = move |session: &mut ClientSession<Blocking>| ready(callback(session));
        block_on(run(self, body))
    }
}

/// Sets the deadline of the session while the closure's transaction runs.
struct Timed<'a, F: Mode>(&'a mut ClientSession<F>);

impl<F: Mode> Drop for Timed<'_, F> {
    fn drop(&mut self) {
        self.0.state.set_deadline(None);
    }
}

/// The reason for another attempt.
enum Failed<E> {
    Callback(E),
    Commit(Error),
}

/// Starts the transaction, calls `body` and commits, again and again while that may help.
async fn run<F: Mode, R, E: From<Error> + 'static, B>(
    start: StartTransaction<'_, F>,
    mut body: B,
) -> std::result::Result<R, E>
where
    B: for<'t> TransactionBody<'t, F, R, E>,
{
    let StartTransaction { session, options, timeout: own } = start;
    let runtime = session.state.core().runtime.clone();
    let timeout = Timeout::from(own).or(session.state.timeout());
    let started = Instant::now();
    let limit = match timeout {
        Timeout::Unset => Some(LIMIT),
        Timeout::Infinite => None,
        Timeout::Limit(limit) => Some(limit),
    };
    let is_over =
        move |pause: Duration| limit.is_some_and(|limit| started.elapsed() + pause >= limit);
    let deadline = Some(timeout.begin()).filter(|_| timeout != Timeout::Unset);
    session.state.set_deadline(deadline);
    let timed = Timed(session);
    let session = &mut *timed.0;
    let mut failed = None;
    let mut attempts = 0;
    loop {
        if let Some(failed) = failed.take() {
            let pause = backoff(attempts);
            if is_over(pause) {
                return Err(match failed {
                    Failed::Callback(error) => late(error),
                    Failed::Commit(error) => out_of_time(error).into(),
                });
            }
            runtime.sleep_until(Instant::now() + pause).await;
        }
        session.state.start_transaction(options.clone())?;
        attempts += 1;
        let called = body.call(&mut *session).await;
        let output = match called {
            Ok(output) => output,
            Err(error) => {
                let again = is_transient(&error, session.state.transaction());
                if session.state.transaction().is_active() {
                    // The deadline is for the callback. The abort has its own.
                    session.state.set_deadline(None);
                    let _ = abort(&mut *session, own).await;
                    session.state.set_deadline(deadline);
                }
                if !again {
                    return Err(error);
                }
                failed = Some(Failed::Callback(error));
                continue;
            }
        };
        if !session.state.transaction().is_active() {
            return Ok(output);
        }
        match commit_until_known(&mut *session, is_over).await {
            Ok(()) => return Ok(output),
            Err(Uncommitted::Transient(error)) => failed = Some(Failed::Commit(error)),
            Err(Uncommitted::Final(error)) => return Err(error.into()),
        }
    }
}

/// The error of a commit.
enum Uncommitted {
    /// The whole transaction may be run again.
    Transient(Error),
    Final(Error),
}

/// Commits, again and again while the result is unknown and the time is not over.
async fn commit_until_known<F: Mode>(
    session: &mut ClientSession<F>,
    is_over: impl Fn(Duration) -> bool,
) -> std::result::Result<(), Uncommitted> {
    let mut previous = None;
    loop {
        let Err(error) = commit(&mut *session, None).await else { return Ok(()) };
        // A commit that was not sent in time says nothing about the one before it.
        if let Some(previous) = previous.take()
            && matches!(error.kind(), ErrorKind::Timeout { .. })
            && std::error::Error::source(&error).is_none()
        {
            return Err(Uncommitted::Final(out_of_time(previous)));
        }
        // The caller limited the time of the commit, so it is not sent again.
        let unknown = error.has_label(UNKNOWN_TRANSACTION_COMMIT_RESULT)
            && error.code() != Some(codes::MAX_TIME_MS_EXPIRED);
        if !unknown {
            let transient = error.has_label(TRANSIENT_TRANSACTION_ERROR);
            return Err(if transient {
                Uncommitted::Transient(error)
            } else {
                Uncommitted::Final(error)
            });
        }
        if is_over(Duration::ZERO) {
            return Err(Uncommitted::Final(out_of_time(error)));
        }
        previous = Some(error);
    }
}

type BoxedError = Box<dyn std::error::Error>;
type SharedError = Box<dyn std::error::Error + Send + Sync>;

/// Whether the callback is called again after its `error`. A type that hides the label is judged by
/// the transaction.
fn is_transient<E: 'static>(error: &E, transaction: &Transaction) -> bool {
    let any: &dyn Any = error;
    if let Some(error) = any.downcast_ref::<Error>() {
        error.has_label(TRANSIENT_TRANSACTION_ERROR)
    } else if let Some(error) = any.downcast_ref::<BoxedError>() {
        is_caused_by_transient(&**error)
    } else if let Some(error) = any.downcast_ref::<SharedError>() {
        is_caused_by_transient(&**error)
    } else {
        transaction.is_transient_failure() && transaction.state() != TransactionState::Aborted
    }
}

fn is_caused_by_transient(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source())
        .filter_map(|error| error.downcast_ref::<Error>())
        .any(|error| error.has_label(TRANSIENT_TRANSACTION_ERROR))
}

/// The error of a callback that has no time for another attempt: a timeout, if `error` is the
/// driver's, or a box with one.
fn late<E: From<Error> + 'static>(error: E) -> E {
    let any: &dyn Any = &error;
    let own = if let Some(boxed) = any.downcast_ref::<BoxedError>() {
        boxed.downcast_ref()
    } else if let Some(boxed) = any.downcast_ref::<SharedError>() {
        boxed.downcast_ref()
    } else {
        any.downcast_ref::<Error>()
    };
    own.cloned().map_or(error, |own| out_of_time(own).into())
}

/// The delay before the attempt after `attempts` others (section "Sequence of Actions").
fn backoff(attempts: i32) -> Duration {
    const INITIAL: Duration = Duration::from_millis(5);
    const MOST: Duration = Duration::from_millis(500);
    const GROWTH: f64 = 1.5;
    // The delay has reached its maximum by then.
    let grown = INITIAL.mul_f64(GROWTH.powi(attempts.min(20)));
    grown.min(MOST).mul_f64(fastrand::f64())
}

/// A timeout whose source is the error of the last attempt.
fn out_of_time(error: Error) -> Error {
    if error.is_timeout() {
        return error;
    }
    let message = format!(
        "the transaction did not succeed in time; the last attempt failed: {}",
        error.without_host()
    );
    Error::interrupted(ErrorKind::Timeout { message }, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_to_half_a_second() {
        for (attempts, most) in [(1, 7.5), (2, 11.25), (12, 500.0), (1000, 500.0)] {
            let pauses = || (0..200).map(|_| backoff(attempts).as_secs_f64() * 1000.0);
            assert!(pauses().all(|pause| pause <= most + 1e-6), "{attempts}");
            assert!(pauses().any(|pause| pause > most / 4.0), "{attempts}");
        }
    }
}
