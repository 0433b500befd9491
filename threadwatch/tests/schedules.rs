//! Random schedules: threads insert, replace, borrow, take and die, while owners come and go. In
//! every order, each value ends exactly once, in one of three ways, and no thread ever sees
//! another's.
#![cfg(not(loom))]

use std::{
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU32, Ordering::SeqCst},
        mpsc,
    },
    thread,
};

use fastrand::Rng;
use threadwatch::{PerThread, ThreadToken};

/// The fate of a value.
#[derive(Default)]
struct Fate {
    /// The owner that it was given to.
    owner: usize,
    /// Reclaimed on a thread that it did not belong to.
    misplaced: AtomicU32,
    reclaimed: AtomicU32,
    taken: AtomicU32,
    dropped: AtomicU32,
}

struct Value {
    of: ThreadToken,
    fate: Arc<Fate>,
}

impl Drop for Value {
    fn drop(&mut self) {
        self.fate.dropped.fetch_add(1, SeqCst);
    }
}

type Owner = PerThread<Value>;

fn owner() -> Arc<Owner> {
    Arc::new(PerThread::new(|value: Value| {
        // Not an assertion: its panic would go no further.
        value.fate.misplaced.fetch_add(u32::from(value.of != ThreadToken::current()), SeqCst);
        value.fate.reclaimed.fetch_add(1, SeqCst);
    }))
}

struct Script {
    rng: Rng,
    owners: Vec<Weak<Owner>>,
    fates: mpsc::Sender<Arc<Fate>>,
}

impl Script {
    /// A thread's life. It holds no owner while it dies, so that the drop of an owner can race with
    /// the thread's death.
    fn play(mut self) {
        let mine = ThreadToken::current();
        for _ in 0..self.rng.u32(1..12) {
            let nth = self.rng.usize(..self.owners.len());
            let Some(owner) = self.owners[nth].upgrade() else { continue };
            match self.rng.u32(..8) {
                0..4 => {
                    let fate = Arc::new(Fate { owner: nth, ..Fate::default() });
                    self.fates.send(fate.clone()).unwrap();
                    match owner.insert(Value { of: mine, fate }) {
                        Ok(Some(old)) => self.taken(old),
                        Ok(None) => {}
                        Err(rejected) => panic!("{rejected}"),
                    }
                }
                4..6 => {
                    if let Some(value) = owner.get() {
                        assert_eq!(value.of, mine, "inherited a value");
                        let again = owner.get().expect("borrowed, and gone");
                        assert_eq!(again.fate.dropped.load(SeqCst), 0);
                        drop(value);
                        assert!(owner.take().is_err());
                        assert_eq!(again.fate.dropped.load(SeqCst), 0);
                    }
                }
                6 => {
                    if let Some(value) = owner.take().unwrap() {
                        self.taken(value);
                    }
                }
                _ => thread::yield_now(),
            }
        }
    }

    fn taken(&self, value: Value) {
        assert_eq!(value.of, ThreadToken::current(), "took another's value");
        value.fate.taken.fetch_add(1, SeqCst);
    }
}

fn schedule(seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let (fates, record) = mpsc::channel();
    let mut owners: Vec<_> = (0..rng.usize(1..4)).map(|_| owner()).collect();
    let scripts: Vec<_> = (0..rng.usize(2..7))
        .map(|_| Script {
            rng: rng.fork(),
            owners: owners.iter().map(Arc::downgrade).collect(),
            fates: fates.clone(),
        })
        .collect();
    // The first owner may outlive all threads. Then none of its values may end by being dropped.
    let kept = rng.bool().then(|| owners.swap_remove(0));
    let (starts, owner_ends) =
        (Arc::new(std::sync::Barrier::new(scripts.len() + 1)), Mutex::new(owners));
    let threads: Vec<_> = scripts
        .into_iter()
        .map(|script| {
            let starts = starts.clone();
            thread::spawn(move || {
                starts.wait();
                script.play();
            })
        })
        .collect();
    starts.wait();
    // The owners are dropped while the threads live and die.
    for _ in 0..rng.u32(..20) {
        thread::yield_now();
    }
    owner_ends.into_inner().unwrap().clear();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(kept.as_ref().map_or(0, |owner| owner.len()), 0, "a dead thread still has a value");
    drop(fates);
    for fate in record {
        let outlived = kept.is_some() && fate.owner == 0;
        let fate = [&fate.dropped, &fate.taken, &fate.reclaimed, &fate.misplaced]
            .map(|count| count.load(SeqCst));
        let well =
            matches!(fate, [1, 1, 0, 0] | [1, 0, 1, 0]) || (fate == [1, 0, 0, 0] && !outlived);
        assert!(well, "dropped, taken, reclaimed, misplaced: {fate:?}");
    }
}

// The drop of an owner races with a thread's death.
#[test]
fn every_value_ends_exactly_once() {
    for seed in 0..if cfg!(miri) { 5 } else { 2000 } {
        let outcome = std::panic::catch_unwind(|| schedule(seed));
        assert!(outcome.is_ok(), "with seed {seed}");
    }
}
