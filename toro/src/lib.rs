//! Async primitives that need no runtime: fair, cancel-safe, allocation-free waits.

#![deny(unsafe_code)]

mod blocking;
mod core;
mod error;
mod event;
mod handoff;
mod lock;
mod permits;
mod queue;
mod semaphore;
#[cfg(feature = "time")]
mod time;
mod until;
pub mod waits;

pub use crate::core::{Wait, Waiting};
pub use error::{
    Closed, PutError, Timeout, TooManyDone, TooManyPermits, TryAcquireError, TryGetError, TryPutError,
    WaitError,
};
pub use event::Event;
pub use handoff::{Handoff, Take, Waiters};
pub use lock::{Guard, Lock, MappedGuard, OwnedGuard};
pub use queue::{
    LifoQueue, PriorityQueue, Queue,
    items::{Items, Iter},
    task::Task,
};
pub use semaphore::{OwnedPermit, Permit, Semaphore};
#[cfg(feature = "time")]
pub use time::Timed;
pub use until::Until;
