//! Queues: try methods, cancelled puts, order, `join`, `close`, and both kinds of iteration.

use futures_util::StreamExt;
use std::pin::pin;
use std::task::Poll;
use toro::{
    Closed, LifoQueue, PriorityQueue, PutError, Queue, TooManyDone, TryGetError, TryPutError,
};

use crate::poll;

#[test]
fn try_methods_unblock_the_other_side() {
    let queue = Queue::new(1);
    assert_eq!(queue.try_get(), Err(TryGetError::Empty));
    let mut get = pin!(queue.get());
    assert!(poll(get.as_mut()).is_pending());
    queue.try_put(1).unwrap();
    assert_eq!(poll(get), Poll::Ready(Ok(1)));
    queue.try_put(2).unwrap();
    assert_eq!(queue.try_put(3), Err(TryPutError::Full(3)));
    let mut put = pin!(queue.put(4));
    assert!(poll(put.as_mut()).is_pending());
    assert_eq!(queue.try_get(), Ok(2));
    assert_eq!(
        queue.try_put(5),
        Err(TryPutError::Full(5)),
        "the place belongs to the one who waits"
    );
    assert_eq!(poll(put), Poll::Ready(Ok(())));
    assert_eq!(queue.try_get(), Ok(4));
}

/// The put is dropped after it was promised a place.
#[test]
fn item_of_a_dropped_put_never_appears() {
    let queue = Queue::new(1);
    queue.try_put(0).unwrap();
    let mut put = Box::pin(queue.put(1));
    assert!(poll(put.as_mut()).is_pending());
    assert_eq!(queue.try_get(), Ok(0));
    drop(put);
    assert_eq!(queue.try_get(), Err(TryGetError::Empty));
    assert_eq!(queue.try_put(2), Ok(()), "the promised place is free again");
}

#[test]
fn items_leave_in_the_order_of_the_queue() {
    let lifo = LifoQueue::new(0);
    (0..3).for_each(|item| lifo.try_put(item).unwrap());
    lifo.close();
    assert_eq!(lifo.iter().collect::<Vec<_>>(), [2, 1, 0]);

    #[derive(PartialEq, Eq, Debug)]
    struct Job(u8, &'static str);
    impl PartialOrd for Job {
        fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
            Some(self.cmp(other))
        }
    }
    impl Ord for Job {
        fn cmp(&self, other: &Self) -> std::cmp::Ordering {
            self.0.cmp(&other.0)
        }
    }
    let jobs = PriorityQueue::new(0);
    for job in [Job(2, "first"), Job(1, "second"), Job(2, "third"), Job(1, "fourth")] {
        assert!(jobs.try_put(job).is_ok());
    }
    jobs.close();
    assert_eq!(
        jobs.iter().map(|job| job.1).collect::<Vec<_>>(),
        ["second", "fourth", "first", "third"]
    );
}

#[test]
fn join_waits_for_the_work_and_again_for_new_work() {
    let queue = Queue::unbounded();
    assert_eq!(queue.task_done(), Err(TooManyDone));
    queue.join().wait();
    for round in 0..2 {
        queue.try_put(round).unwrap();
        queue.try_put(round).unwrap();
        let mut join = pin!(queue.join());
        assert!(poll(join.as_mut()).is_pending());
        let task = queue.get_task().wait().unwrap();
        assert_eq!(queue.get().wait(), Ok(round));
        assert_eq!(task.into_inner(), round);
        assert!(poll(join.as_mut()).is_pending(), "one is not done yet");
        assert_eq!(queue.task_done(), Ok(()));
        assert!(poll(join).is_ready());
    }
    assert_eq!(queue.task_done(), Err(TooManyDone));
}

#[test]
fn closed_queue_wakes_all_and_keeps_its_items() {
    let queue = Queue::new(1);
    queue.try_put(1).unwrap();
    let mut puts: Vec<_> = (2..5).map(|item| Box::pin(queue.put(item))).collect();
    puts.iter_mut().for_each(|put| assert!(poll(put.as_mut()).is_pending()));
    queue.close();
    for (item, put) in (2..5).zip(&mut puts) {
        assert_eq!(poll(put.as_mut()), Poll::Ready(Err(PutError::Closed(item))));
    }
    assert_eq!((queue.get().wait(), queue.get().wait()), (Ok(1), Err(Closed)));
    assert_eq!(queue.try_put(6), Err(TryPutError::Closed(6)));

    let queue = Queue::<u8>::unbounded();
    let mut gets: Vec<_> = (0..100).map(|_| Box::pin(queue.get())).collect();
    gets.iter_mut().for_each(|get| assert!(poll(get.as_mut()).is_pending()));
    queue.close();
    gets.iter_mut().for_each(|get| assert_eq!(poll(get.as_mut()), Poll::Ready(Err(Closed))));
}

#[tokio::test]
async fn stream_ends_when_the_queue_is_closed() {
    let queue = Queue::new(2);
    let items = async {
        let items = queue.stream().collect::<Vec<_>>().await;
        assert!(queue.is_closed());
        items
    };
    let puts = async {
        for item in 0..10 {
            queue.put(item).await.unwrap();
        }
        queue.close();
    };
    let (items, ()) = tokio::join!(items, puts);
    assert_eq!(items, (0..10).collect::<Vec<_>>());
}

/// If the getter goes away, the item returns to its position, even if its place was taken
/// meanwhile.
#[test]
fn promised_item_takes_no_place_and_returns_in_order() {
    let queue = Queue::new(1);
    let mut get = Box::pin(queue.get());
    assert!(poll(get.as_mut()).is_pending());
    assert_eq!((queue.try_put(1), queue.try_put(2)), (Ok(()), Ok(())));
    assert_eq!((queue.try_put(3), queue.len()), (Err(TryPutError::Full(3)), 1));
    drop(get);
    assert_eq!((queue.len(), queue.is_full()), (2, true));
    assert_eq!(queue.try_get(), Ok(1));
    assert_eq!(queue.try_put(3), Err(TryPutError::Full(3)), "there is as much as there may be");
    assert_eq!((queue.try_get(), queue.try_put(3), queue.try_get()), (Ok(2), Ok(()), Ok(3)));
}

/// An item promised to a dropped getter goes to the next getter, before newcomers.
#[test]
fn promised_item_goes_to_the_next_getter() {
    let queue = Queue::new(1);
    let mut first = Box::pin(queue.get());
    let mut second = pin!(queue.get());
    assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
    queue.try_put(1).unwrap();
    drop(first);
    assert_eq!(queue.try_get(), Err(TryGetError::Empty));
    assert_eq!(poll(second), Poll::Ready(Ok(1)));
}

/// A waiting put is let in before newcomers, once the queue holds fewer items than it has room for.
/// Promised items count.
#[test]
fn waiting_put_enters_when_a_promised_item_is_taken() {
    for goes in [false, true] {
        let queue = Queue::new(1);
        let mut get = Box::pin(queue.get());
        assert!(poll(get.as_mut()).is_pending());
        assert_eq!((queue.try_put(1), queue.try_put(2)), (Ok(()), Ok(())));
        let mut put = pin!(queue.put(3));
        assert!(poll(put.as_mut()).is_pending());
        assert_eq!(queue.try_get(), Ok(1));
        assert!(poll(put.as_mut()).is_pending(), "one is still in the queue, and promised");
        assert_eq!(queue.try_put(4), Err(TryPutError::Full(4)), "somebody waits");
        if goes {
            drop(get);
            assert!(poll(put.as_mut()).is_pending(), "it is back, and takes up the place");
            assert_eq!(queue.try_get(), Ok(2));
        } else {
            assert_eq!(poll(get.as_mut()), Poll::Ready(Ok(2)));
        }
        assert_eq!(
            queue.try_put(4),
            Err(TryPutError::Full(4)),
            "the place belongs to the one who waited"
        );
        assert_eq!(poll(put), Poll::Ready(Ok(())));
        assert_eq!(queue.try_get(), Ok(3));
    }
}
