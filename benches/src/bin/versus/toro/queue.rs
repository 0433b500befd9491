//! Items between producers and consumers that are tasks on two workers.
//!
//! Each producer puts, and each consumer gets, its share of the items; a measurement ends when all have arrived. A
//! queue lives through all rounds, so that buffers that grow have grown.

use super::probe::Kind;
use super::{Ground, Trial};
use benches::bound::Bound;
use benches::drive::time_together;
use benches::peers::queue::{
    AsyncChannel, AsyncbandBounded, AsyncbandUnbounded, CrossfireBounded, CrossfireUnbounded, Flume, Kanal,
    Queue, Room, TokioBounded, TokioUnbounded, Toro,
};
use benches::round::{Contender, Sample};
use std::hint::black_box;
use std::time::Duration;

/// An unbounded queue may come to hold everything that a measurement sends: that much at once, and no more.
const MOST_AT_ONCE: u64 = 50_000;

pub(super) fn cells() -> Vec<Trial> {
    let rooms = [("1", Room::For(1)), ("64", Room::For(64)), ("unbounded", Room::Unbounded)];
    let mut cells = Vec::new();
    for (name, room) in rooms {
        for tasks in [1, 2, 4] {
            cells.push(cell::<1>(name, room, tasks));
            cells.push(cell::<32>(name, room, tasks));
        }
    }
    cells
}

fn cell<const WORDS: usize>(room_name: &str, room: Room, tasks: usize) -> Trial {
    let bounds = [
        Bound::must("flume", 1.0),
        Bound::must("async-channel", 1.0),
        Bound::aim("crossfire", 1.0),
        Bound::aim("kanal", 1.3),
    ];
    let name = format!("queue {tasks}P{tasks}C, maxsize {room_name}, {} bytes", WORDS * 8);
    Trial::together(name, Kind::Queue, &bounds, move |ground| {
        let contenders = [
            traffic::<WORDS, Toro>(ground, room, tasks),
            traffic::<WORDS, AsyncChannel>(ground, room, tasks),
            traffic::<WORDS, Flume>(ground, room, tasks),
            traffic::<WORDS, Kanal>(ground, room, tasks),
            traffic::<WORDS, CrossfireBounded>(ground, room, tasks),
            traffic::<WORDS, CrossfireUnbounded>(ground, room, tasks),
            traffic::<WORDS, AsyncbandBounded>(ground, room, tasks),
            traffic::<WORDS, AsyncbandUnbounded>(ground, room, tasks),
            traffic::<WORDS, TokioBounded>(ground, room, tasks),
            traffic::<WORDS, TokioUnbounded>(ground, room, tasks),
        ];
        contenders.into_iter().flatten().collect()
    })
}

fn traffic<const WORDS: usize, Q: Queue<WORDS>>(
    ground: &Ground,
    room: Room,
    tasks: usize,
) -> Option<Contender> {
    let runtime = ground.runtime.clone();
    let (producers, consumers) = Q::open(room, tasks, tasks)?;
    let mut ends: Vec<_> = producers.into_iter().map(End::Producer).collect();
    ends.extend(consumers.into_iter().map(End::Consumer));
    Some(Contender::may_stall(Q::NAME, move |ops| {
        let (mut elapsed, mut done) = (Duration::ZERO, 0);
        while done < ops {
            let each = (ops - done).min(MOST_AT_ONCE).div_ceil(tasks as u64);
            let tasks_of_ends = std::mem::take(&mut ends).into_iter().map(|end| work::<WORDS, Q>(end, each));
            let (took, back) = time_together(&runtime, tasks_of_ends)?;
            (ends, elapsed, done) = (back, elapsed + took, done + each * tasks as u64);
        }
        Ok(Sample { elapsed, ops: done })
    }))
}

/// One end of a queue.
enum End<P, C> {
    Producer(P),
    Consumer(C),
}

/// Puts, or gets, that many items, and gives the end back.
async fn work<const WORDS: usize, Q: Queue<WORDS>>(
    mut end: End<Q::Producer, Q::Consumer>,
    items: u64,
) -> End<Q::Producer, Q::Consumer> {
    match &mut end {
        End::Producer(producer) => {
            for number in 0..items {
                Q::put(producer, black_box([number; WORDS])).await.expect("the queue is open");
            }
        }
        End::Consumer(consumer) => {
            for _ in 0..items {
                black_box(Q::get(consumer).await.expect("the queue is open"));
            }
        }
    }
    end
}
