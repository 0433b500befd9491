//! Operations that end early: by their timeout, by the shutdown of their client, or because their
//! pool is cleared. Each family of operations gets the right error, and nothing is lost.
//!
//! All families run at once, on a thread each, while the server delays their commands.

use std::time::Duration;

use driver::bson::{Document, doc};
use driver::client::Client;
use driver::collection::Collection;
use driver::error::{Error, ErrorKind};
use driver::options::WriteModel;
use driver::{IndexModel, Result};
use testbed::{ReplicaSet, eventually};

use crate::api::{Api, on_both_apis};
use crate::files::Files;
use crate::observed::Observed;

on_both_apis! {
    timeouts_end_operations_and_lose_nothing
    operations_in_flight_outlive_the_shutdown
    operations_that_wait_end_with_the_shutdown
    cleared_pool_ends_operations_with_network_errors
}

/// The effect of a broken connection on an operation.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Retry {
    /// It is sent once more.
    Yes,
    /// The caller gets the error.
    No,
}
use Retry::{No, Yes};

/// One operation that needs no other command first.
struct Family<'a> {
    name: &'static str,
    retry: Retry,
    run: Box<dyn FnOnce() -> Result<()> + Send + 'a>,
}

/// The commands that the server delays.
const COMMANDS: [&str; 20] = [
    "insert",
    "update",
    "delete",
    "find",
    "getMore",
    "aggregate",
    "count",
    "distinct",
    "findAndModify",
    "createIndexes",
    "listIndexes",
    "dropIndexes",
    "create",
    "collMod",
    "renameCollection",
    "drop",
    "listCollections",
    "listDatabases",
    "commitTransaction",
    "explain",
];

/// The collection `name`, with nine documents and an index.
fn filled<F: Api>(observed: &Observed<F>, name: &str) -> Collection<Document, F> {
    let collection = observed.database().collection(name);
    F::end(collection.insert_many((0..9).map(|i| doc! { "_id": i }))).unwrap();
    F::end(collection.create_index(index(0))).unwrap();
    collection
}

fn index(number: i32) -> IndexModel {
    IndexModel::builder().keys(doc! { format!("f{number}"): 1 }).build()
}

/// Every family of operations on `client`. The client of `observed` creates their collections.
fn families<'a, F: Api>(observed: &Observed<F>, client: &'a Client<F>) -> Vec<Family<'a>> {
    let mut families = Vec::new();
    let mut add = |name, retry, run: Box<dyn FnOnce() -> Result<()> + Send + 'a>| {
        families.push(Family { name, retry, run });
    };
    let database = || client.database(&observed.name);
    let coll = |name: &str| {
        filled(observed, name);
        client.database(&observed.name).collection::<Document>(name)
    };
    /// Adds an operation on a collection of its own.
    macro_rules! on_collection {
        ($($name:literal $retry:ident: |$coll:ident| $operation:expr;)*) => {$(
            let $coll = coll(&format!("c_{}", $name));
            add($name, $retry, Box::new(move || F::end($operation).map(drop)));
        )*};
    }
    let set = || doc! { "$set": { "a": 1 } };
    on_collection! {
        "insert_one" Yes: |c| c.insert_one(doc! { "_id": 99 });
        "insert_many" Yes: |c| c.insert_many([doc! { "_id": 98 }, doc! { "_id": 99 }]);
        "update_one" Yes: |c| c.update_one(doc! {}, set());
        "update_many" No: |c| c.update_many(doc! {}, set());
        "replace_one" Yes: |c| c.replace_one(doc! {}, doc! { "a": 1 });
        "delete_one" Yes: |c| c.delete_one(doc! {});
        "delete_many" No: |c| c.delete_many(doc! {});
        "bulk_write" Yes: |c| c.bulk_write([WriteModel::from(c.delete_one_model(doc! {}))]);
        "find_one_and_update" Yes: |c| c.find_one_and_update(doc! {}, set());
        "find_one_and_replace" Yes: |c| c.find_one_and_replace(doc! {}, doc! { "a": 1 });
        "find_one_and_delete" Yes: |c| c.find_one_and_delete(doc! {});
        "find" Yes: |c| c.find(doc! {}).batch_size(2);
        "find_one" Yes: |c| c.find_one(doc! {});
        "aggregate" Yes: |c| c.aggregate([doc! { "$match": {} }]).batch_size(2);
        "aggregate_out" No: |c| c.aggregate([doc! { "$out": "out" }]);
        "count_documents" Yes: |c| c.count_documents(doc! {});
        "estimated_document_count" Yes: |c| c.estimated_document_count();
        "distinct" Yes: |c| c.distinct("_id", doc! {});
        "explain" Yes: |c| c.find(doc! {}).explain();
        "create_index" No: |c| c.create_index(index(7));
        "create_indexes" No: |c| c.create_indexes([index(7), index(8)]);
        "list_indexes" Yes: |c| c.list_indexes().batch_size(1);
        "list_index_names" Yes: |c| c.list_index_names();
        "drop_index" No: |c| c.drop_index("f0_1");
        "drop_indexes" No: |c| c.drop_indexes();
        "rename" No: |c| c.rename("c_renamed");
        "drop" No: |c| c.drop();
    }
    /// Adds an operation on the database or the client.
    macro_rules! others {
        ($($name:literal $retry:ident: $operation:expr;)*) => {$(
            add($name, $retry, Box::new(move || F::end($operation).map(drop)));
        )*};
    }
    filled(observed, "modified");
    let [a, b, c, d, e, f] = std::array::from_fn(|_| database());
    others! {
        "create_collection" No: a.create_collection("created");
        "modify_collection" No: b.modify_collection("modified");
        "list_collections" Yes: c.list_collections().batch_size(1);
        "list_collection_names" Yes: d.list_collection_names();
        "run_command" No: e.run_command(doc! { "count": "modified" });
        "run_cursor_command" No: f.run_cursor_command(doc! { "find": "modified" });
        "list_databases" Yes: client.list_databases();
        "list_database_names" Yes: client.list_database_names();
    }
    let mut cursor = F::end(coll("c_next").find(doc! {}).batch_size(2)).unwrap();
    (0..2).for_each(|_| drop(F::next(&mut cursor)));
    add("next", No, Box::new(move || F::next(&mut cursor).unwrap().map(drop)));
    let items = coll("c_commit");
    let mut session = F::start_session(client);
    F::end(session.start_transaction()).unwrap();
    F::end(items.insert_one(doc! { "_id": 99 }).session(&mut session)).unwrap();
    add("commit", Yes, Box::new(move || F::end(session.commit_transaction())));
    families
}

/// A replica set with two clients. The server delays the commands of the client `held`.
struct Servers<F: Api> {
    set: ReplicaSet,
    plain: Observed<F>,
    held: Observed<F>,
}

/// More than there are families.
const POOL: u32 = 50;

impl<F: Api> Servers<F> {
    /// The client `held` has this timeout, and opens its connections in advance.
    fn new(timeout: Option<Duration>, connections: u32) -> Self {
        let set = ReplicaSet::builder().members(1).proxied().start().unwrap();
        let plain = Observed::<F>::of(&set.uri());
        let held = Observed::<F>::with(&set.uri(), |options| {
            options.timeout = timeout;
            options.min_pool_size = Some(connections);
            options.max_pool_size = Some(connections);
            // No monitor notices the broken connections before the operations do.
            options.heartbeat_freq = Some(Duration::from_secs(3600));
        });
        eventually("all connections are open", || held.metrics().1 == connections);
        Servers { set, plain, held }
    }

    fn fault(&self, millis: i32) -> Document {
        doc! {
            "configureFailPoint": "failCommand", "mode": "alwaysOn",
            "data": {
                "failCommands": COMMANDS.to_vec(), "blockConnection": true, "blockTimeMS": millis,
                "appName": &self.held.name,
            },
        }
    }

    /// The number of family commands that were sent. Background commands do not count.
    fn sent(&self) -> usize {
        let names = self.held.names();
        names.iter().filter(|name| COMMANDS.contains(&name.as_str())).count()
    }

    /// Runs all families at once, and returns their results. Calls `meanwhile` once `are_there`
    /// returns true.
    fn run(
        families: Vec<Family<'_>>,
        are_there: impl Fn() -> bool,
        meanwhile: impl FnOnce(),
    ) -> Vec<(&'static str, Retry, Result<()>)> {
        std::thread::scope(|scope| {
            let running: Vec<_> = families
                .into_iter()
                .map(|Family { name, retry, run }| (name, retry, scope.spawn(run)))
                .collect();
            eventually("all operations are on their way", are_there);
            meanwhile();
            let ended = running.into_iter();
            ended.map(|(name, retry, thread)| (name, retry, thread.join().unwrap())).collect()
        })
    }

    /// No connection is in use, no cursor and no transaction is open, and the client works. Returns
    /// whether all connections were kept.
    fn check_nothing_is_lost(&self, connections: usize) -> bool {
        eventually("no connection is in use", || self.held.metrics().0 == 0);
        eventually("no cursor is open", || self.plain.open_cursors_of(&self.plain.name) == 0);
        let kept = self.held.connections() == (connections, 0);
        let coll = self.held.client.database(&self.plain.name).collection::<Document>("after");
        F::end(coll.insert_one(doc! {})).unwrap();
        let status = self.set.admin(0, doc! { "serverStatus": 1 }).unwrap();
        let open = status.get_document("transactions").unwrap().get("currentOpen").unwrap();
        assert!(open.as_i64() == Some(0) || open.as_i32() == Some(0), "{open} transactions");
        kept
    }
}

fn is_shutdown(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Shutdown)
}

/// A late reply is waited for only so long. A busy machine may miss that time, but not every time.
fn timeouts_end_operations_and_lose_nothing<F: Files>() {
    assert!((0..5).any(|_| timeouts_keep_the_connections::<F>()), "connections were closed");
}

fn timeouts_keep_the_connections<F: Files>() -> bool {
    let servers = Servers::<F>::new(Some(Duration::from_secs(3)), POOL);
    let mut families = families(&servers.plain, &servers.held.client);
    // A transaction whose commit ran out of time stays open, so that the caller can commit again.
    families.retain(|family| family.name != "commit");
    let count = families.len();
    servers.held.forget();
    // No reply comes before all operations have ended.
    servers.set.pause(0).unwrap();
    let all_sent = || servers.sent() >= count;
    let outcomes = Servers::<F>::run(families, all_sent, || {});
    // The replies come now, before their connections are given up.
    servers.set.resume(0).unwrap();
    for (name, _, ended) in outcomes {
        let error = ended.expect_err(name);
        assert!(error.is_timeout(), "{name}: {error:?}");
    }
    assert_eq!(servers.sent(), count, "nothing was sent twice: {:?}", servers.held.names());
    servers.check_nothing_is_lost(POOL as usize)
}

fn operations_in_flight_outlive_the_shutdown<F: Files>() {
    let servers = Servers::<F>::new(None, POOL);
    let families = families(&servers.plain, &servers.held.client);
    let count = families.len();
    let point = servers.set.fail_point(0, servers.fault(1000)).unwrap();
    servers.held.forget();
    let all_sent = || servers.sent() >= count;
    let shut_down = || F::shut_down(servers.held.client.clone());
    for (name, _, ended) in Servers::<F>::run(families, all_sent, shut_down) {
        ended.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    drop(point);
    let all = (POOL as usize, POOL as usize);
    eventually("each connection is closed", || servers.held.connections() == all);
    let after = servers.held.client.database("db").collection::<Document>("c");
    assert!(is_shutdown(&F::end(after.find_one(doc! {})).unwrap_err()));
}

fn operations_that_wait_end_with_the_shutdown<F: Files>() {
    let servers = Servers::<F>::new(None, 1);
    // The second client creates the collections, because the first has only one connection.
    let families = families(&servers.plain, &servers.held.client);
    let count = families.len();
    let coll = servers.held.client.database(&servers.plain.name).collection::<Document>("holder");
    let point = servers.set.fail_point(0, servers.fault(3000)).unwrap();
    servers.held.forget();
    std::thread::scope(|scope| {
        let holder = scope.spawn(|| F::end(coll.insert_one(doc! {})));
        eventually("the connection is held", || servers.held.names().len() == 1);
        let all_wait = || servers.held.client.pool_metrics()[0].waiting as usize == count;
        let shut_down = || F::shut_down(servers.held.client.clone());
        for (name, _, ended) in Servers::<F>::run(families, all_wait, shut_down) {
            let error = ended.expect_err(name);
            assert!(is_shutdown(&error), "{name}: {error:?}");
        }
        holder.join().unwrap().expect("it was on its way");
    });
    drop(point);
    assert_eq!(servers.held.sent("insert").len(), 1);
    eventually("the connection is closed", || servers.held.connections() == (1, 1));
}

/// If the reply with a cursor is lost, the cursor stays open until the server ends it, because the
/// client does not know its id.
fn cleared_pool_ends_operations_with_network_errors<F: Files>() {
    let servers = Servers::<F>::new(None, POOL);
    let families = families(&servers.plain, &servers.held.client);
    let count = families.len();
    // No reply comes before the connections are cut. Commands that are sent again get theirs.
    let mut fault = servers.fault(600_000);
    fault.insert("mode", doc! { "times": count as i32 });
    let point = servers.set.fail_point(0, fault).unwrap();
    servers.held.forget();
    let all_sent = || servers.sent() >= count;
    let cut = || {
        point.wait_entered(count as u32).unwrap();
        servers.set.proxy(0).unwrap().cut();
    };
    for (name, retry, ended) in Servers::<F>::run(families, all_sent, cut) {
        match (retry, ended) {
            (Yes, Ok(())) => {}
            (No, Err(error)) => assert!(error.is_network(), "{name}: {error:?}"),
            (_, ended) => panic!("{name} ({retry:?}): {ended:?}"),
        }
    }
    assert!(servers.held.client.pool_metrics()[0].generation >= 1, "the pool was cleared");
    eventually("their connections are closed", || servers.held.connections().1 >= count);
    eventually("no connection is in use", || servers.held.metrics().0 == 0);
    // Killing the server removes its fail point. Turning the fail point off would wait for the
    // commands that it holds back.
    servers.set.kill(0).unwrap();
    drop(point);
}
