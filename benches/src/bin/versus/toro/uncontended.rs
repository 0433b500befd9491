//! Operations that need not wait, on one thread, polled by hand.

use super::Trial;
use super::probe::Kind;
use benches::bound::Bound;
use benches::drive::{ready, time_ready};
use benches::peers::event::{self, Flag};
use benches::peers::lock::{self, Lock};
use benches::peers::queue::{self, Queue, Room};
use benches::peers::result::{self, Settled};
use benches::peers::semaphore::{self, Semaphore};
use benches::round::{Contender, Sample};
use std::hint::black_box;
use std::time::Instant;

pub(super) fn cells() -> Vec<Trial> {
    let acquire = [Bound::must("async-lock", 0.85), Bound::must("tokio", 0.5), Bound::aim("async-lock", 0.7)];
    let already_set = [Bound::must_fastest(1.0)];
    let ready_pair = [Bound::must("flume", 1.0), Bound::aim("crossfire", 1.0)];
    let mut cells = vec![
        Trial::alone("lock, uncontended acquire+release", Kind::Lock, &acquire, |_| {
            vec![
                lock_pair::<lock::Toro>(),
                lock_pair::<lock::Tokio>(),
                lock_pair::<lock::AsyncLock>(),
                lock_pair::<lock::Asyncband>(),
            ]
        }),
        Trial::alone("semaphore, uncontended acquire+release", Kind::Semaphore, &acquire, |_| {
            vec![
                permit_pair::<semaphore::Toro>(),
                permit_pair::<semaphore::Tokio>(),
                permit_pair::<semaphore::AsyncLock>(),
                permit_pair::<semaphore::Asyncband>(),
            ]
        }),
        Trial::alone("event, already set", Kind::Nothing, &already_set, |_| {
            vec![
                flag::<event::Toro>(),
                flag::<event::Watch>(),
                flag::<event::EventListener>(),
                flag::<event::Asyncband>(),
            ]
        }),
        Trial::alone("result, already set", Kind::Nothing, &already_set, |_| {
            vec![
                settled::<result::Toro>(),
                settled::<result::Tokio>(),
                settled::<result::AsyncLock>(),
                settled::<result::Asyncband>(),
            ]
        }),
    ];
    for (name, room) in [("bounded", Room::For(64)), ("unbounded", Room::Unbounded)] {
        cells.push(Trial::alone(
            format!("queue {name}, ready put+get"),
            Kind::Queue,
            &ready_pair,
            move |_| {
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
            },
        ));
    }
    cells
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

fn flag<F: Flag>() -> Contender {
    let flag = F::new_set();
    Contender::new(F::NAME, move |ops| {
        time_ready(ops, || async {
            black_box(&flag).wait().await;
        })
    })
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
