//! Async primitives that need no runtime: fair, cancel-safe, allocation-free waits.
//!
//! Tasks of any executor and plain threads wait on the same primitives, in one queue, first come,
//! first served. A wait can have a time limit. It can be dropped at any point, and nothing is lost.
//!
//! # Examples
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
//! # Which primitive to use
//!
//! | to wait until | use | costs, if nobody waits |
//! | --- | --- | --- |
//! | something has happened | [`Event`] | a load |
//! | a value has been set, once | [`AsyncResult`] | a load |
//! | the state behind a lock has changed | [`Condition`] | an atomic operation to notify |
//! | a value can be accessed | [`Lock`], or [`RwLock`] for many readers | two atomic operations |
//! | there is capacity | [`Semaphore`] or [`BoundedSemaphore`] | two atomic operations |
//! | all parties have arrived | [`Barrier`] | a short lock |
//! | there is an item, or room | [`Queue`], [`LifoQueue`], [`PriorityQueue`] | a short lock |
//! | all items are done | [`join`](Queue::join) on a queue | a short lock |
//! | a pooled object comes back | [`Handoff`], the basis of pools | a short lock |
//!
//! All constructors are `const`, so primitives can be statics. No wait allocates: a waiter is part
//! of the waiting future, or is on the stack of the waiting thread. Waiting and giving up take
//! constant time for any number of waiters.
//!
//! # Waiting
//!
//! Every method that may have to wait returns a [`Wait`]. `.await` it in a task, or block a thread
//! with [`wait`](Wait::wait). The methods of some primitives have the name `wait` themselves, so a
//! thread writes `event.wait().wait()`. There are several ways to limit a wait:
//!
//! - `timeout` and `deadline` on tokio's clock (feature `time`). Without the feature, the compiler
//!   suggests `wait_timeout` instead, which blocks the thread and is not for tasks.
//! - [`wait_timeout`](Wait::wait_timeout) and [`wait_deadline`](Wait::wait_deadline) for threads.
//! - [`until`](Wait::until) another future is ready.
//!
//! A wait that is ready succeeds even after its deadline. Expiry is a separate error, [`Timeout`]
//! or [`WaitError::Timeout`]. A `put` that expires returns its item.
//!
//! # Fairness
//!
//! Waiters are served in order of arrival. A release hands the permit or lock to the oldest waiter,
//! and newcomers cannot overtake. So after a contended release the lock is held, but not used,
//! until the waiter's task runs. [`Lock::barging`] and [`Semaphore::barging`] let a bounded number
//! of newcomers go first.
//!
//! # Cancel safety
//!
//! Any wait can be dropped at any time. A permit, lock, item or notification that it was granted
//! goes to the next waiter. The item of a dropped `put` does not enter the queue.
//!
//! A strictly fair wait must be polled. A granted wait that is kept but not polled blocks all
//! waiters behind it. If its own task then waits for the same primitive, the task deadlocks:
//!
//! ```no_run
//! # async fn hazard(lock: &toro::Lock<()>) {
//! # use std::pin::pin;
//! # async fn something_else() {}
//! let mut first = pin!(lock.acquire());
//! tokio::select! {
//!     guard = &mut first => drop(guard),
//!     () = something_else() => {
//!         // `first` is still in line. Once it has the lock, nobody polls it.
//!         let _guard = lock.acquire().await; // Never returns.
//!     }
//! }
//! # }
//! ```
//!
//! So do not keep waits that are not polled. Select on `lock.acquire()` itself instead of a
//! reference to it, so that `select!` drops it. Or run each wait in its own task.
//!
//! # Panics
//!
//! Guards release during a panic, and nothing is ever poisoned. A waker that panics does not stop
//! the wakers after it. All are woken, then the first panic resumes in the caller. If that panic
//! would lose a value that the caller has just received, it is swallowed. Both rules also hold for
//! a waker that panics when it is dropped.
//!
//! Apart from that, and outside of the module `testing`, this crate panics in two cases: a [`Wait`]
//! is polled after it has returned, or a wait with a `timeout` or `deadline` (feature `time`) must
//! wait outside a tokio runtime.
//!
//! # Coming from other crates
//!
//! | here | `tokio::sync` | `async-lock`, `event-listener`, `async-channel` | asyncio | Toro (Python) |
//! | --- | --- | --- | --- | --- |
//! | [`Event`] | `Notify`, `watch<bool>` | `Event` | `Event` | `Event` |
//! | [`Condition`] | `Notify` | `Event` | `Condition` | `Condition` |
//! | [`AsyncResult`] | `OnceCell`, `oneshot` | `OnceCell` | `Future` | `AsyncResult` |
//! | [`Lock`] | `Mutex` | `Mutex` | `Lock` | `Lock` |
//! | [`RwLock`] | `RwLock` (no upgrade) | `RwLock` | | |
//! | [`Semaphore`] | `Semaphore` | `Semaphore` | `Semaphore` | `Semaphore` |
//! | [`BoundedSemaphore`] | | | `BoundedSemaphore` | `BoundedSemaphore` |
//! | [`Barrier`] | `Barrier` (counts dropped waits) | `Barrier` (the same) | `Barrier` | |
//! | [`Queue`] | `mpsc` | `async_channel` | `Queue` | `Queue` |
//! | [`LifoQueue`] | | | `LifoQueue` | `LifoQueue` |
//! | [`PriorityQueue`] | | | `PriorityQueue` | `PriorityQueue` |
//! | [`join`](Queue::join), [`task_done`](Queue::task_done) | | | `Queue.join` | `JoinableQueue` |
//! | `.wait()` | `blocking_lock`, `blocking_recv` | `lock_blocking`, `recv_blocking` | | |
//! | `.timeout(d)` | `time::timeout(d, ..)` | | `wait_for` | `deadline=timedelta` |
//!
//! Differences from tokio: a `put` that expires returns its item. A queue has any number of getters
//! and is shared by reference, without two ends. So it is closed with [`close`](Queue::close), not
//! by dropping an end.
//!
//! # Features
//!
//! - `time`: waits with a deadline on tokio's clock. The only feature that needs a runtime.
//! - `testing`: the module `testing`, with assertions that wait, and tasks whose panics reach the
//!   test.
//!
//! Loom models check the races of every primitive: `RUSTFLAGS="--cfg loom" cargo test -p toro
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
