//! Sizes of the waits on a machine of 64 bits, so that a change is noticed; and what they may be sent to.
#![cfg(target_pointer_width = "64")]

use std::mem::size_of;

use toro::waits::{
    AcquireLock, AcquireLockOwned, AcquirePermits, Arrive, EventWait, Get, GetResult, Join, Notified, Put,
    Read, Write,
};
use toro::{Queue, RwLock, Semaphore};

#[test]
fn waits_are_small() {
    assert_eq!(size_of::<AcquireLock<'_, u8>>(), 64);
    assert_eq!(size_of::<AcquireLockOwned<u8>>(), 64);
    assert_eq!(size_of::<AcquirePermits<'_>>(), 64);
    assert_eq!(size_of::<Read<'_, u8>>(), 64);
    assert_eq!(size_of::<Write<'_, u8>>(), 64);
    assert_eq!(size_of::<EventWait<'_>>(), 56);
    assert_eq!(size_of::<Notified<'_>>(), 64);
    assert_eq!(size_of::<Arrive<'_>>(), 80);
    assert_eq!(size_of::<GetResult<'_, u8>>(), 56);
    assert_eq!(size_of::<Get<'_, Queue<u64>>>(), 56);
    assert_eq!(size_of::<Put<'_, Queue<u64>, u64>>(), 72);
    assert_eq!(size_of::<Join<'_, Queue<u64>>>(), 56);
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
    send::<EventWait<'_>>();
    send::<Put<'_, Queue<u64>, u64>>();
    sync::<Queue<std::cell::Cell<u8>>>();
    sync::<toro::Lock<std::cell::Cell<u8>>>();
}
