//! Barging: a limited number of newcomers may overtake each oldest waiter.

use std::pin::pin;

use toro::{Lock, Semaphore};

use crate::poll;

#[test]
fn oldest_waiter_gets_the_lock_after_the_agreed_overtakers() {
    let lock = Lock::barging((), 1);
    let holder = lock.try_acquire().unwrap();
    let (mut first, mut second) = (pin!(lock.acquire()), pin!(lock.acquire()));
    assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
    drop(holder);
    for mut oldest in [first.as_mut(), second.as_mut()] {
        let newcomer = lock.try_acquire().expect("one newcomer may overtake");
        assert!(poll(oldest.as_mut()).is_pending());
        drop(newcomer);
        assert!(lock.try_acquire().is_none(), "a second may not: the lock has been handed over");
        assert!(poll(oldest).is_ready());
    }
    assert!(lock.try_acquire().is_some() && lock.waiting() == 0);
}

#[test]
fn permits_are_handed_over_after_the_agreed_overtakers() {
    let semaphore = Semaphore::barging(2, 1);
    let holder = semaphore.try_acquire_many(2).unwrap();
    let mut both = pin!(semaphore.acquire_many(2));
    let mut one = pin!(semaphore.acquire());
    assert!(poll(both.as_mut()).is_pending() && poll(one.as_mut()).is_pending());
    drop(holder);
    let newcomer = semaphore.try_acquire().expect("one newcomer may overtake");
    assert!(semaphore.try_acquire().is_err(), "a second may not, though there is a permit");
    drop(newcomer);
    assert!(poll(both).is_ready(), "gathered, granted and released again");
    assert!(poll(one).is_ready());
    assert_eq!((semaphore.available(), semaphore.waiting()), (2, 0));
}
