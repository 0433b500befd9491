//! `explain` of reads and writes.

use std::time::Duration;

use driver::bson::{Document, doc};
use driver::options::{ExplainVerbosity, Hint, ReadConcern, WriteConcern};
use testbed::{shared_replica_set, shared_standalone};

use crate::api::{Api, on_both_apis};
use crate::observed::{Observed, held_once, invalid, turn_for_faults};

on_both_apis! {
    explained_find_keeps_its_options_but_no_read_concern
    explained_operations_change_nothing
    explain_keeps_to_its_time_limits
    explain_runs_in_a_session
    explain_refuses_what_the_operation_refuses
}

fn observed<F: Api>() -> Observed<F> {
    Observed::of(&shared_standalone().unwrap().uri())
}

fn explained_find_keeps_its_options_but_no_read_concern<F: Api>() {
    let observed = observed::<F>();
    let coll = observed.database().collection::<Document>("c");
    F::end(coll.insert_one(doc! { "_id": 1 })).unwrap();
    let find = coll
        .find(doc! { "_id": 1 })
        .hint(Hint::Keys(doc! { "_id": 1 }))
        .limit(3)
        .max_time(Duration::from_secs(10))
        .read_concern(ReadConcern::local());
    let explain = find.explain().verbosity(ExplainVerbosity::ExecutionStats).comment("why");
    let plan = F::end(explain).unwrap();
    assert!(plan.contains_key("queryPlanner") && plan.contains_key("executionStats"), "{plan}");
    let mut sent = observed.sent("explain").remove(0);
    let command = sent.get_document("explain").unwrap();
    assert_eq!(
        command,
        &doc! { "find": "c", "filter": { "_id": 1 }, "hint": { "_id": 1 }, "limit": 3_i64 }
    );
    assert_eq!(sent.get_i64("maxTimeMS").unwrap(), 10_000);
    assert_eq!(sent.get_str("comment").unwrap(), "why");
    assert_eq!(sent.remove("verbosity"), Some("executionStats".into()));
    assert!(!sent.contains_key("readConcern"), "{sent}");
}

fn explained_operations_change_nothing<F: Api>() {
    let observed = observed::<F>();
    let coll = observed.database().collection::<Document>("c");
    let documents = [doc! { "_id": 1, "n": 1 }, doc! { "_id": 2, "n": 2 }];
    F::end(coll.insert_many(&documents)).unwrap();
    let set = || doc! { "$set": { "n": 9 } };
    let majority = WriteConcern::majority;
    let explained = [
        F::end(coll.find_one(doc! { "n": 1 }).explain()),
        F::end(coll.aggregate([doc! { "$match": { "n": 1 } }]).batch_size(5).explain()),
        F::end(coll.count_documents(doc! { "n": 1 }).explain()),
        F::end(coll.distinct("n", doc! { "n": 1 }).explain()),
        F::end(coll.update_one(doc! { "n": 1 }, set()).write_concern(majority()).explain()),
        F::end(coll.update_many(doc! { "n": 1 }, set()).upsert(true).explain()),
        F::end(coll.replace_one(doc! { "n": 1 }, doc! { "n": 9 }).explain()),
        F::end(coll.delete_one(doc! { "n": 1 }).explain()),
        F::end(coll.delete_many(doc! { "n": 1 }).explain()),
    ];
    for plan in explained {
        let plan = plan.unwrap();
        let is_plan = ["queryPlanner", "stages"].iter().any(|part| plan.contains_key(part));
        assert!(is_plan, "{plan}");
    }
    let found = F::collect(F::end(coll.find(doc! {}).sort(doc! { "_id": 1 })).unwrap()).unwrap();
    assert_eq!(found, documents);
    let commands = observed.sent("explain");
    let update = commands[4].get_document("explain").unwrap();
    assert_eq!(
        update,
        &doc! {
            "update": "c", "ordered": true,
            "updates": [{ "q": { "n": 1 }, "u": { "$set": { "n": 9 } } }],
        }
    );
    assert!(commands.iter().all(|command| !command.contains_key("writeConcern")));
}

fn explain_keeps_to_its_time_limits<F: Api>() {
    let observed = observed::<F>();
    let coll = observed.database().collection::<Document>("c");
    let explain = coll.find(doc! {}).explain().max_time(Duration::from_secs(2));
    F::end(explain).unwrap();
    assert_eq!(observed.sent("explain")[0].get_i64("maxTimeMS").unwrap(), 2_000);
    let server = shared_standalone().unwrap();
    let _turn = turn_for_faults();
    let _held = server.fail_point(held_once(&observed.name, "explain", 800)).unwrap();
    let error =
        F::end(coll.find(doc! {}).explain().timeout(Duration::from_millis(200))).unwrap_err();
    assert!(error.is_timeout(), "{error}");
}

fn explain_runs_in_a_session<F: Api>() {
    let observed = Observed::<F>::of(&shared_replica_set().unwrap().uri());
    let coll = observed.database().collection::<Document>("c");
    let mut session = F::start_session(&observed.client);
    F::end(coll.insert_one(doc! {}).session(&mut session)).unwrap();
    F::end(coll.find(doc! {}).session(&mut session).explain()).unwrap();
    F::end(coll.delete_one(doc! {}).explain().session(&mut session)).unwrap();
    let sent = observed.sent("explain");
    assert_eq!(sent.len(), 2);
    for command in sent {
        assert_eq!(command.get_document("lsid").unwrap(), session.id());
        assert!(!command.contains_key("txnNumber"), "{command}");
    }
}

fn explain_refuses_what_the_operation_refuses<F: Api>() {
    let observed = observed::<F>();
    let coll = observed.database().collection::<Document>("c");
    let error = F::end(coll.update_one(doc! {}, doc! { "x": 1 }).explain()).unwrap_err();
    assert!(invalid(&error).contains("operators"), "{error}");
    assert!(observed.names().is_empty());
}
