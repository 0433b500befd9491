//! Threads started by `pthread_create`, which Rust's standard library does not know.
#![cfg(all(unix, not(loom)))]

use std::{
    collections::HashSet,
    ffi::c_void,
    mem::MaybeUninit,
    ptr,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use threadwatch::{PerThread, ThreadToken, ThreadWatcher, Watch};

static WATCHER: Mutex<Option<&'static ThreadWatcher>> = Mutex::new(None);
static VALUES: Mutex<Option<&'static PerThread<usize>>> = Mutex::new(None);
static TOKENS: Mutex<Vec<ThreadToken>> = Mutex::new(Vec::new());
static DEATHS: AtomicUsize = AtomicUsize::new(0);
static RECLAIMED: AtomicUsize = AtomicUsize::new(0);

/// The body of each thread. A panic in here would abort, and so fail the test.
extern "C" fn live(number: *mut c_void) -> *mut c_void {
    let number = number as usize;
    let watcher = WATCHER.lock().unwrap().unwrap();
    let watch = watcher.watch(|| {
        DEATHS.fetch_add(1, SeqCst);
    });
    assert_eq!(watch, Watch::Started);
    let values = VALUES.lock().unwrap().unwrap();
    assert!(values.get().is_none());
    assert_eq!(values.insert(number), Ok(None));
    assert_eq!(*values.get().unwrap(), number);
    TOKENS.lock().unwrap().push(ThreadToken::current());
    ptr::null_mut()
}

#[test]
#[cfg_attr(miri, ignore = "Miri runs no threads that Rust did not start")]
fn thousand_c_threads_run_their_callbacks() {
    const THREADS: usize = 1000;
    let watcher: &'static ThreadWatcher = Box::leak(Box::default());
    let values: &'static PerThread<usize> = Box::leak(Box::new(PerThread::new(|value| {
        RECLAIMED.fetch_add(value, SeqCst);
    })));
    *WATCHER.lock().unwrap() = Some(watcher);
    *VALUES.lock().unwrap() = Some(values);
    let mut expected = 0;
    // Fifty at a time.
    for batch in 0..THREADS / 50 {
        let threads: Vec<libc::pthread_t> = (0..50)
            .map(|nth| {
                let number = batch * 50 + nth;
                expected += number;
                let mut id = MaybeUninit::uninit();
                // SAFETY: `live` has the right type. Its argument is a number, which is not
                // dereferenced.
                let failed = unsafe {
                    libc::pthread_create(id.as_mut_ptr(), ptr::null(), live, number as *mut c_void)
                };
                assert_eq!(failed, 0);
                // SAFETY: initialised by a `pthread_create` that succeeded.
                unsafe { id.assume_init() }
            })
            .collect();
        for id in threads {
            // SAFETY: started above, joined once.
            assert_eq!(unsafe { libc::pthread_join(id, ptr::null_mut()) }, 0);
        }
        assert_eq!(DEATHS.load(SeqCst), (batch + 1) * 50, "a callback ran later than `join`");
        assert_eq!(RECLAIMED.load(SeqCst), expected);
    }
    assert_eq!((watcher.watched(), values.len()), (0, 0));
    assert_eq!(TOKENS.lock().unwrap().iter().collect::<HashSet<_>>().len(), THREADS);
}
