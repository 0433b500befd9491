//! Iteration until the queue is closed and empty. [`Items`] is a stream, and [`Iter`] blocks the
//! thread.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_core::stream::FusedStream;
use pin_project_lite::pin_project;

use super::ops::{Get, PlainItem, Queued};
use crate::core::{PrimitiveRef, Wait, Waiter};

pin_project! {
    /// The items of a queue, as a stream. It ends when the queue is closed and empty. See
    /// [`Queue::stream`](crate::Queue::stream).
    ///
    /// Between items the stream has no place in line. While it waits for an item, it can be dropped
    /// like any other wait, without losing anything.
    #[must_use = "a stream does nothing unless it is polled"]
    pub struct Items<H>
    where
        H: PrimitiveRef,
        H::Target: Queued,
    {
        // `None` when the stream has ended.
        queue: Option<H>,
        #[pin]
        get: Option<Wait<Waiter<Get<H, PlainItem>>>>,
    }
}

impl<H: PrimitiveRef<Target: Queued>> Items<H> {
    pub(crate) fn new(queue: H) -> Self {
        Items { queue: Some(queue), get: None }
    }
}

impl<H: PrimitiveRef<Target = Q> + Clone, Q: Queued + ?Sized> Stream for Items<H> {
    type Item = Q::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Q::Item>> {
        let mut this = self.project();
        if this.get.is_none() {
            let Some(queue) = this.queue else { return Poll::Ready(None) };
            this.get.set(Some(Wait::new(Waiter::new(queue.clone(), Get::new()))));
        }
        let Some(get) = this.get.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        let item = ready!(get.poll(cx)).ok();
        this.get.set(None);
        if item.is_none() {
            *this.queue = None;
        }
        Poll::Ready(item)
    }
}

impl<H: PrimitiveRef<Target = Q> + Clone, Q: Queued + ?Sized> FusedStream for Items<H> {
    fn is_terminated(&self) -> bool {
        self.queue.is_none()
    }
}

impl<H: PrimitiveRef<Target: Queued>> fmt::Debug for Items<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Items").field("ended", &self.queue.is_none()).finish_non_exhaustive()
    }
}

/// The items of a queue, as an iterator that blocks the thread. It ends when the queue is closed
/// and empty. See [`Queue::iter`](crate::Queue::iter).
#[must_use = "an iterator does nothing unless it is used"]
pub struct Iter<'a, Q>(pub(super) &'a Q);

impl<Q: Queued> Iterator for Iter<'_, Q> {
    type Item = Q::Item;

    fn next(&mut self) -> Option<Q::Item> {
        Wait::new(Waiter::new(self.0, Get::<_, PlainItem>::new())).wait().ok()
    }
}

impl<Q> fmt::Debug for Iter<'_, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter").finish_non_exhaustive()
    }
}
