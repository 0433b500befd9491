//! Operations on a connection that breaks: those that are retried, and those that never are.

use driver::IndexModel;
use driver::bson::{Document, doc};
use driver::error::ErrorKind;
use driver::options::ReturnDocument;
use testbed::shared_replica_set;

use crate::api::{Api, on_both_apis};
use crate::observed::{Observed, turn_for_faults};

on_both_apis! {
    find_and_modify_is_done_once_when_its_reply_is_lost
    lists_are_sent_once_more
    changes_of_metadata_are_never_sent_twice
}

/// Runs `operation` while the server closes the connection of one `command`.
fn broken_once<F: Api, T>(
    observed: &Observed<F>,
    command: &str,
    operation: impl FnOnce() -> T,
) -> T {
    let _turn = turn_for_faults();
    let set = shared_replica_set().unwrap();
    let fail = doc! {
        "configureFailPoint": "failCommand", "mode": { "times": 1 },
        "data": { "failCommands": [command], "closeConnection": true, "appName": &observed.name },
    };
    let point = set.fail_point(set.wait_for_primary().unwrap(), fail).unwrap();
    observed.forget();
    let ended = operation();
    drop(point);
    ended
}

fn find_and_modify_is_done_once_when_its_reply_is_lost<F: Api>() {
    let observed = Observed::<F>::of(&shared_replica_set().unwrap().uri());
    let coll = observed.database().collection::<Document>("c");
    F::end(coll.insert_one(doc! { "_id": 1, "n": 0 })).unwrap();
    let check = |expected: Option<Document>, ended: driver::Result<Option<Document>>| {
        assert_eq!(ended.unwrap(), expected);
        let sent = observed.sent("findAndModify");
        assert_eq!(sent.len(), 2, "{sent:?}");
        assert_eq!(sent[0].get_i64("txnNumber").unwrap(), sent[1].get_i64("txnNumber").unwrap());
        assert_eq!(sent[0].get("lsid"), sent[1].get("lsid"));
    };
    let ended = broken_once(&observed, "findAndModify", || {
        let update = coll.find_one_and_update(doc! { "_id": 1 }, doc! { "$inc": { "n": 1 } });
        F::end(update.return_document(ReturnDocument::After))
    });
    check(Some(doc! { "_id": 1, "n": 1 }), ended);
    let ended = broken_once(&observed, "findAndModify", || {
        F::end(coll.find_one_and_replace(doc! { "_id": 1 }, doc! { "n": 7 }))
    });
    check(Some(doc! { "_id": 1, "n": 1 }), ended);
    let ended = broken_once(&observed, "findAndModify", || {
        F::end(coll.find_one_and_delete(doc! { "_id": 1 }))
    });
    check(Some(doc! { "_id": 1, "n": 7 }), ended);
}

fn lists_are_sent_once_more<F: Api>() {
    let observed = Observed::<F>::of(&shared_replica_set().unwrap().uri());
    let (client, database) = (&observed.client, observed.database());
    let coll = database.collection::<Document>("c");
    F::end(coll.insert_one(doc! {})).unwrap();
    let twice = |name: &str| assert_eq!(observed.sent(name).len(), 2, "{name}");
    let ended = broken_once(&observed, "listIndexes", || F::end(coll.list_indexes()));
    assert_eq!(F::collect(ended.unwrap()).unwrap().len(), 1);
    twice("listIndexes");
    let ended = broken_once(&observed, "listIndexes", || F::end(coll.list_index_names()));
    assert_eq!(ended.unwrap(), ["_id_"]);
    twice("listIndexes");
    let ended = broken_once(&observed, "listCollections", || F::end(database.list_collections()));
    assert_eq!(F::collect(ended.unwrap()).unwrap().len(), 1);
    twice("listCollections");
    let ended =
        broken_once(&observed, "listCollections", || F::end(database.list_collection_names()));
    assert_eq!(ended.unwrap(), ["c"]);
    twice("listCollections");
    let ended = broken_once(&observed, "listDatabases", || F::end(client.list_databases()));
    assert!(!ended.unwrap().is_empty());
    twice("listDatabases");
    let ended = broken_once(&observed, "listDatabases", || F::end(client.list_database_names()));
    assert!(!ended.unwrap().is_empty());
    twice("listDatabases");
}

fn changes_of_metadata_are_never_sent_twice<F: Api>() {
    let observed = Observed::<F>::of(&shared_replica_set().unwrap().uri());
    let database = observed.database();
    let coll = database.collection::<Document>("c");
    F::end(coll.insert_one(doc! {})).unwrap();
    let once = |name: &str, ended: driver::Result<()>| {
        let error = ended.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Io { .. }), "{name}: {error}");
        assert!(!observed.sent(name)[0].contains_key("txnNumber"), "{name}");
        assert_eq!(observed.sent(name).len(), 1, "{name}");
    };
    let model = || IndexModel::builder().keys(doc! { "a": 1 }).build();
    let ended = broken_once(&observed, "createIndexes", || F::end(coll.create_index(model())));
    once("createIndexes", ended.map(drop));
    let ended = broken_once(&observed, "createIndexes", || F::end(coll.create_indexes([model()])));
    once("createIndexes", ended.map(drop));
    let ended = broken_once(&observed, "dropIndexes", || F::end(coll.drop_index("a_1")));
    once("dropIndexes", ended);
    let ended = broken_once(&observed, "dropIndexes", || F::end(coll.drop_indexes()));
    once("dropIndexes", ended);
    let ended = broken_once(&observed, "create", || F::end(database.create_collection("d")));
    once("create", ended);
    let ended = broken_once(&observed, "collMod", || F::end(database.modify_collection("c")));
    once("collMod", ended);
    let ended = broken_once(&observed, "renameCollection", || F::end(coll.rename("e")));
    once("renameCollection", ended.map(drop));
    assert_eq!(F::end(coll.list_index_names()).unwrap(), ["_id_"]);
}
