//! Aborts the transactions of dropped sessions.
//!
//! One worker per client aborts them one after the other in the background. So any number of
//! dropped sessions needs one task, or in the blocking API one thread. A transaction that cannot be
//! aborted within the limit expires on the server, after a minute by default.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::state::SessionState;
use super::transaction::End;
use crate::deadline::Deadline;
use crate::exec::Core;
use crate::exec::end_transaction::{EndTransaction, end};

/// The time limit of one abort, including the wait for a connection.
const LIMIT: Duration = Duration::from_secs(10);

/// The abandoned sessions of one client.
#[derive(Default)]
pub(crate) struct AbandonedSessions(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    waiting: VecDeque<SessionState>,
    /// Whether there is a worker.
    working: bool,
}

impl AbandonedSessions {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Aborts the transaction of `session` in the background, and then returns the session.
pub(super) fn abort(session: SessionState) {
    let core = session.core().outside_of_requests();
    {
        let mut queue = core.abandoned.lock();
        queue.waiting.push_back(session);
        if std::mem::replace(&mut queue.working, true) {
            return;
        }
    }
    let runtime = core.runtime.clone();
    runtime.detach(Worker { core, placed: true }.run());
}

/// The worker. If it is dropped with its runtime, the next session starts another.
struct Worker {
    core: Core,
    /// Whether it is registered as the queue's worker.
    placed: bool,
}

impl Worker {
    async fn run(mut self) {
        while let Some(mut session) = self.next() {
            if let Ok(End::ByCommand) = session.abort() {
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

    fn next(&mut self) -> Option<SessionState> {
        let mut queue = self.core.abandoned.lock();
        let next = queue.waiting.pop_front();
        if next.is_none() {
            // Under the lock, so that a session dropped later starts another worker.
            queue.working = false;
            self.placed = false;
        }
        next
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.placed {
            return;
        }
        let left = {
            let mut queue = self.core.abandoned.lock();
            queue.working = false;
            std::mem::take(&mut queue.waiting)
        };
        // Drops the sessions without the lock: each holds the client, which holds the queue.
        left.into_iter().for_each(SessionState::forget);
    }
}
