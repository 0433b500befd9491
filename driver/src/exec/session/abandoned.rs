//! Aborts the transactions of dropped sessions.
//!
//! A worker aborts them one after the other in the background. Each mongos has its own worker, so
//! one that hangs delays only its own aborts. The transactions of a replica set share one, because
//! all go to the primary. So any number of dropped sessions needs one task per mongos, or in the
//! blocking API one thread.
//!
//! A transaction that cannot be aborted within the limit expires on the server. So do those that
//! waited for too long, or that found the queue full.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::state::SessionState;
use super::transaction::End;
use crate::deadline::Deadline;
use crate::exec::Core;
use crate::exec::end_transaction::{EndTransaction, end};
use crate::topology::Server;

/// The time limit of one abort, including the wait for a connection.
const LIMIT: Duration = Duration::from_secs(10);
/// The time after which a server aborts a transaction itself, by default
/// (`transactionLifetimeLimitSeconds`).
const LIFETIME: Duration = Duration::from_secs(60);
/// The maximum number of sessions in the queue.
const MAX_QUEUED: usize = 100_000;

/// The abandoned sessions of one client.
#[derive(Default)]
pub(crate) struct AbandonedSessions(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    /// A server has an entry while it has a worker.
    servers: BTreeMap<Key, OfServer>,
    /// The number of waiting sessions.
    len: usize,
}

/// The pinned server, identified by its address in memory. `None` for the primary.
type Key = Option<usize>;

struct OfServer {
    waiting: VecDeque<Abandoned>,
    /// Keeps the key's address in use.
    _server: Option<Arc<Server>>,
}

struct Abandoned {
    session: SessionState,
    since: Instant,
}

impl AbandonedSessions {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Aborts the transaction of `session` in the background, and then returns the session.
pub(super) fn abort(session: SessionState) {
    let core = session.core().outside_of_requests();
    let server = session.transaction().pin().map(|pin| Arc::clone(pin.server()));
    let key = server.as_ref().map(|server| Arc::as_ptr(server).addr());
    {
        let mut queue = core.abandoned.lock();
        if queue.len >= MAX_QUEUED {
            drop(queue);
            return session.forget();
        }
        queue.len += 1;
        let abandoned = Abandoned { session, since: Instant::now() };
        if let Some(entry) = queue.servers.get_mut(&key) {
            return entry.waiting.push_back(abandoned);
        }
        let entry = OfServer { waiting: VecDeque::from([abandoned]), _server: server };
        queue.servers.insert(key, entry);
    }
    let runtime = core.runtime.clone();
    runtime.detach(Worker { core, key, placed: true }.run());
}

/// The worker for one server. If it is dropped with its runtime, the next session starts another.
struct Worker {
    core: Core,
    key: Key,
    /// Whether it is registered as the server's worker.
    placed: bool,
}

impl Worker {
    async fn run(mut self) {
        while let Some(Abandoned { mut session, since }) = self.next() {
            if since.elapsed() < LIFETIME
                && let Ok(End::ByCommand) = session.abort()
            {
                let deadline = Deadline::after(LIMIT);
                let _ = end(EndTransaction::Abort, &mut session, deadline).await;
            }
            // The transaction expires on the server. A session that counts as open would return to
            // this queue, endlessly once the client is shut down.
            session.forget();
            // If threads start requests automatically, this thread has started one. Nothing else
            // ends it.
            if let Some(threads) = &self.core.threads {
                threads.end_last();
            }
        }
    }

    fn next(&mut self) -> Option<Abandoned> {
        let mut queue = self.core.abandoned.lock();
        let next = queue.servers.get_mut(&self.key).and_then(|entry| entry.waiting.pop_front());
        if next.is_some() {
            queue.len -= 1;
            return next;
        }
        // Under the lock, so that a session dropped later starts another worker.
        self.placed = false;
        let entry = queue.servers.remove(&self.key);
        drop(queue);
        // This may be the last reference to the server, so its pool closes without the lock.
        drop(entry);
        None
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.placed {
            return;
        }
        let left = {
            let mut queue = self.core.abandoned.lock();
            let left = queue.servers.remove(&self.key);
            queue.len -= left.as_ref().map_or(0, |left| left.waiting.len());
            left
        };
        // Drops the sessions without the lock: each holds the client, which holds the queue.
        if let Some(left) = left {
            left.waiting.into_iter().for_each(|abandoned| abandoned.session.forget());
        }
    }
}
