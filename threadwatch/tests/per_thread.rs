//! `PerThread` as its users see it.
#![cfg(not(loom))]

mod witness;

use std::{
    cell::{Cell, RefCell},
    sync::{Arc, Mutex, OnceLock, atomic::Ordering::SeqCst, mpsc},
    thread,
};

use threadwatch::{Error, PerThread, Ref, Rejected, ThreadWatcher, Watch};
use witness::{Dropped, counter};

/// A `PerThread` of numbers, and the numbers that it reclaimed.
fn recorded() -> (PerThread<u32>, Arc<Mutex<Vec<u32>>>) {
    let reclaimed = Arc::new(Mutex::new(Vec::new()));
    let record = reclaimed.clone();
    (PerThread::new(move |value| record.lock().unwrap().push(value)), reclaimed)
}

#[test]
fn each_thread_has_its_own_value() {
    let (numbers, reclaimed) = recorded();
    assert_eq!(numbers.insert(7), Ok(None));
    thread::scope(|s| {
        let thread = s.spawn(|| {
            assert!(numbers.get().is_none());
            assert_eq!(numbers.take(), Ok(None));
            assert_eq!(numbers.insert(8), Ok(None));
            assert_eq!(numbers.insert(9), Ok(Some(8)));
            assert_eq!(*numbers.get().unwrap(), 9);
            assert_eq!(numbers.len(), 2);
        });
        thread.join().unwrap();
    });
    assert_eq!(*numbers.get().unwrap(), 7);
    assert_eq!(numbers.len(), 1);
    assert_eq!(*reclaimed.lock().unwrap(), [9]);
    assert_eq!(numbers.take(), Ok(Some(7)));
    assert!(numbers.is_empty());
}

// The slot of a dead thread is reused. Its content is not.
#[test]
fn new_thread_does_not_inherit_a_dead_threads_value() {
    let (numbers, reclaimed) = recorded();
    let threads = if cfg!(miri) { 20 } else { 1000 };
    for nth in 0..threads {
        thread::scope(|s| {
            let thread = s.spawn(|| {
                assert!(numbers.get().is_none());
                assert_eq!(numbers.insert(nth), Ok(None));
            });
            thread.join().unwrap();
        });
        assert_eq!(numbers.len(), 0);
    }
    assert_eq!(*reclaimed.lock().unwrap(), (0..threads).collect::<Vec<_>>());
}

#[test]
fn taken_value_is_not_reclaimed() {
    let (numbers, reclaimed) = recorded();
    thread::scope(|s| {
        let thread = s.spawn(|| {
            assert_eq!(numbers.insert(1), Ok(None));
            assert_eq!(numbers.take(), Ok(Some(1)));
            assert_eq!(numbers.take(), Ok(None));
            assert!(numbers.get().is_none());
        });
        thread.join().unwrap();
    });
    assert!(reclaimed.lock().unwrap().is_empty());
}

#[test]
fn borrowed_value_is_neither_replaced_nor_taken() {
    let (numbers, _) = recorded();
    assert_eq!(numbers.insert(1), Ok(None));
    let (one, same) = (numbers.get().unwrap(), numbers.get().unwrap());
    assert_eq!(numbers.insert(2), Err(Rejected { value: 2, error: Error::Borrowed }));
    drop(one);
    assert_eq!(numbers.take(), Err(Error::Borrowed));
    assert_eq!(*same, 1);
    drop(same);
    assert_eq!(numbers.take(), Ok(Some(1)));
}

#[test]
fn value_is_created_once() {
    let (numbers, _) = recorded();
    assert_eq!(*numbers.get_or_insert_with(|| 1).unwrap(), 1);
    assert_eq!(*numbers.get_or_insert_with(|| unreachable!()).unwrap(), 1);
    let (inner, _) = recorded();
    let value = inner.get_or_insert_with(|| {
        assert_eq!(inner.insert(2), Ok(None));
        3
    });
    assert_eq!(*value.unwrap(), 2);
}

/// Not `Sync`: only its own thread accesses it.
struct Account {
    depth: Cell<u32>,
}

// The owner learns of deaths only while it lives.
#[test]
fn owner_is_held_weakly() {
    struct Pool {
        returned: Mutex<Vec<u32>>,
        accounts: PerThread<Account>,
    }
    let pool = Arc::new_cyclic(|pool| Pool {
        returned: Mutex::default(),
        accounts: PerThread::owned_by(pool.clone(), |pool: &Arc<Pool>, account: Account| {
            pool.returned.lock().unwrap().push(account.depth.get());
        }),
    });
    let visit = |pool: &Pool| {
        let account = pool.accounts.get_or_insert_with(|| Account { depth: Cell::new(0) }).unwrap();
        account.depth.set(account.depth.get() + 1);
    };
    let (entered, has_entered) = mpsc::channel();
    let (die, may_die) = mpsc::channel::<()>();
    let survivor = thread::spawn({
        let pool = Arc::downgrade(&pool);
        move || {
            visit(&pool.upgrade().unwrap());
            entered.send(()).unwrap();
            let _ = may_die.recv();
        }
    });
    thread::scope(|s| {
        let thread = s.spawn(|| {
            visit(&pool);
            visit(&pool);
        });
        thread.join().unwrap();
    });
    assert_eq!(*pool.returned.lock().unwrap(), [2]);
    has_entered.recv().unwrap();
    assert_eq!(pool.accounts.len(), 1);
    // Nothing else holds the pool. Its drop drops the value of a living thread.
    assert!(Arc::into_inner(pool).is_some());
    drop(die);
    survivor.join().unwrap();
}

#[test]
fn owner_drop_drops_the_values_of_living_threads() {
    let dropped = counter();
    let values = Arc::new(PerThread::new(|_: Dropped| panic!("nothing is reclaimed in this test")));
    let (entered, has_entered) = mpsc::channel();
    let (die, may_die) = mpsc::channel::<()>();
    let may_die = Arc::new(Mutex::new(may_die));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (values, dropped) = (Arc::downgrade(&values), dropped.clone());
            let (entered, may_die) = (entered.clone(), may_die.clone());
            thread::spawn(move || {
                assert!(values.upgrade().unwrap().insert(Dropped(dropped)).is_ok());
                entered.send(()).unwrap();
                let _ = may_die.lock().unwrap().recv();
            })
        })
        .collect();
    for _ in 0..8 {
        has_entered.recv().unwrap();
    }
    drop(Arc::into_inner(values).unwrap());
    assert_eq!(dropped.load(SeqCst), 8);
    drop(die);
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(dropped.load(SeqCst), 8);
}

// A dying thread that runs `reclaim` does not delay the drop of other values.
#[test]
fn owner_drop_does_not_wait_for_a_running_reclaim() {
    let dropped = counter();
    let (inside, is_inside) = mpsc::channel();
    let (go, may_go) = mpsc::channel::<()>();
    let may_go = Mutex::new(may_go);
    let values = Arc::new(PerThread::new(move |value: Dropped| {
        inside.send(()).unwrap();
        let _ = may_go.lock().unwrap().recv();
        drop(value);
    }));
    assert!(values.insert(Dropped(dropped.clone())).is_ok());
    let thread = thread::spawn({
        let (values, dropped) = (values.clone(), dropped.clone());
        move || assert!(values.insert(Dropped(dropped)).is_ok())
    });
    is_inside.recv().unwrap();
    drop(Arc::into_inner(values).unwrap());
    assert_eq!(dropped.load(SeqCst), 1, "the value of this thread");
    drop(go);
    thread.join().unwrap();
    assert_eq!(dropped.load(SeqCst), 2);
}

// The dying thread holds the last reference to the owner, and drops it inside `reclaim`.
#[test]
fn owner_may_be_dropped_inside_reclaim() {
    struct Pool {
        _ended: Dropped,
        values: PerThread<u32>,
    }
    let ended = counter();
    let (inside, is_inside) = mpsc::channel();
    let (go, may_go) = mpsc::channel::<()>();
    let may_go = Mutex::new(may_go);
    let pool = Arc::new_cyclic(|pool| Pool {
        _ended: Dropped(ended.clone()),
        values: PerThread::owned_by(pool.clone(), move |_: &Arc<Pool>, value| {
            inside.send(value).unwrap();
            let _ = may_go.lock().unwrap().recv();
        }),
    });
    let thread = thread::spawn({
        let pool = pool.clone();
        move || assert_eq!(pool.values.insert(5), Ok(None))
    });
    assert_eq!(is_inside.recv(), Ok(5));
    // The thread's own handle was dropped with its closure. `reclaim` holds the other one.
    drop(pool);
    assert_eq!(ended.load(SeqCst), 0);
    drop(go);
    thread.join().unwrap();
    assert_eq!(ended.load(SeqCst), 1);
}

#[test]
fn insert_inside_reclaim_returns_the_value() {
    let outcomes = Arc::new(Mutex::new(Vec::new()));
    let values = Arc::new_cyclic(|values| {
        let outcomes = outcomes.clone();
        PerThread::owned_by(values.clone(), move |values: &Arc<PerThread<u32>>, value| {
            let made = values.get_or_insert_with(|| unreachable!()).map(|value| *value);
            let mut outcomes = outcomes.lock().unwrap();
            outcomes.push((values.insert(value + 1), made, values.take()));
        })
    });
    thread::scope(|s| s.spawn(|| assert_eq!(values.insert(1), Ok(None))).join().unwrap());
    let rejected = Rejected { value: 2, error: Error::ThreadDying };
    assert_eq!(*outcomes.lock().unwrap(), [(Err(rejected), Err(Error::ThreadDying), Ok(None))]);
    assert_eq!(values.len(), 0);
}

#[test]
fn panic_in_reclaim_is_contained() {
    let bad = PerThread::new(|value: u32| panic!("reclaiming {value}"));
    let (good, reclaimed) = recorded();
    thread::scope(|s| {
        let thread = s.spawn(|| {
            assert_eq!(bad.insert(1), Ok(None));
            assert_eq!(good.insert(2), Ok(None));
        });
        thread.join().expect("the panic reached the thread");
    });
    assert_eq!(*reclaimed.lock().unwrap(), [2]);
    assert!(bad.is_empty());
}

type Kept = Option<Ref<'static, u32>>;

thread_local! {
    static KEPT_LONGER: RefCell<Kept> = const { RefCell::new(None) };
    static KEPT_SHORTER: RefCell<Kept> = const { RefCell::new(None) };
}

// A `Ref` in a thread-local may outlive the vigil. The value must live as long, and must still be
// reclaimed.
#[test]
fn value_borrowed_beyond_the_vigil_is_reclaimed_last() {
    // The type needs `Ref`s with a static lifetime.
    static NUMBERS: OnceLock<PerThread<u32>> = OnceLock::new();
    let (numbers, reclaimed) = recorded();
    let numbers = NUMBERS.get_or_init(|| numbers);
    let thread = thread::spawn(|| {
        KEPT_LONGER.with(|kept| *kept.borrow_mut() = None);
        assert_eq!(numbers.insert(1), Ok(None));
        KEPT_LONGER.with(|kept| *kept.borrow_mut() = numbers.get());
        KEPT_SHORTER.with(|kept| *kept.borrow_mut() = numbers.get());
    });
    thread.join().unwrap();
    assert_eq!(*reclaimed.lock().unwrap(), [1]);
    // Its slot is free again.
    assert!(numbers.is_empty());
    assert_eq!(numbers.insert(2), Ok(None));
}

// A leaked `Ref` keeps the value until the owner is dropped, and no longer.
#[test]
fn leaked_borrow_keeps_its_value_until_the_owner_ends() {
    let dropped = counter();
    let values = PerThread::new(|_: Dropped| panic!("it is borrowed for ever"));
    thread::scope(|s| {
        let thread = s.spawn(|| {
            assert!(values.insert(Dropped(dropped.clone())).is_ok());
            std::mem::forget(values.get());
        });
        thread.join().unwrap();
    });
    assert_eq!((values.len(), dropped.load(SeqCst)), (1, 0));
    drop(values);
    assert_eq!(dropped.load(SeqCst), 1);
}

// Watchers and values share one vigil. The one that comes first does not hide the other.
#[test]
fn watchers_and_values_share_a_thread() {
    let (numbers, reclaimed) = recorded();
    let watcher = ThreadWatcher::new();
    let calls = counter();
    thread::scope(|s| {
        let thread = s.spawn(|| {
            assert_eq!(numbers.insert(1), Ok(None));
            let calls = calls.clone();
            let watch = watcher.watch(move || {
                calls.fetch_add(1, SeqCst);
            });
            assert_eq!(watch, Watch::Started);
            assert_eq!(*numbers.get().unwrap(), 1);
        });
        thread.join().unwrap();
    });
    assert_eq!((calls.load(SeqCst), reclaimed.lock().unwrap().len()), (1, 1));
}
