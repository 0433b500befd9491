//! Search indexes. Servers outside of Atlas refuse their commands, so the tests check the sent
//! commands.

use driver::bson::{Document, doc};
use driver::error::ErrorKind;
use driver::options::{
    AggregateOptions, CollectionOptions, ReadConcern, ReadPreference, SearchIndexType, WriteConcern,
};
use driver::{Result, SearchIndexModel};
use testbed::shared_replica_set;

use crate::api::{Api, on_both_apis};
use crate::observed::{Observed, turn_for_faults};

on_both_apis! {
    search_index_commands_take_no_concerns
    search_index_of_a_missing_collection_is_dropped
}

fn refused<T>(ended: Result<T>) {
    let Err(error) = ended else { panic!("a server outside of Atlas has search indexes") };
    assert!(matches!(error.kind(), ErrorKind::Command(_)), "{error}");
}

fn search_index_commands_take_no_concerns<F: Api>() {
    let observed = Observed::<F>::of(&shared_replica_set().unwrap().uri());
    let concerned = CollectionOptions::builder()
        .read_concern(ReadConcern::majority())
        .write_concern(WriteConcern::majority())
        .selection_criteria(Some(ReadPreference::primary().into()));
    let coll = observed.database().collection_with_options::<Document>("c", concerned.build());
    F::end(coll.insert_one(doc! {})).unwrap();
    let mut session = F::start_session(&observed.client);
    F::end(coll.find_one(doc! {}).session(&mut session)).unwrap();
    observed.forget();

    let definition = || doc! { "mappings": { "dynamic": true } };
    let model = SearchIndexModel::builder()
        .definition(definition())
        .name("n".to_owned())
        .index_type(SearchIndexType::VectorSearch);
    refused(F::end(coll.create_search_index(model.build())));
    refused(F::end(coll.create_search_indexes([])));
    refused(F::end(coll.update_search_index("n", definition()).session(&mut session)));
    let options = AggregateOptions::builder().batch_size(7).read_concern(ReadConcern::local());
    let list = coll.list_search_indexes().name("n").aggregate_options(options.build());
    refused(F::end(list.session(&mut session)));
    // Some servers do not know the command, others report that the index does not exist.
    let _ = F::end(coll.drop_search_index("n"));

    let sent = |name: &str| observed.sent(name);
    let create = sent("createSearchIndexes");
    assert_eq!(create[0].get_str("createSearchIndexes").unwrap(), "c");
    let index = create[0].get_array("indexes").unwrap()[0].as_document().unwrap();
    assert_eq!(index, &doc! { "definition": definition(), "name": "n", "type": "vectorSearch" });
    assert!(create[1].get_array("indexes").unwrap().is_empty());
    let update = &sent("updateSearchIndex")[0];
    assert_eq!(update.get_str("name").unwrap(), "n");
    assert_eq!(update.get_document("definition").unwrap(), &definition());
    let list = &sent("aggregate")[0];
    let stage = list.get_array("pipeline").unwrap()[0].as_document().unwrap();
    assert_eq!(stage, &doc! { "$listSearchIndexes": { "name": "n" } });
    assert_eq!(list.get_document("cursor").unwrap().get("batchSize").unwrap().as_i64(), Some(7));
    assert_eq!(sent("dropSearchIndex")[0].get_str("name").unwrap(), "n");
    let all = ["createSearchIndexes", "updateSearchIndex", "aggregate", "dropSearchIndex"];
    for command in all.iter().flat_map(|name| sent(name)) {
        for concern in ["readConcern", "writeConcern"] {
            assert!(!command.contains_key(concern), "{command}");
        }
    }
}

fn search_index_of_a_missing_collection_is_dropped<F: Api>() {
    let server = shared_replica_set().unwrap();
    let observed = Observed::<F>::of(&server.uri());
    let fail = doc! {
        "configureFailPoint": "failCommand", "mode": { "times": 1 },
        "data": { "failCommands": ["dropSearchIndex"], "errorCode": 26, "appName": &observed.name },
    };
    let _turn = turn_for_faults();
    let point = server.fail_point(server.wait_for_primary().unwrap(), fail).unwrap();
    let coll = observed.database().collection::<Document>("c");
    let ended = F::end(coll.drop_search_index("n"));
    drop(point);
    // The fail point accepts only commands that the server knows.
    match ended {
        Ok(()) => {}
        Err(error) => assert_eq!(error.code(), Some(59), "{error}"),
    }
}
