//! Statements 15 and 16: guards release, once, whatever happens.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use toro::{BeyondBound, BoundedSemaphore, Guard, Lock, Queue, RwLock, Semaphore};

#[test]
fn guards_release_while_panicking() {
    let (lock, rwlock, semaphore) = (Lock::new(0), RwLock::new(0), Semaphore::new(1));
    let queue = Queue::unbounded();
    queue.try_put(()).unwrap();
    let result = catch_unwind(AssertUnwindSafe(|| {
        let _guards = (lock.acquire().wait(), rwlock.write().wait(), semaphore.acquire().wait());
        let _task = queue.get_task().wait();
        panic!("on purpose");
    }));
    assert!(result.is_err());
    assert!(lock.try_acquire().is_some() && rwlock.try_write().is_some());
    assert_eq!((semaphore.available(), queue.unfinished()), (1, 0));
}

#[test]
fn releasing_beyond_the_bound_is_an_error() {
    let semaphore = BoundedSemaphore::new(2);
    assert_eq!(semaphore.release(1), Err(BeyondBound));
    semaphore.acquire_many(2).wait().unwrap().forget();
    assert_eq!(semaphore.release(3), Err(BeyondBound));
    assert_eq!((semaphore.release(2), semaphore.available()), (Ok(()), 2));
    assert_eq!(semaphore.release(u32::MAX), Err(BeyondBound));
}

#[test]
fn a_mapped_guard_holds_the_whole_lock() {
    let lock = Lock::new((1, String::from("two")));
    let mut part = Guard::map(lock.try_acquire().unwrap(), |pair| &mut pair.1);
    part.push('!');
    assert!(lock.try_acquire().is_none());
    drop(part);
    assert_eq!(lock.into_inner().1, "two!");
}

#[test]
fn a_panic_while_mapping_releases_the_lock() {
    let lock = Lock::new(1);
    let result = catch_unwind(AssertUnwindSafe(|| {
        drop(Guard::map(lock.try_acquire().unwrap(), |_| -> &mut i32 { panic!("on purpose") }));
    }));
    assert!(result.is_err() && lock.try_acquire().is_some());
}

#[test]
fn permits_can_be_split_and_merged() {
    let (semaphore, other) = (Semaphore::new(3), Semaphore::new(1));
    let mut permit = semaphore.acquire_many(3).wait().unwrap();
    let part = permit.split(2).unwrap();
    assert!(permit.split(2).is_none());
    drop(part);
    assert_eq!((permit.count(), semaphore.available()), (1, 2));
    permit.merge(semaphore.acquire().wait().unwrap()).unwrap();
    let stranger = permit.merge(other.acquire().wait().unwrap()).unwrap_err();
    assert_eq!((permit.count(), stranger.count()), (2, 1));
}

#[test]
fn guards_change_their_kind_without_letting_go() {
    let lock = RwLock::new(1);
    let upgradable = lock.try_upgradable_read().unwrap();
    let reader = lock.try_read().expect("readers fit beside an upgradable one");
    assert!(lock.try_upgradable_read().is_none(), "a second upgradable one does not");
    let upgradable = upgradable.try_upgrade().unwrap_err();
    drop(reader);
    let mut writer = upgradable.upgrade().wait();
    *writer += 1;
    let upgradable = writer.downgrade_to_upgradable();
    assert!(lock.try_write().is_none());
    let reader = upgradable.downgrade();
    assert!(lock.try_upgradable_read().is_some());
    assert_eq!(*reader, 2);
}

#[test]
fn owned_guards_outlive_the_scope_of_their_lock() {
    let (lock, semaphore) = (Arc::new(Lock::new(1)), Arc::new(Semaphore::new(1)));
    let (weak, weak_semaphore) = (Arc::downgrade(&lock), Arc::downgrade(&semaphore));
    let guard = lock.acquire_owned().wait();
    let permit = semaphore.acquire_owned().wait().unwrap();
    drop((lock, semaphore));
    std::thread::spawn(move || assert_eq!((*guard, permit.count()), (1, 1))).join().unwrap();
    assert!(weak.upgrade().is_none() && weak_semaphore.upgrade().is_none());
}
