//! The nest, whose pictures are made so that half of an update shows: the second number is twice
//! the first.

use loom::future::block_on;
use loom::sync::Arc;
use loom::thread;

use crate::nest::Nest;
use crate::{model, model_within};

type Pictures = Nest<(u32, u32)>;

fn nest() -> Arc<Pictures> {
    Arc::new(Nest::new((0, 0)))
}

fn advance(nest: &Pictures) {
    nest.update(|&(a, b)| (Some((a + 1, b + 2)), ()), |_| ());
}

fn look(nest: &Pictures) -> u32 {
    let seen = nest.load();
    let (a, b) = ***seen;
    assert_eq!(b, 2 * a, "half of an update was seen");
    a
}

/// Waits for a picture that satisfies, as selection does: look, and if it is found wanting, wait
/// for that very one to be superseded.
async fn until(nest: &Pictures, wanted: u32) {
    loop {
        let seen = nest.load_full();
        if seen.0 >= wanted {
            return;
        }
        seen.superseded().wait().await;
    }
}

/// The picture changes twice while one waits for the second change: whatever it looked at, it is
/// woken for what it has not seen.
#[test]
fn waiting_against_updates() {
    model(|| {
        let nest = nest();
        let waits = {
            let nest = nest.clone();
            thread::spawn(move || block_on(until(&nest, 2)))
        };
        advance(&nest);
        advance(&nest);
        waits.join().unwrap();
    });
}

/// Two wait, one for each of two changes: both are woken.
#[test]
fn two_who_wait_against_updates() {
    model_within(2, || {
        let nest = nest();
        let waiters = [1, 2].map(|wanted| {
            let nest = nest.clone();
            thread::spawn(move || block_on(until(&nest, wanted)))
        });
        advance(&nest);
        advance(&nest);
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
    });
}

/// Two writers change the picture while it is read twice: each picture is whole, none comes after a
/// later one, and no update is lost.
#[test]
fn reading_against_two_writers() {
    model(|| {
        let nest = nest();
        let writers = [(); 2].map(|()| {
            let nest = nest.clone();
            thread::spawn(move || advance(&nest))
        });
        let first = look(&nest);
        assert!(first <= look(&nest), "the picture went back");
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        assert_eq!(look(&nest), 2);
    });
}

/// What goes before a picture has been done when the picture is seen; what comes after it is done
/// when the one before can be had no more.
#[test]
fn what_belongs_to_a_picture_against_a_reader() {
    use loom::sync::atomic::{AtomicBool, Ordering};
    model(|| {
        let (nest, prepared) = (nest(), Arc::new(AtomicBool::new(false)));
        let writer = {
            let (nest, prepared) = (nest.clone(), prepared.clone());
            thread::spawn(move || {
                let prepare = |&(a, b): &(u32, u32)| {
                    prepared.store(true, Ordering::Relaxed);
                    (Some((a + 1, b + 2)), ())
                };
                nest.update(prepare, |_| assert_eq!(look(&nest), 1));
            })
        };
        if look(&nest) == 1 {
            assert!(prepared.load(Ordering::Relaxed));
        }
        writer.join().unwrap();
    });
}
