//! The cells, and the bounds that each must meet.

use super::probe::Kind;
use super::{Trial, footprint};
use benches::bound::Bound;
use benches::peers::queue::Room;
use benches::workloads::cancel::{AT_100, First};
use benches::workloads::contended::Holder;
use benches::workloads::{alone, cancel, condition, contended, traffic, wake};

/// The part by which a waiter in a list of 10,000 may cost more than in one of 100, and count as
/// equal.
const FLAT: f64 = 1.25;

/// All cells, in the order of the table.
pub(super) fn all() -> Vec<Trial> {
    let mut cells = ready();
    cells.extend(locks());
    cells.extend(queues());
    cells.extend(wakes());
    cells.extend(cancels());
    cells.extend(footprint::cells());
    cells
}

fn ready() -> Vec<Trial> {
    let acquire =
        [Bound::must("async-lock", 0.85), Bound::must("tokio", 0.5), Bound::aim("async-lock", 0.7)];
    let already_set = [Bound::must_fastest(1.0)];
    let put_and_get = [Bound::must("flume", 1.0), Bound::aim("crossfire", 1.0)];
    vec![
        Trial::alone("lock, uncontended acquire+release", Kind::Lock, &acquire, alone::lock),
        Trial::alone(
            "semaphore, uncontended acquire+release",
            Kind::Semaphore,
            &acquire,
            alone::semaphore,
        ),
        Trial::alone(
            "bounded semaphore, uncontended acquire+release",
            Kind::Semaphore,
            &acquire,
            alone::bounded_semaphore,
        ),
        Trial::alone(
            "bounded semaphore, acquire and forget, release",
            Kind::Semaphore,
            &[],
            alone::forget_and_release,
        ),
        Trial::alone("rwlock, uncontended read", Kind::RwLock, &[], alone::read),
        Trial::alone("rwlock, uncontended write", Kind::RwLock, &[], alone::write),
        Trial::alone("event, already set", Kind::Nothing, &already_set, alone::event),
        Trial::alone("result, already set", Kind::Nothing, &already_set, alone::result),
        Trial::alone("queue bounded, ready put+get", Kind::Queue, &put_and_get, || {
            alone::put_and_get(Room::For(64))
        }),
        Trial::alone("queue unbounded, ready put+get", Kind::Queue, &put_and_get, || {
            alone::put_and_get(Room::Unbounded)
        }),
    ]
}

fn locks() -> Vec<Trial> {
    let mut cells = Vec::new();
    let yields = [Bound::must("tokio", 0.9), Bound::aim("tokio", 0.8)];
    let works = [Bound::must("tokio", 1.0)];
    let holders =
        [("yields", Holder::Yields, &yields[..]), ("does not yield", Holder::Works, &works[..])];
    for (does, holder, bounds) in holders {
        cells.push(Trial::together(
            format!("lock, fair, holder {does}"),
            Kind::Lock,
            bounds,
            move |runtime| contended::fair_lock(runtime, holder),
        ));
        let name = format!("semaphore, fair, holder {does}");
        cells.push(Trial::together(name, Kind::Semaphore, bounds, move |runtime| {
            contended::fair_semaphore(runtime, holder)
        }));
        let name = format!("bounded semaphore, fair, holder {does}");
        cells.push(Trial::together(name, Kind::Semaphore, bounds, move |runtime| {
            contended::bounded_semaphore(runtime, holder)
        }));
    }
    cells.push(Trial::together(
        "lock, fair, holder yields, and a bare ring of turns",
        Kind::Lock,
        &[],
        contended::locks_and_ring,
    ));
    let barging = [Bound::must("async-lock", 1.2), Bound::aim("async-lock", 1.0)];
    cells.push(Trial::together(
        "lock, barging, holder does not yield",
        Kind::Lock,
        &barging,
        |runtime| contended::barging_lock(runtime, Holder::Works),
    ));
    let name = "semaphore, barging, holder does not yield";
    cells.push(Trial::together(name, Kind::Semaphore, &barging, |runtime| {
        contended::barging_semaphore(runtime, Holder::Works)
    }));
    cells
}

fn queues() -> Vec<Trial> {
    let rooms = [("1", Room::For(1)), ("64", Room::For(64)), ("unbounded", Room::Unbounded)];
    let mut cells = Vec::new();
    for (maxsize, room) in rooms {
        for tasks in [1, 2, 4] {
            cells.push(queue::<1>(maxsize, room, tasks));
            cells.push(queue::<32>(maxsize, room, tasks));
        }
    }
    cells.push(Trial::together(
        "queue 4P4C, maxsize 1, 256 bytes, and a bare relay",
        Kind::Queue,
        &[],
        traffic::queues_and_relay,
    ));
    cells
}

fn queue<const WORDS: usize>(maxsize: &str, room: Room, tasks: usize) -> Trial {
    let bounds = [
        Bound::must("flume", 1.0),
        Bound::must("async-channel", 1.0),
        Bound::aim("crossfire", 1.0),
        Bound::aim("kanal", 1.3),
    ];
    let name = format!("queue {tasks}P{tasks}C, maxsize {maxsize}, {} bytes", WORDS * 8);
    Trial::together(name, Kind::Queue, &bounds, move |runtime| {
        traffic::between::<WORDS>(runtime, room, tasks)
    })
}

fn wakes() -> Vec<Trial> {
    let bounds = [
        Bound::must("event-listener", 1.0),
        Bound::must("tokio", 1.0),
        Bound::aim("event-listener", 0.8),
        Bound::aim("tokio", 0.8),
    ];
    let mut cells: Vec<Trial> = [10, 1000, 8000]
        .map(|waiters| {
            Trial::alone(
                format!("wake all, {waiters} waiters"),
                Kind::Nothing,
                &bounds,
                move || wake::all(waiters),
            )
        })
        .into();
    for waiters in [10, 1000] {
        let name = format!("condition, notify one by one, {waiters} waiters");
        cells
            .push(Trial::alone(name, Kind::Condition, &[], move || condition::one_by_one(waiters)));
    }
    cells.push(Trial::together(
        "condition, two tasks take turns",
        Kind::Condition,
        &[],
        condition::turns,
    ));
    cells.push(Trial::alone("barrier, 8 parties", Kind::Barrier, &[], || wake::barrier(8)));
    cells
}

fn cancels() -> Vec<Trial> {
    let mut cells = Vec::new();
    let order = [("oldest", First::Oldest), ("newest", First::Newest), ("random", First::Random)];
    for (name, first) in order {
        for waiters in [100, 10_000] {
            let name = format!("cancel acquire, {waiters} waiters, {name} first");
            let bounds = [Bound::must("tokio", 1.0)];
            cells.push(Trial::alone(name, Kind::Semaphore, &bounds, move || {
                cancel::acquire(waiters, first)
            }));
        }
        let name = format!("cancel acquire, toro's 10000 to its 100, {name} first");
        let flat = [Bound::must(AT_100, FLAT)];
        cells.push(Trial::alone(name, Kind::Nothing, &flat, move || cancel::long_and_short(first)));
    }
    for waiters in [100, 10_000] {
        let name = format!("cancel get, {waiters} waiters, random first");
        cells.push(Trial::alone(name, Kind::Queue, &[], move || cancel::get(waiters)));
    }
    cells
}
