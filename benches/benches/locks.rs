//! `Lock`, `Semaphore` and `RwLock`, compared with their peers: uncontended, and contended on two
//! workers.

mod side_by_side;

use benches::drive::two_workers;
use benches::workloads::contended::Holder;
use benches::workloads::{alone, contended};
use criterion::{Criterion, criterion_group, criterion_main};
use side_by_side::side_by_side;

fn uncontended(criterion: &mut Criterion) {
    side_by_side(criterion, "lock, uncontended", alone::lock());
    side_by_side(criterion, "semaphore, uncontended", alone::semaphore());
    side_by_side(criterion, "bounded semaphore, uncontended", alone::bounded_semaphore());
    side_by_side(
        criterion,
        "bounded semaphore, acquire and forget, release",
        alone::forget_and_release(),
    );
    side_by_side(criterion, "rwlock, uncontended read", alone::read());
    side_by_side(criterion, "rwlock, uncontended write", alone::write());
}

fn contended(criterion: &mut Criterion) {
    let runtime = two_workers();
    for (does, holder) in [("yields", Holder::Yields), ("does not yield", Holder::Works)] {
        let name = |what: &str| format!("{what}, holder {does}");
        side_by_side(criterion, &name("lock, fair"), contended::fair_lock(&runtime, holder));
        side_by_side(
            criterion,
            &name("semaphore, fair"),
            contended::fair_semaphore(&runtime, holder),
        );
        side_by_side(
            criterion,
            &name("bounded semaphore, fair"),
            contended::bounded_semaphore(&runtime, holder),
        );
        side_by_side(criterion, &name("lock, barging"), contended::barging_lock(&runtime, holder));
        side_by_side(
            criterion,
            &name("semaphore, barging"),
            contended::barging_semaphore(&runtime, holder),
        );
    }
}

criterion_group!(locks, uncontended, contended);
criterion_main!(locks);
