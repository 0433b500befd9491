//! The wait queue that all primitives share, and the only place in the crate with pointers to
//! waiters.
//!
//! A wait is a future ([`Waiter`]) that contains one list node. A primitive keeps its [`List`]s,
//! and all state that must change together with them, in one [`Mutex`]. It implements
//! [`Operation`], which says when a new waiter is ready, what a waiter is granted, and what happens
//! to a grant that nobody takes. Linking, waking, replacing wakers, expiry and cancellation are
//! implemented here, once.
//!
//! Three rules hold everywhere:
//!
//! 1. No waker is cloned, woken or dropped under the lock. Wakers are cloned before the lock is
//!    taken, and woken and dropped after it is released ([`Wakes`]). Only the `Ord` of a
//!    `PriorityQueue`'s items and the closures of `Handoff` run under the lock.
//! 2. Granting is the last access. Once a node is granted, only its owner may access it, and needs
//!    no lock for that.
//! 3. A grant whose waiter has gone is given back, so nothing is lost.

#![allow(unsafe_code, reason = "waiters are linked by pointers")]

mod list;
#[cfg(not(loom))]
mod mutex;
mod operation;
mod pending_item;
mod ring;
mod sync;
mod unwind;
mod wait;
mod waiter;
mod wakes;

pub(crate) use list::{End, List};
#[cfg(not(loom))]
pub(crate) use mutex::{Mutex, MutexGuard};
pub(crate) use operation::{Entry, Handed, Operation, Position, PrimitiveRef, Start, Step};
pub(crate) use pending_item::PendingItem;
pub(crate) use ring::{Ring, Stack};
pub(crate) use sync::{AtomicBool, AtomicU64, AtomicUsize, Ordering, UnsafeCell, const_fn};
#[cfg(loom)]
pub(crate) use sync::{Mutex, MutexGuard};
pub(crate) use wait::sealed;
pub use wait::{Wait, Waiting};
pub(crate) use waiter::{FirstPoll, Waiter, locked, locked_quietly, served};
pub(crate) use wakes::{Wakes, drop_each, wake_alone, wake_alone_quietly};
