//! Ending abandoned cursors on their servers.
//!
//! A dropped cursor only puts its id into the queue of its client. One worker per client sends what
//! has gathered, one `killCursors` per collection and server at a time, over one connection at a
//! time. However many cursors are dropped at once, there is one task, or in the blocking API one
//! thread. A batch that gets no connection is tried again later.

use std::sync::Arc;
use std::time::{Duration, Instant};

use toro::Event;

use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result};
use crate::exec::kill_queue::{Group, Key};
use crate::exec::{self, Core, PinnedTo, RequestContext, SessionRef, Target};
use crate::ops::kill_cursors::KillCursors;

/// How long one command may take, the wait for a connection included.
const LIMIT: Duration = Duration::from_secs(10);
/// The wait before a batch is tried again.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a batch is tried. What is left then ends with its session, or with the client.
const LIFETIME: Duration = Duration::from_secs(600);
/// How long a shutdown waits for the queue.
const FLUSH: Duration = Duration::from_secs(1);

/// Has the cursor `id` ended where `pin` leads, in the background.
pub(super) fn add(core: &Core, pin: PinnedTo, db: String, collection: String, id: i64) {
    let key = (pin.number(), db, collection);
    {
        let mut queue = core.kills.lock();
        if queue.is_full() {
            return;
        }
        queue.add(key, Group { pin, ids: vec![id], since: Instant::now() });
        if std::mem::replace(&mut queue.working, true) {
            return;
        }
    }
    let worker = Worker { core: core.outside_of_requests(), placed: true };
    core.runtime.detach(worker.run());
}

/// Ends what is queued, as far as that can be done within a second.
pub(crate) async fn flush(core: &Core) {
    let deadline = Deadline::after(FLUSH);
    loop {
        let taken = {
            let mut queue = core.kills.lock();
            queue.requeue();
            queue.take()
        };
        let Some((key, group)) = taken else { break };
        if send(core, &key, &group, deadline).await.is_err() && deadline.is_over() {
            return;
        }
    }
    let sending = core.kills.lock().sending.clone();
    if let Some(sending) = sending {
        let _ = core.runtime.timeout(deadline, sending.wait()).await;
    }
}

/// Sends what is queued until nothing is left. Dropped with its runtime, it leaves its place to the
/// next.
struct Worker {
    core: Core,
    /// Whether it has the place of the queue's worker.
    placed: bool,
}

impl Worker {
    async fn run(mut self) {
        while let Some(next) = self.next() {
            let Some((key, group)) = next else {
                self.core.runtime.sleep_until(Instant::now() + PAUSE).await;
                self.core.kills.lock().requeue();
                continue;
            };
            let sent = send(&self.core, &key, &group, Deadline::after(LIMIT)).await;
            // Where threads start requests by themselves, this one has; nothing else would end it.
            if let Some(threads) = &self.core.threads {
                threads.end_last();
            }
            let again = sent.is_err_and(|error| may_succeed_later(&error))
                && group.since.elapsed() < LIFETIME
                && !group.pin.is_lost()
                && !self.core.is_last_handle();
            let mut queue = self.core.kills.lock();
            if again {
                queue.put_off(key, group);
            }
            queue.sent();
        }
    }

    /// What to send next; `Some(None)` where all that is left has to be tried again later. `None`
    /// ends the worker.
    fn next(&mut self) -> Option<Option<(Key, Group)>> {
        let mut queue = self.core.kills.lock();
        match queue.take() {
            Some(next) => {
                queue.sending = Some(Arc::new(Event::new()));
                Some(Some(next))
            }
            None if !queue.later.is_empty() => Some(None),
            None => {
                // Under the lock: a cursor that is added from now on starts another worker.
                queue.working = false;
                self.placed = false;
                None
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if self.placed {
            let mut queue = self.core.kills.lock();
            queue.working = false;
            queue.sent();
        }
    }
}

async fn send(core: &Core, key: &Key, group: &Group, deadline: Deadline) -> Result<()> {
    let (_, db, collection) = key;
    let context = RequestContext::bare(db, Target::Pinned(&group.pin));
    let mut command = KillCursors { context, cursors: &group.ids, collection };
    exec::execute(core, &mut command, SessionRef::Held(None), deadline).await.map(drop)
}

/// Whether the command failed for want of a connection, not for what the server said.
fn may_succeed_later(error: &Error) -> bool {
    error.is_timeout()
        || error.is_network()
        || matches!(
            error.kind(),
            ErrorKind::WaitQueueFull { .. } | ErrorKind::ConnectionPoolCleared { .. }
        )
}
