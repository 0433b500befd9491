//! Guards release exactly once, also after a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;

use toro::{
    AsyncResult, Barrier, BeyondBound, BoundedSemaphore, Guard, Lock, MappedReadGuard, OwnedGuard,
    OwnedMappedGuard, OwnedMappedWriteGuard, OwnedReadGuard, OwnedWriteGuard, Queue, ReadGuard,
    RwLock, Semaphore, WriteGuard,
};

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
fn release_beyond_the_bound_is_an_error() {
    let semaphore = BoundedSemaphore::new(2);
    assert_eq!(semaphore.release(1), Err(BeyondBound));
    semaphore.acquire_many(2).wait().unwrap().forget();
    assert_eq!(semaphore.release(3), Err(BeyondBound));
    assert_eq!((semaphore.release(2), semaphore.available()), (Ok(()), 2));
    assert_eq!(semaphore.release(u32::MAX), Err(BeyondBound));
}

#[test]
fn mapped_guard_holds_the_whole_lock() {
    let lock = Lock::new((1, String::from("two")));
    let mut part = Guard::map(lock.try_acquire().unwrap(), |pair| &mut pair.1);
    part.push('!');
    assert!(lock.try_acquire().is_none());
    drop(part);
    assert_eq!(lock.into_inner().1, "two!");
}

#[test]
fn panic_while_mapping_releases_the_lock() {
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
fn guards_change_their_kind_without_a_release() {
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

#[test]
fn owned_permits_of_a_bounded_semaphore_keep_it_and_its_bound() {
    let semaphore = Arc::new(BoundedSemaphore::new(3));
    let mut permit = semaphore.acquire_many_owned(2).wait().unwrap();
    let part = permit.split(1).unwrap();
    let last = semaphore.try_acquire_owned().unwrap();
    assert!(semaphore.try_acquire_many_owned(1).is_err());
    last.forget();
    assert_eq!(semaphore.release(2), Err(BeyondBound));
    let weak = Arc::downgrade(&semaphore);
    drop(semaphore);
    std::thread::spawn(move || drop(permit)).join().unwrap();
    let semaphore = weak.upgrade().expect("the part keeps it alive");
    assert_eq!((part.count(), semaphore.available(), semaphore.release(1)), (1, 1, Ok(())));
    drop(part);
    assert_eq!(semaphore.available(), 3);
    let mut line = Box::pin(semaphore.acquire_many_owned(4));
    assert!(crate::poll(line.as_mut()).is_pending());
    semaphore.close();
    assert!(matches!(crate::poll(line.as_mut()), Poll::Ready(Err(_))));
}

#[test]
fn owned_guards_change_their_kind_without_a_release() {
    let lock = Arc::new(RwLock::new(1));
    let upgradable = lock.upgradable_read_owned().wait();
    let reader = lock.try_read_owned().expect("readers fit beside an upgradable one");
    assert!(lock.try_upgradable_read_owned().is_none() && lock.try_write_owned().is_none());
    let upgradable = upgradable.try_upgrade().unwrap_err();
    let mut upgrade = Box::pin(upgradable.upgrade());
    assert!(crate::poll(upgrade.as_mut()).is_pending());
    assert!(lock.try_read().is_none(), "whoever waits to upgrade holds back new readers");
    drop(reader);
    let Poll::Ready(mut writer) = crate::poll(upgrade.as_mut()) else {
        panic!("no reader is left")
    };
    *writer += 1;
    let upgradable = writer.downgrade_to_upgradable();
    assert!(lock.try_write().is_none());
    let reader = upgradable.downgrade();
    assert_eq!((*reader, Arc::strong_count(&lock)), (2, 2));
    drop(reader);
    drop(lock.write_owned().wait().downgrade());
    assert_eq!((Arc::strong_count(&lock), lock.try_write().is_some()), (1, true));
}

#[test]
fn expired_upgrade_returns_the_owned_guard() {
    let lock = Arc::new(RwLock::new(1));
    let reader = lock.try_read().unwrap();
    let upgradable = lock.try_upgradable_read_owned().unwrap();
    let kept = upgradable.upgrade().until(std::future::ready(())).wait();
    drop(reader);
    assert!(kept.unwrap_err().0.try_upgrade().is_ok());
    assert_eq!(Arc::strong_count(&lock), 1);
}

#[test]
fn mapped_guards_of_every_kind_hold_the_whole_lock() {
    let lock = Arc::new(Lock::new((1, [2, 3])));
    let mut part = OwnedMappedGuard::map(
        OwnedGuard::map(lock.try_acquire_owned().unwrap(), |pair| &mut pair.1),
        |array| &mut array[1],
    );
    *part += 10;
    assert!(lock.is_locked());
    drop(part);
    assert_eq!((lock.try_acquire().unwrap().1, Arc::strong_count(&lock)), ([2, 13], 1));

    let lock = Arc::new(RwLock::new((1, [2, 3])));
    let part =
        MappedReadGuard::map(ReadGuard::map(lock.try_read().unwrap(), |pair| &pair.1), |array| {
            &array[1]
        });
    let owned = OwnedReadGuard::map(lock.try_read_owned().unwrap(), |pair| &pair.1[..]);
    assert!(lock.try_write().is_none());
    assert_eq!((*part, owned.len()), (3, 2));
    drop((part, owned));
    *WriteGuard::map(lock.try_write().unwrap(), |pair| &mut pair.0) += 10;
    let mut part = OwnedMappedWriteGuard::map(
        OwnedWriteGuard::map(lock.try_write_owned().unwrap(), |pair| &mut pair.1),
        |array| &mut array[0],
    );
    *part += 10;
    assert!(lock.try_read().is_none());
    drop(part);
    assert_eq!((*lock.try_write().unwrap(), Arc::strong_count(&lock)), ((11, [12, 3]), 1));
}

#[test]
fn panic_while_mapping_releases_locks_of_every_kind() {
    let (lock, rwlock) = (Arc::new(Lock::new(1)), Arc::new(RwLock::new(1)));
    let panics = |narrow: &dyn Fn()| assert!(catch_unwind(AssertUnwindSafe(narrow)).is_err());
    panics(&|| {
        drop(OwnedGuard::map(lock.try_acquire_owned().unwrap(), |_| -> &mut u8 {
            panic!("on purpose")
        }))
    });
    panics(&|| {
        drop(ReadGuard::map(rwlock.try_read().unwrap(), |_| -> &u8 { panic!("on purpose") }))
    });
    panics(&|| {
        drop(OwnedReadGuard::map(rwlock.try_read_owned().unwrap(), |_| -> &u8 {
            panic!("on purpose")
        }))
    });
    panics(&|| {
        drop(WriteGuard::map(rwlock.try_write().unwrap(), |_| -> &mut u8 { panic!("on purpose") }))
    });
    panics(&|| {
        drop(OwnedWriteGuard::map(rwlock.try_write_owned().unwrap(), |_| -> &mut u8 {
            panic!("on purpose")
        }))
    });
    assert!(lock.try_acquire().is_some() && rwlock.try_write().is_some());
    assert_eq!((Arc::strong_count(&lock), Arc::strong_count(&rwlock)), (1, 1));
}

#[test]
fn owned_value_outlives_the_scope_of_its_result() {
    let result = Arc::new(AsyncResult::new());
    let (mut wait, weak) = (Box::pin(result.get_owned()), Arc::downgrade(&result));
    assert!(result.try_get_owned().is_none() && crate::poll(wait.as_mut()).is_pending());
    result.set(String::from("there")).unwrap();
    drop(result);
    let Poll::Ready(value) = crate::poll(wait.as_mut()) else { panic!("the value is there") };
    drop(wait);
    let again = value.clone();
    std::thread::spawn(move || assert_eq!(*value, "there")).join().unwrap();
    assert_eq!(weak.upgrade().and_then(|result| result.try_get_owned()).as_deref(), Some(&*again));
    drop(again);
    assert!(weak.upgrade().is_none());
}

#[test]
fn owned_arrivals_can_be_sent_and_taken_back() {
    let barrier = Arc::new(Barrier::new(2));
    let mut gives_up = Box::pin(barrier.wait_owned());
    assert!(crate::poll(gives_up.as_mut()).is_pending());
    drop(gives_up);
    assert_eq!((barrier.arrived(), Arc::strong_count(&barrier)), (0, 1));
    let other = barrier.wait_owned();
    let other = std::thread::spawn(|| other.wait().is_leader());
    assert!(barrier.wait().wait().is_leader() != other.join().unwrap());
}
