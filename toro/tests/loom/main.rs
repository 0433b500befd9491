//! Loom models: every interleaving of a few threads, within a bound on preemptions.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p toro --release --test loom`
//!
//! Each model is named after the race that it checks. `LOOM_MAX_PREEMPTIONS` widens the search.
#![cfg(loom)]

mod event;
mod handoff;
mod lock;
mod more;
mod queue;
mod semaphore;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

pub(crate) use loom::future::block_on;
pub(crate) use loom::sync::Arc;
pub(crate) use loom::thread;

/// Explores a model with at most three preemptions per run, unless the environment sets more.
pub(crate) fn model(f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(3);
    builder.check(f);
}

/// Polls once. Returns whether the future was ready.
pub(crate) async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Polls a future once and drops it.
pub(crate) fn poll_and_drop<F: Future>(future: F) -> Option<F::Output> {
    block_on(async {
        let mut future = Box::pin(future);
        poll_once(future.as_mut()).await
    })
}
