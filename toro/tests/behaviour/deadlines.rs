//! Statements 2, 3, 4: deadlines end waits, never what is ready, and lose nothing.

use std::pin::pin;
use std::time::{Duration, Instant};

use toro::{
    AsyncResult, Barrier, Condition, Event, Handoff, Lock, NotUpgraded, PutError, Queue, RwLock, Semaphore,
    Take, Timeout, WaitError, Waiters,
};

const SHORT: Duration = Duration::from_millis(2);

/// An instant that has passed.
fn past() -> Instant {
    Instant::now()
}

/// Statement 2: a duration and an instant, on a thread and on tokio's clock, end every kind of wait with its own error.
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
    // Expired, and the lock is not held any more.
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

/// Statement 2, on a thread without any runtime.
#[test]
fn a_thread_gives_up() {
    let queue = Queue::<u8>::unbounded();
    assert_eq!(queue.get().wait_timeout(SHORT), Err(WaitError::Timeout));
    assert_eq!(queue.get().wait_deadline(Instant::now() + SHORT), Err(WaitError::Timeout));
    let never = Event::new();
    let now = Event::new();
    now.set();
    assert_eq!(never.wait().until(now.wait()).wait(), Err(Timeout));
}

/// A duration beyond what the clock can tell is no limit, and no panic.
#[test]
fn an_endless_duration_is_none() {
    let event = Event::new();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| event.wait().wait_timeout(Duration::MAX));
        event.set();
        assert_eq!(waiter.join().unwrap(), Ok(()));
    });
}

/// Statement 3, for every primitive and way to give a deadline. No runtime is needed where nothing has to be waited for.
#[test]
fn what_is_ready_succeeds_although_its_deadline_has_passed() {
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

/// A grant that came before the expiry was noticed is kept (statement 4).
#[test]
fn a_grant_wins_over_the_expiry_that_meets_it() {
    let (semaphore, ended) = (Semaphore::new(0), Event::new());
    let mut acquire = pin!(semaphore.acquire().until(ended.wait()));
    assert!(crate::poll(acquire.as_mut()).is_pending());
    semaphore.add(1).unwrap();
    ended.set();
    assert!(matches!(crate::poll(acquire), std::task::Poll::Ready(Ok(_))));
}
