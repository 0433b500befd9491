use super::{Arc, block_on, model, poll_and_drop, thread};
use toro::{Handoff, Take, Waiters};

fn take(idle: &mut usize, waiters: &mut Waiters<'_, usize>) -> Take<usize> {
    match *idle {
        1.. if waiters.is_empty() => {
            *idle -= 1;
            Take::Ready(1)
        }
        _ => Take::Queue,
    }
}

fn check_in(handoff: &Handoff<usize, usize>) {
    handoff.with(|idle, waiters| {
        if waiters.hand_off(1).is_err() {
            *idle += 1;
        }
    });
}

/// A value is returned while another thread looks for one. It is taken or handed over, never left
/// unused.
#[test]
fn hand_off_against_look() {
    model(|| {
        let handoff = Arc::new(Handoff::new(0));
        let other = Arc::clone(&handoff);
        let thread = thread::spawn(move || block_on(other.wait(take)));
        check_in(&handoff);
        assert_eq!(thread.join().unwrap(), 1);
        assert_eq!(handoff.with(|idle, waiters| (*idle, waiters.len())), (0, 0));
    });
}

/// As above, with `with_state` first. A thread that finds no waiter puts its value back, and a
/// thread that finds no value queues.
#[test]
fn short_check_in_against_look() {
    model(|| {
        let handoff = Arc::new(Handoff::new(0));
        let other = Arc::clone(&handoff);
        let thread = thread::spawn(move || {
            let taken = other.with_state(|idle, waiting| match (*idle, waiting) {
                (1.., 0) => {
                    *idle -= 1;
                    Some(1)
                }
                _ => None,
            });
            taken.unwrap_or_else(|| block_on(other.wait(take)))
        });
        let put_back = handoff.with_state(|idle, waiting| {
            *idle += usize::from(waiting == 0);
            waiting == 0
        });
        if !put_back {
            check_in(&handoff);
        }
        assert_eq!(thread.join().unwrap(), 1);
        assert_eq!(handoff.with_state(|idle, waiting| (*idle, waiting)), (0, 0));
    });
}

/// A value that returns by itself, like those of a pool.
struct Lent(Arc<Handoff<Vec<()>, Lent>>);

impl Drop for Lent {
    fn drop(&mut self) {
        let handoff = Arc::clone(&self.0);
        let unclaimed = handoff.with(|idle, waiters| {
            if waiters.is_empty() {
                idle.push(());
                None
            } else {
                waiters.hand_off(Lent(Arc::clone(&handoff))).err()
            }
        });
        if let Some(lent) = unclaimed {
            std::mem::forget(lent);
        }
    }
}

/// A waiter gives up while a value is handed to it. Its drop returns the value, outside the lock,
/// to the next waiter.
#[test]
fn cancel_against_hand_off() {
    model(|| {
        let handoff: Arc<Handoff<Vec<()>, Lent>> = Arc::new(Handoff::new(Vec::new()));
        let wait = |handoff: Arc<Handoff<Vec<()>, Lent>>, patient: bool| {
            let taker = Arc::clone(&handoff);
            let take = move |idle: &mut Vec<()>, waiters: &mut Waiters<'_, Lent>| match idle.len() {
                1.. if waiters.is_empty() => {
                    idle.pop();
                    Take::Ready(Lent(taker))
                }
                _ => Take::Queue,
            };
            if patient {
                drop(block_on(handoff.wait(take)));
            } else {
                drop(poll_and_drop(handoff.wait(take)));
            }
        };
        let lent = Lent(Arc::clone(&handoff));
        let impatient = {
            let handoff = Arc::clone(&handoff);
            thread::spawn(move || wait(handoff, false))
        };
        let patient = {
            let handoff = Arc::clone(&handoff);
            thread::spawn(move || wait(handoff, true))
        };
        drop(lent);
        impatient.join().unwrap();
        patient.join().unwrap();
        assert_eq!(handoff.with(|idle, waiters| (idle.len(), waiters.len())), (1, 0));
    });
}
