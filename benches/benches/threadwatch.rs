//! `threadwatch` compared with its alternatives: `PerThread::get` against a bare `thread_local!`, a
//! `thread_local!` with a map from owner to value, and the `thread_local` crate; and the cost of
//! watching.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use thread_local::ThreadLocal;
use threadwatch::{ForkGeneration, PerThread, ThreadToken, ThreadWatcher};

/// The data that a pool keeps for a thread. It has a destructor, so that the `thread_local!` beside
/// it must be registered and checked, like one that returns a connection.
struct Account {
    depth: Cell<u64>,
    _connection: Option<Box<u64>>,
}

impl Account {
    fn new() -> Self {
        Self { depth: Cell::new(1), _connection: Some(Box::new(0)) }
    }
}

thread_local! {
    static BARE: Account = Account::new();
    static CELL: RefCell<Option<Account>> = RefCell::new(Some(Account::new()));
    static MAP: RefCell<HashMap<usize, Account>> = RefCell::default();
}

/// Reads the value and counts, like a pool.
fn enter(account: &Account) -> u64 {
    let depth = account.depth.get() + 1;
    account.depth.set(depth);
    depth
}

/// One access each, in a separate function, so that the compiler cannot move any of it out of the
/// measuring loop.
mod once {
    use super::*;

    #[inline(never)]
    pub(super) fn bare() -> u64 {
        BARE.with(enter)
    }

    #[inline(never)]
    pub(super) fn per_thread(owner: &PerThread<Account>) -> u64 {
        owner.get().map_or(0, |account| enter(&account))
    }

    #[inline(never)]
    pub(super) fn thread_local_crate(owner: &ThreadLocal<Account>) -> u64 {
        owner.get().map_or(0, enter)
    }

    #[inline(never)]
    pub(super) fn map(owner: usize) -> u64 {
        MAP.with(|map| map.borrow().get(&owner).map_or(0, enter))
    }
}

fn get(c: &mut Criterion) {
    let owners: Vec<PerThread<Account>> = (0..8).map(|_| PerThread::new(drop)).collect();
    for owner in &owners {
        owner.insert(Account::new()).expect("this thread is alive and borrows nothing");
    }
    let owner = &owners[5];
    let crates: ThreadLocal<Account> = ThreadLocal::new();
    crates.get_or(Account::new);
    for nth in 0..8 {
        MAP.with(|map| map.borrow_mut().insert(nth, Account::new()));
    }

    let mut group = c.benchmark_group("an access");
    group.bench_function("thread_local!", |b| b.iter(once::bare));
    group.bench_function("PerThread", |b| b.iter(|| once::per_thread(owner)));
    group
        .bench_function("the thread_local crate", |b| b.iter(|| once::thread_local_crate(&crates)));
    group.bench_function("thread_local! of a map", |b| b.iter(|| once::map(black_box(5))));
    group.finish();

    // The hardest comparison: a bare read, inlined, so that the processor overlaps several.
    let mut group = c.benchmark_group("a read, inlined");
    group.bench_function("thread_local!", |b| b.iter(|| BARE.with(|account| account.depth.get())));
    group.bench_function("thread_local! of a RefCell", |b| {
        b.iter(|| {
            CELL.with(|cell| cell.borrow().as_ref().map_or(0, |account| account.depth.get()))
        });
    });
    group.bench_function("PerThread", |b| {
        b.iter(|| owner.get().map_or(0, |account| account.depth.get()));
    });
    group.bench_function("the thread_local crate", |b| {
        b.iter(|| crates.get().map_or(0, |account| account.depth.get()));
    });
    group.finish();
}

fn watch(c: &mut Criterion) {
    let mut group = c.benchmark_group("watch");
    let watcher = Arc::new(ThreadWatcher::new());
    group.bench_function("watch and unwatch", |b| {
        b.iter(|| {
            let mine = watcher.clone();
            let watch = watcher.watch(move || drop(mine));
            watcher.unwatch();
            watch
        });
    });
    group.bench_function("the first of a new thread", |b| {
        b.iter_custom(|times| (0..times).map(|_| first_watch(&watcher)).sum());
    });
    group.bench_function("ThreadToken", |b| b.iter(ThreadToken::current));
    group.bench_function("ForkGeneration", |b| b.iter(ForkGeneration::current));
    group.finish();
}

/// The duration of the first `watch` on a new thread.
fn first_watch(watcher: &Arc<ThreadWatcher>) -> Duration {
    let watcher = watcher.clone();
    let thread = std::thread::spawn(move || {
        // Not measured: the allocator's work for a thread that it has never seen.
        drop(black_box(Box::new(0_u64)));
        let mine = watcher.clone();
        let begun = Instant::now();
        let _watch = black_box(watcher.watch(move || drop(mine)));
        begun.elapsed()
    });
    thread.join().unwrap_or_default()
}

criterion_group!(benches, get, watch);
criterion_main!(benches);
