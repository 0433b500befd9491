use super::{Arc, block_on, model, poll_and_drop, thread};
use toro::{Closed, PutError, Queue, TryGetError};

/// A put races with a getter that joins the line.
#[test]
fn put_against_get() {
    model(|| {
        let queue = Arc::new(Queue::new(1));
        let other = Arc::clone(&queue);
        let thread = thread::spawn(move || (block_on(other.get()), block_on(other.get())));
        block_on(queue.put(1)).unwrap();
        block_on(queue.put(2)).unwrap();
        assert_eq!(thread.join().unwrap(), (Ok(1), Ok(2)));
        assert_eq!(queue.len(), 0);
    });
}

/// A getter gives up while an item is promised to it. The item stays, or goes to the next getter.
#[test]
fn cancelled_get_against_put() {
    model(|| {
        let queue = Arc::new(Queue::unbounded());
        let impatient = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || poll_and_drop(queue.get()))
        };
        let patient = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || block_on(queue.get()))
        };
        queue.try_put(1).unwrap();
        if let Some(taken) = impatient.join().unwrap() {
            assert_eq!(taken, Ok(1));
            queue.try_put(2).unwrap();
        }
        assert!(patient.join().unwrap().is_ok());
        assert_eq!(queue.len(), 0);
    });
}

/// A putter gives up while a place is promised to it. Its item never appears, and the place goes to
/// the next putter.
#[test]
fn cancelled_put_against_get() {
    model(|| {
        let queue = Arc::new(Queue::new(1));
        queue.try_put(0).unwrap();
        let impatient = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || poll_and_drop(queue.put(1)).is_some())
        };
        let patient = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || block_on(queue.put(2)).unwrap())
        };
        let first = block_on(queue.get());
        assert_eq!(first, Ok(0));
        let second = block_on(queue.get()).unwrap();
        let put = impatient.join().unwrap();
        let third = if put { Some(block_on(queue.get()).unwrap()) } else { None };
        patient.join().unwrap();
        let mut got: Vec<_> = [Some(second), third].into_iter().flatten().collect();
        got.sort_unstable();
        assert_eq!(got, if put { vec![1, 2] } else { vec![2] });
        assert_eq!(queue.try_get(), Err(TryGetError::Empty));
    });
}

/// `close` races with a getter and a putter. Each item is either taken or returned.
#[test]
fn close_against_put_and_get() {
    model(|| {
        let queue = Arc::new(Queue::unbounded());
        let getter = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || block_on(queue.get()))
        };
        let putter = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || block_on(queue.put(1)))
        };
        queue.close();
        let (got, put) = (getter.join().unwrap(), putter.join().unwrap());
        match put {
            Ok(()) => assert!(got == Ok(1) || (got == Err(Closed) && queue.try_get() == Ok(1))),
            Err(PutError::Closed(1)) => assert_eq!(got, Err(Closed)),
            other => panic!("{other:?}"),
        }
        assert_eq!(queue.try_get(), Err(TryGetError::Closed));
    });
}

/// `close` races with a putter in line.
#[test]
fn close_against_full() {
    model(|| {
        let queue = Arc::new(Queue::new(1));
        queue.try_put(0).unwrap();
        let putter = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || block_on(queue.put(1)))
        };
        queue.close();
        assert!(matches!(putter.join().unwrap(), Err(PutError::Closed(1))));
        assert_eq!((queue.try_get(), queue.try_get()), (Ok(0), Err(TryGetError::Closed)));
    });
}

/// The last `task_done` races with a `join`.
#[test]
fn task_done_against_join() {
    model(|| {
        let queue = Arc::new(Queue::unbounded());
        queue.try_put(1).unwrap();
        let worker = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || drop(block_on(queue.get_task())))
        };
        block_on(queue.join());
        worker.join().unwrap();
        assert_eq!(queue.unfinished(), 0);
    });
}
