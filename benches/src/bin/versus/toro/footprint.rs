//! The countable costs of a wait: allocations, the size of its future, and how often tasks run.

use super::Trial;
use super::probe::Kind;
use benches::bound::Bound;
use benches::counting_alloc::count;
use benches::drive::ready;
use benches::peers::event::{self, Bell};
use benches::peers::lock::{self, Lock};
use benches::peers::queue::{self, Queue, Room};
use benches::peers::semaphore::{self, Semaphore};
use benches::round::Figures;
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::mem::size_of_val;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

/// The number of counted waits. If only some waits allocate, the result is a fraction.
const WAITS: u64 = 1000;

pub(super) fn cells() -> Vec<Trial> {
    let none = [Bound::must_be(0.0)];
    let as_small = [Bound::must("tokio", 1.0)];
    vec![
        Trial::exact("lock, allocations per wait", Kind::Lock, "calls", &none, |_| {
            vec![
                lock_wait::<lock::Toro>(),
                lock_wait::<lock::Tokio>(),
                lock_wait::<lock::AsyncLock>(),
                lock_wait::<lock::Asyncband>(),
            ]
        }),
        Trial::exact("semaphore, allocations per wait", Kind::Semaphore, "calls", &none, |_| {
            vec![
                permit_wait::<semaphore::Toro>(),
                permit_wait::<semaphore::Tokio>(),
                permit_wait::<semaphore::AsyncLock>(),
                permit_wait::<semaphore::Asyncband>(),
            ]
        }),
        Trial::exact("event, allocations per wait", Kind::Nothing, "calls", &none, |_| {
            vec![
                bell_wait::<event::Toro>(),
                bell_wait::<event::Notify>(),
                bell_wait::<event::EventListener>(),
                bell_wait::<event::Asyncband>(),
            ]
        }),
        Trial::exact(
            "queue bounded, allocations per waiting get",
            Kind::Queue,
            "calls",
            &none,
            |_| {
                let contenders = [
                    get_wait::<queue::Toro>(),
                    get_wait::<queue::TokioBounded>(),
                    get_wait::<queue::AsyncChannel>(),
                    get_wait::<queue::Flume>(),
                    get_wait::<queue::Kanal>(),
                    get_wait::<queue::CrossfireBounded>(),
                    get_wait::<queue::AsyncbandBounded>(),
                ];
                contenders.into_iter().flatten().collect()
            },
        ),
        Trial::exact(
            "queue bounded, allocations per waiting put",
            Kind::Queue,
            "calls",
            &none,
            |_| {
                let contenders = [
                    put_wait::<queue::Toro>(),
                    put_wait::<queue::TokioBounded>(),
                    put_wait::<queue::AsyncChannel>(),
                    put_wait::<queue::Flume>(),
                    put_wait::<queue::Kanal>(),
                    put_wait::<queue::CrossfireBounded>(),
                    put_wait::<queue::AsyncbandBounded>(),
                ];
                contenders.into_iter().flatten().collect()
            },
        ),
        Trial::exact("lock, size of an acquire future", Kind::Lock, "bytes", &as_small, |_| {
            vec![
                lock_size::<lock::Toro>(),
                lock_size::<lock::Tokio>(),
                lock_size::<lock::AsyncLock>(),
                lock_size::<lock::Asyncband>(),
            ]
        }),
        Trial::exact(
            "semaphore, size of an acquire future",
            Kind::Semaphore,
            "bytes",
            &as_small,
            |_| {
                vec![
                    permit_size::<semaphore::Toro>(),
                    permit_size::<semaphore::Tokio>(),
                    permit_size::<semaphore::AsyncLock>(),
                    permit_size::<semaphore::Asyncband>(),
                ]
            },
        ),
        Trial::exact(
            "queue 4P4C, maxsize 1, polls per item on one thread",
            Kind::Queue,
            "polls",
            &[],
            |_| {
                let contenders = [
                    polls::<queue::Toro>(),
                    polls::<queue::AsyncChannel>(),
                    polls::<queue::Flume>(),
                    polls::<queue::Kanal>(),
                    polls::<queue::CrossfireBounded>(),
                    polls::<queue::AsyncbandBounded>(),
                ];
                contenders.into_iter().flatten().collect()
            },
        ),
        Trial::exact("event, size of a wait future", Kind::Nothing, "bytes", &[], |_| {
            vec![
                bell_size::<event::Toro>(),
                bell_size::<event::Notify>(),
                bell_size::<event::EventListener>(),
                bell_size::<event::Asyncband>(),
            ]
        }),
    ]
}

/// Counts the allocations of one wait. `wait` is polled and must not be ready. Then `release` is
/// called, and `wait` must be ready.
fn one_wait<F: Future>(wait: F, release: impl FnOnce()) -> F::Output {
    let mut wait = pin!(wait);
    let mut context = Context::from_waker(Waker::noop());
    assert!(wait.as_mut().poll(&mut context).is_pending(), "there was nothing to wait for");
    release();
    match wait.poll(&mut context) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the wait did not end"),
    }
}

/// The allocations of each of [`WAITS`] calls of `wait`, after as many uncounted ones.
fn each(name: &'static str, mut wait: impl FnMut()) -> Figures {
    (0..WAITS).for_each(|_| wait());
    let ((), counted) = count(|| (0..WAITS).for_each(|_| wait()));
    Figures::exact(name, counted.calls as f64 / WAITS as f64)
}

fn lock_wait<L: Lock>() -> Figures {
    let lock = L::new();
    each(L::NAME, || {
        let held = ready(lock.acquire());
        drop(one_wait(lock.acquire(), || drop(held)));
    })
}

fn permit_wait<S: Semaphore>() -> Figures {
    let semaphore = S::new(1);
    each(S::NAME, || {
        let held = ready(semaphore.acquire());
        drop(one_wait(semaphore.acquire(), || drop(held)));
    })
}

fn bell_wait<B: Bell>() -> Figures {
    let bell = B::new();
    each(B::NAME, || {
        one_wait(bell.wait(), || bell.ring());
        bell.rearm();
    })
}

fn get_wait<Q: Queue<1>>() -> Option<Figures> {
    let (producers, mut consumers) = Q::open(Room::For(1), 1, 1)?;
    Some(each(Q::NAME, move || {
        let put = || ready(Q::put(&producers[0], [1])).expect("the queue is open");
        one_wait(Q::get(&mut consumers[0]), put).expect("the queue is open");
    }))
}

fn put_wait<Q: Queue<1>>() -> Option<Figures> {
    let (producers, mut consumers) = Q::open(Room::For(1), 1, 1)?;
    Some(each(Q::NAME, move || {
        // Some peers have room for more items than requested.
        let mut held = 0;
        while ready_once(Q::put(&producers[0], [1])) {
            held += 1;
        }
        let mut take = || ready(Q::get(&mut consumers[0])).expect("the queue is open");
        one_wait(Q::put(&producers[0], [2]), || _ = black_box(take())).expect("the queue is open");
        (0..held).for_each(|_| _ = black_box(take()));
    }))
}

/// Whether a future is ready at its first poll. It is dropped.
fn ready_once<F: Future>(future: F) -> bool {
    pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// The number of task runs for each item, with four producers and four consumers.
///
/// If dropping a put must mean that nothing was put, a waiting producer keeps its item until it
/// runs. If a consumer may take the item out of a waiting put, producers run less often.
fn polls<Q: Queue<1>>() -> Option<Figures> {
    const ENDS: usize = 4;
    const EACH: u64 = 2000;
    let (producers, consumers) = Q::open(Room::For(1), ENDS, ENDS)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime without drivers can be built");
    let polls = Arc::new(AtomicU64::new(0));
    let producers = producers.into_iter().map(|producer| {
        runtime.spawn(counted(Arc::clone(&polls), async move {
            for number in 0..EACH {
                Q::put(&producer, [number]).await.expect("the queue is open");
            }
        }))
    });
    let consumers = consumers.into_iter().map(|mut consumer| {
        runtime.spawn(counted(Arc::clone(&polls), async move {
            for _ in 0..EACH {
                black_box(Q::get(&mut consumer).await.expect("the queue is open"));
            }
        }))
    });
    let tasks: Vec<_> = producers.chain(consumers).collect();
    runtime.block_on(async {
        for task in tasks {
            task.await.expect("a measured task ends without a panic");
        }
    });
    Some(Figures::exact(
        Q::NAME,
        polls.load(Ordering::Relaxed) as f64 / (EACH * ENDS as u64) as f64,
    ))
}

/// Counts how often `future` is polled.
async fn counted<F: Future>(polls: Arc<AtomicU64>, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| {
        polls.fetch_add(1, Ordering::Relaxed);
        future.as_mut().poll(cx)
    })
    .await
}

fn bytes<F>(name: &'static str, future: &F) -> Figures {
    Figures::exact(name, size_of_val(future) as f64)
}

fn lock_size<L: Lock>() -> Figures {
    bytes(L::NAME, &L::new().acquire())
}

fn permit_size<S: Semaphore>() -> Figures {
    bytes(S::NAME, &S::new(1).acquire())
}

fn bell_size<B: Bell>() -> Figures {
    bytes(B::NAME, &B::new().wait())
}
