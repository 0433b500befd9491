//! Hostile wakers re-enter the primitive, and panic. No waiter and no permit is lost.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};

use toro::{Event, Lock, Queue, Semaphore};

/// Runs a closure when it is woken.
struct OnWake<F>(F);

impl<F: Fn() + Send + Sync> Wake for OnWake<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

pub(crate) fn on_wake(f: impl Fn() + Send + Sync + 'static) -> Waker {
    Waker::from(Arc::new(OnWake(f)))
}

/// More than one batch of wakers.
const CROWD: usize = 100;

#[test]
fn waker_may_use_its_primitive() {
    let event = Arc::new(Event::new());
    let woken = Arc::new(AtomicUsize::new(0));
    let mut waits: Vec<_> = (0..CROWD).map(|_| Box::pin(event.wait())).collect();
    for wait in &mut waits {
        let (event, woken) = (Arc::clone(&event), Arc::clone(&woken));
        let waker = on_wake(move || {
            // All of these take the lock, so a waker must not be called under it.
            event.clear();
            event.set();
            assert_eq!(event.wait().wait_timeout(std::time::Duration::ZERO), Ok(()));
            assert!(event.waiting() <= CROWD);
            woken.fetch_add(1, Ordering::Relaxed);
        });
        assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    event.set();
    assert_eq!(woken.load(Ordering::Relaxed), CROWD);
}

#[test]
fn every_join_ends_although_a_woken_waker_puts_new_work() {
    static QUEUE: Queue<u8> = Queue::unbounded();
    let queue = &QUEUE;
    queue.try_put(0).unwrap();
    let mut joins: Vec<_> = (0..CROWD).map(|_| Box::pin(queue.join())).collect();
    // A waiter of a later batch, which gives up after its first poll.
    let (over, impatient) = (Arc::new(Event::new()), Arc::new(std::sync::Mutex::new(None)));
    for (number, join) in joins.iter_mut().enumerate() {
        let (over, impatient) = (Arc::clone(&over), Arc::clone(&impatient));
        let waker = on_wake(move || {
            if number == 0 {
                queue.try_put(1).unwrap();
                over.set();
                let mut impatient: Pin<Box<dyn Future<Output = _> + Send>> =
                    impatient.lock().unwrap().take().unwrap();
                assert_eq!(
                    crate::poll(Pin::new(&mut impatient)),
                    Poll::Ready(Ok(())),
                    "what it waited for has come"
                );
            }
        });
        assert!(join.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    let mut last: Pin<Box<dyn Future<Output = _> + Send>> =
        Box::pin(async move { queue.join().until(over.wait()).await });
    assert!(crate::poll(Pin::new(&mut last)).is_pending());
    *impatient.lock().unwrap() = Some(last);
    queue.try_get().unwrap();
    queue.task_done().unwrap();
    let mut later = Box::pin(queue.join());
    assert!(crate::poll(later.as_mut()).is_pending(), "there is new work");
    for (number, join) in joins.iter_mut().enumerate() {
        assert!(
            crate::poll(join.as_mut()).is_ready(),
            "joiner {number} was left waiting for work that came later"
        );
    }
    queue.try_get().unwrap();
    queue.task_done().unwrap();
    assert!(crate::poll(later.as_mut()).is_ready());
}

#[test]
fn waker_may_drop_other_waits() {
    let semaphore = Arc::new(Semaphore::new(0));
    let others: Arc<std::sync::Mutex<Vec<Pin<Box<toro::waits::AcquirePermitsOwned>>>>> =
        Arc::default();
    let mut first = Box::pin(semaphore.acquire_owned());
    let waker = {
        let others = Arc::clone(&others);
        on_wake(move || others.lock().unwrap().clear())
    };
    assert!(first.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    for _ in 0..CROWD {
        let mut other = Box::pin(semaphore.acquire_owned());
        assert!(crate::poll(other.as_mut()).is_pending());
        others.lock().unwrap().push(other);
    }
    // Grants the first and some of the others. The first waker drops them all.
    semaphore.add(10).unwrap();
    assert_eq!((semaphore.available(), semaphore.waiting()), (9, 0));
    drop(first);
    assert_eq!(semaphore.available(), 10);
}

#[test]
fn panicking_waker_does_not_keep_others_asleep() {
    let event = Event::new();
    let woken = Arc::new(AtomicUsize::new(0));
    let mut waits: Vec<_> = (0..CROWD).map(|_| Box::pin(event.wait())).collect();
    for (number, wait) in waits.iter_mut().enumerate() {
        let woken = Arc::clone(&woken);
        let waker = on_wake(move || {
            woken.fetch_add(1, Ordering::Relaxed);
            assert!(number % 3 != 0, "hostile waker {number}");
        });
        assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    let panic = catch_unwind(AssertUnwindSafe(|| event.set()))
        .expect_err("the first panic is raised again");
    assert_eq!(panic.downcast_ref::<String>().map(String::as_str), Some("hostile waker 0"));
    assert_eq!((woken.load(Ordering::Relaxed), event.waiting()), (CROWD, 0));
    waits.iter_mut().for_each(|wait| assert!(crate::poll(wait.as_mut()).is_ready()));
}

#[test]
fn panicking_waker_loses_neither_lock_nor_item() {
    let (lock, queue) = (Lock::new(()), Queue::unbounded());
    let guard = lock.try_acquire().unwrap();
    let mut acquire = Box::pin(lock.acquire());
    let mut get = Box::pin(queue.get());
    let waker = on_wake(|| panic!("hostile"));
    assert!(acquire.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    assert!(get.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    assert!(catch_unwind(AssertUnwindSafe(|| drop(guard))).is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| queue.try_put(1).unwrap())).is_err());
    assert!(crate::poll(acquire.as_mut()).is_ready());
    assert_eq!(crate::poll(get.as_mut()), Poll::Ready(Ok(1)));
}

/// A queued wait whose own poll wakes a hostile waker stays in line, and leaves it when it is
/// dropped.
#[test]
fn panic_while_joining_the_line_leaves_no_node_behind() {
    use toro::{Handoff, Take, Waiters};

    let handoff = Handoff::<(), u8>::new(());
    let mut victim = Box::pin(handoff.wait(|_: &mut (), _: &mut Waiters<'_, u8>| Take::Queue));
    let waker = on_wake(|| panic!("hostile"));
    assert!(victim.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    let mut joining = Box::pin(handoff.wait(|_: &mut (), waiters: &mut Waiters<'_, u8>| {
        waiters.hand_off(7).unwrap();
        Take::Queue
    }));
    assert!(catch_unwind(AssertUnwindSafe(|| crate::poll(joining.as_mut()))).is_err());
    assert_eq!(handoff.with(|(), waiters| waiters.len()), 1);
    drop(joining);
    assert_eq!(handoff.with(|(), waiters| waiters.len()), 0);
    assert_eq!(crate::poll(victim.as_mut()), Poll::Ready(7));
}

/// A waker that panics while an item is taken does not lose the item.
#[test]
fn panicking_waker_does_not_lose_the_taken_item() {
    let queue = Queue::new(1);
    queue.try_put(1).unwrap();
    let mut put = Box::pin(queue.put(2));
    let waker = on_wake(|| panic!("hostile"));
    assert!(put.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!(queue.get().wait(), Ok(1));
    assert_eq!(crate::poll(put.as_mut()), Poll::Ready(Ok(())));
}

/// An item arrives while a getter's waker is cloned. The getter gets it, although the unused clone
/// panics when it is dropped.
#[test]
fn panic_in_a_wakers_drop_does_not_lose_the_item() {
    static QUEUE: Queue<u8> = Queue::unbounded();
    const TABLE: RawWakerVTable = RawWakerVTable::new(
        |_| {
            QUEUE.try_put(1).unwrap();
            RawWaker::new(std::ptr::without_provenance(1), &TABLE)
        },
        |_| {},
        |_| {},
        |clone| assert!(clone.is_null(), "hostile"),
    );
    // SAFETY: the functions of the table keep no state. `data` is a number that is never
    // dereferenced.
    let waker = unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &TABLE)) };
    let mut get = Box::pin(QUEUE.get());
    assert_eq!(get.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Ready(Ok(1)));
    assert!(QUEUE.is_empty());
}

/// As above, but the getter was in line and is polled with another waker.
#[test]
fn panic_in_a_second_wakers_drop_loses_no_item_or_permit() {
    static QUEUE: Queue<u8> = Queue::unbounded();
    static SEMAPHORE: Semaphore = Semaphore::new(0);
    const PUTS: usize = 1;
    const ADDS: usize = 2;
    const CLONE: usize = 3;
    static TABLE: RawWakerVTable = RawWakerVTable::new(
        |data| {
            match data.addr() {
                PUTS => QUEUE.try_put(1).unwrap(),
                _ => SEMAPHORE.add(1).unwrap(),
            }
            RawWaker::new(std::ptr::without_provenance(CLONE), &TABLE)
        },
        |_| {},
        |_| {},
        |data| assert!(data.addr() != CLONE, "hostile"),
    );
    // SAFETY: the functions of the table keep no state. `data` is a number that is never
    // dereferenced.
    let waker = |does| unsafe { Waker::new(std::ptr::without_provenance(does), &TABLE) };
    let (mut get, mut acquire) = (Box::pin(QUEUE.get()), Box::pin(SEMAPHORE.acquire()));
    assert!(crate::poll(get.as_mut()).is_pending() && crate::poll(acquire.as_mut()).is_pending());
    assert_eq!(get.as_mut().poll(&mut Context::from_waker(&waker(PUTS))), Poll::Ready(Ok(1)));
    let permit = acquire.as_mut().poll(&mut Context::from_waker(&waker(ADDS)));
    assert!(permit.is_ready());
    drop(permit);
    assert_eq!((SEMAPHORE.available(), QUEUE.len()), (1, 0));
}

#[test]
fn expired_put_returns_its_item_despite_a_panicking_waker() {
    static TABLE: RawWakerVTable = RawWakerVTable::new(
        |data| RawWaker::new(data, &TABLE),
        |_| {},
        |_| {},
        |_| panic!("hostile"),
    );
    let queue = Queue::new(1);
    queue.try_put(0).unwrap();
    let mut looks = 0;
    let mut put = Box::pin(queue.put(7).until(std::future::poll_fn(|_| {
        looks += 1;
        if looks == 1 { Poll::Pending } else { Poll::Ready(()) }
    })));
    // SAFETY: the functions of the table keep no state. `data` is never dereferenced.
    let waker = std::mem::ManuallyDrop::new(unsafe { Waker::new(std::ptr::null(), &TABLE) });
    assert!(put.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    let back = put.as_mut().poll(&mut Context::from_waker(&waker));
    assert_eq!(back, Poll::Ready(Err(toro::PutError::Timeout(7))));
}

/// A waiter for too many permits is dropped, and its waker panics. The waiters behind it, more than
/// one batch, are still served.
#[test]
fn panic_in_a_dropped_waits_waker_keeps_nobody_asleep() {
    static TABLE: RawWakerVTable = RawWakerVTable::new(
        |data| RawWaker::new(data, &TABLE),
        |_| {},
        |_| {},
        |_| panic!("hostile"),
    );
    let semaphore = Semaphore::new(CROWD as u32);
    let mut greedy = Box::pin(semaphore.acquire_many(CROWD as u32 + 1));
    // SAFETY: the functions of the table keep no state. `data` is never dereferenced.
    let waker = std::mem::ManuallyDrop::new(unsafe { Waker::new(std::ptr::null(), &TABLE) });
    assert!(greedy.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    let mut others: Vec<_> = (0..CROWD).map(|_| Box::pin(semaphore.acquire())).collect();
    others.iter_mut().for_each(|other| assert!(crate::poll(other.as_mut()).is_pending()));
    drop(greedy);
    let permits: Vec<_> = others.iter_mut().map(|other| crate::poll(other.as_mut())).collect();
    assert!(permits.iter().all(Poll::is_ready));
}

/// Cloning and dropping this waker use the primitive, so neither may happen under its lock.
#[test]
fn cloning_and_dropping_a_waker_may_use_the_primitive() {
    static SEMAPHORE: Semaphore = Semaphore::new(0);
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    fn look() {
        // Under the lock, this would wait for itself.
        let _ = SEMAPHORE.waiting();
        SEMAPHORE.add(0).unwrap();
        CALLS.fetch_add(1, Ordering::Relaxed);
    }
    const TABLE: RawWakerVTable = RawWakerVTable::new(
        |data| {
            look();
            RawWaker::new(data, &TABLE)
        },
        |_| look(),
        |_| look(),
        |_| look(),
    );
    fn hostile(number: usize) -> Waker {
        // SAFETY: the functions of the table keep no state. `data` is a number that is never
        // dereferenced.
        unsafe { Waker::from_raw(RawWaker::new(std::ptr::without_provenance(number), &TABLE)) }
    }
    let mut wait = Box::pin(SEMAPHORE.acquire());
    for number in [1, 1, 2, 3] {
        assert!(wait.as_mut().poll(&mut Context::from_waker(&hostile(number))).is_pending());
    }
    drop(wait);
    assert_eq!(SEMAPHORE.waiting(), 0);
    assert!(
        CALLS.load(Ordering::Relaxed) >= 8,
        "every waker was cloned and dropped through its table"
    );
}
