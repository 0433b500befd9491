//! Async primitives that need no runtime: fair, cancel-safe, allocation-free waits.
//!
//! Tasks of any executor, and plain threads, wait for each other on the same primitives: they stand
//! in one line, first come first served, and each wait can end in several ways. Nothing is lost
//! when it ends early.
//!
//! ```
//! use std::time::Duration;
//! use toro::{Queue, WaitError};
//!
//! static JOBS: Queue<&str> = Queue::new(10);
//!
//! JOBS.put("sweep").wait()?;                          // block this thread ...
//! # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! # runtime.block_on(async {
//! let job = JOBS.get().await?;                        // ... or await in any runtime
//! assert_eq!(job, "sweep");
//! # Ok::<(), toro::Closed>(())
//! # })?;
//! let late = JOBS.get().wait_timeout(Duration::from_millis(1));
//! assert_eq!(late, Err(WaitError::Timeout));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Which one
//!
//! | to wait until                            | use                                                     | costs, when nobody waits       |
//! |------------------------------------------|---------------------------------------------------------|--------------------------------|
//! | something has happened                   | [`Event`], set and cleared                              | a load                         |
//! | a value is there, once, for all          | [`AsyncResult`]                                         | a load                         |
//! | the state behind a lock has changed      | [`Condition`]                                           | an atomic operation to notify  |
//! | a value may be touched                   | [`Lock`], or [`RwLock`] if most only read               | two atomic operations          |
//! | there is capacity                        | [`Semaphore`]; [`BoundedSemaphore`] to catch releases too many | two atomic operations   |
//! | all have come                            | [`Barrier`]                                             | a short lock                   |
//! | there is something to do, or room for it | [`Queue`], [`LifoQueue`], [`PriorityQueue`]             | a short lock                   |
//! | all work has been done                   | [`join`](Queue::join) on a queue                        | a short lock                   |
//! | something lent comes back                | [`Handoff`], of which pools are made                    | a short lock                   |
//!
//! All constructors are `const`, so that primitives can be statics. None allocates for a wait: a
//! waiter lies inside the future, or on the stack of the thread, that waits. Waiting and giving up
//! take constant time however many wait.
//!
//! # Waiting
//!
//! Whatever may have to wait returns a [`Wait`]. It is `.await`ed, or blocks a thread with
//! [`wait`](Wait::wait), and it can be given an end: `timeout` and `deadline` on tokio's clock
//! (feature `time`; without it the compiler proposes `wait_timeout`, which blocks the thread and is
//! not for tasks), [`wait_timeout`](Wait::wait_timeout) and [`wait_deadline`](Wait::wait_deadline)
//! for threads, and [`until`](Wait::until) any other future is ready. What is ready succeeds
//! although its deadline has passed. An expiry is an error of its own, [`Timeout`] or
//! [`WaitError::Timeout`], and what was to be put comes back with it.
//!
//! # Fairness
//!
//! Waiters are served in the order in which they came. What is released is handed to the oldest of
//! them, and a newcomer cannot overtake. That makes a contended release wait for a task to be
//! scheduled; [`Lock::barging`] and [`Semaphore::barging`] let a bounded number of newcomers go
//! first.
//!
//! # Cancel safety
//!
//! Any wait can be dropped at any time. A permit, lock, promise or notification that had been
//! granted to it, and that it had not yet returned, goes to the next in line. An item that was to
//! be put was not put.
//!
//! The other side of strict fairness is that a wait which was granted and is kept, but not polled,
//! holds up everyone behind it, and, if its task waits for the same primitive elsewhere, itself:
//!
//! ```no_run
//! # async fn hazard(lock: &toro::Lock<()>) {
//! # use std::{future::Future, pin::pin, task::{Context, Poll}};
//! # async fn something_else() {}
//! let mut first = pin!(lock.acquire());
//! tokio::select! {
//!     guard = &mut first => drop(guard),
//!     () = something_else() => {
//!         // `first` still stands in line. Once it is granted nobody else is, and nobody polls it here.
//!         let _guard = lock.acquire().await; // Never returns.
//!     }
//! }
//! # }
//! ```
//!
//! The way out is not to keep waits that are not polled: select on `lock.acquire()` itself rather
//! than on a reference to it, so that it is dropped with the `select!`, or give each wait a task of
//! its own.
//!
//! # Panics
//!
//! Guards release while a thread unwinds, and nothing is ever poisoned. A waker that panics does
//! not keep those after it asleep: all are woken, then the first panic goes on in whoever woke
//! them, unless it would lose what that one has just got, when it is let go; so it is with a waker
//! that panics when it is dropped. Beyond that, what panics here is a [`Wait`] polled after it has
//! returned, and a wait with a `timeout` or `deadline` (feature `time`) that has to wait outside a
//! tokio runtime.
//!
//! # Coming from elsewhere
//!
//! | here                          | `tokio::sync`                | `async-lock`, `event-listener`, `async-channel` | asyncio                  | Toro                       |
//! |-------------------------------|------------------------------|-------------------------------------------------|--------------------------|----------------------------|
//! | [`Event`]                     | `Notify`, `watch<bool>`      | `event_listener::Event`                         | `Event`                  | `Event`                    |
//! | [`Condition`]                 | `Notify`                     | `event_listener::Event`                         | `Condition`              | `Condition`                |
//! | [`AsyncResult`]               | `OnceCell`, `oneshot`        | `OnceCell`                                      | `Future`                 | `AsyncResult`              |
//! | [`Lock`]                      | `Mutex`                      | `Mutex`                                         | `Lock`                   | `Lock`                     |
//! | [`RwLock`]                    | `RwLock` (no upgrade)        | `RwLock`                                        |                          |                            |
//! | [`Semaphore`]                 | `Semaphore`                  | `Semaphore`                                     | `Semaphore`              | `Semaphore`                |
//! | [`BoundedSemaphore`]          |                              |                                                 | `BoundedSemaphore`       | `BoundedSemaphore`         |
//! | [`Barrier`]                   | `Barrier` (keeps arrivals of the dropped) | `Barrier`                          | `Barrier`                |                            |
//! | [`Queue`]                     | `mpsc`                       | `async_channel`                                 | `Queue`                  | `Queue`                    |
//! | [`LifoQueue`]                 |                              |                                                 | `LifoQueue`              | `LifoQueue`                |
//! | [`PriorityQueue`]             |                              |                                                 | `PriorityQueue`          | `PriorityQueue`            |
//! | [`join`](Queue::join), [`task_done`](Queue::task_done) |     |                                                 | `Queue.join`             | `JoinableQueue`            |
//! | `.wait()`                     | `blocking_lock`, `blocking_recv` | `lock_blocking`, `recv_blocking`            |                          |                            |
//! | `.timeout(d)`                 | `time::timeout(d, ..)`       |                                                 | `wait_for`               | `deadline=timedelta`       |
//!
//! What differs from tokio's: a semaphore's waiters never lose their turn to `try_acquire`; a
//! bounded wait gives back what it was given; a queue has any number of getters, and is shared by
//! reference rather than through two ends, so it is closed by [`close`](Queue::close) and not by
//! dropping one of them.
//!
//! # Features
//!
//! - `time`: waits with a deadline on tokio's clock. The one feature that depends on a runtime.
//! - `testing`: assertions that wait, and tasks whose panics reach the test (module `testing`).
//!
//! Races are checked by models of every primitive: `RUSTFLAGS="--cfg loom" cargo test -p toro
//! --release --test loom`.

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
mod mapped;
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
pub use bounded::{BoundedSemaphore, OwnedBoundedPermit};
pub use condition::{Condition, Relock};
pub use error::{
    AlreadySet, BeyondBound, Closed, NotUpgraded, PutError, Timeout, TooManyDone, TooManyPermits,
    TryAcquireError, TryGetError, TryPutError, WaitError,
};
pub use event::Event;
pub use handoff::{Handoff, Take, Waiters};
pub use lock::{Guard, Lock, OwnedGuard};
pub use mapped::{
    MappedGuard, MappedReadGuard, MappedWriteGuard, OwnedMappedGuard, OwnedMappedReadGuard,
    OwnedMappedWriteGuard,
};
pub use queue::{
    LifoQueue, PriorityQueue, Queue,
    items::{Items, Iter},
    task::Task,
};
pub use result::{AsyncResult, OwnedValue};
pub use rwlock::{
    OwnedReadGuard, OwnedUpgradableGuard, OwnedWriteGuard, ReadGuard, RwLock, UpgradableGuard,
    WriteGuard,
};
pub use semaphore::{OwnedPermit, Permit, Semaphore};
#[cfg(feature = "time")]
pub use time::Timed;
pub use until::Until;
