//! Callbacks of a `ThreadWatcher` while their thread is dying.
#![cfg(not(loom))]

mod witness;

use std::{
    cell::{Cell, RefCell},
    panic,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
};

use threadwatch::{ThreadWatcher, Watch};
use witness::{Dropped, count, counter};

#[test]
fn callbacks_take_contended_locks() {
    const THREADS: usize = 32;
    let watcher = ThreadWatcher::new();
    let deaths = Arc::new(Mutex::new(0));
    let (arrived, arrivals) = mpsc::channel();
    thread::scope(|s| {
        let held = deaths.lock().unwrap();
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let (watcher, deaths, arrived) = (&watcher, deaths.clone(), arrived.clone());
                s.spawn(move || {
                    let watch = watcher.watch(move || {
                        arrived.send(()).unwrap();
                        *deaths.lock().unwrap() += 1;
                    });
                    assert_eq!(watch, Watch::Started);
                })
            })
            .collect();
        // All threads are in their callbacks, before or at the lock, which is held here.
        for _ in 0..THREADS {
            arrivals.recv().unwrap();
        }
        assert_eq!(*held, 0);
        drop(held);
        for thread in threads {
            thread.join().unwrap();
        }
    });
    assert_eq!(*deaths.lock().unwrap(), THREADS);
}

thread_local! {
    static FRESH: RefCell<Option<Dropped>> = const { RefCell::new(None) };
    static PLAIN: Cell<u32> = const { Cell::new(1) };
}

#[test]
fn thread_locals_work_inside_a_callback() {
    let watcher = ThreadWatcher::new();
    let (touched, disposed) = (counter(), counter());
    thread::scope(|s| {
        s.spawn(|| {
            let (touched, witness) = (touched.clone(), Dropped(disposed.clone()));
            let watch = watcher.watch(move || {
                PLAIN.set(PLAIN.get() + 1);
                // First used while the thread is dying. It is still destroyed.
                FRESH.with(|fresh| *fresh.borrow_mut() = Some(witness));
                touched.fetch_add(PLAIN.get() as usize, SeqCst);
            });
            assert_eq!(watch, Watch::Started);
        })
        .join()
        .unwrap();
    });
    assert_eq!(touched.load(SeqCst), 2);
    assert_eq!(disposed.load(SeqCst), 1, "a thread-local made in a callback leaked");
}

#[test]
fn watch_inside_a_callback_is_refused_and_loses_nothing() {
    let watchers: Arc<Vec<ThreadWatcher>> =
        Arc::new((0..5).map(|_| ThreadWatcher::new()).collect());
    let newcomer = Arc::new(ThreadWatcher::new());
    let (calls, refused, disposed, made) = (counter(), counter(), counter(), counter());
    let thread = thread::spawn({
        let watchers = watchers.clone();
        let (calls, refused, disposed, made) =
            (calls.clone(), refused.clone(), disposed.clone(), made.clone());
        move || {
            for nth in 0..watchers.len() {
                let (ours, newcomer) = (watchers.clone(), newcomer.clone());
                let (calls, refused, disposed, made) =
                    (calls.clone(), refused.clone(), disposed.clone(), made.clone());
                let watch = watchers[nth].watch(move || {
                    let again = |watcher: &ThreadWatcher| {
                        made.fetch_add(1, SeqCst);
                        let witness = Dropped(disposed.clone());
                        watcher.watch(move || drop(witness))
                    };
                    assert!(!ours[nth].is_watching());
                    assert_eq!(again(&ours[nth]), Watch::ThreadDying);
                    assert_eq!(again(&newcomer), Watch::ThreadDying);
                    assert!(!newcomer.is_watching());
                    for other in ours.iter() {
                        // Some of the others have run, and some will still run.
                        let expected =
                            if other.is_watching() { Watch::Already } else { Watch::ThreadDying };
                        assert_eq!(again(other), expected);
                    }
                    refused.fetch_add(1, SeqCst);
                    calls.fetch_add(1, SeqCst);
                });
                assert_eq!(watch, Watch::Started);
            }
        }
    });
    thread.join().unwrap();
    assert_eq!(calls.load(SeqCst), 5);
    assert_eq!(refused.load(SeqCst), 5, "an assertion inside a callback failed");
    assert_eq!(disposed.load(SeqCst), made.load(SeqCst), "a refused callback leaked");
}

// `unwatch` inside a callback stops another callback that has not run yet.
#[test]
fn one_of_two_mutually_unwatching_callbacks_runs() {
    let pair = Arc::new([ThreadWatcher::new(), ThreadWatcher::new()]);
    let (calls, cancelled) = (counter(), counter());
    let thread = thread::spawn({
        let (calls, cancelled) = (calls.clone(), cancelled.clone());
        move || {
            for nth in 0..2 {
                let (both, calls, cancelled) = (pair.clone(), calls.clone(), cancelled.clone());
                let watch = pair[nth].watch(move || {
                    calls.fetch_add(1, SeqCst);
                    cancelled.fetch_add(usize::from(both[1 - nth].unwatch()), SeqCst);
                });
                assert_eq!(watch, Watch::Started);
            }
        }
    });
    thread.join().unwrap();
    assert_eq!((calls.load(SeqCst), cancelled.load(SeqCst)), (1, 1));
}

/// A thread-local whose destructor watches.
struct WatchesAtItsEnd {
    watcher: Arc<ThreadWatcher>,
    calls: Arc<AtomicUsize>,
    disposed: Arc<AtomicUsize>,
    outcome: Arc<OnceLock<Watch>>,
}

impl Drop for WatchesAtItsEnd {
    fn drop(&mut self) {
        let (callback, witness) = (count(&self.calls), Dropped(self.disposed.clone()));
        let outcome = self.watcher.watch(move || {
            let _witness = witness;
            callback();
        });
        self.outcome.set(outcome).unwrap();
    }
}

thread_local! {
    static BEFORE: RefCell<Option<WatchesAtItsEnd>> = const { RefCell::new(None) };
    static AFTER: RefCell<Option<WatchesAtItsEnd>> = const { RefCell::new(None) };
}

/// Lets a thread die that watches in the destructors of two thread-locals. It used one before it
/// armed the vigil, and one after. `in_life` arms the vigil. Returns what each destructor got,
/// after checking that it was true.
fn watch_in_destructors(in_life: impl FnOnce() + Send + 'static) -> [Watch; 2] {
    let ends: Vec<_> = (0..2)
        .map(|_| {
            let watcher = Arc::new(ThreadWatcher::new());
            (watcher, counter(), counter(), Arc::new(OnceLock::new()))
        })
        .collect();
    let [before, after] = [0, 1].map(|nth| {
        let (watcher, calls, disposed, outcome) = ends[nth].clone();
        WatchesAtItsEnd { watcher, calls, disposed, outcome }
    });
    thread::spawn(move || {
        BEFORE.with(|local| *local.borrow_mut() = Some(before));
        in_life();
        AFTER.with(|local| *local.borrow_mut() = Some(after));
    })
    .join()
    .unwrap();
    [0, 1].map(|nth| {
        let (watcher, calls, disposed, outcome) = &ends[nth];
        let outcome = *outcome.get().expect("the destructor did not finish");
        assert_eq!(calls.load(SeqCst), usize::from(outcome == Watch::Started));
        assert_eq!(disposed.load(SeqCst), 1);
        assert_eq!(watcher.watched(), 0);
        outcome
    })
}

#[test]
fn watch_in_another_destructor_says_whether_it_took() {
    let watcher = Arc::new(ThreadWatcher::new());
    let calls = counter();
    let callback = count(&calls);
    let outcomes = watch_in_destructors({
        let watcher = watcher.clone();
        move || assert_eq!(watcher.watch(callback), Watch::Started)
    });
    // The watcher has outlived the thread.
    assert_eq!((calls.load(SeqCst), watcher.watched()), (1, 0));
    // The order of destruction on Linux.
    if cfg!(target_os = "linux") {
        assert_eq!(outcomes, [Watch::ThreadDying, Watch::Started]);
    }
}

// The thread is first watched while it is dying.
#[test]
fn thread_first_watched_in_a_destructor_runs_its_callback() {
    let outcomes = watch_in_destructors(|| {});
    assert!(outcomes.contains(&Watch::Started));
}

/// The payload panics again when it is dropped.
struct Grenade;

impl Drop for Grenade {
    fn drop(&mut self) {
        panic!("and again, as it is dropped");
    }
}

#[test]
fn panicking_callback_is_contained() {
    let watchers: Vec<_> = (0..9).map(|_| ThreadWatcher::new()).collect();
    let calls = counter();
    thread::scope(|s| {
        s.spawn(|| {
            for (nth, watcher) in watchers.iter().enumerate() {
                let callback = count(&calls);
                let watch = watcher.watch(move || {
                    callback();
                    match nth % 3 {
                        0 => {}
                        1 => panic!("callback {nth}"),
                        _ => panic::panic_any(Grenade),
                    }
                });
                assert_eq!(watch, Watch::Started);
            }
        })
        .join()
        .expect("the panic of a callback reached the thread");
    });
    assert_eq!(calls.load(SeqCst), watchers.len());
    assert!(watchers.iter().all(|watcher| watcher.watched() == 0));
}
