//! `bulk_write` on a collection.

mod losses;

use driver::bson::{Binary, Bson, Document, doc, spec::BinarySubtype};
use driver::collection::Collection;
use driver::error::{BulkWriteError, ErrorKind, PartialBulkWriteResult};
use driver::options::{
    Collation, CollectionBulkWriteOptions, CollectionOptions, DeleteManyModel, DeleteOneModel,
    Hint, InsertOneModel, ReplaceOneModel, UpdateManyModel, UpdateOneModel, WriteConcern,
    WriteModel,
};
use driver::results::BulkWriteResult;
use driver::{Blocking, Error, Namespace};
use testbed::{shared_replica_set, shared_standalone};

use crate::api::{Api, on_both_apis};
use crate::observed::{Observed, invalid};

on_both_apis! {
    bulk_write_tells_ids_and_counts
    adjacent_models_of_one_kind_travel_in_one_command
    unordered_bulk_write_brings_models_of_one_kind_together
    ordered_bulk_write_ends_at_the_first_refused_model
    unordered_bulk_write_tries_all_models
    options_of_models_and_of_the_bulk_write_are_sent
    large_bulk_write_is_split_by_size
    bulk_write_runs_in_its_session
    unacknowledged_bulk_write_is_done
    unusable_models_are_refused_before_anything_is_sent
    too_large_model_is_named_by_its_position
}

fn standalone<F: Api>() -> Observed<F> {
    Observed::of(&shared_standalone().unwrap().uri())
}

fn replica_set<F: Api>() -> Observed<F> {
    Observed::of(&shared_replica_set().unwrap().uri())
}

fn insert(id: i32) -> WriteModel {
    InsertOneModel::new(doc! { "_id": id }).into()
}

fn increment(id: i32) -> WriteModel {
    UpdateOneModel::new(doc! { "_id": id }, doc! { "$inc": { "n": 1 } }).into()
}

fn increment_all() -> WriteModel {
    UpdateManyModel::new(doc! {}, doc! { "$inc": { "n": 1 } }).into()
}

fn delete(id: i32) -> WriteModel {
    DeleteOneModel::new(doc! { "_id": id }).into()
}

fn documents<F: Api>(coll: &Collection<Document, F>) -> Vec<Document> {
    F::collect(F::end(coll.find(doc! {}).sort(doc! { "_id": 1 })).unwrap()).unwrap()
}

fn failed(error: &Error) -> &BulkWriteError {
    match error.kind() {
        ErrorKind::BulkWrite(failed) => failed,
        _ => panic!("{error:?}"),
    }
}

fn done(error: &Error) -> &BulkWriteResult {
    match &failed(error).partial_result {
        Some(PartialBulkWriteResult::Collection(done)) => done,
        other => panic!("{other:?}"),
    }
}

/// The indexes of the refused models.
fn refused(error: &Error) -> Vec<usize> {
    let mut positions: Vec<usize> = failed(error).write_errors.keys().copied().collect();
    positions.sort_unstable();
    positions
}

fn bulk_write_tells_ids_and_counts<F: Api>() {
    let coll = F::fresh_database().collection::<Document>("c");
    F::end(coll.insert_many((0..4).map(|id| doc! { "_id": id }))).unwrap();
    let models: Vec<WriteModel> = vec![
        coll.insert_one_model(doc! { "x": 1 }).unwrap().into(),
        insert(7),
        increment(0),
        coll.update_many_model(doc! { "_id": { "$lt": 2 } }, vec![doc! { "$set": { "y": 1 } }])
            .into(),
        coll.update_one_model(doc! { "_id": 100 }, doc! { "$set": { "y": 1 } }).upsert(true).into(),
        coll.replace_one_model(doc! { "_id": 200 }, doc! { "z": 1 }).unwrap().upsert(true).into(),
        coll.replace_one_model(doc! { "_id": 3 }, doc! { "_id": 3 }).unwrap().into(),
        coll.delete_one_model(doc! { "_id": 3 }).into(),
        coll.delete_many_model(doc! { "y": 1 }).into(),
    ];
    let result = F::end(coll.bulk_write(models)).unwrap();
    assert_eq!(result.inserted_count, 2);
    assert_eq!(result.inserted_ids.len(), 2);
    assert!(matches!(result.inserted_ids[&0], Bson::ObjectId(_)));
    assert_eq!(result.inserted_ids[&1], Bson::Int32(7));
    // The last replacement modifies nothing.
    assert_eq!((result.matched_count, result.modified_count), (4, 3));
    assert_eq!(result.upserted_count, 2);
    let upserted = [(4, Bson::Int32(100)), (5, Bson::Int32(200))];
    assert_eq!(result.upserted_ids, upserted.into_iter().collect());
    assert_eq!(result.deleted_count, 4);
    let left: Vec<Bson> =
        documents(&coll).iter().map(|found| found.get("_id").unwrap().clone()).collect();
    let expected = [2.into(), 7.into(), 200.into(), result.inserted_ids[&0].clone()];
    assert_eq!(left, expected);
}

fn adjacent_models_of_one_kind_travel_in_one_command<F: Api>() {
    let observed = standalone::<F>();
    let coll = observed.database().collection::<Document>("c");
    let models = [insert(0), insert(1), increment(0), increment_all(), delete(0), insert(2)];
    F::end(coll.bulk_write(models)).unwrap();
    assert_eq!(observed.names(), ["insert", "update", "delete", "insert"]);
}

fn unordered_bulk_write_brings_models_of_one_kind_together<F: Api>() {
    let observed = standalone::<F>();
    let coll = observed.database().collection::<Document>("c");
    let models = [delete(9), insert(0), increment(8), insert(1), delete(7), increment(0)];
    let result = F::end(coll.bulk_write(models).ordered(false)).unwrap();
    assert_eq!(observed.names(), ["insert", "update", "delete"]);
    let ids = [(1, Bson::Int32(0)), (3, Bson::Int32(1))];
    assert_eq!(result.inserted_ids, ids.into_iter().collect());
    assert_eq!(result.matched_count, 1);
}

fn ordered_bulk_write_ends_at_the_first_refused_model<F: Api>() {
    let coll = F::fresh_database().collection::<Document>("c");
    let models = [insert(0), increment(0), insert(1), insert(0), insert(2), delete(0)];
    let error = F::end(coll.bulk_write(models)).unwrap_err();
    assert_eq!(refused(&error), [3]);
    assert_eq!(failed(&error).write_errors[&3].code, 11000);
    assert!(error.is_duplicate_key() && error.code() == Some(11000));
    let done = done(&error);
    let ids = [(0, Bson::Int32(0)), (2, Bson::Int32(1))];
    assert_eq!(done.inserted_ids, ids.into_iter().collect());
    assert_eq!((done.inserted_count, done.modified_count), (2, 1));
    assert_eq!(failed(&error).unprocessed, [4, 5]);
    assert!(failed(&error).unconfirmed.is_empty());
    assert!(error.to_string().contains("model 3"), "{error}");
    assert!(error.to_string().contains("bulk_write on "), "{error}");
    assert_eq!(documents(&coll), [doc! { "_id": 0, "n": 1 }, doc! { "_id": 1 }]);
}

fn unordered_bulk_write_tries_all_models<F: Api>() {
    let coll = F::fresh_database().collection::<Document>("c");
    let unknown = UpdateOneModel::new(doc! {}, doc! { "$nosuch": { "x": 1 } });
    let models =
        [delete(0), insert(0), unknown.into(), insert(0), increment(0), insert(1), delete(1)];
    let error = F::end(coll.bulk_write(models).ordered(false)).unwrap_err();
    assert_eq!(refused(&error), [2, 3]);
    assert!(!error.is_duplicate_key());
    assert_eq!(failed(&error).write_errors[&3].code, 11000);
    let done = done(&error);
    let ids = [(1, Bson::Int32(0)), (5, Bson::Int32(1))];
    assert_eq!(done.inserted_ids, ids.into_iter().collect());
    assert_eq!((done.modified_count, done.deleted_count), (1, 2));
    assert!(failed(&error).unprocessed.is_empty() && failed(&error).unconfirmed.is_empty());
}

fn options_of_models_and_of_the_bulk_write_are_sent<F: Api>() {
    let observed = standalone::<F>();
    let coll = observed.database().collection::<Document>("c");
    let namespace = Namespace::new(&observed.name, "c");
    let collation = Collation::locale("en");
    let models: [WriteModel; 6] = [
        InsertOneModel::builder().namespace(namespace).document(doc! { "_id": 0 }).build().into(),
        UpdateOneModel::builder()
            .filter(doc! { "_id": 0 })
            .update(doc! { "$set": { "a.$[i]": 1 } })
            .array_filters(vec![doc! { "i": 0 }])
            .collation(collation.clone())
            .build()
            .into(),
        UpdateManyModel::builder()
            .update(doc! { "$set": { "b": 1 } })
            .filter(doc! { "_id": 5 })
            .hint(Hint::Keys(doc! { "_id": 1 }))
            .upsert(true)
            .build()
            .into(),
        ReplaceOneModel::new(doc! { "_id": 9 }, doc! {}).hint(Hint::Name("_id_".into())).into(),
        DeleteOneModel::new(doc! { "_id": 9 }).collation(collation).into(),
        DeleteManyModel::new(doc! { "_id": 9 }).hint(Hint::Name("_id_".into())).into(),
    ];
    let options = CollectionBulkWriteOptions::builder()
        .bypass_document_validation(true)
        .comment(Bson::from("bulk"))
        .ordered(false)
        .write_concern(WriteConcern::builder().journal(true).build())
        .build();
    // An array filter needs an array.
    let error = F::end(coll.bulk_write(models).with_options(options)).unwrap_err();
    assert_eq!(refused(&error), [1]);
    let sent = ["insert", "update", "delete"].map(|name| observed.sent(name).remove(0));
    for command in &sent {
        assert_eq!(command.get_str("comment").unwrap(), "bulk");
        assert!(!command.get_bool("ordered").unwrap());
        assert_eq!(command.get_document("writeConcern").unwrap(), &doc! { "j": true });
    }
    let [insert, update, delete] = sent;
    assert!(insert.get_bool("bypassDocumentValidation").unwrap());
    assert!(update.get_bool("bypassDocumentValidation").unwrap());
    assert!(!delete.contains_key("bypassDocumentValidation"));
    let english = doc! { "locale": "en" };
    assert_eq!(
        update.get_array("updates").unwrap(),
        &[
            doc! {
                "q": { "_id": 0 }, "u": { "$set": { "a.$[i]": 1 } }, "arrayFilters": [{ "i": 0 }],
                "collation": &english,
            },
            doc! {
                "q": { "_id": 5 }, "u": { "$set": { "b": 1 } }, "multi": true, "upsert": true,
                "hint": { "_id": 1 },
            },
            doc! { "q": { "_id": 9 }, "u": {}, "hint": "_id_" },
        ]
        .map(Bson::Document)
    );
    assert_eq!(
        delete.get_array("deletes").unwrap(),
        &[
            doc! { "q": { "_id": 9 }, "limit": 1, "collation": english },
            doc! { "q": { "_id": 9 }, "limit": 0, "hint": "_id_" },
        ]
        .map(Bson::Document)
    );
}

fn megabytes(n: usize) -> Bson {
    let bytes = vec![7; n * 1024 * 1024];
    Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes })
}

fn large_bulk_write_is_split_by_size<F: Api>() {
    let observed = standalone::<F>();
    let coll = observed.database().collection::<Document>("c");
    let models = (0..4).map(|id| InsertOneModel::new(doc! { "_id": id, "x": megabytes(13) }));
    let result = F::end(coll.bulk_write(models)).unwrap();
    assert_eq!((result.inserted_count, result.inserted_ids.len()), (4, 4));
    assert_eq!(observed.names(), ["insert", "insert"]);
    F::end(coll.drop()).unwrap();
}

#[test]
fn long_bulk_write_is_split_by_number() {
    let observed = standalone::<Blocking>();
    let coll = observed.database().collection::<Document>("c");
    coll.insert_one(doc! { "_id": 100_000 }).run().unwrap();
    observed.forget();
    let error = coll.bulk_write((0..100_001).map(insert)).ordered(false).run().unwrap_err();
    assert_eq!(observed.names(), ["insert", "insert"]);
    assert_eq!(refused(&error), [100_000]);
    assert_eq!(done(&error).inserted_count, 100_000);
    coll.drop().run().unwrap();
}

fn bulk_write_runs_in_its_session<F: Api>() {
    let observed = standalone::<F>();
    let coll = observed.database().collection::<Document>("c");
    let mut session = F::start_session(&observed.client);
    let models = [insert(0), increment(0), delete(0)];
    F::end(coll.bulk_write(models).session(&mut session)).unwrap();
    for name in ["insert", "update", "delete"] {
        assert_eq!(observed.sent(name)[0].get_document("lsid").unwrap(), session.id());
    }
}

fn unacknowledged_bulk_write_is_done<F: Api>() {
    let observed =
        Observed::<F>::with(&shared_standalone().unwrap().uri(), |o| o.max_pool_size = Some(1));
    let options = CollectionOptions::builder().write_concern(WriteConcern::nodes(0)).build();
    let coll = observed.database().collection_with_options::<Document>("c", options);
    let models = [insert(0), insert(0), insert(1), increment(1), delete(0)];
    let result = F::end(coll.bulk_write(models).ordered(false)).unwrap();
    assert_eq!((result.inserted_count, result.matched_count, result.deleted_count), (0, 0, 0));
    // On the same connection, after the writes.
    assert_eq!(documents(&coll), [doc! { "_id": 1, "n": 1 }]);
    let mut session = F::start_session(&observed.client);
    let error = F::end(coll.bulk_write([insert(5)]).session(&mut session)).unwrap_err();
    assert!(invalid(&error).contains("w: 0"), "{error}");
}

fn unusable_models_are_refused_before_anything_is_sent<F: Api>() {
    let observed = standalone::<F>();
    let coll = observed.database().collection::<Document>("c");
    let unusable: [(WriteModel, &str); 6] = [
        (UpdateOneModel::new(doc! {}, doc! {}).into(), "is empty"),
        (UpdateOneModel::new(doc! {}, doc! { "x": 1 }).into(), "\"x\""),
        (UpdateManyModel::new(doc! {}, doc! { "x": 1 }).into(), "operators"),
        (UpdateManyModel::new(doc! {}, Vec::<Document>::new()).into(), "stages"),
        (ReplaceOneModel::new(doc! {}, doc! { "$set": { "x": 1 } }).into(), "\"$set\""),
        (insert(1), "other.c"),
    ];
    for (model, part) in unusable {
        let model = match model {
            WriteModel::InsertOne(model) => model.namespace(Namespace::new("other", "c")).into(),
            model => model,
        };
        let error = F::end(coll.bulk_write([insert(0), model])).unwrap_err();
        let words = invalid(&error);
        assert!(words.contains("model 1: ") && words.contains(part), "{words}");
    }
    let raw = coll.replace_one_model(doc! {}, doc! { "$set": { "x": 1 } }).unwrap();
    assert!(invalid(&F::end(coll.bulk_write([raw])).unwrap_err()).contains("model 0: "));
    let none: [WriteModel; 0] = [];
    assert!(invalid(&F::end(coll.bulk_write(none)).unwrap_err()).contains("no models"));
    assert!(observed.names().is_empty());
}

fn too_large_model_is_named_by_its_position<F: Api>() {
    let coll = F::fresh_database().collection::<Document>("c");
    let large: [WriteModel; 3] = [
        InsertOneModel::new(doc! { "x": megabytes(17) }).into(),
        ReplaceOneModel::new(doc! {}, doc! { "x": megabytes(17) }).into(),
        DeleteOneModel::new(doc! { "x": megabytes(17) }).into(),
    ];
    for (id, model) in (0..).zip(large) {
        let is_insert = matches!(model, WriteModel::InsertOne(_));
        let error = F::end(coll.bulk_write([insert(id), model, insert(-1)])).unwrap_err();
        assert!(error.to_string().contains("model 1: "), "{error}");
        if is_insert {
            // It is in the same command as the first.
            assert!(invalid(&error).contains("maxBsonObjectSize"), "{error}");
            assert!(documents(&coll).is_empty());
        } else {
            assert_eq!(done(&error).inserted_ids, [(0, Bson::Int32(id))].into_iter().collect());
            assert_eq!(failed(&error).unprocessed, [1, 2]);
        }
    }
    let unwritable = InsertOneModel::new(doc! { "a\0b": 1 });
    let error = F::end(coll.bulk_write([insert(9), unwritable.into()])).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::BsonSerialization(_)), "{error:?}");
    assert!(error.to_string().contains("model 1: "), "{error}");
}
