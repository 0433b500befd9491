//! [`ThreadWatcher`]: runs a callback when a thread dies.
//!
//! A watcher is a [`PerThread`] whose values are the callbacks, and whose way of reclaiming one is
//! to call it.

use std::fmt;

use crate::PerThread;

type Callback = Box<dyn FnOnce() + Send>;

/// Runs a callback when a thread dies.
///
/// A thread says of itself that it wants to be watched. When it dies, however it was started and
/// whether it returns or panics, its callback runs, exactly once, on the dying thread itself, and
/// before `JoinHandle::join` returns.
///
/// - A callback may take locks, contended ones too: it runs with none held.
/// - A panic in a callback is reported by the panic hook and goes no further; the other callbacks
///   run.
/// - A callback may use this crate: what it may expect of it is told in [`Watch::ThreadDying`]. It
///   may use thread-locals; those that are destroyed already answer `LocalKey::try_with` with an
///   error, and `with` with a panic.
/// - Callbacks of several watchers on one thread are independent of each other, and run in no
///   particular order.
/// - Dropping the watcher drops all its callbacks uncalled. Threads do not keep it alive. A
///   callback that is already running on a dying thread may end a little later than the drop.
///
/// What counts as death, and when it is not noticed, is told in the [documentation of the
/// crate](crate#what-counts-as-death).
///
/// ```
/// use std::sync::mpsc;
/// use threadwatch::{ThreadToken, ThreadWatcher, Watch};
///
/// let watcher = std::sync::Arc::new(ThreadWatcher::new());
/// let (obituaries, deaths) = mpsc::channel();
///
/// let thread = std::thread::spawn({
///     let watcher = watcher.clone();
///     move || {
///         let watch = watcher.watch(move || obituaries.send(ThreadToken::current()).unwrap());
///         assert_eq!(watch, Watch::Started);
///         ThreadToken::current()
///     }
/// });
///
/// let token = thread.join().unwrap();
/// assert_eq!(deaths.try_recv(), Ok(token));
/// assert_eq!(watcher.watched(), 0);
/// ```
pub struct ThreadWatcher {
    callbacks: PerThread<Callback>,
}

/// What came of [`ThreadWatcher::watch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "the callback was dropped uncalled unless this is `Watch::Started`"]
pub enum Watch {
    /// The calling thread is watched from now on: the callback will run when it dies.
    Started,
    /// This watcher was watching the calling thread already. Nothing has changed; the new callback
    /// was dropped.
    Already,
    /// The calling thread is dying, and nobody is left to notice: its callbacks are running, or
    /// have run. The callback was dropped.
    ///
    /// Only a callback, or the destructor of another thread-local, ever sees this. Whoever does is
    /// itself the news of the thread's death, and can do now what the callback would have done.
    ThreadDying,
}

impl ThreadWatcher {
    /// Watches no thread yet.
    pub fn new() -> Self {
        Self { callbacks: PerThread::new(|callback: Callback| callback()) }
    }

    /// Watches the calling thread: `callback` runs on it when it dies.
    ///
    /// `callback` is `Send` because dropping the watcher drops it, on whatever thread that happens.
    pub fn watch(&self, callback: impl FnOnce() + Send + 'static) -> Watch {
        if self.is_watching() {
            return Watch::Already;
        }
        match self.callbacks.insert(Box::new(callback)) {
            Ok(_) => Watch::Started,
            Err(_) => Watch::ThreadDying,
        }
    }

    /// No longer watches the calling thread: its death will run nothing of this watcher. Returns
    /// whether it was watched.
    ///
    /// In a callback of another watcher, this still keeps the callback of this one from running, if
    /// it has not run.
    pub fn unwatch(&self) -> bool {
        // Nothing but `is_watching` ever borrows a callback, so that `Borrowed` does not happen.
        matches!(self.callbacks.take(), Ok(Some(_)))
    }

    /// Whether this watcher watches the calling thread.
    pub fn is_watching(&self) -> bool {
        self.callbacks.get().is_some()
    }

    /// How many threads this watcher watches at this moment.
    pub fn watched(&self) -> usize {
        self.callbacks.len()
    }
}

impl Default for ThreadWatcher {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ThreadWatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadWatcher").field("watched", &self.watched()).finish()
    }
}
