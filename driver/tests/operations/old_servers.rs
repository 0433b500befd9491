//! Options and operations that a real server is too old for are refused before anything is sent.
//!
//! `TESTBED_MONGODB` chooses the server. On 4.4.2 every case holds; newer servers have some of the
//! features. `tests/replies/versions.rs` has the options that even 4.4 knows.

use driver::bson::{Document, doc};
use driver::error::ErrorKind;
use driver::options::{SessionOptions, UpdateModifications};
use driver::{Error, Result};
use testbed::{Version, shared_replica_set};

use crate::api::{Api, on_both_apis};
use crate::observed::Observed;

on_both_apis! {
    snapshot_reads_need_a_newer_server
    bulk_write_of_a_client_needs_a_newer_server
    options_of_newer_servers_are_passed_on
}

fn version() -> Version {
    shared_replica_set().unwrap().version()
}

/// The version in the message tells what to upgrade to.
#[track_caller]
fn incompatible<T>(outcome: Result<T>, needed: &str) {
    let error: Error = outcome.err().expect("the server is too old");
    assert!(matches!(error.kind(), ErrorKind::IncompatibleServer { .. }), "{error:?}");
    assert!(error.to_string().contains(needed), "{error}");
}

fn snapshot_reads_need_a_newer_server<F: Api>() {
    if version() >= Version::new(5, 0, 0) {
        return;
    }
    let observed = Observed::<F>::of(&shared_replica_set().unwrap().uri());
    let coll = observed.database().collection::<Document>("c");
    let options = SessionOptions::builder().snapshot(true).build();
    let mut session = F::session_with(&observed.client, options).unwrap();
    incompatible(F::end(coll.find(doc! {}).session(&mut session)), "5.0");
    incompatible(F::end(coll.find_one(doc! {}).session(&mut session)), "5.0");
    incompatible(F::end(coll.aggregate([doc! { "$match": {} }]).session(&mut session)), "5.0");
    incompatible(F::end(coll.count_documents(doc! {}).session(&mut session)), "5.0");
    incompatible(F::end(coll.distinct("a", doc! {}).session(&mut session)), "5.0");
    assert!(observed.names().is_empty(), "nothing is sent: {:?}", observed.names());
}

fn bulk_write_of_a_client_needs_a_newer_server<F: Api>() {
    if version() >= Version::new(8, 0, 0) {
        return;
    }
    let observed = Observed::<F>::of(&shared_replica_set().unwrap().uri());
    let coll = observed.database().collection::<Document>("c");
    let model = || coll.insert_one_model(doc! {}).unwrap();
    incompatible(F::end(observed.client.bulk_write([model()])), "8.0");
    incompatible(F::end(observed.client.bulk_write([model()]).verbose_results()), "8.0");
    assert!(observed.names().is_empty(), "nothing is sent: {:?}", observed.names());
    // The one of a collection works on every server.
    assert_eq!(F::end(coll.bulk_write([model()])).unwrap().inserted_count, 1);
}

/// The server itself refuses by name what it does not know, so nothing is lost in silence.
fn options_of_newer_servers_are_passed_on<F: Api>() {
    let observed = Observed::<F>::of(&shared_replica_set().unwrap().uri());
    let coll = observed.database().collection::<Document>("c");
    let set = || UpdateModifications::Document(doc! { "$set": { "a": 1 } });
    #[track_caller]
    fn unknown<T>(outcome: Result<T>, option: &str) {
        let error = outcome.err().expect("the server does not know the option");
        assert!(error.code().is_some() && error.to_string().contains(option), "{error:?}");
    }
    if version() < Version::new(5, 0, 0) {
        unknown(F::end(coll.find(doc! {}).let_vars(doc! { "a": 1 })), "let");
        unknown(F::end(coll.update_one(doc! {}, set()).let_vars(doc! { "a": 1 })), "let");
        unknown(F::end(coll.delete_one(doc! {}).let_vars(doc! { "a": 1 })), "let");
    }
    if version() < Version::new(8, 0, 0) {
        unknown(F::end(coll.update_one(doc! {}, set()).sort(doc! { "a": 1 })), "sort");
        unknown(F::end(coll.replace_one(doc! {}, doc! {}).sort(doc! { "a": 1 })), "sort");
    }
}
