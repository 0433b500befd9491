//! Models of the nest. The second number of a snapshot is twice the first, which reveals a partial
//! update.

use loom::future::block_on;
use loom::sync::Arc;
use loom::thread;

use crate::nest::Nest;
use crate::{model, model_within};

type Snapshots = Nest<(u32, u32)>;

fn nest() -> Arc<Snapshots> {
    Arc::new(Nest::new((0, 0)))
}

fn advance(nest: &Snapshots) {
    let update = nest.update();
    let (a, b) = *update.old();
    update.replace((a + 1, b + 2));
}

fn look(nest: &Snapshots) -> u32 {
    let seen = nest.load();
    let (a, b) = ***seen;
    assert_eq!(b, 2 * a, "a read saw half of an update");
    a
}

/// Waits for a snapshot with the wanted number, as server selection does: loads a snapshot, and if
/// it does not suffice, waits until that snapshot is replaced.
async fn until(nest: &Snapshots, wanted: u32) {
    loop {
        let seen = nest.load_full();
        if seen.0 >= wanted {
            return;
        }
        seen.superseded().wait().await;
    }
}

/// The snapshot changes twice while a thread waits for the second change. The thread is woken for
/// every change after the snapshot that it loaded.
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

/// Two threads wait for one of two changes each. Both are woken.
#[test]
fn two_waiters_against_updates() {
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

/// Two writers update while a reader loads twice. Each snapshot is whole, the second is not older,
/// and no update is lost.
#[test]
fn reading_against_two_writers() {
    model(|| {
        let nest = nest();
        let writers = [(); 2].map(|()| {
            let nest = nest.clone();
            thread::spawn(move || advance(&nest))
        });
        let first = look(&nest);
        assert!(first <= look(&nest), "the snapshot is older than the one before");
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        assert_eq!(look(&nest), 2);
    });
}

/// Work before the replacement is done before a reader sees the new snapshot. Work after it is done
/// when no reader can load the old one.
#[test]
fn update_against_a_reader() {
    use loom::sync::atomic::{AtomicBool, Ordering};
    model(|| {
        let (nest, prepared) = (nest(), Arc::new(AtomicBool::new(false)));
        let writer = {
            let (nest, prepared) = (nest.clone(), prepared.clone());
            thread::spawn(move || {
                let update = nest.update();
                let (a, b) = *update.old();
                prepared.store(true, Ordering::Relaxed);
                let replaced = update.replace((a + 1, b + 2));
                assert_eq!(look(&nest), 1);
                drop(replaced);
            })
        };
        if look(&nest) == 1 {
            assert!(prepared.load(Ordering::Relaxed));
        }
        writer.join().unwrap();
    });
}
