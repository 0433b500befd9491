//! Deadlines end waits, but never a wait that is ready, and lose nothing.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use toro::{
    AsyncResult, Barrier, Condition, Event, Handoff, Lock, NotUpgraded, PutError, Queue, RwLock,
    Semaphore, Take, Timeout, WaitError, Waiters,
};

const SHORT: Duration = Duration::from_millis(2);

/// An instant that has passed.
fn past() -> Instant {
    Instant::now()
}

/// Durations and instants, on a thread and on tokio's clock, end every kind of wait with its own
/// error.
#[tokio::test(start_paused = true)]
async fn every_wait_expires() {
    let event = Event::new();
    assert_eq!(event.wait().timeout(SHORT).await, Err(Timeout));
    assert_eq!(event.wait().deadline(past()).await, Err(Timeout));
    assert_eq!(event.wait().deadline(tokio::time::Instant::now() + SHORT).await, Err(Timeout));

    let semaphore = Semaphore::new(0);
    assert_eq!(semaphore.acquire().timeout(SHORT).await.unwrap_err(), WaitError::Timeout);

    let lock = Lock::new(());
    let guard = lock.acquire().await;
    assert_eq!(lock.acquire().timeout(SHORT).await.unwrap_err(), Timeout);

    let condition = Condition::new();
    assert_eq!(condition.wait().timeout(SHORT).await, Err(Timeout));
    // Expired, and the lock is no longer held.
    assert!(condition.wait_on(guard).timeout(SHORT).await.is_err());
    assert!(!lock.is_locked());

    let rwlock = RwLock::new(());
    let reader = rwlock.read().await;
    assert_eq!(rwlock.write().timeout(SHORT).await.unwrap_err(), Timeout);
    let upgradable = rwlock.upgradable_read().await;
    let NotUpgraded(upgradable) = upgradable.upgrade().timeout(SHORT).await.unwrap_err();
    drop((reader, upgradable));
    let writer = rwlock.write().await;
    assert_eq!(rwlock.read().timeout(SHORT).await.unwrap_err(), Timeout);
    drop(writer);

    assert_eq!(Barrier::new(2).wait().timeout(SHORT).await, Err(Timeout));
    assert_eq!(AsyncResult::<()>::new().get().timeout(SHORT).await, Err(Timeout));

    let queue = Queue::new(1);
    assert_eq!(queue.get().timeout(SHORT).await, Err(WaitError::Timeout));
    queue.put(1).await.unwrap();
    assert_eq!(queue.put(2).timeout(SHORT).await, Err(PutError::Timeout(2)));
    assert_eq!(queue.join().timeout(SHORT).await, Err(Timeout));

    let handoff = Handoff::<(), ()>::new(());
    let queue_up = |_: &mut (), _: &mut Waiters<'_, ()>| Take::Queue;
    assert_eq!(handoff.wait(queue_up).timeout(SHORT).await, Err(Timeout));
}

/// Needs no runtime.
#[test]
fn blocked_thread_times_out() {
    let queue = Queue::<u8>::unbounded();
    assert_eq!(queue.get().wait_timeout(SHORT), Err(WaitError::Timeout));
    assert_eq!(queue.get().wait_deadline(Instant::now() + SHORT), Err(WaitError::Timeout));
    let never = Event::new();
    let now = Event::new();
    now.set();
    assert_eq!(never.wait().until(now.wait()).wait(), Err(Timeout));
}

/// A duration beyond the range of the clock is no limit, and does not panic.
#[test]
fn huge_duration_is_no_limit() {
    let event = Event::new();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| event.wait().wait_timeout(Duration::MAX));
        event.set();
        assert_eq!(waiter.join().unwrap(), Ok(()));
    });
}

/// Every primitive, with every kind of deadline. A wait that is ready needs no runtime.
#[test]
fn ready_wait_succeeds_although_its_deadline_has_passed() {
    use futures_util::FutureExt;

    let event = Event::new();
    event.set();
    let ended = Event::new();
    ended.set();
    assert_eq!(event.wait().wait_deadline(past()), Ok(()));
    assert_eq!(event.wait().wait_timeout(Duration::ZERO), Ok(()));
    assert_eq!(event.wait().until(ended.wait()).wait(), Ok(()));
    assert_eq!(event.wait().timeout(Duration::ZERO).now_or_never(), Some(Ok(())));
    assert_eq!(event.wait().deadline(past()).now_or_never(), Some(Ok(())));

    let queue = Queue::new(1);
    assert_eq!(queue.join().wait_deadline(past()), Ok(()));
    assert_eq!(queue.put(1).wait_deadline(past()), Ok(()));
    assert_eq!(queue.get().wait_deadline(past()), Ok(1));
    assert!(Semaphore::new(1).acquire().wait_deadline(past()).is_ok());
    assert!(Lock::new(()).acquire().wait_deadline(past()).is_ok());
    let rwlock = RwLock::new(());
    assert!(rwlock.read().wait_deadline(past()).is_ok());
    assert!(rwlock.write().wait_deadline(past()).is_ok());
    assert!(rwlock.upgradable_read().wait().upgrade().wait_deadline(past()).is_ok());
    assert!(Barrier::new(1).wait().wait_deadline(past()).is_ok());
    let result = AsyncResult::new();
    result.set(1).unwrap();
    assert_eq!(result.get().wait_deadline(past()), Ok(&1));
    let handoff = Handoff::<(), u8>::new(());
    assert_eq!(
        handoff.wait(|_: &mut (), _: &mut Waiters<'_, u8>| Take::Ready(1)).wait_deadline(past()),
        Ok(1)
    );
}

/// A grant that comes before the expiry is noticed is kept.
#[test]
fn grant_wins_over_simultaneous_expiry() {
    let (semaphore, ended) = (Semaphore::new(0), Event::new());
    let mut acquire = pin!(semaphore.acquire().until(ended.wait()));
    assert!(crate::poll(acquire.as_mut()).is_pending());
    semaphore.add(1).unwrap();
    ended.set();
    assert!(matches!(crate::poll(acquire), Poll::Ready(Ok(_))));
}

/// More waiters than one batch of wakers holds. `happen` releases all of them. The first one woken
/// polls `last` meanwhile. The time limit of `last` has passed by then, so it expires if it is not
/// ready.
fn polled_meanwhile<W: Future, L>(
    wait: impl Fn() -> W,
    last: impl FnOnce(Ended) -> L,
    happen: impl FnOnce(),
) -> Poll<L::Output>
where
    L: Future<Output: Send> + Send + 'static,
{
    let ended = Ended::default();
    let last = Arc::new(Mutex::new(Box::pin(last(ended.clone()))));
    let outcome = Arc::new(Mutex::new(None));
    let mut waits: Vec<_> = (0..100).map(|_| Box::pin(wait())).collect();
    let (polled, seen) = (Arc::clone(&last), Arc::clone(&outcome));
    let waker = crate::wakers::on_wake(move || {
        *seen.lock().unwrap() = Some(crate::poll(polled.lock().unwrap().as_mut()));
    });
    assert!(waits[0].as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    for wait in &mut waits[1..] {
        assert!(crate::poll(wait.as_mut()).is_pending());
    }
    assert!(crate::poll(last.lock().unwrap().as_mut()).is_pending());
    ended.0.store(true, Ordering::SeqCst);
    happen();
    let outcome = outcome.lock().unwrap().take();
    outcome.expect("the first wait was woken")
}

/// The time limit of the wait.
#[derive(Clone, Default)]
struct Ended(Arc<AtomicBool>);

impl Future for Ended {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.0.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[test]
fn set_event_wins_over_expiry_while_others_are_woken() {
    let event = Arc::new(Event::new());
    let outcome = polled_meanwhile(
        || event.wait_owned(),
        |end| event.wait_owned().until(end),
        || event.set(),
    );
    assert_eq!(outcome, Poll::Ready(Ok(())));
    assert_eq!(event.waiting(), 0);

    // Set after the waits had begun, so clearing it at once changes nothing.
    event.clear();
    let last = |end| {
        let (event, wait) = (Arc::clone(&event), event.wait_owned().until(end));
        async move {
            let mut wait = pin!(wait);
            std::future::poll_fn(|cx| {
                let set = event.is_set();
                event.clear();
                wait.as_mut().poll(cx).map(|outcome| (set, outcome))
            })
            .await
        }
    };
    let outcome = polled_meanwhile(|| event.wait_owned(), last, || event.set());
    assert_eq!(outcome, Poll::Ready((true, Ok(()))));
    assert_eq!((event.waiting(), event.is_set()), (0, false));
}

#[test]
fn set_result_wins_over_expiry_while_others_are_woken() {
    let result = Arc::new(AsyncResult::new());
    let last = |end| {
        let wait = result.get_owned().until(end);
        async { wait.await.map(|value| *value) }
    };
    let outcome = polled_meanwhile(|| result.get_owned(), last, || result.set(1).unwrap());
    assert_eq!(outcome, Poll::Ready(Ok(1)));
    assert_eq!(result.waiting(), 0);
}

#[test]
fn closing_wins_over_expiry_while_others_are_woken() {
    let semaphore = Arc::new(Semaphore::new(0));
    let outcome = polled_meanwhile(
        || semaphore.acquire_owned(),
        |end| semaphore.acquire_owned().until(end),
        || semaphore.close(),
    );
    assert!(matches!(outcome, Poll::Ready(Err(WaitError::Closed))), "{outcome:?}");
    assert_eq!(semaphore.waiting(), 0);

    let semaphore = Arc::new(Semaphore::barging(0, 2));
    let outcome = polled_meanwhile(
        || semaphore.acquire_many_owned(2),
        |end| semaphore.acquire_many_owned(3).until(end),
        || semaphore.close(),
    );
    assert!(matches!(outcome, Poll::Ready(Err(WaitError::Closed))), "{outcome:?}");
    assert_eq!(semaphore.waiting(), 0);

    let queue = Arc::new(Queue::<u8>::new(1));
    let outcome = polled_meanwhile(
        || queue.get_owned(),
        |end| queue.get_owned().until(end),
        || queue.close(),
    );
    assert_eq!(outcome, Poll::Ready(Err(WaitError::Closed)));

    let queue = Arc::new(Queue::new(1));
    queue.try_put(0).unwrap();
    let outcome = polled_meanwhile(
        || queue.put_owned(1),
        |end| queue.put_owned(2).until(end),
        || queue.close(),
    );
    assert_eq!(outcome, Poll::Ready(Err(PutError::Closed(2))));
    assert_eq!((queue.try_get(), queue.get().wait()), (Ok(0), Err(toro::Closed)));
}

#[test]
fn end_of_all_work_wins_over_expiry_while_others_are_woken() {
    static QUEUE: Queue<u8> = Queue::unbounded();
    QUEUE.try_put(1).unwrap();
    let outcome = polled_meanwhile(
        || QUEUE.join(),
        |end| QUEUE.join().until(end),
        || QUEUE.task_done().unwrap(),
    );
    assert_eq!(outcome, Poll::Ready(Ok(())));
}

#[test]
fn full_barrier_wins_over_expiry_while_others_are_woken() {
    let barrier = Arc::new(Barrier::new(102));
    let outcome = polled_meanwhile(
        || barrier.wait_owned(),
        |end| barrier.wait_owned().until(end),
        || assert!(barrier.wait().wait().is_leader()),
    );
    assert_eq!(outcome.map(|arrival| arrival.map(|arrival| arrival.index())), Poll::Ready(Ok(100)));
}

#[test]
fn handed_value_wins_over_expiry_while_others_are_woken() {
    let handoff = Arc::new(Handoff::<(), u8>::new(()));
    let queue = |_: &mut (), _: &mut Waiters<'_, u8>| Take::Queue;
    let outcome = polled_meanwhile(
        || handoff.wait_owned(queue),
        |end| handoff.wait_owned(queue).until(end),
        || assert_eq!(handoff.with(|(), waiters| waiters.hand_off_all(|| 1)), 101),
    );
    assert_eq!(outcome, Poll::Ready(Ok(1)));
}
