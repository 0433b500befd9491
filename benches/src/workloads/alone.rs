//! Operations that need not wait, on one thread, polled by hand.

use crate::drive::{ready, time_ready};
use crate::peers::event::{self, Flag};
use crate::peers::lock::{self, Lock};
use crate::peers::queue::{self, Queue, Room};
use crate::peers::result::{self, Settled};
use crate::peers::rwlock::{self, RwLock};
use crate::peers::semaphore::{self, Parting, Semaphore};
use crate::round::{Contender, Sample};
use std::hint::black_box;
use std::time::Instant;

/// Takes a free lock, and releases it.
pub fn lock() -> Vec<Contender> {
    vec![
        lock_pair::<lock::Toro>(),
        lock_pair::<lock::Tokio>(),
        lock_pair::<lock::AsyncLock>(),
        lock_pair::<lock::Asyncband>(),
    ]
}

/// Takes one of three permits, and releases it.
pub fn semaphore() -> Vec<Contender> {
    vec![
        permit_pair::<semaphore::Toro>(),
        permit_pair::<semaphore::Tokio>(),
        permit_pair::<semaphore::AsyncLock>(),
        permit_pair::<semaphore::Asyncband>(),
    ]
}

/// Takes one of three permits of a bounded semaphore, and releases it.
pub fn bounded_semaphore() -> Vec<Contender> {
    vec![
        permit_pair::<semaphore::ToroBounded>(),
        permit_pair::<semaphore::Tokio>(),
        permit_pair::<semaphore::AsyncLock>(),
        permit_pair::<semaphore::Asyncband>(),
    ]
}

/// Takes one of three permits, forgets it, and releases it. Only `toro`'s semaphore has a bound.
pub fn forget_and_release() -> Vec<Contender> {
    vec![
        parted_pair::<semaphore::ToroBounded>(),
        parted_pair::<semaphore::Tokio>(),
        parted_pair::<semaphore::AsyncLock>(),
        parted_pair::<semaphore::Asyncband>(),
    ]
}

/// Begins and ends a read without writers.
pub fn read() -> Vec<Contender> {
    vec![
        read_pair::<rwlock::Toro>(),
        read_pair::<rwlock::Tokio>(),
        read_pair::<rwlock::AsyncLock>(),
        read_pair::<rwlock::Asyncband>(),
    ]
}

/// Begins and ends a write without readers.
pub fn write() -> Vec<Contender> {
    vec![
        write_pair::<rwlock::Toro>(),
        write_pair::<rwlock::Tokio>(),
        write_pair::<rwlock::AsyncLock>(),
        write_pair::<rwlock::Asyncband>(),
    ]
}

/// Waits for an event that is set.
pub fn event() -> Vec<Contender> {
    vec![
        flag::<event::Toro>(),
        flag::<event::Watch>(),
        flag::<event::EventListener>(),
        flag::<event::Asyncband>(),
    ]
}

/// Waits for a value that is set.
pub fn result() -> Vec<Contender> {
    vec![
        settled::<result::Toro>(),
        settled::<result::Tokio>(),
        settled::<result::AsyncLock>(),
        settled::<result::Asyncband>(),
    ]
}

/// Puts an item into a queue with room, and gets it.
pub fn put_and_get(room: Room) -> Vec<Contender> {
    let contenders = [
        put_get::<queue::Toro>(room),
        put_get::<queue::TokioBounded>(room),
        put_get::<queue::TokioUnbounded>(room),
        put_get::<queue::AsyncChannel>(room),
        put_get::<queue::Flume>(room),
        put_get::<queue::Kanal>(room),
        put_get::<queue::CrossfireBounded>(room),
        put_get::<queue::CrossfireUnbounded>(room),
        put_get::<queue::AsyncbandBounded>(room),
        put_get::<queue::AsyncbandUnbounded>(room),
    ];
    contenders.into_iter().flatten().collect()
}

fn lock_pair<L: Lock>() -> Contender {
    let lock = L::new();
    Contender::new(L::NAME, move |ops| {
        time_ready(ops, || async {
            *black_box(&lock).acquire().await += 1;
        })
    })
}

fn permit_pair<S: Semaphore>() -> Contender {
    let semaphore = S::new(3);
    Contender::new(S::NAME, move |ops| {
        time_ready(ops, || async {
            let permit = black_box(&semaphore).acquire().await;
            black_box(&permit);
        })
    })
}

fn parted_pair<S: Parting>() -> Contender {
    let semaphore = S::new(3);
    Contender::new(S::NAME, move |ops| {
        time_ready(ops, || async {
            black_box(&semaphore).acquire_and_forget().await;
            black_box(&semaphore).release();
        })
    })
}

fn read_pair<L: RwLock>() -> Contender {
    let lock = L::new();
    Contender::new(L::NAME, move |ops| {
        time_ready(ops, || async {
            black_box(*black_box(&lock).read().await);
        })
    })
}

fn write_pair<L: RwLock>() -> Contender {
    let lock = L::new();
    Contender::new(L::NAME, move |ops| {
        time_ready(ops, || async {
            *black_box(&lock).write().await += 1;
        })
    })
}

/// The future is polled directly. An async block around it would cost more for futures that contain
/// their place in line, because its address may be needed, and nothing for those that allocate it.
fn flag<F: Flag>() -> Contender {
    let flag = F::new_set();
    Contender::new(F::NAME, move |ops| time_ready(ops, || black_box(&flag).wait()))
}

fn settled<S: Settled>() -> Contender {
    let cell = S::new_set(7);
    Contender::new(S::NAME, move |ops| {
        time_ready(ops, || async {
            black_box(black_box(&cell).wait().await);
        })
    })
}

fn put_get<Q: Queue<1>>(room: Room) -> Option<Contender> {
    let (producers, mut consumers) = Q::open(room, 1, 1)?;
    Some(Contender::new(Q::NAME, move |ops| {
        let (producer, consumer) = (&producers[0], &mut consumers[0]);
        ready(async {
            let start = Instant::now();
            for op in 0..ops {
                Q::put(black_box(producer), [op]).await.expect("the queue is open");
                let item = Q::get(black_box(&mut *consumer)).await.expect("the queue is open");
                assert_eq!(item, [op], "{} keeps its items in order", Q::NAME);
            }
            Sample { elapsed: start.elapsed(), ops }
        })
    }))
}
