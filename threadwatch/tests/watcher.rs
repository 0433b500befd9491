//! `ThreadWatcher` as its users see it.
#![cfg(not(loom))]

mod witness;

use std::{
    sync::{Arc, Mutex, atomic::Ordering::SeqCst, mpsc},
    thread,
};

use threadwatch::{ThreadToken, ThreadWatcher, Watch};
use witness::{Dropped, count, counter};

#[test]
fn every_callback_runs_once_before_join_returns() {
    const SPAWNERS: usize = 8;
    const DEATHS: usize = 1250;
    let watcher = Arc::new(ThreadWatcher::new());
    let all = counter();
    thread::scope(|s| {
        for _ in 0..SPAWNERS {
            s.spawn(|| {
                for _ in 0..DEATHS {
                    let calls = counter();
                    let tokens = Arc::new(Mutex::new(None));
                    let thread = thread::spawn({
                        let (watcher, all, calls, tokens) =
                            (watcher.clone(), all.clone(), calls.clone(), tokens.clone());
                        move || {
                            let watch = watcher.watch(move || {
                                calls.fetch_add(1, SeqCst);
                                all.fetch_add(1, SeqCst);
                                *tokens.lock().unwrap() = Some(ThreadToken::current());
                            });
                            assert_eq!(watch, Watch::Started);
                            ThreadToken::current()
                        }
                    });
                    let token = thread.join().unwrap();
                    assert_eq!(calls.load(SeqCst), 1, "not exactly once by the time of `join`");
                    assert_eq!(*tokens.lock().unwrap(), Some(token), "ran on another thread");
                }
            });
        }
    });
    assert_eq!(all.load(SeqCst), SPAWNERS * DEATHS);
    assert_eq!(watcher.watched(), 0);
}

// All threads are alive at once.
#[test]
fn thousand_threads_die_together() {
    const THREADS: usize = 1000;
    let watcher = ThreadWatcher::new();
    let calls = counter();
    let (release, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let (ready, readies) = mpsc::channel();
    thread::scope(|s| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let ready = ready.clone();
                let (watcher, calls, gate) = (&watcher, &calls, &gate);
                s.spawn(move || {
                    assert_eq!(watcher.watch(count(calls)), Watch::Started);
                    ready.send(()).unwrap();
                    let _ = gate.lock().unwrap().recv();
                })
            })
            .collect();
        for _ in 0..THREADS {
            readies.recv().unwrap();
        }
        assert_eq!(watcher.watched(), THREADS);
        drop(release);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(calls.load(SeqCst), THREADS);
        assert_eq!(watcher.watched(), 0);
    });
}

#[test]
fn second_watch_changes_nothing_and_says_so() {
    let watcher = ThreadWatcher::new();
    let (first, second, disposed) = (counter(), counter(), counter());
    thread::scope(|s| {
        s.spawn(|| {
            assert!(!watcher.is_watching());
            assert_eq!(watcher.watch(count(&first)), Watch::Started);
            assert!(watcher.is_watching());
            let (callback, witness) = (count(&second), Dropped(disposed.clone()));
            let again = watcher.watch(move || {
                let _witness = witness;
                callback();
            });
            assert_eq!(again, Watch::Already);
            assert_eq!(disposed.load(SeqCst), 1);
            assert_eq!(watcher.watched(), 1);
        })
        .join()
        .unwrap();
    });
    assert_eq!((first.load(SeqCst), second.load(SeqCst)), (1, 0));
}

#[test]
fn unwatched_thread_runs_no_callback() {
    let watcher = ThreadWatcher::new();
    let (calls, disposed) = (counter(), counter());
    thread::scope(|s| {
        s.spawn(|| {
            assert!(!watcher.unwatch());
            let (callback, witness) = (count(&calls), Dropped(disposed.clone()));
            let watch = watcher.watch(move || {
                let _witness = witness;
                callback();
            });
            assert_eq!(watch, Watch::Started);
            assert!(watcher.unwatch());
            assert_eq!(disposed.load(SeqCst), 1, "the callback stayed behind");
            assert!(!watcher.is_watching());
            assert!(!watcher.unwatch());
        })
        .join()
        .unwrap();
        assert_eq!(calls.load(SeqCst), 0);
        // Watching again after `unwatch` works.
        s.spawn(|| {
            for _ in 0..3 {
                assert_eq!(watcher.watch(count(&calls)), Watch::Started);
                assert!(watcher.unwatch());
            }
            assert_eq!(watcher.watch(count(&calls)), Watch::Started);
        })
        .join()
        .unwrap();
    });
    assert_eq!(calls.load(SeqCst), 1);
}

#[test]
fn two_watchers_on_one_thread_are_independent() {
    let (one, other) = (ThreadWatcher::new(), ThreadWatcher::new());
    let (ones, others) = (counter(), counter());
    thread::scope(|s| {
        s.spawn(|| {
            assert_eq!(one.watch(count(&ones)), Watch::Started);
            assert!(!other.is_watching());
            assert_eq!(other.watch(count(&others)), Watch::Started);
            assert!(one.unwatch());
            assert!(other.is_watching());
        })
        .join()
        .unwrap();
    });
    assert_eq!((ones.load(SeqCst), others.load(SeqCst)), (0, 1));
}

#[test]
fn watcher_dropped_before_the_death_is_harmless() {
    let (early, late) = (ThreadWatcher::new(), Arc::new(ThreadWatcher::new()));
    let (earlies, lates, disposed) = (counter(), counter(), counter());
    let early = Arc::new(early);
    let (watched, is_watched) = mpsc::channel();
    let (die, may_die) = mpsc::channel::<()>();
    let thread = thread::spawn({
        let (early, late) = (Arc::downgrade(&early), late.clone());
        let (earlies, lates, witness) = (count(&earlies), count(&lates), Dropped(disposed.clone()));
        move || {
            let watch = early.upgrade().unwrap().watch(move || {
                let _witness = witness;
                earlies();
            });
            assert_eq!(watch, Watch::Started);
            assert_eq!(late.watch(lates), Watch::Started);
            watched.send(()).unwrap();
            let _ = may_die.recv();
        }
    });
    is_watched.recv().unwrap();
    // Dropping the watcher on this thread drops the callback. The thread does not keep it alive.
    drop(Arc::into_inner(early).expect("the thread holds the watcher"));
    assert_eq!(disposed.load(SeqCst), 1);
    drop(die);
    thread.join().unwrap();
    assert_eq!((earlies.load(SeqCst), lates.load(SeqCst)), (0, 1));
}

// Entries that dropped watchers leave on a living thread do not accumulate.
#[test]
fn thousand_watchers_come_and_go_on_one_thread() {
    let calls = counter();
    let kept: Vec<_> = thread::scope(|s| {
        s.spawn(|| {
            let mut kept = Vec::new();
            for nth in 0..if cfg!(miri) { 50 } else { 1000 } {
                let watcher = ThreadWatcher::new();
                assert_eq!(watcher.watch(count(&calls)), Watch::Started);
                if nth % 10 == 0 {
                    kept.push(watcher);
                }
                assert!(kept.iter().all(ThreadWatcher::is_watching));
            }
            kept
        })
        .join()
        .unwrap()
    });
    assert_eq!(calls.load(SeqCst), kept.len());
    assert!(kept.iter().all(|watcher| watcher.watched() == 0));
}

#[test]
fn panicking_thread_runs_its_callback() {
    let watcher = ThreadWatcher::new();
    let calls = counter();
    thread::scope(|s| {
        let thread = s.spawn(|| {
            assert_eq!(watcher.watch(count(&calls)), Watch::Started);
            panic!("the thread itself");
        });
        assert!(thread.join().is_err());
    });
    assert_eq!(calls.load(SeqCst), 1);
}

// The callback cannot end before the scope has returned. A scope that waited for it would hang.
#[test]
fn scope_may_return_before_the_callbacks_have_run() {
    let watcher = ThreadWatcher::new();
    let (returned, has_returned) = mpsc::channel();
    let (done, outcome) = mpsc::channel();
    thread::scope(|s| {
        s.spawn(|| {
            let watch = watcher.watch(move || {
                // Gives up eventually, so that this test ends even if `scope` waits one day.
                let limit = std::time::Duration::from_secs(60);
                done.send(has_returned.recv_timeout(limit)).unwrap();
            });
            assert_eq!(watch, Watch::Started);
        });
    });
    returned.send(()).unwrap();
    assert_eq!(
        outcome.recv().unwrap(),
        Ok(()),
        "`scope` waited: the documentation may promise more"
    );
}
