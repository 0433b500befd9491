//! Overloaded servers: the options that allow retries.

use driver::bson::{Document, doc};
use driver::error::{RETRYABLE_ERROR, SYSTEM_OVERLOADED_ERROR};
use testbed::shared_replica_set;

use crate::api::{Api, on_both_apis};
use crate::observed::{Observed, turn_for_faults};

on_both_apis! {
    overloaded_reads_need_retryable_reads_alone
    overloaded_writes_need_retryable_writes_alone
    overloaded_commands_of_the_caller_need_both_options
    overloaded_transaction_is_ended_without_any_option
}

/// The number of times `run` sends `command` to a server that rejects it.
fn sent<F: Api, T>(
    observed: &Observed<F>,
    command: &str,
    run: impl FnOnce() -> driver::Result<T>,
) -> usize {
    let _turn = turn_for_faults();
    let set = shared_replica_set().unwrap();
    let fail = doc! {
        "configureFailPoint": "failCommand", "mode": "alwaysOn",
        "data": {
            "failCommands": [command], "errorCode": 462, "appName": &observed.name,
            "errorLabels": [SYSTEM_OVERLOADED_ERROR, RETRYABLE_ERROR],
        },
    };
    let point = set.fail_point(set.wait_for_primary().unwrap(), fail).unwrap();
    observed.forget();
    let error = run().err().unwrap();
    drop(point);
    assert!(error.has_label(SYSTEM_OVERLOADED_ERROR), "{error}");
    observed.sent(command).len()
}

/// A client with these options.
fn with<F: Api>(reads: bool, writes: bool) -> Observed<F> {
    Observed::with(&shared_replica_set().unwrap().uri(), |options| {
        options.retry_reads = Some(reads);
        options.retry_writes = Some(writes);
    })
}

/// The numbers of attempts with and without retries.
const RETRIED: usize = 3;
const ONCE: usize = 1;

fn overloaded_reads_need_retryable_reads_alone<F: Api>() {
    for (reads, writes, expected) in [(true, false, RETRIED), (false, true, ONCE)] {
        let observed = with::<F>(reads, writes);
        let coll = observed.database().collection::<Document>("c");
        F::end(coll.insert_many((0..3).map(|i| doc! { "_id": i }))).unwrap();
        assert_eq!(sent(&observed, "find", || F::end(coll.find_one(doc! {}))), expected);
        assert_eq!(sent(&observed, "listIndexes", || F::end(coll.list_index_names())), expected);
        // Not retryable reads, but reads.
        let more = || F::end(coll.find(doc! {}).batch_size(2)).and_then(F::collect);
        assert_eq!(sent(&observed, "getMore", more), expected);
    }
}

fn overloaded_writes_need_retryable_writes_alone<F: Api>() {
    for (reads, writes, expected) in [(false, true, RETRIED), (true, false, ONCE)] {
        let observed = with::<F>(reads, writes);
        let database = observed.database();
        let coll = database.collection::<Document>("c");
        F::end(coll.insert_one(doc! { "_id": 1 })).unwrap();
        let insert = || F::end(coll.insert_one(doc! {}));
        assert_eq!(sent(&observed, "insert", insert), expected);
        // Not retryable writes, but writes.
        let update = || F::end(coll.update_many(doc! {}, doc! { "$inc": { "n": 1 } }));
        assert_eq!(sent(&observed, "update", update), expected);
        let delete = || F::end(coll.delete_many(doc! {}));
        assert_eq!(sent(&observed, "delete", delete), expected);
        let create = || F::end(database.create_collection("d"));
        assert_eq!(sent(&observed, "create", create), expected);
        let index = driver::IndexModel::builder().keys(doc! { "a": 1 }).build();
        let index = || F::end(coll.create_index(index));
        assert_eq!(sent(&observed, "createIndexes", index), expected);
        let out = || F::end(coll.aggregate([doc! { "$out": "e" }]));
        assert_eq!(sent(&observed, "aggregate", out), expected);
    }
}

fn overloaded_commands_of_the_caller_need_both_options<F: Api>() {
    for (reads, writes, expected) in
        [(true, true, RETRIED), (true, false, ONCE), (false, true, ONCE)]
    {
        let observed = with::<F>(reads, writes);
        let database = observed.database();
        let ping = || F::end(database.run_command(doc! { "ping": 1 }));
        assert_eq!(sent(&observed, "ping", ping), expected);
        let find = || F::end(database.run_cursor_command(doc! { "find": "c" }));
        assert_eq!(sent(&observed, "find", find), expected);
    }
}

fn overloaded_transaction_is_ended_without_any_option<F: Api>() {
    let observed = with::<F>(false, false);
    let coll = observed.database().collection::<Document>("c");
    F::end(coll.insert_one(doc! {})).unwrap();
    let mut session = F::start_session(&observed.client);
    F::end(session.start_transaction()).unwrap();
    F::end(coll.insert_one(doc! {}).session(&mut session)).unwrap();
    let commit = || F::end(session.commit_transaction());
    assert_eq!(sent(&observed, "commitTransaction", commit), RETRIED);
    F::end(session.commit_transaction()).unwrap();
}
