//! The executor, which runs all operations.
//!
//! It selects a server, checks a connection out, encodes the command into the connection's buffer,
//! writes once, reads once, and checks the reply for errors. The operation decodes its result from
//! the same buffer, and the connection is checked in. The executor spawns no task and copies no
//! document or command. It takes only two locks, each for a short time: that of the pool, and that
//! of the idle server sessions.
//!
//! | question | file |
//! |---|---|
//! | what is an operation, and what is its target? | `operation.rs` |
//! | what is a cursor or a transaction pinned to? | `pinned_to.rs` |
//! | which fields does every command have? | `envelope.rs` |
//! | what happens in one attempt? | `attempt.rs` |
//! | how long may it take, and what is `maxTimeMS`? | `timeout.rs` |
//! | what is retried, and which error is returned? | `retry.rs`; classes: `operation.rs` |
//! | what does a reply contain, and which errors? | `header.rs`, `failure.rs`, `reply.rs` |
//! | which events and spans are there? | `command_monitor.rs`, `telemetry.rs` |
//! | what does a session add, and learn? | `session.rs`, `session_pool.rs`, `cluster_time.rs` |
//! | what are the states of a transaction? | `session/transaction.rs` |
//! | what happens after a handle is dropped? | `cleanups.rs` |

mod attempt;
pub(crate) mod batch;
mod cleanups;
mod cluster_time;
mod command_monitor;
pub(crate) mod end_transaction;
mod envelope;
pub(crate) mod failure;
mod header;
pub(crate) mod kill_queue;
#[cfg(feature = "tracing")]
mod logging;
mod operation;
mod pinned_to;
mod reply;
mod retry;
mod session;
mod session_pool;
#[cfg(feature = "opentelemetry")]
pub(crate) mod telemetry;
#[cfg(not(feature = "opentelemetry"))]
#[path = "exec/telemetry/off.rs"]
pub(crate) mod telemetry;
mod timeout;

use std::ops::Deref;
use std::pin::Pin;
use std::sync::{Arc, OnceLock, Weak};

use threadwatch::ForkGeneration;

pub(crate) use self::attempt::check_size;
use self::cleanups::Cleanups;
pub(crate) use self::cleanups::{clean_up, flush_cleanups};
use self::cluster_time::ClusterClock;
pub use self::cluster_time::ClusterTime;
pub(crate) use self::header::{ReplyHeader, malformed};
pub(crate) use self::kill_queue::KillQueue;
use self::operation::ServerChoice;
pub(crate) use self::operation::{
    Access, Complaints, Meta, Operation, RequestContext, Retry, SessionRef, Setting, Target,
};
pub(crate) use self::pinned_to::PinnedTo;
pub(crate) use self::reply::Reply;
use self::retry::{Decision, Failure, Retargets, RetryState};
use self::session::Participant;
use self::session::abandoned::AbandonedSessions;
pub(crate) use self::session::{End, SessionState, Transaction, TransactionState};
pub(crate) use self::session_pool::ServerSession;
use self::session_pool::SessionPool;
pub(crate) use self::timeout::{CursorTimeout, MaxTime, Timeout};
use crate::deadline::Deadline;
use crate::description::TopologyType;
use crate::error::{Error, Result};
use crate::options::{ClientOptions, Concerns, ServerAddress};
use crate::pool::{CheckOutError, Lease, PinnedConnection, Pool, RequestPins, ThreadPins};
use crate::rt::Runtime;
use crate::topology::{Criteria, Deployment, Selected};

/// The shared state of a client's handles. The handles of a request also share its pinned
/// connections.
pub(crate) struct Core {
    inner: Arc<ClientInner>,
    request: Option<Arc<RequestPins>>,
}

/// The state that all handles of a client share.
pub(crate) struct ClientInner {
    pub(crate) deployment: Arc<Deployment>,
    pub(crate) options: Arc<ClientOptions>,
    /// The options for operations of the client itself.
    pub(crate) concerns: Concerns,
    pub(crate) runtime: Runtime,
    pub(crate) sessions: SessionPool,
    pub(crate) clock: ClusterClock,
    /// The telemetry of the client, if enabled.
    #[cfg(feature = "opentelemetry")]
    telemetry: Option<telemetry::Telemetry>,
    /// Cursors to kill on the servers.
    pub(crate) kills: KillQueue,
    /// Sessions whose transactions are to be aborted.
    abandoned: AbandonedSessions,
    /// The work that dropped handles leave.
    cleanups: Cleanups,
    /// The requests of a blocking client's threads.
    pub(crate) threads: Option<Arc<ThreadPins>>,
    /// The process that created the client.
    born: ForkGeneration,
    /// The replacement in a forked child.
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
            #[cfg(feature = "opentelemetry")]
            telemetry: telemetry::Telemetry::of(&options),
            options,
            concerns,
            runtime,
            sessions,
            clock,
            kills,
            abandoned: AbandonedSessions::default(),
            cleanups: Cleanups::default(),
            threads,
            born,
            fork_successor,
        })
    }

    /// The state for this process: this one, or a new one if the process has forked since. The
    /// sockets, threads and sessions of the parent belong to the parent.
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
                    "the client was created before the process forked, and its runtime does not \
                     exist in the child; create a new client there, or use driver::sync::Client, \
                     which survives a fork",
                ));
            }
            Ok(Box::new(ClientInner::open(Arc::clone(&self.options), Runtime::blocking()?)?))
        })
    }

    /// # Errors
    /// The client cannot be used after a fork.
    fn survived_fork(&self) -> Result<()> {
        if self.born.is_current() {
            return Ok(());
        }
        self.fork_successor().as_ref().map_err(Error::clone)?.survived_fork()
    }
}

impl Drop for ClientInner {
    fn drop(&mut self) {
        if !self.born.is_current() {
            // Leaves the parent's sockets and locks alone. Threads of the parent may hold the
            // locks.
            std::mem::forget((Arc::clone(&self.deployment), self.threads.clone()));
        }
    }
}

/// A weak reference to a client, for background work.
pub(crate) struct WeakCore(Weak<ClientInner>);

impl WeakCore {
    /// The client outside of any request, unless all its handles were dropped.
    pub(crate) fn upgrade(&self) -> Option<Core> {
        Some(Core { inner: self.0.upgrade()?, request: None })
    }
}

impl Core {
    /// # Errors
    /// `InvalidArgument` if the options contradict each other.
    pub(crate) fn open(mut options: ClientOptions, runtime: Runtime) -> Result<Arc<Self>> {
        options.validate()?;
        options.warn_of_missing_features();
        if options.auto_start_request() && !runtime.is_blocking() {
            return Err(Error::invalid_argument(
                "auto_start_request is only for blocking clients, whose requests belong to \
                 threads; in an async client, call start_request()",
            ));
        }
        #[cfg(feature = "tracing")]
        let options = logging::listening(options);
        let inner = Arc::new(ClientInner::open(Arc::new(options), runtime)?);
        Ok(Arc::new(Core { inner, request: None }))
    }

    /// The same client in a new request, or in its current one.
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

    /// The same client outside of any request, without keeping it alive.
    pub(crate) fn downgrade(&self) -> WeakCore {
        WeakCore(Arc::downgrade(&self.inner))
    }

    /// Whether operations of the calling thread are in a request.
    pub(crate) fn is_in_request(&self) -> bool {
        self.request.is_some() || self.threads.as_ref().is_some_and(|threads| threads.is_started())
    }

    /// Whether both are handles of the same client.
    pub(crate) fn is_same_client(&self, other: &Core) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// A connection of `pool` for one operation, if one is available at once. Otherwise
    /// [`check_out`](Self::check_out) waits for one.
    #[inline]
    fn check_out_now(&self, pool: &Pool) -> Option<Lease> {
        match (&self.request, &self.threads) {
            // A request keeps its turn while it waits for a connection, so it checks out only once.
            (Some(_), _) => None,
            (None, Some(threads)) => threads.check_out_now(pool),
            (None, None) => Lease::of_idle(pool),
        }
    }

    /// A connection of `pool` for one operation, or that of its request.
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
    /// The client cannot be used after a fork; `RuntimeEnded`.
    pub(crate) fn check_usable(&self) -> Result<()> {
        self.inner.survived_fork()?;
        self.runtime.check()
    }

    /// Returns the session of an operation, a cursor or the caller.
    pub(crate) fn give_back(&self, session: ServerSession) {
        // Checked first: in a forked child, the other calls would open a new client.
        if session.is_of_this_process() {
            self.sessions.give(session, self.deployment.logical_session_timeout());
        }
    }
}

/// Runs `operation` in a session, with retries if they are permitted.
///
/// # Errors
/// Those of server selection, checkout, socket and protocol; `Command` for `ok: 0`; `Write` if the
/// operation's [`Complaints`] leave write errors and write concern errors to the executor.
///
/// # Cancel safety
/// After a dropped future, the connection is drained or closed, and its session is reused once it
/// is drained. The command may or may not be executed.
#[expect(clippy::manual_async_fn, reason = "an `async fn` keeps its arguments twice")]
pub(crate) fn execute<'c>(
    core: &'c Core,
    operation: &mut dyn Operation,
    session_ref: SessionRef<'_>,
    deadline: Deadline,
) -> impl Future<Output = Result<Reply<'c>>> {
    async move {
        // The future has room for each variable that is in scope at an `await`, also for one that
        // was moved away. So a function makes the execution, and the next block ends early.
        let mut execution = Execution::begin(core, operation, session_ref, deadline)?;
        loop {
            let selected = {
                let target = execution.session.govern(operation.context()).target;
                execution.pinned = match target.server() {
                    ServerChoice::Pinned(pin) => pin.connection().cloned(),
                    ServerChoice::Select(_) => None,
                };
                let selected = match select_now(core, target, &execution.retries.deprioritized) {
                    Ok(Selection::Made(selected)) => Ok(selected),
                    // Boxed, like everything after a failure, because it is rare and large.
                    Ok(Selection::Waits(criteria)) => {
                        let command = operation.meta().command;
                        let (retries, deadline) = (&execution.retries, execution.deadline);
                        Box::pin(select(core, command, criteria, &retries.deprioritized, deadline))
                            .await
                    }
                    Err(error) => Err(error),
                };
                match selected {
                    Ok(selected) => selected,
                    Err(error) => {
                        let mut error = execution.retries.unselected(error);
                        execution.session.on_error(&mut error);
                        return Err(core.runtime.explain(error));
                    }
                }
            };
            let failure = match attempt::attempt(&mut execution, operation, &selected).await {
                Ok((connection, header)) => {
                    let deadline = execution.deadline;
                    let lease = execution.session.into_implicit();
                    return Ok(Reply { connection, header, lease, selected, deadline });
                }
                Err(failure) => failure,
            };
            let target = operation.context().target;
            if let Some(pause) = execution.after(target, failure, &selected)? {
                pause.await;
            }
        }
    }
}

/// The wait between two attempts.
type Pause<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// One operation while it runs.
struct Execution<'c, 's> {
    core: &'c Core,
    session: Participant<'c, 's>,
    /// The deadline of the operation.
    deadline: Deadline,
    /// Whether the server replies.
    acknowledged: bool,
    /// The connection that the next attempt is pinned to.
    pinned: Option<PinnedConnection>,
    retries: RetryState,
}

impl<'c, 's> Execution<'c, 's> {
    /// # Errors
    /// The client cannot be used, or the session does not permit the operation.
    fn begin(
        core: &'c Core,
        operation: &dyn Operation,
        session_ref: SessionRef<'s>,
        deadline: Deadline,
    ) -> Result<Self> {
        core.check_usable()?;
        let meta = operation.meta();
        let deadline = session_ref.deadline().unwrap_or(deadline);
        let session = Participant::join(core, session_ref, meta, operation.context())?;
        let acknowledged = session::is_acknowledged(meta, session.govern(operation.context()));
        let mut retries = RetryState::new(&core.options, meta, acknowledged, deadline);
        if session.is_inside_transaction() {
            retries.inside_transaction();
        }
        Ok(Execution { core, session, deadline, acknowledged, pinned: None, retries })
    }

    /// Prepares another attempt after a failed one. Returns the wait before it, if any.
    ///
    /// # Errors
    /// The error of the operation, if there is no other attempt.
    #[cold]
    fn after<'r>(
        &mut self,
        target: Target<'r>,
        failure: Failure,
        selected: &Selected,
    ) -> Result<Option<Pause<'r>>>
    where
        'c: 'r,
    {
        let core = self.core;
        let sharded = core.deployment.description().topology_type() == TopologyType::Sharded;
        let retargets = if sharded {
            Retargets::Always
        } else if core.options.enable_overload_retargeting() {
            Retargets::WhenOverloaded
        } else {
            Retargets::Never
        };
        let latest = failure.error.clone();
        let (deprioritized, backoff) = match self.retries.decide(failure, retargets) {
            Decision::Return(mut error) => {
                self.session.on_error(&mut error);
                return Err(core.runtime.explain(error));
            }
            Decision::Again { deprioritized, backoff } => (deprioritized, backoff),
        };
        self.session.on_retry(&latest);
        if deprioritized && !self.retries.deprioritized.contains(selected.address()) {
            self.retries.deprioritized.push(selected.address().clone());
        }
        if let Some(until) = backoff {
            return Ok(Some(Box::pin(core.runtime.sleep_until(until))));
        }
        let recheck = match target.server() {
            ServerChoice::Select(criteria) => core.deployment.recheck(&latest, selected, criteria),
            ServerChoice::Pinned(_) => None,
        };
        let deadline = self.deadline;
        Ok(recheck.map(|recheck| Box::pin(recheck.settle(&core.deployment, deadline)) as Pause<'r>))
    }
}

/// The result of a server selection without a wait.
enum Selection<'s> {
    Made(Selected),
    /// [`select`] continues with it.
    Waits(Criteria<'s>),
}

/// The server for the next attempt, if one is suitable now. Otherwise, or if selection is logged,
/// the caller waits for one.
#[inline]
fn select_now<'s>(
    core: &Core,
    target: Target<'s>,
    deprioritized: &[ServerAddress],
) -> Result<Selection<'s>> {
    let criteria = match target.server() {
        ServerChoice::Select(criteria) => criteria,
        ServerChoice::Pinned(pin) => {
            return Ok(Selection::Made(Selected::given(Arc::clone(pin.server()))));
        }
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
            .select(&core.deployment, deprioritized, deadline)
            .await;
    }
    let _ = operation;
    core.deployment.select(criteria, deprioritized, deadline).await
}
