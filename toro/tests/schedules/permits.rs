//! Semaphores and locks: the oldest waiter comes first, and no permit is created or lost.

use std::collections::{BTreeMap, VecDeque};
use std::task::Poll;

use proptest::prelude::*;
use toro::{BoundedSemaphore, Lock, Permit, RwLock, Semaphore};

use crate::{Waits, config, schedule};

/// The model of a semaphore.
struct Model {
    free: i64,
    closed: bool,
    line: VecDeque<(usize, i64)>,
    /// Granted and not yet polled: how many permits, or closed.
    granted: BTreeMap<usize, Option<i64>>,
}

impl Model {
    fn new(free: i64) -> Self {
        Model { free, closed: false, line: VecDeque::new(), granted: BTreeMap::new() }
    }

    fn acquire(&mut self, id: usize, need: i64) -> Poll<Option<i64>> {
        if self.closed {
            Poll::Ready(None)
        } else if need == 0 {
            // Zero permits never wait.
            Poll::Ready(Some(0))
        } else if self.line.is_empty() && self.free >= need {
            self.free -= need;
            Poll::Ready(Some(need))
        } else {
            self.line.push_back((id, need));
            Poll::Pending
        }
    }

    fn acquire_before_all(&mut self, id: usize, need: i64) -> Poll<Option<i64>> {
        if self.free >= need {
            self.free -= need;
            return Poll::Ready(Some(need));
        }
        self.line.push_front((id, need));
        Poll::Pending
    }

    fn release(&mut self, permits: i64) {
        self.free += permits;
        self.serve();
    }

    fn serve(&mut self) {
        while let Some(&(id, need)) = self.line.front() {
            if self.closed {
                self.granted.insert(id, None);
            } else if self.free >= need {
                self.free -= need;
                self.granted.insert(id, Some(need));
            } else {
                return;
            }
            self.line.pop_front();
        }
    }

    fn poll(&mut self, id: usize) -> Poll<Option<i64>> {
        self.granted.remove(&id).map_or(Poll::Pending, Poll::Ready)
    }

    fn leave(&mut self, id: usize) {
        match self.granted.remove(&id) {
            Some(granted) => self.free += granted.unwrap_or(0),
            None => self.line.retain(|(waiter, _)| *waiter != id),
        }
        self.serve();
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn semaphore(initial in 0u32..5, steps in schedule()) {
        let semaphore = Semaphore::new(initial);
        let mut model = Model::new(initial.into());
        let mut total = i64::from(initial);
        let mut waits = Waits::new();
        let mut held = Vec::new();
        for (action, choice, amount) in steps {
            let permits = u32::from(amount % 4);
            let mut result = None;
            match action % 11 {
                0..=2 => {
                    let (id, got) = waits.start(semaphore.acquire_many(permits));
                    result = Some((got, model.acquire(id, permits.into())));
                }
                3 => if let Some(id) = waits.pick(choice) {
                    result = Some((waits.poll(id), model.poll(id)));
                },
                4 => if let Some(id) = waits.pick(choice) {
                    result = Some((waits.poll_elsewhere(id), model.poll(id)));
                },
                5 => if let Some(id) = waits.pick(choice) {
                    waits.drop(id);
                    model.leave(id);
                },
                6 | 7 => if !held.is_empty() {
                    let permit: toro::Permit<'_> = held.swap_remove(choice as usize % held.len());
                    model.release(permit.count().into());
                    drop(permit);
                },
                8 => if !held.is_empty() {
                    let permit = held.swap_remove(choice as usize % held.len());
                    // Permits beyond a smaller total are paid first.
                    let kept_back = (-model.free).clamp(0, permit.count().into());
                    total -= i64::from(permit.count()) - kept_back;
                    model.release(kept_back);
                    permit.forget();
                },
                9 => if amount < 30 {
                    semaphore.close();
                    model.closed = true;
                    model.serve();
                } else {
                    semaphore.add(permits).unwrap();
                    total += i64::from(permits);
                    model.release(permits.into());
                },
                _ => {
                    semaphore.resize(permits);
                    let change = i64::from(permits) - total;
                    total = permits.into();
                    model.release(change);
                }
            }
            if let Some((got, expected)) = result {
                prop_assert_eq!(got.is_pending(), expected.is_pending());
                if let (Poll::Ready(got), Poll::Ready(expected)) = (got, expected) {
                    let count = got.as_ref().map(|permit| i64::from(permit.count())).ok();
                    prop_assert_eq!(count, expected);
                    held.extend(got);
                }
            }
            waits.check(|id| model.granted.contains_key(&id));
            prop_assert_eq!(i64::from(semaphore.available()), model.free.max(0));
            prop_assert_eq!(semaphore.waiting(), model.line.len());
            prop_assert_eq!(i64::from(semaphore.total()), total);
        }
        drop((waits, held));
        prop_assert_eq!((i64::from(semaphore.available()), semaphore.waiting()), (total, 0));
    }

    /// Only forgotten permits can be released.
    #[test]
    fn bounded_semaphore(bound in 0u32..5, steps in schedule()) {
        let semaphore = BoundedSemaphore::new(bound);
        let mut model = Model::new(bound.into());
        let mut forgotten = 0;
        let mut waits = Waits::new();
        let mut held: Vec<Permit<'_>> = Vec::new();
        for (action, choice, amount) in steps {
            let permits = u32::from(amount % 4);
            let mut result = None;
            match action % 9 {
                0..=2 => {
                    let (id, got) = waits.start(semaphore.acquire_many(permits));
                    result = Some((got, model.acquire(id, permits.into())));
                }
                3 => if let Some(id) = waits.pick(choice) {
                    result = Some((waits.poll(id), model.poll(id)));
                },
                4 => if let Some(id) = waits.pick(choice) {
                    waits.drop(id);
                    model.leave(id);
                },
                5 => if !held.is_empty() {
                    let permit = held.swap_remove(choice as usize % held.len());
                    model.release(permit.count().into());
                },
                6 => if !held.is_empty() {
                    let permit = held.swap_remove(choice as usize % held.len());
                    forgotten += permit.count();
                    permit.forget();
                },
                7 => {
                    let may = permits <= forgotten;
                    prop_assert_eq!(semaphore.release(permits).is_ok(), may);
                    if may {
                        forgotten -= permits;
                        model.release(permits.into());
                    }
                }
                _ => if amount < 20 {
                    semaphore.close();
                    model.closed = true;
                    model.serve();
                },
            }
            if let Some((got, expected)) = result {
                prop_assert_eq!(got.is_pending(), expected.is_pending());
                if let (Poll::Ready(got), Poll::Ready(expected)) = (got, expected) {
                    let count = got.as_ref().map(|permit| i64::from(permit.count())).ok();
                    prop_assert_eq!(count, expected);
                    held.extend(got);
                }
            }
            waits.check(|id| model.granted.contains_key(&id));
            prop_assert_eq!(i64::from(semaphore.available()), model.free);
            prop_assert_eq!(semaphore.waiting(), model.line.len());
        }
        drop((waits, held));
        prop_assert_eq!((semaphore.available(), semaphore.waiting()), (bound - forgotten, 0));
    }

    #[test]
    fn lock(steps in schedule()) {
        let lock = Lock::new(());
        let mut model = Model::new(1);
        let mut waits = Waits::new();
        let mut held = None;
        for (action, choice, _) in steps {
            let mut result = None;
            match action % 7 {
                0 | 1 => {
                    let (id, got) = waits.start(lock.acquire());
                    result = Some((got, model.acquire(id, 1)));
                }
                2 => if let Some(id) = waits.pick(choice) {
                    result = Some((waits.poll(id), model.poll(id)));
                },
                3 => if let Some(id) = waits.pick(choice) {
                    result = Some((waits.poll_elsewhere(id), model.poll(id)));
                },
                4 => if let Some(id) = waits.pick(choice) {
                    waits.drop(id);
                    model.leave(id);
                },
                5 => if held.take().is_some() {
                    model.release(1);
                },
                _ => {
                    // A newcomer gets it only if it is free and nobody waits.
                    let free = model.line.is_empty() && model.free == 1;
                    prop_assert_eq!(lock.try_acquire().is_some(), free);
                }
            }
            if let Some((got, expected)) = result {
                prop_assert_eq!(got.is_pending(), expected.is_pending());
                if let Poll::Ready(guard) = got {
                    prop_assert!(held.is_none(), "two hold the lock");
                    held = Some(guard);
                }
            }
            waits.check(|id| model.granted.contains_key(&id));
            prop_assert_eq!(lock.waiting(), model.line.len());
        }
        drop((waits, held));
        prop_assert!(lock.try_acquire().is_some());
    }

    /// A barging lock wakes without granting, so the model says less about each step. But when all
    /// woken waits have been polled and nobody holds the lock, nobody waits.
    #[test]
    fn barging_lock(overtakers in 1u16..4, steps in schedule()) {
        let lock = Lock::barging((), overtakers);
        let mut waits = Waits::new();
        let mut held = None;
        for (action, choice, _) in steps {
            let mut polled = None;
            match action % 6 {
                0 | 1 => polled = Some(waits.start(lock.acquire()).1),
                2 => polled = waits.pick(choice).map(|id| waits.poll(id)),
                3 => polled = waits.pick(choice).map(|id| waits.poll_elsewhere(id)),
                4 => if let Some(id) = waits.pick(choice) {
                    waits.drop(id);
                },
                _ => drop(held.take()),
            }
            if let Some(Poll::Ready(guard)) = polled {
                prop_assert!(held.is_none(), "two hold the lock");
                held = Some(guard);
            }
        }
        drop(held);
        // Drain: while anyone waits, someone has been woken and gets the lock when polled.
        while !waits.left().is_empty() {
            let before = waits.left().len();
            let woken: Vec<_> = waits.left().into_iter().filter(|&id| waits.woken(id)).collect();
            prop_assert!(!woken.is_empty(), "all wait, and nobody was woken");
            for id in woken {
                drop(waits.poll(id));
            }
            prop_assert!(waits.left().len() < before);
        }
        prop_assert!(lock.try_acquire().is_some());
    }

    /// As for the barging lock. In addition, at most the agreed number of newcomers overtakes the
    /// oldest waiter.
    #[test]
    fn barging_semaphore(overtakers in 1u16..4, steps in schedule()) {
        const ALL: u32 = 3;
        let semaphore = Semaphore::barging(ALL, overtakers);
        let mut waits = Waits::new();
        let mut held: Vec<Permit<'_>> = Vec::new();
        let (mut overtaken, mut waiting) = (0, 0);
        for (action, choice, amount) in steps {
            let mut polled = None;
            match action % 7 {
                0 | 1 => {
                    let permits = u32::from(amount) % (ALL + 1);
                    polled = Some(waits.start(semaphore.acquire_many(permits)).1);
                    let joined = matches!(polled, Some(Poll::Pending));
                    // A newcomer that takes nothing does not overtake.
                    overtaken += u16::from(waiting > 0 && !joined && permits > 0);
                    waiting += usize::from(joined);
                }
                2 => polled = waits.pick(choice).map(|id| waits.poll(id)),
                3 => polled = waits.pick(choice).map(|id| waits.poll_elsewhere(id)),
                4 => if let Some(id) = waits.pick(choice) {
                    waits.drop(id);
                },
                _ => if !held.is_empty() {
                    drop(held.swap_remove(choice as usize % held.len()));
                },
            }
            if let Some(Poll::Ready(permit)) = polled {
                held.push(permit.unwrap());
            }
            let taken: u32 = held.iter().map(Permit::count).sum();
            prop_assert!(taken + semaphore.available() <= ALL, "a permit was made");
            prop_assert!(overtaken <= overtakers, "{} overtook the oldest", overtaken);
            // The oldest waiter changes only when one leaves the line.
            if semaphore.waiting() < waiting {
                overtaken = 0;
            }
            waiting = semaphore.waiting();
        }
        drop(held);
        while !waits.left().is_empty() {
            let before = waits.left().len();
            let woken: Vec<_> = waits.left().into_iter().filter(|&id| waits.woken(id)).collect();
            prop_assert!(!woken.is_empty(), "all wait, and nobody was woken");
            for id in woken {
                drop(waits.poll(id));
            }
            prop_assert!(waits.left().len() < before);
        }
        prop_assert_eq!((semaphore.available(), semaphore.waiting()), (ALL, 0));
    }

    /// A reader needs one permit, an upgradable reader half of them plus one, a writer all.
    #[test]
    fn rwlock(steps in schedule()) {
        const HALF: i64 = 1000;
        const ALL: i64 = 2 * HALF - 1;
        let lock = RwLock::new(());
        let mut model = Model::new(ALL);
        // The four kinds of waits are numbered together.
        let mut reads = Waits::new();
        let mut options = Waits::new();
        let mut writes = Waits::new();
        let mut upgrades = Waits::new();
        let (mut readers, mut optional, mut writer) = (Vec::new(), None, None);
        let tag = |kind: usize, id: usize| 4 * id + kind;
        for (action, choice, amount) in steps {
            match action % 17 {
                0..=2 => {
                    let (id, got) = reads.start(lock.read());
                    prop_assert_eq!(got.is_pending(), model.acquire(tag(0, id), 1).is_pending());
                    if let Poll::Ready(guard) = got { readers.push(guard) }
                }
                3 => {
                    let (id, got) = options.start(lock.upgradable_read());
                    prop_assert_eq!(got.is_pending(), model.acquire(tag(1, id), HALF).is_pending());
                    if let Poll::Ready(guard) = got {
                        prop_assert!(optional.replace(guard).is_none())
                    }
                }
                4 | 5 => {
                    let (id, got) = writes.start(lock.write());
                    prop_assert_eq!(got.is_pending(), model.acquire(tag(2, id), ALL).is_pending());
                    if let Poll::Ready(guard) = got {
                        prop_assert!(writer.replace(guard).is_none())
                    }
                }
                6 => if let Some(id) = reads.pick(choice) {
                    let got = reads.poll(id);
                    prop_assert_eq!(got.is_pending(), model.poll(tag(0, id)).is_pending());
                    if let Poll::Ready(guard) = got { readers.push(guard) }
                },
                7 => if let Some(id) = options.pick(choice) {
                    let got = options.poll_elsewhere(id);
                    prop_assert_eq!(got.is_pending(), model.poll(tag(1, id)).is_pending());
                    if let Poll::Ready(guard) = got {
                        prop_assert!(optional.replace(guard).is_none())
                    }
                },
                8 => if let Some(id) = writes.pick(choice) {
                    let got = writes.poll(id);
                    prop_assert_eq!(got.is_pending(), model.poll(tag(2, id)).is_pending());
                    if let Poll::Ready(guard) = got {
                        prop_assert!(writer.replace(guard).is_none())
                    }
                },
                9 => if let Some(id) = writes.pick(choice) {
                    writes.drop(id);
                    model.leave(tag(2, id));
                },
                10 => if let Some(id) = reads.pick(choice) {
                    reads.drop(id);
                    model.leave(tag(0, id));
                },
                11 => if !readers.is_empty() {
                    drop(readers.swap_remove(choice as usize % readers.len()));
                    model.release(1);
                },
                12 => match (optional.take(), writer.take()) {
                    (Some(guard), kept) => {
                        writer = kept;
                        if choice % 2 == 0 {
                            readers.push(guard.downgrade());
                            model.release(HALF - 1);
                        } else if let Err(guard) =
                            guard.try_upgrade().map(|guard| writer = Some(guard))
                        {
                            prop_assert!(model.free < ALL - HALF);
                            optional = Some(guard);
                        } else {
                            prop_assert!(model.free >= ALL - HALF);
                            model.free -= ALL - HALF;
                        }
                    }
                    (None, Some(guard)) => {
                        optional = Some(guard.downgrade_to_upgradable());
                        model.release(ALL - HALF);
                    }
                    (None, None) => {}
                },
                // An upgrade comes before all others, and holds back new readers.
                13 => if let Some(guard) = optional.take() {
                    let (id, got) = upgrades.start(guard.upgrade());
                    prop_assert_eq!(
                        got.is_pending(),
                        model.acquire_before_all(tag(3, id), ALL - HALF).is_pending()
                    );
                    if let Poll::Ready(guard) = got {
                        prop_assert!(writer.replace(guard).is_none())
                    }
                },
                14 => if let Some(id) = upgrades.pick(choice) {
                    let got = if amount % 2 == 0 {
                        upgrades.poll(id)
                    } else {
                        upgrades.poll_elsewhere(id)
                    };
                    prop_assert_eq!(got.is_pending(), model.poll(tag(3, id)).is_pending());
                    if let Poll::Ready(guard) = got {
                        prop_assert!(writer.replace(guard).is_none())
                    }
                },
                15 => if let Some(id) = upgrades.pick(choice) {
                    upgrades.drop(id);
                    model.leave(tag(3, id));
                    model.release(HALF);
                },
                _ => match (writer.take(), optional.take()) {
                    (Some(guard), kept) => {
                        optional = kept;
                        drop(guard);
                        model.release(ALL);
                    }
                    (None, Some(guard)) => {
                        drop(guard);
                        model.release(HALF);
                    }
                    (None, None) => {}
                },
            }
            let alone = readers.is_empty() && optional.is_none();
            prop_assert!(writer.is_none() || alone, "a reader beside a writer");
            reads.check(|id| model.granted.contains_key(&tag(0, id)));
            options.check(|id| model.granted.contains_key(&tag(1, id)));
            writes.check(|id| model.granted.contains_key(&tag(2, id)));
            upgrades.check(|id| model.granted.contains_key(&tag(3, id)));
            prop_assert_eq!(lock.waiting(), model.line.len());
        }
        drop((upgrades, reads, options, writes, readers, optional, writer));
        prop_assert!(lock.try_write().is_some());
    }
}
