//! The stores of queues. Each order of items has its own buffer.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::core::{PendingItem, Ring, Stack, drop_each};

/// Holds the items of a queue, and decides which one leaves next.
pub trait Buffer {
    type Item;
    fn push(&mut self, pending: &mut PendingItem<Self::Item>);
    fn pop(&mut self) -> Option<Self::Item>;
    fn len(&self) -> usize;
}

/// First in, first out.
pub struct Fifo<T>(Ring<T>);

impl<T> Fifo<T> {
    pub(crate) const fn new() -> Self {
        Fifo(Ring::new())
    }
}

impl<T> Buffer for Fifo<T> {
    type Item = T;

    #[inline]
    fn push(&mut self, pending: &mut PendingItem<T>) {
        self.0.push(pending);
    }

    #[inline]
    fn pop(&mut self) -> Option<T> {
        self.0.pop()
    }

    #[inline]
    fn len(&self) -> usize {
        self.0.len()
    }
}

/// Last in, first out.
pub struct Lifo<T>(Stack<T>);

impl<T> Lifo<T> {
    pub(crate) const fn new() -> Self {
        Lifo(Stack::new())
    }
}

impl<T> Buffer for Lifo<T> {
    type Item = T;

    #[inline]
    fn push(&mut self, pending: &mut PendingItem<T>) {
        self.0.push(pending);
    }

    #[inline]
    fn pop(&mut self) -> Option<T> {
        self.0.pop()
    }

    #[inline]
    fn len(&self) -> usize {
        self.0.len()
    }
}

/// Lowest first, and of equal items the oldest first.
pub struct Priority<T> {
    heap: BinaryHeap<Ranked<T>>,
    arrivals: u64,
}

/// An item and the number of its arrival. The greatest leaves next.
struct Ranked<T> {
    item: T,
    arrival: u64,
}

impl<T: Ord> Priority<T> {
    pub(crate) const fn new() -> Self {
        Priority { heap: BinaryHeap::new(), arrivals: 0 }
    }
}

impl<T: Ord> Buffer for Priority<T> {
    type Item = T;

    fn push(&mut self, pending: &mut PendingItem<T>) {
        let Some(item) = pending.take() else { return };
        let arrival = self.arrivals;
        self.arrivals += 1;
        self.heap.push(Ranked { item, arrival });
    }

    fn pop(&mut self) -> Option<T> {
        self.heap.pop().map(|ranked| ranked.item)
    }

    fn len(&self) -> usize {
        self.heap.len()
    }
}

impl<T> Drop for Priority<T> {
    fn drop(&mut self) {
        let mut items = self.heap.drain();
        drop_each(|| items.next());
    }
}

impl<T: Ord> Ord for Ranked<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.item.cmp(&self.item).then_with(|| other.arrival.cmp(&self.arrival))
    }
}

impl<T: Ord> PartialOrd for Ranked<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord> PartialEq for Ranked<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T: Ord> Eq for Ranked<T> {}
