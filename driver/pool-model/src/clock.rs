//! A model of the cluster clock's cell. Its values reveal a partial read.

use loom::sync::Arc;
use loom::thread;

use crate::cell::Cell;
use crate::model;

type Clock = Cell<3>;

fn value(order: u64) -> [u64; 3] {
    [order, order * 10, order * 100]
}

fn read(clock: &Clock) -> u64 {
    clock.load().map_or(0, |found| {
        assert_eq!(found, value(found[0]), "a read saw half of a value");
        found[0]
    })
}

/// A value is replaced twice while it is read. The reader sees whole values, and never an older one
/// after a newer one.
#[test]
fn load_against_raise() {
    model(|| {
        let clock = Arc::new(Clock::default());
        let writer = {
            let clock = clock.clone();
            thread::spawn(move || {
                clock.raise(&value(1));
                clock.raise(&value(2));
            })
        };
        let first = read(&clock);
        assert!(first <= read(&clock));
        writer.join().unwrap();
        assert_eq!(read(&clock), 2);
    });
}

/// Two threads store a value. The higher one stays, in either order.
#[test]
fn raise_against_raise() {
    model(|| {
        let clock = Arc::new(Clock::default());
        let other = {
            let clock = clock.clone();
            thread::spawn(move || clock.raise(&value(2)))
        };
        clock.raise(&value(1));
        assert!(read(&clock) >= 1);
        other.join().unwrap();
        assert_eq!(read(&clock), 2);
    });
}
