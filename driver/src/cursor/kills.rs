//! Kills dropped cursors on their servers.
//!
//! A dropped cursor only puts its id into the queue of its client. One worker per server sends the
//! queued ids, with one `killCursors` per collection, over one connection. So any number of dropped
//! cursors needs one task per server, or in the blocking API one thread. A command that gets no
//! connection is tried again until the client or the server is removed, because a cursor lives as
//! long as its session.

use std::sync::Arc;
use std::time::Duration;

use toro::Event;

use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result};
use crate::exec::kill_queue::Group;
use crate::exec::{self, Core, PinnedTo, RequestContext, SessionRef, Target, Timeout, WeakCore};
use crate::ops::kill_cursors::KillCursors;
use crate::rt::Runtime;
use crate::topology::Server;

/// The time limit of one command, including the wait for a connection.
const LIMIT: Duration = Duration::from_secs(10);
/// The first delay before a command is tried again. It doubles up to [`LONG_PAUSE`].
const PAUSE: Duration = Duration::from_millis(500);
const LONG_PAUSE: Duration = Duration::from_secs(30);
/// The time for which a shutdown waits for the queue.
const FLUSH: Duration = Duration::from_secs(1);

/// Kills the cursor `id` in the background, on the server or connection of `pin`. `timeout` is that
/// of the operation that opened the cursor.
pub(super) fn add(
    core: &Core,
    pin: PinnedTo,
    db: String,
    collection: String,
    id: i64,
    timeout: Timeout,
) {
    let server = Arc::clone(pin.server());
    let group = Group { pin, db, collection, timeout, ids: vec![id] };
    if let Some(hurry) = core.kills.add(group) {
        let runtime = core.runtime.clone();
        let worker = Worker { core: core.downgrade(), runtime, server, hurry };
        core.runtime.detach(worker.run());
    }
}

/// Waits until the queue has been sent, at most for a second.
///
/// Cancel safety: the workers continue.
pub(crate) async fn flush(core: &Core) {
    if let Some(idle) = core.kills.hurry() {
        let _ = core.runtime.timeout(Deadline::after(FLUSH), idle.wait()).await;
    }
}

/// Sends the queue of one server until it is empty. During a pause it does not keep the client
/// alive.
struct Worker {
    core: WeakCore,
    runtime: Runtime,
    server: Arc<Server>,
    /// Ends a pause.
    hurry: Arc<Event>,
}

impl Worker {
    async fn run(self) {
        let mut pause = PAUSE;
        loop {
            let Some(core) = self.core.upgrade() else { return };
            let Some(mut group) = core.kills.take(&self.server) else { return };
            // A bounded wait queue is reserved for operations. A pinned connection needs no place.
            let must_wait =
                !group.pin.holds_connection() && self.server.pool().would_wait_in_bounded_queue();
            let again = must_wait
                || self.send(&core, &group).await.is_err_and(|error| may_succeed_later(&error));
            if !again || group.pin.is_lost() {
                pause = PAUSE;
                continue;
            }
            if !must_wait {
                // A timeout that is too short for this server would fail every time.
                group.timeout = Timeout::Unset;
            }
            let others = core.kills.put_back(&self.server, group);
            drop(core);
            if others {
                continue;
            }
            let _ = self.runtime.timeout(Deadline::after(pause), self.hurry.wait()).await;
            self.hurry.clear();
            pause = LONG_PAUSE.min(pause * 2);
        }
    }

    async fn send(&self, core: &Core, group: &Group) -> Result<()> {
        let context = RequestContext::bare(&group.db, Target::Pinned(&group.pin));
        let mut command =
            KillCursors { context, cursors: &group.ids, collection: &group.collection };
        // The command gets the full timeout, at most `LIMIT`, regardless of the time that the
        // cursor has used (specification "Client Side Operations Timeout", section "Cursors").
        let deadline = match group.timeout.limit() {
            Some(limit) => Deadline::of_timeout(Some(limit.min(LIMIT))),
            None => Deadline::after(LIMIT),
        };
        let sent = exec::execute(core, &mut command, SessionRef::Held(None), deadline).await;
        // If threads start requests automatically, this thread has started one. Nothing else ends
        // it.
        if let Some(threads) = &core.threads {
            threads.end_last();
        }
        sent.map(drop)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(core) = self.core.upgrade() {
            core.kills.worker_ended(&self.server, &self.hurry);
        }
    }
}

/// Whether the command failed because of the connection and not because of the server's reply.
fn may_succeed_later(error: &Error) -> bool {
    error.is_timeout()
        || error.is_network()
        || matches!(
            error.kind(),
            ErrorKind::WaitQueueFull { .. } | ErrorKind::ConnectionPoolCleared { .. }
        )
}
