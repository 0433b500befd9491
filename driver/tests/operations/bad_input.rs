//! Invalid input is refused before server selection, so the error names no host.

use driver::bson::{Bson, Document, RawDocumentBuf, doc, rawdoc};
use driver::collection::Collection;
use driver::error::ErrorKind;
use driver::options::ClientOptions;
use driver::{Error, Result};

use crate::api::{Api, on_both_apis};

on_both_apis! {
    replacement_with_operators_is_refused
    replacement_that_is_no_document_is_refused
    update_without_operators_is_refused
    whole_document_is_no_operator
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
