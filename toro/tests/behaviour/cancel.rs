//! Waits that end without success leave nothing behind and lose nothing.

use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use toro::{Condition, Event, Handoff, Lock, Queue, RwLock, Semaphore, Take, Waiters};

use crate::poll;

#[test]
fn thousand_expired_waits_leave_nothing_behind() {
    let (event, condition, semaphore) = (Event::new(), Condition::new(), Semaphore::new(0));
    let (lock, rwlock) = (Lock::new(()), RwLock::new(()));
    let queue = Queue::new(1);
    queue.try_put(0).unwrap();
    let handoff = Handoff::<(), ()>::new(());
    let (_guard, _reader) = (lock.acquire().wait(), rwlock.read().wait());
    let none = Duration::ZERO;
    for _ in 0..1000 {
        assert!(event.wait().wait_timeout(none).is_err());
        assert!(condition.wait().wait_timeout(none).is_err());
        assert!(semaphore.acquire().wait_timeout(none).is_err());
        assert!(lock.acquire().wait_timeout(none).is_err());
        assert!(rwlock.write().wait_timeout(none).is_err());
        assert!(queue.put(1).wait_timeout(none).is_err());
        assert!(queue.join().wait_timeout(none).is_err());
        assert!(
            handoff
                .wait(|_: &mut (), _: &mut Waiters<'_, ()>| Take::Queue)
                .wait_timeout(none)
                .is_err()
        );
    }
    assert_eq!((event.waiting(), condition.waiting(), semaphore.waiting()), (0, 0, 0));
    assert_eq!((lock.waiting(), rwlock.waiting()), (0, 0));
    assert_eq!(handoff.with(|(), waiters| waiters.len()), 0);
    assert_eq!((queue.get().wait(), queue.is_empty()), (Ok(0), true));
    for _ in 0..1000 {
        assert!(queue.get().wait_timeout(none).is_err());
    }
    queue.try_put(2).unwrap();
    assert_eq!(queue.try_get(), Ok(2), "no promise to an expired getter is left");
}

/// On one thread, where the order is certain.
#[test]
fn release_goes_to_the_oldest_waiter_not_to_a_newcomer() {
    let lock = Lock::new(());
    let guard = lock.try_acquire().unwrap();
    let mut waits: Vec<Pin<Box<_>>> = (0..5).map(|_| Box::pin(lock.acquire())).collect();
    waits.iter_mut().for_each(|wait| assert!(poll(wait.as_mut()).is_pending()));
    drop(guard);
    for turn in 0..5 {
        assert!(
            lock.try_acquire().is_none(),
            "the lock belongs to the oldest waiter, though it has not noticed yet"
        );
        waits
            .iter_mut()
            .skip(turn + 1)
            .for_each(|later| assert!(poll(later.as_mut()).is_pending()));
        let Poll::Ready(guard) = poll(waits[turn].as_mut()) else {
            panic!("waiter {turn} was not served")
        };
        drop(guard);
    }
    assert!(lock.try_acquire().is_some());
}

/// Exactly the allowed number of newcomers overtakes.
#[test]
fn barging_ends_with_a_hand_off() {
    let lock = Lock::barging((), 2);
    let mut guard = lock.try_acquire().unwrap();
    let mut waiter = pin!(lock.acquire());
    assert!(poll(waiter.as_mut()).is_pending());
    for _ in 0..2 {
        drop(guard);
        guard = lock.try_acquire().expect("a newcomer may overtake");
    }
    drop(guard);
    assert!(lock.try_acquire().is_none(), "this one would be the third");
    assert!(poll(waiter).is_ready());
}

#[test]
fn notification_skips_waiters_that_have_left() {
    let condition = Condition::new();
    let mut waits: Vec<Pin<Box<_>>> = (0..4).map(|_| Box::pin(condition.wait())).collect();
    waits.iter_mut().for_each(|wait| assert!(poll(wait.as_mut()).is_pending()));
    drop(waits.remove(0));
    assert!(condition.wait().wait_timeout(Duration::ZERO).is_err());
    assert_eq!(condition.notify(2), 2);
    // A notified waiter leaves before it noticed. The third one is notified in its place.
    drop(waits.remove(0));
    assert!(poll(waits[0].as_mut()).is_ready());
    assert!(poll(waits[1].as_mut()).is_ready());
}

/// The first wait expires on its way back to the lock. Its notification goes to the next.
#[test]
fn notification_is_not_lost_on_the_way_to_the_lock() {
    let (lock, condition) = (Lock::new(()), Condition::new());
    let mut first =
        pin!(condition.wait_on(lock.try_acquire().unwrap()).until(std::future::ready(())));
    // The future in `until` is ready at once. So this wait joins the line, releases the lock and
    // expires in one poll.
    assert!(matches!(poll(first.as_mut()), Poll::Ready(Err(_))));
    let end = Event::new();
    let mut second = pin!(condition.wait_on(lock.try_acquire().unwrap()).until(end.wait()));
    assert!(poll(second.as_mut()).is_pending());
    let mut third = pin!(condition.wait());
    assert!(poll(third.as_mut()).is_pending());
    let guard = lock.try_acquire().expect("a waiter does not hold the lock");
    assert_eq!(condition.notify(1), 1);
    assert!(poll(second.as_mut()).is_pending(), "notified, but the lock is held");
    assert!(poll(third.as_mut()).is_pending());
    end.set();
    assert!(matches!(poll(second), Poll::Ready(Err(_))));
    assert!(
        poll(third).is_ready(),
        "the second has passed it on, although it has not been dropped yet"
    );
    drop(guard);
}

/// As above, but the wait is dropped.
#[test]
fn notification_passes_on_when_the_wait_for_the_lock_drops() {
    let (lock, condition) = (Lock::new(()), Condition::new());
    let mut first = Box::pin(condition.wait_on(lock.try_acquire().unwrap()));
    assert!(poll(first.as_mut()).is_pending());
    let mut second = pin!(condition.wait());
    assert!(poll(second.as_mut()).is_pending());
    let _guard = lock.try_acquire().unwrap();
    assert_eq!(condition.notify(1), 1);
    assert!(poll(first.as_mut()).is_pending());
    drop(first);
    assert!(poll(second).is_ready());
}

#[test]
fn expired_write_lets_the_readers_behind_it_in() {
    let lock = RwLock::new(());
    let reader = lock.try_read().unwrap();
    let mut write = Box::pin(lock.write());
    assert!(poll(write.as_mut()).is_pending());
    let mut behind = pin!(lock.read());
    assert!(poll(behind.as_mut()).is_pending(), "a waiting writer holds back new readers");
    assert!(lock.try_read().is_none());
    drop(write);
    assert!(poll(behind).is_ready());
    drop(reader);
    assert!(lock.try_write().is_some());
}

/// A thousand futures are dropped right after their grant. The last one gets it.
#[test]
fn grants_pass_over_dropped_waits() {
    let semaphore = Semaphore::new(0);
    let mut waits: Vec<Pin<Box<_>>> = (0..1000).map(|_| Box::pin(semaphore.acquire())).collect();
    waits.iter_mut().for_each(|wait| assert!(poll(wait.as_mut()).is_pending()));
    semaphore.add(1).unwrap();
    let mut last = waits.pop().unwrap();
    for wait in waits {
        drop(wait);
    }
    assert!(matches!(poll(last.as_mut()), Poll::Ready(Ok(_))));
}
