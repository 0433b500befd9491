//! Producer and consumers around a joinable queue.
//!
//! The queue holds two items: a producer that is faster than its consumers waits in `put`. `join`
//! returns when every item was not only taken but worked on, because each [`Task`](toro::Task) says
//! so when it is dropped.

use std::sync::Arc;

use toro::Queue;

/// Something that happened, for whoever watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The producer put an item into the queue.
    Put(u32),
    /// A consumer took an item.
    Took(u32),
    /// A consumer is done with an item.
    Done(u32),
    /// Every item that was put is done.
    Joined,
}

/// Puts the items from 0 to `items` and has `consumers` tasks work on them. Returns once all are
/// done.
///
/// # Panics
/// Never: a consumer that panicked is reported by the runtime, and its item counts as done.
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
                    // Here the item is dropped, and thereby marked as done.
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
    // Whoever still waits in `get_task` learns that nothing more will come.
    queue.close();
    for worker in workers {
        let _ = worker.await;
    }
}
