//! Bulk writes that lose their connection, their primary, their time or their caller.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use driver::Async;
use driver::bson::{Bson, Document, doc};
use driver::error::ErrorKind;
use driver::options::{UpdateManyModel, UpdateOneModel, WriteConcern, WriteModel};
use testbed::{ReplicaSet, eventually, shared_replica_set, shared_standalone};

use super::{
    delete, documents, done, failed, increment, increment_all, insert, refused, replica_set,
    standalone,
};
use crate::api::{Api, on_both_apis};
use crate::observed::{Observed, check_nothing_stays, drop_in_flight, held_once, turn_for_faults};

on_both_apis! {
    broken_connection_leaves_exact_results
    bulk_write_without_multi_models_is_sent_again
    bulk_write_out_of_time_reports_its_results
    killed_primary_loses_and_repeats_nothing
}

/// The server closes the connection on `command` of the application `app`, `times` times.
fn broken(app: &str, command: &str, times: i32) -> Document {
    doc! {
        "configureFailPoint": "failCommand", "mode": { "times": times },
        "data": { "failCommands": [command], "closeConnection": true, "appName": app },
    }
}

fn broken_connection_leaves_exact_results<F: Api>() {
    let observed = replica_set::<F>();
    let coll = observed.database().collection::<Document>("c");
    F::end(coll.insert_one(doc! { "_id": -1 })).unwrap();
    let set = shared_replica_set().unwrap();
    let primary = set.wait_for_primary().unwrap();
    let _turn = turn_for_faults();
    let held = set.fail_point(primary, broken(&observed.name, "update", 1)).unwrap();
    let models = [insert(0), insert(1), increment(0), increment_all(), delete(0), delete(1)];
    let error = F::end(coll.bulk_write(models)).unwrap_err();
    drop(held);
    assert!(error.is_network(), "{error:?}");
    assert!(refused(&error).is_empty());
    let ids = [(0, Bson::Int32(0)), (1, Bson::Int32(1))];
    assert_eq!(done(&error).inserted_ids, ids.into_iter().collect());
    assert_eq!(failed(&error).unconfirmed, [2, 3]);
    assert_eq!(failed(&error).unprocessed, [4, 5]);
    // Unordered, so the inserts come first.
    let held = set.fail_point(primary, broken(&observed.name, "update", 1)).unwrap();
    let models = [increment_all(), delete(0), insert(2), increment(0), insert(1)];
    let error = F::end(coll.bulk_write(models).ordered(false)).unwrap_err();
    drop(held);
    assert!(error.is_network(), "{error:?}");
    assert_eq!(refused(&error), [4]);
    assert_eq!(done(&error).inserted_ids, [(2, Bson::Int32(2))].into_iter().collect());
    assert_eq!(failed(&error).unconfirmed, [0, 3]);
    assert_eq!(failed(&error).unprocessed, [1]);
    // A single command with all models fails like other writes.
    let held = set.fail_point(primary, broken(&observed.name, "update", 1)).unwrap();
    let error = F::end(coll.bulk_write([increment_all()])).unwrap_err();
    drop(held);
    assert!(matches!(error.kind(), ErrorKind::Io { .. }), "{error:?}");
}

fn bulk_write_without_multi_models_is_sent_again<F: Api>() {
    let observed = replica_set::<F>();
    let coll = observed.database().collection::<Document>("c");
    F::end(coll.insert_one(doc! { "_id": -1 })).unwrap();
    observed.forget();
    let set = shared_replica_set().unwrap();
    let primary = set.wait_for_primary().unwrap();
    let _turn = turn_for_faults();
    for command in ["insert", "update", "delete"] {
        let held = set.fail_point(primary, broken(&observed.name, command, 1)).unwrap();
        let models = [insert(0), insert(1), increment(0), increment(1), delete(1), delete(0)];
        let result = F::end(coll.bulk_write(models)).unwrap();
        drop(held);
        assert_eq!((result.inserted_count, result.deleted_count), (2, 2), "{command}");
        let sent = observed.sent(command);
        assert_eq!(sent.len(), 2);
        assert_eq!(sent[0].get("txnNumber"), sent[1].get("txnNumber"));
        observed.forget();
    }
}

fn bulk_write_out_of_time_reports_its_results<F: Api>() {
    let observed = standalone::<F>();
    let coll = observed.database().collection::<Document>("c");
    F::end(coll.insert_one(doc! { "_id": -1 })).unwrap();
    let server = shared_standalone().unwrap();
    let _turn = turn_for_faults();
    let _held = server.fail_point(held_once(&observed.name, "update", 4_000)).unwrap();
    let models = [insert(0), increment(0), delete(0)];
    let operation = coll.bulk_write(models).timeout(Duration::from_secs(2));
    let error = F::end(operation).unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    assert_eq!(done(&error).inserted_count, 1);
    assert_eq!(failed(&error).unconfirmed, [1]);
    assert_eq!(failed(&error).unprocessed, [2]);
}

#[test]
fn dropped_bulk_write_leaves_nothing_behind() {
    let observed =
        Observed::<Async>::with(&shared_standalone().unwrap().uri(), |o| o.max_pool_size = Some(1));
    let coll = observed.database().collection::<Document>("c");
    let server = shared_standalone().unwrap();
    let _turn = turn_for_faults();
    let _held = server.fail_point(held_once(&observed.name, "update", 300)).unwrap();
    let held = coll.bulk_write([insert(0), increment(0), delete(0)]);
    drop_in_flight(held, || !observed.sent("update").is_empty());
    check_nothing_stays(&observed);
    // The update was sent, and the delete was not.
    assert_eq!(documents(&coll), [doc! { "_id": 0, "n": 1 }]);
}

/// Bulk writes continue while the primary is killed. Their results match the data afterwards.
fn killed_primary_loses_and_repeats_nothing<F: Api>() {
    const ROUNDS_AFTER: usize = 40;
    let set = ReplicaSet::start(3).unwrap();
    let observed = Observed::<F>::with(&set.uri(), |options| {
        options.write_concern = Some(WriteConcern::majority());
    });
    let coll = observed.database().collection::<Document>("c");
    F::end(coll.insert_many([doc! { "_id": "one", "n": 0 }, doc! { "_id": "many", "n": 0 }]))
        .unwrap();
    let killed = set.wait_for_primary().unwrap();
    let (rounds, is_killed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let one = || UpdateOneModel::new(doc! { "_id": "one" }, doc! { "$inc": { "n": 1 } });
    let many = || UpdateManyModel::new(doc! { "_id": "many" }, doc! { "$inc": { "n": 1 } });
    // The numbers of confirmed and of unconfirmed writes.
    let (mut ones, mut manys) = ((0, 0), (0, 0));
    let (mut inserted, mut perhaps) = (Vec::new(), Vec::new());
    thread::scope(|scope| {
        scope.spawn(|| {
            eventually("bulk writes are done", || rounds.load(Ordering::SeqCst) >= 10);
            set.kill(killed).unwrap();
            is_killed.store(true, Ordering::SeqCst);
        });
        let (mut round, mut after) = (0, 0);
        while after < ROUNDS_AFTER {
            after += usize::from(is_killed.load(Ordering::SeqCst));
            let ids = [round * 2, round * 2 + 1];
            round += 1;
            let models: [WriteModel; 5] =
                [insert(ids[0]), one().into(), delete(-1), many().into(), insert(ids[1])];
            let (done, in_doubt) = match F::end(coll.bulk_write(models)) {
                Ok(_) => {
                    rounds.fetch_add(1, Ordering::SeqCst);
                    (5, 0)
                }
                Err(error) => {
                    let failed = failed(&error);
                    assert!(refused(&error).is_empty(), "{error}");
                    let in_doubt = failed.unconfirmed.len();
                    (5 - in_doubt - failed.unprocessed.len(), in_doubt)
                }
            };
            // The models are ordered.
            let fate = |at| if at < done { 0 } else { usize::from(at >= done + in_doubt) + 1 };
            for (at, id) in [(0, ids[0]), (4, ids[1])] {
                match fate(at) {
                    0 => inserted.push(id),
                    1 => perhaps.push(id),
                    _ => {}
                }
            }
            ones.0 += i32::from(fate(1) == 0);
            ones.1 += i32::from(fate(1) == 1);
            manys.0 += i32::from(fate(3) == 0);
            manys.1 += i32::from(fate(3) == 1);
        }
    });
    let found = F::collect(F::end(coll.find(doc! { "_id": { "$type": "int" } })).unwrap()).unwrap();
    let found: Vec<i32> = found.iter().map(|found| found.get_i32("_id").unwrap()).collect();
    assert!(inserted.iter().all(|id| found.contains(id)), "an insert was lost");
    let unexpected = found.iter().find(|id| !inserted.contains(id) && !perhaps.contains(id));
    assert_eq!(unexpected, None);
    let count = |id: &str| {
        let found = F::end(coll.find_one(doc! { "_id": id })).unwrap().unwrap();
        found.get_i32("n").unwrap()
    };
    for (id, (sure, unsure)) in [("one", ones), ("many", manys)] {
        let count = count(id);
        assert!((sure..=sure + unsure).contains(&count), "{id}: {count} of {sure} and {unsure}");
    }
    assert!(inserted.len() > ROUNDS_AFTER);
}
