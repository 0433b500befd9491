//! What panics, or is used across `catch_unwind`, leaves everything in order.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use toro::waits::{
    AcquireBoundedOwned, AcquireLock, AcquireLockOwned, AcquirePermits, AcquirePermitsOwned,
    Arrive, ArriveOwned, EventWait, EventWaitOwned, Get, GetOwned, GetResult, GetResultOwned,
    GetTask, GetTaskOwned, Join, Notified, NotifiedOwned, Put, PutOwned, Read, ReadOwned,
    UpgradableRead, UpgradableReadOwned, Upgrade, UpgradeOwned, WaitOnLock, Write, WriteOwned,
};
use toro::{
    AsyncResult, Barrier, BoundedSemaphore, Condition, Event, Guard, Handoff, Items, Iter,
    LifoQueue, Lock, MappedGuard, MappedReadGuard, MappedWriteGuard, OwnedBoundedPermit,
    OwnedGuard, OwnedMappedGuard, OwnedMappedReadGuard, OwnedMappedWriteGuard, OwnedPermit,
    OwnedReadGuard, OwnedUpgradableGuard, OwnedValue, OwnedWriteGuard, Permit, PriorityQueue,
    Queue, ReadGuard, RwLock, Semaphore, Task, Timed, Until, UpgradableGuard, WriteGuard,
};

/// Neither safe to own nor to share across a panic.
struct Unsafe(#[expect(dead_code, reason = "only its type matters")] Cell<&'static mut u8>);

fn shared_across_a_panic<T: UnwindSafe + RefUnwindSafe>() {}

macro_rules! each {
    ($check:ident: $($type:ty),+ $(,)?) => {
        $($check::<$type>();)+
    };
}

#[test]
fn all_types_may_be_used_across_a_caught_panic() {
    // Whatever they hold.
    each!(shared_across_a_panic: Event, Condition, Semaphore, BoundedSemaphore, Barrier);
    each!(shared_across_a_panic: Lock<Unsafe>, RwLock<Unsafe>, Handoff<Unsafe, Unsafe>);
    each!(shared_across_a_panic: Queue<Unsafe>, LifoQueue<Unsafe>, PriorityQueue<Unsafe>);
    each!(shared_across_a_panic: Permit<'_>, OwnedPermit, OwnedBoundedPermit);
    each!(shared_across_a_panic: Guard<'_, Unsafe>, OwnedGuard<Unsafe>);
    each!(shared_across_a_panic: MappedGuard<'_, Unsafe>, OwnedMappedGuard<Unsafe, Unsafe>);
    each!(shared_across_a_panic: ReadGuard<'_, Unsafe>, OwnedReadGuard<Unsafe>);
    each!(shared_across_a_panic: MappedReadGuard<'_, Unsafe>, OwnedMappedReadGuard<Unsafe, Unsafe>);
    each!(shared_across_a_panic: UpgradableGuard<'_, Unsafe>, OwnedUpgradableGuard<Unsafe>);
    each!(shared_across_a_panic: WriteGuard<'_, Unsafe>, OwnedWriteGuard<Unsafe>);
    each!(shared_across_a_panic: MappedWriteGuard<'_, Unsafe>, OwnedMappedWriteGuard<Unsafe, Unsafe>);
    each!(shared_across_a_panic: EventWait<'_>, EventWaitOwned, Notified<'_>, NotifiedOwned, Arrive<'_>, ArriveOwned);
    each!(shared_across_a_panic: AcquirePermits<'_>, AcquirePermitsOwned, AcquireBoundedOwned);
    each!(shared_across_a_panic: AcquireLock<'_, Unsafe>, AcquireLockOwned<Unsafe>);
    each!(shared_across_a_panic: Read<'_, Unsafe>, ReadOwned<Unsafe>, Write<'_, Unsafe>, WriteOwned<Unsafe>);
    each!(shared_across_a_panic: UpgradableRead<'_, Unsafe>, UpgradableReadOwned<Unsafe>);
    each!(shared_across_a_panic: Upgrade<'_, Unsafe>, UpgradeOwned<Unsafe>, WaitOnLock<'_, Guard<'_, Unsafe>>);
    each!(shared_across_a_panic: Get<'_, Queue<Unsafe>>, GetOwned<LifoQueue<Unsafe>>, Join<'_, Queue<Unsafe>>);
    each!(shared_across_a_panic: GetTask<'_, Queue<Unsafe>>, GetTaskOwned<PriorityQueue<Unsafe>>);
    each!(shared_across_a_panic: Items<&Queue<Unsafe>>, Iter<'_, Queue<Unsafe>>);

    // As what they own, or share, is.
    each!(shared_across_a_panic: Put<'_, Queue<u8>>, PutOwned<Queue<u8>>, Task<&Queue<u8>>);
    each!(shared_across_a_panic: AsyncResult<u8>, GetResult<'_, u8>, GetResultOwned<u8>, OwnedValue<u8>);
    fn bounded<W: UnwindSafe>(_: impl FnOnce() -> W) {}
    let (queue, event) = (Queue::<u8>::new(1), Event::new());
    bounded(|| queue.put(1).timeout(std::time::Duration::ZERO));
    bounded(|| queue.get().until(event.wait()));
    bounded(|| Handoff::<u8, u8>::wait_owned(&Arc::default(), |_, _| toro::Take::Ready(1)));
    each!(shared_across_a_panic: Timed<()>, Until<(), ()>);
}

impl PartialEq for Unsafe {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Unsafe {}

impl PartialOrd for Unsafe {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Unsafe {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

/// Counts its drops, of which those of even numbers panic.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Panicking {
    number: usize,
    dropped: Counter,
}

#[derive(Clone, Default)]
struct Counter(Arc<AtomicUsize>);

impl PartialEq for Counter {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Counter {}

impl PartialOrd for Counter {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Counter {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

impl Drop for Panicking {
    fn drop(&mut self) {
        self.dropped.0.fetch_add(1, Ordering::SeqCst);
        assert!(self.number % 2 == 1, "on purpose: item {}", self.number);
    }
}

#[test]
fn items_behind_one_that_panics_are_dropped() {
    macro_rules! check {
        ($queue:ident) => {
            let dropped = Counter::default();
            let queue = $queue::unbounded();
            for number in 0..10 {
                assert!(queue.try_put(Panicking { number, dropped: dropped.clone() }).is_ok());
            }
            // Those at the end of a ring come before those at its start.
            for number in 10..13 {
                std::mem::forget(queue.try_get());
                assert!(queue.try_put(Panicking { number, dropped: dropped.clone() }).is_ok());
            }
            assert!(catch_unwind(AssertUnwindSafe(|| drop(queue))).is_err(), stringify!($queue));
            assert_eq!(dropped.0.load(Ordering::SeqCst), 10, stringify!($queue));
        };
    }
    check!(Queue);
    check!(LifoQueue);
    check!(PriorityQueue);
}

#[test]
fn queue_is_dropped_while_unwinding_although_its_items_panic() {
    let dropped = Counter::default();
    let queue = Queue::unbounded();
    for number in 0..4 {
        assert!(queue.try_put(Panicking { number, dropped: dropped.clone() }).is_ok());
    }
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let _queue = queue;
        panic!("on purpose");
    }));
    assert!(unwound.is_err());
    assert_eq!(dropped.0.load(Ordering::SeqCst), 4);
}
