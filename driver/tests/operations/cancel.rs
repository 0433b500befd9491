//! Operations that are dropped in flight leave nothing behind.

use driver::bson::{Document, doc};
use driver::ops::Operation;
use driver::{Async, IndexModel};
use testbed::Standalone;

use crate::api::Api;
use crate::observed::{Observed, check_nothing_stays, drop_in_flight, held_once};

/// Drops an operation while `server` holds back its `command`, and checks that nothing is left.
fn dropped(
    server: &Standalone,
    observed: &Observed<Async>,
    command: &str,
    operation: impl Operation,
) {
    observed.forget();
    let point = server.fail_point(held_once(&observed.name, command, 200)).unwrap();
    drop_in_flight(operation, || !observed.sent(command).is_empty());
    check_nothing_stays(observed);
    drop(point);
}

#[test]
fn dropped_operations_leave_no_connection_and_no_cursor() {
    let server = Standalone::start().unwrap();
    let observed = Observed::<Async>::with(&server.uri(), |options| {
        options.max_pool_size = Some(1);
    });
    let (client, database) = (&observed.client, observed.database());
    let coll = database.collection::<Document>("c");
    Async::end(coll.insert_many((0..9).map(|i| doc! { "_id": i }))).unwrap();
    let model = |i: i32| IndexModel::builder().keys(doc! { format!("f{i}"): 1 }).build();
    Async::end(coll.create_indexes((0..5).map(model))).unwrap();
    for name in ["d", "e", "f"] {
        Async::end(database.create_collection(name)).unwrap();
    }

    let set = || doc! { "$set": { "a": 1 } };
    dropped(&server, &observed, "findAndModify", coll.find_one_and_update(doc! {}, set()));
    dropped(&server, &observed, "findAndModify", coll.find_one_and_replace(doc! {}, doc! {}));
    dropped(&server, &observed, "findAndModify", coll.find_one_and_delete(doc! {}));
    dropped(&server, &observed, "createIndexes", coll.create_index(model(7)));
    dropped(&server, &observed, "createIndexes", coll.create_indexes([model(8)]));
    dropped(&server, &observed, "listIndexes", coll.list_indexes().batch_size(2));
    dropped(&server, &observed, "listIndexes", coll.list_index_names().batch_size(2));
    dropped(&server, &observed, "dropIndexes", coll.drop_index("f0_1"));
    dropped(&server, &observed, "dropIndexes", coll.drop_indexes());
    dropped(&server, &observed, "create", database.create_collection("g"));
    dropped(&server, &observed, "collMod", database.modify_collection("d"));
    dropped(&server, &observed, "renameCollection", coll.rename("h"));
    dropped(&server, &observed, "listCollections", database.list_collections().batch_size(2));
    dropped(&server, &observed, "listCollections", database.list_collection_names().batch_size(2));
    dropped(&server, &observed, "listDatabases", client.list_databases());
    dropped(&server, &observed, "listDatabases", client.list_database_names());
}
