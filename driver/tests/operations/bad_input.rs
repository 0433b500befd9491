//! Invalid input is refused before server selection, so the error names no host.
//!
//! More bad input is tested with its family: documents that are too large and models by their
//! position in `bulk_write.rs`, `client_bulk_write.rs` and `crud.rs`; names and times of
//! collections in `collections.rs`; keys and options of indexes in `indexes.rs`; commands in
//! `run_cursor_command.rs`; timeouts and their modes in `timeouts.rs`; options that contradict each
//! other in `find_and_modify.rs`, `client_bulk_write.rs` and `crud.rs`.

use driver::bson::{Bson, Document, RawDocumentBuf, doc, rawdoc};
use driver::collection::Collection;
use driver::error::ErrorKind;
use driver::options::{ClientOptions, WriteConcern, WriteModel};
use driver::{Error, Result};

use crate::api::{Api, on_both_apis};

on_both_apis! {
    replacement_with_operators_is_refused
    replacement_that_is_no_document_is_refused
    update_without_operators_is_refused
    whole_document_is_no_operator
    names_that_are_empty_or_hold_a_nul_are_refused
    lists_without_items_are_refused
}

/// A collection of a deployment that does not exist.
fn nowhere<T: Send + Sync, F: Api>() -> Collection<T, F> {
    let uri = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=50";
    F::open(ClientOptions::parse(uri).run().unwrap()).unwrap().database("nowhere").collection("c")
}

#[track_caller]
fn refused<T>(outcome: Result<T>) -> String {
    let error: Error = outcome.err().expect("the input is refused");
    assert!(matches!(error.kind(), ErrorKind::InvalidArgument { .. }), "{error}");
    assert_eq!(error.host(), None, "{error}");
    error.to_string()
}

fn replacement_with_operators_is_refused<F: Api>() {
    let replacement = doc! { "$set": { "a": 1 } };
    let error = refused(F::end(nowhere::<Document, F>().replace_one(doc! {}, &replacement)));
    assert!(error.contains("\"$set\"") && error.contains("update_one"), "{error}");
    let raw = rawdoc! { "$set": { "a": 1 } };
    refused(F::end(nowhere::<RawDocumentBuf, F>().replace_one(doc! {}, &raw)));
    refused(F::end(nowhere::<Bson, F>().replace_one(doc! {}, Bson::Document(replacement))));
}

fn replacement_that_is_no_document_is_refused<F: Api>() {
    for replacement in [Bson::Int32(1), Bson::Null, Bson::Array(vec![])] {
        let error = refused(F::end(nowhere::<Bson, F>().replace_one(doc! {}, replacement)));
        assert!(error.contains("not a document"), "{error}");
    }
}

fn update_without_operators_is_refused<F: Api>() {
    let collection = nowhere::<Document, F>();
    for update in [doc! { "a": 1 }, doc! { "$set": { "a": 1 }, "b": 1 }, doc! {}] {
        refused(F::end(collection.update_one(doc! {}, update.clone())));
        refused(F::end(collection.update_many(doc! {}, update)));
    }
    refused(F::end(collection.update_one(doc! {}, Vec::<Document>::new())));
}

fn whole_document_is_no_operator<F: Api>() {
    for replacement in [doc! {}, doc! { "a": { "$set": 1 } }] {
        let outcome = F::end(nowhere::<Document, F>().replace_one(doc! {}, replacement));
        let error = outcome.expect_err("there is no server");
        assert!(matches!(error.kind(), ErrorKind::ServerSelection { .. }), "{error}");
    }
}

fn names_that_are_empty_or_hold_a_nul_are_refused<F: Api>() {
    let client = nowhere::<Document, F>().client().clone();
    for (name, says) in [("", "is empty"), ("a\0b", "holds a NUL at byte 1")] {
        let check = |outcome: Result<()>, what: &str| {
            let error = refused(outcome);
            assert!(error.contains(what) && error.contains(says), "{error}");
        };
        let coll = client.database("db").collection::<Document>(name);
        let what = "the name of the collection";
        check(F::end(coll.find(doc! {})).map(drop), what);
        check(F::end(coll.find_one(doc! {})).map(drop), what);
        check(F::end(coll.insert_one(doc! {})).map(drop), what);
        check(F::end(coll.insert_many([doc! {}])).map(drop), what);
        check(F::end(coll.bulk_write([coll.delete_one_model(doc! {})])).map(drop), what);
        check(F::end(coll.list_indexes()).map(drop), what);
        check(F::end(coll.list_index_names()).map(drop), what);
        check(F::end(coll.find(doc! {}).explain()).map(drop), what);
        check(F::end(coll.watch()).map(drop), what);
        check(F::end(coll.drop()), what);
        let unacknowledged = WriteConcern::nodes(0);
        check(F::end(coll.insert_one(doc! {}).write_concern(unacknowledged)).map(drop), what);
        let database = client.database(name);
        let what = "the name of the database";
        check(F::end(database.collection::<Document>("c").find_one(doc! {})).map(drop), what);
        check(F::end(database.run_command(doc! { "ping": 1 })).map(drop), what);
        check(F::end(database.list_collection_names()).map(drop), what);
        check(F::end(database.drop()), what);
        check(F::end(database.gridfs_bucket(None).drop()), what);
    }
}

fn lists_without_items_are_refused<F: Api>() {
    let coll = nowhere::<Document, F>();
    let (client, database) = (coll.client().clone(), coll.database().clone());
    refused(F::end(coll.insert_many(Vec::<Document>::new())));
    refused(F::end(coll.bulk_write(Vec::<WriteModel>::new())));
    refused(F::end(client.bulk_write(Vec::<WriteModel>::new())));
    refused(F::end(coll.create_indexes([])));
    refused(F::end(database.aggregate([])));
    refused(F::end(coll.find_one_and_update(doc! {}, Vec::<Document>::new())));
    refused(F::end(coll.find_one_and_update(doc! {}, doc! {})));
}
