//! Events, conditions, barriers and results.

use std::collections::BTreeSet;
use std::task::Poll;

use proptest::prelude::*;
use toro::{AlreadySet, AsyncResult, Barrier, Condition, Event};

use crate::{Waits, config, schedule};

proptest! {
    #![proptest_config(config())]

    /// A wait that had begun when the event was set passes. A wait that begins after a clear does
    /// not.
    #[test]
    fn event(steps in schedule()) {
        let event = Event::new();
        let mut set = false;
        let (mut line, mut granted) = (BTreeSet::new(), BTreeSet::new());
        let mut waits = Waits::new();
        for (action, choice, _) in steps {
            match action % 7 {
                0 | 1 => {
                    let (id, got) = waits.start(event.wait());
                    prop_assert_eq!(got.is_ready(), set);
                    if !set { line.insert(id); }
                }
                2 => if let Some(id) = waits.pick(choice) {
                    prop_assert_eq!(waits.poll(id).is_ready(), granted.remove(&id));
                },
                3 => if let Some(id) = waits.pick(choice) {
                    prop_assert_eq!(waits.poll_elsewhere(id).is_ready(), granted.remove(&id));
                },
                4 => if let Some(id) = waits.pick(choice) {
                    waits.drop(id);
                    line.remove(&id);
                    granted.remove(&id);
                },
                5 => {
                    event.set();
                    set = true;
                    granted.append(&mut line);
                }
                _ => {
                    event.clear();
                    set = false;
                }
            }
            waits.check(|id| granted.contains(&id));
            prop_assert_eq!((event.is_set(), event.waiting()), (set, line.len()));
        }
        drop(waits);
        prop_assert_eq!(event.waiting(), 0);
    }

    /// A notification reaches a current wait, if there is one.
    #[test]
    fn condition(steps in schedule()) {
        let condition = Condition::new();
        let mut line: Vec<usize> = Vec::new();
        // Whether it is granted, and whether the notification was for one waiter, so that it must
        // pass on if the waiter leaves.
        let mut granted: Vec<(usize, bool)> = Vec::new();
        let mut waits = Waits::new();
        for (action, choice, amount) in steps {
            match action % 7 {
                0 | 1 => {
                    let (id, got) = waits.start(condition.wait());
                    prop_assert!(got.is_pending());
                    line.push(id);
                }
                2 | 3 => if let Some(id) = waits.pick(choice) {
                    let is_granted = granted.iter().any(|(waiter, _)| *waiter == id);
                    granted.retain(|(waiter, _)| *waiter != id);
                    let got = if action % 7 == 2 {
                        waits.poll(id)
                    } else {
                        waits.poll_elsewhere(id)
                    };
                    prop_assert_eq!(got.is_ready(), is_granted);
                },
                4 => if let Some(id) = waits.pick(choice) {
                    waits.drop(id);
                    line.retain(|waiter| *waiter != id);
                    let passed_on = granted.iter().any(|&(waiter, one)| waiter == id && one);
                    granted.retain(|(waiter, _)| *waiter != id);
                    if passed_on && !line.is_empty() {
                        granted.push((line.remove(0), true));
                    }
                },
                5 => {
                    let count = usize::from(amount % 4);
                    let notified: Vec<_> = line.drain(..count.min(line.len())).collect();
                    prop_assert_eq!(condition.notify(count), notified.len());
                    granted.extend(notified.into_iter().map(|id| (id, true)));
                }
                _ => {
                    prop_assert_eq!(condition.notify_all(), line.len());
                    granted.extend(line.drain(..).map(|id| (id, false)));
                }
            }
            waits.check(|id| granted.iter().any(|(waiter, _)| *waiter == id));
            prop_assert_eq!(condition.waiting(), line.len());
        }
        drop(waits);
        prop_assert_eq!(condition.waiting(), 0);
    }

    /// A wait that gives up before all have arrived takes its arrival back.
    #[test]
    fn barrier(parties in 0usize..5, steps in schedule()) {
        let barrier = Barrier::new(parties);
        let (mut arrived, mut granted) = (Vec::new(), BTreeSet::new());
        let mut waits = Waits::new();
        for (action, choice, _) in steps {
            match action % 6 {
                0..=2 => {
                    let (id, got) = waits.start(barrier.wait());
                    let last = arrived.len() + 1 >= parties;
                    prop_assert_eq!(got.is_ready(), last);
                    if let Poll::Ready(arrival) = got {
                        prop_assert!(arrival.is_leader());
                        granted.extend(arrived.drain(..));
                    } else {
                        arrived.push(id);
                    }
                }
                3 | 4 => if let Some(id) = waits.pick(choice) {
                    let got = if action % 6 == 3 {
                        waits.poll(id)
                    } else {
                        waits.poll_elsewhere(id)
                    };
                    prop_assert_eq!(got.is_ready(), granted.remove(&id));
                    if let Poll::Ready(arrival) = got {
                        prop_assert!(!arrival.is_leader());
                    }
                },
                _ => if let Some(id) = waits.pick(choice) {
                    waits.drop(id);
                    arrived.retain(|waiter| *waiter != id);
                    granted.remove(&id);
                },
            }
            waits.check(|id| granted.contains(&id));
            prop_assert_eq!(barrier.arrived(), arrived.len());
        }
        drop(waits);
        prop_assert_eq!(barrier.arrived(), 0);
    }

    #[test]
    fn result(steps in schedule()) {
        let result = AsyncResult::new();
        let mut value = None;
        let mut waits = Waits::new();
        for (action, choice, amount) in steps {
            match action % 6 {
                0 | 1 => match waits.start(result.get()).1 {
                    Poll::Ready(got) => prop_assert_eq!(Some(got), value.as_ref()),
                    Poll::Pending => prop_assert!(value.is_none()),
                },
                2 | 3 => if let Some(id) = waits.pick(choice) {
                    let got = if action % 6 == 2 {
                        waits.poll(id)
                    } else {
                        waits.poll_elsewhere(id)
                    };
                    prop_assert_eq!(got.is_ready(), value.is_some());
                },
                4 => if let Some(id) = waits.pick(choice) {
                    waits.drop(id);
                },
                _ if amount < 60 => match value {
                    None => {
                        prop_assert_eq!(result.set(choice), Ok(()));
                        value = Some(choice);
                    }
                    Some(_) => prop_assert_eq!(result.set(choice), Err(AlreadySet(choice))),
                },
                _ => prop_assert_eq!(result.try_get(), value.as_ref()),
            }
            waits.check(|_| value.is_some());
            if value.is_some() {
                prop_assert_eq!(result.waiting(), 0);
            }
        }
        drop(waits);
        prop_assert_eq!(result.waiting(), 0);
    }
}
