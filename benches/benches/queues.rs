//! `Queue` compared with its peers. `LifoQueue` and `PriorityQueue` have no peers, and are compared
//! with `Queue`.

mod side_by_side;

use benches::drive::{ready, two_workers};
use benches::peers::queue::Room;
use benches::round::{Contender, Sample};
use benches::workloads::{alone, traffic};
use criterion::{Criterion, criterion_group, criterion_main};
use side_by_side::side_by_side;
use std::hint::black_box;
use std::time::Instant;

fn ready_pairs(criterion: &mut Criterion) {
    side_by_side(criterion, "queue bounded, ready put+get", alone::put_and_get(Room::For(64)));
    side_by_side(criterion, "queue unbounded, ready put+get", alone::put_and_get(Room::Unbounded));
}

/// A queue of `toro` that holds eight items. Each operation puts one and takes one.
macro_rules! in_order {
    ($name:literal, $type:ty) => {{
        let queue = <$type>::new(64);
        (0..8)
            .for_each(|item| assert!(queue.try_put(item * 100).is_ok(), "there is room for eight"));
        Contender::new($name, move |ops| {
            ready(async {
                let start = Instant::now();
                for op in 0..ops {
                    black_box(&queue).put(op % 1000).await.expect("the queue is open");
                    black_box(black_box(&queue).get().await.expect("the queue is open"));
                }
                Sample { elapsed: start.elapsed(), ops }
            })
        })
    }};
}

fn orders(criterion: &mut Criterion) {
    let contenders = vec![
        in_order!("first in, first out", toro::Queue<u64>),
        in_order!("last in, first out", toro::LifoQueue<u64>),
        in_order!("lowest first", toro::PriorityQueue<u64>),
    ];
    side_by_side(criterion, "toro's queues, put+get with eight inside", contenders);
}

fn between_tasks(criterion: &mut Criterion) {
    let runtime = two_workers();
    for (maxsize, room) in
        [("1", Room::For(1)), ("64", Room::For(64)), ("unbounded", Room::Unbounded)]
    {
        for tasks in [1, 4] {
            let name = format!("queue {tasks}P{tasks}C, maxsize {maxsize}, 8 bytes");
            side_by_side(criterion, &name, traffic::between::<1>(&runtime, room, tasks));
        }
    }
}

criterion_group!(queues, ready_pairs, orders, between_tasks);
criterion_main!(queues);
