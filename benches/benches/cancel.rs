//! Dropping waiting futures, compared with the peers.

mod side_by_side;

use benches::workloads::cancel::{self, First};
use criterion::{Criterion, criterion_group, criterion_main};
use side_by_side::side_by_side;

fn waiters(criterion: &mut Criterion) {
    for waiters in [100, 10_000] {
        let name = format!("cancel acquire, {waiters} waiters, random first");
        side_by_side(criterion, &name, cancel::acquire(waiters, First::Random));
    }
    side_by_side(criterion, "cancel get, 100 waiters, random first", cancel::get(100));
}

criterion_group!(cancels, waiters);
criterion_main!(cancels);
