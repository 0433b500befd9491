//! Loom models of the driver's connection pool, its nest, its server checks and its cluster clock.
//! They explore every interleaving of a few threads, within a bound on preemptions.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p pool-model --release`
//!
//! The models compile the driver's own source files a second time, because the driver's sockets
//! cannot be built for loom. Without `--cfg loom` this crate is empty. Each model is named after
//! its race. `LOOM_MAX_PREEMPTIONS` widens the search.
#![cfg(all(loom, test))]
#![allow(dead_code, reason = "the models do not use all items of the driver's files")]

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
mod slot;
mod snapshot;
#[path = "../../src/pool/state.rs"]
mod state;

use loom::future::block_on;
use loom::thread;

use crate::state::model::{Granted, Model, limits};
use crate::state::{Counts, Refusal};

/// Explores a model with at most three preemptions per run, unless the environment sets another
/// bound.
fn model(f: impl Fn() + Send + Sync + 'static) {
    model_within(3, f);
}

/// Like [`model`], with another bound. A model with many steps needs a lower bound to end.
fn model_within(preemptions: usize, f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(preemptions);
    builder.check(f);
}

/// Asserts that no thread waits, and that no connection is in use or being opened.
fn assert_whole(pool: &Model, total: std::ops::RangeInclusive<u32>) {
    let (Counts { total: all, idle, pending }, waiting) = pool.counts();
    assert_eq!((waiting, pending, idle), (0, 0, all));
    assert!(total.contains(&all), "{all}");
}

/// A connection is returned while another thread asks for one. The thread gets that connection, and
/// no other is opened.
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

/// One connection is returned, one is requested, and the pool is cleared. The request gets a
/// connection or an error. The connection from before the clear is closed.
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

/// The pool is cleared and ready again while a thread waits for another's connection. The thread
/// gets a connection or an error.
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

/// The pool is cleared and made ready on different threads while a third waits for a connection.
/// The waiter gets a connection or an error, also if the steps of both interleave.
#[test]
fn ready_against_clear_against_a_waiter() {
    model(|| {
        let pool = Model::new(limits(1, 1));
        let held = block_on(pool.check_out()).unwrap();
        let changes = [Model::clear, Model::ready].map(|change| {
            let pool = pool.clone();
            thread::spawn(move || change(&pool))
        });
        let asks = {
            let pool = pool.clone();
            thread::spawn(move || match block_on(pool.check_out()) {
                Ok(_) | Err(Refusal::Paused) => {}
                Err(other) => panic!("{other:?}"),
            })
        };
        drop(held);
        asks.join().unwrap();
        changes.into_iter().for_each(|change| change.join().unwrap());
        assert_whole(&pool, 0..=1);
    });
}

/// A waiting thread times out while it is handed a connection. The next thread gets the connection.
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
                    let mut ask = Box::pin(pool.request());
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

/// One thread opens a connection and another waits to open one. The other is served whether the
/// first succeeds or fails.
#[test]
fn opening_against_waiting_to_open() {
    for succeeds in [true, false] {
        model(move || {
            let pool = Model::new(limits(2, 1));
            let Granted::Permit(permit) = block_on(pool.request()) else { panic!("no permit") };
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

/// The pool is cleared while a connection is being opened. Its opener gets the connection only if
/// the clear comes later.
#[test]
fn opening_against_clear() {
    model(|| {
        let pool = Model::new(limits(1, 1));
        let Granted::Permit(permit) = block_on(pool.request()) else { panic!("no permit") };
        let clears = {
            let pool = pool.clone();
            thread::spawn(move || {
                pool.clear();
                pool.ready();
            })
        };
        let was_stale = permit.is_stale();
        match permit.open() {
            Ok(held) => {
                assert!(!was_stale);
                drop(held);
            }
            Err(refusal) => assert_eq!(refusal, Refusal::Paused),
        }
        clears.join().unwrap();
        assert_whole(&pool, 0..=1);
    });
}

/// The pool opens a connection for itself while a thread asks for one. The thread gets it, and no
/// second one is opened.
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

/// The pool closes during a check-in and a wait. All threads are notified, and no connection
/// remains.
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
