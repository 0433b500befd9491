//! The sizes of waits on 64 bits, so that changes are noticed, and whether waits are `Send`.
#![cfg(target_pointer_width = "64")]

use std::cell::Cell;
use std::mem::size_of;

use toro::waits::{
    AcquireBoundedOwned, AcquireLock, AcquireLockOwned, AcquirePermits, Arrive, ArriveOwned,
    EventWait, Get, GetResult, GetResultOwned, Join, Notified, Put, Read, UpgradableReadOwned,
    Upgrade, UpgradeOwned, Write,
};
use toro::{
    MappedGuard, MappedReadGuard, MappedWriteGuard, OwnedMappedGuard, OwnedMappedReadGuard,
    OwnedMappedWriteGuard, Queue, RwLock, Semaphore,
};

#[test]
fn waits_are_small() {
    assert_eq!(size_of::<AcquireLock<'_, u8>>(), 64);
    assert_eq!(size_of::<AcquireLockOwned<u8>>(), 64);
    assert_eq!(size_of::<AcquirePermits<'_>>(), 64);
    assert_eq!(size_of::<Read<'_, u8>>(), 64);
    assert_eq!(size_of::<Write<'_, u8>>(), 64);
    assert_eq!(size_of::<AcquireBoundedOwned>(), 64);
    assert_eq!(size_of::<UpgradableReadOwned<u8>>(), 64);
    assert_eq!(size_of::<Upgrade<'_, u8>>(), 64);
    assert_eq!(size_of::<UpgradeOwned<u8>>(), 64);
    assert_eq!(size_of::<EventWait<'_>>(), 48);
    assert_eq!(size_of::<Notified<'_>>(), 64);
    assert_eq!(size_of::<Arrive<'_>>(), 80);
    assert_eq!(size_of::<ArriveOwned>(), 80);
    assert_eq!(size_of::<GetResult<'_, u8>>(), 48);
    assert_eq!(size_of::<GetResultOwned<u8>>(), 48);
    assert_eq!(size_of::<Get<'_, Queue<u64>>>(), 48);
    assert_eq!(size_of::<Put<'_, Queue<u64>>>(), 64);
    assert_eq!(size_of::<Join<'_, Queue<u64>>>(), 64);
}

#[test]
fn primitives_are_small() {
    assert_eq!(size_of::<toro::Event>(), 48);
    assert_eq!(size_of::<Semaphore>(), 56);
    assert_eq!(size_of::<toro::Lock<()>>(), 56);
    assert_eq!(size_of::<RwLock<()>>(), 56);
}

#[test]
fn waits_can_be_sent_and_cannot_be_moved_once_pinned() {
    fn send<T: Send>() {}
    fn sync<T: Sync>() {}
    send::<AcquireLock<'_, u8>>();
    send::<AcquirePermits<'_>>();
    send::<AcquireBoundedOwned>();
    send::<ArriveOwned>();
    send::<GetResultOwned<u8>>();
    send::<UpgradeOwned<u8>>();
    send::<EventWait<'_>>();
    send::<MappedGuard<'_, Cell<u8>>>();
    send::<OwnedMappedGuard<Cell<u16>, Cell<u8>>>();
    send::<MappedReadGuard<'_, u8>>();
    send::<OwnedMappedReadGuard<u16, u8>>();
    send::<MappedWriteGuard<'_, Cell<u8>>>();
    send::<OwnedMappedWriteGuard<u16, Cell<u8>>>();
    send::<Put<'_, Queue<u64>>>();
    sync::<Queue<Cell<u8>>>();
    sync::<toro::Lock<Cell<u8>>>();
}
