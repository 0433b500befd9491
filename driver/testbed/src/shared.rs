//! Servers that all tests of a process share: started by the first that asks, ended with the
//! process.
//!
//! Statics are never dropped, so an exit handler ends the servers and removes their folders. If any
//! thread has panicked by then, the logs are kept. A process that ends without running exit
//! handlers still takes its servers along, and its folders are removed by the next process that
//! uses the testbed.

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

/// The standalone of this process.
///
/// Leave it as you found it: keep to a database of your own, restrict fail points by `appName`, and
/// start a server of your own to kill or pause it.
///
/// # Errors
/// As [`StandaloneBuilder::start`](crate::StandaloneBuilder::start); everybody who asks gets the
/// same error.
pub fn shared_standalone() -> Result<&'static Standalone> {
    get(&STANDALONE, Standalone::start)
}

/// The replica set of this process, with three members. The same manners as with
/// [`shared_standalone`] apply.
///
/// # Errors
/// As [`ReplicaSetBuilder::start`](crate::ReplicaSetBuilder::start); everybody who asks gets the
/// same error.
pub fn shared_replica_set() -> Result<&'static ReplicaSet> {
    get(&REPLICA_SET, || ReplicaSet::start(3))
}

/// Keeps a set that was started with other settings for the rest of the process, and ends it with
/// the process.
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
        // SAFETY: `at_exit` is a function that does not unwind and lives as long as the process. If
        // the handler cannot be registered, the servers end by their parent-death signal
        // all the same.
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
