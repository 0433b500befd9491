//! `run_cursor_command`.

use std::time::Duration;

use driver::Async;
use driver::bson::{Bson, Document, doc, rawdoc};
use driver::database::Database;
use driver::error::ErrorKind;
use driver::options::{CursorType, ReadPreference, RunCursorCommandOptions, SelectionCriteria};
use testbed::shared_standalone;

use crate::api::{Api, on_both_apis};
use crate::observed::{
    Observed, check_nothing_stays, drop_in_flight, held_once, invalid, numbers, turn_for_faults,
};

on_both_apis! {
    cursor_of_a_command_gives_all_batches
    cursor_of_a_command_stays_in_its_session
    options_of_a_cursor_command_are_those_of_its_later_batches
    command_without_a_cursor_is_an_error
    cursor_command_that_fails_is_an_error_of_the_server
    cursor_command_keeps_to_its_timeout
    unusable_cursor_commands_are_refused
    tailable_cursor_of_a_command_awaits_documents
}

fn observed<F: Api>() -> Observed<F> {
    Observed::with(&shared_standalone().unwrap().uri(), |options| options.max_pool_size = Some(1))
}

fn with_ten<F: Api>(observed: &Observed<F>) -> Database<F> {
    let database = observed.database();
    let monkeys = database.collection::<Document>("monkeys");
    F::end(monkeys.insert_many((0..10).map(|x| doc! { "_id": x, "x": x }))).unwrap();
    database
}

fn find() -> Document {
    doc! { "find": "monkeys", "sort": { "_id": 1 }, "batchSize": 4 }
}

fn cursor_of_a_command_gives_all_batches<F: Api>() {
    let observed = observed::<F>();
    let database = with_ten(&observed);
    let cursor = F::end(database.run_cursor_command(find()).batch_size(3)).unwrap();
    assert_eq!(numbers(&F::collect(cursor).unwrap()), (0..10).collect::<Vec<_>>());
    let raw = rawdoc! { "find": "monkeys", "filter": { "x": { "$gte": 8 } } };
    let cursor = F::end(database.run_raw_cursor_command(raw)).unwrap();
    assert_eq!(numbers(&F::collect(cursor).unwrap()), [8, 9]);
}

fn cursor_of_a_command_stays_in_its_session<F: Api>() {
    let observed = observed::<F>();
    let database = with_ten(&observed);
    let mut session = F::start_session(&observed.client);
    let operation = database.run_cursor_command(find()).session(&mut session).batch_size(3);
    let cursor = F::end(operation).unwrap();
    assert_eq!(F::collect_in(cursor, &mut session).unwrap().len(), 10);
    let commands = [observed.sent("find"), observed.sent("getMore")].concat();
    // The last batch is empty.
    assert_eq!(commands.len(), 4);
    for command in commands {
        assert_eq!(command.get_document("lsid").unwrap(), session.id());
    }
}

fn options_of_a_cursor_command_are_those_of_its_later_batches<F: Api>() {
    let observed = observed::<F>();
    let database = with_ten(&observed);
    let options = RunCursorCommandOptions::builder()
        .batch_size(7)
        .comment(Bson::from(doc! { "later": true }))
        .selection_criteria(SelectionCriteria::from(ReadPreference::nearest(None)))
        .build();
    let cursor = F::end(database.run_cursor_command(find()).with_options(options)).unwrap();
    assert_eq!(F::collect(cursor).unwrap().len(), 10);
    let first = &observed.sent("find")[0];
    assert_eq!(first.get_i32("batchSize").unwrap(), 4);
    assert!(!first.contains_key("maxTimeMS") && !first.contains_key("comment"), "{first}");
    let later = &observed.sent("getMore")[0];
    assert_eq!(later.get_i64("batchSize").unwrap(), 7);
    assert_eq!(later.get_document("comment").unwrap(), &doc! { "later": true });
}

fn command_without_a_cursor_is_an_error<F: Api>() {
    let operation = F::fresh_database();
    let operation = operation.run_cursor_command(doc! { "ping": 1 });
    let error = F::end(operation).map(drop).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::InvalidResponse { .. }), "{error:?}");
    assert!(error.to_string().contains("run_cursor_command on "), "{error}");
    assert!(error.host().is_some());
}

fn cursor_command_that_fails_is_an_error_of_the_server<F: Api>() {
    let database = F::fresh_database();
    let error = F::end(database.run_cursor_command(doc! { "nosuch": 1 })).map(drop).unwrap_err();
    assert_eq!(error.code_name(), Some("CommandNotFound"), "{error}");
}

fn cursor_command_keeps_to_its_timeout<F: Api>() {
    let observed = observed::<F>();
    let database = with_ten(&observed);
    let server = shared_standalone().unwrap();
    let _turn = turn_for_faults();
    let _held = server.fail_point(held_once(&observed.name, "find", 800)).unwrap();
    let operation = database.run_cursor_command(find()).timeout(Duration::from_millis(200));
    let error = F::end(operation).map(drop).unwrap_err();
    assert!(error.is_timeout(), "{error}");
}

fn unusable_cursor_commands_are_refused<F: Api>() {
    let observed = observed::<F>();
    let database = observed.database();
    let error = F::end(database.run_cursor_command(doc! {})).map(drop).unwrap_err();
    assert!(invalid(&error).contains("empty"), "{error}");
    let error = F::end(database.run_cursor_command(doc! { "a\0b": 1 })).map(drop).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::BsonSerialization(_)), "{error:?}");
    let second = Duration::from_secs(1);
    let both = database.run_cursor_command(find()).timeout(second).max_time(second);
    let error = F::end(both).map(drop).unwrap_err();
    assert!(invalid(&error).contains("max_time"), "{error}");
    assert!(observed.names().is_empty());
}

fn tailable_cursor_of_a_command_awaits_documents<F: Api>() {
    let observed = observed::<F>();
    let database = observed.database();
    let create = doc! { "create": "log", "capped": true, "size": 65536 };
    F::end(database.run_command(create)).unwrap();
    let log = database.collection::<Document>("log");
    F::end(log.insert_one(doc! { "x": 0 })).unwrap();
    let command = doc! { "find": "log", "tailable": true, "awaitData": true };
    let tail = database
        .run_cursor_command(command)
        .cursor_type(CursorType::TailableAwait)
        .max_time(Duration::from_millis(50))
        .timeout(Duration::from_secs(30));
    let mut cursor = F::end(tail).unwrap();
    assert_eq!(numbers(&[F::next(&mut cursor).unwrap().unwrap()]), [0]);
    F::end(log.insert_one(doc! { "x": 1 })).unwrap();
    assert_eq!(numbers(&[F::next(&mut cursor).unwrap().unwrap()]), [1]);
    assert_eq!(observed.sent("getMore")[0].get_i64("maxTimeMS").unwrap(), 50);
}

#[test]
fn dropped_cursor_command_leaves_nothing_behind() {
    let observed = observed::<Async>();
    let database = with_ten(&observed);
    let server = shared_standalone().unwrap();
    let _turn = turn_for_faults();
    let _held = server.fail_point(held_once(&observed.name, "find", 300)).unwrap();
    drop_in_flight(database.run_cursor_command(find()), || !observed.sent("find").is_empty());
    check_nothing_stays(&observed);
}
