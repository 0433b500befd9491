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

/// Taking a lock that nobody holds, and giving it up.
pub fn lock() -> Vec<Contender> {
    vec![
        lock_pair::<lock::Toro>(),
        lock_pair::<lock::Tokio>(),
        lock_pair::<lock::AsyncLock>(),
        lock_pair::<lock::Asyncband>(),
    ]
}

/// Taking one of three permits, and giving it up.
pub fn semaphore() -> Vec<Contender> {
    vec![
        permit_pair::<semaphore::Toro>(),
        permit_pair::<semaphore::Tokio>(),
        permit_pair::<semaphore::AsyncLock>(),
        permit_pair::<semaphore::Asyncband>(),
    ]
}

/// Taking one of three permits of a semaphore with a bound, and giving it up.
pub fn bounded_semaphore() -> Vec<Contender> {
    vec![
        permit_pair::<semaphore::ToroBounded>(),
        permit_pair::<semaphore::Tokio>(),
        permit_pair::<semaphore::AsyncLock>(),
        permit_pair::<semaphore::Asyncband>(),
    ]
}

/// Taking one of three permits and forgetting it, and releasing it all the same: only `toro`'s is
/// held to a bound.
pub fn forget_and_release() -> Vec<Contender> {
    vec![
        parted_pair::<semaphore::ToroBounded>(),
        parted_pair::<semaphore::Tokio>(),
        parted_pair::<semaphore::AsyncLock>(),
        parted_pair::<semaphore::Asyncband>(),
    ]
}

/// Starting and ending to read where nobody writes.
pub fn read() -> Vec<Contender> {
    vec![
        read_pair::<rwlock::Toro>(),
        read_pair::<rwlock::Tokio>(),
        read_pair::<rwlock::AsyncLock>(),
        read_pair::<rwlock::Asyncband>(),
    ]
}

/// Starting and ending to write where nobody reads.
pub fn write() -> Vec<Contender> {
    vec![
        write_pair::<rwlock::Toro>(),
        write_pair::<rwlock::Tokio>(),
        write_pair::<rwlock::AsyncLock>(),
        write_pair::<rwlock::Asyncband>(),
    ]
}

/// Waiting for an event that is set.
pub fn event() -> Vec<Contender> {
    vec![
        flag::<event::Toro>(),
        flag::<event::Watch>(),
        flag::<event::EventListener>(),
        flag::<event::Asyncband>(),
    ]
}

/// Waiting for a value that is there.
pub fn result() -> Vec<Contender> {
    vec![
        settled::<result::Toro>(),
        settled::<result::Tokio>(),
        settled::<result::AsyncLock>(),
        settled::<result::Asyncband>(),
    ]
}

/// Putting an item where there is room, and getting it.
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

/// The future is polled as it is. An async block around it would be measured with those that have
/// their place in line in themselves, since it is kept in memory where that place can be pointed
/// at, and not with those that allocate one: there it dissolves into registers.
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
