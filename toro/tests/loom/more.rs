//! Conditions, barriers, results and read-write locks.

use std::pin::pin;

use super::{Arc, block_on, model, poll_and_drop, poll_once, thread};
use toro::{AsyncResult, Barrier, Condition, Lock, RwLock};

/// The state changes, and is notified, between the check and the wait. The notification is not
/// missed.
#[test]
fn notify_against_wait_on() {
    model(|| {
        let shared = Arc::new((Lock::new(false), Condition::new()));
        let other = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            block_on(async {
                let (lock, condition) = &*other;
                let mut ready = lock.acquire().await;
                while !*ready {
                    ready = condition.wait_on(ready).await;
                }
            });
        });
        let (lock, condition) = &*shared;
        *block_on(lock.acquire()) = true;
        condition.notify(1);
        thread.join().unwrap();
        assert_eq!(condition.waiting(), 0);
    });
}

/// A waiter gives up while it is notified. The notification goes to the other.
#[test]
fn cancel_against_notify() {
    model(|| {
        let condition = Arc::new(Condition::new());
        let mut patient = pin!(condition.wait());
        assert!(block_on(poll_once(patient.as_mut())).is_none());
        let mut impatient = Box::pin(condition.wait());
        assert!(block_on(poll_once(impatient.as_mut())).is_none());
        let other = Arc::clone(&condition);
        let thread = thread::spawn(move || {
            other.notify(1);
            other.notify(1)
        });
        drop(impatient);
        block_on(patient);
        thread.join().unwrap();
        assert_eq!(condition.waiting(), 0);
    });
}

/// The value is set while a waiter joins the line.
#[test]
fn set_against_get() {
    model(|| {
        let result = Arc::new(AsyncResult::new());
        let other = Arc::clone(&result);
        let thread = thread::spawn(move || *block_on(other.get()));
        let rival = Arc::clone(&result);
        let setter = thread::spawn(move || rival.set(1).is_ok());
        let first = result.set(1).is_ok();
        assert!(first != setter.join().unwrap(), "it is set once");
        assert_eq!(thread.join().unwrap(), 1);
        assert_eq!(result.waiting(), 0);
    });
}

/// The last party arrives while another gives up. Either all pass, or one is still missing.
#[test]
fn cancel_against_last_arrival() {
    model(|| {
        let barrier = Arc::new(Barrier::new(2));
        let other = Arc::clone(&barrier);
        let thread = thread::spawn(move || poll_and_drop(other.wait()).is_some());
        let here = poll_and_drop(barrier.wait()).is_some();
        let there = thread.join().unwrap();
        assert!(!(here && there), "there is one leader");
        assert_eq!(barrier.arrived(), 0, "nobody is there any more");
    });
}

/// A writer races with a reader. The reader sees all that was written, or nothing.
#[test]
fn read_against_write() {
    model(|| {
        let lock = Arc::new(RwLock::new((0, 0)));
        let other = Arc::clone(&lock);
        let thread = thread::spawn(move || {
            let mut pair = block_on(other.write());
            pair.0 += 1;
            pair.1 += 1;
        });
        let (left, right) = *block_on(lock.read());
        assert_eq!(left, right);
        thread.join().unwrap();
        assert!(lock.try_write().is_some());
    });
}

/// An upgrade waits for a reader to leave, with a writer in line behind it. The upgrade comes
/// first, and no waiter is forgotten.
#[test]
fn upgrade_against_waiting_writer() {
    model(|| {
        let lock = Arc::new(RwLock::new(0));
        let upgradable = lock.try_upgradable_read().expect("nobody holds it");
        let writer = {
            let lock = Arc::clone(&lock);
            thread::spawn(move || *block_on(lock.write()) *= 2)
        };
        let reader = {
            let lock = Arc::clone(&lock);
            thread::spawn(move || drop(poll_and_drop(lock.read())))
        };
        *block_on(upgradable.upgrade()) += 1;
        writer.join().unwrap();
        reader.join().unwrap();
        assert_eq!(*lock.try_read().expect("nobody writes"), 2);
    });
}
