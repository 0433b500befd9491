//! Tasks that pass a turn: the cost of a fair hand-off without a lock and a wait queue.

use std::future::poll_fn;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Waker};

/// The current turn, among `TASKS` tasks that are numbered from 0 and take turns in that order.
pub(super) struct Ring<const TASKS: usize> {
    turn: AtomicUsize,
    wakers: [OnceLock<Waker>; TASKS],
    /// The number of known wakers. The first turn begins when all are known.
    known: AtomicUsize,
}

impl<const TASKS: usize> Default for Ring<TASKS> {
    fn default() -> Self {
        Self {
            turn: AtomicUsize::new(0),
            wakers: [const { OnceLock::new() }; TASKS],
            known: AtomicUsize::new(0),
        }
    }
}

impl<const TASKS: usize> Ring<TASKS> {
    /// Waits until all tasks have arrived. Each calls it once.
    pub(super) async fn join(&self, me: usize) {
        poll_fn(|cx| {
            if self.wakers[me].set(cx.waker().clone()).is_ok()
                && self.known.fetch_add(1, Ordering::AcqRel) + 1 == TASKS
            {
                self.wakers.iter().filter_map(OnceLock::get).for_each(Waker::wake_by_ref);
            }
            if self.known.load(Ordering::Acquire) == TASKS {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// Waits for this task's turn.
    pub(super) async fn turn(&self, me: usize) {
        let its_turn = || self.turn.load(Ordering::Acquire) == me;
        poll_fn(|_| if its_turn() { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    /// Ends this task's turn: one store and one wake.
    pub(super) fn pass_on(&self, me: usize) {
        let next = (me + 1) % TASKS;
        self.turn.store(next, Ordering::Release);
        if let Some(waker) = self.wakers[next].get() {
            waker.wake_by_ref();
        }
    }
}
