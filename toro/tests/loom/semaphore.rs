use std::pin::pin;

use super::{Arc, block_on, model, poll_and_drop, poll_once, thread};
use toro::{Closed, Semaphore};

/// `close` races with a waiter that joins the line. The waiter learns of it in any case.
#[test]
fn close_against_acquire() {
    model(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let other = Arc::clone(&semaphore);
        let thread = thread::spawn(move || block_on(other.acquire()).map(drop));
        semaphore.close();
        assert_eq!(thread.join().unwrap(), Err(Closed));
        assert_eq!(semaphore.waiting(), 0);
    });
}

/// Permits that are too few for the oldest waiter are kept for it, and are passed on when it gives
/// up.
#[test]
fn cancel_of_many_against_release() {
    model(|| {
        let semaphore = Arc::new(Semaphore::new(1));
        let many = {
            let semaphore = Arc::clone(&semaphore);
            thread::spawn(move || drop(poll_and_drop(semaphore.acquire_many(2))))
        };
        let one = {
            let semaphore = Arc::clone(&semaphore);
            thread::spawn(move || block_on(semaphore.acquire()).map(drop))
        };
        semaphore.add(1).unwrap();
        many.join().unwrap();
        assert_eq!(one.join().unwrap(), Ok(()));
        assert_eq!((semaphore.available(), semaphore.waiting()), (2, 0));
    });
}

/// Two permits come one by one while two wait. Both are served, with and without barging.
fn two_releases_against_two_waiters(make: fn() -> Semaphore) {
    model(move || {
        let semaphore = Arc::new(make());
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let semaphore = Arc::clone(&semaphore);
                thread::spawn(move || block_on(semaphore.acquire()).unwrap().forget())
            })
            .collect();
        semaphore.add(1).unwrap();
        semaphore.add(1).unwrap();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!((semaphore.available(), semaphore.waiting(), semaphore.total()), (0, 0, 0));
    });
}

#[test]
fn fair_two_releases_against_two_waiters() {
    two_releases_against_two_waiters(|| Semaphore::new(0));
}

#[test]
fn barging_two_releases_against_two_waiters() {
    two_releases_against_two_waiters(|| Semaphore::barging(0, 2));
}

/// Another task polls a waiter while it is granted. The task that polled last is woken.
#[test]
fn waker_swap_against_grant() {
    model(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let other = Arc::clone(&semaphore);
        let thread = thread::spawn(move || other.add(1).unwrap());
        let mut acquire = pin!(semaphore.acquire());
        let early = block_on(poll_once(acquire.as_mut()));
        let permit = match early {
            Some(permit) => permit,
            // Another `block_on` has another waker.
            None => block_on(acquire),
        };
        assert_eq!(permit.map(|permit| permit.count()), Ok(1));
        thread.join().unwrap();
    });
}

/// `resize` to a smaller number races with a release. No permit is created or lost.
#[test]
fn resize_against_release() {
    model(|| {
        let semaphore = Arc::new(Semaphore::new(2));
        let permits = semaphore.try_acquire_many(2).unwrap();
        let other = Arc::clone(&semaphore);
        let thread = thread::spawn(move || {
            other.resize(1);
            block_on(other.acquire()).map(drop)
        });
        drop(permits);
        assert_eq!(thread.join().unwrap(), Ok(()));
        assert_eq!((semaphore.available(), semaphore.total()), (1, 1));
    });
}
