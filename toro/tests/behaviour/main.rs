//! The guarantees of the primitives, one test each.
#![cfg(not(loom))]

mod barging;
mod cancel;
mod deadlines;
mod executors;
mod guards;
mod misuse;
mod queues;
mod sizes;
mod testing;
mod threads;
mod unwinding;
mod wakers;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// Polls once with a waker that does nothing.
pub(crate) fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}
