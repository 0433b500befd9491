//! The ids of abandoned cursors, until they are ended on their servers. What sends them is a part
//! of the cursors.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use toro::Event;

use super::PinnedTo;

/// The most ids in one command.
const AT_ONCE: usize = 10_000;
/// The most ids in a queue. The server ends the cursors beyond it when they have been idle for its
/// `cursorTimeoutMillis`.
const MOST: usize = 100_000;

/// The abandoned cursors of one client.
#[derive(Default)]
pub(crate) struct KillQueue(Mutex<Queue>);

#[derive(Default)]
pub(crate) struct Queue {
    waiting: BTreeMap<Key, Group>,
    /// Groups to be tried again.
    pub(crate) later: Vec<(Key, Group)>,
    /// How many ids are in both.
    len: usize,
    /// Whether a worker is there.
    pub(crate) working: bool,
    /// Set when the command that the worker is sending has ended.
    pub(crate) sending: Option<Arc<Event>>,
}

/// The number of the pin, the database and the collection.
pub(crate) type Key = (usize, String, String);

/// Cursors of one collection in one place.
pub(crate) struct Group {
    pub(crate) pin: PinnedTo,
    pub(crate) ids: Vec<i64>,
    pub(crate) since: Instant,
}

impl Queue {
    pub(crate) fn add(&mut self, key: Key, mut group: Group) {
        self.len += group.ids.len();
        match self.waiting.get_mut(&key) {
            Some(queued) => queued.ids.append(&mut group.ids),
            None => drop(self.waiting.insert(key, group)),
        }
    }

    /// Whether it takes no more.
    pub(crate) fn is_full(&self) -> bool {
        self.len >= MOST
    }

    /// At most [`AT_ONCE`] cursors of one collection.
    pub(crate) fn take(&mut self) -> Option<(Key, Group)> {
        let (key, mut group) = self.waiting.pop_first()?;
        self.len -= group.ids.len();
        if group.ids.len() > AT_ONCE {
            let rest = Group { ids: group.ids.split_off(AT_ONCE), pin: group.pin.clone(), ..group };
            self.add(key.clone(), rest);
        }
        Some((key, group))
    }

    /// The worker's command has ended.
    pub(crate) fn sent(&mut self) {
        if let Some(sending) = self.sending.take() {
            sending.set();
        }
    }

    /// Keeps what could not be sent, to be tried again later.
    pub(crate) fn put_off(&mut self, key: Key, group: Group) {
        self.len += group.ids.len();
        self.later.push((key, group));
    }

    /// Puts what could not be sent back into the line.
    pub(crate) fn requeue(&mut self) {
        for (key, group) in std::mem::take(&mut self.later) {
            self.len -= group.ids.len();
            self.add(key, group);
        }
    }
}

impl KillQueue {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
