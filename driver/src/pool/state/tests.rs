//! Random schedules: threads and tasks that request, cancel, return, lose, clear and close, and the
//! invariants.

use std::collections::HashSet;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use super::model::{Granted, Held, Model, Permit, limits};
use super::*;
use crate::rt::block_on;

/// Everything has returned: no waiters, nothing in use, nothing being opened.
fn assert_whole(pool: &Model, max: u32) {
    let (counts, waiting) = pool.counts();
    assert_eq!((waiting, counts.pending), (0, 0), "{counts:?}");
    assert_eq!(counts.idle, counts.total, "{counts:?}");
    assert!(counts.total <= max, "{counts:?}");
}

type Ask = std::pin::Pin<Box<dyn Future<Output = Granted>>>;

/// One thread runs many tasks in a random order. The rules hold after every step.
#[test]
fn no_order_loses_connections_or_wake_ups() {
    for seed in 0..3000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (max, connecting) = (random.u32(1..4), random.u32(1..3));
        let bounds = Limits { min_size: random.u32(0..=max), ..limits(max, connecting) };
        let pool = Model::new(bounds);
        let (mut asks, mut held, mut permits): (Vec<Ask>, Vec<Held>, Vec<Permit>) =
            Default::default();
        // The openings of the pool itself, and those of dropped callers.
        let (mut background, mut left): (Vec<Permit>, Vec<Permit>) = Default::default();
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..60 {
            match random.u32(0..15) {
                0..=3 => {
                    let pool = pool.clone();
                    asks.push(Box::pin(async move { pool.request().await }));
                }
                4 if !asks.is_empty() => drop(asks.swap_remove(random.usize(..asks.len()))),
                5..=6 if !held.is_empty() => drop(held.swap_remove(random.usize(..held.len()))),
                7 if !held.is_empty() => held.swap_remove(random.usize(..held.len())).lose(),
                8..=9 if !permits.is_empty() => {
                    let permit = permits.swap_remove(random.usize(..permits.len()));
                    let is_stale = permit.is_stale();
                    let opened = permit.open();
                    assert_eq!(opened.is_err(), is_stale, "seed {seed}");
                    held.extend(opened);
                }
                10 if !permits.is_empty() => {
                    drop(permits.swap_remove(random.usize(..permits.len())))
                }
                11 => {
                    if let Some(permit) = pool.populate() {
                        background.push(permit);
                    }
                }
                12 if !background.is_empty() => {
                    match background.swap_remove(random.usize(..background.len())) {
                        permit if random.bool() => permit.open_idle(),
                        permit => drop(permit),
                    }
                }
                13 => match left.len() {
                    0 if permits.is_empty() => {}
                    0 => left.push(permits.swap_remove(random.usize(..permits.len()))),
                    most => left.swap_remove(random.usize(..most)).open_idle(),
                },
                14 if random.u32(0..4) == 0 => pool.clear(),
                _ => pool.ready(),
            }
            // Polls all tasks, woken or not. Only tasks with an offer complete. A poll may hand an
            // offer to a task that was polled before.
            let mut i = 0;
            while i < asks.len() || (i > 0 && pool.counts().1 < asks.len()) {
                i %= asks.len();
                match asks[i].as_mut().poll(&mut cx) {
                    Poll::Pending => i += 1,
                    Poll::Ready(granted) => {
                        drop(asks.remove(i));
                        match granted {
                            Granted::Connection(connection) => held.push(connection),
                            Granted::Permit(permit) => permits.push(permit),
                            Granted::ToClose(_) | Granted::Refused(_) => {}
                        }
                    }
                }
            }
            let (counts, waiting) = pool.counts();
            let pending = permits.len() + background.len() + left.len();
            assert_eq!(counts.pending as usize, pending, "seed {seed}");
            assert_eq!(
                counts.total as usize,
                held.len() + pending + counts.idle as usize,
                "seed {seed}"
            );
            assert!(counts.total <= max && counts.pending <= connecting, "seed {seed}: {counts:?}");
            assert_eq!(waiting, asks.len(), "seed {seed}");
            let distinct: HashSet<u64> = held.iter().map(|held| held.id).collect();
            assert_eq!(
                distinct.len(),
                held.len(),
                "seed {seed}: a connection was handed out twice"
            );
            let room = counts.total < max && counts.pending < connecting;
            if waiting > background.iter().filter(|permit| !permit.is_stale()).count() {
                assert!(
                    counts.idle == 0 && !room,
                    "seed {seed}: {waiting} wait without a reason: {counts:?}"
                );
            }
        }
        drop((asks, held, permits, background, left));
        assert_whole(&pool, max);
    }
}

/// Connections and permits follow the same order.
#[test]
fn waiters_are_served_in_order() {
    let pool = Model::new(limits(1, 1));
    let mut first = Some(block_on(pool.check_out()).unwrap());
    let mut cx = Context::from_waker(Waker::noop());
    let mut asks: Vec<_> = (0..5).map(|_| Box::pin(pool.request())).collect();
    for ask in &mut asks {
        assert!(ask.as_mut().poll(&mut cx).is_pending());
    }
    for served in 0..5 {
        if served == 2 {
            // A broken connection frees its slot for the next waiter.
            first.take().unwrap().lose();
        }
        drop(first.take());
        for (later, ask) in asks.iter_mut().enumerate().skip(served + 1) {
            assert!(ask.as_mut().poll(&mut cx).is_pending(), "{later} overtook {served}");
        }
        first = match asks[served].as_mut().poll(&mut cx) {
            Poll::Ready(Granted::Connection(held)) => Some(held),
            Poll::Ready(Granted::Permit(permit)) => Some(permit.open().unwrap()),
            _ => panic!("{served} was not served"),
        };
        // A newcomer does not overtake either.
        let mut newcomer = pin!(pool.request());
        assert!(newcomer.as_mut().poll(&mut cx).is_pending());
    }
}

#[test]
fn only_actual_waiters_count_for_the_queue_limit() {
    let bounds = Limits { max_waiters: Some(1), ..limits(1, 1) };
    let pool = Model::new(bounds);
    let held = block_on(pool.check_out()).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    {
        let mut waits = pin!(pool.request());
        assert!(waits.as_mut().poll(&mut cx).is_pending());
        let mut refused = pin!(pool.request());
        assert!(matches!(
            refused.as_mut().poll(&mut cx),
            Poll::Ready(Granted::Refused(Refusal::WaitQueueFull))
        ));
    }
    // A dropped waiter no longer waits.
    let mut waits = pin!(pool.request());
    assert!(waits.as_mut().poll(&mut cx).is_pending());
    drop(held);
    assert!(matches!(waits.as_mut().poll(&mut cx), Poll::Ready(Granted::Connection(_))));
}

/// Sixteen threads use one pool, with cancellations, losses and clears.
#[test]
fn threads_leave_the_pool_whole() {
    for round in 0..20_u64 {
        let pool = Model::new(limits(4, 2));
        let in_use = Arc::new(AtomicU32::new(0));
        let ids = Arc::new(Mutex::new(HashSet::new()));
        std::thread::scope(|scope| {
            for thread in 0..16 {
                let (pool, in_use, ids) = (&pool, &in_use, &ids);
                scope.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(round * 100 + thread);
                    for _ in 0..100 {
                        match random.u32(0..20) {
                            0 => {
                                pool.clear();
                                pool.ready();
                            }
                            1 => {
                                let mut impatient = pin!(pool.request());
                                let _ = impatient
                                    .as_mut()
                                    .poll(&mut Context::from_waker(Waker::noop()));
                            }
                            action => {
                                let Ok(held) = block_on(pool.check_out()) else {
                                    pool.ready();
                                    continue;
                                };
                                assert!(in_use.fetch_add(1, Ordering::SeqCst) < 4);
                                assert!(ids.lock().unwrap().insert(held.id));
                                if action % 3 == 0 {
                                    std::thread::yield_now();
                                }
                                ids.lock().unwrap().remove(&held.id);
                                in_use.fetch_sub(1, Ordering::SeqCst);
                                if action == 2 { held.lose() } else { drop(held) }
                            }
                        }
                    }
                });
            }
        });
        assert_whole(&pool, 4);
        pool.close();
        assert!(matches!(block_on(pool.check_out()), Err(Refusal::Closed)));
        assert_eq!(pool.counts().0, Counts { total: 0, idle: 0, pending: 0 });
    }
}

fn wrap(_: Offer<u32>) {}

/// Clearing one service keeps the connections of others. A service without connections is removed.
#[test]
fn services_have_their_own_generations() {
    let handoff: toro::Handoff<State<u32, char>, ()> =
        toro::Handoff::new(State::new(limits(10, 10)));
    handoff.with(|state, waiters| {
        state.ready();
        let open = |state: &mut State<u32, char>, waiters: &mut Waiters<'_, ()>, service| {
            let Some(Offer::Connect(ticket)) = state.request(None, waiters, &wrap) else {
                panic!("no ticket")
            };
            state.established(ticket, Some(service))
        };
        let (a, b) = (open(state, waiters, 'a'), open(state, waiters, 'b'));
        let in_use = open(state, waiters, 'a');
        assert_eq!(state.give_back(1, a, None, waiters, &wrap), Ok(()));
        assert_eq!(state.give_back(2, b, None, waiters, &wrap), Ok(()));
        assert_eq!(state.clear_service('a'), [1]);
        assert_eq!(state.counts(), Counts { total: 3, idle: 1, pending: 0 });
        state.lost(a, waiters, &wrap);
        assert!(state.is_stale(a) && state.is_stale(in_use) && !state.is_stale(b));
        assert_eq!(state.phase(), Phase::Ready);
        assert_eq!(
            state.request(None, waiters, &wrap),
            Some(Offer::Connection { connection: 2, idle_too_long: false })
        );
        let newer = open(state, waiters, 'a');
        assert!(!state.is_stale(newer));
        assert_eq!(state.give_back(3, in_use, None, waiters, &wrap), Err(Obsolete::Stale(3)));
        state.lost(in_use, waiters, &wrap);
        assert_eq!(state.give_back(4, newer, None, waiters, &wrap), Ok(()));
        assert_eq!(
            state.request(None, waiters, &wrap),
            Some(Offer::Connection { connection: 4, idle_too_long: false })
        );
        state.lost(newer, waiters, &wrap);
        assert_eq!(state.give_back(2, b, None, waiters, &wrap), Ok(()));
        assert!(state.services.keys().eq(['b'].iter()));
        assert_eq!(state.counts(), Counts { total: 1, idle: 1, pending: 0 });
    });
}

#[test]
fn expired_connections_are_removed_from_the_bottom() {
    let bounds = Limits { max_idle: Some(Duration::from_secs(10)), ..limits(3, 3) };
    let handoff: toro::Handoff<State<u32, char>, ()> = toro::Handoff::new(State::new(bounds));
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    handoff.with(|state, waiters| {
        state.ready();
        let generations: Vec<_> = (0..3)
            .map(|_| {
                let Some(Offer::Connect(ticket)) = state.request(None, waiters, &wrap) else {
                    panic!("no ticket")
                };
                state.established(ticket, None)
            })
            .collect();
        for (i, generation) in generations.iter().enumerate() {
            let back = at(i as u64 * 5);
            assert_eq!(state.give_back(i as u32, *generation, Some(back), waiters, &wrap), Ok(()));
        }
        assert_eq!(state.expire(at(11)), [0]);
        assert_eq!(state.counts(), Counts { total: 3, idle: 2, pending: 0 });
        state.lost(generations[0], waiters, &wrap);
        assert_eq!(
            state.request(Some(at(20)), waiters, &wrap),
            Some(Offer::Connection { connection: 2, idle_too_long: false })
        );
        assert_eq!(
            state.request(Some(at(20)), waiters, &wrap),
            Some(Offer::ToClose(vec![1], CloseReason::Idle))
        );
        assert_eq!(state.counts(), Counts { total: 2, idle: 0, pending: 0 });
        state.lost(generations[1], waiters, &wrap);
        assert_eq!(state.counts(), Counts { total: 1, idle: 0, pending: 0 });
    });
}

#[test]
fn connection_idle_for_two_ticks_is_checked() {
    let handoff: toro::Handoff<State<u32, char>, ()> = toro::Handoff::new(State::new(limits(1, 1)));
    handoff.with(|state, waiters| {
        state.ready();
        let Some(Offer::Connect(ticket)) = state.request(None, waiters, &wrap) else {
            panic!("no ticket")
        };
        let generation = state.established(ticket, None);
        for (ticks, idle_too_long) in [(0, false), (1, false), (2, true), (3, true)] {
            assert_eq!(state.give_back(1, generation, None, waiters, &wrap), Ok(()));
            for _ in 0..ticks {
                assert!(state.expire(Instant::now()).is_empty());
            }
            assert_eq!(
                state.request(None, waiters, &wrap),
                Some(Offer::Connection { connection: 1, idle_too_long })
            );
        }
    });
}
