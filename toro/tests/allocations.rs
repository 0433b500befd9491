//! Waiting allocates nothing. An allocator counts, for every primitive, whether the wait is
//! granted, dropped, or polled by another task.
#![cfg(not(loom))]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use toro::{
    AsyncResult, Barrier, Condition, Event, Handoff, LifoQueue, Lock, PriorityQueue, Queue, RwLock,
    Semaphore, Take, Waiters,
};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: all calls are forwarded to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller upholds it.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller upholds it.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The number of allocations of this thread in `f`.
fn allocations(f: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    f();
    ALLOCATIONS.get() - before
}

/// One wait is polled, swaps its waker and is granted. A second is dropped in line, a third after
/// its grant.
fn wait_in_every_way<F: Future>(make: impl Fn() -> F, grant: impl Fn()) {
    let mut context = Context::from_waker(Waker::noop());
    let mut granted = pin!(make());
    assert!(granted.as_mut().poll(&mut context).is_pending());
    {
        let mut dropped = pin!(make());
        assert!(dropped.as_mut().poll(&mut context).is_pending());
    }
    grant();
    assert!(granted.poll(&mut context).is_ready());
    let mut given_back = pin!(Some(make()));
    // This one may get the permit that the first released. That does not affect the count.
    let _ = given_back.as_mut().as_pin_mut().map(|wait| wait.poll(&mut context).is_pending());
    grant();
    given_back.set(None);
}

#[test]
#[cfg_attr(miri, ignore = "measures the allocator, not the memory model")]
fn counter_counts_allocations() {
    assert_eq!(allocations(|| drop(Box::new(1))), 1);
}

#[test]
#[cfg_attr(miri, ignore = "measures the allocator, not the memory model")]
fn waits_do_not_allocate() {
    let event = Event::new();
    let semaphore = Semaphore::new(0);
    let lock = Lock::new(());
    let rwlock = RwLock::new(());
    let condition = Condition::new();
    let barrier = Barrier::new(2);
    let result = AsyncResult::new();
    let handoff = Handoff::<(), u8>::new(());
    let (fifo, lifo, priority) = (Queue::new(0), LifoQueue::new(0), PriorityQueue::new(0));
    let full = Queue::new(1);
    // Their buffers grow once, at their first use.
    for _ in 0..4 {
        fifo.try_put(1).unwrap();
        lifo.try_put(1).unwrap();
        priority.try_put(1).unwrap();
    }
    for _ in 0..4 {
        fifo.try_get().unwrap();
        lifo.try_get().unwrap();
        priority.try_get().unwrap();
    }
    full.try_put(1).unwrap();

    let counted = [
        (
            "event",
            allocations(|| {
                wait_in_every_way(
                    || event.wait(),
                    || {
                        event.set();
                        event.clear();
                    },
                );
            }),
        ),
        (
            "semaphore",
            allocations(|| wait_in_every_way(|| semaphore.acquire(), || semaphore.add(1).unwrap())),
        ),
        (
            "condition",
            allocations(|| wait_in_every_way(|| condition.wait(), || _ = condition.notify(1))),
        ),
        (
            "handoff",
            allocations(|| {
                wait_in_every_way(
                    || handoff.wait(|_: &mut (), _: &mut Waiters<'_, u8>| Take::Queue),
                    || _ = handoff.with(|(), waiters| waiters.hand_off(1)),
                );
            }),
        ),
        ("queue", allocations(|| wait_in_every_way(|| fifo.get(), || fifo.try_put(1).unwrap()))),
        ("lifo", allocations(|| wait_in_every_way(|| lifo.get(), || lifo.try_put(1).unwrap()))),
        (
            "priority",
            allocations(|| wait_in_every_way(|| priority.get(), || priority.try_put(1).unwrap())),
        ),
        ("put", allocations(|| wait_in_every_way(|| full.put(2), || _ = full.try_get()))),
        (
            "lock",
            allocations(|| {
                let guard = Cell::new(lock.try_acquire());
                wait_in_every_way(
                    || {
                        guard.set(guard.take().or_else(|| lock.try_acquire()));
                        lock.acquire()
                    },
                    || drop(guard.take()),
                );
            }),
        ),
        (
            "rwlock",
            allocations(|| {
                let guard = Cell::new(rwlock.try_write());
                wait_in_every_way(
                    || {
                        guard.set(guard.take().or_else(|| rwlock.try_write()));
                        rwlock.read()
                    },
                    || drop(guard.take()),
                );
            }),
        ),
        (
            "barrier",
            allocations(|| {
                let mut context = Context::from_waker(Waker::noop());
                let mut first = pin!(barrier.wait());
                assert!(first.as_mut().poll(&mut context).is_pending());
                assert!(pin!(barrier.wait()).poll(&mut context).is_ready());
                assert!(first.poll(&mut context).is_ready());
            }),
        ),
        (
            "result",
            allocations(|| {
                let mut context = Context::from_waker(Waker::noop());
                let mut get = pin!(result.get());
                assert!(get.as_mut().poll(&mut context).is_pending());
                result.set(1).unwrap();
                assert_eq!(get.poll(&mut context), Poll::Ready(&1));
            }),
        ),
    ];
    for (primitive, count) in counted {
        assert_eq!(count, 0, "{primitive} allocates");
    }
}

#[test]
#[cfg_attr(miri, ignore = "measures the allocator, not the memory model")]
fn thread_allocates_its_waker_once() {
    let event = Event::new();
    assert!(event.wait().wait_timeout(Duration::ZERO).is_err());
    assert_eq!(allocations(|| assert!(event.wait().wait_timeout(Duration::ZERO).is_err())), 0);
}
