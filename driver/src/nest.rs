//! The nest: one immutable snapshot, replaced and never edited.
//!
//! Everything that is known about the deployment hangs from the client by one [`ArcSwap`]. A reader
//! loads the snapshot once and works with it; it takes no lock and never sees half of an update.
//! All writers go through [`Nest::update`], one at a time: a function of the old snapshot gives the
//! new one, which is then put in its place.
//!
//! A snapshot carries an event that is set once it has been superseded. Who finds the snapshot
//! wanting waits for that event *of the snapshot it looked at*: an update that came in between has
//! already set it, so no wake-up is lost.
//!
//! That a reader gets a whole reference without a lock is `arc-swap`'s. All else, the order in
//! which a snapshot is put in its place and the one before it is marked, is gone through in every
//! interleaving by the loom models of the crate `pool-model`, with a cell under a lock in the place
//! of `ArcSwap`; the tests below show all of it together on real threads.

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

/// The place where the current snapshot hangs.
pub(crate) struct Nest<T> {
    current: ArcSwap<TopologySnapshot<T>>,
    writing: Mutex<()>,
}

/// One state of affairs, and whether there is a newer one.
pub(crate) struct TopologySnapshot<T> {
    content: T,
    superseded: Event,
}

impl<T> TopologySnapshot<T> {
    fn new(content: T) -> Arc<Self> {
        Arc::new(TopologySnapshot { content, superseded: Event::new() })
    }

    /// Set once the snapshot has been replaced.
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

    /// The current snapshot, for a short look: it is not to be kept across an await.
    pub(crate) fn load(&self) -> Guard<Arc<TopologySnapshot<T>>> {
        self.current.load()
    }

    /// The current snapshot, to keep.
    pub(crate) fn load_full(&self) -> Arc<TopologySnapshot<T>> {
        self.current.load_full()
    }

    /// Replaces the snapshot by what `change` makes of it, unless that is nothing. Updates happen
    /// one after the other; `change` and `then` run while all others wait, and so can bring
    /// what belongs to the snapshot in step with it: `change` what has to be so before anybody
    /// sees the new snapshot, `then`, which is given the old one, what may be so only once nobody
    /// gets the old one any more.
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

    // A reader sees one whole update, and no update is lost.
    #[test]
    fn readers_see_whole_pictures_and_no_update_is_lost() {
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
    fn who_waits_for_a_change_of_the_picture_it_saw_misses_none() {
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
    fn an_update_to_nothing_leaves_the_picture_in_place() {
        let nest = Nest::new(7);
        let seen = nest.load_full();
        assert_eq!(nest.update(|&n| (None, n + 1), |_| unreachable!()), 8);
        assert!(!seen.superseded().is_set());
        assert!(Arc::ptr_eq(&seen, &nest.load_full()));
    }

    #[test]
    fn what_follows_an_update_runs_when_the_new_picture_is_seen() {
        let nest = Nest::new(7);
        let seen = || ***nest.load();
        nest.update(
            |n| (Some(n + 1), assert_eq!(seen(), 7)),
            |old| assert_eq!((*old, seen()), (7, 8)),
        );
    }
}
