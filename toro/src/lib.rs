//! Async primitives that need no runtime: fair, cancel-safe, allocation-free waits.

#![deny(unsafe_code)]

mod barrier;
mod blocking;
mod bounded;
mod condition;
mod core;
mod error;
mod event;
mod handoff;
mod lock;
mod permits;
mod queue;
mod result;
mod rwlock;
mod semaphore;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "time")]
mod time;
mod until;
pub mod waits;

pub use crate::core::{Wait, Waiting};
pub use barrier::{Arrival, Barrier};
pub use bounded::BoundedSemaphore;
pub use condition::{Condition, Relock};
pub use error::{
    AlreadySet, BeyondBound, Closed, NotUpgraded, PutError, Timeout, TooManyDone, TooManyPermits,
    TryAcquireError, TryGetError, TryPutError, WaitError,
};
pub use event::Event;
pub use handoff::{Handoff, Take, Waiters};
pub use lock::{Guard, Lock, MappedGuard, OwnedGuard};
pub use queue::{
    LifoQueue, PriorityQueue, Queue,
    items::{Items, Iter},
    task::Task,
};
pub use result::AsyncResult;
pub use rwlock::{OwnedReadGuard, OwnedWriteGuard, ReadGuard, RwLock, UpgradableGuard, WriteGuard};
pub use semaphore::{OwnedPermit, Permit, Semaphore};
#[cfg(feature = "time")]
pub use time::Timed;
pub use until::Until;
