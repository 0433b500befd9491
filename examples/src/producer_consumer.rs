//! A producer and consumers around a joinable queue.
//!
//! The queue holds two items, so a producer that is faster than its consumers waits in `put`.
//! `join` returns when all items have been processed, not only taken, because each
//! [`Task`](toro::Task) reports that when it is dropped.

use std::sync::Arc;

use toro::Queue;

/// An event, for an observer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The producer put an item into the queue.
    Put(u32),
    /// A consumer took an item.
    Took(u32),
    /// A consumer has processed an item.
    Done(u32),
    /// All items have been processed.
    Joined,
}

/// Puts the items from 0 to `items`. `consumers` tasks process them. Returns once all are
/// processed.
///
/// # Panics
///
/// Never. The runtime reports a consumer that panics, and its item counts as done.
pub async fn run(items: u32, consumers: usize, watch: impl Fn(Step) + Clone + Send + 'static) {
    let queue = Arc::new(Queue::new(2));
    let workers: Vec<_> = (0..consumers)
        .map(|_| {
            let (queue, watch) = (queue.clone(), watch.clone());
            tokio::spawn(async move {
                while let Ok(item) = queue.get_task().await {
                    watch(Step::Took(*item));
                    tokio::task::yield_now().await;
                    watch(Step::Done(*item));
                    // The item is dropped here, which marks it as done.
                }
            })
        })
        .collect();
    for item in 0..items {
        if queue.put(item).await.is_ok() {
            watch(Step::Put(item));
        }
    }
    queue.join().await;
    watch(Step::Joined);
    // Consumers that still wait in `get_task` end now.
    queue.close();
    for worker in workers {
        let _ = worker.await;
    }
}
