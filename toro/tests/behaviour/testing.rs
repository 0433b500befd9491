//! A panic in a spawned task fails the test that spawned it, and every assertion ends.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use toro::Semaphore;
use toro::testing::{Tasks, assert_eventually, patience};

#[test]
fn panic_in_a_task_fails_the_test() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    for finish_blocking in [false, true] {
        let tasks = Tasks::new();
        for number in 0..4 {
            runtime.spawn(tasks.guard(async move { assert!(number != 2, "task {number} fails") }));
        }
        let failed = catch_unwind(AssertUnwindSafe(|| {
            if finish_blocking {
                tasks.finish_blocking();
            } else {
                runtime.block_on(tasks.finish());
            }
        }));
        let panic = failed.expect_err("a task has panicked");
        assert_eq!(panic.downcast_ref::<String>().map(String::as_str), Some("task 2 fails"));
    }
}

#[test]
fn dropped_task_fails_the_test() {
    let tasks = Tasks::new();
    drop(tasks.guard(std::future::pending()));
    assert!(catch_unwind(AssertUnwindSafe(|| tasks.finish_blocking())).is_err());
}

#[test]
fn tasks_that_succeed_pass() {
    let tasks = Tasks::new();
    for _ in 0..3 {
        thread::spawn({
            let task = tasks.guard(async {});
            move || futures_executor(task)
        });
    }
    tasks.finish_blocking();
}

fn futures_executor(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future);
}

#[test]
fn eventual_assertion_sees_a_later_value() {
    let semaphore = Semaphore::new(0);
    thread::scope(|scope| {
        scope.spawn(|| semaphore.add(1).unwrap());
        assert_eventually(1, || semaphore.available());
    });
}

/// It ends after `patience`, which is at least five seconds.
#[test]
fn eventual_assertion_times_out() {
    assert!(patience().as_secs() >= 5);
    let outcome = thread::spawn(|| assert_eventually(1, || 2)).join();
    let panic = outcome.expect_err("what is expected never comes");
    assert!(panic.downcast_ref::<String>().is_some_and(|message| message.contains("still 2")));
}
