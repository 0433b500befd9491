//! Every operation compiles and runs in a spawned task, with every kind of item.
//!
//! The compiler checks that a task is `Send` without knowing the lifetimes in the types of its
//! waits. Then a bound fails that names a type twice, or a lifetime without need: "one type is more
//! general than the other", "implementation of `Send` is not general enough". The item types below
//! are affected by that.

#![cfg(not(loom))]

use std::cmp::Ordering;
use std::error::Error;
use std::future::{Future, ready};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use toro::{
    AsyncResult, Barrier, BoundedSemaphore, Condition, Event, Handoff, LifoQueue, Lock,
    PriorityQueue, Queue, RwLock, Semaphore, Take,
};

const LONG: Duration = Duration::from_secs(60);

fn as_it_is<T>(value: T) -> T {
    value
}

/// Drops a value that may or may not have a destructor.
fn done<T>(_: T) {}

/// All items have the same priority.
struct Ranked<T>(T);

impl<T> Ord for Ranked<T> {
    fn cmp(&self, _: &Self) -> Ordering {
        Ordering::Equal
    }
}

impl<T> PartialOrd for Ranked<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Ranked<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<T> Eq for Ranked<T> {}

/// Awaits a ready wait in all ways in which a wait can end. Evaluates `$each` before each.
macro_rules! ends {
    ($wait:expr) => {
        ends!($wait, ())
    };
    ($wait:expr, $each:expr) => {
        done(($each, $wait.await));
        done(($each, $wait.timeout(LONG).await));
        done(($each, $wait.deadline(tokio::time::Instant::now() + LONG).await));
        done(($each, $wait.until(std::future::pending::<()>()).await));
        done(($each, $wait.until(ready(())).await));
    };
}

macro_rules! queue {
    ($queue:ident, $wrap:path, $item:expr) => {{
        let queue = Arc::new($queue::unbounded());
        let shared = Arc::clone(&queue);
        let task = tokio::spawn(async move {
            let item = || $wrap($item);
            ends!(shared.put(item()));
            ends!(shared.put_owned(item()));
            ends!(shared.get());
            ends!(shared.get_owned());
            shared.put(item()).await.map_err(drop)?;
            let held = shared.get().await;
            ends!(shared.get_task(), shared.try_put(item()).is_ok());
            ends!(shared.get_task_owned(), shared.try_put(item()).is_ok());
            done(held);
            while shared.task_done().is_ok() {}
            ends!(shared.join());
            shared.put(item()).await.map_err(drop)?;
            shared.put(item()).await.map_err(drop)?;
            let mut stream = pin!(shared.stream());
            done(stream.next().await);
            let mut stream = pin!(shared.stream_owned());
            done(stream.next().await);
            // A put that must wait keeps its item while others run.
            let full = $queue::new(1);
            full.put(item()).await.map_err(drop)?;
            let (put, got) = tokio::join!(full.put(item()), full.get());
            done((put, got));
            Ok::<(), ()>(())
        });
        assert_eq!(task.await.unwrap(), Ok(()));
        assert!(queue.is_empty());
    }};
}

/// The operations whose primitive holds items that are `Send`.
macro_rules! items {
    ($($test:ident: $item:ty = $make:expr;)+) => {$(
        #[tokio::test]
        async fn $test() {
            fn item() -> $item {
                $make
            }

            queue!(Queue, as_it_is, item());
            queue!(LifoQueue, as_it_is, item());
            queue!(PriorityQueue, Ranked, item());

            let lock = Arc::new(Lock::new(item()));
            let task = tokio::spawn(async move {
                ends!(lock.acquire());
                ends!(lock.acquire_owned());
                let changed = Condition::new();
                let guard = lock.acquire().await;
                let waited = changed.wait_on(guard).timeout(Duration::ZERO).await;
                done(waited);
                let guard = lock.acquire_owned().await;
                let waited = changed.wait_on(guard).until(ready(())).await;
                done(waited);
                let guard = lock.acquire().await;
                let notify = async { changed.notify_all() };
                let (guard, _) = tokio::join!(changed.wait_on(guard), notify);
                done(guard);
                let guard = toro::Guard::map(lock.acquire().await, |item| item);
                tokio::task::yield_now().await;
                done(guard);
            });
            task.await.unwrap();

            let pool = Arc::new(Handoff::<Vec<$item>, $item>::new(Vec::new()));
            let task = tokio::spawn(async move {
                fn or_queue<T>(value: Option<T>) -> Take<T> {
                    value.map_or(Take::Queue, Take::Ready)
                }

                let fill = || pool.with(|idle, _| idle.push(item()));
                ends!(pool.wait(|idle, _| or_queue(idle.pop())), fill());
                ends!(pool.wait_owned(|idle, _| or_queue(idle.pop())), fill());
                // `take` may capture an item too.
                let one = item();
                done(pool.wait(move |_, _| Take::Ready(one)).await);
                let one = item();
                done(pool.wait_owned(move |_, _| Take::Ready(one)).await);
                let hand_off = async { pool.with(|_, waiters| waiters.hand_off(item()).is_ok()) };
                // `join!` needs the output type of each future. The compiler cannot name it here
                // for a closure that borrows, but it can for an `async` block.
                let queued = async { done(pool.wait(|_, _| Take::Queue).await) };
                assert_eq!(tokio::join!(queued, hand_off), ((), true));
            });
            task.await.unwrap();

            // These hold no items, but their tasks may hold one across the wait.
            let task = tokio::spawn(async move {
                let kept = item();
                let semaphore = Arc::new(Semaphore::new(1));
                ends!(semaphore.acquire());
                ends!(semaphore.acquire_owned());
                ends!(semaphore.acquire_many(1));
                ends!(semaphore.acquire_many_owned(1));
                let bounded = Arc::new(BoundedSemaphore::new(1));
                ends!(bounded.acquire());
                ends!(bounded.acquire_owned());
                ends!(bounded.acquire_many(1));
                ends!(bounded.acquire_many_owned(1));
                let event = Arc::new(Event::new());
                event.set();
                ends!(event.wait());
                ends!(event.wait_owned());
                let condition = Arc::new(Condition::new());
                done(condition.wait().timeout(Duration::ZERO).await);
                done(condition.wait_owned().until(ready(())).await);
                let (heard, _) = tokio::join!(condition.wait(), async { condition.notify(1) });
                let barrier = Arc::new(Barrier::new(1));
                ends!(barrier.wait());
                ends!(barrier.wait_owned());
                done((kept, heard));
            });
            task.await.unwrap();

            shared!(Mutex::new(item()));
        }
    )+};
}

/// The operations whose primitive shares its value, which must therefore be `Sync`.
macro_rules! shared {
    ($value:expr) => {
        let lock = Arc::new(RwLock::new($value));
        let task = tokio::spawn(async move {
            ends!(lock.read());
            ends!(lock.read_owned());
            ends!(lock.write());
            ends!(lock.write_owned());
            ends!(lock.upgradable_read());
            ends!(lock.upgradable_read_owned());
            let guard = lock.upgradable_read().await;
            done(guard.upgrade().await);
            let guard = lock.upgradable_read().await;
            done(guard.upgrade().timeout(LONG).await);
            let guard = lock.upgradable_read().await;
            done(guard.upgrade().until(ready(())).await);
            let guard = lock.upgradable_read_owned().await;
            done(guard.upgrade().await);
            let guard = lock.upgradable_read_owned().await;
            done(guard.upgrade().timeout(LONG).await);
            let guard = lock.upgradable_read_owned().await;
            done(guard.upgrade().until(ready(())).await);
            let guard = toro::ReadGuard::map(lock.read().await, |value| value);
            tokio::task::yield_now().await;
            done(guard);
            let guard = toro::WriteGuard::map(lock.write().await, |value| value);
            tokio::task::yield_now().await;
            done(guard);
        });
        task.await.unwrap();

        let result = Arc::new(AsyncResult::new());
        let task = tokio::spawn(async move {
            assert!(result.set($value).is_ok());
            ends!(result.get());
            ends!(result.get_owned());
            let value = result.get().await;
            tokio::task::yield_now().await;
            let _ = value;
        });
        task.await.unwrap();
    };
}

type Job = Box<dyn FnOnce() + Send>;
type Callback = Arc<dyn Fn() + Send + Sync>;
type Work = Pin<Box<dyn Future<Output = ()> + Send>>;
type Failure = Box<dyn Error + Send + Sync>;

items! {
    strings_work_in_spawned_tasks: &'static str = "item";
    boxed_closures_work_in_spawned_tasks: Job = Box::new(|| ());
    callbacks_work_in_spawned_tasks: Callback = Arc::new(|| ());
    boxed_futures_work_in_spawned_tasks: Work = Box::pin(async {});
    errors_work_in_spawned_tasks: Failure = "failed".into();
    results_of_borrows_work_in_spawned_tasks:
        Result<&'static [&'static str], Failure> = Ok(&["item"]);
}

#[tokio::test]
async fn shared_values_work_in_spawned_tasks() {
    shared!("item");
    let callback: Callback = Arc::new(|| ());
    shared!(Arc::clone(&callback));
    shared!(Failure::from("failed"));
    shared!(["item"].as_slice());
}
