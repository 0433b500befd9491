//! Waiting on a condition and then for a lock: no notification is lost on the way, and the lock is
//! never held twice.

use std::collections::{BTreeMap, VecDeque};
use std::task::Poll;

use proptest::prelude::*;
use toro::{Condition, Lock};

use crate::{Waits, config, schedule};

/// The stage of a wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// In the condition's line.
    Listens,
    /// Notified, and not polled since. A notification for one waiter must pass on if it leaves.
    Told { one: bool },
    /// In the lock's line, or granted the lock.
    Locks { one: bool },
}

/// The waiters for the lock: newcomers and notified waits share one line.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Who {
    Newcomer(usize),
    Notified(usize),
}

#[derive(Default)]
struct Model {
    held: bool,
    line: VecDeque<Who>,
    granted: Option<Who>,
    /// In order of arrival.
    stages: BTreeMap<usize, Stage>,
}

impl Model {
    fn acquire(&mut self, who: Who) -> bool {
        let free = !self.held && self.line.is_empty();
        if free {
            self.held = true;
        } else {
            self.line.push_back(who);
        }
        free
    }

    fn release(&mut self) {
        self.granted = self.line.pop_front();
        self.held = self.granted.is_some();
    }

    /// Polls for the lock. Returns whether it got it.
    fn poll(&mut self, who: Who) -> bool {
        let granted = self.granted == Some(who);
        if granted {
            self.granted = None;
        }
        granted
    }

    fn leave(&mut self, who: Who) {
        self.line.retain(|other| *other != who);
        if self.poll(who) {
            self.release();
        }
    }

    fn notify(&mut self, count: usize, one: bool) -> usize {
        let listening = self.stages.values_mut().filter(|stage| **stage == Stage::Listens);
        listening.take(count).map(|stage| *stage = Stage::Told { one }).count()
    }

    fn drop_notified(&mut self, id: usize) {
        let stage = self.stages.remove(&id);
        if let Some(Stage::Locks { .. }) = stage {
            self.leave(Who::Notified(id));
        }
        if let Some(Stage::Told { one: true } | Stage::Locks { one: true }) = stage {
            self.notify(1, true);
        }
    }

    /// Polls a wait at any stage. Returns whether it got the lock.
    fn poll_notified(&mut self, id: usize) -> bool {
        let stage = self.stages[&id];
        let returns = match stage {
            Stage::Listens => false,
            Stage::Told { .. } => self.acquire(Who::Notified(id)),
            Stage::Locks { .. } => self.poll(Who::Notified(id)),
        };
        match stage {
            _ if returns => drop(self.stages.remove(&id)),
            Stage::Told { one } => drop(self.stages.insert(id, Stage::Locks { one })),
            Stage::Listens | Stage::Locks { .. } => {}
        }
        returns
    }

    fn is_woken(&self, id: usize) -> bool {
        matches!(self.stages[&id], Stage::Told { .. }) || self.granted == Some(Who::Notified(id))
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn wait_on(steps in schedule()) {
        let (lock, condition) = (Lock::new(()), Condition::new());
        let mut model = Model::default();
        let (mut newcomers, mut notified) = (Waits::new(), Waits::new());
        let mut held = None;
        for (action, choice, amount) in steps {
            let mut polled = None;
            match action % 12 {
                0 | 1 => {
                    let (id, got) = newcomers.start(lock.acquire());
                    polled = Some((got, model.acquire(Who::Newcomer(id))));
                }
                2 => if let Some(id) = newcomers.pick(choice) {
                    polled = Some((newcomers.poll(id), model.poll(Who::Newcomer(id))));
                },
                3 => if let Some(id) = newcomers.pick(choice) {
                    newcomers.drop(id);
                    model.leave(Who::Newcomer(id));
                },
                // It joins the line and releases the lock in one poll.
                4 | 5 => if let Some(guard) = held.take() {
                    let (id, got) = notified.start(condition.wait_on(guard));
                    prop_assert!(got.is_pending());
                    model.stages.insert(id, Stage::Listens);
                    model.release();
                },
                6 | 7 => if let Some(id) = notified.pick(choice) {
                    let got = if action % 12 == 6 {
                        notified.poll(id)
                    } else {
                        notified.poll_elsewhere(id)
                    };
                    polled = Some((got, model.poll_notified(id)));
                },
                8 => if let Some(id) = notified.pick(choice) {
                    notified.drop(id);
                    model.drop_notified(id);
                },
                9 => {
                    let count = usize::from(amount % 3);
                    prop_assert_eq!(condition.notify(count), model.notify(count, true));
                }
                10 => prop_assert_eq!(condition.notify_all(), model.notify(usize::MAX, false)),
                _ => if held.take().is_some() {
                    model.release();
                },
            }
            if let Some((got, expected)) = polled {
                prop_assert_eq!(got.is_ready(), expected);
                if let Poll::Ready(guard) = got {
                    prop_assert!(held.replace(guard).is_none(), "two hold the lock");
                }
            }
            newcomers.check(|id| model.granted == Some(Who::Newcomer(id)));
            notified.check(|id| model.is_woken(id));
            let listening = model.stages.values().filter(|stage| **stage == Stage::Listens).count();
            prop_assert_eq!((condition.waiting(), lock.waiting()), (listening, model.line.len()));
        }
        drop((newcomers, notified, held));
        prop_assert_eq!(condition.waiting(), 0);
        prop_assert!(lock.try_acquire().is_some());
    }
}
