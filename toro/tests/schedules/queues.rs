//! Queues: every item that was put is taken once, in order, or is still there.

use std::collections::VecDeque;
use std::task::Poll;

use proptest::prelude::*;
use toro::{Closed, PutError, TooManyDone, TryGetError, TryPutError};

use crate::{Step, Waits, config, schedule};

/// The model of a queue: its items, and who was promised an item or a place.
struct Model {
    maxsize: usize,
    closed: bool,
    items: Vec<u32>,
    take: fn(&mut Vec<u32>) -> u32,
    unfinished: usize,
    getters: VecDeque<usize>,
    putters: VecDeque<usize>,
    joiners: Vec<usize>,
    /// Granted and not yet polled. `false` means that the queue is closed.
    promised_items: Vec<(usize, bool)>,
    promised_places: Vec<(usize, bool)>,
    joined: Vec<usize>,
}

fn kept(promises: &[(usize, bool)]) -> usize {
    promises.iter().filter(|(_, kept)| *kept).count()
}

fn remove(promises: &mut Vec<(usize, bool)>, id: usize) -> Option<bool> {
    let index = promises.iter().position(|(waiter, _)| *waiter == id)?;
    Some(promises.remove(index).1)
}

impl Model {
    fn new(maxsize: usize, take: fn(&mut Vec<u32>) -> u32) -> Self {
        Model {
            maxsize,
            closed: false,
            items: Vec::new(),
            take,
            unfinished: 0,
            getters: VecDeque::new(),
            putters: VecDeque::new(),
            joiners: Vec::new(),
            promised_items: Vec::new(),
            promised_places: Vec::new(),
            joined: Vec::new(),
        }
    }

    /// The items that are not promised. Promised items take up no place while nobody waits to put.
    fn len(&self) -> usize {
        self.items.len() - kept(&self.promised_items)
    }

    fn has_item(&self) -> bool {
        self.len() > 0
    }

    fn has_place(&self) -> bool {
        let taken = self.len() + kept(&self.promised_places);
        self.maxsize == 0 || self.putters.is_empty() && taken < self.maxsize
    }

    fn has_place_in_line(&self) -> bool {
        self.items.len() + kept(&self.promised_places) < self.maxsize
    }

    fn push(&mut self, item: u32) {
        self.items.push(item);
        self.unfinished += 1;
    }

    fn serve(&mut self) {
        while !self.getters.is_empty() && (self.has_item() || self.closed) {
            let promise = (self.getters.pop_front().unwrap(), self.has_item());
            self.promised_items.push(promise);
        }
        while !self.putters.is_empty() && (self.has_place_in_line() || self.closed) {
            let promise = (self.putters.pop_front().unwrap(), !self.closed);
            self.promised_places.push(promise);
        }
        if self.unfinished == 0 {
            self.joined.append(&mut self.joiners);
        }
    }
}

macro_rules! against_model {
    ($name:ident, $queue:ident, $take:expr) => {
        fn $name(maxsize: usize, steps: Vec<Step>) -> Result<(), TestCaseError> {
            let queue = toro::$queue::new(maxsize);
            let mut model = Model::new(maxsize, $take);
            let (mut gets, mut puts, mut joins) = (Waits::new(), Waits::new(), Waits::new());
            let mut waiting_items = std::collections::BTreeMap::new();
            // Dropped gets with a promised item. Each may return one item beyond `maxsize`.
            let mut dropped = 0;
            for (number, (action, choice, amount)) in steps.into_iter().enumerate() {
                // The high bits have few different values, so that many items are equal for a
                // priority queue. The low bits tell them apart.
                let item = u32::from(amount % 3) << 16 | number as u32;
                match action % 14 {
                    0 | 1 => {
                        let (id, got) = gets.start(queue.get());
                        if model.has_item() {
                            prop_assert_eq!(got, Poll::Ready(Ok((model.take)(&mut model.items))));
                        } else if model.closed {
                            prop_assert_eq!(got, Poll::Ready(Err(Closed)));
                        } else {
                            prop_assert!(got.is_pending());
                            model.getters.push_back(id);
                        }
                    }
                    2 | 3 => {
                        let (id, got) = puts.start(queue.put(item));
                        if model.closed {
                            prop_assert!(got == Poll::Ready(Err(PutError::Closed(item))));
                        } else if model.has_place() {
                            prop_assert!(got == Poll::Ready(Ok(())));
                            model.push(item);
                        } else {
                            prop_assert!(got.is_pending());
                            model.putters.push_back(id);
                            waiting_items.insert(id, item);
                        }
                    }
                    4 | 5 => {
                        if let Some(id) = gets.pick(choice) {
                            let got = if action % 14 == 4 {
                                gets.poll(id)
                            } else {
                                gets.poll_elsewhere(id)
                            };
                            let expected = match remove(&mut model.promised_items, id) {
                                Some(true) => Poll::Ready(Ok((model.take)(&mut model.items))),
                                Some(false) => Poll::Ready(Err(Closed)),
                                None => Poll::Pending,
                            };
                            prop_assert_eq!(got, expected);
                        }
                    }
                    6 | 7 => {
                        if let Some(id) = puts.pick(choice) {
                            let got = if action % 14 == 6 {
                                puts.poll(id)
                            } else {
                                puts.poll_elsewhere(id)
                            };
                            let item = waiting_items[&id];
                            match remove(&mut model.promised_places, id) {
                                Some(true) if !model.closed => {
                                    prop_assert!(got == Poll::Ready(Ok(())));
                                    model.push(item);
                                }
                                Some(_) => {
                                    prop_assert!(got == Poll::Ready(Err(PutError::Closed(item))))
                                }
                                None => prop_assert!(got.is_pending()),
                            }
                        }
                    }
                    8 => {
                        if let Some(id) = gets.pick(choice) {
                            gets.drop(id);
                            model.getters.retain(|getter| *getter != id);
                            dropped +=
                                usize::from(remove(&mut model.promised_items, id) == Some(true));
                        }
                    }
                    // An item whose put was dropped never appears.
                    9 => {
                        if let Some(id) = puts.pick(choice) {
                            puts.drop(id);
                            model.putters.retain(|putter| *putter != id);
                            remove(&mut model.promised_places, id);
                        }
                    }
                    10 => match queue.try_get() {
                        Ok(item) => {
                            prop_assert!(model.has_item());
                            prop_assert_eq!(item, (model.take)(&mut model.items));
                        }
                        Err(TryGetError::Empty) => prop_assert!(!model.has_item() && !model.closed),
                        Err(TryGetError::Closed) => prop_assert!(!model.has_item() && model.closed),
                    },
                    11 => match queue.try_put(item) {
                        Ok(()) => {
                            prop_assert!(model.has_place() && !model.closed);
                            model.push(item);
                        }
                        Err(TryPutError::Full(back)) => {
                            prop_assert!(!model.has_place() && !model.closed && back == item);
                        }
                        Err(TryPutError::Closed(back)) => {
                            prop_assert!(model.closed && back == item)
                        }
                    },
                    12 => match choice % 4 {
                        0 => {
                            let (id, got) = joins.start(queue.join());
                            prop_assert_eq!(got.is_ready(), model.unfinished == 0);
                            if got.is_pending() {
                                model.joiners.push(id)
                            }
                        }
                        1 => {
                            if let Some(id) = joins.pick(amount) {
                                let joined = model.joined.contains(&id);
                                model.joined.retain(|joiner| *joiner != id);
                                prop_assert_eq!(joins.poll(id).is_ready(), joined);
                            }
                        }
                        _ => {
                            let expected =
                                if model.unfinished == 0 { Err(TooManyDone) } else { Ok(()) };
                            model.unfinished = model.unfinished.saturating_sub(1);
                            prop_assert_eq!(queue.task_done(), expected);
                        }
                    },
                    _ => {
                        if amount < 25 {
                            queue.close();
                            model.closed = true;
                        }
                    }
                }
                model.serve();
                gets.check(|id| model.promised_items.iter().any(|(getter, _)| *getter == id));
                puts.check(|id| model.promised_places.iter().any(|(putter, _)| *putter == id));
                joins.check(|id| model.joined.contains(&id));
                prop_assert_eq!((queue.len(), queue.unfinished()), (model.len(), model.unfinished));
                prop_assert_eq!(queue.is_full(), maxsize != 0 && model.len() >= maxsize);
                prop_assert!(maxsize == 0 || queue.len() <= maxsize + dropped);
            }
            drop((gets, puts, joins));
            let mut rest = Vec::new();
            while let Ok(item) = queue.try_get() {
                rest.push(item);
            }
            let expected: Vec<_> =
                (0..model.items.len()).map(|_| (model.take)(&mut model.items)).collect();
            prop_assert_eq!(rest, expected);
            Ok(())
        }
    };
}

against_model!(fifo_case, Queue, |items| items.remove(0));
against_model!(lifo_case, LifoQueue, |items| items.pop().unwrap());
// The numbers increase, so among equals the whole item gives the order of arrival.
against_model!(priority_case, PriorityQueue, |items| {
    let lowest = items.iter().enumerate().min_by_key(|(_, item)| **item).unwrap().0;
    items.remove(lowest)
});

proptest! {
    #![proptest_config(config())]

    #[test]
    fn fifo(maxsize in 0usize..4, steps in schedule()) {
        fifo_case(maxsize, steps)?;
    }

    #[test]
    fn lifo(maxsize in 0usize..4, steps in schedule()) {
        lifo_case(maxsize, steps)?;
    }

    #[test]
    fn priority(maxsize in 0usize..4, steps in schedule()) {
        priority_case(maxsize, steps)?;
    }
}
