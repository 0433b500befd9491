//! A rendezvous: threads and tasks come to a certain point, and none goes on before all are there
//! and somebody says "go".
//!
//! This is how a test of concurrent code makes a certain interleaving happen each time: bring
//! everybody to the same line, look at the state of things, and let them run.

use toro::{Barrier, Event};

/// A meeting of a fixed number of threads and tasks.
#[derive(Debug)]
pub struct Rendezvous {
    /// All members, and the one who lets them go.
    line: Barrier,
    go: Event,
}

impl Rendezvous {
    /// A meeting of `members`, and of the one who lets them go.
    ///
    /// # Panics
    /// With no members there is nothing to meet.
    pub fn new(members: usize) -> Self {
        assert!(members > 0, "a rendezvous needs at least one member");
        Rendezvous { line: Barrier::new(members + 1), go: Event::new() }
    }

    /// Comes to the line and waits there. Threads call it through [`Rendezvous::meet_blocking`].
    pub async fn meet(&self) {
        self.line.wait().await;
        self.go.wait().await;
    }

    /// As [`Rendezvous::meet`], blocking the thread.
    pub fn meet_blocking(&self) {
        self.line.wait().wait();
        self.go.wait().wait();
    }

    /// Waits until all members stand at the line. None of them has gone on.
    pub async fn all_there(&self) {
        self.line.wait().await;
    }

    /// Lets everybody go on.
    pub fn go(&self) {
        self.go.set();
    }
}
