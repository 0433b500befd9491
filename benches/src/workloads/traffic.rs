//! Items between producers and consumers that are tasks on two workers.
//!
//! Each producer puts, and each consumer gets, its share of the items. A measurement ends when all
//! have arrived. A queue lives through all rounds, so its buffer has grown to its final size.

use super::ring::Ring;
use crate::drive::time_together;
use crate::peers::queue::{
    AsyncChannel, AsyncbandBounded, AsyncbandUnbounded, CrossfireBounded, CrossfireUnbounded,
    Flume, Kanal, Queue, Room, TokioBounded, TokioUnbounded, Toro,
};
use crate::round::{Contender, Sample};
use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Runtime;

/// An unbounded queue may hold all items of a measurement. This limits their number.
const MOST_AT_ONCE: u64 = 50_000;

/// Items of `WORDS` times eight bytes between as many producers as consumers.
pub fn between<const WORDS: usize>(
    runtime: &Arc<Runtime>,
    room: Room,
    tasks: usize,
) -> Vec<Contender> {
    let contenders = [
        traffic::<WORDS, Toro>(runtime, room, tasks),
        traffic::<WORDS, AsyncChannel>(runtime, room, tasks),
        traffic::<WORDS, Flume>(runtime, room, tasks),
        traffic::<WORDS, Kanal>(runtime, room, tasks),
        traffic::<WORDS, CrossfireBounded>(runtime, room, tasks),
        traffic::<WORDS, CrossfireUnbounded>(runtime, room, tasks),
        traffic::<WORDS, AsyncbandBounded>(runtime, room, tasks),
        traffic::<WORDS, AsyncbandUnbounded>(runtime, room, tasks),
        traffic::<WORDS, TokioBounded>(runtime, room, tasks),
        traffic::<WORDS, TokioUnbounded>(runtime, room, tasks),
    ];
    contenders.into_iter().flatten().collect()
}

/// Four producers and four consumers with room for one item, compared with a bare relay. In the
/// relay a turn passes from task to task, without a line and without a lock. One task puts each
/// item and the next gets it. A fair queue of one place cannot be faster.
pub fn queues_and_relay(runtime: &Arc<Runtime>) -> Vec<Contender> {
    const WORDS: usize = 32;
    let contenders = [
        traffic::<WORDS, Toro>(runtime, Room::For(1), 4),
        traffic::<WORDS, Flume>(runtime, Room::For(1), 4),
        Some(relay::<WORDS, 8>(runtime)),
    ];
    contenders.into_iter().flatten().collect()
}

/// Tasks in a ring: every second one puts an item into the single place, and the next gets it.
fn relay<const WORDS: usize, const TASKS: usize>(runtime: &Arc<Runtime>) -> Contender {
    let runtime = runtime.clone();
    Contender::may_stall("bare relay", move |ops| {
        let each = ops.div_ceil(TASKS as u64 / 2);
        let ring = Arc::new(Ring::<TASKS>::default());
        let place = Arc::new(Mutex::new(None));
        let tasks = (0..TASKS).map(|me| {
            let (ring, place) = (ring.clone(), place.clone());
            async move {
                ring.join(me).await;
                for number in 0..each {
                    ring.turn(me).await;
                    // Nobody else accesses it now.
                    let mut place = place.lock().expect("no task panics");
                    match me % 2 {
                        0 => *place = Some(black_box([number; WORDS])),
                        _ => drop(black_box(place.take())),
                    }
                    drop(place);
                    ring.pass_on(me);
                }
            }
        });
        let (elapsed, _) = time_together(&runtime, tasks)?;
        Ok(Sample { elapsed, ops: each * TASKS as u64 / 2 })
    })
}

fn traffic<const WORDS: usize, Q: Queue<WORDS>>(
    runtime: &Arc<Runtime>,
    room: Room,
    tasks: usize,
) -> Option<Contender> {
    let runtime = runtime.clone();
    let (producers, consumers) = Q::open(room, tasks, tasks)?;
    let mut ends: Vec<_> = producers.into_iter().map(End::Producer).collect();
    ends.extend(consumers.into_iter().map(End::Consumer));
    Some(Contender::may_stall(Q::NAME, move |ops| {
        let (mut elapsed, mut done) = (Duration::ZERO, 0);
        while done < ops {
            let each = (ops - done).min(MOST_AT_ONCE).div_ceil(tasks as u64);
            let tasks_of_ends =
                std::mem::take(&mut ends).into_iter().map(|end| work::<WORDS, Q>(end, each));
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

/// Puts or gets that many items, and returns the end.
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
