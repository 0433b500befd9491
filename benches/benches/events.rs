//! `Event`, `AsyncResult` and `Barrier` beside their peers.

mod side_by_side;

use benches::workloads::{alone, wake};
use criterion::{Criterion, criterion_group, criterion_main};
use side_by_side::side_by_side;

fn already_set(criterion: &mut Criterion) {
    side_by_side(criterion, "event, already set", alone::event());
    side_by_side(criterion, "result, already set", alone::result());
}

fn wakes(criterion: &mut Criterion) {
    for waiters in [10, 1000, 8000] {
        side_by_side(criterion, &format!("wake all, {waiters} waiters"), wake::all(waiters));
    }
    side_by_side(criterion, "barrier, 8 parties", wake::barrier(8));
}

criterion_group!(events, already_set, wakes);
criterion_main!(events);
