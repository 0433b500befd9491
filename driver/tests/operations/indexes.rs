//! Indexes: created, listed, dropped.

use std::time::Duration;

use driver::IndexModel;
use driver::bson::{Document, doc};
use driver::collection::Collection;
use driver::cursor::RawBatch;
use driver::error::{ErrorKind, WriteFailure};
use driver::options::{
    Collation, CommitQuorum, IndexOptions, IndexVersion, Sphere2DIndexVersion, TextIndexVersion,
    WriteConcern,
};
use testbed::{shared_replica_set, shared_standalone};

use crate::api::{Api, on_both_apis};
use crate::observed::{Observed, invalid, turn_for_faults};
use crate::reads::Reads;

on_both_apis! {
    indexes_are_created_listed_and_dropped
    every_kind_of_index_comes_back
    index_lists_span_batches
    index_lists_come_in_whole_batches
    lists_of_names_keep_to_one_timeout
    missing_collection_has_no_indexes
    create_index_sends_its_options
    index_operations_refuse_bad_input_unsent
    index_operations_report_write_concern_errors
    index_operations_report_refusals
    index_operations_run_in_a_session
    foreign_indexes_are_listed
}

fn model(keys: Document) -> IndexModel {
    IndexModel::builder().keys(keys).build()
}

fn with(keys: Document, options: IndexOptions) -> IndexModel {
    IndexModel::builder().keys(keys).options(options).build()
}

fn names<F: Api>(coll: &Collection<Document, F>) -> Vec<String> {
    F::end(coll.list_index_names()).unwrap()
}

fn indexes_are_created_listed_and_dropped<F: Api>() {
    let coll = F::fresh_database().collection::<Document>("c");
    let created = F::end(coll.create_index(model(doc! { "a": 1, "b": -1 }))).unwrap();
    assert_eq!(created.index_name, "a_1_b_-1");
    let named = IndexOptions::builder().name("by_c".to_owned()).unique(true).build();
    let created =
        F::end(coll.create_indexes([model(doc! { "b": 1 }), with(doc! { "c": 1 }, named)]));
    assert_eq!(created.unwrap().index_names, ["b_1", "by_c"]);
    assert_eq!(names(&coll), ["_id_", "a_1_b_-1", "b_1", "by_c"]);
    let listed = F::collect(F::end(coll.list_indexes()).unwrap()).unwrap();
    assert_eq!(listed[1].keys, doc! { "a": 1, "b": -1 });
    let options = listed[3].options.as_ref().unwrap();
    assert_eq!((options.unique, options.version), (Some(true), Some(IndexVersion::V2)));
    let again = F::end(coll.create_index(model(doc! { "a": 1, "b": -1 }))).unwrap();
    assert_eq!(again.index_name, "a_1_b_-1", "one that exists is created again without harm");

    F::end(coll.insert_one(doc! { "c": 1 })).unwrap();
    assert!(F::end(coll.insert_one(doc! { "c": 1 })).unwrap_err().is_duplicate_key());
    F::end(coll.drop_index("by_c")).unwrap();
    F::end(coll.insert_one(doc! { "c": 1 })).unwrap();
    F::end(coll.drop_indexes()).unwrap();
    assert_eq!(names(&coll), ["_id_"]);
}

fn every_kind_of_index_comes_back<F: Api>() {
    let coll = F::fresh_database().collection::<Document>("c");
    let options = IndexOptions::builder;
    let models = [
        with(
            doc! { "text": "text", "title": "text" },
            options()
                .default_language("french".to_owned())
                .language_override("lang".to_owned())
                .text_index_version(TextIndexVersion::V3)
                .weights(doc! { "text": 1, "title": 5 })
                .build(),
        ),
        with(
            doc! { "place": "2dsphere" },
            options().sphere_2d_index_version(Sphere2DIndexVersion::V3).build(),
        ),
        with(doc! { "flat": "2d" }, options().bits(20).min(-90.0).max(90.0).build()),
        with(doc! { "$**": 1 }, options().wildcard_projection(doc! { "a": 1, "_id": 0 }).build()),
        with(doc! { "at": 1 }, options().expire_after(Duration::from_secs(3600)).build()),
        with(
            doc! { "partial": 1 },
            options().partial_filter_expression(doc! { "n": { "$gt": 5_i64 } }).build(),
        ),
        with(doc! { "hidden": 1 }, options().hidden(true).sparse(true).build()),
        with(
            doc! { "word": 1 },
            options().collation(Collation::locale("fr")).version(IndexVersion::V2).build(),
        ),
        with(
            doc! { "engine": 1 },
            options().storage_engine(doc! { "wiredTiger": { "configString": "" } }).build(),
        ),
        with(doc! { "hashed": "hashed" }, options().background(true).build()),
    ];
    let created = F::end(coll.create_indexes(models.clone())).unwrap().index_names;
    assert_eq!(created[0], "text_text_title_text");
    let listed = F::collect(F::end(coll.list_indexes()).unwrap()).unwrap();
    assert_eq!(listed.len(), models.len() + 1);
    for (index, name) in listed[1..].iter().zip(&created) {
        assert_eq!(index.options.as_ref().unwrap().name.as_ref(), Some(name));
    }
    let of = |name: &str| {
        let is =
            |index: &&IndexModel| index.options.as_ref().unwrap().name.as_deref() == Some(name);
        listed.iter().find(is).unwrap().options.clone().unwrap()
    };
    let text = of("text_text_title_text");
    assert_eq!(text.default_language.as_deref(), Some("french"));
    assert_eq!(text.language_override.as_deref(), Some("lang"));
    assert_eq!(text.text_index_version, Some(TextIndexVersion::V3));
    assert_eq!(text.weights, Some(doc! { "text": 1, "title": 5 }));
    assert_eq!(of("place_2dsphere").sphere_2d_index_version, Some(Sphere2DIndexVersion::V3));
    let flat = of("flat_2d");
    assert_eq!((flat.bits, flat.min, flat.max), (Some(20), Some(-90.0), Some(90.0)));
    assert!(of("$**_1").wildcard_projection.is_some());
    assert_eq!(of("at_1").expire_after, Some(Duration::from_secs(3600)));
    assert_eq!(of("partial_1").partial_filter_expression, Some(doc! { "n": { "$gt": 5_i64 } }));
    assert_eq!((of("hidden_1").hidden, of("hidden_1").sparse), (Some(true), Some(true)));
    assert_eq!(of("word_1").collation.unwrap().locale, "fr");
    assert!(of("engine_1").storage_engine.is_some());
}

fn index_lists_span_batches<F: Api>() {
    let observed = Observed::<F>::of(&shared_standalone().unwrap().uri());
    let coll = observed.database().collection::<Document>("c");
    F::end(coll.create_indexes((0..9).map(|i| model(doc! { format!("f{i}"): 1 })))).unwrap();
    let found = F::end(coll.list_indexes().batch_size(4).comment("why")).unwrap();
    assert_eq!(F::collect(found).unwrap().len(), 10);
    let more = observed.sent("getMore");
    assert_eq!(more.len(), 2);
    for command in more {
        assert_eq!(command.get("batchSize").unwrap().as_i64(), Some(4));
        assert_eq!(command.get_str("comment").unwrap(), "why");
    }
    assert_eq!(F::end(coll.list_index_names().batch_size(1)).unwrap().len(), 10);
}

fn missing_collection_has_no_indexes<F: Api>() {
    let database = F::fresh_database();
    let coll = database.collection::<Document>("nowhere");
    assert_eq!(F::collect(F::end(coll.list_indexes()).unwrap()).unwrap(), []);
    assert!(names(&coll).is_empty());
    let mut session = F::start_session(database.client());
    let cursor = F::end(coll.list_indexes().session(&mut session)).unwrap();
    assert_eq!(F::collect_in(cursor, &mut session).unwrap(), []);
    assert_eq!(F::end(coll.drop_index("x")).unwrap_err().code(), Some(26));
}

fn create_index_sends_its_options<F: Api>() {
    let observed = Observed::<F>::of(&shared_replica_set().unwrap().uri());
    let coll = observed.database().collection::<Document>("c");
    let create = coll
        .create_index(model(doc! { "a": 1 }))
        .commit_quorum(CommitQuorum::Majority)
        .max_time(Duration::from_millis(20_000))
        .write_concern(WriteConcern::majority())
        .comment("why");
    F::end(create).unwrap();
    let sent = observed.sent("createIndexes").remove(0);
    assert_eq!(sent.get_str("commitQuorum").unwrap(), "majority");
    assert_eq!(sent.get_i64("maxTimeMS").unwrap(), 20_000);
    assert_eq!(sent.get_document("writeConcern").unwrap(), &doc! { "w": "majority" });
    assert_eq!(sent.get_str("comment").unwrap(), "why");
    let index = sent.get_array("indexes").unwrap()[0].as_document().unwrap();
    assert_eq!(index, &doc! { "key": { "a": 1 }, "name": "a_1" });
    F::end(coll.drop_indexes().comment("gone").max_time(Duration::from_millis(20_000))).unwrap();
    let sent = observed.sent("dropIndexes").remove(0);
    assert_eq!((sent.get_str("index").unwrap(), sent.get_str("comment").unwrap()), ("*", "gone"));
}

fn index_operations_refuse_bad_input_unsent<F: Api>() {
    let observed = Observed::<F>::of(&shared_standalone().unwrap().uri());
    let coll = observed.database().collection::<Document>("c");
    let half = IndexOptions::builder().expire_after(Duration::from_millis(500)).build();
    let refused = [
        (F::end(coll.create_indexes([])).map(drop), "create_indexes on"),
        (F::end(coll.create_index(model(doc! {}))).map(drop), "no keys"),
        (
            F::end(coll.create_indexes([model(doc! { "a": 1 }), with(doc! { "b": 1 }, half)]))
                .map(drop),
            "position 1 is 500ms",
        ),
        (F::end(coll.drop_index("*")), "drop_indexes"),
        (F::end(coll.drop_index("")), "empty"),
    ];
    for (ended, says) in refused {
        let message = invalid(&ended.unwrap_err());
        assert!(message.contains(says), "{message}");
    }
    assert!(observed.names().is_empty(), "nothing is sent");
}

fn index_operations_report_write_concern_errors<F: Api>() {
    let observed = Observed::<F>::of(&shared_replica_set().unwrap().uri());
    let coll = observed.database().collection::<Document>("c");
    let many = || WriteConcern::nodes(9);
    let create = F::end(coll.create_index(model(doc! { "a": 1 })).write_concern(many()));
    assert_eq!(names(&coll), ["_id_", "a_1"], "it was created all the same");
    let several = F::end(coll.create_indexes([model(doc! { "b": 1 })]).write_concern(many()));
    let drop_one = F::end(coll.drop_index("a_1").write_concern(many()));
    let drop_all = F::end(coll.drop_indexes().write_concern(many()));
    assert_eq!(names(&coll), ["_id_"]);
    for ended in [create.map(drop), several.map(drop), drop_one, drop_all] {
        let error = ended.unwrap_err();
        let ErrorKind::Write(WriteFailure::WriteConcernError(concern)) = error.kind() else {
            panic!("{error}");
        };
        assert_eq!(concern.code, 100, "{error}");
    }
}

fn index_operations_report_refusals<F: Api>() {
    let coll = F::fresh_database().collection::<Document>("c");
    F::end(coll.create_index(model(doc! { "a": 1 }))).unwrap();
    let sparse = IndexOptions::builder().sparse(true).build();
    let error = F::end(coll.create_index(with(doc! { "a": 1 }, sparse))).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Command(_)), "{error}");
    assert!(matches!(error.code(), Some(85 | 86)), "{error}");
    assert!(error.to_string().starts_with("create_index on "), "{error}");
    let error = F::end(coll.drop_index("nothing")).unwrap_err();
    assert_eq!(error.code(), Some(27), "{error}");
    F::end(coll.insert_many([doc! { "b": 1 }, doc! { "b": 1 }])).unwrap();
    let unique = IndexOptions::builder().unique(true).build();
    assert!(
        F::end(coll.create_index(with(doc! { "b": 1 }, unique))).unwrap_err().is_duplicate_key()
    );
}

fn index_operations_run_in_a_session<F: Api>() {
    let observed = Observed::<F>::of(&shared_standalone().unwrap().uri());
    let coll = observed.database().collection::<Document>("c");
    let mut session = F::start_session(&observed.client);
    let lsid = session.id().clone();
    let create = coll.create_indexes((0..5).map(|i| model(doc! { format!("f{i}"): 1 })));
    F::end(create.session(&mut session)).unwrap();
    let list = F::end(coll.list_indexes().session(&mut session).batch_size(2)).unwrap();
    assert_eq!(F::collect_in(list, &mut session).unwrap().len(), 6);
    let listed = F::end(coll.list_index_names().batch_size(2).session(&mut session)).unwrap();
    assert_eq!(listed.len(), 6);
    F::end(coll.drop_index("f0_1").session(&mut session)).unwrap();
    F::end(coll.drop_indexes().session(&mut session)).unwrap();
    let kinds = ["createIndexes", "listIndexes", "getMore", "dropIndexes"];
    let sent: Vec<Document> = kinds.iter().flat_map(|kind| observed.sent(kind)).collect();
    assert_eq!(sent.len(), 1 + 2 + 4 + 2);
    for command in sent {
        assert_eq!(command.get_document("lsid").unwrap(), &lsid, "{command}");
    }
}

/// Other programs write flags and numbers in other types.
fn foreign_indexes_are_listed<F: Api>() {
    let database = F::fresh_database();
    let odd = doc! { "key": { "a": 1.0 }, "name": "odd", "unique": 1, "expireAfterSeconds": 60.0 };
    F::end(database.run_command(doc! { "createIndexes": "c", "indexes": [odd] })).unwrap();
    let coll = database.collection::<Document>("c");
    let listed = F::collect(F::end(coll.list_indexes()).unwrap()).unwrap();
    let options = listed[1].options.as_ref().unwrap();
    assert_eq!(options.unique, Some(true));
    assert_eq!(options.expire_after, Some(Duration::from_secs(60)));
    assert_eq!(names(&coll), ["_id_", "odd"]);
}

fn index_lists_come_in_whole_batches<F: Reads>() {
    let database = F::fresh_database();
    let coll = database.collection::<Document>("c");
    F::end(coll.create_indexes((0..4).map(|i| model(doc! { format!("f{i}"): 1 })))).unwrap();
    let count = |batch: &RawBatch| batch.doc_slices().unwrap().into_iter().count();
    let mut cursor = F::end(coll.list_indexes().batch_size(3).batch()).unwrap();
    let mut counts = Vec::new();
    while let Some(batch) = F::try_next_batch(&mut cursor).unwrap() {
        counts.push(count(&batch));
    }
    assert_eq!(counts, [3, 2]);
    let mut session = F::session(&coll);
    let list = database.list_collections().session(&mut session);
    let mut cursor = F::end(list.batch()).unwrap();
    let batch = F::next_batch_in(&mut cursor, &mut session).unwrap().unwrap();
    assert_eq!(count(&batch), 1);
    let mut cursor = F::end(database.run_cursor_command(doc! { "listCollections": 1 }).batch());
    let batch = F::try_next_batch(cursor.as_mut().unwrap()).unwrap().unwrap();
    assert_eq!(count(&batch), 1);
}

/// No command takes as long as the timeout, but all of them together do.
fn lists_of_names_keep_to_one_timeout<F: Api>() {
    let server = shared_standalone().unwrap();
    let observed = Observed::<F>::of(&server.uri());
    let database = observed.database();
    let coll = database.collection::<Document>("c");
    F::end(coll.create_indexes((0..11).map(|i| model(doc! { format!("f{i}"): 1 })))).unwrap();
    for i in 0..11 {
        F::end(database.create_collection(format!("c{i}"))).unwrap();
    }
    let _turn = turn_for_faults();
    let slow = doc! {
        "configureFailPoint": "failCommand", "mode": "alwaysOn",
        "data": {
            "failCommands": ["getMore"], "blockConnection": true, "blockTimeMS": 200,
            "appName": &observed.name,
        },
    };
    let _slow = server.fail_point(slow).unwrap();
    let timeout = Duration::from_secs(1);
    let names = F::end(coll.list_index_names().batch_size(1).timeout(timeout));
    assert!(names.as_ref().unwrap_err().is_timeout(), "{names:?}");
    let names = F::end(database.list_collection_names().batch_size(1).timeout(timeout));
    assert!(names.as_ref().unwrap_err().is_timeout(), "{names:?}");
}
