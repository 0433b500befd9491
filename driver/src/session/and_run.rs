//! A transaction by closure, started again as long as that may help (specification "Convenient API
//! for Transactions").

use std::future::ready;
use std::time::{Duration, Instant};

use super::ClientSession;
use super::transaction::{StartTransaction, abort, commit};
use crate::error::{
    Error, ErrorKind, Result, TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT, codes,
};
use crate::exec::Timeout;
use crate::mode::{Async, Blocking, Mode};
use crate::ops::Boxed;
use crate::rt::block_on;

/// The time limit for retries of a transaction without a timeout (`timeoutMS`).
const LIMIT: Duration = Duration::from_secs(120);

/// The closure of a transaction, called once for each attempt. Every async closure that takes the
/// session and changes nothing that it borrows is one.
pub trait TransactionBody<'t, F: Mode, R, E> {
    /// One call under way.
    type Future: Future<Output = std::result::Result<R, E>>;

    /// Calls the closure.
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

/// A closure with what it is given each time.
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
    /// Starts a transaction, calls `callback` in it, and commits it. `context` is what the callback
    /// works with.
    ///
    /// As [`and_run2`](Self::and_run2), for a callback that gives boxed futures. They can borrow
    /// only from the session and from `context`.
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
    pub fn and_run<R, C, B>(self, context: C, callback: B) -> Boxed<'a, Result<R>>
    where
        R: Send + 'a,
        C: Send + 'a,
        B: for<'t> FnMut(&'t mut ClientSession<Async>, &'t mut C) -> Boxed<'t, Result<R>>
            + Send
            + 'a,
    {
        let body = WithContext { context, callback };
        Box::pin(run(self, body, out_of_time))
    }

    /// Starts a transaction, calls `callback` in it, and commits it. The future can be spawned,
    /// whatever the closure borrows, and the error is of the caller's own type.
    ///
    /// The callback gives the session to each operation that belongs to the transaction. **It may
    /// be called several times**: as long as the transaction fails in a way that another attempt
    /// may not meet (the label `TransientTransactionError`), it is started again after a short
    /// pause, for 120 seconds or as long as the client's or the session's timeout allows. A commit
    /// whose result is unknown is sent again. So the callback must change nothing but documents in
    /// the transaction, and must return the errors of its operations: a transaction whose failure
    /// it hides cannot be committed.
    ///
    /// A callback that returns an error aborts the transaction. One that has committed or aborted
    /// it by itself ends it as it is.
    ///
    /// Where a timeout (`timeoutMS`) is set, it holds for all of it: operations in the session get
    /// what is left, and must not have one of their own.
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
    /// Where the compiler cannot tell the type of the error, name it: `Ok::<_, driver::Error>(())`.
    ///
    /// # Errors
    /// - That of the callback, as it is.
    /// - Those of [`commit_transaction`](ClientSession::commit_transaction). A `Timeout` where
    ///   there was no time for another attempt; the error of the last one is its source.
    /// - `InvalidArgument` when a transaction is in progress already.
    ///
    /// # Cancel safety
    /// Dropped while it runs, the transaction is open: abort it, or drop the session, which aborts
    /// it in the background. Dropped while it commits, it may or may not have been committed.
    pub fn and_run2<R, E, B>(self, callback: B) -> Boxed<'a, std::result::Result<R, E>>
    where
        R: Send + 'a,
        E: From<Error> + Send + 'a,
        B: AsyncFnMut(&mut ClientSession<Async>) -> std::result::Result<R, E>
            + for<'t> TransactionBody<'t, Async, R, E, Future: Send>
            + Send
            + 'a,
    {
        Box::pin(run(self, callback, |error| error))
    }
}

impl StartTransaction<'_, Blocking> {
    /// Starts a transaction, calls `callback` in it, and commits it.
    ///
    /// As the async API's [`and_run2`](StartTransaction::and_run2): **the callback may be
    /// called several times**.
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
    pub fn and_run<R>(
        self,
        mut callback: impl FnMut(&mut ClientSession<Blocking>) -> Result<R>,
    ) -> Result<R> {
        let body = move |session: &mut ClientSession<Blocking>| ready(callback(session));
        block_on(run(self, body, out_of_time))
    }

    /// As [`and_run`](Self::and_run), with an error of the caller's own type.
    ///
    /// # Errors
    /// That of the callback, as it is; and those of [`and_run`](Self::and_run).
    pub fn and_run2<R, E: From<Error>>(
        self,
        mut callback: impl FnMut(&mut ClientSession<Blocking>) -> std::result::Result<R, E>,
    ) -> std::result::Result<R, E> {
        let body = move |session: &mut ClientSession<Blocking>| ready(callback(session));
        block_on(run(self, body, |error| error))
    }
}

/// The deadline of the session, as long as a convenient transaction runs.
struct Timed<'a, F: Mode>(&'a mut ClientSession<F>);

impl<F: Mode> Drop for Timed<'_, F> {
    fn drop(&mut self) {
        self.0.state.set_deadline(None);
    }
}

/// Why there is another attempt.
enum Failed<E> {
    Callback(E),
    Commit(Error),
}

/// `late` makes the error of a callback for whose repetition there is no time.
async fn run<F: Mode, R, E: From<Error>, B>(
    start: StartTransaction<'_, F>,
    mut body: B,
    late: fn(E) -> E,
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
    let is_over = |pause: Duration| limit.is_some_and(|limit| started.elapsed() + pause >= limit);
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
                let again = session.state.transaction().is_transient_failure();
                if session.state.transaction().is_active() {
                    // The time that is left is the callback's; the abort has its own.
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
        let mut previous = None;
        let error = loop {
            let Err(error) = commit(&mut *session, None).await else { return Ok(output) };
            // A commit that was not sent in time says nothing about the one before it.
            if let Some(previous) = previous.take()
                && matches!(error.kind(), ErrorKind::Timeout { .. })
                && std::error::Error::source(&error).is_none()
            {
                return Err(out_of_time(previous).into());
            }
            // The caller limited the time of a commit: that one is not sent once more.
            let unknown = error.has_label(UNKNOWN_TRANSACTION_COMMIT_RESULT)
                && error.code() != Some(codes::MAX_TIME_MS_EXPIRED);
            if !unknown {
                break error;
            }
            if is_over(Duration::ZERO) {
                return Err(out_of_time(error).into());
            }
            previous = Some(error);
        };
        if !error.has_label(TRANSIENT_TRANSACTION_ERROR) {
            return Err(error.into());
        }
        failed = Some(Failed::Commit(error));
    }
}

/// The delay before the attempt after `attempts` others (section "Sequence of Actions").
fn backoff(attempts: i32) -> Duration {
    const INITIAL: Duration = Duration::from_millis(5);
    const MOST: Duration = Duration::from_millis(500);
    const GROWTH: f64 = 1.5;
    // More attempts than this make no difference.
    let grown = INITIAL.mul_f64(GROWTH.powi(attempts.min(20)));
    grown.min(MOST).mul_f64(fastrand::f64())
}

/// The error of a transaction for which there is no more time: a timeout, whose source is the error
/// of the last attempt.
fn out_of_time(error: Error) -> Error {
    if error.is_timeout() {
        return error;
    }
    let mut timeout = Error::timeout(format!(
        "the transaction did not succeed in time; the last attempt failed: {}",
        error.without_host()
    ));
    error.labels().iter().for_each(|label| timeout.add_label(label));
    if let Some(response) = error.server_response() {
        timeout = timeout.with_response(response.clone());
    }
    match error.host().cloned() {
        Some(host) => timeout.with_source(error).at(&host),
        None => timeout.with_source(error),
    }
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
