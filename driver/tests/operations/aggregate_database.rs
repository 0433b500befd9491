//! `aggregate` on a database.

use driver::Async;
use driver::bson::{Document, doc};
use testbed::shared_standalone;

use crate::api::{Api, on_both_apis};
use crate::observed::{
    Observed, check_nothing_stays, drop_in_flight, held_once, invalid, numbers, turn_for_faults,
};

on_both_apis! {
    database_aggregate_gives_documents
    database_aggregate_follows_its_cursor_in_a_session
    database_aggregate_refuses_an_empty_pipeline
    database_aggregate_may_write
}

/// A pipeline with ten documents from no collection, for every server version.
fn ten() -> Vec<Document> {
    vec![
        doc! { "$currentOp": {} },
        doc! { "$limit": 1 },
        doc! { "$project": { "_id": 0, "x": { "$range": [0, 10] } } },
        doc! { "$unwind": "$x" },
    ]
}

fn observed<F: Api>() -> Observed<F> {
    Observed::with(&shared_standalone().unwrap().uri(), |options| options.max_pool_size = Some(1))
}

fn database_aggregate_gives_documents<F: Api>() {
    let observed = observed::<F>();
    let admin = observed.client.database("admin");
    let cursor = F::end(admin.aggregate(ten()).batch_size(4).comment("ten")).unwrap();
    assert_eq!(numbers(&F::collect(cursor).unwrap()), (0..10).collect::<Vec<_>>());
    let sent = &observed.sent("aggregate")[0];
    assert_eq!(sent.get_i32("aggregate").unwrap(), 1);
    assert_eq!(sent.get_str("comment").unwrap(), "ten");
    assert_eq!(observed.sent("getMore").len(), 2);
}

fn database_aggregate_follows_its_cursor_in_a_session<F: Api>() {
    let observed = observed::<F>();
    let mut session = F::start_session(&observed.client);
    let admin = observed.client.database("admin");
    let cursor = F::end(admin.aggregate(ten()).session(&mut session).batch_size(4)).unwrap();
    let found = F::collect_in(cursor, &mut session).unwrap();
    assert_eq!(numbers(&found), (0..10).collect::<Vec<_>>());
    let commands = [observed.sent("aggregate"), observed.sent("getMore")].concat();
    assert_eq!(commands.len(), 3);
    for command in commands {
        assert_eq!(command.get_document("lsid").unwrap(), session.id());
    }
}

fn database_aggregate_refuses_an_empty_pipeline<F: Api>() {
    let observed = observed::<F>();
    let error = F::end(observed.database().aggregate([])).map(drop).unwrap_err();
    assert!(invalid(&error).contains("pipeline"), "{error}");
    assert!(observed.names().is_empty());
}

fn database_aggregate_may_write<F: Api>() {
    let observed = observed::<F>();
    let into = doc! { "db": &observed.name, "coll": "written" };
    let merge = ten().into_iter().chain([doc! { "$merge": { "into": into } }]);
    // A batch size of zero would keep the server from running it.
    let cursor = F::end(observed.client.database("admin").aggregate(merge).batch_size(0)).unwrap();
    assert!(F::collect(cursor).unwrap().is_empty());
    let written = observed.database().collection::<Document>("written");
    assert_eq!(F::end(written.count_documents(doc! {})).unwrap(), 10);
}

#[test]
fn dropped_database_aggregate_leaves_nothing_behind() {
    let observed = observed::<Async>();
    let server = shared_standalone().unwrap();
    let _turn = turn_for_faults();
    let _held = server.fail_point(held_once(&observed.name, "aggregate", 300)).unwrap();
    let admin = observed.client.database("admin");
    let held = admin.aggregate(ten()).batch_size(1);
    drop_in_flight(held, || !observed.sent("aggregate").is_empty());
    check_nothing_stays(&observed);
}
