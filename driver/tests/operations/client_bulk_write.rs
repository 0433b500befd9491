//! `bulk_write` on a client, with servers before 8.0.

use driver::bson::{Document, doc};
use driver::error::ErrorKind;
use driver::options::{InsertOneModel, UpdateOneModel, WriteConcern, WriteModel};
use testbed::{shared_replica_set, shared_standalone};

use crate::api::{Api, on_both_apis};
use crate::observed::{Observed, invalid};

on_both_apis! {
    servers_before_8_0_are_refused_before_anything_is_sent
    unusable_models_of_a_client_are_refused
    unacknowledged_bulk_write_refuses_order_and_verbose_results
}

fn servers_before_8_0_are_refused_before_anything_is_sent<F: Api>() {
    for uri in [shared_standalone().unwrap().uri(), shared_replica_set().unwrap().uri()] {
        let observed = Observed::<F>::of(&uri);
        let coll = observed.database().collection::<Document>("c");
        let models = [coll.insert_one_model(doc! { "_id": 1 }).unwrap()];
        let error = F::end(observed.client.bulk_write(models.clone())).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::IncompatibleServer { .. }), "{error:?}");
        assert!(error.to_string().contains("8.0"), "{error}");
        let mut session = F::start_session(&observed.client);
        let verbose = observed.client.bulk_write(models).verbose_results().session(&mut session);
        let error = F::end(verbose).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::IncompatibleServer { .. }), "{error:?}");
        assert!(observed.names().is_empty());
    }
}

fn unusable_models_of_a_client_are_refused<F: Api>() {
    let observed = Observed::<F>::of(&shared_standalone().unwrap().uri());
    let coll = observed.database().collection::<Document>("c");
    let good = || WriteModel::from(coll.insert_one_model(doc! {}).unwrap());
    let unusable: [(WriteModel, &str); 3] = [
        (InsertOneModel::new(doc! {}).into(), "namespace"),
        (coll.update_one_model(doc! {}, doc! { "x": 1 }).into(), "operators"),
        (coll.replace_one_model(doc! {}, doc! { "$set": 1 }).unwrap().into(), "$set"),
    ];
    for (model, part) in unusable {
        let error = F::end(observed.client.bulk_write([good(), model])).unwrap_err();
        let words = invalid(&error);
        assert!(words.contains("model 1: ") && words.contains(part), "{words}");
    }
    let none: [UpdateOneModel; 0] = [];
    assert!(invalid(&F::end(observed.client.bulk_write(none)).unwrap_err()).contains("no models"));
    assert!(observed.names().is_empty());
}

fn unacknowledged_bulk_write_refuses_order_and_verbose_results<F: Api>() {
    let observed = Observed::<F>::of(&shared_standalone().unwrap().uri());
    let coll = observed.database().collection::<Document>("c");
    let models = || [coll.insert_one_model(doc! {}).unwrap()];
    let unacknowledged = || WriteConcern::nodes(0);
    let ordered = observed.client.bulk_write(models()).write_concern(unacknowledged());
    let words = invalid(&F::end(ordered).unwrap_err());
    assert!(words.contains("unacknowledged write concern and ordered writes"), "{words}");
    let verbose =
        observed.client.bulk_write(models()).write_concern(unacknowledged()).ordered(false);
    let words = invalid(&F::end(verbose.verbose_results()).unwrap_err());
    assert!(words.contains("unacknowledged write concern and verbose results"), "{words}");
}
