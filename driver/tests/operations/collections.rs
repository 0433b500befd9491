//! Collections: created, changed, renamed, listed.

use std::time::Duration;

use driver::IndexModel;
use driver::bson::{Document, doc};
use driver::database::Database;
use driver::error::{ErrorKind, WriteFailure};
use driver::options::{
    ChangeStreamPreAndPostImages, ClusteredIndex, Collation, CreateCollectionOptions, ExpireAfter,
    IndexModification, IndexOptionDefaults, IndexOptions, ListCollectionsOptions,
    TimeseriesGranularity, TimeseriesOptions, ValidationAction, ValidationLevel, WriteConcern,
};
use driver::results::{CollectionSpecification, CollectionType};
use testbed::{Version, shared_replica_set, shared_standalone};

use crate::api::{Api, on_both_apis};
use crate::observed::{Observed, invalid};

on_both_apis! {
    plain_capped_and_validated_collections_are_created
    views_and_time_series_are_created
    collection_options_are_sent_as_they_are
    collection_lists_span_batches
    oplog_is_listed
    names_are_listed_with_options
    collections_are_modified
    collections_are_renamed
    collection_operations_refuse_bad_input_unsent
    collection_operations_report_write_concern_errors
    collection_operations_run_in_a_session
}

const DOCUMENT_VALIDATION_FAILURE: i32 = 121;

fn listed<F: Api>(database: &Database<F>, name: &str) -> CollectionSpecification {
    let cursor = F::end(database.list_collections().filter(doc! { "name": name })).unwrap();
    let mut found = F::collect(cursor).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn plain_capped_and_validated_collections_are_created<F: Api>() {
    let database = F::fresh_database();
    F::end(database.create_collection("plain")).unwrap();
    let plain = listed(&database, "plain");
    assert_eq!(plain.collection_type, CollectionType::Collection);
    assert_eq!(plain.options, CreateCollectionOptions::default());
    assert!(plain.info.uuid.is_some() && !plain.info.read_only);
    assert_eq!(plain.id_index.unwrap().get_str("name").unwrap(), "_id_");
    let again = F::end(database.create_collection("plain").capped(true).size(4096)).unwrap_err();
    assert_eq!(again.code(), Some(48), "{again}");
    assert!(again.to_string().starts_with("create_collection on "), "{again}");

    F::end(database.create_collection("capped").capped(true).size(8192).max(3)).unwrap();
    let capped = listed(&database, "capped").options;
    assert_eq!((capped.capped, capped.size, capped.max), (Some(true), Some(8192), Some(3)));

    let validated = database
        .create_collection("validated")
        .validator(doc! { "x": { "$type": "int" } })
        .validation_level(ValidationLevel::Moderate)
        .validation_action(ValidationAction::Error)
        .collation(Collation::locale("fr"))
        .storage_engine(doc! { "wiredTiger": { "configString": "" } })
        .index_option_defaults(
            IndexOptionDefaults::builder()
                .storage_engine(doc! { "wiredTiger": { "configString": "" } })
                .build(),
        )
        .comment("why");
    F::end(validated).unwrap();
    let options = listed(&database, "validated").options;
    assert_eq!(options.validator, Some(doc! { "x": { "$type": "int" } }));
    assert_eq!(options.validation_level, Some(ValidationLevel::Moderate));
    assert_eq!(options.validation_action, Some(ValidationAction::Error));
    assert_eq!(options.collation.unwrap().locale, "fr");
    assert!(options.storage_engine.is_some() && options.index_option_defaults.is_some());
    let coll = database.collection::<Document>("validated");
    let error = F::end(coll.insert_one(doc! { "x": "text" })).unwrap_err();
    assert_eq!(error.code(), Some(DOCUMENT_VALIDATION_FAILURE), "{error}");
}

fn views_and_time_series_are_created<F: Api>() {
    let database = F::fresh_database();
    let coll = database.collection::<Document>("c");
    F::end(coll.insert_many((0..4).map(|i| doc! { "i": i }))).unwrap();
    let view = database.create_collection("view").view_on("c");
    F::end(view.pipeline([doc! { "$match": { "i": { "$gt": 1 } } }])).unwrap();
    let found = F::end(database.collection::<Document>("view").count_documents(doc! {}));
    assert_eq!(found.unwrap(), 2);
    let view = listed(&database, "view");
    assert_eq!(view.collection_type, CollectionType::View);
    assert_eq!(view.options.view_on.as_deref(), Some("c"));
    assert!(view.info.read_only && view.id_index.is_none());

    if shared_standalone().unwrap().version() < Version::new(5, 3, 0) {
        return;
    }
    let series = TimeseriesOptions::builder()
        .time_field("at".to_owned())
        .meta_field("who".to_owned())
        .granularity(TimeseriesGranularity::Minutes)
        .build();
    let create = database.create_collection("series").timeseries(series.clone());
    F::end(create.expire_after_seconds(Duration::from_secs(3600))).unwrap();
    let found = listed(&database, "series");
    assert_eq!(found.collection_type, CollectionType::Timeseries);
    assert_eq!(found.options.expire_after_seconds, Some(Duration::from_secs(3600)));
    let timeseries = found.options.timeseries.unwrap();
    assert_eq!(timeseries.time_field, series.time_field);
    assert_eq!(
        (timeseries.meta_field, timeseries.granularity),
        (series.meta_field, series.granularity)
    );

    let create = database.create_collection("clustered").clustered_index(ClusteredIndex::default());
    F::end(create).unwrap();
    let clustered = listed(&database, "clustered").options.clustered_index.unwrap();
    assert_eq!((clustered.key, clustered.unique), (doc! { "_id": 1 }, true));
    let indexes = F::end(database.collection::<Document>("clustered").list_indexes()).unwrap();
    let indexes = F::collect(indexes).unwrap();
    assert_eq!(indexes[0].options.as_ref().unwrap().clustered(), Some(true));
}

fn collection_options_are_sent_as_they_are<F: Api>() {
    let observed = Observed::<F>::of(&shared_replica_set().unwrap().uri());
    let database = observed.database();
    let options = CreateCollectionOptions::builder()
        .change_stream_pre_and_post_images(
            ChangeStreamPreAndPostImages::builder().enabled(true).build(),
        )
        .write_concern(WriteConcern::majority())
        .comment(driver::bson::Bson::from(5))
        .build();
    let create = F::end(database.create_collection("c").with_options(options));
    let sent = observed.sent("create").remove(0);
    assert_eq!(sent.get_str("create").unwrap(), "c");
    let images = sent.get_document("changeStreamPreAndPostImages").unwrap();
    assert_eq!(images, &doc! { "enabled": true });
    assert_eq!(sent.get_document("writeConcern").unwrap(), &doc! { "w": "majority" });
    assert_eq!(sent.get_i32("comment").unwrap(), 5);
    if shared_replica_set().unwrap().version() < Version::new(6, 0, 0) {
        create.expect_err("servers before 6.0 have no such images");
        return;
    }
    create.unwrap();
    let images = listed(&database, "c").options.change_stream_pre_and_post_images;
    assert!(images.unwrap().enabled);
}

fn collection_lists_span_batches<F: Api>() {
    let observed = Observed::<F>::of(&shared_standalone().unwrap().uri());
    let database = observed.database();
    for i in 0..7 {
        F::end(database.create_collection(format!("c{i}"))).unwrap();
    }
    observed.forget();
    let found = F::end(database.list_collections().batch_size(3).comment("why")).unwrap();
    assert_eq!(F::collect(found).unwrap().len(), 7);
    let more = observed.sent("getMore");
    assert_eq!(more.len(), 2);
    for command in more {
        assert_eq!(command.get("batchSize").unwrap().as_i64(), Some(3));
    }
    assert_eq!(F::end(database.list_collection_names().batch_size(2)).unwrap().len(), 7);
}

/// Its size is a double, and it has options that no user can set.
fn oplog_is_listed<F: Api>() {
    let observed = Observed::<F>::of(&shared_replica_set().unwrap().uri());
    let oplog = listed(&observed.client.database("local"), "oplog.rs");
    assert_eq!(oplog.options.capped, Some(true));
    assert!(oplog.options.size.unwrap() > 0);
}

fn names_are_listed_with_options<F: Api>() {
    let observed = Observed::<F>::of(&shared_standalone().unwrap().uri());
    let database = observed.database();
    F::end(database.create_collection("a")).unwrap();
    F::end(database.create_collection("b").capped(true).size(4096)).unwrap();
    observed.forget();
    let options = ListCollectionsOptions::builder()
        .filter(doc! { "name": "b" })
        .authorized_collections(true)
        .build();
    let names = F::end(database.list_collection_names().with_options(options)).unwrap();
    assert_eq!(names, ["b"]);
    let capped = database.list_collection_names().filter(doc! { "options.capped": true });
    assert_eq!(F::end(capped).unwrap(), ["b"]);
    let sent = observed.sent("listCollections");
    assert!(
        sent[0].get_bool("nameOnly").unwrap() && sent[0].get_bool("authorizedCollections").unwrap()
    );
    assert!(!sent[1].contains_key("nameOnly"), "the filter looks at more than names");
}

fn collections_are_modified<F: Api>() {
    let database = F::fresh_database();
    let coll = database.collection::<Document>("c");
    F::end(coll.insert_one(doc! { "x": "text" })).unwrap();
    let modify = database.modify_collection("c").validator(doc! { "x": { "$type": "int" } });
    F::end(modify.validation_level(ValidationLevel::Strict)).unwrap();
    let error = F::end(coll.insert_one(doc! { "x": "text" })).unwrap_err();
    assert_eq!(error.code(), Some(DOCUMENT_VALIDATION_FAILURE), "{error}");
    F::end(database.modify_collection("c").validation_action(ValidationAction::Warn)).unwrap();
    F::end(coll.insert_one(doc! { "x": "text" })).unwrap();

    let hour = IndexOptions::builder().expire_after(Duration::from_secs(3600)).build();
    let at = IndexModel::builder().keys(doc! { "at": 1 }).options(hour).build();
    F::end(coll.create_index(at)).unwrap();
    let index = IndexModification::builder()
        .key_pattern(doc! { "at": 1 })
        .expire_after(Duration::from_secs(60))
        .hidden(true)
        .build();
    F::end(database.modify_collection("c").index(index)).unwrap();
    let indexes = F::collect(F::end(coll.list_indexes()).unwrap()).unwrap();
    let options = indexes[1].options.as_ref().unwrap();
    assert_eq!(options.expire_after, Some(Duration::from_secs(60)));
    assert_eq!(options.hidden, Some(true));

    F::end(database.create_collection("view").view_on("c").pipeline([])).unwrap();
    let none = doc! { "$match": { "x": 5 } };
    F::end(database.modify_collection("view").view_on("c").pipeline([none])).unwrap();
    let count = F::end(database.collection::<Document>("view").count_documents(doc! {}));
    assert_eq!(count.unwrap(), 0);

    let error = F::end(database.modify_collection("nowhere")).unwrap_err();
    assert_eq!(error.code(), Some(26), "{error}");
    if shared_standalone().unwrap().version() < Version::new(6, 0, 0) {
        return;
    }
    F::end(database.create_collection("capped").capped(true).size(8192)).unwrap();
    F::end(database.modify_collection("capped").capped_size(16_384).capped_max(9)).unwrap();
    let options = listed(&database, "capped").options;
    assert_eq!((options.size, options.max), (Some(16_384), Some(9)));
    let series = TimeseriesOptions::builder().time_field("at".to_owned()).build();
    let series = database.create_collection("series").timeseries(series);
    F::end(series.expire_after_seconds(Duration::from_secs(60))).unwrap();
    let modify = database.modify_collection("series").expire_after_seconds(Duration::from_secs(90));
    F::end(modify).unwrap();
    let expires = listed(&database, "series").options.expire_after_seconds;
    assert_eq!(expires, Some(Duration::from_secs(90)));
    F::end(database.modify_collection("series").expire_after_seconds(ExpireAfter::Off)).unwrap();
    assert_eq!(listed(&database, "series").options.expire_after_seconds, None);
}

fn collections_are_renamed<F: Api>() {
    let database = F::fresh_database();
    let old = database.collection::<Document>("old");
    F::end(old.insert_one(doc! { "_id": 1 })).unwrap();
    let new = F::end(old.rename("new")).unwrap();
    assert_eq!(new.namespace().to_string(), format!("{}.new", database.name()));
    assert_eq!(F::end(new.count_documents(doc! {})).unwrap(), 1);
    assert_eq!(F::end(old.count_documents(doc! {})).unwrap(), 0);

    F::end(old.insert_one(doc! { "_id": 2 })).unwrap();
    let error = F::end(old.rename("new")).unwrap_err();
    assert_eq!(error.code(), Some(48), "{error}");
    let new = F::end(old.rename("new").drop_target(true)).unwrap();
    assert_eq!(F::end(new.find_one(doc! {})).unwrap(), Some(doc! { "_id": 2 }));
    assert_eq!(F::end(old.rename("other")).unwrap_err().code(), Some(26));

    let there = F::fresh_database();
    let moved = F::end(new.rename("moved").database(there.name())).unwrap();
    assert_eq!(moved.database().name(), there.name());
    assert_eq!(F::end(moved.count_documents(doc! {})).unwrap(), 1);
}

fn collection_operations_refuse_bad_input_unsent<F: Api>() {
    let observed = Observed::<F>::of(&shared_standalone().unwrap().uri());
    let database = observed.database();
    let coll = database.collection::<Document>("c");
    let half = Duration::from_millis(1500);
    let create = |name: &str| database.create_collection(name);
    let modify = |name: &str| database.modify_collection(name);
    let nameless = TimeseriesOptions::default();
    let rounding =
        TimeseriesOptions::builder().time_field("t".to_owned()).bucket_rounding(half).build();
    let nothing = IndexModification::builder().hidden(true).build();
    let twice =
        IndexModification::builder().name("a_1".to_owned()).key_pattern(doc! { "a": 1 }).build();
    let ttl = IndexModification::builder().name("a_1".to_owned()).expire_after(half).build();
    let refused = [
        (F::end(create("")), "the name of the collection is empty"),
        (F::end(create("a\0b")), "holds a NUL at byte 1"),
        (F::end(create("c").expire_after_seconds(half)), "expire_after_seconds is 1.5s"),
        (F::end(create("c").timeseries(nameless)), "time_field"),
        (F::end(create("c").timeseries(rounding)), "bucket_rounding is 1.5s"),
        (F::end(modify("")), "empty"),
        (F::end(modify("c").expire_after_seconds(half)), "1.5s"),
        (F::end(modify("c").index(nothing)), "key_pattern"),
        (F::end(modify("c").index(twice)), "one of the two"),
        (F::end(modify("c").index(ttl)), "expire_after is 1.5s"),
        (F::end(coll.rename("")).map(drop), "the new name is empty"),
        (F::end(coll.rename("a\0")).map(drop), "NUL"),
        (F::end(coll.rename("a").database("")).map(drop), "the database is empty"),
    ];
    for (ended, says) in refused {
        let message = invalid(&ended.unwrap_err());
        assert!(message.contains(says), "{message}");
    }
    assert!(observed.names().is_empty(), "nothing is sent");
    // The server explains the options that it refuses.
    let error = F::end(create("c").size(4096)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Command(_)), "{error}");
}

fn collection_operations_report_write_concern_errors<F: Api>() {
    let observed = Observed::<F>::of(&shared_replica_set().unwrap().uri());
    let database = observed.database();
    let many = || WriteConcern::nodes(9);
    let create = F::end(database.create_collection("c").write_concern(many()));
    let modify = database.modify_collection("c").validator(doc! {}).write_concern(many());
    let modify = F::end(modify);
    let coll = database.collection::<Document>("c");
    let rename = F::end(coll.rename("d").write_concern(many())).map(drop);
    for ended in [create, modify, rename] {
        let error = ended.unwrap_err();
        let ErrorKind::Write(WriteFailure::WriteConcernError(concern)) = error.kind() else {
            panic!("{error}");
        };
        assert_eq!(concern.code, 100, "{error}");
    }
    assert_eq!(F::end(database.list_collection_names()).unwrap(), ["d"], "all was done");
}

fn collection_operations_run_in_a_session<F: Api>() {
    let observed = Observed::<F>::of(&shared_standalone().unwrap().uri());
    let database = observed.database();
    let mut session = F::start_session(&observed.client);
    let lsid = session.id().clone();
    F::end(database.create_collection("a").session(&mut session)).unwrap();
    F::end(database.create_collection("b").session(&mut session)).unwrap();
    F::end(database.create_collection("c").session(&mut session)).unwrap();
    F::end(database.modify_collection("a").session(&mut session)).unwrap();
    let coll = database.collection::<Document>("a");
    F::end(coll.rename("d").session(&mut session)).unwrap();
    let list = F::end(database.list_collections().session(&mut session).batch_size(2)).unwrap();
    assert_eq!(F::collect_in(list, &mut session).unwrap().len(), 3);
    let names = F::end(database.list_collection_names().session(&mut session).batch_size(2));
    assert_eq!(names.unwrap().len(), 3);
    let kinds = ["create", "collMod", "renameCollection", "listCollections", "getMore"];
    let sent: Vec<Document> = kinds.iter().flat_map(|kind| observed.sent(kind)).collect();
    assert_eq!(sent.len(), 3 + 1 + 1 + 2 + 2);
    for command in sent {
        assert_eq!(command.get_document("lsid").unwrap(), &lsid, "{command}");
    }
}
