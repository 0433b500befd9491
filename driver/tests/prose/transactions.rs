//! Specification "Transactions".

use std::collections::HashSet;

use driver::bson::{Document, doc};
use driver::collection::Collection;
use driver::error::{ErrorKind, TRANSIENT_TRANSACTION_ERROR};
use driver::options::{Acknowledgment, CollectionOptions};
use testbed::{Router, eventually, shared_replica_set};

use crate::api::{Api, on_both_apis};
use crate::observed::{Observed, turn_for_faults};

on_both_apis! {
    transactions_prose_pinning_1
    transactions_prose_pinning_2
    transactions_prose_pool_cleared_1
    transactions_prose_options_1
}

fn primary() -> String {
    let set = shared_replica_set().unwrap();
    set.host(set.wait_for_primary().unwrap()).unwrap()
}

/// A client of a sharded cluster: two routers in front of the primary.
struct Cluster<F: Api> {
    observed: Observed<F>,
    _routers: [Router; 2],
}

impl<F: Api> Cluster<F> {
    fn new() -> Self {
        let routers = [(); 2].map(|()| Router::mongos(&primary()).unwrap());
        let uri = format!("mongodb://{},{}/", routers[0].host(), routers[1].host());
        let observed = Observed::with(&format!("{uri}?localThresholdMS=1000"), |_| {});
        let client = &observed.client;
        let known =
            || client.topology().servers().filter(|s| s.server_type().is_data_bearing()).count();
        F::end(observed.database().collection::<Document>("test").insert_one(doc! {})).unwrap();
        eventually("both mongoses are known", || known() == 2);
        Cluster { observed, _routers: routers }
    }

    fn items(&self) -> Collection<Document, F> {
        self.observed.database().collection("test")
    }

    /// The routers that have received `find`.
    fn asked(&self) -> usize {
        let finds = self.observed.started("find");
        let routers: HashSet<_> =
            finds.iter().map(|find| find.connection.address.to_string()).collect();
        routers.len()
    }
}

fn transactions_prose_pinning_1<F: Api>() {
    let cluster = Cluster::<F>::new();
    let (items, mut session) = (cluster.items(), F::start_session(&cluster.observed.client));
    F::end(session.start_transaction()).unwrap();
    F::end(items.insert_one(doc! {}).session(&mut session)).unwrap();
    F::end(session.commit_transaction()).unwrap();
    for _ in 0..50 {
        F::end(session.start_transaction()).unwrap();
        assert!(F::end(items.find_one(doc! {}).session(&mut session)).unwrap().is_some());
        F::end(session.commit_transaction()).unwrap();
    }
    assert_eq!(cluster.asked(), 2);
}

fn transactions_prose_pinning_2<F: Api>() {
    let cluster = Cluster::<F>::new();
    let (items, mut session) = (cluster.items(), F::start_session(&cluster.observed.client));
    F::end(session.start_transaction()).unwrap();
    F::end(items.insert_one(doc! {}).session(&mut session)).unwrap();
    F::end(session.commit_transaction()).unwrap();
    for _ in 0..50 {
        assert!(F::end(items.find_one(doc! {}).session(&mut session)).unwrap().is_some());
    }
    assert_eq!(cluster.asked(), 2);
}

/// An operation outside holds the only connection, which then breaks and clears the pool. So the
/// operation in the transaction is refused while it waits.
fn transactions_prose_pool_cleared_1<F: Api>() {
    let _turn = turn_for_faults();
    let set = shared_replica_set().unwrap();
    let observed = Observed::<F>::with(&set.uri(), |options| {
        options.max_pool_size = Some(1);
        options.retry_writes = Some(false);
    });
    let items: Collection<Document, F> = observed.database().collection("test");
    F::end(items.insert_one(doc! {})).unwrap();
    let waiting = || observed.client.pool_metrics().iter().any(|pool| pool.waiting > 0);
    let point = doc! {
        "configureFailPoint": "failCommand", "mode": { "times": 1 },
        "data": {
            "failCommands": ["insert"], "appName": &observed.name, "closeConnection": true,
            "blockConnection": true, "blockTimeMS": 3000,
        },
    };
    let _point = set.fail_point(set.wait_for_primary().unwrap(), point).unwrap();
    observed.forget();
    let error = std::thread::scope(|scope| {
        let outside = scope.spawn(|| F::end(items.insert_one(doc! {})).unwrap_err());
        eventually("the connection is taken", || !observed.sent("insert").is_empty());
        let inside = scope.spawn(|| {
            let mut session = F::start_session(&observed.client);
            F::end(session.start_transaction()).unwrap();
            F::end(items.insert_one(doc! {}).session(&mut session)).unwrap_err()
        });
        eventually("the transaction waits", || waiting() || outside.is_finished());
        outside.join().unwrap();
        inside.join().unwrap()
    });
    assert!(matches!(error.kind(), ErrorKind::ConnectionPoolCleared { .. }), "{error:?}");
    assert!(error.has_label(TRANSIENT_TRANSACTION_ERROR), "{error:?}");
}

fn transactions_prose_options_1<F: Api>() {
    let observed = Observed::<F>::of(&shared_replica_set().unwrap().uri());
    let mut options = CollectionOptions::default();
    options.write_concern = Some(Acknowledgment::from(0).into());
    F::end(observed.database().create_collection("test")).unwrap();
    let items: Collection<Document, F> =
        observed.database().collection_with_options("test", options);
    let mut session = F::start_session(&observed.client);
    F::end(session.start_transaction()).unwrap();
    F::end(items.insert_one(doc! { "n": 1 }).session(&mut session)).unwrap();
    F::end(session.commit_transaction()).unwrap();
    drop(session);
    assert_eq!(F::end(items.count_documents(doc! { "n": 1 })).unwrap(), 1);
}
