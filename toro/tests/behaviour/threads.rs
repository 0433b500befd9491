//! Threads that use a primitive concurrently leave it in a valid state.

use std::thread;
use std::time::Duration;

use toro::{Event, Handoff, Lock, Queue, Take, Timeout};

/// The number of operations per thread.
const ROUNDS: u64 = if cfg!(miri) { 50 } else { 10_000 };

#[test]
fn locks_count_every_increment() {
    for lock in [Lock::new(0), Lock::barging(0, 8)] {
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..ROUNDS {
                        *lock.acquire().wait() += 1;
                    }
                });
            }
        });
        assert_eq!(lock.into_inner(), 4 * ROUNDS);
    }
}

#[test]
fn queue_delivers_every_item_once() {
    let queue = Queue::new(3);
    let sum = thread::scope(|scope| {
        let getters: Vec<_> = (0..3).map(|_| scope.spawn(|| queue.iter().sum::<u64>())).collect();
        let putters: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    for item in 0..ROUNDS {
                        queue.put(item).wait().unwrap();
                    }
                })
            })
            .collect();
        putters.into_iter().for_each(|putter| putter.join().unwrap());
        queue.close();
        getters.into_iter().map(|getter| getter.join().unwrap()).sum::<u64>()
    });
    assert_eq!(sum, 4 * ((ROUNDS - 1) * ROUNDS / 2));
}

#[test]
fn expired_wait_leaves_the_line() {
    let event = Event::new();
    assert_eq!(event.wait().wait_timeout(Duration::from_millis(1)), Err(Timeout));
    assert_eq!(event.waiting(), 0);
}

#[test]
fn hundred_waiters_get_one_value_each() {
    let handoff = Handoff::<usize, usize>::new(0);
    thread::scope(|scope| {
        let waiters: Vec<_> = (0..100)
            .map(|_| {
                scope.spawn(|| {
                    let queue = |arrived: &mut usize, _: &mut toro::Waiters<'_, usize>| {
                        *arrived += 1;
                        Take::Queue
                    };
                    handoff.wait(queue).wait()
                })
            })
            .collect();
        while handoff.with(|arrived, _| *arrived) < 100 {
            thread::yield_now();
        }
        let mut next = 0;
        let handed = handoff.with(|_, waiters| {
            waiters.hand_off_all(|| {
                next += 1;
                next
            })
        });
        assert_eq!(handed, 100);
        let mut values: Vec<_> = waiters.into_iter().map(|waiter| waiter.join().unwrap()).collect();
        values.sort_unstable();
        assert_eq!(values, (1..=100).collect::<Vec<_>>());
    });
}
