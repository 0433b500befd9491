//! Random schedules: every primitive against a sequential model.
//!
//! A schedule starts waits, polls them, swaps their wakers, drops them in any state, and calls the
//! methods of the primitive. After each step the model says which of the remaining waits are
//! granted. Exactly their wakers must have been woken. In the end everything is accounted for.
#![cfg(not(loom))]

mod events;
mod handoff;
mod permits;
mod queues;
mod wait_on;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use proptest::prelude::*;

/// One step of a schedule: the operation, and its argument.
pub(crate) type Step = (u8, u8, u8);

pub(crate) fn schedule() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(any::<Step>(), 0..150)
}

pub(crate) fn config() -> ProptestConfig {
    ProptestConfig {
        cases: if cfg!(miri) { 3 } else { 1000 },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// A waker that records whether it was woken.
#[derive(Default)]
struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A wait, and the waker of its last poll.
type Waiting<F> = (Pin<Box<F>>, Arc<Bell>);

/// Current waits. Their numbers are never reused.
pub(crate) struct Waits<F> {
    waits: Vec<Option<Waiting<F>>>,
}

impl<F: Future> Waits<F> {
    pub(crate) fn new() -> Self {
        Waits { waits: Vec::new() }
    }

    /// Starts a wait and polls it. Keeps it if it must wait. Returns its number.
    pub(crate) fn start(&mut self, wait: F) -> (usize, Poll<F::Output>) {
        self.waits.push(Some((Box::pin(wait), Arc::default())));
        let id = self.waits.len() - 1;
        (id, self.poll(id))
    }

    /// Polls a wait with its current waker.
    pub(crate) fn poll(&mut self, id: usize) -> Poll<F::Output> {
        let Some((wait, bell)) = &mut self.waits[id] else { panic!("polled a wait that is over") };
        bell.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(bell));
        let result = wait.as_mut().poll(&mut Context::from_waker(&waker));
        if result.is_ready() {
            self.waits[id] = None;
        }
        result
    }

    /// Polls a wait with a new waker, as another task would.
    pub(crate) fn poll_elsewhere(&mut self, id: usize) -> Poll<F::Output> {
        if let Some((_, bell)) = &mut self.waits[id] {
            *bell = Arc::default();
        }
        self.poll(id)
    }

    pub(crate) fn drop(&mut self, id: usize) {
        self.waits[id] = None;
    }

    /// The remaining waits.
    pub(crate) fn left(&self) -> Vec<usize> {
        (0..self.waits.len()).filter(|&id| self.waits[id].is_some()).collect()
    }

    /// One of the remaining waits.
    pub(crate) fn pick(&self, choice: u8) -> Option<usize> {
        let left = self.left();
        (!left.is_empty()).then(|| left[choice as usize % left.len()])
    }

    /// Whether a wait was woken since its last poll.
    pub(crate) fn woken(&self, id: usize) -> bool {
        self.waits[id].as_ref().is_some_and(|(_, bell)| bell.0.load(Ordering::Relaxed))
    }

    /// Checks that exactly the granted waits were woken.
    pub(crate) fn check(&self, granted: impl Fn(usize) -> bool) {
        for id in self.left() {
            assert_eq!(
                self.woken(id),
                granted(id),
                "wait {id}: woken, but not granted, or the reverse"
            );
        }
    }
}
