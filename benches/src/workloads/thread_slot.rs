//! A thread's own value, and watching a thread.

use crate::round::{Contender, Sample};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hint::black_box;
use std::time::Instant;
use thread_local::ThreadLocal;
use threadwatch::{PerThread, ThreadWatcher};

/// The data that a pool keeps for a thread. It has a destructor, so that its `thread_local!` must
/// be registered and checked.
struct Account {
    depth: Cell<u64>,
    _connection: Option<Box<u64>>,
}

impl Account {
    fn new() -> Self {
        Self { depth: Cell::new(1), _connection: Some(Box::new(0)) }
    }

    fn enter(&self) -> u64 {
        self.depth.set(self.depth.get() + 1);
        self.depth.get()
    }
}

thread_local! {
    static BARE: Account = Account::new();
    static MAP: RefCell<HashMap<usize, Account>> = RefCell::default();
}

/// One access each, in a separate function, so that the compiler cannot move any of it out of the
/// measuring loop.
mod once {
    use super::*;

    #[inline(never)]
    pub(super) fn bare() -> u64 {
        BARE.with(Account::enter)
    }

    #[inline(never)]
    pub(super) fn per_thread(owner: &PerThread<Account>) -> u64 {
        owner.get().map_or(0, |account| account.enter())
    }

    #[inline(never)]
    pub(super) fn crate_of_that_name(owner: &ThreadLocal<Account>) -> u64 {
        owner.get().map_or(0, Account::enter)
    }

    #[inline(never)]
    pub(super) fn map(owner: usize) -> u64 {
        MAP.with(|map| map.borrow().get(&owner).map_or(0, Account::enter))
    }
}

/// The name of a bare `thread_local!` among the contenders.
pub const BARE_NAME: &str = "thread_local!";

/// Reads and changes the calling thread's value of the sixth of eight owners.
pub fn access() -> Vec<Contender> {
    let owners: Vec<PerThread<Account>> = (0..8).map(|_| PerThread::new(drop)).collect();
    for owner in &owners {
        let inserted = owner.insert(Account::new());
        assert!(inserted.is_ok(), "this thread is alive and borrows nothing");
    }
    let crates = ThreadLocal::new();
    crates.get_or(Account::new);
    MAP.with(|map| map.borrow_mut().extend((0..8).map(|owner| (owner, Account::new()))));
    vec![
        repeated("PerThread", move || once::per_thread(&owners[5])),
        repeated(BARE_NAME, once::bare),
        repeated("thread_local", move || once::crate_of_that_name(&crates)),
        repeated("thread_local! of a map", || once::map(black_box(5))),
    ]
}

/// Watches the calling thread, and stops watching it.
pub fn watch() -> Vec<Contender> {
    let watcher = ThreadWatcher::new();
    vec![repeated("watch+unwatch", move || {
        let watch = watcher.watch(|| ());
        watcher.unwatch();
        watch
    })]
}

fn repeated<R>(name: &'static str, mut once: impl FnMut() -> R + 'static) -> Contender {
    Contender::new(name, move |ops| {
        let start = Instant::now();
        for _ in 0..ops {
            black_box(once());
        }
        Sample { elapsed: start.elapsed(), ops }
    })
}
