//! Servers that all tests of a process share. They start at the first request and end with the
//! process.
//!
//! Statics are never dropped, so an exit handler ends the servers and removes their folders. The
//! logs are kept if a thread has panicked. If the exit handlers do not run, the servers still end,
//! and the next process with a testbed removes the folders.

use std::{
    panic,
    sync::{
        Mutex, Once, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    error::{Error, Result},
    replica_set::ReplicaSet,
    standalone::Standalone,
};

static STANDALONE: OnceLock<Result<Standalone>> = OnceLock::new();
static REPLICA_SET: OnceLock<Result<ReplicaSet>> = OnceLock::new();
static KEPT: Mutex<Vec<&'static ReplicaSet>> = Mutex::new(Vec::new());
static PANICKED: AtomicBool = AtomicBool::new(false);

/// The shared standalone of this process.
///
/// Do not disturb other tests: use your own database, restrict fail points by `appName`, and start
/// your own server to kill or pause it.
///
/// # Errors
/// Those of [`StandaloneBuilder::start`](crate::StandaloneBuilder::start). All callers get the same
/// error.
pub fn shared_standalone() -> Result<&'static Standalone> {
    get(&STANDALONE, Standalone::start)
}

/// The shared replica set of this process, with three members. The rules of [`shared_standalone`]
/// apply.
///
/// # Errors
/// Those of [`ReplicaSetBuilder::start`](crate::ReplicaSetBuilder::start). All callers get the same
/// error.
pub fn shared_replica_set() -> Result<&'static ReplicaSet> {
    get(&REPLICA_SET, || ReplicaSet::start(3))
}

/// Keeps a set with custom settings until the process ends, and ends it then.
pub fn keep_replica_set(set: ReplicaSet) -> &'static ReplicaSet {
    prepare_for_exit();
    let set: &'static ReplicaSet = Box::leak(Box::new(set));
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).push(set);
    set
}

fn get<T>(
    cell: &'static OnceLock<Result<T>>,
    start: impl FnOnce() -> Result<T>,
) -> Result<&'static T> {
    let outcome = cell.get_or_init(|| {
        prepare_for_exit();
        start()
    });
    outcome.as_ref().map_err(Error::again)
}

fn prepare_for_exit() {
    static PREPARED: Once = Once::new();
    PREPARED.call_once(|| {
        let earlier = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PANICKED.store(true, Ordering::Relaxed);
            earlier(info);
        }));
        // SAFETY: `at_exit` does not unwind and lives as long as the process. If the handler cannot
        // be registered, the servers still end by their parent-death signal.
        unsafe { libc::atexit(at_exit) };
    });
}

extern "C" fn at_exit() {
    // Unwinding must not leave this function.
    let _ = panic::catch_unwind(|| {
        let keep_logs = PANICKED.load(Ordering::Relaxed);
        if let Some(Ok(standalone)) = STANDALONE.get() {
            standalone.end(keep_logs);
        }
        if let Some(Ok(set)) = REPLICA_SET.get() {
            set.end(keep_logs);
        }
        KEPT.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .for_each(|set| set.end(keep_logs));
    });
}
