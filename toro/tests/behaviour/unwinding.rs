//! Panics, and use across `catch_unwind`, leave all primitives valid.

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

/// Neither `UnwindSafe` nor `RefUnwindSafe`.
struct Unsafe(#[expect(dead_code, reason = "only its type matters")] Cell<&'static mut u8>);

fn shared<T: UnwindSafe + RefUnwindSafe>() {}

macro_rules! each {
    ($check:ident: $($type:ty),+ $(,)?) => {
        $($check::<$type>();)+
    };
}

#[test]
fn all_types_are_unwind_safe() {
    // With any content.
    each!(shared: Event, Condition, Semaphore, BoundedSemaphore, Barrier);
    each!(shared: Lock<Unsafe>, RwLock<Unsafe>, Handoff<Unsafe, Unsafe>);
    each!(shared: Queue<Unsafe>, LifoQueue<Unsafe>, PriorityQueue<Unsafe>);
    each!(shared: Permit<'_>, OwnedPermit, OwnedBoundedPermit);
    each!(shared: Guard<'_, Unsafe>, OwnedGuard<Unsafe>);
    each!(shared: MappedGuard<'_, Unsafe>, OwnedMappedGuard<Unsafe, Unsafe>);
    each!(shared: ReadGuard<'_, Unsafe>, OwnedReadGuard<Unsafe>);
    each!(shared: MappedReadGuard<'_, Unsafe>, OwnedMappedReadGuard<Unsafe, Unsafe>);
    each!(shared: UpgradableGuard<'_, Unsafe>, OwnedUpgradableGuard<Unsafe>);
    each!(shared: WriteGuard<'_, Unsafe>, OwnedWriteGuard<Unsafe>);
    each!(shared: MappedWriteGuard<'_, Unsafe>, OwnedMappedWriteGuard<Unsafe, Unsafe>);
    each!(shared: EventWait<'_>, EventWaitOwned, Notified<'_>, NotifiedOwned);
    each!(shared: Arrive<'_>, ArriveOwned);
    each!(shared: AcquirePermits<'_>, AcquirePermitsOwned, AcquireBoundedOwned);
    each!(shared: AcquireLock<'_, Unsafe>, AcquireLockOwned<Unsafe>);
    each!(shared: Read<'_, Unsafe>, ReadOwned<Unsafe>, Write<'_, Unsafe>, WriteOwned<Unsafe>);
    each!(shared: UpgradableRead<'_, Unsafe>, UpgradableReadOwned<Unsafe>);
    each!(shared: Upgrade<'_, Unsafe>, UpgradeOwned<Unsafe>, WaitOnLock<'_, Guard<'_, Unsafe>>);
    each!(shared: Get<'_, Queue<Unsafe>>, GetOwned<LifoQueue<Unsafe>>, Join<'_, Queue<Unsafe>>);
    each!(shared: GetTask<'_, Queue<Unsafe>>, GetTaskOwned<PriorityQueue<Unsafe>>);
    each!(shared: Items<&Queue<Unsafe>>, Iter<'_, Queue<Unsafe>>);

    // As unwind safe as their content.
    each!(shared: Put<'_, Queue<u8>>, PutOwned<Queue<u8>>, Task<&Queue<u8>>);
    each!(shared: AsyncResult<u8>, GetResult<'_, u8>, GetResultOwned<u8>, OwnedValue<u8>);
    fn bounded<W: UnwindSafe>(_: impl FnOnce() -> W) {}
    let (queue, event) = (Queue::<u8>::new(1), Event::new());
    bounded(|| queue.put(1).timeout(std::time::Duration::ZERO));
    bounded(|| queue.get().until(event.wait()));
    bounded(|| Handoff::<u8, u8>::wait_owned(&Arc::default(), |_, _| toro::Take::Ready(1)));
    each!(shared: Timed<()>, Until<(), ()>);
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

/// Counts its drops. Items with even numbers panic when they are dropped.
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
fn items_behind_a_panicking_one_are_dropped() {
    macro_rules! check {
        ($queue:ident) => {
            let dropped = Counter::default();
            let queue = $queue::unbounded();
            for number in 0..10 {
                assert!(queue.try_put(Panicking { number, dropped: dropped.clone() }).is_ok());
            }
            // Items at the end of a ring come before those at its start.
            for number in 10..13 {
                let mut item = queue.try_get().unwrap();
                // It does not panic.
                item.number = 1;
                drop(item);
                assert!(queue.try_put(Panicking { number, dropped: dropped.clone() }).is_ok());
            }
            assert!(catch_unwind(AssertUnwindSafe(|| drop(queue))).is_err(), stringify!($queue));
            assert_eq!(dropped.0.load(Ordering::SeqCst), 13, stringify!($queue));
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
