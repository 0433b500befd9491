//! A rendezvous: threads and tasks wait at a line. They continue when all have arrived and the
//! leader lets them.
//!
//! A test of concurrent code can use it to get the same interleaving each time: all tasks stop at
//! the same line, the test checks the state and lets them continue.

use toro::{Barrier, Event};

/// A meeting of a fixed number of threads and tasks.
#[derive(Debug)]
pub struct Rendezvous {
    /// All members and the leader.
    line: Barrier,
    go: Event,
}

impl Rendezvous {
    /// Creates a meeting of `members` members and a leader.
    ///
    /// # Panics
    ///
    /// If there are no members.
    pub fn new(members: usize) -> Self {
        assert!(members > 0, "a rendezvous needs at least one member");
        Rendezvous { line: Barrier::new(members + 1), go: Event::new() }
    }

    /// Waits at the line. Threads use [`Rendezvous::meet_blocking`].
    pub async fn meet(&self) {
        self.line.wait().await;
        self.go.wait().await;
    }

    /// Like [`Rendezvous::meet`], but blocks the thread.
    pub fn meet_blocking(&self) {
        self.line.wait().wait();
        self.go.wait().wait();
    }

    /// Waits until all members are at the line. None of them has passed.
    pub async fn all_there(&self) {
        self.line.wait().await;
    }

    /// Lets all members continue.
    pub fn go(&self) {
        self.go.set();
    }
}
