//! The executor: one way that all operations take.
//!
//! Select a server, check a connection out, write the command straight into the connection's
//! buffer, one write, one read, and look at what the reply says; then decode from the same buffer,
//! and check the connection in. No task is spawned, nothing is cloned, and no lock is taken but the
//! pool's and, for as long as it takes to pop a value, that of the idle server sessions.
//!
//! | question | file |
//! |---|---|
//! | what is an operation, and where does it go? | `operation.rs` |
//! | what does every command carry? | `envelope.rs` |
//! | what happens in one attempt? | `attempt.rs` |
//! | what may be sent again, and which error is told? | `retry.rs` |
//! | what does a reply say, and what is wrong with it? | `header.rs`, `failure.rs`, `reply.rs` |
//! | what is told of it? | `command_monitor.rs` |
//! | sessions and cluster time | `session_pool.rs`, `cluster_time.rs` |

mod attempt;
pub(crate) mod batch;
mod cluster_time;
mod command_monitor;
mod envelope;
pub(crate) mod failure;
mod header;
pub(crate) mod kill_queue;
#[cfg(feature = "tracing")]
mod logging;
mod operation;
mod reply;
mod retry;
mod session;
mod session_pool;

use std::ops::Deref;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use threadwatch::ForkGeneration;

pub(crate) use self::attempt::check_size;
use self::cluster_time::ClusterClock;
pub use self::cluster_time::ClusterTime;
pub(crate) use self::header::{ReplyHeader, malformed};
pub(crate) use self::kill_queue::KillQueue;
pub(crate) use self::operation::{
    Access, Complaints, Meta, Operation, RequestContext, Retry, SessionRef, Setting, Target,
};
use self::reply::LeasedSession;
pub(crate) use self::reply::Reply;
use self::retry::Failure;
pub(crate) use self::session::SessionState;
pub(crate) use self::session_pool::ServerSession;
use self::session_pool::SessionPool;
use crate::deadline::Deadline;
use crate::description::TopologyType;
use crate::error::{Error, Result, SYSTEM_OVERLOADED_ERROR};
use crate::options::{ClientOptions, Concerns, ServerAddress};
use crate::pool::{CheckOutError, Lease, Pool, RequestPins, ThreadPins};
use crate::rt::Runtime;
use crate::topology::{Criteria, Deployment, Selected};

/// What the handles of one client share; those of a request share, besides, what it has pinned.
pub(crate) struct Core {
    inner: Arc<ClientInner>,
    request: Option<Arc<RequestPins>>,
}

/// What all handles of one client share.
pub(crate) struct ClientInner {
    pub(crate) deployment: Arc<Deployment>,
    pub(crate) options: Arc<ClientOptions>,
    /// What the options say for the operations of the client itself.
    pub(crate) concerns: Concerns,
    pub(crate) runtime: Runtime,
    pub(crate) sessions: SessionPool,
    pub(crate) clock: ClusterClock,
    /// Cursors to be ended on the servers.
    pub(crate) kills: KillQueue,
    /// The requests of a blocking client's threads.
    pub(crate) threads: Option<Arc<ThreadPins>>,
    /// The process that it was made in.
    born: ForkGeneration,
    /// What takes its place in a child of that process.
    fork_successor: OnceLock<Result<Box<ClientInner>>>,
}

impl Deref for Core {
    type Target = ClientInner;

    #[inline]
    fn deref(&self) -> &ClientInner {
        self.inner.here()
    }
}

impl ClientInner {
    fn open(options: Arc<ClientOptions>, runtime: Runtime) -> Result<Self> {
        let born = ForkGeneration::current();
        let deployment = Deployment::open(Arc::clone(&options), runtime.clone())?;
        let (sessions, clock) = (SessionPool::default(), ClusterClock::default());
        let threads = runtime.is_blocking().then(|| ThreadPins::new(options.auto_start_request()));
        let (kills, fork_successor) = (KillQueue::default(), OnceLock::new());
        let concerns = Concerns::of_client(&options);
        Ok(ClientInner {
            deployment,
            options,
            concerns,
            runtime,
            sessions,
            clock,
            kills,
            threads,
            born,
            fork_successor,
        })
    }

    /// The inner of this process: itself, unless the process has forked since; then one that is
    /// opened anew, for the sockets, threads and sessions of the parent are the parent's.
    #[inline]
    fn here(&self) -> &ClientInner {
        if self.born.is_current() { self } else { self.inherited() }
    }

    #[cold]
    fn inherited(&self) -> &ClientInner {
        match self.fork_successor() {
            Ok(fork_successor) => fork_successor.here(),
            Err(_) => self,
        }
    }

    #[cold]
    fn fork_successor(&self) -> &Result<Box<ClientInner>> {
        self.fork_successor.get_or_init(|| {
            if !self.runtime.is_blocking() {
                return Err(Error::invalid_argument(
                    "the client was made before the process forked, and its runtime stayed behind; make a new client in \
                     the child, or use driver::sync::Client, which survives a fork",
                ));
            }
            Ok(Box::new(ClientInner::open(Arc::clone(&self.options), Runtime::blocking()?)?))
        })
    }

    /// # Errors
    /// That of a client which cannot be used after a fork.
    fn survived_fork(&self) -> Result<()> {
        match self.born.is_current() {
            true => Ok(()),
            false => self.fork_successor().as_ref().map_err(Error::clone)?.survived_fork(),
        }
    }
}

impl Drop for ClientInner {
    fn drop(&mut self) {
        if !self.born.is_current() {
            // The parent's sockets are left alone, and so are locks that a thread of the parent may
            // have held.
            std::mem::forget((Arc::clone(&self.deployment), self.threads.clone()));
        }
    }
}

impl Core {
    /// # Errors
    /// `InvalidArgument` when the options contradict each other.
    pub(crate) fn open(mut options: ClientOptions, runtime: Runtime) -> Result<Arc<Self>> {
        options.validate()?;
        options.warn_of_missing_features();
        if options.auto_start_request() && !runtime.is_blocking() {
            return Err(Error::invalid_argument(
                "auto_start_request is for blocking clients, whose requests belong to threads; an async client starts a \
                 request with start_request()",
            ));
        }
        #[cfg(feature = "tracing")]
        let options = logging::listening(options);
        let inner = Arc::new(ClientInner::open(Arc::new(options), runtime)?);
        Ok(Arc::new(Core { inner, request: None }))
    }

    /// The same client in a request of its own; in this one, where it is in one already.
    pub(crate) fn in_request(self: &Arc<Self>) -> Arc<Self> {
        match self.request {
            Some(_) => Arc::clone(self),
            None => {
                Arc::new(Core { inner: Arc::clone(&self.inner), request: Some(Arc::default()) })
            }
        }
    }

    /// The same client outside of any request.
    pub(crate) fn outside_of_requests(&self) -> Self {
        Core { inner: Arc::clone(&self.inner), request: None }
    }

    /// Whether nobody else holds the client.
    pub(crate) fn is_last_handle(&self) -> bool {
        Arc::strong_count(&self.inner) == 1
    }

    /// Whether both are of one client.
    pub(crate) fn is_same_client(&self, other: &Core) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// A connection of `pool` for one operation, if one can be had at once; else
    /// [`check_out`](Self::check_out) waits for it.
    #[inline]
    fn check_out_now(&self, pool: &Pool) -> Option<Lease> {
        match (&self.request, &self.threads) {
            // Who has the turn keeps it while it waits for a connection: it is not asked for twice.
            (Some(_), _) => None,
            (None, Some(threads)) => threads.check_out_now(pool),
            (None, None) => Lease::of_idle(pool),
        }
    }

    /// A connection of `pool` for one operation: that of the request, if the operation is in one.
    async fn check_out(
        &self,
        pool: &Pool,
        deadline: Deadline,
    ) -> std::result::Result<Lease, CheckOutError> {
        match (&self.request, &self.threads) {
            (Some(request), _) => request.check_out(pool, deadline).await,
            (None, Some(threads)) => threads.check_out(pool, deadline).await,
            (None, None) => Lease::of_pool(pool, deadline).await,
        }
    }

    /// # Errors
    /// That of a client which cannot be used after a fork; `RuntimeEnded`.
    pub(crate) fn check_usable(&self) -> Result<()> {
        self.inner.survived_fork()?;
        self.runtime.check()
    }

    /// Gives a session back that an operation, a cursor or the caller has held.
    pub(crate) fn give_back(&self, session: ServerSession) {
        // Asked first: in a forked child, all that follows would open a client of its own.
        if session.is_of_this_process() {
            self.sessions.give(session, self.deployment.logical_session_timeout());
        }
    }
}

/// Runs `operation` in a session, more than once where that is allowed.
///
/// # Errors
/// Those of selection, checkout, socket and protocol; `Command` for `ok: 0`; `Write` where the
/// operation's [`Complaints`] leave it to the executor to look for write errors and write concern
/// errors.
///
/// Cancel safety: a dropped future leaves a connection that is drained or closed, and a session
/// that is used again once it is drained; whether the command was carried out is open.
#[expect(clippy::manual_async_fn, reason = "an `async fn` keeps its arguments twice")]
pub(crate) fn execute<'c>(
    core: &'c Core,
    operation: &mut dyn Operation,
    session_ref: SessionRef<'_>,
    deadline: Deadline,
) -> impl Future<Output = Result<Reply<'c>>> {
    async move {
        core.check_usable()?;
        // An aggregation that writes answers always: it opens a cursor.
        let acknowledged =
            operation.meta().access != Access::Write || operation.context().is_acknowledged();
        check_session_ref(core, &session_ref, acknowledged)?;
        let options = &*core.options;
        let retry = match operation.meta().retry {
            Retry::Read if options.retry_reads() => Retry::Read,
            Retry::Write if options.retry_writes() && acknowledged => Retry::Write,
            _ => Retry::Never,
        };
        let when_overloaded = match operation.meta().retry {
            Retry::Read => options.retry_reads(),
            Retry::Write => options.retry_writes(),
            Retry::Never => options.retry_reads() && options.retry_writes(),
        };
        let lease = LeasedSession { core, session: None, timeout: None };
        let mut retries = RetryState {
            lease,
            session_ref,
            deadline,
            acknowledged,
            retry,
            when_overloaded: when_overloaded && acknowledged,
            txn_number: None,
            deprioritized: Vec::new(),
            previous_error: None,
            failed: 0,
            overloaded: false,
        };
        loop {
            let target = operation.context().target;
            let selected = match select_now(core, target, &retries.deprioritized) {
                Ok(Selection::Made(selected)) => Ok(selected),
                // Boxed, for it is rare and large, as is all that follows a failure; every
                // operation's future would be as large.
                Ok(Selection::Waits(criteria)) => {
                    let name = operation.meta().name;
                    Box::pin(select(core, name, criteria, &retries.deprioritized, deadline)).await
                }
                Err(error) => Err(error),
            };
            let selected = match selected {
                Ok(selected) => selected,
                Err(error) => return Err(core.runtime.explain(retries.unselected(error))),
            };
            let failure = match attempt::attempt(&mut retries, operation, &selected).await {
                Ok((connection, header)) => {
                    return Ok(Reply { connection, header, lease: retries.lease, selected });
                }
                Err(failure) => failure,
            };
            if let Some(rest) = retries.after(operation.context().target, failure, &selected)? {
                rest.await;
            }
        }
    }
}

/// What is waited for between two attempts.
type Backoff<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// What one operation keeps from one attempt to the next.
struct RetryState<'c, 's> {
    lease: LeasedSession<'c>,
    /// Whose session it runs in.
    session_ref: SessionRef<'s>,
    /// When to give up.
    deadline: Deadline,
    /// Whether the server is to answer at all.
    acknowledged: bool,
    /// As the operation's, unless the options, the scope or the server forbid it.
    retry: Retry,
    /// Whether the operation, of whatever kind, may be sent again when a server had too much to do
    /// even to begin with it.
    when_overloaded: bool,
    /// Of a retryable write: the same in every attempt.
    txn_number: Option<i64>,
    /// Servers that are taken only if nothing else suits.
    deprioritized: Vec<ServerAddress>,
    /// The error that is told unless a later attempt does better.
    previous_error: Option<Error>,
    /// How many attempts have come to nothing.
    failed: u32,
    /// Whether one of them met a server with too much to do.
    overloaded: bool,
}

impl<'c> RetryState<'c, '_> {
    /// Whether there is another attempt after one that came to nothing; gives what is to be waited
    /// for before it.
    ///
    /// # Errors
    /// Where there is none, that of the operation.
    #[cold]
    fn after<'r>(
        &mut self,
        target: Target<'r>,
        failure: Failure,
        selected: &Selected,
    ) -> Result<Option<Backoff<'r>>>
    where
        'c: 'r,
    {
        let core = self.lease.core;
        let permitted = retry::permits(self.retry, &failure.error)
            || (self.when_overloaded && retry::is_turned_away(&failure.error));
        let again = permitted && self.may_repeat(&failure.error);
        if again && retargets(core, &failure.error) {
            self.deprioritized.push(selected.address().clone());
        }
        self.failed += 1;
        let pause = retry::backoff(self.failed, &failure.error).map(|pause| Instant::now() + pause);
        let criteria = target.criteria().ok().filter(|_| again && pause.is_none());
        let recheck = criteria
            .and_then(|criteria| core.deployment.recheck(&failure.error, selected, criteria));
        // Whether the operation would have gone on, or waited longer, if it had had the time.
        let out_of_time = self.deadline.is_over() && (permitted || failure.error.is_timeout());
        let previous_error = self.previous_error.take();
        let told = previous_error.clone().filter(|_| out_of_time);
        let error = failure.outranks(previous_error);
        if out_of_time {
            return Err(core.runtime.explain(in_time(error, told)));
        }
        if !again || pause.is_some_and(|until| self.deadline.instant().is_some_and(|at| at < until))
        {
            return Err(core.runtime.explain(error));
        }
        self.previous_error = Some(error);
        self.overloaded |= pause.is_some();
        Ok(match (pause, recheck) {
            (Some(until), _) => Some(Box::pin(core.runtime.sleep_until(until))),
            (None, Some(recheck)) => {
                Some(Box::pin(recheck.settle(&core.deployment, self.deadline)))
            }
            (None, None) => None,
        })
    }

    /// The error of an operation for which no server was found.
    #[cold]
    fn unselected(&mut self, error: Error) -> Error {
        match self.previous_error.take() {
            None => error,
            Some(previous_error) if error.is_timeout() && self.deadline.is_over() => {
                in_time(previous_error, None)
            }
            // From the previous_error error the caller learns that something may have been done.
            Some(previous_error) => previous_error,
        }
    }

    /// Whether there may be an attempt after the one that ended with `error`: one more, or as many
    /// as fit into the operation's `timeout`; where a server had too much to do, as many as
    /// `maxAdaptiveRetries`.
    fn may_repeat(&self, error: &Error) -> bool {
        let overloaded = self.overloaded || error.has_label(SYSTEM_OVERLOADED_ERROR);
        if overloaded && self.failed >= self.lease.core.options.max_adaptive_retries() {
            return false;
        }
        match self.deadline.instant() {
            None => overloaded || self.failed == 0,
            Some(_) => !self.deadline.is_over(),
        }
    }
}

/// Whether another attempt goes to another server, if one suits it (specifications "Retryable
/// Reads", section "Server Selection", and "Client Backpressure", section "Overload retry policy").
fn retargets(core: &Core, error: &Error) -> bool {
    (error.has_label(SYSTEM_OVERLOADED_ERROR) && core.options.enable_overload_retargeting())
        || core.deployment.description().topology_type() == TopologyType::Sharded
}

/// How far the selection of a server has come without waiting.
enum Selection<'s> {
    Made(Selected),
    /// [`select`] goes on with it.
    Waits(Criteria<'s>),
}

/// The server for the next attempt, if one suits it at this moment; else it is waited for, as it is
/// where somebody is told of it.
#[inline]
fn select_now<'s>(
    core: &Core,
    target: Target<'s>,
    deprioritized: &[ServerAddress],
) -> Result<Selection<'s>> {
    let criteria = match target.criteria() {
        Ok(criteria) => criteria,
        Err(server) => return Ok(Selection::Made(Selected::new(Arc::clone(server), false))),
    };
    #[cfg(feature = "tracing")]
    if logging::Selection::is_wanted() {
        return Ok(Selection::Waits(criteria));
    }
    let selected = core.deployment.select_now(criteria, deprioritized)?;
    Ok(selected.map_or(Selection::Waits(criteria), Selection::Made))
}

/// The server for the next attempt.
async fn select(
    core: &Core,
    operation: &'static str,
    criteria: Criteria<'_>,
    deprioritized: &[ServerAddress],
    deadline: Deadline,
) -> Result<Selected> {
    #[cfg(feature = "tracing")]
    if logging::Selection::is_wanted() {
        return logging::Selection { operation, criteria }
            .told(&core.deployment, deprioritized, deadline)
            .await;
    }
    let _ = operation;
    core.deployment.select(criteria, deprioritized, deadline).await
}

/// Refuses a session of another client, one of the process that this one was forked from, and one
/// for a write that nobody acknowledges.
fn check_session_ref(core: &Core, session_ref: &SessionRef<'_>, acknowledged: bool) -> Result<()> {
    let SessionRef::Explicit(session) = session_ref else { return Ok(()) };
    if !session.belongs_to(core) {
        return Err(Error::invalid_argument(
            "the session was started by another client; use one of this client",
        ));
    }
    if session.is_inherited() {
        return Err(Error::invalid_argument(
            "the session was started before the process forked, and belongs to the process that started it; start a new \
             one in this process",
        ));
    }
    if !acknowledged {
        return Err(Error::invalid_argument(
            "an unacknowledged write (w: 0) cannot be part of a session; acknowledge it, or leave the session out",
        ));
    }
    Ok(())
}

/// The error of an operation whose `timeoutMS` has passed. It says what `error` says, and carries
/// it as its source; so it does with `previous_error`, the error of an attempt before, where
/// `error` itself tells of nothing but time (specification "Client Side Operations
/// Timeout", section "Errors").
fn in_time(error: Error, previous_error: Option<Error>) -> Error {
    let cause = match previous_error {
        // A caller may ask for the code of the server's own answer.
        Some(previous_error) if error.is_timeout() && error.code().is_some() => {
            return error.with_source(previous_error);
        }
        Some(previous_error) if error.is_timeout() => previous_error,
        _ if error.is_timeout() && !error.is_network() => return error,
        _ => error.clone(),
    };
    let message = match cause.is_timeout() {
        true => "the operation did not end within its timeout (timeoutMS)".to_owned(),
        false => format!(
            "the operation did not end within its timeout (timeoutMS); an attempt before that failed: {}",
            cause.without_host()
        ),
    };
    let mut timeout = Error::timeout(message);
    error.labels().iter().for_each(|label| timeout.add_label(label));
    if let Some(response) = error.server_response() {
        timeout = timeout.with_response(response.clone());
    }
    let host = error.host().cloned();
    let timeout = timeout.with_source(cause);
    match host {
        Some(host) => timeout.at(&host),
        None => timeout,
    }
}
