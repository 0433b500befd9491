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
use std::sync::{Mutex, MutexGuard};
#[cfg(loom)]
use {
    crate::slot::{ArcSwap, Guard},
    loom::sync::{Mutex, MutexGuard},
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

    /// Starts an update. All other updates wait until it ends, so the caller can update related
    /// state too: before [`replace`](Update::replace) the state that must be ready before readers
    /// see the new snapshot, and after it the state that may change only when no reader can load
    /// the old one. Until the update ends, the caller calls no waker and no event handler, because
    /// these may start another update on the same thread.
    pub(crate) fn update(&self) -> Update<'_, T> {
        let writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        Update { current: &self.current, writing, old: self.current.load_full() }
    }

    /// Whether an update is running.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn is_updating(&self) -> bool {
        self.writing.try_lock().is_err()
    }
}

/// An update that has not replaced the snapshot yet. Dropping it leaves the snapshot in place.
pub(crate) struct Update<'n, T> {
    current: &'n ArcSwap<TopologySnapshot<T>>,
    writing: MutexGuard<'n, ()>,
    old: Arc<TopologySnapshot<T>>,
}

impl<'n, T> Update<'n, T> {
    /// The snapshot to be replaced.
    pub(crate) fn old(&self) -> &T {
        &self.old
    }

    /// Replaces the old snapshot by `new`.
    pub(crate) fn replace(self, new: T) -> Replaced<'n, T> {
        self.current.store(TopologySnapshot::new(new));
        Replaced { _writing: self.writing, _waiters: WakeOnDrop(self.old) }
    }
}

/// The end of an update. Dropping it first allows the next update, and then wakes the waiters of
/// the old snapshot. The order of the fields is the drop order.
pub(crate) struct Replaced<'n, T> {
    _writing: MutexGuard<'n, ()>,
    _waiters: WakeOnDrop<T>,
}

struct WakeOnDrop<T>(Arc<TopologySnapshot<T>>);

impl<T> Drop for WakeOnDrop<T> {
    fn drop(&mut self) {
        self.0.superseded.set();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::thread;

    use super::*;

    fn advance(nest: &Nest<u32>) {
        let update = nest.update();
        let next = update.old() + 1;
        update.replace(next);
    }

    #[test]
    fn readers_see_whole_updates_and_none_is_lost() {
        const WRITERS: u64 = 4;
        const UPDATES: u64 = 500;
        let nest = Nest::new((0_u64, 0_u64));
        thread::scope(|scope| {
            for _ in 0..WRITERS {
                scope.spawn(|| {
                    for _ in 0..UPDATES {
                        let update = nest.update();
                        let (a, b) = *update.old();
                        update.replace((a + 1, b + 2));
                    }
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
            (0..1000).for_each(|_| advance(&nest));
            waiter.join().unwrap();
        });
    }

    #[test]
    fn abandoned_update_leaves_the_snapshot_in_place() {
        let nest = Nest::new(7);
        let seen = nest.load_full();
        drop(nest.update());
        assert!(!seen.superseded().is_set());
        assert!(Arc::ptr_eq(&seen, &nest.load_full()));
    }

    #[test]
    fn old_snapshot_is_superseded_when_the_update_ends() {
        let nest = Nest::new(7);
        let old = nest.load_full();
        let update = nest.update();
        assert_eq!((*update.old(), ***nest.load()), (7, 7));
        let replaced = update.replace(8);
        assert_eq!((***nest.load(), old.superseded().is_set()), (8, false));
        drop(replaced);
        assert!(old.superseded().is_set());
    }
}
