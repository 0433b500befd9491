//! [`ThreadWatcher`]: runs a callback when a thread dies.
//!
//! A watcher is a [`PerThread`] whose values are the callbacks. Reclaiming a callback means calling
//! it.

use std::fmt;

use crate::PerThread;

type Callback = Box<dyn FnOnce() + Send>;

/// Runs a callback when a thread dies.
///
/// A thread registers itself. When it dies, its callback runs exactly once, on the dying thread,
/// before `JoinHandle::join` returns. It does not matter who started the thread, or whether it
/// returns or panics.
///
/// - A callback may take locks, also contended ones: no lock of this crate is held.
/// - The panic hook reports a panic in a callback. The panic goes no further, and the other
///   callbacks run.
/// - A callback may use this crate, see [`Watch::ThreadDying`]. It may use thread-locals. On those
///   that are already destroyed, `LocalKey::try_with` returns an error and `with` panics.
/// - Callbacks of several watchers on one thread are independent, and run in no particular order.
/// - Dropping the watcher drops all its callbacks without calling them. Threads do not keep it
///   alive. A callback that already runs on a dying thread may end a little after the drop.
///
/// The [documentation of the crate](crate#what-counts-as-death) says what counts as death, and when
/// it is not noticed.
///
/// # Examples
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

/// The result of [`ThreadWatcher::watch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "the callback was dropped uncalled unless this is `Watch::Started`"]
pub enum Watch {
    /// The calling thread is watched. The callback will run when it dies.
    Started,
    /// This watcher already watches the calling thread. Nothing changed, and the new callback was
    /// dropped.
    Already,
    /// The calling thread is dying: its callbacks are running or have run. The new callback was
    /// dropped.
    ///
    /// Only a callback, or the destructor of another thread-local, ever gets this. It runs at the
    /// thread's death itself, so it can do the work of the callback directly.
    ThreadDying,
}

impl ThreadWatcher {
    /// Creates a watcher that watches no thread yet.
    ///
    /// # Examples
    ///
    /// ```
    /// let watcher = threadwatch::ThreadWatcher::new();
    /// assert_eq!(watcher.watched(), 0);
    /// ```
    pub fn new() -> Self {
        Self { callbacks: PerThread::new(|callback: Callback| callback()) }
    }

    /// Watches the calling thread: `callback` runs on it when it dies.
    ///
    /// `callback` must be `Send`, because dropping the watcher drops it, possibly on another
    /// thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use threadwatch::{ThreadWatcher, Watch};
    ///
    /// let (watcher, (sender, deaths)) = (ThreadWatcher::new(), mpsc::channel());
    /// std::thread::scope(|scope| {
    ///     let thread = scope.spawn(|| {
    ///         assert_eq!(watcher.watch(move || sender.send("died").unwrap()), Watch::Started);
    ///     });
    ///     thread.join().unwrap();
    /// });
    /// assert_eq!(deaths.recv(), Ok("died"));
    /// ```
    pub fn watch(&self, callback: impl FnOnce() + Send + 'static) -> Watch {
        if self.is_watching() {
            return Watch::Already;
        }
        match self.callbacks.insert(Box::new(callback)) {
            Ok(_) => Watch::Started,
            Err(_) => Watch::ThreadDying,
        }
    }

    /// Stops watching the calling thread: its death runs no callback of this watcher. Returns
    /// whether it was watched.
    ///
    /// In a callback of another watcher, this still prevents the callback of this one, if that has
    /// not run yet.
    ///
    /// # Examples
    ///
    /// ```
    /// use threadwatch::{ThreadWatcher, Watch};
    ///
    /// let watcher = ThreadWatcher::new();
    /// assert_eq!(watcher.watch(|| unreachable!()), Watch::Started);
    /// assert!(watcher.unwatch());
    /// ```
    pub fn unwatch(&self) -> bool {
        // Only `is_watching` ever borrows a callback, so `Borrowed` does not happen.
        matches!(self.callbacks.take(), Ok(Some(_)))
    }

    /// Whether this watcher watches the calling thread.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!threadwatch::ThreadWatcher::new().is_watching());
    /// ```
    pub fn is_watching(&self) -> bool {
        self.callbacks.get().is_some()
    }

    /// The number of threads that this watcher watches at this moment.
    ///
    /// # Examples
    ///
    /// ```
    /// use threadwatch::{ThreadWatcher, Watch};
    ///
    /// let watcher = ThreadWatcher::new();
    /// assert_eq!(watcher.watch(|| {}), Watch::Started);
    /// assert_eq!(watcher.watched(), 1);
    /// ```
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
