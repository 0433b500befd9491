//! `Event`, `Condition`, `AsyncResult` and `Barrier`, compared with their peers.

mod side_by_side;

use benches::drive::two_workers;
use benches::workloads::{alone, condition, wake};
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

fn conditions(criterion: &mut Criterion) {
    for waiters in [10, 1000] {
        let name = format!("condition, notify one by one, {waiters} waiters");
        side_by_side(criterion, &name, condition::one_by_one(waiters));
    }
    side_by_side(criterion, "condition, two tasks take turns", condition::turns(&two_workers()));
}

criterion_group!(events, already_set, wakes, conditions);
criterion_main!(events);
