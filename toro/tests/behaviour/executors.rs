//! All executors work on the same primitives at once: both of tokio's, smol's, that of `futures`,
//! and plain threads.

use std::sync::Arc;
use std::thread;

use toro::{Barrier, Event, Lock, Queue, Semaphore};

const ROUNDS: u64 = 300;
const PARTIES: u64 = 5;

struct Shared {
    start: Event,
    lock: Lock<u64>,
    semaphore: Semaphore,
    there: Queue<u64>,
    back: Queue<u64>,
    barrier: Barrier,
}

async fn work(shared: Arc<Shared>) {
    shared.start.wait().await;
    for round in 0..ROUNDS {
        *shared.lock.acquire().await += 1;
        let permit = shared.semaphore.acquire().await.unwrap();
        shared.there.put(round).await.unwrap();
        let item = shared.there.get().await.unwrap();
        drop(permit);
        shared.back.put(item).await.unwrap();
        if round % 50 == 0 {
            shared.barrier.wait().await;
        }
    }
}

#[test]
fn mixed_executors_share_every_primitive() {
    let shared = Arc::new(Shared {
        start: Event::new(),
        lock: Lock::new(0),
        semaphore: Semaphore::new(2),
        there: Queue::new(2),
        back: Queue::unbounded(),
        barrier: Barrier::new(PARTIES as usize),
    });
    let on = |run: fn(Arc<Shared>)| {
        let shared = Arc::clone(&shared);
        thread::spawn(move || run(shared))
    };
    let threads = [
        on(|shared| {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
            runtime.block_on(runtime.spawn(work(shared))).unwrap();
        }),
        on(|shared| {
            tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work(shared))
        }),
        on(|shared| {
            let executor = async_executor::Executor::new();
            let task = executor.spawn(work(shared));
            futures_executor::block_on(executor.run(task));
        }),
        on(|shared| futures_executor::block_on(work(shared))),
        on(|shared| {
            shared.start.wait().wait();
            for round in 0..ROUNDS {
                *shared.lock.acquire().wait() += 1;
                let permit = shared.semaphore.acquire().wait().unwrap();
                shared.there.put(round).wait().unwrap();
                let item = shared.there.get().wait().unwrap();
                drop(permit);
                shared.back.put(item).wait().unwrap();
                if round % 50 == 0 {
                    shared.barrier.wait().wait();
                }
            }
        }),
    ];
    shared.start.set();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(*shared.lock.acquire().wait(), PARTIES * ROUNDS);
    assert_eq!((shared.semaphore.available(), shared.there.len()), (2, 0));
    shared.back.close();
    assert_eq!(shared.back.iter().sum::<u64>(), PARTIES * ROUNDS * (ROUNDS - 1) / 2);
}
