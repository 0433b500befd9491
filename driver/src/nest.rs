//! The nest: a cell with one immutable snapshot, which updates replace.
//!
//! The client stores everything about its deployment in one [`ArcSwap`]. A reader loads the
//! snapshot and works with it. It takes no lock and never sees a partial update. Writers call
//! [`Nest::update`], one at a time: a function computes the new snapshot from the old one, and the
//! nest stores it.
//!
//! Each snapshot has an event, which is set when the snapshot is replaced. A reader that needs a
//! newer snapshot waits for the event *of the snapshot it loaded*. An update in between has already
//! set that event, so no wake-up is lost.
//!
//! `arc-swap` guarantees that a reader gets a whole reference without a lock. The loom models of
//! the crate `pool-model` explore every interleaving of the rest: the order of storing a snapshot
//! and of setting the old one's event. They replace `ArcSwap` by a cell under a lock. The tests
//! below run all of it on real threads.

use std::ops::Deref;
use std::sync::{Arc, PoisonError};

#[cfg(not(loom))]
use arc_swap::{ArcSwap, Guard};
use toro::Event;

#[cfg(not(loom))]
use std::sync::Mutex;
#[cfg(loom)]
use {
    crate::slot::{ArcSwap, Guard},
    loom::sync::Mutex,
};

/// The cell with the current snapshot.
pub(crate) struct Nest<T> {
    current: ArcSwap<TopologySnapshot<T>>,
    writing: Mutex<()>,
}

/// One snapshot, and the event of its replacement.
pub(crate) struct TopologySnapshot<T> {
    content: T,
    superseded: Event,
}

impl<T> TopologySnapshot<T> {
    fn new(content: T) -> Arc<Self> {
        Arc::new(TopologySnapshot { content, superseded: Event::new() })
    }

    /// Set once the snapshot was replaced.
    pub(crate) fn superseded(&self) -> &Event {
        &self.superseded
    }
}

impl<T> Deref for TopologySnapshot<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.content
    }
}

impl<T> Nest<T> {
    pub(crate) fn new(content: T) -> Self {
        Nest { current: ArcSwap::new(TopologySnapshot::new(content)), writing: Mutex::new(()) }
    }

    /// The current snapshot, for short use: do not keep the guard across an await.
    pub(crate) fn load(&self) -> Guard<Arc<TopologySnapshot<T>>> {
        self.current.load()
    }

    /// The current snapshot, as an owned reference.
    pub(crate) fn load_full(&self) -> Arc<TopologySnapshot<T>> {
        self.current.load_full()
    }

    /// Replaces the snapshot by the result of `change`, unless that is `None`. Updates exclude each
    /// other. `change` and `then` run inside the update, to keep other state consistent with the
    /// snapshot: `change` runs before any reader sees the new snapshot, and `then`, which gets the
    /// old one, runs once no reader can load the old one any more.
    pub(crate) fn update<R>(
        &self,
        change: impl FnOnce(&T) -> (Option<T>, R),
        then: impl FnOnce(&T),
    ) -> R {
        let writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.current.load_full();
        let (new, result) = change(&old);
        let replaced = new.is_some();
        if let Some(new) = new {
            self.current.store(TopologySnapshot::new(new));
            then(&old);
        }
        drop(writing);
        if replaced {
            old.superseded.set();
        }
        result
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::thread;

    use super::*;

    // A reader sees whole updates, and no update is lost.
    #[test]
    fn readers_see_whole_updates_and_none_is_lost() {
        const WRITERS: u64 = 4;
        const UPDATES: u64 = 500;
        let nest = Nest::new((0_u64, 0_u64));
        thread::scope(|scope| {
            for _ in 0..WRITERS {
                scope.spawn(|| {
                    (0..UPDATES)
                        .for_each(|_| nest.update(|&(a, b)| (Some((a + 1, b + 2)), ()), |_| ()))
                });
            }
            scope.spawn(|| {
                let mut last = 0;
                while last < WRITERS * UPDATES {
                    let seen = nest.load();
                    let (a, b) = **seen.deref().deref();
                    assert_eq!(b, 2 * a);
                    assert!(a >= last, "the snapshot went back from {last} to {a}");
                    last = a;
                }
            });
        });
    }

    #[test]
    fn waiting_readers_miss_no_update() {
        let nest = Nest::new(0_u32);
        thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                loop {
                    let seen = nest.load_full();
                    if **seen == 1000 {
                        return;
                    }
                    seen.superseded().wait().wait();
                }
            });
            (0..1000).for_each(|_| nest.update(|n| (Some(n + 1), ()), |_| ()));
            waiter.join().unwrap();
        });
    }

    #[test]
    fn update_to_none_keeps_the_snapshot() {
        let nest = Nest::new(7);
        let seen = nest.load_full();
        assert_eq!(nest.update(|&n| (None, n + 1), |_| unreachable!()), 8);
        assert!(!seen.superseded().is_set());
        assert!(Arc::ptr_eq(&seen, &nest.load_full()));
    }

    #[test]
    fn then_runs_once_the_new_snapshot_is_visible() {
        let nest = Nest::new(7);
        let seen = || ***nest.load();
        nest.update(
            |n| (Some(n + 1), assert_eq!(seen(), 7)),
            |old| assert_eq!((*old, seen()), (7, 8)),
        );
    }
}
