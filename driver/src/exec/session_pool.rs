//! The pool of idle server sessions.
//!
//! A deque under one short lock. The most recently used session is taken first, and sessions that
//! are about to expire on the server leave at the other end (specification "Driver Sessions",
//! section "Server Session Pool"). An operation takes its implicit session only once it has a
//! connection, so there are never more of these sessions than connections. It returns the session
//! synchronously at its end.
//!
//! A session belongs to the process that created it. A forked child with a copy would send the same
//! transaction numbers, and the server would treat its writes as retries (section "Server Session
//! Pool").

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bson::Uuid;
use threadwatch::ForkGeneration;

/// A session with less remaining time on the server is not reused.
const MARGIN: Duration = Duration::from_secs(60);

/// A server session.
#[derive(Debug)]
pub(crate) struct ServerSession {
    id: [u8; 16],
    txn_number: i64,
    last_use: Instant,
    /// The state of the commands of dropped operations.
    abandoned: Option<Arc<Abandoned>>,
    /// A command may still be running, because its connection failed.
    dirty: bool,
    /// It is a copy of a session with another owner, and never returns to the pool.
    is_background_copy: bool,
    /// The process that created it.
    created_in: ForkGeneration,
}

impl ServerSession {
    fn new(now: Instant) -> Self {
        let (id, created_in) = (Uuid::new().bytes(), ForkGeneration::current());
        ServerSession {
            id,
            txn_number: 0,
            last_use: now,
            abandoned: None,
            dirty: false,
            is_background_copy: false,
            created_in,
        }
    }

    /// Whether it is a copy of a session with another owner.
    pub(crate) fn is_background_copy(&self) -> bool {
        self.is_background_copy
    }

    /// A copy for one command in the background. Both get the result of that command.
    pub(crate) fn background_copy(&mut self) -> Self {
        self.begin(Instant::now());
        let abandoned = Some(Arc::clone(self.abandoned.get_or_insert_default()));
        ServerSession { abandoned, is_background_copy: true, ..*self }
    }

    /// Whether this process created the session. A child neither uses, keeps nor ends sessions of
    /// its parent.
    pub(crate) fn is_of_this_process(&self) -> bool {
        self.created_in.is_current()
    }

    /// The UUID for `lsid.id`.
    pub(crate) fn id(&self) -> [u8; 16] {
        self.id
    }

    /// The number of the next retryable write or transaction, higher than all earlier ones.
    pub(crate) fn next_txn_number(&mut self) -> i64 {
        self.txn_number += 1;
        self.txn_number
    }

    /// The last number.
    pub(crate) fn txn_number(&self) -> i64 {
        self.txn_number
    }

    /// Records the use of the session for a command at the time `now`.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.last_use = now;
    }

    /// The operation was dropped while its command was in flight. The session returns to `pool`
    /// once the reply has arrived, and never if it does not.
    #[cold]
    pub(crate) fn abandon(&mut self, pool: &SessionPool) -> Unanswered {
        let abandoned = self.abandoned.get_or_insert_default();
        abandoned.lock().unanswered += 1;
        Unanswered { abandoned: Arc::clone(abandoned), pool: pool.clone(), answered: false }
    }

    /// Whether [`mark_dirty`](Self::mark_dirty) was called.
    #[cfg(feature = "conformance")]
    pub(crate) fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// The connection failed while a command was in flight. The session serves the current
    /// operation only.
    pub(crate) fn mark_dirty(&mut self) {
        self.dirty = true;
        if let Some(abandoned) = &self.abandoned {
            abandoned.lock().lost = true;
        }
    }

    fn is_stale(&self, timeout: Duration, now: Instant) -> bool {
        now.saturating_duration_since(self.last_use) + MARGIN > timeout
    }
}

/// The commands of dropped operations in one session.
#[derive(Debug, Default)]
struct Abandoned {
    state: Mutex<AbandonedState>,
}

#[derive(Debug, Default)]
struct AbandonedState {
    /// The number of commands without a reply.
    unanswered: u32,
    /// One of them will never get a reply.
    lost: bool,
    /// The session and the session timeout, once its owner has returned it.
    returned: Option<(ServerSession, Option<Duration>)>,
}

impl Abandoned {
    fn lock(&self) -> MutexGuard<'_, AbandonedState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The command of a dropped operation. If it is dropped before [`answered`](Self::answered), there
/// will be no reply.
#[derive(Debug)]
pub(crate) struct Unanswered {
    abandoned: Arc<Abandoned>,
    pool: SessionPool,
    answered: bool,
}

impl Unanswered {
    /// The reply has arrived. The last reply returns the session to its pool, if its owner has
    /// returned it.
    pub(crate) fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        let mut state = self.abandoned.lock();
        state.unanswered -= 1;
        state.lost |= !self.answered;
        if state.unanswered > 0 {
            return;
        }
        let (lost, returned) = (state.lost, state.returned.take());
        drop(state);
        if let Some((session, timeout)) = returned.filter(|_| !lost) {
            self.pool.give(session, timeout);
        }
    }
}

/// The idle server sessions of one client.
#[derive(Clone, Debug, Default)]
pub(crate) struct SessionPool {
    /// The session that returned last is at the front.
    idle: Arc<Mutex<VecDeque<ServerSession>>>,
}

impl SessionPool {
    /// Takes the session that returned last and is not about to expire, or a new one.
    ///
    /// `timeout` is the servers' `logicalSessionTimeoutMinutes`.
    pub(crate) fn take(&self, timeout: Option<Duration>, now: Instant) -> ServerSession {
        let mut idle = self.idle();
        while let Some(session) = idle.pop_front() {
            if !timeout.is_some_and(|timeout| session.is_stale(timeout, now)) {
                return session;
            }
        }
        drop(idle);
        ServerSession::new(now)
    }

    /// Returns a session, and removes those that are about to expire. A session with commands of
    /// dropped operations returns once all of them have a reply.
    pub(crate) fn give(&self, mut session: ServerSession, timeout: Option<Duration>) {
        if !session.is_of_this_process() || session.is_background_copy {
            return;
        }
        if let Some(abandoned) = session.abandoned.take() {
            let mut state = abandoned.lock();
            session.dirty |= state.lost;
            if state.unanswered > 0 {
                state.returned = Some((session, timeout));
                return;
            }
        }
        let mut idle = self.idle();
        if let Some(timeout) = timeout {
            let now = Instant::now();
            while idle.back().is_some_and(|oldest| oldest.is_stale(timeout, now)) {
                idle.pop_back();
            }
            if session.is_stale(timeout, now) {
                return;
            }
        }
        if !session.dirty {
            idle.push_front(session);
        }
    }

    /// Removes all sessions, to end them on the server.
    pub(crate) fn drain(&self) -> Vec<[u8; 16]> {
        self.idle().drain(..).map(|session| session.id).collect()
    }

    fn idle(&self) -> MutexGuard<'_, VecDeque<ServerSession>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF_AN_HOUR: Option<Duration> = Some(Duration::from_secs(30 * 60));

    fn take(pool: &SessionPool) -> ServerSession {
        pool.take(HALF_AN_HOUR, Instant::now())
    }

    #[test]
    fn most_recent_session_is_used_next() {
        let pool = SessionPool::default();
        let (a, b) = (take(&pool), take(&pool));
        let last = b.id();
        pool.give(a, HALF_AN_HOUR);
        pool.give(b, HALF_AN_HOUR);
        assert_eq!(take(&pool).id(), last);
        assert_eq!(pool.drain().len(), 1);
    }

    #[test]
    fn session_of_a_running_command_does_not_return() {
        let pool = SessionPool::default();
        let mut dirty = take(&pool);
        dirty.mark_dirty();
        pool.give(dirty, HALF_AN_HOUR);
        let mut abandoned = take(&pool);
        drop(abandoned.abandon(&pool));
        pool.give(abandoned, HALF_AN_HOUR);
        let mut abandoned = take(&pool);
        let unanswered = abandoned.abandon(&pool);
        pool.give(abandoned, HALF_AN_HOUR);
        drop(unanswered);
        assert!(pool.drain().is_empty());
    }

    #[test]
    fn abandoned_session_returns_after_all_replies() {
        let pool = SessionPool::default();
        let mut session = take(&pool);
        let id = session.id();
        session.next_txn_number();
        let (first, second) = (session.abandon(&pool), session.abandon(&pool));
        first.answered();
        pool.give(session, HALF_AN_HOUR);
        assert!(pool.idle().is_empty(), "one reply is outstanding");
        second.answered();
        let mut session = take(&pool);
        assert_eq!((session.id(), session.next_txn_number()), (id, 2));
        session.abandon(&pool).answered();
        pool.give(session, HALF_AN_HOUR);
        assert_eq!(pool.drain(), [id]);
    }

    #[test]
    fn session_follows_the_state_of_its_copies() {
        let pool = SessionPool::default();
        let mut session = take(&pool);
        let id = session.id();
        pool.give(session.background_copy(), HALF_AN_HOUR);
        assert!(pool.idle().is_empty(), "a copy never returns to the pool");
        let unanswered = session.background_copy().abandon(&pool);
        pool.give(session, HALF_AN_HOUR);
        assert!(pool.idle().is_empty(), "one reply is outstanding");
        unanswered.answered();
        let mut session = take(&pool);
        assert_eq!(session.id(), id);
        session.background_copy().mark_dirty();
        pool.give(session, HALF_AN_HOUR);
        assert!(pool.idle().is_empty());
    }

    #[test]
    fn stale_session_is_neither_kept_nor_used() {
        let pool = SessionPool::default();
        let session = take(&pool);
        let id = session.id();
        pool.give(session, Some(MARGIN / 2));
        assert!(pool.idle().is_empty());
        let kept = pool.take(None, Instant::now());
        pool.give(kept, None);
        assert_ne!(pool.take(Some(MARGIN / 2), Instant::now()).id(), id);
        assert!(pool.idle().is_empty());
    }

    /// A session that was held for a while can precede sessions that were used later.
    #[test]
    fn fresh_session_behind_a_stale_one_is_kept() {
        let pool = SessionPool::default();
        let (mut held, fresh) = (take(&pool), take(&pool));
        let id = fresh.id();
        pool.give(fresh, HALF_AN_HOUR);
        held.last_use = held.last_use.checked_sub(Duration::from_secs(20 * 60)).unwrap();
        pool.give(held, HALF_AN_HOUR);
        let shorter = Some(Duration::from_secs(20 * 60));
        assert_eq!(pool.take(shorter, Instant::now()).id(), id, "only the first one is stale");
    }

    /// It would be taken next.
    #[test]
    fn session_held_too_long_does_not_precede_fresh_ones() {
        let pool = SessionPool::default();
        let (mut held, fresh) = (take(&pool), take(&pool));
        let id = fresh.id();
        pool.give(fresh, HALF_AN_HOUR);
        held.last_use = held.last_use.checked_sub(Duration::from_secs(3600)).unwrap();
        pool.give(held, HALF_AN_HOUR);
        assert_eq!(take(&pool).id(), id);
    }

    /// Stale sessions are discarded while another thread returns fresh ones.
    #[test]
    fn fresh_session_is_not_discarded_with_stale_ones() {
        const ROUNDS: usize = 2_000;
        let pool = SessionPool::default();
        let taken = std::thread::scope(|scope| {
            let giver = scope.spawn(|| {
                let fresh: Vec<_> =
                    (0..ROUNDS).map(|_| ServerSession::new(Instant::now())).collect();
                let ids: Vec<_> = fresh.iter().map(ServerSession::id).collect();
                for session in fresh {
                    // The other thread has taken the stale session, and is about to discard more.
                    while !pool.idle().is_empty() {
                        std::hint::spin_loop();
                    }
                    pool.give(session, HALF_AN_HOUR);
                }
                ids
            });
            let mut taken = std::collections::HashSet::new();
            while !giver.is_finished() {
                let mut stale = ServerSession::new(Instant::now());
                stale.last_use = stale.last_use.checked_sub(Duration::from_secs(3600)).unwrap();
                pool.idle().push_back(stale);
                taken.insert(take(&pool).id());
            }
            taken.extend(pool.drain());
            let given = giver.join().unwrap();
            given.iter().filter(|id| taken.contains(*id)).count()
        });
        assert_eq!(taken, ROUNDS);
    }

    #[test]
    fn transaction_number_continues_in_a_reused_session() {
        let pool = SessionPool::default();
        let mut session = take(&pool);
        assert_eq!((session.next_txn_number(), session.next_txn_number()), (1, 2));
        pool.give(session, HALF_AN_HOUR);
        assert_eq!(take(&pool).next_txn_number(), 3);
    }
}
