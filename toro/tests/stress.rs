//! All primitives at once, from tasks and threads, with random cancels, timeouts and closes. In the
//! end every permit and every item is accounted for.
//!
//! `TORO_STRESS_OPERATIONS` sets the number of operations. A long run has ten million, in release
//! mode: `TORO_STRESS_OPERATIONS=10000000 cargo test -p toro --release --test stress`
#![cfg(not(loom))]

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use toro::{
    AsyncResult, Barrier, BoundedSemaphore, Closed, Condition, Event, Handoff, LifoQueue, Lock,
    PriorityQueue, PutError, Queue, RwLock, Semaphore, Take, TryGetError, Waiters,
};

const TASKS: u64 = 8;
const THREADS: u64 = 4;
const OPERATIONS: u64 = 200_000;
const PERMITS: u32 = 3;
const IDLE: u64 = 2;

#[derive(Default)]
struct Tally {
    locked: AtomicU64,
    written: AtomicU64,
    put: AtomicU64,
    got: AtomicU64,
    sum_put: AtomicU64,
    sum_got: AtomicU64,
    /// Items made for queues that are closed under load, and how many of them have ended.
    made: AtomicU64,
    ended: AtomicU64,
}

/// A primitive that is closed while others use it, and then replaced.
struct Shop {
    number: u64,
    permits: Semaphore,
    items: Queue<Token>,
    /// The operation that closed it.
    result: AsyncResult<u64>,
}

impl Shop {
    fn new(number: u64) -> Arc<Self> {
        Arc::new(Shop {
            number,
            permits: Semaphore::new(PERMITS),
            items: Queue::new(2),
            result: AsyncResult::new(),
        })
    }

    fn close(&self) {
        self.permits.close();
        self.items.close();
        // Two may close it at once.
        let _ = self.result.set(self.number);
    }
}

/// An item that is counted when it ends.
struct Token(Arc<World>);

impl Token {
    fn new(world: &Arc<World>) -> Self {
        world.tally.made.fetch_add(1, Ordering::Relaxed);
        Token(Arc::clone(world))
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.0.tally.ended.fetch_add(1, Ordering::Relaxed);
    }
}

struct World {
    lock: Lock<u64>,
    barging: Lock<u64>,
    rwlock: RwLock<u64>,
    semaphore: Semaphore,
    event: Event,
    condition: Condition,
    fifo: Queue<u64>,
    lifo: LifoQueue<u64>,
    priority: PriorityQueue<u64>,
    handoff: Handoff<u64, Lent>,
    barrier: Barrier,
    bounded: BoundedSemaphore,
    shop: Mutex<Arc<Shop>>,
    tally: Tally,
}

/// A pooled object that returns to the pool when it is dropped.
struct Lent(Arc<World>);

impl Drop for Lent {
    fn drop(&mut self) {
        let world = Arc::clone(&self.0);
        // A `Lent` that finds no waiter must not be dropped again, so it returns as a number.
        let unclaimed = world.handoff.with(|idle, waiters| {
            if waiters.is_empty() {
                *idle += 1;
                return None;
            }
            waiters.hand_off(Lent(Arc::clone(&world))).err()
        });
        assert!(unclaimed.is_none(), "someone waited a moment ago, under the same lock");
    }
}

fn borrow(
    world: &Arc<World>,
) -> impl FnOnce(&mut u64, &mut Waiters<'_, Lent>) -> Take<Lent> + use<> {
    let world = Arc::clone(world);
    move |idle, waiters| {
        if *idle == 0 || !waiters.is_empty() {
            return Take::Queue;
        }
        *idle -= 1;
        Take::Ready(Lent(world))
    }
}

/// A small random generator, so that a run can be repeated from its seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// Ready after the given number of polls, and wakes its task each time: a time limit without a
/// clock.
fn after_polls(mut polls: u64) -> impl Future<Output = ()> {
    std::future::poll_fn(move |cx| {
        if polls == 0 {
            return Poll::Ready(());
        }
        polls -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

/// Awaits a wait, cancels it after a few polls, or limits it.
macro_rules! impatiently {
    ($random:expr, $wait:expr) => {{
        let polls = $random.below(4);
        match $random.below(3) {
            // Dropped after at most this number of polls.
            0 => {
                let mut wait = pin!($wait);
                let mut end = pin!(after_polls(polls));
                std::future::poll_fn(|cx| match wait.as_mut().poll(cx) {
                    Poll::Ready(_) => Poll::Ready(()),
                    Poll::Pending => end.as_mut().poll(cx),
                })
                .await;
            }
            1 => drop($wait.until(after_polls(polls)).await),
            _ => drop($wait.timeout(Duration::from_micros(polls * 50)).await),
        }
    }};
}

impl Tally {
    fn put(&self, item: u64) {
        self.put.fetch_add(1, Ordering::Relaxed);
        self.sum_put.fetch_add(item, Ordering::Relaxed);
    }

    fn got(&self, item: u64) {
        self.got.fetch_add(1, Ordering::Relaxed);
        self.sum_got.fetch_add(item, Ordering::Relaxed);
    }
}

macro_rules! put_and_get {
    ($world:expr, $queue:expr, $random:expr) => {{
        let item = $random.below(1 << 20);
        match $queue.put(item).until(after_polls($random.below(6))).await {
            Ok(()) => $world.tally.put(item),
            Err(PutError::Timeout(back)) => assert_eq!(back, item),
            Err(error) => panic!("{error}"),
        }
        // A get that is dropped at a random moment loses nothing. It returns the item that it has
        // taken.
        let got = $queue.get().until(after_polls($random.below(6))).await;
        if let Ok(item) = got {
            $world.tally.got(item);
            $queue.task_done().unwrap();
        }
    }};
}

/// Uses a primitive that may be closed at any moment. Sometimes closes it and opens another.
async fn visit(world: &Arc<World>, random: &mut Random) {
    let shop = Arc::clone(&world.shop.lock().unwrap());
    match random.below(16) {
        0 => {
            *world.shop.lock().unwrap() = Shop::new(shop.number + 1);
            shop.close();
            assert_eq!(*shop.result.get().await, shop.number);
            assert!(shop.permits.acquire().await.is_err_and(|error| error == Closed));
            // Every waiter learns of the close, without its own time limit.
            while shop.items.get().await.is_ok() {}
        }
        1..=3 => drop(shop.permits.acquire_many(random.below(4) as u32).await),
        4 | 5 => impatiently!(random, shop.permits.acquire_many(random.below(4) as u32)),
        6..=8 => drop(shop.items.put(Token::new(world)).until(after_polls(random.below(6))).await),
        9 => impatiently!(random, shop.items.put(Token::new(world))),
        10..=12 => drop(shop.items.get().until(after_polls(random.below(6))).await),
        13 => impatiently!(random, shop.items.get()),
        _ => impatiently!(random, shop.result.get()),
    }
}

async fn operate(world: &Arc<World>, random: &mut Random) {
    match random.below(20) {
        0 | 1 => {
            *world.lock.acquire().await += 1;
            world.tally.locked.fetch_add(1, Ordering::Relaxed);
        }
        2 => impatiently!(random, world.lock.acquire()),
        3 => {
            *world.barging.acquire().await += 1;
            world.tally.locked.fetch_add(1, Ordering::Relaxed);
        }
        4 => impatiently!(random, world.barging.acquire()),
        5 => {
            let permit = world.semaphore.acquire_many(random.below(4) as u32).await;
            assert!(permit.is_ok());
        }
        6 => impatiently!(random, world.semaphore.acquire_many(random.below(4) as u32)),
        7 => {
            *world.rwlock.write().await += 1;
            world.tally.written.fetch_add(1, Ordering::Relaxed);
        }
        8 => {
            let guard = world.rwlock.upgradable_read().await;
            if let Ok(mut guard) = guard.upgrade().until(after_polls(3)).await {
                *guard += 1;
                world.tally.written.fetch_add(1, Ordering::Relaxed);
            }
        }
        9 => impatiently!(random, world.rwlock.read()),
        10 => put_and_get!(world, world.fifo, random),
        11 => put_and_get!(world, world.lifo, random),
        12 => put_and_get!(world, world.priority, random),
        13 => {
            if random.below(2) == 0 {
                world.event.set();
                world.event.clear();
                world.condition.notify(2);
            } else {
                impatiently!(random, world.event.wait());
                impatiently!(random, world.condition.wait());
            }
        }
        14 => drop(world.handoff.wait(borrow(world)).await),
        15 => impatiently!(random, world.barrier.wait()),
        16 => {
            let permit = world.bounded.acquire().await;
            permit.unwrap().forget();
            world.bounded.release(1).unwrap();
        }
        17 | 18 => visit(world, random).await,
        _ => impatiently!(random, world.handoff.wait(borrow(world))),
    }
}

/// The same operations, from a thread.
fn operate_blocking(world: &Arc<World>, random: &mut Random) {
    let short = Duration::from_micros(random.below(4) * 20);
    match random.below(6) {
        0 => {
            *world.lock.acquire().wait() += 1;
            world.tally.locked.fetch_add(1, Ordering::Relaxed);
        }
        1 => drop(world.semaphore.acquire_many(2).wait_timeout(short)),
        2 => {
            if let Ok(mut guard) = world.rwlock.write().wait_timeout(short) {
                *guard += 1;
                world.tally.written.fetch_add(1, Ordering::Relaxed);
            }
        }
        3 => {
            let item = random.below(1 << 20);
            match world.fifo.put(item).wait_timeout(short) {
                Ok(()) => world.tally.put(item),
                Err(error) => assert_eq!(error.into_inner(), item),
            }
        }
        4 => {
            if let Ok(item) = world.fifo.get().wait_timeout(short) {
                world.tally.got(item);
                world.fifo.task_done().unwrap();
            }
        }
        _ => drop(world.handoff.wait(borrow(world)).wait_timeout(short)),
    }
}

/// Counts the items left in a closed queue.
macro_rules! drain {
    ($world:expr, $queue:expr) => {{
        $queue.close();
        loop {
            match $queue.try_get() {
                Ok(item) => {
                    $world.tally.got(item);
                    $queue.task_done().unwrap();
                }
                Err(TryGetError::Closed) => break,
                Err(TryGetError::Empty) => panic!("a promise to nobody is left"),
            }
        }
        $queue.join().wait();
        assert_eq!($queue.unfinished(), 0);
    }};
}

#[test]
#[cfg_attr(
    miri,
    ignore = "runs for a given time, which Miri stretches; the schedules are the same in small"
)]
fn everything_is_accounted_for() {
    let asked = std::env::var("TORO_STRESS_OPERATIONS").ok().and_then(|text| text.parse().ok());
    let operations: u64 = asked.unwrap_or(OPERATIONS);
    let each = operations.div_ceil(TASKS + THREADS);
    let world = Arc::new(World {
        lock: Lock::new(0),
        barging: Lock::barging(0, 4),
        rwlock: RwLock::new(0),
        semaphore: Semaphore::new(PERMITS),
        event: Event::new(),
        condition: Condition::new(),
        fifo: Queue::new(3),
        lifo: LifoQueue::new(2),
        priority: PriorityQueue::new(0),
        handoff: Handoff::new(IDLE),
        barrier: Barrier::new(3),
        bounded: BoundedSemaphore::new(2),
        shop: Mutex::new(Shop::new(0)),
        tally: Tally::default(),
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    let tasks: Vec<_> = (1..=TASKS)
        .map(|seed| {
            let world = Arc::clone(&world);
            runtime.spawn(async move {
                let mut random = Random(seed * 0x9e37_79b9);
                for _ in 0..each {
                    operate(&world, &mut random).await;
                }
            })
        })
        .collect();
    let threads: Vec<_> = (1..=THREADS)
        .map(|seed| {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                let mut random = Random(seed * 0x2545_f491);
                (0..each).for_each(|_| operate_blocking(&world, &mut random));
            })
        })
        .collect();
    tasks.into_iter().for_each(|task| runtime.block_on(task).unwrap());
    threads.into_iter().for_each(|thread| thread.join().unwrap());

    drain!(world, world.fifo);
    drain!(world, world.lifo);
    drain!(world, world.priority);
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let tally = &world.tally;
    assert_eq!((read(&tally.put), read(&tally.sum_put)), (read(&tally.got), read(&tally.sum_got)));
    let locked = *world.lock.try_acquire().unwrap() + *world.barging.try_acquire().unwrap();
    assert_eq!(locked, read(&tally.locked));
    assert_eq!(*world.rwlock.try_write().unwrap(), read(&tally.written));
    assert_eq!((world.semaphore.available(), world.semaphore.waiting()), (PERMITS, 0));
    assert_eq!(world.handoff.with(|idle, waiters| (*idle, waiters.len())), (IDLE, 0));
    assert_eq!((world.event.waiting(), world.condition.waiting()), (0, 0));
    assert_eq!((world.barrier.arrived(), world.bounded.available()), (0, world.bounded.bound()));
    // The items that a closed queue still held ended with it.
    let last = world.shop.lock().unwrap().number + 1;
    *world.shop.lock().unwrap() = Shop::new(last);
    assert_eq!(read(&tally.made), read(&tally.ended));
    assert!(last > 1, "nothing was closed under load");
}
