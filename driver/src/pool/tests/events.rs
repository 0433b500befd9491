//! The events of a pool while they are held back.

use std::collections::HashMap;
use std::thread;

use super::*;
use crate::event::cmap::{ConnectionCreatedEvent, PoolReadyEvent};

const MOST: u64 = 1000;

fn emit(pool: &Shared, number: u64) {
    pool.emit(|address| {
        CmapEvent::ConnectionCreated(ConnectionCreatedEvent { address, connection_id: number })
    });
}

fn number(event: &CmapEvent) -> Option<u64> {
    match event {
        CmapEvent::ConnectionCreated(event) => Some(event.connection_id),
        _ => None,
    }
}

/// Each event causes another. Gives the numbers of those that the caller's thread has delivered,
/// those of all that are delivered, and the pool.
fn flood(runtime: Runtime) -> (Vec<u64>, Arc<Mutex<Vec<u64>>>, Bench) {
    let (here, delivered) = (thread::current().id(), Arc::<Mutex<Vec<u64>>>::default());
    let pool = Arc::new(OnceLock::<Arc<Shared>>::new());
    let by_caller = Arc::<Mutex<Vec<u64>>>::default();
    let (of_handler, sink, own) = (pool.clone(), delivered.clone(), by_caller.clone());
    let bench = bench(runtime, shared_standalone().unwrap(), move |options| {
        options.cmap_event_handler = Some(EventHandler::callback(move |event: CmapEvent| {
            let (Some(number), Some(pool)) = (number(&event), of_handler.get()) else { return };
            sink.lock().unwrap().push(number);
            if thread::current().id() == here {
                own.lock().unwrap().push(number);
            }
            if number < MOST {
                emit(pool, number + 1);
            }
        }));
    });
    pool.set(bench.pool.shared.clone()).unwrap();
    let held = bench.pool.hold_events();
    emit(&bench.pool.shared, 1);
    drop(held);
    let by_caller = by_caller.lock().unwrap().clone();
    (by_caller, delivered, bench)
}

#[tokio::test]
async fn task_delivers_the_rest_of_many_events() {
    let (by_caller, delivered, _bench) = flood(Runtime::current().unwrap());
    assert!(by_caller.len() < MOST as usize / 2, "{}", by_caller.len());
    while delivered.lock().unwrap().len() < MOST as usize {
        tokio::task::yield_now().await;
    }
    assert_eq!(*delivered.lock().unwrap(), (1..=MOST).collect::<Vec<_>>());
}

#[test]
fn thread_delivers_the_rest_of_many_events() {
    let (by_caller, delivered, _bench) = flood(Runtime::blocking().unwrap());
    assert!(by_caller.len() < MOST as usize / 2, "{}", by_caller.len());
    while delivered.lock().unwrap().len() < MOST as usize {
        thread::yield_now();
    }
    assert_eq!(*delivered.lock().unwrap(), (1..=MOST).collect::<Vec<_>>());
}

/// The task ends with its runtime. The next event takes the rest with it.
#[test]
fn events_outlast_the_runtime_of_their_task() {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (_, delivered, bench) = {
        let _context = tokio.enter();
        flood(Runtime::current().unwrap())
    };
    drop(tokio);
    assert!(delivered.lock().unwrap().len() < MOST as usize);
    while delivered.lock().unwrap().len() < MOST as usize {
        bench.pool.shared.emit(|address| CmapEvent::PoolReady(PoolReadyEvent { address }));
    }
    assert_eq!(*delivered.lock().unwrap(), (1..=MOST).collect::<Vec<_>>());
}

#[test]
fn events_of_each_thread_stay_in_order() {
    const THREADS: u64 = 4;
    const EACH: u64 = 5000;
    let seen = Arc::<Mutex<Vec<u64>>>::default();
    let sink = seen.clone();
    let bench = bench(Runtime::blocking().unwrap(), shared_standalone().unwrap(), move |options| {
        options.cmap_event_handler = Some(EventHandler::callback(move |event: CmapEvent| {
            sink.lock().unwrap().extend(number(&event));
        }));
    });
    let pool = &bench.pool;
    thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || (0..EACH).for_each(|i| emit(&pool.shared, thread * EACH + i)));
        }
        while seen.lock().unwrap().len() < (THREADS * EACH / 2) as usize {
            drop(pool.hold_events());
        }
    });
    drop(pool.hold_events());
    while seen.lock().unwrap().len() < (THREADS * EACH) as usize {
        thread::yield_now();
    }
    let mut last: HashMap<u64, u64> = HashMap::new();
    for number in seen.lock().unwrap().iter() {
        let (thread, i) = (number / EACH, number % EACH);
        assert_eq!(last.insert(thread, i), i.checked_sub(1));
    }
}
