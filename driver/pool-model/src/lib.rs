//! Models of the driver's connection pool, of the nest and the checks that its picture comes from,
//! and of the cell of its cluster clock: every interleaving of a few threads, within a bound on
//! preemptions.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p pool-model --release`
//!
//! The rules are those of the driver, compiled a second time here, for the driver's sockets cannot
//! be built for loom. Without `--cfg loom` there is nothing in this crate. Each model is named
//! after the race that it guards against; `LOOM_MAX_PREEMPTIONS` widens the search.
#![cfg(all(loom, test))]
// What only the driver itself uses is unused here.
#![allow(dead_code)]

#[path = "../../src/exec/cluster_time/cell.rs"]
mod cell;
#[path = "../../src/topology/checks.rs"]
mod checks;
mod clock;
#[path = "../../src/topology/either.rs"]
mod either;
mod monitor;
#[path = "../../src/nest.rs"]
mod nest;
mod picture;
mod slot;
#[path = "../../src/pool/state.rs"]
mod state;

use loom::future::block_on;
use loom::thread;

use crate::state::model::{Granted, Model, limits};
use crate::state::{Counts, Refusal};

/// Explores a model with at most three preemptions in each run, unless the environment asks for
/// more.
fn model(f: impl Fn() + Send + Sync + 'static) {
    model_within(3, f);
}

/// As [`model`], with another number: a model of many steps needs a smaller one to end.
fn model_within(preemptions: usize, f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(preemptions);
    builder.check(f);
}

/// Nobody waits, nothing is in use or being opened.
fn assert_whole(pool: &Model, total: std::ops::RangeInclusive<u32>) {
    let (Counts { total: all, idle, pending }, waiting) = pool.counts();
    assert_eq!((waiting, pending, idle), (0, 0, all));
    assert!(total.contains(&all), "{all}");
}

/// A connection comes back while another asks: it is taken or handed over, and nothing is opened
/// besides.
#[test]
fn check_in_against_check_out() {
    model(|| {
        let pool = Model::new(limits(1, 1));
        let held = block_on(pool.check_out()).unwrap();
        let id = held.id;
        let other = {
            let pool = pool.clone();
            thread::spawn(move || block_on(pool.check_out()).unwrap().id)
        };
        drop(held);
        assert_eq!(other.join().unwrap(), id);
        assert_whole(&pool, 1..=1);
    });
}

/// A connection comes back, another asks, the pool is cleared: whoever asked gets the connection or
/// is refused, and is never forgotten; a connection of before the clear is gone afterwards.
#[test]
fn check_in_against_check_out_against_clear() {
    model(|| {
        let pool = Model::new(limits(1, 1));
        let held = block_on(pool.check_out()).unwrap();
        let asks = {
            let pool = pool.clone();
            thread::spawn(move || block_on(pool.check_out()).map(|held| held.id))
        };
        let clears = {
            let pool = pool.clone();
            thread::spawn(move || pool.clear())
        };
        let id = held.id;
        drop(held);
        let got = asks.join().unwrap();
        clears.join().unwrap();
        assert!(got == Ok(id) || got == Err(Refusal::Paused));
        assert_whole(&pool, 0..=0);
    });
}

/// The pool is cleared and ready again while one waits for the connection of another: it gets one
/// in the end, or is refused.
#[test]
fn ready_after_clear_against_a_waiter() {
    model(|| {
        let pool = Model::new(limits(1, 1));
        let held = block_on(pool.check_out()).unwrap();
        let asks = {
            let pool = pool.clone();
            thread::spawn(move || match block_on(pool.check_out()) {
                Ok(_) | Err(Refusal::Paused) => {}
                Err(other) => panic!("{other:?}"),
            })
        };
        let clears = {
            let pool = pool.clone();
            thread::spawn(move || {
                pool.clear();
                pool.ready();
            })
        };
        drop(held);
        asks.join().unwrap();
        clears.join().unwrap();
        assert_whole(&pool, 0..=1);
    });
}

/// One who waits gives up while a connection is handed to it: the next gets it.
#[test]
fn giving_up_against_check_in() {
    model(|| {
        let pool = Model::new(limits(1, 1));
        let held = block_on(pool.check_out()).unwrap();
        let id = held.id;
        let impatient = {
            let pool = pool.clone();
            thread::spawn(move || {
                block_on(async {
                    let mut ask = Box::pin(pool.ask());
                    std::future::poll_fn(|cx| {
                        let _ = ask.as_mut().poll(cx);
                        std::task::Poll::Ready(())
                    })
                    .await;
                });
            })
        };
        let patient = {
            let pool = pool.clone();
            thread::spawn(move || block_on(pool.check_out()).unwrap().id)
        };
        drop(held);
        impatient.join().unwrap();
        assert_eq!(patient.join().unwrap(), id);
        assert_whole(&pool, 1..=1);
    });
}

/// One opens a connection and another waits for the right to: whether the first succeeds or not,
/// the other is served.
#[test]
fn opening_against_waiting_to_open() {
    for succeeds in [true, false] {
        model(move || {
            let pool = Model::new(limits(2, 1));
            let Granted::Permit(permit) = block_on(pool.ask()) else { panic!("no permit") };
            let other = {
                let pool = pool.clone();
                thread::spawn(move || drop(block_on(pool.check_out()).unwrap()))
            };
            if succeeds {
                drop(permit.open());
            } else {
                drop(permit);
            }
            other.join().unwrap();
            assert_whole(&pool, 1..=2);
        });
    }
}

/// The pool opens a connection for itself while one asks: it is for the one who asks, and no second
/// is opened.
#[test]
fn populating_against_check_out() {
    model(|| {
        let pool = Model::new(state::Limits { min_size: 1, ..limits(2, 2) });
        let permit = pool.populate().unwrap();
        let other = {
            let pool = pool.clone();
            thread::spawn(move || drop(block_on(pool.check_out()).unwrap()))
        };
        permit.open_idle();
        other.join().unwrap();
        assert_whole(&pool, 1..=1);
    });
}

/// Closing against a check-in and one who waits: all are told, nothing is kept.
#[test]
fn close_against_check_in_and_check_out() {
    model(|| {
        let pool = Model::new(limits(1, 1));
        let held = block_on(pool.check_out()).unwrap();
        let asks = {
            let pool = pool.clone();
            thread::spawn(move || match block_on(pool.check_out()) {
                Ok(_) | Err(Refusal::Closed) => {}
                Err(other) => panic!("{other:?}"),
            })
        };
        let closes = {
            let pool = pool.clone();
            thread::spawn(move || pool.close())
        };
        drop(held);
        asks.join().unwrap();
        closes.join().unwrap();
        assert_whole(&pool, 0..=0);
    });
}
