//! The queue of abandoned cursor ids. A worker in the cursor module sends them.
//!
//! A server has an entry while it has a worker. So there is at most one worker per server, and a
//! server that hangs delays only its own kills.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use toro::Event;

use super::{PinnedTo, Timeout};
use crate::topology::Server;

/// The maximum number of ids per command.
const MAX_IDS_PER_COMMAND: usize = 10_000;
/// The maximum number of ids in the queue. The server closes further cursors when they are idle for
/// its `cursorTimeoutMillis`.
const MAX_QUEUED: usize = 100_000;

/// The abandoned cursors of one client.
#[derive(Default)]
pub(crate) struct KillQueue(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    servers: BTreeMap<Key, OfServer>,
    /// The number of waiting ids.
    len: usize,
    /// Set when the last worker has ended.
    idle: Option<Arc<Event>>,
}

/// A server, identified by its address in memory. Its entry keeps the address in use.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key(usize);

impl Key {
    fn of(server: &Arc<Server>) -> Self {
        Key(Arc::as_ptr(server).addr())
    }
}

/// The number of the pin, the database and the collection.
type GroupKey = ((usize, u64), String, String);

/// The cursors to kill with one pin and collection.
struct Waiting {
    pin: PinnedTo,
    /// The longest of their timeouts.
    timeout: Timeout,
    ids: Vec<i64>,
}

/// The cursors to kill on one server.
struct OfServer {
    waiting: BTreeMap<GroupKey, Waiting>,
    /// Cursors that were put back. They wait until the others have been tried.
    again: BTreeMap<GroupKey, Waiting>,
    /// Makes the worker try again at once.
    hurry: Arc<Event>,
    /// Keeps the key's address in use.
    server: Arc<Server>,
}

/// Cursors to kill with one pin and collection.
pub(crate) struct Group {
    pub(crate) pin: PinnedTo,
    pub(crate) db: String,
    pub(crate) collection: String,
    /// The time limit of the command.
    pub(crate) timeout: Timeout,
    pub(crate) ids: Vec<i64>,
}

impl KillQueue {
    /// Adds cursors. If their server has no worker yet, returns the event that ends the pauses of a
    /// new one.
    #[must_use = "a worker is to be started"]
    pub(crate) fn add(&self, group: Group) -> Option<Arc<Event>> {
        let server = Arc::clone(group.pin.server());
        let mut queue = self.lock();
        if queue.len >= MAX_QUEUED {
            return None;
        }
        queue.len += group.ids.len();
        let mut hurry = None;
        let entry = queue.servers.entry(Key::of(&server)).or_insert_with(|| {
            let event = Arc::new(Event::new());
            hurry = Some(Arc::clone(&event));
            let (waiting, again) = (BTreeMap::new(), BTreeMap::new());
            OfServer { waiting, again, hurry: event, server }
        });
        add(&mut entry.waiting, group);
        hurry
    }

    /// The next cursors to kill on `server`, at most [`MAX_IDS_PER_COMMAND`] of one collection.
    /// After `None` its worker must end; a cursor that is added later starts another.
    pub(crate) fn take(&self, server: &Arc<Server>) -> Option<Group> {
        let mut queue = self.lock();
        let entry = queue.servers.get_mut(&Key::of(server))?;
        if entry.waiting.is_empty() {
            entry.waiting = std::mem::take(&mut entry.again);
        }
        if let Some(((_, db, collection), Waiting { pin, timeout, mut ids })) =
            entry.waiting.pop_first()
        {
            if ids.len() > MAX_IDS_PER_COMMAND {
                let rest = ids.split_off(MAX_IDS_PER_COMMAND);
                let (db, collection) = (db.clone(), collection.clone());
                let rest = Group { pin: pin.clone(), db, collection, timeout, ids: rest };
                add(&mut entry.waiting, rest);
            }
            queue.len -= ids.len();
            return Some(Group { pin, db, collection, timeout, ids });
        }
        Self::remove(queue, server);
        None
    }

    /// Puts back cursors that the worker for `server` could not kill. Returns whether there are
    /// others that it has not tried since.
    pub(crate) fn put_back(&self, server: &Arc<Server>, group: Group) -> bool {
        let mut queue = self.lock();
        let len = group.ids.len();
        let Some(entry) = queue.servers.get_mut(&Key::of(server)) else { return false };
        add(&mut entry.again, group);
        let others = !entry.waiting.is_empty();
        queue.len += len;
        others
    }

    /// Makes all workers try again at once. Returns the event for the end of the last worker;
    /// `None` if there is no worker.
    pub(crate) fn hurry(&self) -> Option<Arc<Event>> {
        let mut queue = self.lock();
        if queue.servers.is_empty() {
            return None;
        }
        let paused: Vec<_> = queue.servers.values().map(|of| Arc::clone(&of.hurry)).collect();
        let idle = Arc::clone(queue.idle.get_or_insert_with(Arc::default));
        drop(queue);
        paused.iter().for_each(|paused| paused.set());
        Some(idle)
    }

    /// The worker for `server` that got `hurry` has ended. Its remaining cursors are forgotten.
    /// Does nothing if [`take`](Self::take) has already ended it: the entry may be that of the next
    /// worker.
    pub(crate) fn worker_ended(&self, server: &Arc<Server>, hurry: &Arc<Event>) {
        let queue = self.lock();
        let entry = queue.servers.get(&Key::of(server));
        if entry.is_some_and(|entry| Arc::ptr_eq(&entry.hurry, hurry)) {
            Self::remove(queue, server);
        }
    }

    /// Removes the entry under the same lock as the check that its worker is done, so that cursors
    /// added later start another worker.
    fn remove(mut queue: MutexGuard<'_, Queue>, server: &Arc<Server>) {
        let Some(entry) = queue.servers.remove(&Key::of(server)) else { return };
        let left = entry.waiting.values().chain(entry.again.values());
        queue.len -= left.map(|waiting| waiting.ids.len()).sum::<usize>();
        let idle = if queue.servers.is_empty() { queue.idle.take() } else { None };
        drop(queue);
        if let Some(idle) = idle {
            idle.set();
        }
        // This may be the last reference to the server, so its pool closes without the lock.
        drop((entry.waiting, entry.again, entry.server));
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(to: &mut BTreeMap<GroupKey, Waiting>, group: Group) {
    let Group { pin, db, collection, timeout, mut ids } = group;
    let key = (pin.number(), db, collection);
    let new = || Waiting { pin, timeout, ids: Vec::new() };
    let waiting = to.entry(key).or_insert_with(new);
    waiting.timeout = waiting.timeout.longer(timeout);
    waiting.ids.append(&mut ids);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::ClientOptions;
    use crate::pool::{Establisher, Pool};
    use crate::rt::Runtime;

    fn server() -> Arc<Server> {
        let options = ClientOptions::default();
        let address = options.hosts[0].clone();
        let establisher = Establisher::new(Arc::new(options), Runtime::blocking().unwrap());
        let pool = Pool::new(address.clone(), &establisher.unwrap()).0;
        Server::new(address, pool)
    }

    fn group(server: &Arc<Server>, collection: &str) -> Group {
        Group {
            pin: PinnedTo::member(server),
            db: "db".to_owned(),
            collection: collection.to_owned(),
            timeout: Timeout::Unset,
            ids: vec![1],
        }
    }

    /// A group that can never be sent must not delay the others.
    #[test]
    fn group_that_was_put_back_waits_for_the_others() {
        let (server, queue) = (server(), KillQueue::default());
        let group = |collection: &str| group(&server, collection);
        let take = || queue.take(&server).unwrap();
        assert!(queue.add(group("a")).is_some() && queue.add(group("b")).is_none());
        let first = take();
        assert!(queue.put_back(&server, first), "another is left");
        let second = take();
        assert_eq!(second.collection, "b");
        assert!(!queue.put_back(&server, second), "all have been tried");
        assert_eq!((take().collection, take().collection), ("a".to_owned(), "b".to_owned()));
        assert!(queue.take(&server).is_none());
    }

    /// A cursor may be dropped after the worker found nothing and before it ends.
    #[test]
    fn ended_worker_leaves_the_cursors_of_the_next_one() {
        let (server, queue) = (server(), KillQueue::default());
        let first = queue.add(group(&server, "a")).expect("a worker");
        assert!(queue.take(&server).is_some() && queue.take(&server).is_none());
        let second = queue.add(group(&server, "b")).expect("another worker");
        queue.worker_ended(&server, &first);
        assert!(queue.hurry().is_some(), "the second worker has not ended");
        assert_eq!(queue.take(&server).map(|group| group.collection), Some("b".to_owned()));
        assert!(queue.add(group(&server, "c")).is_none(), "the second worker sends it");
        queue.worker_ended(&server, &second);
        assert!(queue.hurry().is_none() && queue.take(&server).is_none());
        assert_eq!(queue.lock().len, 0);
    }
}
