//! The monitor: each value is in the state, with one waiter, or with one holder.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Poll;

use proptest::prelude::*;
use toro::{Handoff, Take};

use crate::{Waits, config, schedule};

/// A value that records its drop.
#[derive(Debug)]
struct Lent(u32, Rc<RefCell<Vec<u32>>>);

impl Drop for Lent {
    fn drop(&mut self) {
        self.1.borrow_mut().push(self.0);
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn handoff(steps in schedule()) {
        let dropped = Rc::new(RefCell::new(Vec::new()));
        let handoff: Handoff<Vec<Lent>, Lent> = Handoff::new(Vec::new());
        let mut waits = Waits::new();
        let mut line: VecDeque<usize> = VecDeque::new();
        let mut granted: Vec<(usize, u32)> = Vec::new();
        let mut idle: Vec<u32> = Vec::new();
        let mut lost: Vec<u32> = Vec::new();
        let mut next = 0;
        for (action, choice, amount) in steps {
            match action % 8 {
                0 | 1 => {
                    let take = |idle: &mut Vec<Lent>, waiters: &mut toro::Waiters<'_, Lent>| {
                        if !waiters.is_empty() {
                            return Take::Queue;
                        }
                        idle.pop().map_or(Take::Queue, Take::Ready)
                    };
                    let (id, got) = waits.start(handoff.wait(take));
                    match got {
                        Poll::Ready(lent) => {
                            prop_assert!(line.is_empty());
                            prop_assert_eq!(Some(lent.0), idle.pop());
                            lost.push(lent.0);
                        }
                        Poll::Pending => line.push_back(id),
                    }
                }
                2 => if let Some(id) = waits.pick(choice) {
                    let at = granted.iter().position(|(waiter, _)| *waiter == id);
                    let expected = at.map(|at| granted.remove(at).1);
                    let got = if amount % 2 == 0 {
                        waits.poll(id)
                    } else {
                        waits.poll_elsewhere(id)
                    };
                    match got {
                        Poll::Ready(lent) => {
                            prop_assert_eq!(Some(lent.0), expected);
                            lost.push(lent.0);
                        }
                        Poll::Pending => prop_assert_eq!(expected, None),
                    }
                },
                3 => if let Some(id) = waits.pick(choice) {
                    waits.drop(id);
                    line.retain(|waiter| *waiter != id);
                    // A value that was handed over is dropped with its waiter.
                    if let Some(at) = granted.iter().position(|(waiter, _)| *waiter == id) {
                        lost.push(granted.remove(at).1);
                    }
                },
                // `with_state`, when nobody waits.
                4 => {
                    let taken = handoff.with_state(|idle, waiting| {
                        if waiting == 0 { idle.pop() } else { None }
                    });
                    let expected = if line.is_empty() { idle.pop() } else { None };
                    prop_assert_eq!(taken.as_ref().map(|lent| lent.0), expected);
                    lost.extend(expected);
                }
                5 => {
                    let mut lent = Some(Lent(next, Rc::clone(&dropped)));
                    handoff.with_state(|idle, waiting| {
                        if waiting == 0 {
                            idle.extend(lent.take());
                        }
                    });
                    prop_assert_eq!(lent.is_none(), line.is_empty());
                    if line.is_empty() {
                        idle.push(next);
                    } else {
                        lost.push(next);
                    }
                    next += 1;
                }
                // Up to 79 at once: more than one batch of wakers.
                _ => {
                    let count = u32::from(amount % 80);
                    let values: Vec<u32> = (next..next + count).collect();
                    next += count;
                    handoff.with(|idle, waiters| {
                        for &value in &values {
                            if let Err(back) = waiters.hand_off(Lent(value, Rc::clone(&dropped))) {
                                idle.push(back);
                            }
                        }
                    });
                    for value in values {
                        match line.pop_front() {
                            Some(id) => granted.push((id, value)),
                            None => idle.push(value),
                        }
                    }
                }
            }
            waits.check(|id| granted.iter().any(|(waiter, _)| *waiter == id));
            let found = handoff.with(|idle, waiters| (idle.len(), waiters.len()));
            prop_assert_eq!(found, (idle.len(), line.len()));
            prop_assert_eq!(&*dropped.borrow(), &lost);
        }
        drop(waits);
        drop(handoff);
        prop_assert_eq!(dropped.borrow().len(), next as usize);
    }
}
