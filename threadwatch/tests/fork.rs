//! `ForkGeneration`, and the behaviour of the other types in a child.
//!
//! A child does little, reports by its exit status, and ends with `_exit`. It must not return into
//! the test harness. An alarm ends a child that hangs.
#![cfg(all(unix, not(loom)))]

use std::{
    collections::HashSet,
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
};

use threadwatch::{ForkGeneration, PerThread, ThreadToken, ThreadWatcher, Watch};

/// Whether `f` returns true when called in a child of this process.
fn in_child(f: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child runs `f` and ends. `f` follows the rules above. It allocates only with
    // `malloc`, which works in a child on the systems that this test runs on.
    match unsafe { libc::fork() } {
        -1 => panic!("fork: {}", std::io::Error::last_os_error()),
        0 => {
            // SAFETY: plain system calls, here and below.
            unsafe { libc::alarm(60) };
            let held = f();
            // SAFETY: as above.
            unsafe { libc::_exit(if held { 0 } else { 1 }) }
        }
        child => {
            let mut status = 0;
            // SAFETY: `child` is our child and is waited for once.
            assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
            libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
        }
    }
}

// A child can recognise what its parent made.
#[test]
#[cfg_attr(miri, ignore = "forks")]
fn child_has_a_new_generation_and_its_parent_keeps_its_own() {
    let before = ForkGeneration::current();
    assert!(before.is_current());
    assert!(in_child(|| {
        let child = ForkGeneration::current();
        child != before
            && !before.is_current()
            && child.is_current()
            && child == ForkGeneration::current()
    }));
    assert!(before.is_current());
    assert_eq!(ForkGeneration::current(), before);
}

#[test]
#[cfg_attr(miri, ignore = "forks")]
fn each_descendant_has_a_new_generation() {
    let mine = ForkGeneration::current();
    assert!(in_child(|| {
        let childs = ForkGeneration::current();
        in_child(|| {
            let grandchilds = ForkGeneration::current();
            HashSet::from([mine, childs, grandchilds]).len() == 3
        }) && childs.is_current()
    }));
}

#[test]
#[cfg_attr(miri, ignore = "forks")]
fn surviving_thread_keeps_its_token_and_its_value() {
    let token = ThreadToken::current();
    let values = PerThread::new(|_: u32| {});
    assert_eq!(values.insert(1), Ok(None));
    assert!(in_child(|| {
        ThreadToken::current() == token
            && values.get().is_some_and(|value| *value == 1)
            && values.insert(2) == Ok(Some(1))
    }));
    assert_eq!(*values.get().unwrap(), 1);
}

// A thread that does not exist in the child cannot hold anything of this crate.
#[test]
#[cfg_attr(miri, ignore = "forks")]
fn child_forked_during_use_can_still_watch() {
    let (watcher, values) = (ThreadWatcher::new(), PerThread::new(|_: u32| {}));
    let (stop, started) = (AtomicBool::new(false), Arc::new(Barrier::new(4)));
    thread::scope(|s| {
        for _ in 0..3 {
            s.spawn(|| {
                started.wait();
                while !stop.load(SeqCst) {
                    let short = s.spawn(|| {
                        let _ = watcher.watch(|| {});
                        let _ = values.insert(1);
                        let _ = ForkGeneration::current();
                    });
                    short.join().unwrap();
                }
            });
        }
        started.wait();
        let mut survived = 0;
        for _ in 0..50 {
            survived += u32::from(in_child(|| {
                watcher.watch(|| {}) == Watch::Started
                    && watcher.is_watching()
                    && values.insert(2) == Ok(None)
                    && values.get().is_some_and(|value| *value == 2)
                    && values.take() == Ok(Some(2))
                    && watcher.unwatch()
            }));
        }
        stop.store(true, SeqCst);
        assert_eq!(survived, 50);
    });
}
