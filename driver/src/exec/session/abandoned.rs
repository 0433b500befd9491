//! Aborting the transactions of sessions that were dropped.
//!
//! One worker per client aborts them one after the other, in the background, so that however many
//! sessions are dropped at once, there is one task, or in the blocking API one thread. A
//! transaction that cannot be aborted within the limit ends on the server, after a minute by
//! default.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::state::SessionState;
use super::transaction::End;
use crate::deadline::Deadline;
use crate::exec::Core;
use crate::exec::end_transaction::{EndTransaction, end};

/// The time limit of one abort, with the wait for a connection.
const LIMIT: Duration = Duration::from_secs(10);

/// The abandoned sessions of one client.
#[derive(Default)]
pub(crate) struct AbandonedSessions(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    waiting: VecDeque<SessionState>,
    /// Whether a worker is there.
    working: bool,
}

impl AbandonedSessions {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has the transaction of `session` aborted in the background, and the session given back then.
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

/// Dropped with its runtime, it leaves its place to the next.
struct Worker {
    core: Core,
    /// Whether it has the place of the queue's worker.
    placed: bool,
}

impl Worker {
    async fn run(mut self) {
        while let Some(mut session) = self.next() {
            if let Ok(End::ByCommand) = session.abort() {
                let deadline = Deadline::after(LIMIT);
                let _ = end(EndTransaction::Abort, &mut session, deadline).await;
            }
            // The server aborts what is left by itself. A session that counted as open would come
            // back to this queue, without end once the client is shut down.
            session.forget();
            // Where threads start requests by themselves, this one has; nothing else would end it.
            if let Some(threads) = &self.core.threads {
                threads.end_last();
            }
        }
    }

    fn next(&mut self) -> Option<SessionState> {
        let mut queue = self.core.abandoned.lock();
        let next = queue.waiting.pop_front();
        if next.is_none() {
            // Under the lock: a session that is dropped from now on starts another worker.
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
        // Each holds the client, which holds the queue.
        left.into_iter().for_each(SessionState::forget);
    }
}
