//! Bad input gets an error, never a hang.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use toro::{Barrier, Closed, Queue, Semaphore, TooManyPermits, TryAcquireError};

use crate::poll;

#[test]
fn zero_and_excess_permits_are_handled() {
    let semaphore = Semaphore::new(0);
    assert_eq!(semaphore.acquire_many(0).wait().map(|permit| permit.count()), Ok(0));
    assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::NoPermits);
    semaphore.add(u32::MAX).unwrap();
    assert_eq!(semaphore.add(1), Err(TooManyPermits));
    assert_eq!(semaphore.available(), Semaphore::MAX_PERMITS);
    assert_eq!(semaphore.acquire_many(u32::MAX).wait().map(|permit| permit.count()), Ok(u32::MAX));
    semaphore.resize(0);
    assert_eq!(semaphore.available(), 0);
    semaphore.close();
    assert_eq!(semaphore.acquire().wait().unwrap_err(), Closed);
    assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::Closed);
}

#[test]
fn acquiring_no_permits_never_waits() {
    for semaphore in [Semaphore::new(2), Semaphore::barging(2, 1)] {
        let held = semaphore.acquire_many(2).wait().unwrap();
        let mut first = pin!(semaphore.acquire());
        assert!(poll(first.as_mut()).is_pending());
        let none = match poll(pin!(semaphore.acquire_many(0))) {
            Poll::Ready(none) => none.unwrap(),
            Poll::Pending => panic!("it waits although it wants nothing"),
        };
        assert_eq!((none.count(), semaphore.try_acquire_many(0).unwrap().count()), (0, 0));
        drop(none);
        // Nothing was taken, and the waiter in line was not overtaken.
        assert_eq!((semaphore.available(), semaphore.waiting()), (0, 1));
        // With a negative number of free permits.
        semaphore.resize(1);
        assert!(poll(pin!(semaphore.acquire_many(0))).is_ready());
        drop(held);
        assert!(poll(first).is_ready());
        semaphore.close();
        assert_eq!(semaphore.acquire_many(0).wait().unwrap_err(), Closed);
    }
}

#[test]
fn maxsize_zero_is_unbounded_and_the_largest_is_no_overflow() {
    let queue = Queue::new(0);
    (0..10_000).for_each(|item| queue.try_put(item).unwrap());
    assert!(!queue.is_full());
    let queue = Queue::new(usize::MAX);
    queue.try_put(1).unwrap();
    assert_eq!((queue.maxsize(), queue.is_full(), queue.get().wait()), (usize::MAX, false, Ok(1)));
}

#[test]
fn barrier_for_nobody_lets_everyone_pass() {
    assert!(Barrier::new(0).wait().wait().is_leader());
    assert!(Barrier::new(1).wait().wait().is_leader());
}

/// A documented panic, as with any `async fn`.
#[test]
fn poll_after_the_end_panics() {
    let semaphore = Semaphore::new(1);
    let mut acquire = pin!(semaphore.acquire());
    assert!(poll(acquire.as_mut()).is_ready());
    let again = catch_unwind(AssertUnwindSafe(|| poll(acquire).is_ready()));
    let message = again.unwrap_err();
    assert!(message.downcast_ref::<&str>().is_some_and(|message| message.contains("polled again")));
    assert_eq!(semaphore.available(), 1);
}
