use super::{Arc, block_on, model, poll_and_drop, thread};
use toro::Lock;

fn increment(lock: &Lock<usize>) {
    *block_on(lock.acquire()) += 1;
}

/// Two threads acquire and release at once, on both kinds of lock. Neither is lost in the line, and
/// neither sees the other's change half done.
fn acquire_against_release(make: fn() -> Lock<usize>) {
    model(move || {
        let lock = Arc::new(make());
        let other = Arc::clone(&lock);
        let thread = thread::spawn(move || increment(&other));
        increment(&lock);
        thread.join().unwrap();
        assert_eq!(*lock.try_acquire().expect("nobody holds it"), 2);
    });
}

#[test]
fn fair_acquire_against_release() {
    acquire_against_release(|| Lock::new(0));
}

#[test]
fn barging_acquire_against_release() {
    acquire_against_release(|| Lock::barging(0, 1));
}

/// Three threads: a holder, a waiter and a newcomer.
fn newcomer_against_hand_off(make: fn() -> Lock<usize>) {
    model(move || {
        let lock = Arc::new(make());
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let lock = Arc::clone(&lock);
                thread::spawn(move || increment(&lock))
            })
            .collect();
        increment(&lock);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(*lock.try_acquire().expect("nobody holds it"), 3);
    });
}

#[test]
fn fair_newcomer_against_hand_off() {
    newcomer_against_hand_off(|| Lock::new(0));
}

#[test]
fn barging_newcomer_against_hand_off() {
    newcomer_against_hand_off(|| Lock::barging(0, 1));
}

/// A waiter gives up while the lock is handed to it. The next one gets the lock.
fn cancel_against_grant(make: fn() -> Lock<usize>) {
    model(move || {
        let lock = Arc::new(make());
        let guard = lock.try_acquire().expect("nobody holds it");
        let impatient = {
            let lock = Arc::clone(&lock);
            thread::spawn(move || drop(poll_and_drop(lock.acquire())))
        };
        let patient = {
            let lock = Arc::clone(&lock);
            thread::spawn(move || increment(&lock))
        };
        drop(guard);
        impatient.join().unwrap();
        patient.join().unwrap();
        assert_eq!(*lock.try_acquire().expect("nobody holds it"), 1);
    });
}

#[test]
fn fair_cancel_against_grant() {
    cancel_against_grant(|| Lock::new(0));
}

#[test]
fn barging_cancel_against_grant() {
    cancel_against_grant(|| Lock::barging(0, 1));
}
