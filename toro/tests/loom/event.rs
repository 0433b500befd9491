use std::pin::pin;

use super::{Arc, block_on, model, poll_and_drop, poll_once, thread};
use toro::Event;

/// `set` races with a waiter that joins the line.
#[test]
fn set_against_wait() {
    model(|| {
        let event = Arc::new(Event::new());
        let other = Arc::clone(&event);
        let thread = thread::spawn(move || block_on(other.wait()));
        event.set();
        thread.join().unwrap();
        assert_eq!(event.waiting(), 0);
    });
}

/// A waiter in line when the event is set passes, although the event is cleared at once, and even
/// if the waiter joins again.
#[test]
fn set_and_clear_against_rejoin() {
    model(|| {
        let event = Arc::new(Event::new());
        let mut first = pin!(event.wait());
        assert!(block_on(poll_once(first.as_mut())).is_none());
        let other = Arc::clone(&event);
        let thread = thread::spawn(move || {
            other.set();
            other.clear();
        });
        block_on(first);
        thread.join().unwrap();
        // Nobody passes after the clear.
        assert!(poll_and_drop(event.wait()).is_none());
        assert_eq!(event.waiting(), 0);
    });
}

/// A wait that begins after the clear is not woken by the earlier `set`, even while that still
/// wakes others.
#[test]
fn wake_all_against_reinsert() {
    model(|| {
        let event = Arc::new(Event::new());
        let mut first = pin!(event.wait());
        assert!(block_on(poll_once(first.as_mut())).is_none());
        let other = Arc::clone(&event);
        let thread = thread::spawn(move || other.set());
        block_on(first);
        event.clear();
        // `set` may still be running, but all waiters in line have passed, so it wakes nobody else.
        assert!(poll_and_drop(event.wait()).is_none());
        thread.join().unwrap();
        assert_eq!(event.waiting(), 0);
    });
}

/// A waiter leaves the line while all are woken.
#[test]
fn cancel_against_set() {
    model(|| {
        let event = Arc::new(Event::new());
        let impatient = {
            let event = Arc::clone(&event);
            thread::spawn(move || poll_and_drop(event.wait()))
        };
        let patient = {
            let event = Arc::clone(&event);
            thread::spawn(move || block_on(event.wait()))
        };
        event.set();
        impatient.join().unwrap();
        patient.join().unwrap();
        assert_eq!(event.waiting(), 0);
    });
}
