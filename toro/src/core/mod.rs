//! The one wait-queue on which every primitive stands, and the only place of the crate that handles
//! raw pointers.
//!
//! A wait is a future ([`Waiter`]) with one list node inside it. A primitive keeps its [`List`]s,
//! and whatever else has to change together with them, in one [`Mutex`], and implements
//! [`Operation`] to say when a newcomer is ready, what a waiter is granted, and what becomes of a
//! grant that nobody takes up. Linking, waking, refreshing wakers, expiry and cancellation are
//! written here, once.
//!
//! Three rules hold everywhere:
//!
//! 1. No foreign code runs under the lock: wakers are cloned before it is taken, and woken and
//!    dropped after it is released ([`Wakes`]).
//! 2. Granting is the last touch: once a node says "granted" only its owner may look at it, and
//!    needs no lock to do so.
//! 3. A grant whose waiter has gone is given back, so nothing is ever lost.

#![allow(unsafe_code)]

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
